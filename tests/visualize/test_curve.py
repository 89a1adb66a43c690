"""Plots: where points, bars, figures, ticks and names stand."""

import numpy as np
import pytest

from stn_action.visualize.axes import Axes, place_axes, round_ticks
from stn_action.visualize.curve import REFERENCE_COLOR, SERIES_COLORS, draw_curves
from stn_action.visualize.images import WHITE, Image

LABELS = {"x_label": "looseness", "y_label": "top-1 (%)"}
NAN = float("nan")
ONE = {"heads": [(0.0, 40.0), (1.0, 50.0), (2.0, 60.0)]}
TWO = {**ONE, "no heads": [(0.0, 30.0), (1.0, 31.0), (2.0, 29.0)]}


def places_of(picture: Image, color: tuple[int, int, int]) -> np.ndarray:
    """(N, 2) rows and columns of the pixels of a colour."""
    return np.argwhere((picture == color).all(-1))


def test_ticks_are_round_and_hold_all_values():
    assert round_ticks([42, 58], (0, 100)) == [40, 45, 50, 55, 60]
    assert round_ticks([0, 100], (0, 100)) == [0, 20, 40, 60, 80, 100]
    assert round_ticks([0.31, 0.34])[0] <= 0.31
    for values in ([97.0, 99.9], [100, 100], [0.0, 0.0], [-3, 8], [1e-5, 3e-5], [50.0]):
        ticks = round_ticks(values, (0, 100))
        assert ticks[0] <= min(values) <= max(values) <= ticks[-1] or min(values) < 0
        assert ticks[-1] <= 100
        assert 2 <= len(ticks) <= 9
    assert round_ticks([-3, 8], (0, 100))[0] <= -3  # a value counts more than a bound


def test_values_lie_where_the_axes_say():
    axes = place_axes((500, 800), 40, (0.0, 2.0), [20, 40, 60])
    left, right = axes.place(0, 20), axes.place(2, 60)
    assert axes.left < left[0] < right[0] < axes.right
    assert (left[1], right[1]) == (axes.bottom, axes.top)
    assert axes.place(0.5, 30)[0] == pytest.approx(left[0] + (right[0] - left[0]) / 4)
    log = Axes(0, 0, 100, 100, (1e-4, 1e-2), (0, 1), log_x=True)
    assert log.place(1e-3, 0.5) == pytest.approx((50, 50))
    alone = place_axes((500, 800), 40, (3.0, 3.0), [0, 1])
    assert alone.place(3.0, 0)[0] == pytest.approx((alone.left + alone.right) / 2)


def test_a_curve_is_drawn_through_its_points():
    picture = draw_curves(ONE, **LABELS, size_hw=(400, 600))
    assert picture.shape == (400, 600, 3)
    pixels = places_of(picture, SERIES_COLORS[0])
    axes = place_axes((400, 600), 14 + 12, (0.0, 2.0), round_ticks([40, 60]))
    for x, y in ONE["heads"]:
        place = np.array(axes.place(x, y))[::-1]
        assert np.abs(pixels - place).max(axis=1).min() <= 1


def test_the_order_of_points_does_not_matter():
    picture = draw_curves(ONE, **LABELS)
    assert (draw_curves({"heads": ONE["heads"][::-1]}, **LABELS) == picture).all()


def test_each_figure_is_written_and_none_on_another():
    ink = []
    for decimals in (0, 3):
        picture = draw_curves(ONE, **LABELS, decimals=decimals)
        ink.append(len(places_of(picture, SERIES_COLORS[0])))
    assert ink[1] > ink[0] + 100
    same = [(0.0, 40.0), (1.0, 41.0)]
    crowded = draw_curves({"a": same, "b": same, "c": same}, **LABELS)
    for color in SERIES_COLORS[:3]:  # lines lie upon each other, figures do not
        assert len(places_of(crowded, color)) > 100


def test_bars_show_the_deviations_that_are_known():
    plain = draw_curves(TWO, **LABELS, deviations={"heads": [NAN] * 3})
    bars = draw_curves(TWO, **LABELS, deviations={"heads": [5, NAN, 5]})
    more = [len(places_of(bars, color)) - len(places_of(plain, color)) for color in SERIES_COLORS]
    assert more[0] > 50


def test_a_reference_is_a_dashed_line_with_its_name():
    picture = draw_curves(ONE, **LABELS, reference=("chance", 20.0))
    pixels = places_of(picture, REFERENCE_COLOR)
    rows, counts = np.unique(pixels[:, 0], return_counts=True)
    columns = np.unique(pixels[pixels[:, 0] == rows[counts.argmax()], 1])
    assert 0.3 * np.ptp(columns) < len(columns) < 0.8 * np.ptp(columns)
    assert rows[counts.argmax()] > places_of(picture, SERIES_COLORS[0])[:, 0].max()


def test_words_stand_below_their_points():
    words = draw_curves(ONE, **LABELS, x_names=["longest", "largest", "union"])
    numbers = draw_curves(ONE, **LABELS)
    assert (words[:420] == numbers[:420]).all()
    assert (words[420:] != numbers[420:]).any()


def test_names_of_ticks_that_lie_close_are_left_out():
    close = [(x / 100, 1.0 + x) for x in range(100)]
    picture = draw_curves({"a": close}, **LABELS)
    ticks = (picture[446:458, 60:] != WHITE).any(-1).any(0)  # columns with ink of names
    gaps = np.diff(np.flatnonzero(ticks))
    assert (gaps > 10).sum() > 3


def test_long_names_and_titles_stay_inside():
    name = "an arm with a name that does not end " * 5
    picture = draw_curves({name: [(0, 1)], "b": [(0, 2)]}, **LABELS, title=name, size_hw=(300, 400))
    assert picture.shape == (300, 400, 3)
    assert (picture[:, -5:] == WHITE).all()


@pytest.mark.parametrize(
    ("series", "settings", "message"),
    [
        ({}, {}, r"series must hold a curve, and every curve a point"),
        ({"a": []}, {}, r"series must hold a curve, and every curve a point"),
        ({"a": [(0, NAN)]}, {}, r"points of a must be finite, got \(0.0, nan\)"),
        ({"a": [(0, 1)]}, {"log_x": True}, r"x of a must be positive on a logarithmic axis, got 0"),
        ({"a": [(0, 1)]}, {"deviations": {"b": [1]}}, r"must be of curves of \['a'\], got \['b'\]"),
        ({"a": [(0, 1)]}, {"deviations": {"a": [1, 2]}}, r"deviations of a must be 1, got 2"),
        ({"a": [(0, 1)]}, {"deviations": {"a": [-1]}}, r"deviations of a must be .* not negative"),
        ({"a": [(0, 1)]}, {"reference": ("b", NAN)}, r"reference must be finite, got nan"),
        ({"a": [(2, 1)]}, {"x_names": ["x", "y"]}, r"x must be 0 to 1, places in x_names, got"),
    ],
)
def test_what_cannot_be_drawn_is_refused(series, settings, message):
    with pytest.raises(ValueError, match=message):
        draw_curves(series, **LABELS, **settings)
