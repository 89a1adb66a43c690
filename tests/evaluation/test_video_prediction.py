"""Where a video's heads look, in source pixels: windows and weights."""

import pytest
import torch

from stn_action.evaluation.places import WeightPlaces, WindowPlaces, places_of
from stn_action.evaluation.video_prediction import VideoPrediction
from stn_action.geometry.cells import Cells
from stn_action.geometry.heat_maps import focus_heat
from stn_action.geometry.outlines import focus_outlines
from stn_action.geometry.theta import theta_from_boxes
from stn_action.models.prediction import Focus

CELLS = Cells.centered((2, 4, 6), (4, 32, 48))
BOXES = torch.tensor([[[10.0, 5, 106, 69]], [[106.0, 5, 10, 69]]]).expand(2, 4, 4)
"""Of two views, the second mirrored."""


def prediction(*focus: Focus) -> VideoPrediction:
    return VideoPrediction(
        "clip", ("a", "b"), torch.tensor([0.6, 0.4]), torch.full((2, 2), 0.5),
        torch.arange(8).view(2, 4), BOXES, focus, person_found=True,
    )  # fmt: skip


def with_weights(num_views: int = 2, num_heads: int = 3) -> Focus:
    weights = torch.rand(num_views, num_heads, 2, 4, 6)
    return Focus(None, None, "stage3", CELLS, weights=weights)


def with_windows() -> Focus:
    theta = theta_from_boxes(torch.tensor([-0.5, -0.5, 0.5, 0.25])).expand(2, 2, 1, 2, 3)
    return Focus(theta, theta[0, :, 0], "stage3", CELLS)


def of_positions(classes: tuple[str, ...], *rows: list[float]) -> VideoPrediction:
    probabilities = torch.tensor([value for row in rows for value in row])
    views = probabilities.expand(2, -1)
    return VideoPrediction(
        "number", classes, probabilities, views, torch.arange(8).view(2, 4), BOXES, (),
        person_found=True, positions=len(rows),
    )  # fmt: skip


def test_the_classes_at_all_positions_are_one_text():
    found = of_positions(
        ("0", "1", "none"), [0.1, 0.6, 0.3], [0.7, 0.2, 0.1], [0.0, 0.25, 0.75]
    )  # fmt: skip
    assert found.label == "10"
    best = found.top(3)  # 1, 0, none; then 0.6 * 0.7 * 0.25 and 0.3 * 0.7 * 0.75
    assert [text for text, _ in best] == ["10", "_0", "101"]
    assert [p for _, p in best] == pytest.approx([0.315, 0.1575, 0.105])


def test_the_best_texts_are_those_of_all_combinations():
    rows = torch.rand(3, 4).softmax(1)
    found = of_positions(("a", "b", "c", "none"), *rows.tolist())
    products = torch.einsum("i,j,k->ijk", *rows).flatten().sort(descending=True).values
    assert [p for _, p in found.top(11)] == pytest.approx(products[:11].tolist())
    assert found.top(1)[0][0] == found.label
    assert len({text for text, _ in found.top(64)}) == 64


def test_one_position_has_the_classes_themselves():
    found = of_positions(("wave", "kick", "none"), [0.2, 0.3, 0.5])
    assert found.label == "none"
    assert found.top(5) == [
        ("none", 0.5),
        ("kick", pytest.approx(0.3)),
        ("wave", pytest.approx(0.2)),
    ]


def test_weights_are_in_source_pixels_for_each_view():
    focus = with_weights()
    found = prediction(focus)
    (maps,) = found.heat_maps()
    assert maps.weights.shape == (2, 4, 3, 4, 6)
    assert focus.weights is not None
    for view in (0, 1):
        expected = focus_heat(focus.weights[view], CELLS, BOXES[view])
        assert torch.equal(maps.weights[view], expected.weights)
        assert torch.equal(maps.edges[view], expected.edges)
    assert maps.edges[1, 0].tolist() == [106, 5, 10, 69]
    assert maps.flattened().weights.shape == (8, 3, 4, 6)
    assert found.outlines().shape == (2, 4, 0, 4, 2)


def test_windows_have_outlines_and_no_weights():
    found = prediction(with_windows())
    assert found.heat_maps() == ()
    focus = with_windows()
    expected = focus_outlines(focus.windows[1], CELLS, BOXES[1])
    torch.testing.assert_close(found.outlines()[1], expected)
    assert prediction().heat_maps() == ()


def test_placements_of_both_kinds_are_drawn_side_by_side():
    found = prediction(with_windows(), with_weights())
    assert found.outlines().shape[2] == 2
    assert found.heat_maps()[0].num_heads == 3


def test_places_are_of_the_kind_that_the_focus_has():
    rows = torch.tensor([1])
    assert isinstance(places_of([with_windows()], rows), WindowPlaces)
    assert places_of([with_windows(), with_windows()], rows).shape == (1, 4, 4)
    places = places_of([with_weights(3)], torch.tensor([2, 0]))
    assert isinstance(places, WeightPlaces)
    assert places.shape == (2, 4, 3)
    with pytest.raises(ValueError, match="2 placements must all have windows to be scored togeth"):
        places_of([with_windows(), with_weights()], rows)
