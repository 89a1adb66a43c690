"""From theta to source pixels, and areas and contents of windows."""

import pytest
import torch
from torch import Tensor

from stn_action.geometry.theta import window_theta
from stn_action.models.focus import Cells
from stn_action.visualize.regions import (
    clip_outlines,
    clip_to_source,
    contains_points,
    focus_outlines,
    frame_steps,
    map_to_clip,
    nearest_clip_frames,
    polygon_area,
    source_to_clip,
    union_area,
    window_area,
)

CELLS = Cells(
    size_thw=(2, 4, 8), clip_thw=(8, 32, 48), first_thw=(1.5, 3.0, 2.0), step_thw=(4.0, 8.0, 6.0)
)


def window(width: float, height: float, x: float, y: float) -> Tensor:
    """Theta (2, 3) of one window."""
    return window_theta(torch.tensor([width, height]), torch.tensor([x, y]))


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Tensor:
    return torch.tensor([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def diamond(x: float, y: float, radius: float) -> Tensor:
    ends = torch.tensor([[0.0, -1.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    return torch.tensor([x, y]) + radius * ends


def random_windows(count: int) -> Tensor:
    """Convex quadrilaterals (count, 4, 2): the unit square under random affine maps."""
    corners = rectangle(-1, -1, 1, 1).double()
    linear = torch.randn(count, 2, 2, dtype=torch.double) * 0.6
    return corners @ linear.mT + torch.randn(count, 1, 2, dtype=torch.double) * 0.5


def test_a_window_lands_where_stage_and_crop_put_it():
    # Columns: u = -0.25, 0.75 are cells 2.5, 6.5; clip pixels 2 + 6 * cell = 17, 41; the clip's
    # 48 columns are 96 source pixels from 100: 100 + 2 * (pixel + 0.5) = 135, 183.
    # Rows: u = -0.75, -0.25 are cells 0, 1; pixels 3 + 8 * cell = 3, 11; 32 rows are 48 source
    # pixels from 10: 10 + 1.5 * (pixel + 0.5) = 15.25, 27.25.
    theta = window(0.5, 0.25, 0.25, -0.5).view(1, 1, 2, 3)
    boxes = torch.tensor([100.0, 10.0, 196.0, 58.0]).repeat(8, 1)
    outlines = focus_outlines(theta, CELLS, boxes)
    assert outlines.shape == (8, 1, 4, 2)
    expected = rectangle(135, 15.25, 183, 27.25)
    torch.testing.assert_close(outlines, expected.expand(8, 1, 4, 2))


def test_a_mirrored_clip_turns_windows_around():
    theta = window(0.5, 0.25, 0.25, -0.5).view(1, 1, 2, 3)
    boxes = torch.tensor([196.0, 10.0, 100.0, 58.0]).repeat(8, 1)
    outlines = focus_outlines(theta, CELLS, boxes)
    torch.testing.assert_close(outlines[0, 0], rectangle(161, 15.25, 113, 27.25))


def test_windows_follow_a_box_that_moves():
    theta = window(0.5, 0.25, 0.25, -0.5).view(1, 1, 2, 3)
    boxes = torch.tensor([100.0, 10.0, 196.0, 58.0]) + 5 * torch.arange(8).view(8, 1)
    outlines = focus_outlines(theta, CELLS, boxes)
    torch.testing.assert_close(outlines[3, 0], rectangle(150, 30.25, 198, 42.25))


def test_a_map_that_shares_the_clip_out_evenly_changes_nothing():
    cells = Cells.centred((4, 7, 14), (16, 112, 168))
    points = torch.rand(5, 2) * 2 - 1
    torch.testing.assert_close(map_to_clip(points, cells), points)


def test_each_head_and_step_has_its_frames():
    theta = torch.stack(
        [
            torch.stack([window(0.5, 0.5, x, 0.0), window(0.5, 0.5, x, 0.5)])
            for x in (-0.5, 0.0, 0.5)
        ]
    )  # (K=3, S=2, 2, 3)
    outlines = clip_outlines(theta, CELLS)
    assert outlines.shape == (8, 3, 4, 2)
    steps = torch.stack([clip_outlines(theta[:, step : step + 1], CELLS) for step in (0, 1)])
    torch.testing.assert_close(outlines, torch.cat([steps[0, :4], steps[1, 4:]]))
    assert (outlines[:, 0] < outlines[:, 2])[..., 0].all()


def test_a_batch_of_clips_keeps_its_leading_sizes():
    theta = window(0.5, 0.25, 0.25, -0.5).expand(6, 3, 1, 2, 3)
    outlines = clip_outlines(theta, CELLS)
    assert outlines.shape == (6, 8, 3, 4, 2)
    torch.testing.assert_close(outlines[5], clip_outlines(theta[0], CELLS))


def test_a_step_covers_the_frames_nearest_to_it():
    assert frame_steps(CELLS, 2).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    late = Cells((3, 1, 1), (7, 1, 1), first_thw=(0.0, 0.0, 0.0), step_thw=(2.0, 1.0, 1.0))
    assert frame_steps(late, 3).tolist() == [0, 1, 1, 2, 2, 2, 2]
    assert frame_steps(late, 1).tolist() == [0] * 7


def test_the_video_between_clip_frames_takes_the_nearest():
    clip = torch.tensor([4, 8, 12, 12])
    positions = nearest_clip_frames(clip, torch.tensor([0, 5, 6, 7, 12, 30]))
    assert positions.tolist() == [0, 0, 0, 1, 2, 2]


def test_source_and_clip_are_each_others_inverse():
    points = torch.rand(4, 2) * 100
    boxes = torch.tensor([90.0, 10.0, 20.0, 200.0])
    torch.testing.assert_close(clip_to_source(source_to_clip(points, boxes), boxes), points)
    corner = source_to_clip(torch.tensor([90.0, 200.0]), boxes)
    torch.testing.assert_close(corner, torch.tensor([-1.0, 1.0]))


def test_theta_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"theta must be .* with S = 1 or 2, got \(1, 3, 2, 3\)"):
        clip_outlines(torch.zeros(1, 3, 2, 3), CELLS)
    with pytest.raises(ValueError, match=r"got \(2, 2, 3\)"):
        clip_outlines(torch.zeros(2, 2, 3), CELLS)
    with pytest.raises(ValueError, match=r"boxes must be \(8, 4\), got \(7, 4\)"):
        focus_outlines(torch.zeros(1, 1, 2, 3), CELLS, torch.zeros(7, 4))
