"""Checkpoints as files that other programs run."""

import json
from itertools import product

import onnxruntime
import pytest
import torch

from stn_action import Predictor
from stn_action.errors import InputError
from stn_action.export.export_checkpoint import export_checkpoint
from stn_action.export.export_forms import SUFFIXES, ExportedNetwork
from stn_action.export.trained_network import load_exported
from stn_action.training.checkpoint import load_checkpoint, save_checkpoint
from tests.tiny import tiny_config

VIDEO = "test/left/0.mp4"
READOUTS = {
    "attention": ["readout=attention", "glimpse=pooled"],
    "attention of steps": ["readout=attention", "glimpse=pooled", "theta_per=step"],
    "foreground": ["readout=foreground", "glimpse=pooled"],
    "saliency": ["readout=saliency", "glimpse=pooled"],
    "max": ["readout=max", "glimpse=pooled"],
    "pooled": ["glimpse=pooled", "theta_per=step"],
    "start on the person": ["start=foreground"],
    "in line": ["glimpse=in_line", "heads=1"],
    "zoom": ["glimpse=zoom", "look_size=32", "glimpse_size=32"],
    "zoom by saliency": ["glimpse=zoom", "look_size=32", "glimpse_size=32", "readout=saliency"],
    "heat map": ["localization=heatmap"],
    "several stages": ["glimpse=tail", "at=[stage2, stage3]"],
    "several stages, pooled": ["glimpse=pooled", "at=[stage2, stage3]"],
    "several stages, in line": ["glimpse=in_line", "at=[stage2, stage3]", "heads=1"],
    "a temporal transformer": ["glimpse=pooled", "model.temporal=transformer"],
    **{
        family: [f"transform={family}"]
        for family in ("translation", "anisotropic", "affine", "projective", "tps", "volumetric")
    },
}


@pytest.fixture(scope="module")
def checkpoint(tiny_run):
    return tiny_run.folder / "last.pt"


@pytest.fixture(scope="module")
def onnx_file(checkpoint, tmp_path_factory):
    """An exported checkpoint; not to be changed."""
    out = tmp_path_factory.mktemp("exported") / "mine.onnx"
    lines = export_checkpoint(checkpoint, "onnx", out)
    assert lines[1:3] == [
        "inputs: clip; clip is (batch, 3, 4, 32, 32) uint8 RGB, normalized inside",
        "outputs: probabilities, logits, theta; 3 classes",
    ]
    return out


def untrained(tiny_data, settings, path, *, positions=1, multi_label=False, weight_std=None):
    """Write a checkpoint of a network as it is built, or with larger weights of its classifier."""
    from stn_action.build.model import build_network
    from stn_action.config.schema import to_dict

    config = tiny_config(tiny_data, *settings)
    network = build_network(config, 3 * positions)
    for parameter in network.localization_parameters():  # so that places depend on the clip
        torch.nn.init.normal_(parameter, std=0.01)
    if weight_std is not None:
        torch.nn.init.normal_(network.classifier.weight, std=weight_std)
    content = {
        "config": to_dict(config), "classes": ["down", "left", "right"], "positions": positions,
        "multi_label": multi_label, "network": network.state_dict(),
    }  # fmt: skip
    save_checkpoint(path, content)
    return path


def test_an_onnx_file_predicts_videos_as_the_checkpoint_does(checkpoint, onnx_file, tiny_data):
    original, exported = Predictor.load(checkpoint), Predictor.load(onnx_file)
    wanted, found = (one.predict(tiny_data / VIDEO) for one in (original, exported))
    torch.testing.assert_close(found.probabilities, wanted.probabilities, atol=1e-5, rtol=0)
    assert found.classes == wanted.classes
    torch.testing.assert_close(found.outlines(), wanted.outlines(), atol=1e-3, rtol=0)
    with pytest.raises(InputError, match=r"mine.onnx: model.*data.crop.size are fixed in an expo"):
        Predictor.load(onnx_file, ["data.crop.size=64"])
    assert Predictor.load(onnx_file, ["eval.num_clips=1"]).config.eval.num_clips == 1


def test_an_onnx_file_tells_other_programs_what_it_takes(onnx_file):
    session = onnxruntime.InferenceSession(onnx_file, providers=["CPUExecutionProvider"])
    (clip,) = session.get_inputs()
    assert (clip.name, clip.shape[1:], clip.type) == ("clip", [3, 4, 32, 32], "tensor(uint8)")
    assert [one.name for one in session.get_outputs()] == ["probabilities", "logits", "theta"]
    record = json.loads(session.get_modelmeta().custom_metadata_map["stn_action"])
    assert record["classes"] == ["down", "left", "right"]
    assert record["input"]["clip"] == ["batch", 3, 4, 32, 32]
    assert len(record["input"]["normalization_inside"]["mean"]) == 3
    assert record["people"] == "people"  # not where it is on the disk
    assert record["config"]["data"]["people"] is None
    for batch_size in (1, 5):
        frames = torch.zeros(batch_size, 3, 4, 32, 32, dtype=torch.uint8).numpy()
        probabilities, _, theta = session.run(None, {"clip": frames})
        assert (probabilities.shape, theta.shape) == ((batch_size, 3), (batch_size, 2, 1, 2, 3))
        assert probabilities.sum(1) == pytest.approx(1)


def test_weights_are_exported_without_pickle(checkpoint, tiny_data, tmp_path):
    out = tmp_path / "a.safetensors"
    lines = export_checkpoint(checkpoint, "safetensors", out)
    assert lines[-1] == "largest difference from the checkpoint on random clips: 0.0e+00"
    wanted, found = (Predictor.load(one).predict(tiny_data / VIDEO) for one in (checkpoint, out))
    assert torch.equal(found.probabilities, wanted.probabilities)


def test_a_program_is_one_graph_of_tensors(attention_run, tmp_path):
    out = tmp_path / "a.pt2"
    export_checkpoint(attention_run / "last.pt", "torch_export", out)
    module = torch.export.load(out).module()
    probabilities, _, weights = module(torch.zeros(4, 3, 4, 32, 32, dtype=torch.uint8))
    assert (probabilities.shape, weights.shape) == ((4, 3), (4, 2, 1, 4, 4))
    network, record = load_exported(out, ["eval.num_crops=3"])
    assert isinstance(network, ExportedNetwork)
    assert record.config.eval.num_crops == 3
    (focus,) = network(torch.zeros(1, 3, 4, 32, 32, dtype=torch.uint8)).focus
    assert focus.weights is not None
    assert focus.cells.size_thw[1:] == (4, 4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "form"), [*product(READOUTS, ("onnx", "torch_export")), ("max", "safetensors")]
)
def test_every_readout_is_exported(name, form, tiny_data, tmp_path):
    settings = [f"model.focus.{one}" if "." not in one else one for one in READOUTS[name]]
    path = untrained(tiny_data, settings, tmp_path / "a.pt")
    lines = export_checkpoint(path, form)  # compares it with the original
    assert lines[0].startswith(f"written: {path.with_suffix(SUFFIXES[form])}")


@pytest.mark.parametrize(
    ("positions", "multi_label", "form"),
    [
        (5, False, "safetensors"),
        (5, False, "torch_export"),
        (1, True, "safetensors"),
        pytest.param(1, True, "torch_export", marks=pytest.mark.slow),
        pytest.param(5, False, "onnx", marks=pytest.mark.slow),
        pytest.param(1, True, "onnx", marks=pytest.mark.slow),
    ],
)
def test_probabilities_are_of_each_position_or_label(
    positions, multi_label, form, tiny_data, tmp_path
):
    path = untrained(
        tiny_data, [], tmp_path / "a.pt", positions=positions, multi_label=multi_label, weight_std=3
    )
    assert float(export_checkpoint(path, form)[-1].split()[-1]) < 1e-4
    out = path.with_suffix(SUFFIXES[form])
    wanted, found = (Predictor.load(one).predict(tiny_data / VIDEO) for one in (path, out))
    torch.testing.assert_close(found.probabilities, wanted.probabilities, atol=1e-5, rtol=0)
    if form == "torch_export":
        probabilities, logits, _ = torch.export.load(out).module()(
            torch.randint(0, 256, (2, 3, 4, 32, 32), dtype=torch.uint8)
        )
        expected = logits.sigmoid() if multi_label else logits.view(2, 5, 3).softmax(2).flatten(1)
        torch.testing.assert_close(probabilities, expected)
        assert not torch.allclose(probabilities, logits.softmax(1), atol=0.1)


def test_a_network_that_fails_the_comparison_leaves_the_older_file(tiny_data, tmp_path):
    path = untrained(tiny_data, [], tmp_path / "a.pt")
    content = load_checkpoint(path)
    content["network"]["classifier.weight"].fill_(3e38)  # infinite logits
    save_checkpoint(path, content)
    out = tmp_path / "a.safetensors"
    out.write_bytes(b"older")
    with pytest.raises(InputError, match=r"a.safetensors: the exported .* differs .* by nan, more"):
        export_checkpoint(path, "safetensors")
    assert out.read_bytes() == b"older"
    assert {one.name for one in tmp_path.iterdir()} == {"a.pt", "a.safetensors"}


def test_a_folder_in_the_place_of_the_file_is_named(checkpoint, tmp_path):
    (tmp_path / "a.safetensors").mkdir()
    with pytest.raises(InputError, match=r"/a.safetensors: cannot be written \(Is a directory\)"):
        export_checkpoint(checkpoint, "safetensors", tmp_path / "a.safetensors")
    assert [one.name for one in tmp_path.iterdir()] == ["a.safetensors"]


def test_what_cannot_be_exported_is_refused(checkpoint, tiny_data, tmp_path):
    with pytest.raises(InputError, match=r"--out: .*a.onx must end in .onnx, by which it is known"):
        export_checkpoint(checkpoint, "onnx", tmp_path / "a.onx")
    zoom = [f"model.focus.{setting}" for setting in READOUTS["zoom"]]
    path = untrained(tiny_data, [*zoom, "eval.zoom_from=source"], tmp_path / "zoom.pt")
    with pytest.raises(InputError, match=r"frames of any size.*export with eval.zoom_from=clip"):
        export_checkpoint(path, "onnx")
    with pytest.raises(InputError, match="no such checkpoint"):
        export_checkpoint(tmp_path / "none.pt", "onnx")


@pytest.mark.parametrize("suffix", SUFFIXES.values())
def test_files_of_others_are_refused(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    with pytest.raises(InputError, match="no such file"):
        load_exported(path)
    path.write_bytes(b"no network")
    with pytest.raises(InputError, match=r"a\.\w+: this is no .* (file|program)"):
        load_exported(path)


def test_a_file_without_a_record_is_refused(checkpoint, tmp_path):
    from safetensors.torch import save_file

    save_file(load_checkpoint(checkpoint)["network"], tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=r"it was not written by tools/export.py"):
        load_exported(tmp_path / "a.safetensors")
    save_file({}, tmp_path / "b.safetensors", metadata={"stn_action": '{"version": 1}'})
    with pytest.raises(InputError, match=r"record of stn_action in it is damaged \(KeyError"):
        load_exported(tmp_path / "b.safetensors")
    save_file({}, tmp_path / "c.safetensors", metadata={"stn_action": '{"version": 2}'})
    with pytest.raises(InputError, match=r"exported in format 2, this stn_action reads 1"):
        load_exported(tmp_path / "c.safetensors")
