import csv

import pytest

from benchmarks import parts, relative_lr
from tools.benchmark import main as benchmark


def test_the_relative_lr_benchmark_writes_a_row_per_run(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(relative_lr, "SIZES", (64, 32))
    out = tmp_path / "rows.csv"
    relative_lr.main(
        ["--optimizers", "sgd", "--steps", "25", "--ratios", "0", "1e-3", "--seeds", "0",
         "--localizations", "heatmap", "--localization-paddings", "replicate", "--out", str(out)]
    )  # fmt: skip
    with out.open(newline="") as file:
        still, moving = csv.DictReader(file)
    assert still["localization"] == "heatmap, replicate"
    assert float(still["displacement"]) < 1e-6
    assert still["states"] == "frozen on purpose/frozen on purpose"
    assert float(moving["displacement"]) > 0.001
    assert float(moving["effective"]) == 90
    assert capsys.readouterr().out.count("\n") == 3


def test_the_parts_benchmark_writes_a_row_per_run(capsys, monkeypatch):
    monkeypatch.setattr(parts, "TEST_SIZE", 32)
    parts.main(["--maps", "40", "--steps", "22", "--seeds", "0", "--diversity-losses", "1"])
    grid, heatmap = csv.DictReader(capsys.readouterr().out.splitlines())
    assert (grid["localization"], heatmap["localization"]) == ("grid", "heatmap")
    assert grid["maps"] == "40"
    assert 0 <= float(heatmap["accuracy"]) <= 1
    assert float(heatmap["spread"]) > 0


def test_a_mistake_in_a_benchmark_ends_with_status_2(capsys):
    assert benchmark(["people", "none.mp4", "--detectors", "onnx:none.onnx"]) == 2
    assert "none.onnx" in capsys.readouterr().err
    with pytest.raises(SystemExit, match=r"^2$"):
        benchmark(["timing"])


def test_the_csv_benchmark_measures_every_step(capsys):
    assert benchmark(["csv", "--videos", "60"]) == 0
    assert capsys.readouterr().out.count("list") >= 5
