"""Charts: what a figure's lines, bars, ticks and texts say."""

import math

import numpy as np
import pytest
from matplotlib.colors import to_hex

from stn_action.visualize.chart_figure import REFERENCE_COLOR, SERIES_COLORS, Figure, seeds_in_words
from stn_action.visualize.charts import draw_bars, draw_curves

LABELS = {"x_label": "looseness", "y_label": "top-1 (%)"}
NAN = float("nan")
ONE = {"heads": [(0.0, 40.0), (1.0, 50.0), (2.0, 60.0)]}
TWO = {**ONE, "no heads": [(0.0, 30.0), (1.0, 31.0), (2.0, 29.0)]}


def axes_of(figure: Figure):
    (axes,) = figure.axes
    return axes


def ticks_of(axes) -> list[str]:
    """The names of x that are seen."""
    return [label.get_text() for label in axes.get_xticklabels() if label.get_visible()]


def legend_of(axes) -> list[str]:
    legend = axes.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def boxes_of(figure: Figure) -> list:
    """Where the values stand on the canvas, in pixels."""
    figure.draw_without_rendering()
    return [text.get_window_extent() for text in axes_of(figure).texts]


def test_a_curve_goes_through_its_points_in_order_of_x():
    axes = axes_of(draw_curves({"heads": ONE["heads"][::-1]}, **LABELS, title="ucf101 split 1"))
    (line,) = axes.lines
    assert line.get_xydata().tolist() == [[0, 40], [1, 50], [2, 60]]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("looseness", "top-1 (%)")
    assert axes.figure.get_suptitle() == "ucf101 split 1"
    assert ticks_of(axes) == ["0", "1", "2"]
    assert axes.get_legend() is None  # there is nothing to tell apart


def test_each_value_is_written_beside_its_point():
    axes = axes_of(draw_curves(ONE, **LABELS))
    assert [text.get_text() for text in axes.texts] == ["40.0", "50.0", "60.0"]
    assert [text.xy for text in axes.texts] == ONE["heads"]
    precise = axes_of(draw_curves(ONE, **LABELS, decimals=3))
    assert precise.texts[0].get_text() == "40.000"


@pytest.mark.parametrize("apart", [0.0, 0.4])
def test_no_value_is_written_on_another(apart):
    series = {name: [(0, 40 + apart * k), (1, 41)] for k, name in enumerate("abc")}
    for deviations in (None, {"a": [3, 3]}):
        boxes = boxes_of(draw_curves(series, **LABELS, deviations=deviations, error_bars="of 2"))
        assert len(boxes) == 6
        assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])


def test_each_curve_has_its_own_color_and_marker():
    lines = axes_of(draw_curves(TWO, **LABELS)).lines
    assert [to_hex(line.get_color()) for line in lines] == list(SERIES_COLORS[:2])
    assert lines[0].get_marker() != lines[1].get_marker()
    assert legend_of(axes_of(draw_curves(TWO, **LABELS))) == ["heads", "no heads"]


def test_bars_show_the_deviations_that_are_known():
    axes = axes_of(draw_curves(TWO, **LABELS, deviations={"heads": [5, NAN, 2]}, error_bars="of 3"))
    heads, others = axes.containers
    assert heads.has_yerr
    assert not others.has_yerr
    (bars,) = heads.lines[2]
    ends = [segment[:, 1].tolist() for segment in bars.get_segments() if len(segment)]
    assert [end for end in ends if not math.isnan(end[0])] == [[35, 45], [58, 62]]


def test_a_figure_says_what_its_error_bars_are():
    bars = {"deviations": {"heads": [5, NAN, 2]}, "error_bars": "deviation over 3 seeds"}
    assert legend_of(axes_of(draw_curves(ONE, **LABELS, **bars))) == [
        "heads", "error bars: ± deviation over 3 seeds",
    ]  # fmt: skip
    groups = {"heads": [5.0, 6, 7]}
    assert legend_of(axes_of(draw_bars(groups, "xyz", **LABELS, **bars)))[1:] == [
        "error bars: ± deviation over 3 seeds"
    ]
    for draw, series, args in ((draw_curves, ONE, ()), (draw_bars, groups, ("xyz",))):
        with pytest.raises(ValueError, match=r"deviations are drawn: name them"):
            draw(series, *args, **LABELS, deviations=bars["deviations"])
        unknown = draw(series, *args, **LABELS, deviations={"heads": [NAN] * 3})
        assert legend_of(axes_of(unknown)) == []


def test_seeds_are_counted_in_words():
    assert seeds_in_words([1, 3, 3]) == "deviation over 3 seeds"
    assert seeds_in_words([5, 1, 3]) == "deviation over 3 to 5 seeds"
    assert seeds_in_words([1]) == ""


def test_curves_with_bars_are_drawn_beside_each_other():
    axes = axes_of(draw_curves(TWO, **LABELS, deviations={"heads": [5, NAN, 2]}, error_bars="of 3"))
    places = [line.lines[0].get_transform().transform((1, 50))[0] for line in axes.containers]
    assert places[0] < axes.transData.transform((1, 50))[0] < places[1]
    plain = axes_of(draw_curves(TWO, **LABELS))
    assert len({line.get_transform().transform((1, 50))[0] for line in plain.lines}) == 1


def test_a_reference_is_a_dashed_line_with_its_name():
    axes = axes_of(draw_curves(ONE, **LABELS, reference=("chance", 20.0)))
    line = axes.lines[-1]
    assert set(line.get_ydata()) == {20.0}
    assert line.is_dashed()
    assert line.get_color() == REFERENCE_COLOR
    assert legend_of(axes) == ["heads", "chance (20.0)"]
    assert axes.get_ylim()[0] < 20


def test_the_y_axis_ends_at_its_bounds_unless_a_value_is_beyond():
    for values in ([97.0, 99.9], [100, 100], [0.0, 0.0], [1e-5, 3e-5], [50.0]):
        series = {"a": list(enumerate(values))}
        low, high = axes_of(draw_curves(series, **LABELS, y_bounds=(0, 100))).get_ylim()
        assert 0 <= low <= min(values) <= max(values) <= high <= 100
        assert low < high
    axes = axes_of(draw_curves({"a": [(0, -3), (1, 8)]}, **LABELS, y_bounds=(0, 100)))
    assert axes.get_ylim()[0] == -3  # a value counts more than a bound


def test_powers_are_equally_far_apart_on_a_logarithmic_axis():
    series = {"a": [(1e-4, 1), (1e-3, 2), (1e-2, 3)]}
    axes = axes_of(draw_curves(series, **LABELS, log_x=True))
    assert axes.get_xscale() == "log"
    assert ticks_of(axes) == ["0.0001", "0.001", "0.01"]
    along = axes.transData.transform(series["a"])[:, 0]
    assert along[1] - along[0] == pytest.approx(along[2] - along[1])
    assert len(axes.xaxis.get_minorticklocs()) == 0


def test_names_of_ticks_that_lie_close_are_left_out_but_never_the_ends():
    axes = axes_of(draw_curves({"a": [(x, 1) for x in (0, 0.001, 0.002, 0.5, 1)]}, **LABELS))
    assert ticks_of(axes) == ["0", "0.5", "1"]


def test_many_points_are_drawn_without_their_values():
    axes = axes_of(draw_curves({"a": [(x / 100, x % 7) for x in range(100)]}, **LABELS))
    assert len(axes.lines[0].get_xydata()) == 100
    assert len(axes.texts) == 0
    assert 3 <= len(axes.get_xticks()) <= 12


def test_a_single_point_is_a_chart_too():
    axes = axes_of(draw_curves({"a": [(3.0, 5.0)]}, **LABELS))
    assert ticks_of(axes) == ["3"]
    assert axes.get_xlim()[0] < 3 < axes.get_xlim()[1]


def test_long_names_and_titles_stay_inside():
    name = "an arm with a name that does not end " * 5
    figure = draw_curves({name: [(0, 1)], "b": [(0, 2)]}, **LABELS, title=name, size_inches=(6, 4))
    figure.draw_without_rendering()
    legend = axes_of(figure).get_legend()
    texts = [*legend.get_texts(), *figure.texts]
    assert all(text.get_window_extent().x1 <= 600 for text in texts)
    assert legend_of(axes_of(figure))[0].endswith("…")


def test_signs_in_names_are_text():
    axes = axes_of(draw_curves({"_a": [(0, 1)], "$b$_2": [(0, 2)]}, **LABELS))
    assert legend_of(axes) == ["_a", "$b$_2"]
    assert not axes.get_legend().get_texts()[1].get_parse_math()


@pytest.mark.parametrize(
    ("series", "settings", "message"),
    [
        ({}, {}, r"series must hold a curve, and every curve a point"),
        ({"a": []}, {}, r"series must hold a curve, and every curve a point"),
        ({"a": [(0, NAN)]}, {}, r"points of a must be finite, got \(0, nan\)"),
        ({"a": [(0, 1)]}, {"log_x": True}, r"x of a must be positive on a logarithmic axis, got 0"),
        ({"a": [(0, 1)]}, {"deviations": {"b": [1]}}, r"must be of curves of \['a'\], got \['b'\]"),
        ({"a": [(0, 1)]}, {"deviations": {"a": [1, 2]}}, r"deviations of a must be 1, got 2"),
        ({"a": [(0, 1)]}, {"deviations": {"a": [-1]}}, r"deviations of a must be .* not negative"),
        ({"a": [(0, 1)]}, {"reference": ("b", NAN)}, r"reference must be finite, got nan"),
    ],
)
def test_what_cannot_be_drawn_is_refused(series, settings, message):
    with pytest.raises(ValueError, match=message):
        draw_curves(series, **LABELS, **settings)


def test_bars_stand_in_groups_with_their_values():
    series = {"heads": [40.0, 50.0], "no heads": [30.0, NAN]}
    axes = axes_of(draw_bars(series, ["longest", "union"], **LABELS, reference=("chance", 17)))
    heads, others = (container.patches for container in axes.containers)
    assert [bar.get_height() for bar in heads] == [40, 50]
    assert others[0].get_height() == 30
    middles = np.array([[bar.get_x() + bar.get_width() / 2 for bar in c] for c in (heads, others)])
    assert middles.mean(axis=0) == pytest.approx([0, 1])
    assert heads[0].get_x() + heads[0].get_width() < others[0].get_x()
    assert [text.get_text() for text in axes.texts] == ["40.0", "50.0", "30.0", ""]
    assert ticks_of(axes) == ["longest", "union"]
    assert legend_of(axes) == ["heads", "no heads", "chance (17.0)"]


def test_bars_have_error_bars_where_they_are_known():
    axes = axes_of(
        draw_bars(
            {"a": [5.0, 6.0]}, ["x", "y"], **LABELS, deviations={"a": [1, 2]}, error_bars="of 4"
        )
    )
    (bars,) = (c.errorbar for c in axes.containers if getattr(c, "errorbar", None) is not None)
    ends = [segment[:, 1].tolist() for segment in bars.lines[2][0].get_segments()]
    assert ends == [[4, 6], [4, 8]]


def test_bars_that_do_not_fit_their_names_are_refused():
    with pytest.raises(ValueError, match=r"heads must have 2 heights, got 1"):
        draw_bars({"heads": [1.0]}, ["a", "b"], **LABELS)
    with pytest.raises(ValueError, match=r"deviations must be of series in \['heads'\], got b"):
        draw_bars({"heads": [1.0]}, ["a"], **LABELS, deviations={"b": [1.0]})
    with pytest.raises(ValueError, match=r"there must be a bar"):
        draw_bars({}, [], **LABELS)


def test_a_long_name_leaves_the_others_side_by_side():
    series = {f"arm {number}": [5.0] for number in range(9)} | {
        "an arm with a long name" * 2: [5.0]
    }
    legend = axes_of(draw_bars(series, ["x"], **LABELS)).get_legend()
    assert 3 <= legend._ncols < 9
