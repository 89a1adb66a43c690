"""Videos that cannot be read and boxes that cannot be right: what a run does with them."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from stn_action.training.checkpoint import load_checkpoint
from tests.tiny import rows_of, tiny_settings, write_config
from tools.train import main as train_tool

EMPTY, TRUNCATED, TEXT = "train/down/0", "train/left/0", "train/right/3"


@pytest.fixture
def data(tiny_data, tmp_path) -> Path:
    """A copy of the tiny videos, to be damaged."""
    return Path(shutil.copytree(tiny_data, tmp_path / "data"))


def damage(data: Path, *names: str) -> None:
    for name in names:
        path = data / f"{name}.mp4"
        content = path.read_bytes()
        damaged = {EMPTY: b"", TRUNCATED: content[: len(content) // 2]}
        path.write_bytes(damaged.get(name, b"this is a letter, not a video\n" * 40))


def run(data: Path, *settings: str) -> tuple[int, Path]:
    out = data.parent / "run"
    short = tiny_settings(
        data, f"train.output_dir={out}", "train.epochs=1", "eval.shuffled_theta=false"
    )
    config = write_config(data.parent / "tiny.yaml", [*short, *settings])
    return train_tool([str(config)]), out


def test_training_survives_some_unreadable_videos_and_names_them(data, capsys):
    damage(data, EMPTY, TRUNCATED, TEXT)
    status, out = run(data, "train.epochs=2")
    assert status == 0
    text = capsys.readouterr().out
    reasons = {EMPTY: "the video file is empty (0 bytes)", TRUNCATED: "no backend", TEXT: "no back"}
    for name, reason in reasons.items():
        path = data / f"{name}.mp4"
        assert text.count(f"WARNING: unreadable, replaced in training: {path}: {reason}") == 1
        assert name in load_checkpoint(out / "last.pt")["unreadable"]
    assert "folders: 6 videos, 0 failed" in text


def test_too_many_unreadable_videos_end_a_run(data, capsys):
    damage(data, EMPTY, TRUNCATED, TEXT)
    status, _ = run(data, "data.max_unreadable=2")
    assert status == 2
    assert capsys.readouterr().err == (
        "error: 3 training videos cannot be read, more than data.max_unreadable (2): "
        "train/down/0, train/left/0, train/right/3; repair or remove them, or raise "
        "data.max_unreadable\n"
    )


def test_training_on_nothing_that_can_be_read_ends(data, capsys):
    damage(data, *(f"train/{name}/{i}" for name in ("down", "left", "right") for i in range(4)))
    status, _ = run(data, "data.num_workers=1")
    assert status == 2
    error = capsys.readouterr().err
    assert error.startswith("error: 10 videos in a row cannot be read, the last of them: ")
    assert "Traceback" not in error


@pytest.mark.parametrize("batch_size", [1, 8])  # 1: the batch of a failed video is empty
def test_an_unreadable_test_video_counts_as_wrong(data, batch_size, capsys):
    damage(data, "test/down/0", "test/right/1")
    status, out = run(data, f"eval.batch_size={batch_size}", "eval.num_clips=1")
    assert status == 0
    text = capsys.readouterr().out
    assert "folders: 6 videos, 2 failed; 4x2 frames" in text
    assert f"counted as wrong: test/down/0: {data / 'test/down/0.mp4'}: no backend" in text
    result = json.loads((out / "test.json").read_text())
    assert [name for name, _ in result["failures"]] == ["test/down/0", "test/right/1"]
    assert result["top5"] == pytest.approx(4 / 6)
    rows = {row["video"]: row for row in rows_of(out / "test_predictions.csv")}
    assert rows["test/down/0"]["predicted"] == "failed"
    right = sum(row["true"] == row["predicted"] for row in rows.values())
    assert result["top1"] == pytest.approx(right / 6)
    confusion = rows_of(out / "test_confusion.csv")
    assert [row["failed"] for row in confusion] == ["1", "0", "1"]


def test_a_test_of_nothing_that_can_be_read_ends(data, capsys):
    damage(data, *(f"test/{name}/{i}" for name in ("down", "left", "right") for i in range(2)))
    assert run(data)[0] == 2
    assert "error: no video could be evaluated, 6 failed; the first: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("5,nan,1,20,20", "holds NaN or infinity"),
        ("5,30,10,20,20", "x0 < x1 and y0 < y1 must hold"),
    ],
)
def test_malformed_boxes_end_a_run_before_training(data, row, message, capsys):
    path = data / "people/train/right/0.csv"
    path.write_text(f"frame,x0,y0,x1,y1\n0,10,10,30,40\n{row}\n")
    status, out = run(data)
    captured = capsys.readouterr()
    assert status == 2
    assert captured.err.startswith(f"error: {path}")
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not (out / "last.pt").exists()


@pytest.mark.parametrize("workers", [0, 1])
def test_boxes_of_another_video_are_unreadable_videos(data, workers, capsys):
    """Found when the video is opened: named, replaced in training and wrong in the test."""
    for name in ("train/right/0", "test/left/0"):
        rows = "0,10,10,30,40\n5,400,300,440,340\n"
        (data / f"people/{name}.csv").write_text(f"frame,x0,y0,x1,y1\n{rows}")
    status, _ = run(data, f"data.num_workers={workers}")
    text = capsys.readouterr().out
    assert status == 0
    reason = "the box (400, 300, 440, 340) of frame 5 is entirely outside the image, which is 64 wi"
    path = data / "people/train/right/0.csv"
    assert text.count(f"WARNING: unreadable, replaced in training: {path}: {reason}") == 1
    assert f"counted as wrong: test/left/0: {data / 'people/test/left/0.csv'}: {reason}" in text
    assert "folders: 6 videos, 1 failed" in text


def test_a_malformed_region_ends_a_run_before_training(data, capsys):
    path = data / "regions/test/left/0.csv"
    path.write_text("frame,x0,y0,x1,y1\n0,10,ten,30,40\n")
    status, out = run(data)
    assert status == 2
    assert capsys.readouterr().err == f"error: {path}, line 2: '0,10,ten,30,40' are not numbers\n"
    assert not out.exists()


def test_a_missing_folder_of_boxes_or_regions_is_found_before_training(data, capsys):
    shutil.rmtree(data / "regions")
    status, out = run(data)
    assert status == 2
    assert f"data.regions: there is no CSV file below {data / 'regions'}" in capsys.readouterr().err
    shutil.rmtree(data / "people")
    assert run(data, "data.regions=null")[0] == 2
    assert f"data.people: {data / 'people'} does not exist" in capsys.readouterr().err
    assert not out.exists()


def test_a_reader_that_is_not_installed_is_reported_before_training(data, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "decord", None)
    monkeypatch.delitem(sys.modules, "stn_action.video.decord_backend", raising=False)
    status, out = run(data, "data.reader=decord")
    assert status == 2
    assert (
        "error: data.reader=decord: decord is not installed: pip install" in capsys.readouterr().err
    )
    assert not out.exists()


def test_a_missing_root_tells_what_to_do(tmp_path, capsys):
    config = write_config(tmp_path / "tiny.yaml", tiny_settings(tmp_path / "nowhere"))
    assert train_tool([str(config)]) == 2
    error = capsys.readouterr().err
    assert f"error: folders: the folder {tmp_path / 'nowhere'} does not exist; put videos" in error
    assert train_tool(["configs/sample_st.yaml", f"data.root={tmp_path}"]) == 2
    assert "no finished sample data set (sample.json); write it with" in capsys.readouterr().err
