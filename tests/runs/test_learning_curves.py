"""Learning curves of several probes."""

import json
from pathlib import Path

import pytest

from stn_action.errors import InputError
from stn_action.runs.learning_curves import draw_learning_curves


def write_results(
    folder: Path, clips: float, accuracies: dict[str, list[float]], **changes
) -> Path:
    rows = [{"label": name, "accuracy": values} for name, values in accuracies.items()]
    content = {
        "protocol": "a line", "videos": ["a", "b"], "groups": ["1", "2"], "rows": rows,
        "clips_per_class": clips,
    }  # fmt: skip
    folder.mkdir()
    (folder / "results.json").write_text(json.dumps({**content, **changes}))
    return folder


def test_each_readout_has_a_curve_of_means_and_deviations(tmp_path):
    folders = [
        write_results(
            tmp_path / "all", 8.52, {"mean": [0.5, 0.7], "windows": [0.9, 0.9], "tiles": [0.5]}
        ),
        write_results(tmp_path / "2", 2, {"mean": [0.2, 0.4], "windows": [0.3, 0.3]}),
    ]
    (axes, *_) = draw_learning_curves(folders, title="curves").axes
    assert axes.get_xscale() == "log"
    mean, windows = axes.containers
    assert mean[0].get_xydata().tolist() == [[2, pytest.approx(30)], [8.5, pytest.approx(60)]]
    assert windows[0].get_xydata().tolist() == [[2, pytest.approx(30)], [8.5, pytest.approx(90)]]
    (bars,) = mean[2]
    low, high = bars.get_segments()[0][:, 1]
    assert high - low == pytest.approx(2 * 100 * 0.02**0.5)  # of 0.2 and 0.4: sqrt(0.02)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["mean", "windows", "error bars: ± deviation over 2 seeds"]


def test_probes_that_cannot_be_one_chart_are_refused(tmp_path):
    first = write_results(tmp_path / "first", 2, {"mean": [0.5]})
    other = write_results(tmp_path / "other", 5, {"mean": [0.5]}, videos=["a"])
    old = tmp_path / "old"
    old.mkdir()
    (old / "results.json").write_text('{"protocol": ""}')
    with pytest.raises(InputError, match=r"other: a probe of other test videos \(1\) than.*\(2\)"):
        draw_learning_curves([first, other])
    with pytest.raises(InputError, match="lacks clips_per_class, groups, rows, videos"):
        draw_learning_curves([old])
    with pytest.raises(
        InputError, match=r"results\.json is missing: give the folder of a finished"
    ):
        draw_learning_curves([tmp_path])
    alone = write_results(tmp_path / "alone", 5, {"windows": [0.5]})
    with pytest.raises(InputError, match="first: none of its rows is in another probe"):
        draw_learning_curves([first, alone])
    with pytest.raises(InputError, match="at least one probe"):
        draw_learning_curves([])
