"""House numbers through boxes, training, test, prediction and drawing: a class at each position."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from stn_action import Predictor
from stn_action.build.data import evaluation_dataset, load_listing
from stn_action.config.schema import load_config
from stn_action.errors import InputError
from stn_action.runs.faithfulness_run import run_faithfulness
from stn_action.training.checkpoint import load_checkpoint, save_checkpoint
from tests.svhn_tree import write_part, write_svhn
from tests.tiny import rows_of, write_config
from tools.convert_people import main as convert_tool
from tools.evaluate import main as evaluate_tool
from tools.predict import main as predict_tool
from tools.preview import main as preview_tool
from tools.probe import main as probe_tool
from tools.train import main as train_tool
from tools.visualize import main as visualize_tool

SMALL = (
    "data.name=svhn", "data.official=false", "data.crop.size=64", "data.crop.looseness=0.15",
    "data.crop.view_share=1", "data.crop.aspect=free", "data.clip.num_frames=1",
    "data.num_workers=0", "data.augment={hflip: 0, scale: [1, 1]}",
    "model.backbone=timm/test_resnet",
    "model.focus={at: image.layer3, heads: 2, glimpse: pooled, motion: false}", "eval.num_clips=1",
    "eval.num_crops=1", "train.batch_size=3", "train.epochs=2", "optim.clip_grad_norm=1",
)  # fmt: skip
CLASSES = [*"0123456789", "none"]
CONVOLUTIONS = (3 * 25 * 32 + 32) + (32 * 25 * 32 + 32)
"""Parameters of those of the localization network of ST-CNN Single."""
CONFIGS = Path(__file__).parents[2] / "configs/paper"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_svhn(tmp_path_factory.mktemp("svhn"), train=12, test=4)


@pytest.fixture(scope="module")
def people(root, tmp_path_factory):
    path = tmp_path_factory.mktemp("boxes") / "svhn_boxes.sqlite"
    convert_tool([str(root), "--from", "svhn", "--out", str(path)])
    return path


@pytest.fixture(scope="module")
def settings(root, people):
    return [f"data.root={root}", f"data.people={people}", *SMALL]


@pytest.fixture(scope="module")
def config_file(settings, tmp_path_factory):
    return str(write_config(tmp_path_factory.mktemp("config") / "numbers.yaml", settings))


@pytest.fixture(scope="module")
def run(config_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "out"
    train_tool([config_file, "data.val_share=0.25", f"train.output_dir={folder}"])
    return folder


def test_numbers_are_scored_by_all_their_digits(run):
    result = json.loads((run / "test.json").read_text())
    assert set(result) == {"protocol", "monitor", "top1", "top1_position"}
    assert result["protocol"].startswith(
        "svhn (subset: 12 train, 4 test images): 4 images, 0 failed; 64x64, 1 crop, number crop"
    )
    assert not (run / "test_confusion.csv").exists()
    assert (run / "best.pt").exists()  # of the validation numbers
    rows = rows_of(run / "test_predictions.csv")
    assert list(rows[0])[4:] == [f"{place}: {name}" for place in range(1, 6) for name in CLASSES]
    right = [row["true"] == row["predicted"] for row in rows]
    assert result["top1"] == pytest.approx(sum(right) / 4)
    for row in rows:
        assert all(1 <= len(row["true"]) <= 3 for row in rows)
        assert sum(float(row[f"3: {name}"]) for name in CLASSES) == pytest.approx(1, abs=1e-4)


def test_a_test_of_the_checkpoint_gives_the_same(run, capsys):
    evaluate_tool(["--checkpoint", str(run / "last.pt")])
    result = json.loads((run / "test.json").read_text())
    numbers = (
        f"top-1 {result['top1']:.1%}  top-1 of positions {result['top1_position']:.1%}"
    )  # fmt: skip
    assert numbers in capsys.readouterr().out


def test_a_checkpoint_predicts_the_text_of_a_number(run, root, people, capsys):
    predictor = Predictor.load(run / "last.pt", people=people)
    found = predictor.predict(root / "test/1.png")
    assert (found.positions, found.probabilities.shape) == (5, (55,))
    row = rows_of(run / "test_predictions.csv")[0]
    assert found.label == row["predicted"]
    torch.testing.assert_close(found.probabilities.reshape(5, 11).sum(1), torch.ones(5))
    expected = [float(row[f"{place}: {name}"]) for place in range(1, 6) for name in CLASSES]
    torch.testing.assert_close(found.probabilities, torch.tensor(expected), atol=1e-4, rtol=0)
    predict_tool(["--checkpoint", str(run / "last.pt"), str(root / "test/1.png"), "--top", "1"])
    assert "test/1.png: " in capsys.readouterr().out


def test_stored_features_train_too_and_what_is_left_out_is_printed(tmp_path, capsys):
    draws = np.random.default_rng(0)
    write_part(tmp_path / "svhn/train", ["1", "22", "654321", "3333", "55555", "90"], draws)
    write_part(tmp_path / "svhn/test", ["7654321", "8"], draws)
    settings = [f"data.root={tmp_path / 'svhn'}", *SMALL, "data.people=null"]
    config = write_config(tmp_path / "numbers.yaml", settings)
    train_tool([
        str(config), "model.freeze_until=image.layer3", "train.cache_features=true",
        "train.cache_views=2", f"train.cache_folder={tmp_path / 'cache'}",
        f"train.output_dir={tmp_path / 'run'}",
    ])  # fmt: skip
    printed = capsys.readouterr().out
    assert (
        "svhn (subset: 5 train, 1 test images): 5 training images, 1 test images, 11 classes"
        in (printed)
    )
    assert "left out: numbers of more than 5 digits, 1 of train and 1 of test" in printed
    result = json.loads((tmp_path / "run/test.json").read_text())
    assert "1 images, 0 failed, 1 left out (numbers of more than 5 digits); " in result["protocol"]
    assert rows_of(tmp_path / "run/test_predictions.csv")[0]["true"] == "8"


def test_a_checkpoint_of_another_number_of_positions_is_refused(run, tmp_path, capsys):
    content = load_checkpoint(run / "last.pt")
    assert content["positions"] == 5
    save_checkpoint(tmp_path / "last.pt", {**content, "positions": 4})
    assert evaluate_tool(["--checkpoint", str(tmp_path / "last.pt")]) == 2
    message = "last.pt classifies 4 positions, videos of svhn (subset: 12 train, 4 test images) ha"
    assert message in capsys.readouterr().err


def test_the_crop_is_the_box_around_all_digits_with_its_margin(settings):
    config = load_config(None, settings)
    listing = load_listing(config)
    sample = evaluation_dataset(config, listing.test)[0][0][0]
    x0, y0, x1, y1 = sample.boxes[0].tolist()
    digits = len(listing.label_text(listing.test[0]))
    assert (y1 - y0, x1 - x0) == (
        pytest.approx(22 * 1.3, abs=1),
        pytest.approx(14 * digits * 1.3, abs=1),
    )
    assert sample.target.tolist() == listing.test.targets[0].tolist()


def test_numbers_are_drawn_and_previewed(run, config_file, tmp_path):
    visualize_tool([
        "--checkpoint", str(run / "last.pt"), "test", "--limit", "1", "--out", str(tmp_path / "a")
    ])  # fmt: skip
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["test_1.png"]
    preview_tool([config_file, "--limit", "1", "--out", str(tmp_path / "b")])
    assert len(list((tmp_path / "b").glob("*.png"))) == 2


def test_what_is_for_one_class_a_video_refuses_numbers(run, config_file, tmp_path, capsys):
    with pytest.raises(InputError, match=r"videos have a class at each of 5 positions; masks are"):
        run_faithfulness(run, None, [], tmp_path / "masks")
    status = probe_tool([
        config_file, "model.freeze_until=image.layer3", "train.cache_features=true",
        f"train.cache_folder={tmp_path / 'cache'}", "--out", str(tmp_path / "probe"),
    ])  # fmt: skip
    assert status == 2
    assert "videos have several positions; a probe needs one label each" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "own"), [
    pytest.param("svhn_st_single", 1, marks=pytest.mark.slow), ("svhn_st_multi", 4),
])  # fmt: skip
def test_a_configuration_of_the_paper_trains_is_tested_and_predicts(
    name, own, root, people, tmp_path, capsys
):
    run, config = tmp_path / "run", str(CONFIGS / f"{name}.yaml")
    train_tool([
        config, f"data.root={root}", f"data.people={people}", "data.official=false",
        "data.num_workers=0", "train.batch_size=4", "train.max_steps=2", f"train.output_dir={run}",
    ])  # fmt: skip
    printed = capsys.readouterr().out
    assert "relative: nominal 0.1, effective 0.1 (sgd, gain 1)" in printed
    (line,) = (line for line in printed.splitlines() if line.startswith("localization"))
    side = {1: (32 * 32 * 32,), 4: (3 * 64 * 64, 48 * 32 * 32, 64 * 32 * 32, 128 * 16 * 16)}[own]
    assert (
        f"{sum(32 * n for n in side) + own * (32 + 32 * 33 + 6 * 33) + (own == 1) * CONVOLUTIONS:,}"
        in line
    )
    logged = json.loads((run / "metrics.jsonl").read_text().splitlines()[0])
    stages = ["input"] if own == 1 else [f"layers.transformer{place}" for place in range(1, 5)]
    assert [key for key in logged if key.endswith("/displacement")] == [
        f"heads/{stage}.0/displacement" for stage in stages
    ]
    network = load_checkpoint(run / "last.pt")["network"]
    last = [key for key in network if key.endswith("layers.5.weight" if own == 4 else "10.weight")]
    assert len(last) == own
    assert all(network[key].abs().max() > 0 for key in last)  # they started at zero
    assert evaluate_tool(["--checkpoint", str(run / "last.pt")]) == 0
    assert "64x64, 1 crop, number crop (looseness 0.15" in capsys.readouterr().out
    assert (
        Predictor.load(run / "last.pt", people=people).predict(root / "test/1.png").positions == 5
    )


def test_the_rate_falls_every_80_000_of_400_000_steps():
    for name in ("svhn_cnn", "svhn_st_single", "svhn_st_multi"):
        config = load_config(CONFIGS / f"{name}.yaml")
        assert [share * 400_000 for share in config.optim.milestones] == pytest.approx(
            [80_000, 160_000, 240_000, 320_000]
        )
        assert (config.train.max_steps, config.train.batch_size) == (400_000, 128)
        assert config.train.epochs * (33_401 // 128) >= 400_000  # without extra too
    assert config.optim.relative_lr == 0.1
