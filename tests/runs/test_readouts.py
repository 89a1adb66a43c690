"""Every read-out from the configuration over training and test to images."""

import json
import math
from typing import get_args

import pytest
from rich.console import Console

from stn_action.build.data import load_listing
from stn_action.models.model_choices import ReadoutName
from stn_action.predictor import Predictor
from stn_action.runs.attention_images import visualize
from stn_action.runs.train import train
from stn_action.training.head_report import WORDS
from tests.runs.test_train import lines_of
from tests.tiny import tiny_config

ONE_EPOCH = ("train.epochs=1", "optim.warmup_epochs=0", "eval.num_clips=1")
CACHED = ("model.freeze_until=stage2", "train.cache_features=true")
NAMES = [name for name in get_args(ReadoutName) if name != "windows"]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name == "attention" else pytest.mark.slow) for name in NAMES],
)
def test_every_readout_is_trained_on_a_cache_tested_and_drawn(name, tiny_data, tmp_path):
    folder = tmp_path / "run"
    config = tiny_config(
        tiny_data, *ONE_EPOCH, *CACHED, f"model.focus.readout={name}",
        "model.focus.random_glimpse_loss=1", f"train.output_dir={folder}",
        f"train.cache_folder={tmp_path / 'cache'}",
    )  # fmt: skip
    train(config, console=Console(quiet=True))
    result = json.loads((folder / "test.json").read_text())
    assert ("top1_shuffled_theta" in result) == (name != "max")
    rows = result["regions"]
    assert all(0 < row["area"] <= 1 for row in rows.values())
    (line,) = [line for line in lines_of(folder) if line["kind"] == "train"]
    numbers = [value for key, value in line.items() if key.startswith("heads/stage3.0/")]
    assert numbers.pop() in WORDS
    assert len(numbers) == 5
    assert all(math.isfinite(number) for number in numbers)
    trained = Predictor.load(folder / "last.pt", own_files=True)
    ((_, files),) = visualize(
        trained, load_listing(trained.config).test[:1], tmp_path, make_mp4=False
    )
    assert files[0].read_bytes().startswith(b"\x89PNG")
