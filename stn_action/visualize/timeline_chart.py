"""A chart of who did what when: a line for each track, colored by class."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from stn_action.visualize.chart_figure import add_legend, chart_style, hex_color, new_figure
from stn_action.visualize.images import Color

MOST_TRACKS = 80
"""Lines of a chart; of more tracks the longest are drawn."""
_INCHES_PER_TRACK = 0.26


class TimelineBar(NamedTuple):
    """A stretch of time of one class."""

    track: int
    """Number; 0: the whole frame."""
    start_seconds: float
    end_seconds: float
    label: str


def draw_timeline(
    bars: Sequence[TimelineBar], colors: Mapping[str, Color], *, title: str, end_seconds: float
) -> Figure:
    """Draw a timeline.

    Args:
        bars: in any order; there may be none.
        colors: of all classes in `bars`.
        title: above everything.
        end_seconds: where the axis of time ends.
    """
    lengths: dict[int, float] = {}
    for bar in bars:
        longer = lengths.get(bar.track, 0.0) + bar.end_seconds - bar.start_seconds
        lengths[bar.track] = longer
    drawn = sorted(sorted(lengths, key=lambda track: -lengths[track])[:MOST_TRACKS])
    if len(drawn) < len(lengths):
        title += f" (the {len(drawn)} longest of {len(lengths)} tracks)"
    with chart_style():
        size = 9.0, 1.9 + _INCHES_PER_TRACK * max(len(drawn), 2)
        figure, axes = new_figure(title, "seconds", "", size)
        axes.grid(axis="x")
        axes.grid(visible=False, axis="y")
        for line, track in enumerate(drawn):
            for bar in bars:
                if bar.track == track:
                    width = bar.end_seconds - bar.start_seconds
                    color = hex_color(colors[bar.label])
                    axes.barh(line, width, left=bar.start_seconds, height=0.8, color=color)
        names = ["whole frame" if track == 0 else f"track {track}" for track in drawn]
        axes.set_yticks(range(len(drawn)), names)
        axes.set_ylim(max(len(drawn), 1) - 0.5, -0.5)
        axes.set_xlim(0, max(end_seconds, 1e-3))
        shown = {bar.label for bar in bars if bar.track in drawn}
        handles = [
            (Patch(color=hex_color(color)), label)
            for label, color in colors.items()
            if label in shown
        ]
        if len(handles) == 1:
            axes.set_xlabel(f"seconds ({handles[0][1]})")
        add_legend(figure, handles)
        if not drawn:
            axes.text(0.5, 0.5, "nothing was classified", transform=axes.transAxes, ha="center")
    return figure
