"""configs/ut_interaction_st.yaml on the real clips: frozen lite0, cached features, folds."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stn_action.data.datasets.dataset_table import DATASETS
from tests.tiny import rows_of
from tools.detect_people import main as detect_tool
from tools.evaluate import main as evaluate_tool
from tools.train import main as train_tool

CONFIG = str(Path(__file__).parents[2] / "configs/ut_interaction_st.yaml")
WEIGHTS = "models/tf_efficientnet_lite0.imagenet.safetensors"


def probabilities(path: Path) -> torch.Tensor:
    return torch.tensor(
        [[float(value) for value in list(row.values())[4:]] for row in rows_of(path)]
    )


def test_folds_share_the_cache_and_their_predictions_are_pooled(
    shared, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(
        DATASETS, "ut_interaction", replace(DATASETS["ut_interaction"], folds=(6, 8))
    )
    own = [
        f"data.root={shared / 'data/ut_interaction_set1'}", f"model.weights={shared / WEIGHTS}",
        "data.crop.size=[64, 96]", "data.clip.num_frames=2", "data.num_workers=2",
        "data.people=null", "train.cache_views=1", "train.epochs=2", "optim.warmup_epochs=0",
        "eval.num_clips=1", f"train.output_dir={tmp_path / 'run'}",
        f"train.cache_folder={tmp_path / 'cache'}",
    ]  # fmt: skip
    assert train_tool([CONFIG, *own]) == 0
    text = capsys.readouterr().out
    # the second fold lacks test views of its 7 videos and training views of the first one's 5
    assert "48 videos were cached before, 12 are left" in text
    assert "ut_interaction set 1, sequence 6 held out: 55 training videos, 5 test videos" in text
    result = json.loads((tmp_path / "run/test.json").read_text())
    assert result["protocol"] == (
        "ut_interaction set 1, 2 folds pooled: 12 videos, 0 failed; 2 segments of 96x64, "
        "1 clips x 1 crops, whole frame"
    )
    rows = rows_of(tmp_path / "run/test_predictions.csv")
    assert [row["group"] for row in rows] == ["6"] * 5 + ["8"] * 7

    fold = tmp_path / "run/fold_8"
    assert evaluate_tool(["--checkpoint", str(fold / "last.pt")]) == 0
    cached, whole = (probabilities(f / "test_predictions.csv") for f in (fold, fold / "evaluation"))
    assert (cached - whole).abs().max() < 5e-3  # features are kept in float16
    assert (cached - cached[:1]).abs().max() > 2e-2

    capsys.readouterr()
    assert train_tool([CONFIG, *own, "--resume", "data.clip.num_frames=3"]) == 2
    assert "data.clip.num_frames was 2, is 3" in capsys.readouterr().err
    other = [f"train.output_dir={tmp_path / 'other'}", "data.fold=6", "data.clip.num_frames=3"]
    assert train_tool([CONFIG, *own, *other]) == 2
    assert f"{tmp_path / 'cache'} was made from other settings: data.clip.num_frames was 2" in (
        capsys.readouterr().err
    )


@pytest.mark.slow
def test_people_are_detected_and_both_are_in_the_crop(shared, tmp_path, capsys):
    root, out = f"data.root={shared / 'data/ut_interaction_set1'}", tmp_path / "people.sqlite"
    detector = f"onnx:{shared / 'models/yolox_nano.onnx'}"
    assert (
        detect_tool([CONFIG, root, "--detector", detector, "--every", "6", "--out", str(out)]) == 0
    )
    printed = capsys.readouterr().out
    assert "60 videos: 60 searched for people now, 0 known before, 0 failed" in printed
    assert "no person found in 0 of 60 videos" in printed
    run = [
        CONFIG, root, f"data.people={out}", f"model.weights={shared / WEIGHTS}", "data.fold=6",
        "data.crop.size=[64, 96]", "data.clip.num_frames=2", "train.cache_features=false",
        "train.epochs=1", "train.max_steps=1", "optim.warmup_epochs=0", "eval.num_clips=1",
        f"train.output_dir={tmp_path / 'run'}",
    ]  # fmt: skip
    assert train_tool(run) == 0
    result = json.loads((tmp_path / "run/test.json").read_text())
    assert result["protocol"] == (
        "ut_interaction set 1, sequence 6 held out: 5 videos, 0 failed; 2 segments of 96x64, "
        "1 clips x 1 crops, person crop (union, looseness 0.25, jitter 0.1 in training, pad black)"
    )


def test_without_the_weights_it_ends_at_once(shared, tmp_path, capsys):
    root = f"data.root={shared / 'data/ut_interaction_set1'}"
    run = f"train.output_dir={tmp_path / 'run'}"
    assert (
        train_tool([CONFIG, root, run, "data.people=null", f"model.weights={tmp_path / 'none.pt'}"])
        == 2
    )
    assert f"error: model.weights: no file {tmp_path / 'none.pt'}" in capsys.readouterr().err


@pytest.mark.parametrize("split", ["all", "3"])
def test_without_the_clips_it_ends_at_once(tmp_path, capsys, monkeypatch, split):
    monkeypatch.chdir(tmp_path)
    assert train_tool([CONFIG, f"data.fold={split}"]) == 2
    error = capsys.readouterr().err
    assert "ut_interaction: the folder data/ut_interaction_set1 does not exist; get ut" in error
    assert list(tmp_path.iterdir()) == []
