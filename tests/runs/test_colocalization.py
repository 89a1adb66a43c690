"""Co-localization of digits, from the command line to results and images."""

import json

import cv2
import pytest
import torch

from stn_action.config.schema import load_config
from stn_action.errors import InputError
from stn_action.runs.colocalization import ColocalizationPlan, overlaps_of
from stn_action.runs.colocalization_record import (
    ColocalizationRecord,
    Overlaps,
    describe_colocalization,
)
from tests.digit_tree import write_digits
from tools.colocalize import main as colocalize_tool

CONFIG = "configs/paper/colocalization.yaml"
ONE_STEP = ["data.official=false", "train.max_steps=1", "train.epochs=1", "train.batch_size=10"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_digits(tmp_path_factory.mktemp("digits"), train=40, test=20)


@pytest.fixture(scope="module")
def command(root):
    return [
        CONFIG,
        f"data.root={root}",
        *ONE_STEP,
        "--images",
        "4",
        "--steps",
        "2",
        "--starts",
        "2",
    ]


@pytest.fixture(scope="module")
def run(command, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "out"
    assert colocalize_tool([*command, "--classes", "3", "--out", str(out)]) == 0
    return out


def test_a_run_writes_results_and_an_image_for_each_set(run):
    results = json.loads((run / "results.json").read_text())
    assert [(one["placement"], one["digit"]) for one in results["classes"]] == [("T", 3), ("TC", 3)]
    for one in results["classes"]:
        assert one["trained_on"]["images"] == one["start"]["images"] == 4
        assert one["held_out"]["images"] == 2
        assert len(set(one["losses"])) == 2  # of two starts
        assert one["loss"] == min(one["losses"])
        assert 0 < one["start"]["mean_iou"] < 1
        sheet = cv2.imread(str(run / "classes" / f"{one['placement']}_3.png"))
        assert sheet is not None
        assert sheet.shape[1] == 3 * 168 + 2 * 6


def test_finished_classes_are_kept_and_others_go_on(run, command, capsys):
    kept = run / "classes/T_3.json"
    before = kept.stat().st_mtime_ns
    (run / "classes/TC_3.json").unlink()
    assert colocalize_tool([*command, "--classes", "3", "--out", str(run)]) == 0
    printed = capsys.readouterr().out
    assert "TC, class 3: " in printed
    assert "T, class 3: " not in printed.replace("TC, ", "")
    assert "| TC | 3 | " in printed
    assert kept.stat().st_mtime_ns == before
    assert colocalize_tool([*command, "--classes", "3", "--seed", "1", "--out", str(run)]) == 2
    assert "_3.json was made with other settings: --seed was 0, is 1" in capsys.readouterr().err


def test_a_class_is_the_same_alone_and_with_a_given_embedding(run, command, tmp_path):
    checkpoint = str(run / "embedding/last.pt")
    words = ["--embedding", checkpoint, "--classes", "3", "--sets", "TC", "--out", str(tmp_path)]
    assert colocalize_tool([*command, *words]) == 0
    first, again = (json.loads((at / "classes/TC_3.json").read_text()) for at in (run, tmp_path))
    for name in ("loss", "start", "trained_on", "held_out"):
        assert first[name] == again[name]
    assert not (tmp_path / "embedding").exists()


def test_an_embedding_of_another_network_is_refused(tiny_run, command, tmp_path, capsys):
    checkpoint = str(tiny_run.folder / "last.pt")
    assert colocalize_tool([*command, "--embedding", checkpoint, "--out", str(tmp_path / "x")]) == 2
    error = capsys.readouterr().err
    assert "last.pt: expected a classifier digits/cnn_28 without heads, got " in error
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--classes", "3", "10"], "--classes: expected digits 0 to 9, got 10"),
        (["--images", "1"], "--images: expected at least 2, got 1"),
        (["--images", "5"], "--images: expected 5 digits of class 0, but .* has 4"),
        (["--steps", "0"], "expected at least 1 step"),
        (["--canvas", "27"], "--canvas: expected at least 47 pixels for digits of 28, got 27"),
        (["--embedding", "missing.pt"], "missing.pt"),
        (["data.name=mnist_addition"], "data.name: expected mnist"),
    ],
)
def test_what_cannot_be_trained_is_named(command, tmp_path, capsys, words, message):
    assert colocalize_tool([*command, *words, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    with pytest.raises(InputError, match=message):
        raise InputError(error)
    assert not (tmp_path / "out").exists()


def test_overlap_counts_above_one_half():
    box = torch.tensor([[10.0, 20, 38, 48]])
    windows = torch.tensor([[10.0, 20, 38, 48], [10, 20, 24, 48], [10, 20, 25, 48]])
    overlaps = overlaps_of(windows, box.expand(3, 4))
    assert (overlaps.images, overlaps.correct) == (3, pytest.approx(2 / 3))
    assert overlaps.mean_iou == pytest.approx((1 + 1 / 2 + 15 / 28) / 3)


def test_the_table_has_the_figures_of_the_paper_beside():
    half = Overlaps(4, 0.5, 0.25)
    record = ColocalizationRecord("TC", 7, 1.0, [1.0], half, half, Overlaps(2, 1.0, 0.75), 1.0)
    assert list(describe_colocalization([record]))[2] == (
        "| TC | 7 | 50.0 | 25.0 | 100.0 | 75.0 | 75 to 93 |"
    )


def test_the_configuration_is_of_distorted_digits():
    config = load_config(CONFIG)
    plan = ColocalizationPlan(config, out=config.data.root)
    assert config.data.distortion == "RTS"
    assert config.model.backbone == "digits/cnn_28"
    assert len(plan.classes) == 10
