"""Weight maps on source frames: steps to frames, cells to pixels, points to cells."""

import pytest
import torch

from stn_action.geometry.cells import Cells
from stn_action.geometry.heat_maps import HeatMaps, cells_at, focus_heat, frame_weights
from stn_action.geometry.outlines import map_edges

CELLS = Cells((2, 4, 8), (8, 32, 48), (1.5, 3.0, 2.0), (4.0, 8.0, 6.0))
"""Rows are centered at clip pixels 3, 11, 19, 27 and 8 high, columns at 2, 8, ... and 6 wide."""


def test_the_edges_of_the_map_are_half_a_cell_beyond_its_outer_centers():
    # x: pixels 2 - 3 + 0.5 and 44 + 3 + 0.5 of 48; y: 3 - 4 + 0.5 and 27 + 4 + 0.5 of 32
    expected = [2 * -0.5 / 48 - 1, 2 * -0.5 / 32 - 1, 2 * 47.5 / 48 - 1, 2 * 31.5 / 32 - 1]
    assert map_edges(CELLS).tolist() == pytest.approx(expected)
    even = Cells.centered((2, 4, 8), (8, 32, 48))
    assert map_edges(even).tolist() == pytest.approx([-1, -1, 1, 1])


@pytest.mark.parametrize(("left", "right"), [(100.0, 196.0), (196.0, 100.0)])
def test_maps_land_where_stage_and_crop_put_them_mirrored_too(left, right):
    weights = torch.rand(3, 2, 4, 8)
    boxes = torch.tensor([left, 10.0, right, 58.0]).repeat(8, 1)
    boxes[5] += 7
    maps = focus_heat(weights, CELLS, boxes)
    assert maps.weights.shape == (8, 3, 4, 8)
    assert maps.num_heads == 3
    # the clip's 48 columns are 96 source pixels, its 32 rows 48
    turn = 1 if left < right else -1
    expected = torch.tensor([left + turn * -1, 10 - 0.75, left + turn * 95, 10 + 47.25])
    torch.testing.assert_close(maps.edges[0], expected)
    torch.testing.assert_close(maps[5].edges, expected + 7)
    torch.testing.assert_close(maps.scaled(2).edges[0], expected * 2)
    assert torch.equal(maps[[5, 1]].weights, maps.weights[[5, 1]])


def test_a_step_of_weights_covers_the_frames_nearest_to_it():
    weights = torch.rand(5, 3, 2, 4, 8)  # (videos, K, S, H, W)
    shown = frame_weights(weights, CELLS)
    assert shown.shape == (5, 8, 3, 4, 8)
    for frame in range(8):
        assert torch.equal(shown[:, frame], weights[:, :, frame // 4])
    assert torch.equal(frame_weights(weights[:, :, :1], CELLS)[:, 6], weights[:, :, 0])


def test_points_are_in_the_cells_that_cover_them():
    # centers of cell row 1, column 6: clip pixels 11 and 38; then the same a little beyond it
    def clip(x: float, y: float) -> list[float]:
        return [2 * (x + 0.5) / 48 - 1, 2 * (y + 0.5) / 32 - 1]

    points = torch.tensor([clip(38, 11), clip(40.9, 14.9), clip(41.1, 15.1), clip(47.4, -1.1)])
    rows, columns = cells_at(points, CELLS)
    assert rows.tolist() == [1, 1, 2, -1]
    assert columns.tolist() == [6, 6, 7, 8]
    rows, columns = cells_at(torch.full((2, 3, 2), torch.nan), CELLS)
    assert rows.shape == columns.shape == (2, 3)
    assert (rows == -1).all()


def test_other_shapes_are_refused():
    with pytest.raises(
        ValueError, match=r"weights must be \(..., K, S, 4, 8\) with S = 1 or 2, go"
    ):
        frame_weights(torch.rand(3, 3, 4, 8), CELLS)
    with pytest.raises(ValueError, match=r"weights must be \(..., K, S, 4, 8\)"):
        frame_weights(torch.rand(3, 1, 8, 4), CELLS)
    with pytest.raises(ValueError, match=r"boxes must be \(8, 4\), got \(7, 4\)"):
        focus_heat(torch.rand(3, 1, 4, 8), CELLS, torch.zeros(7, 4))
    with pytest.raises(ValueError, match=r"and edges \(..., 4\), got \(2, 4, 8\) and \(3, 4\)"):
        HeatMaps(torch.rand(2, 4, 8), torch.zeros(3, 4))
