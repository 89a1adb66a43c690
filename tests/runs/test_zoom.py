"""A run whose network looks twice, from training to images."""

import json
from dataclasses import replace

import pytest
import torch
from rich.console import Console

from stn_action.data.video_table import Video
from stn_action.errors import InputError
from stn_action.predictor import Predictor
from stn_action.runs.attention_images import visualize
from stn_action.runs.probe import ProbePlan, run_probe
from stn_action.runs.probe_grid import parse_arms
from stn_action.runs.train import train
from stn_action.video.backend_table import open_video
from tests.tiny import rows_of, tiny_config
from tools.evaluate import main as evaluate_tool

ZOOM = "{at: stage2, heads: 2, glimpse: zoom, look_size: 24, glimpse_size: 16, gain: 1000}"
FROZEN = ("model.freeze_until=stage2", "train.cache_features=true", "train.cache_precision=float32")


def test_a_network_that_looks_twice_is_trained_tested_and_drawn(tiny_data, tmp_path, capsys):
    config = tiny_config(
        tiny_data, f"model.focus={ZOOM}", "train.epochs=1", "optim.warmup_epochs=0",
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


def test_a_frozen_first_look_is_stored_with_the_pixels(tiny_data, tmp_path):
    run, again = tmp_path / "run", tmp_path / "again"
    config = tiny_config(
        tiny_data, f"model.focus={ZOOM}", "train.epochs=1", "optim.warmup_epochs=0", *FROZEN,
        f"train.cache_folder={tmp_path / 'cache'}", f"train.output_dir={run}",
    )  # fmt: skip
    train(config, console=Console(quiet=True))
    evaluate_tool(["--checkpoint", str(run / "last.pt"), "--out", str(again)])  # on the videos
    of_cache, of_videos = (
        [[float(row[name]) for name in ("down", "left", "right")] for row in rows_of(path)]
        for path in (run / "test_predictions.csv", again / "test_predictions.csv")
    )
    assert torch.tensor(of_cache).std(0).min() > 1e-3
    torch.testing.assert_close(torch.tensor(of_cache), torch.tensor(of_videos), atol=2e-3, rtol=0)


def test_read_outs_of_a_second_look_are_probed_on_one_cache(tiny_data, tmp_path):
    config = tiny_config(
        tiny_data, f"model.focus={ZOOM}", "model.focus.at=stage3", "train.epochs=1",
        "optim.warmup_epochs=0", *FROZEN, "model.freeze_until=stage3",
        f"train.cache_folder={tmp_path / 'cache'}",
    )  # fmt: skip
    plan = ProbePlan(parse_arms(["tiles", "saliency", "windows"]), [1e-2], [1e-3], [0, 1])
    results = run_probe(config, plan, tmp_path / "probe", console=Console(quiet=True))
    areas = {
        row.label: {one.area for of_seed in row.results for one in of_seed} for row in results.rows
    }
    assert list(areas) == ["tiles", "saliency", "windows 1e-3"]
    assert len(areas["tiles"]) == 1
    assert len(areas["windows 1e-3"]) == 2  # the seeds differ
    with pytest.raises(InputError, match=r"arm 'mean'.*readout mean has no windows"):
        run_probe(config, replace(plan, arms=parse_arms(["mean"])), tmp_path / "mean")
