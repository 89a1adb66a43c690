"""Maps of winners."""

import pytest
from matplotlib.patches import Rectangle

from stn_action.visualize.chart_figure import save_figure
from stn_action.visualize.winner_maps import WinnerCell, WinnerMap, draw_winner_maps


def winner_map(**changes) -> WinnerMap:
    cells = {
        (0, 0): WinnerCell("windows", ("windows 80.0", "+5.0* over mean"), 1.0, True),
        (1, 2): WinnerCell("mean", ("mean 50.0",), 0.0, False),
    }
    settings = {
        "title": "10 clips", "x_label": "distractors", "x_names": ("0", "1", "3"),
        "y_label": "region", "y_names": ("1/4", "1/100"), "cells": cells,
    }  # fmt: skip
    return WinnerMap(**{**settings, **changes})


def test_cells_have_the_place_color_and_text_that_were_given():
    figure = draw_winner_maps([[winner_map()]], ["mean", "windows"])
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == [
        "windows 80.0\n+5.0* over mean", "mean 50.0",
    ]  # fmt: skip
    assert [text.get_position() for text in axes.texts] == [(0.5, 0.5), (2.5, 1.5)]
    cells = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    filled = [cell for cell in cells if cell.get_fill()]
    assert [cell.get_xy() for cell in filled] == [(0, 0), (2, 1)]
    strong, pale = (sum(cell.get_facecolor()[:3]) for cell in filled)
    assert strong < 2 < pale
    assert len(cells) - len(filled) == 1  # the frame of the marked one
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1/4", "1/100"]
    assert axes.get_ylim() == (2, 0)  # the first name is above


def test_rows_of_maps_are_written_to_a_file(tmp_path):
    rows = [[winner_map(), winner_map()], [winner_map(x_names=("0", "1", "2"))]]
    figure = draw_winner_maps(rows, ["mean", "tiles", "windows"], title="winners")
    files = save_figure(tmp_path / "maps.png", figure)
    assert all(path.stat().st_size > 1000 for path in files)
    assert len(figure.axes) == 3


def test_maps_without_cells_or_with_unknown_series_are_refused():
    with pytest.raises(ValueError, match="a map in every row"):
        draw_winner_maps([[winner_map()], []], ["mean"])
    with pytest.raises(ValueError, match=r"of the series \['mean'\], got \['windows'\]"):
        draw_winner_maps([[winner_map()]], ["mean"])
