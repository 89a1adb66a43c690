"""The table and the files of a probe by value."""

import json
import math
from pathlib import Path

import pytest
import torch

from stn_action.data.video_table import Video, VideoTable
from stn_action.runs.probe_cell import CellResult
from stn_action.runs.probe_file import numbers_of_probe, read_probe, write_probe
from stn_action.runs.probe_grid import ProbeSetting, parse_arms, settings_of
from stn_action.runs.probe_result import ProbeResults, ProbeRow, draw_probe, table_of_probe

VIDEOS = VideoTable(Video(f"v{n}", Path("x"), n % 2, f"group {n // 2}") for n in range(6))


def cell(correct: list[int], shuffled: list[int] | None, area: float = 0.25) -> CellResult:
    names = [f"v{n}" for n in range(6)][: len(correct)]
    targets = [n % 2 for n in range(len(correct))]
    probabilities = [
        [float(target != right), float(target == right)]
        for target, right in zip(targets, correct, strict=True)
    ]
    return CellResult(
        names, probabilities, [bool(one) for one in correct],
        None if shuffled is None else [bool(one) for one in shuffled],
        area, area / 2, loss=0.5, parameters=1234, seconds=2.0,
    )  # fmt: skip


def row(setting: ProbeSetting, *seeds: CellResult) -> ProbeRow:
    return ProbeRow(setting, False, [[seed] for seed in seeds])


@pytest.fixture
def results() -> ProbeResults:
    mean, windows = settings_of(parse_arms(["mean", "windows"]), [2e-3], [1e-4])
    rows = [
        row(mean, cell([1, 0, 1, 0, 0, 0], None), cell([1, 0, 0, 0, 1, 0], None)),
        row(windows, cell([1, 1, 1, 1, 0, 0], [0] * 6, 0.5), cell([1, 1, 1, 1, 0, 1], [1] * 6)),
    ]
    return ProbeResults("on what and how", rows, VIDEOS, ("a", "b"), [4, 7], "mean")


def test_means_differences_and_areas_are_in_the_table(results):
    header, mean, windows = table_of_probe(results)
    by_name = dict(zip(header, windows, strict=True))
    # per seed 4/6 and 5/6; mean 2/6 and 2/6; areas in percent
    assert by_name["mean"] == "75.0"
    assert by_name["deviation"] == "11.8"  # std of 66.7 and 83.3 over n - 1
    assert by_name["per seed"] == "66.7 83.3"
    assert by_name["against mean"] == "+41.7"
    assert by_name["relative lr"] == "1e-4"
    assert (by_name["area"], by_name["effective area"]) == ("38", "19")
    assert by_name["shuffled"] == "50.0"
    assert (by_name["parameters"], by_name["seconds"]) == ("1,234", "2.0")
    assert dict(zip(header, mean, strict=True))["against mean"] == "–"
    assert mean[-1] == "–"


def test_the_interval_is_over_groups_of_clips(results):
    assert results.groups.tolist() == [0, 0, 1, 1, 2, 2]
    difference = results.difference(results.rows[1], results.rows[0])
    # per group: mean over seeds and clips gains 0.5, 0.75 and 0
    assert difference.difference == pytest.approx((0.5 + 0.75 + 0) / 3)
    assert 0 <= difference.low < difference.difference < difference.high <= 0.75


def test_folds_count_one_after_the_other(results):
    setting = results.rows[0].setting
    folds = [[cell([1, 0], [1, 1]), cell([0, 1, 1], [0, 0, 0])]]
    pooled = ProbeRow(setting, False, folds)
    assert pooled.correct.tolist() == [[True, False, False, True, True]]
    assert pooled.shuffled is not None
    assert pooled.shuffled.tolist() == [[True, True, False, False, False]]
    assert pooled.accuracies == pytest.approx([0.6])
    assert pooled.seconds == 4.0


def test_files_hold_the_table_and_all_that_pairs_it_with_another(results, tmp_path):
    text = write_probe(results, tmp_path, command="python tools/probe.py x.yaml")
    assert (tmp_path / "table.md").read_text() == text
    assert text.startswith("on what and how\n\n| read-out | lr |")
    assert "paired bootstrap over 3 groups" in text
    content = read_probe(tmp_path)
    assert content == json.loads(json.dumps(numbers_of_probe(results, content["command"])))
    assert content["videos"] == [f"v{n}" for n in range(6)]
    assert [one["label"] for one in content["rows"]] == ["mean", "windows 1e-4"]
    assert content["rows"][1]["correct"] == [[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 0, 1]]
    assert content["rows"][0]["shuffled"] is None
    assert (content["seeds"], content["against"]) == ([4, 7], "mean")


def test_a_video_that_failed_has_no_probabilities(results):
    failed = results.rows[0].results[0][0]._replace(probabilities=[[math.nan] * 2] * 6)
    content = numbers_of_probe(
        ProbeResults("x", [row(results.rows[0].setting, failed)], VIDEOS, ("a", "b"), [0], "mean"),
        "",
    )
    assert content["rows"][0]["probabilities"] == [[None] * 6]


def test_a_bar_for_each_row(results):
    axes = draw_probe(results).axes[0]
    heights = [patch.get_height() for patch in axes.patches]
    assert heights == pytest.approx([100 / 3, 75.0])
    assert [text.get_text() for text in axes.get_xticklabels()] == ["mean", "windows 1e-4"]
    assert torch.is_tensor(results.rows[0].correct)
    (note,) = [text.get_text() for text in axes.get_legend().get_texts()][1:]
    assert note == "error bars: ± deviation over 2 seeds"
