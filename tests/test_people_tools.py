"""The tools that show what person crops are, and what they are worth, from their command lines."""

import re

import pytest

from stn_action.config.command_line import split_checkpoints
from tests.tiny import tiny_settings, write_config
from tools.evaluate import main as evaluate
from tools.preview import main as preview


@pytest.fixture
def config(tiny_data, tmp_path) -> str:
    return str(write_config(tmp_path / "tiny.yaml", tiny_settings(tiny_data)))


def test_a_preview_is_a_sheet_per_video_and_an_overview(config, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = [config, "data.crop.looseness=1", "--out", str(out), "--limit", "2", "--draws", "1"]
    assert preview(arguments) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        str(out / name) for name in ("01_train_down_0.png", "02_train_left_2.png", "overview.png")
    ]
    assert sorted(map(str, out.iterdir())) == printed
    assert preview([*arguments[:1], "--part", "test", "--out", str(out / "test")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 7


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["data.crop.losseness=1"], "did you mean data.crop.looseness?"),
        (["data.people=nowhere"], "data.people: nowhere does not exist"),
        (["data.name=ucf101", "data.fold=all"], "data.fold=all: one fold is needed here"),
    ],
)
def test_a_preview_of_wrong_settings_ends_with_one_message(config, tmp_path, capsys, more, message):
    assert preview([config, *more, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("more", [["--limit", "0"], ["--draws", "0"], ["--part", "all"]])
def test_a_preview_of_nothing_is_refused(config, tmp_path, capsys, more):
    with pytest.raises(SystemExit, match=r"^2$"):
        preview([config, "--out", str(tmp_path / "out"), *more])
    assert more[0] in capsys.readouterr().err


def test_a_sweep_prints_a_table_and_says_what_was_there(tiny_run, tmp_path, capsys):
    arguments = [
        "--checkpoint", str(tiny_run.folder / "last.pt"), "eval.num_clips=1",
        "--sweep", "data.crop.looseness=0,1", "eval.shuffled_theta=false", "--out", str(tmp_path),
    ]  # fmt: skip
    assert evaluate(arguments) == 0
    first = capsys.readouterr().out
    assert re.search(r"^run, data.crop.looseness=1: top-1 [\d.]+%$", first, re.MULTILINE)
    assert re.search(r"run +1 +[\d.]+ +[\d.]+ +[\d.]+", first)
    assert f"written to {tmp_path}" in first
    assert evaluate(arguments) == 0
    second = capsys.readouterr().out
    assert second.count("tested before") == 2
    assert second.replace(", tested before", "") == first


def test_checkpoints_are_told_from_settings(tmp_path):
    (tmp_path / "lr=1").mkdir()
    words = [
        "a/last.pt",
        "b",
        "c.yaml",
        "eval.num_clips=2",
        str(tmp_path / "lr=1"),
        "data.crop.size=8",
    ]
    checkpoints, settings = split_checkpoints(words)
    assert checkpoints == ["a/last.pt", "b", str(tmp_path / "lr=1")]
    assert settings == ["c.yaml", "eval.num_clips=2", "data.crop.size=8"]


def test_several_checkpoints_need_a_sweep(capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        evaluate(["--checkpoint", "a.pt", "b.pt"])
    assert "one checkpoint without --sweep, got a.pt, b.pt" in capsys.readouterr().err
    assert evaluate(["--checkpoint", "a.pt", "--sweep", "foo"]) == 2
    assert "error: --sweep 'foo': expected key.sub=value" in capsys.readouterr().err
