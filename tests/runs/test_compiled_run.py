"""Training, resumption and prediction with a compiled network."""

import pytest
import torch
from rich.console import Console

from stn_action import Predictor
from stn_action.models import compiled_network
from stn_action.runs.checkpoint_test import run_checkpoint_test
from stn_action.runs.train import train
from stn_action.training.checkpoint import load_checkpoint
from tests.tiny import tiny_config


@pytest.mark.slow
def test_a_compiled_run_gives_the_checkpoint_of_a_plain_one(
    tiny_data, attention_run, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(compiled_network, "BACKEND", "aot_eager")
    torch.compiler.reset()
    settings = ["model.focus.readout=attention", "train.epochs=1", "optim.warmup_epochs=0"]
    folder = tmp_path / "run"
    config = tiny_config(tiny_data, *settings, f"train.output_dir={folder}", "train.compile=true")
    result = train(config, console=Console(soft_wrap=True))
    assert "float32, compiled" in capsys.readouterr().out
    wanted = load_checkpoint(attention_run / "last.pt")["network"]
    found = load_checkpoint(folder / "last.pt")["network"]
    assert list(found) == list(wanted)
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, atol=2e-3, rtol=1e-2)
    resumed = train(config, resume=True, console=Console(quiet=True))
    assert resumed.numbers()["top1"] == result.numbers()["top1"]

    checkpoint, video = folder / "last.pt", tiny_data / "test/left/0.mp4"
    plain = Predictor.load(checkpoint).predict(video)
    compiled = Predictor.load(checkpoint, ["eval.compile=true"]).predict(video)
    torch.testing.assert_close(compiled.probabilities, plain.probabilities, atol=1e-4, rtol=0)
    (found,), (wanted,) = compiled.focus, plain.focus
    torch.testing.assert_close(found.places, wanted.places, atol=1e-4, rtol=0)
    assert len(compiled.heat_maps()) == len(plain.heat_maps()) == 1
    tested = run_checkpoint_test(checkpoint, None, ["eval.compile=true"]).result
    assert tested.numbers()["top1"] == result.numbers()["top1"]
