"""Networks of the user's own, trained by a configuration; checkpoints of others are not trusted."""

from pathlib import Path

import pytest
import torch

from stn_action.build.model import refuse_code
from stn_action.errors import InputError
from stn_action.export.export_checkpoint import export_checkpoint
from stn_action.models.backbones.backbone_table import backbone_spec, build_backbone
from stn_action.predictor import Predictor
from tests.tiny import tiny_config, tiny_settings, write_config
from tools.evaluate import main as evaluate
from tools.export import main as export
from tools.faithfulness import main as faithfulness
from tools.predict import main as predict
from tools.train import main as train
from tools.visualize import main as visualize

CODE = """
from torch import nn

print("imported")


def build():
    return nn.Sequential(
        nn.Conv3d(3, 8, 3, (1, 4, 4), 1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(),
        nn.Linear(8, 400),
    )


def words():
    return "no network"
"""


@pytest.fixture(scope="module")
def code(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("code") / "mine.py"
    file.write_text(CODE)
    return file


@pytest.fixture(scope="module")
def settings(tiny_data, code) -> list[str]:
    return tiny_settings(
        tiny_data, f"model.backbone=python:{code}:build", "train.epochs=1", "optim.warmup_epochs=0",
        "model.focus={at: '1', heads: 2, glimpse: pooled, gain: 1000}",
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(settings, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("own_network")
    file = write_config(folder / "mine.yaml", [*settings, f"train.output_dir={folder / 'run'}"])
    assert train([str(file)]) == 0
    return folder


def test_the_row_imports_nothing(capsys, code):
    spec = backbone_spec(f"python:{code}:build")
    assert spec.example_clip(4, (32, 32)).shape == (1, 3, 4, 32, 32)
    assert capsys.readouterr().out == ""


def test_weights_of_a_file_are_loaded(code, tmp_path):
    name = f"python:{code}:build"
    state = build_backbone(name).trunk.state_dict()
    torch.save(state, tmp_path / "mine.pt")
    again = build_backbone(name, weights=str(tmp_path / "mine.pt")).trunk.state_dict()
    assert all(torch.equal(again[key], value) for key, value in state.items())


def test_what_is_no_network_is_refused(code):
    with pytest.raises(InputError, match=r"expected a function that returns .*Module.*, got str"):
        build_backbone(f"python:{code}:words")


def test_a_network_is_trained_and_the_run_goes_on(run, capsys):
    assert train([str(run / "mine.yaml"), "--resume"]) == 0
    assert "written to" in capsys.readouterr().out


def test_a_run_does_not_go_on_with_other_code(settings, tmp_path, capsys):
    file = tmp_path / "changing.py"
    file.write_text(CODE)
    given = [*settings, f"model.backbone=python:{file}:build", f"train.output_dir={tmp_path / 'r'}"]
    config = write_config(tmp_path / "c.yaml", [*given, "train.max_steps=1"])
    assert train([str(config)]) == 0
    file.write_text(CODE.replace("ReLU", "Tanh"))
    assert train([str(config), "--resume"]) == 2
    assert f"the content of model.backbone (python:{file}:build) has" in capsys.readouterr().err


@pytest.mark.parametrize(
    "tool",
    [
        evaluate,
        predict,
        export,
        pytest.param(visualize, marks=pytest.mark.slow),
        pytest.param(faithfulness, marks=pytest.mark.slow),
    ],
)
def test_a_checkpoint_that_names_code_is_refused_without_trust(tool, run, code, tmp_path, capsys):
    checkpoint = str(run / "run/last.pt")
    arguments = {
        evaluate: ["--checkpoint", checkpoint, "--out", str(tmp_path / "out")],
        predict: ["--checkpoint", checkpoint, "test"],
        visualize: ["--checkpoint", checkpoint, "test", "--out", str(tmp_path), "--limit", "1"],
        export: ["--checkpoint", checkpoint, "--to", "safetensors", "--out",
                 str(tmp_path / "mine.safetensors")],
        faithfulness: [checkpoint, "--out", str(tmp_path / "faith"), "data.regions=null"],
    }[tool]  # fmt: skip
    assert tool(arguments) == 2
    captured = capsys.readouterr()
    assert f"{checkpoint}: its network is built by code that is not in the file" in captured.err
    assert f"python:{code}:build" in captured.err
    assert "give --trust (in Python: trust=True)" in captured.err
    assert "imported" not in captured.out
    assert tool([*arguments, "--trust"]) == 0
    assert "imported" in capsys.readouterr().out


def test_code_of_a_trunk_of_glimpses_is_refused_too(tiny_data):
    focus = "{at: stage3, heads: 1, glimpse: zoom, look_size: 16, glimpse_size: 16}"
    name = "model.focus.glimpse_backbone=python:theirs:build"
    config = tiny_config(tiny_data, f"model.focus={focus}", name)
    with pytest.raises(InputError, match=r"^theirs.pt: .* python:theirs:build, and loading"):
        refuse_code(config, "theirs.pt", trust=False)
    refuse_code(config, "theirs.pt", trust=True)
    refuse_code(config, "theirs.pt", [name], trust=False)


@pytest.mark.slow
def test_a_sweep_and_a_configuration_of_the_user_need_trust_only_for_the_checkpoint(
    run, tmp_path, capsys
):
    checkpoint = str(run / "run/last.pt")
    sweep = ["--checkpoint", checkpoint, "--sweep", "eval.num_clips=1,2", "--out", str(tmp_path)]
    assert evaluate(sweep) == 2
    assert "give --trust" in capsys.readouterr().err
    assert evaluate([*sweep, "--trust"]) == 0
    own = [str(run / "mine.yaml"), "--out", str(tmp_path / "own")]
    assert evaluate(["--checkpoint", checkpoint, *own]) == 0


def test_a_predictor_runs_code_only_if_it_is_trusted_or_named(run, code, tmp_path, capsys):
    checkpoint = run / "run/last.pt"
    with pytest.raises(InputError, match=r"trust=True"):
        Predictor.load(checkpoint)
    exported = tmp_path / "last.safetensors"
    export_checkpoint(checkpoint, "safetensors", exported, trust=True)
    with pytest.raises(InputError, match=rf"{exported}: its network is built by code"):
        Predictor.load(exported)
    capsys.readouterr()
    frames = torch.zeros(6, 40, 40, 3, dtype=torch.uint8)
    for path in (checkpoint, exported):
        assert Predictor.load(path, trust=True).predict(frames).probabilities.shape == (3,)
    named = [f"model.backbone=python:{code}:build"]
    assert Predictor.load(checkpoint, named).predict(frames).probabilities.shape == (3,)
