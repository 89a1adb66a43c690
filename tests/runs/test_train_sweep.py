"""The arms at several values of a setting: every one trained, one table, one curve."""

import json

import pytest

from tests.tiny import tiny_settings, write_config
from tools.compare import main


@pytest.fixture(scope="module")
def finished(tiny_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    config = write_config(folder / "tiny.yaml", tiny_settings(tiny_data, "train.epochs=1"))
    arguments = [
        str(config), "--seeds", "0", "1", "--out", str(folder / "out"),
        "--sweep", "data.crop.looseness=0,0.5", "--reference", "data.people=null",
    ]  # fmt: skip
    assert main(arguments) == 0
    return arguments, folder / "out"


def test_every_arm_is_trained_at_every_value(finished):
    _, out = finished
    runs = {path.parent.relative_to(out).as_posix() for path in out.rglob("test.json")}
    arms = ("no_heads", "frozen_heads", "heads")
    places = ("looseness=0", "looseness=0.5", "reference")
    assert runs == {f"{place}/{arm}_seed{s}" for place in places for arm in arms for s in (0, 1)}
    lines = (out / "sweep.md").read_text().splitlines()
    assert lines[0].startswith("0: folders: 6 videos")
    assert "person crop (looseness 0, jitter" in lines[0]
    assert "person crop (looseness 0.5, jitter" in lines[1]
    assert lines[2].startswith("reference: ")
    assert lines[2].endswith("whole frame")
    rows = [line.split(" | ") for line in lines[6:]]
    assert [row[0].removeprefix("| ") for row in rows[::3]] == ["0", "0.5", "reference"]
    assert [row[1] for row in rows[:3]] == ["no heads", "frozen heads", "heads"]
    assert rows[2][5] == "–"
    assert rows[0][6].count("to") == 1
    figures = json.loads((out / "sweep.json").read_text())
    assert len(figures["0.5"]["heads"]) == 2
    assert (out / "sweep.png").stat().st_size > 1000


def test_what_is_finished_is_not_trained_again(finished, capsys):
    arguments, out = finished
    before = {path: path.stat().st_mtime_ns for path in out.rglob("last.pt")}
    assert main(arguments) == 0
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("last.pt")}
    assert "| 0.5 | heads |" in capsys.readouterr().out


def test_a_wrong_sweep_is_told_before_anything_is_trained(tiny_data, tmp_path, capsys):
    config = str(write_config(tmp_path / "tiny.yaml", tiny_settings(tiny_data)))
    out = tmp_path / "out"
    for sweep, said in (
        ("data.crop.loosenes=0,1", "loosenes"),
        ("data.crop.looseness=0,-1", "greater than or equal to 0"),
        ("data.crop.looseness", "expected key.sub=value,value"),
    ):
        assert main([config, "--out", str(out), "--sweep", sweep]) == 2
        assert said in capsys.readouterr().err
    assert not out.exists()
