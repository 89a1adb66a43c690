"""A figure of a few videos for a paper: frames as images, windows and text as vectors.

Letters: T frames of a row, K heads, P points of a window's outline.
"""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from torch import Tensor

from stn_action.geometry.heat_maps import HeatMaps
from stn_action.visualize.chart_figure import chart_style, hex_color, shorten_name
from stn_action.visualize.frame_overlay import distinct_points
from stn_action.visualize.heat_overlay import contour, draw_tint
from stn_action.visualize.images import Image, resize_image
from stn_action.visualize.legend import PERSON_NAME, TARGET_NAME, default_head_names, head_color
from stn_action.visualize.verdict import RIGHT_COLOR, WRONG_COLOR, Verdict

FIGURE_DPI = 300
WIDTH_INCHES = 7.0
"""That of a page with two columns."""
_IMAGE_WIDTH = 360
"""Pixels; 4 frames side by side have about 210 dots per inch."""
_POINTS = 8
_LINE = 0.18
"""Inches of a line of text."""
_GAP = 0.06
_LEGEND_COLUMNS = 6
_CHARACTERS_PER_INCH = 15


class FigureRow(NamedTuple):
    """A video in a figure; all coordinates in pixels of its frames."""

    frames: Sequence[Image]
    """T frames of one size."""
    outlines: Tensor
    """(T, K, P, 2) windows."""
    heat: Sequence[HeatMaps]
    """Weight maps of further heads, each of (T, K', H, W)."""
    captions: Sequence[str]
    """T texts, such as the times of the frames."""
    verdict: Verdict
    """The predicted and the true class."""
    person_boxes: Tensor | None = None
    """(T, 4) xyxy; a row of NaN: no box."""
    target_boxes: Tensor | None = None
    """(T, 4) xyxy; a row of NaN: no box."""


def draw_paper_figure(rows: Sequence[FigureRow], head_names: Sequence[str] | None = None) -> Figure:
    """Draw videos below each other, each with its classes above its frames, and a legend.

    Args:
        rows: at least one, all with the same number of heads; one with fewer frames ends early.
        head_names: a name for each head; None: head 1, head 2, ...

    Raises:
        ValueError: there is no row, or rows differ in their heads.
    """
    numbers = {row.outlines.shape[1] + sum(one.num_heads for one in row.heat) for row in rows}
    if len(numbers) != 1:
        raise ValueError(f"rows must be of one number of heads, got {sorted(numbers) or 'no row'}")
    num_frames = max(len(row.frames) for row in rows)
    cell = (WIDTH_INCHES - (num_frames - 1) * _GAP) / num_frames
    heights = [cell * row.frames[0].shape[0] / row.frames[0].shape[1] for row in rows]
    has_captions = any(caption for row in rows for caption in row.captions)
    below = _LINE * (1.1 if has_captions else 0.3)
    handles = _legend_of(rows, head_names)
    legend = _LINE * (0.6 + 1.1 * -(-len(handles) // _LEGEND_COLUMNS))
    height = sum(heights) + len(rows) * (_LINE + below) + legend
    with chart_style():
        figure = Figure(figsize=(WIDTH_INCHES, height))
        top = height
        for number, (row, tall) in enumerate(zip(rows, heights, strict=True)):
            _write_verdict(figure, row.verdict, number, top - 0.75 * _LINE)
            top -= _LINE + tall
            for place in range(len(row.frames)):
                left = place * (cell + _GAP)
                axes = figure.add_axes(
                    (left / WIDTH_INCHES, top / height, cell / WIDTH_INCHES, tall / height)
                )
                _draw_cell(axes, row, place)
                figure.text(
                    (left + cell / 2) / WIDTH_INCHES, (top - 0.75 * _LINE) / height,
                    row.captions[place], fontsize=_POINTS - 1, ha="center",
                )  # fmt: skip
            top -= below
        figure.legend(
            [artist for artist, _ in handles], [name for _, name in handles],
            loc="lower center", ncols=min(len(handles), _LEGEND_COLUMNS), fontsize=_POINTS,
            borderaxespad=0.1, columnspacing=1.4, handlelength=1.6,
        )  # fmt: skip
    return figure


def _write_verdict(figure: Figure, verdict: Verdict, number: int, baseline: float) -> None:
    """Write "(a) true: kick, predicted: wave" and a mark above a row, `baseline` in inches."""
    height = figure.get_size_inches()[1]
    text = f"({chr(ord('a') + number)})  " + ", ".join(verdict.lines())
    text = shorten_name(text, round(_CHARACTERS_PER_INCH * WIDTH_INCHES))
    written = figure.text(0, baseline / height, text, fontsize=_POINTS)
    if verdict.true and verdict.predicted:
        mark, color = ("✗", WRONG_COLOR) if verdict.is_wrong else ("✓", RIGHT_COLOR)
        behind = Annotation(
            mark, (1, 0), (4, 1), xycoords=written, textcoords="offset points",
            fontsize=_POINTS + 1, color=hex_color(color), annotation_clip=False,
        )  # fmt: skip
        figure.add_artist(behind)


def _draw_cell(axes: Axes, row: FigureRow, place: int) -> None:
    """Draw a frame with its windows."""
    image = row.frames[place]
    height, width = image.shape[:2]
    scale = _IMAGE_WIDTH / width
    shown = resize_image(image, (round(height * scale), _IMAGE_WIDTH)).copy()
    first = row.outlines.shape[1]
    lines: list[tuple[int, LineCollection]] = []
    for one in row.heat:
        edges = one.edges[place].double().numpy()
        for head, weights in enumerate(one.weights[place], start=first):
            draw_tint(shown, weights, edges * scale, head_color(head))
            lines.append((head, LineCollection(list(contour(weights, edges)))))
        first += one.num_heads
    axes.imshow(shown, extent=(0, width, height, 0), interpolation="none")
    axes.set_axis_off()
    axes.grid(visible=False)
    for boxes, style in ((row.person_boxes, _PERSON), (row.target_boxes, _TARGET)):
        if boxes is not None and boxes[place].isfinite().all():
            x0, y0, x1, y1 = boxes[place].tolist()
            corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
            axes.add_patch(Polygon(corners, fill=False, edgecolor="white", **style))
    for head, outline in enumerate(row.outlines[place].double().numpy()):
        points = distinct_points(outline)
        if len(points):
            color = hex_color(head_color(head))
            axes.add_patch(Polygon(points, fill=False, edgecolor=color, **_WINDOW))
    for head, collection in lines:
        collection.set(color=hex_color(head_color(head)), **_WINDOW)
        axes.add_collection(collection, autolim=False)
    axes.set(xlim=(0, width), ylim=(height, 0))


def _legend_of(
    rows: Sequence[FigureRow], head_names: Sequence[str] | None
) -> list[tuple[Artist, str]]:
    """Return what the legend shows."""
    first = rows[0]
    num_heads = first.outlines.shape[1] + sum(one.num_heads for one in first.heat)
    names = default_head_names(num_heads) if head_names is None else head_names
    handles: list[tuple[Artist, str]] = [
        (Line2D([], [], color=hex_color(head_color(head)), linewidth=2), name)
        for head, name in enumerate(names)
    ]
    if any(row.person_boxes is not None for row in rows):
        handles.append((Line2D([], [], color="white", **_PERSON), PERSON_NAME))
    if any(row.target_boxes is not None for row in rows):
        handles.append((Line2D([], [], color="white", **_TARGET), TARGET_NAME))
    return handles


_RIM = [withStroke(linewidth=2.4, foreground="#202020")]
_WINDOW = {"linewidth": 1.4, "path_effects": _RIM}
_PERSON = {"linewidth": 1.0, "linestyle": (0, (3, 2)), "path_effects": [_RIM[0]]}
_TARGET = {"linewidth": 1.0, "path_effects": [_RIM[0]]}
