"""A figure for a paper: what is a vector, what is text, what an image."""

import re

import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection
from matplotlib.patches import Polygon

from stn_action.geometry.heat_maps import HeatMaps
from stn_action.visualize.chart_figure import save_figure
from stn_action.visualize.paper_figure import FigureRow, draw_paper_figure
from stn_action.visualize.verdict import Verdict

WINDOW = torch.tensor([[10.0, 5.0], [30.0, 5.0], [30.0, 25.0], [10.0, 25.0]])
BOXES = torch.tensor([[2.0, 3.0, 20.0, 30.0], [torch.nan] * 4])


def row_of(true: str, *, frames: int = 2, heads: int = 1, **more) -> FigureRow:
    images = [np.full((36, 48, 3), 90, dtype=np.uint8)] * frames
    outlines = WINDOW.expand(frames, heads, 4, 2) + torch.arange(frames)[:, None, None, None]
    captions = [f"{place / 10:.2f} s" for place in range(frames)]
    return FigureRow(images, outlines, [], captions, Verdict("wave", 0.5, [true]))._replace(**more)


def polygons(figure) -> list[list[list[list[float]]]]:
    """Corners of each outline in each frame."""
    return [
        [patch.get_xy()[:4].tolist() for patch in axes.patches if isinstance(patch, Polygon)]
        for axes in figure.axes
    ]


def test_windows_and_boxes_are_outlines_in_pixels_of_the_frame():
    figure = draw_paper_figure([row_of("wave", person_boxes=BOXES), row_of("kick")])
    window, moved = WINDOW.tolist(), (WINDOW + 1).tolist()
    box = [[2, 3], [20, 3], [20, 30], [2, 30]]
    assert polygons(figure) == [[box, window], [moved], [window], [moved]]
    for axes in figure.axes:
        assert (axes.get_xlim(), axes.get_ylim()) == ((0, 48), (36, 0))
        assert axes.images[0].get_extent() == [0, 48, 36, 0]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["head 1", "person box"]


def test_the_svg_has_text_and_paths_and_an_image_for_each_frame(tmp_path):
    figure = draw_paper_figure([row_of("wave"), row_of("kick")])
    _, vector = save_figure(tmp_path / "figure.png", figure, dpi=30)
    svg = vector.read_text()
    words = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert {"(a)  true: wave, predicted: wave (0.50)", "✓", "0.10 s", "head 1"} <= set(words)
    assert {"(b)  true: kick, predicted: wave (0.50)", "✗"} <= set(words)
    assert svg.count("<image") == 4
    assert svg.count('id="patch_') >= 4


def test_weights_are_a_tint_and_the_contour_of_half_the_mass():
    weights = torch.zeros(2, 1, 3, 4)
    weights[:, :, 1, 1] = 1
    edges = torch.tensor([0.0, 0, 48, 36]).expand(2, 4)
    row = row_of("wave", outlines=torch.zeros(2, 0, 4, 2), heat=[HeatMaps(weights, edges)])
    axes = draw_paper_figure([row]).axes[0]
    (lines,) = [one for one in axes.collections if isinstance(one, LineCollection)]
    points = np.concatenate(lines.get_segments())
    assert points.min(0).tolist() == [12, 12]
    assert points.max(0).tolist() == [24, 24]
    image = np.asarray(axes.images[0].get_array())
    assert (image != 90).any()


def test_a_video_of_fewer_frames_ends_early():
    figure = draw_paper_figure([row_of("a", frames=1), row_of("b", frames=3)])
    first, *others = [axes.get_position().bounds for axes in figure.axes]
    assert len(others) == 3
    assert (others[0][0], first[0]) == pytest.approx((0, 0))
    assert len({round(bounds[2], 6) for bounds in (first, *others)}) == 1


def test_rows_of_different_heads_are_refused():
    for rows in ([], [row_of("a"), row_of("a", heads=2)]):
        with pytest.raises(ValueError, match=r"rows must be of one number of heads, got"):
            draw_paper_figure(rows)
