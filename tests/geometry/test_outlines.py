"""From theta of every kind to the clip and to source pixels."""

import pytest
import torch
from torch import Tensor

from stn_action.geometry.cells import Cells
from stn_action.geometry.outlines import (
    clip_outlines,
    clip_to_source,
    focus_outlines,
    frame_steps,
    frame_times,
    join_heads,
    map_to_clip,
    nearest_clip_frames,
    source_to_clip,
)
from stn_action.geometry.polygons import contains_points, polygon_area, union_area
from stn_action.geometry.splines import control_points
from stn_action.geometry.theta import enclosing_boxes, transform_points, window_theta
from stn_action.geometry.transforms import TRANSFORMS, build_transform

CELLS = Cells(
    size_thw=(2, 4, 8), clip_thw=(8, 32, 48), first_thw=(1.5, 3.0, 2.0), step_thw=(4.0, 8.0, 6.0)
)


def window(width: float, height: float, x: float, y: float) -> Tensor:
    """Theta (2, 3) of one window."""
    return window_theta(torch.tensor([width, height]), torch.tensor([x, y]))


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Tensor:
    return torch.tensor([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


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
    cells = Cells.centered((4, 7, 14), (16, 112, 168))
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
    with pytest.raises(ValueError, match=r"theta must be .* with S = 1, got \(1, 2, 3, 4\)"):
        clip_outlines(torch.zeros(1, 2, 3, 4), CELLS)
    with pytest.raises(ValueError, match=r"theta must end in one of .* got shape \(1, 1, 4, 4\)"):
        clip_outlines(torch.zeros(1, 1, 4, 4), CELLS)
    with pytest.raises(ValueError, match=r"boxes must be \(8, 4\), got \(7, 4\)"):
        focus_outlines(torch.zeros(1, 1, 2, 3), CELLS, torch.zeros(7, 4))


EVEN = Cells.centered((4, 7, 7), (8, 112, 112))
"""Cells that shift nothing: what is normalized on the map is so on the clip."""


def test_a_homography_narrows_the_far_side():
    # x = -1 is divided by 0.5, x = 1 by 1.5: the left side reaches +-1, the right one +-1/3.
    theta = torch.tensor([[0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.5, 0.0, 1.0]])
    outlines = clip_outlines(theta.view(1, 1, 3, 3), EVEN)
    expected = torch.tensor([[-1.0, -1.0], [1 / 3, -1 / 3], [1 / 3, 1 / 3], [-1.0, 1.0]])
    torch.testing.assert_close(outlines, expected.expand(8, 1, 4, 2))


def test_a_spline_has_a_curved_outline_through_its_corners():
    places = control_points(torch.zeros(1)) * 0.5
    bent = places.clone()
    bent[1] += torch.tensor([0.0, -0.3])  # the second of the upper row is pulled up
    bent[15] = torch.tensor([0.7, 0.6])
    straight, curved = (
        clip_outlines(theta.view(1, 1, 16, 2), EVEN)[0, 0] for theta in (places, bent)
    )
    assert curved.shape == (32, 2)
    torch.testing.assert_close(enclosing(straight), torch.tensor([-0.5, -0.5, 0.5, 0.5]))
    torch.testing.assert_close(polygon_area(straight), torch.tensor(1.0))
    corners = torch.tensor([[-0.5, -0.5], [0.5, -0.5], [0.7, 0.6], [-0.5, 0.5]])
    torch.testing.assert_close(curved[::8], corners)
    above = torch.tensor([-1 / 6, -0.65])
    assert contains_points(curved, above)
    assert not contains_points(straight, above)


def test_a_spline_lands_where_stage_and_crop_put_it():
    # A spline that is not bent shows the same window as the affine map of the first test.
    places = transform_points(window(0.5, 0.25, 0.25, -0.5), control_points(torch.zeros(1)))
    boxes = torch.tensor([100.0, 10.0, 196.0, 58.0]).repeat(8, 1)
    outlines = focus_outlines(places.view(1, 1, 16, 2), CELLS, boxes)
    torch.testing.assert_close(outlines[3, 0, ::8], rectangle(135, 15.25, 183, 27.25))
    torch.testing.assert_close(outlines[3, 0, 2], torch.tensor([135 + 48 / 4, 15.25]))


def test_the_times_of_frames_are_those_of_the_steps_that_they_lie_on():
    # Steps are centered at frames 1.5 and 5.5, which are -0.5 and 0.5 on a map of two steps.
    expected = torch.tensor([-0.875, -0.625, -0.375, -0.125, 0.125, 0.375, 0.625, 0.875])
    torch.testing.assert_close(frame_times(CELLS), expected.double())
    late = Cells((3, 1, 1), (7, 1, 1), first_thw=(0.0, 0.0, 0.0), step_thw=(2.0, 1.0, 1.0))
    expected = (
        torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 3.0]) / 3
    )  # the last lies beyond the map
    torch.testing.assert_close(frame_times(late), expected.double())


def volume(x: float, reach: float, *, time: float = 0.0, lean: float = 0.0) -> Tensor:
    """Theta (1, 1, 3, 4) of a volume half as large as the map, `reach` to each side of time."""
    theta = torch.tensor([[0.5, 0, lean, x], [0, 0.5, 0, 0], [0, 0, reach, time]])
    return theta.view(1, 1, 3, 4)


def test_an_upright_volume_is_a_window_on_the_frames_it_covers():
    outlines = clip_outlines(volume(0.25, 0.4, time=-0.2), EVEN)  # times -0.6 to 0.2
    assert outlines.shape == (8, 1, 12, 2)
    covered = polygon_area(outlines)[:, 0] > 0
    assert covered.tolist() == [False, False, True, True, True, False, False, False]
    corners = outlines[2, 0].unique_consecutive(dim=0)
    torch.testing.assert_close(corners, rectangle(-0.25, -0.5, 0.75, 0.5))
    torch.testing.assert_close(outlines[0, 0], torch.tensor([[0.25, 0.0]]).expand(12, 2))


def test_a_leaning_volume_moves_over_the_frames():
    outlines = clip_outlines(volume(0.0, 1.0, lean=0.4), EVEN)[:, 0]
    moved = torch.tensor([0.4, 0.0]) * frame_times(EVEN).float()[:, None, None]
    upright = clip_outlines(volume(0.0, 1.0), EVEN)[:, 0]
    torch.testing.assert_close(outlines, upright + moved)


def test_a_volume_lands_where_stage_and_crop_put_it():
    theta = torch.tensor([[0.5, 0, 0, 0.25], [0, 0.25, 0, -0.5], [0, 0, 0.5, 0.5]]).view(1, 1, 3, 4)
    boxes = torch.tensor([100.0, 10.0, 196.0, 58.0]).repeat(8, 1)
    outlines = focus_outlines(theta, CELLS, boxes)
    assert (polygon_area(outlines)[:, 0] > 0).tolist() == [False] * 4 + [True] * 4
    corners = outlines[6, 0].unique_consecutive(dim=0)
    torch.testing.assert_close(corners, rectangle(135, 15.25, 183, 27.25))


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_every_family_starts_with_its_window_on_some_frames(name):
    transform = build_transform(name, 4, bounded=True)
    theta = transform.base.expand(3, *transform.base.shape).unsqueeze(2)  # (B, K, S, *kind)
    outlines = clip_outlines(theta, EVEN)
    assert outlines.shape[:3] == (3, 8, 4)
    boxes = enclosing_boxes(transform.base)
    middle = outlines[0, 4]
    torch.testing.assert_close(torch.cat([middle.amin(-2), middle.amax(-2)], -1), boxes)
    assert (polygon_area(middle) > 0.2).all()


def test_heads_of_several_placements_stand_beside_each_other():
    flat = clip_outlines(window(0.5, 0.25, 0.25, -0.5).expand(2, 3, 1, 2, 3), EVEN)
    deep = clip_outlines(volume(0.0, 0.5).expand(2, 2, 1, 3, 4), EVEN)
    joined = join_heads([flat, deep])
    assert joined.shape == (2, 8, 5, 12, 2)
    torch.testing.assert_close(polygon_area(joined[:, :, :3]), polygon_area(flat))
    assert torch.equal(joined[:, :, 3:], deep)
    torch.testing.assert_close(union_area(joined[:, :, :3]), union_area(flat))
    with pytest.raises(ValueError, match="no outlines"):
        join_heads([])


def enclosing(outline: Tensor) -> Tensor:
    return torch.cat([outline.amin(-2), outline.amax(-2)], dim=-1)
