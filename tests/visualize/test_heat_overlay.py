"""Weight maps on images, pixel by pixel: tints, the scale of heat, contours of half the mass."""

import numpy as np
import pytest
import torch
from torch import Tensor

from stn_action.geometry.heat_maps import HeatMaps
from stn_action.visualize.focus_sheet import draw_sheet
from stn_action.visualize.frame_overlay import draw_frame, draw_windows, render_video
from stn_action.visualize.glimpse_cells import GLIMPSE_HEIGHT
from stn_action.visualize.heat_overlay import contour, draw_scale_of_heat, draw_tint
from stn_action.visualize.images import Image
from stn_action.visualize.legend import head_color

EDGES = np.array([40.0, 20.0, 160.0, 80.0])  # cells of 20 x 20 pixels: 3 rows, 6 columns
ODD_EDGES = np.array([40.0, 20.0, 166.0, 83.0])  # cells of 21 x 21: a pixel in their middle
NO_WINDOWS = torch.zeros(0, 4, 2)


def gray() -> Image:
    return np.full((100, 200, 3), 90, dtype=np.uint8)


def one_cell(row: int, column: int, value: float = 1.0) -> Tensor:
    weights = torch.zeros(3, 6)
    weights[row, column] = value
    return weights


def lengths(lines: np.ndarray) -> float:
    return float(np.abs(lines[:, 1] - lines[:, 0]).sum())


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_tint_is_strongest_at_the_center_of_the_heaviest_cell(mirrored):
    edges = ODD_EDGES[[2, 1, 0, 3]] if mirrored else ODD_EDGES
    view = gray()
    draw_tint(view, one_cell(1, 4, 0.01), edges, (240, 0, 0))
    red = view[..., 0].astype(int)
    peak = (51, 71) if mirrored else (51, 134)  # the center of column 4, or of its mirror image
    assert red[peak] == red.max() == 0.4 * 90 + 0.6 * 240
    assert (view[51, 134 if mirrored else 71] == 90).all()
    assert (view[:20] == 90).all()
    assert (view[83:] == 90).all()


def test_between_the_centers_of_two_cells_weights_are_interpolated():
    view = np.zeros((100, 200, 3), dtype=np.uint8)
    weights = one_cell(1, 2, 0.4) + one_cell(1, 3, 0.22)  # mean 0.62 / 18
    draw_tint(view, weights, ODD_EDGES, (250, 0, 0))
    second = 0.6 * 250 * (0.22 - 0.62 / 18) / (0.4 - 0.62 / 18)
    assert view[51, [92, 113], 0].tolist() == [150, round(second)]  # 0.6 * 250 at the heaviest
    assert view[51, [102, 103], 0].mean() == pytest.approx((150 + second) / 2, abs=1)
    assert view[[41, 61], 92, 0].mean() == pytest.approx(150 * (1 - 10 / 21), abs=1)


def test_nothing_is_tinted_without_weight_where_all_are_equal_or_outside_the_map():
    view = gray()
    for weights in (torch.zeros(3, 6), torch.ones(3, 6) + 1e-6 * torch.rand(3, 6)):
        draw_tint(view, weights, EDGES, (240, 0, 0))
        assert (view == 90).all()
    corner = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    draw_tint(view, corner, EDGES, (240, 0, 0))
    assert (view[20:35, 40:160, 0] == 180).all()
    assert (view[65:, :, 0] == 90).all()
    view[20:80, 40:160] = 90
    assert (view == 90).all()


def test_heat_makes_a_frame_gray_and_its_heaviest_place_bright():
    view = gray()
    view[..., 0] = 150
    draw_scale_of_heat(view, one_cell(1, 4), EDGES)
    brightness = view.astype(int).sum(-1)
    assert np.unravel_index(brightness.argmax(), brightness.shape)[0] in range(45, 55)
    assert 120 <= brightness[50].argmax() < 140
    cold = view[5, 5].astype(int)
    assert np.ptp(cold) <= 3
    assert cold.max() < 90


def test_the_contour_is_the_border_of_the_cells_that_hold_half():
    weights = one_cell(1, 4, 0.3) + one_cell(1, 3, 0.25) + torch.full((3, 6), 0.45 / 18)
    lines = contour(weights, EDGES)
    found = {tuple(map(tuple, line.tolist())) for line in lines}
    assert found == {
        ((100.0, 40.0), (140.0, 40.0)),  # one line along two cells
        ((100.0, 60.0), (140.0, 60.0)),
        ((100.0, 40.0), (100.0, 60.0)),
        ((140.0, 40.0), (140.0, 60.0)),
    }
    mirrored = contour(weights, EDGES[[2, 1, 0, 3]])
    assert {line[:, 0].min() for line in mirrored} == {60.0, 100.0}


def test_a_contour_has_a_line_wherever_inside_and_outside_meet():
    """Against a count of the edges of all cells one by one; cells are 20 x 20."""
    for _ in range(20):
        mask = torch.rand(3, 6) < 0.5
        mask[0, 0] = True
        padded = np.pad(mask.numpy(), 1).astype(int)
        expected = np.abs(np.diff(padded, axis=0)).sum() + np.abs(np.diff(padded, axis=1)).sum()
        assert lengths(contour(mask.float(), EDGES)) == pytest.approx(20 * expected)
    assert len(contour(torch.zeros(3, 6), EDGES)) == 0


def test_heads_with_weights_are_drawn_after_those_with_windows():
    maps = HeatMaps(torch.stack([one_cell(0, 0), one_cell(2, 5)]), torch.from_numpy(EDGES))
    window = torch.tensor([[[10.0, 10], [190, 10], [190, 90], [10, 90]]])
    view = draw_windows(gray(), window, (100, 200), heat=[maps])
    assert (view[9:11, 100] == head_color(0)).all(-1).any()
    assert (view[19:21, 50:60] == head_color(1)).all(-1).any()
    assert (view[79:81, 145:155] == head_color(2)).all(-1).any()
    twice = draw_windows(gray(), NO_WINDOWS, (200, 400), heat=[maps])
    assert (twice[38:42, 100:120] == head_color(0)).all(-1).any()


def test_frames_sheets_and_videos_show_weights_and_name_their_heads():
    weights = torch.rand(4, 2, 3, 6)
    maps = HeatMaps(weights, torch.from_numpy(EDGES).expand(4, 4))
    frames, outlines = [gray()] * 4, torch.zeros(4, 0, 4, 2)
    video = list(render_video(frames, outlines, heat=[maps], min_height=100))
    still = draw_frame(frames[2], outlines[2], heat=[maps[2]], min_height=100)
    assert (video[2] == still).all()
    assert still.shape[0] > 100  # the legend
    with pytest.raises(ValueError, match="head_names must name 2 heads, got 1"):
        draw_frame(frames[2], outlines[2], heat=[maps[2]], head_names=["one"])
    sheet = draw_sheet(frames, outlines, heat=[maps])
    plain = draw_sheet(frames, outlines, heat=[maps], glimpses=False)
    assert sheet.shape[0] - plain.shape[0] == 2 * (GLIMPSE_HEIGHT + 8)
    with pytest.raises(ValueError, match="maps must be of 4 frames, got 3"):
        draw_sheet(frames, outlines, heat=[maps[[0, 1, 2]]])
