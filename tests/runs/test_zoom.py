"""A run whose network looks twice, from training to images."""

import json

import torch
from rich.console import Console

from stn_action.data.video_table import Video
from stn_action.predictor import Predictor
from stn_action.runs.attention_images import visualize
from stn_action.runs.train import train
from stn_action.video.backend_table import open_video
from tests.tiny import tiny_config
from tools.evaluate import main as evaluate_tool


def test_a_network_that_looks_twice_is_trained_tested_and_drawn(tiny_data, tmp_path, capsys):
    zoom = "{at: stage2, heads: 2, glimpse: zoom, look_size: 24, glimpse_size: 16, gain: 1000}"
    config = tiny_config(
        tiny_data, f"model.focus={zoom}", "train.epochs=1", "optim.warmup_epochs=0",
        f"train.output_dir={tmp_path / 'run'}",
    )  # fmt: skip
    train(config, console=Console(quiet=True))
    numbers = json.loads((tmp_path / "run/test.json").read_text())
    assert "top1_shuffled_theta" in numbers
    assert list(numbers["regions"]) == ["head 1", "head 2", "any head"]
    predictor = Predictor.load(tmp_path / "run/last.pt")
    assert tuple(predictor.network.second_look.glimpse_size) == (16, 16)
    video = Video("left/0", tiny_data / "test/left/0.mp4", 1, "0")
    ((prediction, files),) = visualize(predictor, [video], tmp_path, make_mp4=False)
    outlines = prediction.outlines()
    assert outlines.shape == (2, 4, 2, 4, 2)
    assert torch.isfinite(outlines).all()
    assert [file.name for file in files] == ["left_0.png"]
    sharp = Predictor.load(tmp_path / "run/last.pt", ["eval.zoom_from=source"])
    with open_video(video.path) as reader:
        frames = reader.read(range(len(reader))).data
    for source in (video.path, frames):
        seen = sharp.predict(source)
        assert torch.isfinite(seen.probabilities).all()
        assert not torch.equal(seen.probabilities, predictor.predict(source).probabilities)
    evaluate_tool(["--checkpoint", str(tmp_path / "run/last.pt"), "eval.zoom_from=source"])
    printed = capsys.readouterr().out
    assert "4x2 frames of 32x32 (seen at 24x24, glimpses of 16x16 cut out of the source)" in printed
