"""The arms at several values of a setting: every one trained, one table, one curve."""

import json

import pytest
import torch

from stn_action.runs.arms import ArmResult
from stn_action.runs.train_sweep import REFERENCE, SweepPoint, draw_arm_sweep
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
    assert (out / "sweep.svg").stat().st_size > 1000


def test_what_is_finished_is_not_trained_again(finished, capsys):
    arguments, out = finished
    before = {path: path.stat().st_mtime_ns for path in out.rglob("last.pt")}
    assert main(arguments) == 0
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("last.pt")}
    assert "| 0.5 | heads |" in capsys.readouterr().out


def test_a_wrong_sweep_is_reported_before_anything_is_trained(tiny_data, tmp_path, capsys):
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


def sweep_point(name: str, *means: float) -> SweepPoint:
    """Three arms of two seeds each, a tenth below and above a mean."""
    arms = ("no heads", "frozen heads", "heads")
    results = [[{"monitor": "top1", "top1": mean + seed} for seed in (-0.1, 0.1)] for mean in means]
    made = [
        ArmResult(arm, found, torch.zeros(2, 0), torch.zeros(0, dtype=torch.int64))
        for arm, found in zip(arms, results, strict=True)
    ]
    return SweepPoint(name, made)


def test_arms_are_curves_with_deviations_and_the_reference_a_line():
    points = [
        sweep_point("1", 0.5, 0.6, 0.7), sweep_point("0", 0.6, 0.6, 0.6),
        sweep_point(REFERENCE, 0.2, 0.3, 0.4),
    ]  # fmt: skip
    axes = draw_arm_sweep(points, "data.crop.looseness=1,0").axes[0]
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "no heads", "frozen heads", "heads", "heads, reference (40.0)",
        "error bars: ± deviation over 2 seeds",
    ]  # fmt: skip
    curves = [container.lines[0].get_xydata() for container in axes.containers]
    assert [curve.round(6).tolist() for curve in curves] == [
        [[0, 60], [1, 50]], [[0, 60], [1, 60]], [[0, 60], [1, 70]],
    ]  # fmt: skip
    bars = axes.containers[0].lines[2][0].get_segments()
    assert bars[1][:, 1] == pytest.approx([50 - 14.142136, 50 + 14.142136])
    words = draw_arm_sweep([sweep_point("a", 0.5, 0.6, 0.7), points[-1]], "data.name=a").axes[0]
    assert [bar.get_height() for bar in words.patches] == pytest.approx([50, 60, 70])
