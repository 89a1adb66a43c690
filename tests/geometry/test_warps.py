import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stn_action.errors import InputError
from stn_action.geometry.splines import control_points
from stn_action.geometry.theta import outline, window_scales
from stn_action.geometry.warps import (
    Affine,
    Projective,
    Similarity,
    ThinPlateSpline,
    VolumetricAffine,
)
from tests.geometry.examples import BOXES, drawn_raw

CORNERS = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
both_modes = pytest.mark.parametrize("bounded", [True, False], ids=["bounded", "raw"])
any_raw = given(data=st.data())


@both_modes
def test_a_volumetric_window_starts_in_the_middle_of_time(bounded):
    base = VolumetricAffine(4, bounded=bounded, start_time=0.7).base
    expected = torch.tensor([0, 0, 0.7 if bounded else 1.0, 0]).expand(4, 4)
    torch.testing.assert_close(base[:, 2], expected)
    assert base[:, :2, 2].tolist() == [[0, 0]] * 4


def test_raw_numbers_move_the_control_points_row_by_row():
    raw = torch.zeros(1, 32)
    raw[0, 2], raw[0, 9] = 0.1, -0.2  # x of the second point, y of the fifth
    moved = ThinPlateSpline(bounded=False).build(raw)[0] - control_points(raw)
    expected = torch.zeros(16, 2)
    expected[1, 0], expected[4, 1] = 0.1, -0.2
    torch.testing.assert_close(moved, expected)


def test_a_bounded_similarity_turns_by_its_angle():
    # 1 * tanh(raw / 1) = 0.6; scale 0.5 turned reaches 0.5 * (cos + sin) to each side
    raw = torch.tensor([[0, math.atanh(0.6), math.atanh(0.5), 0]])
    cos, sin = 0.5 * math.cos(0.6), 0.5 * math.sin(0.6)
    expected = [[[cos, -sin, 0.5 * (1 - cos - sin)], [sin, cos, 0]]]
    torch.testing.assert_close(Similarity(max_angle=1).build(raw), torch.tensor(expected))


def test_a_bounded_similarity_is_shrunk_where_it_does_not_fit_when_turned():
    # saturated: scale 0.95, angle 45 degrees, so that the diamond touches all four borders
    raw = torch.tensor([[1e4, 1e4, 0.3, -0.3]])
    theta = Similarity(max_angle=math.pi / 4).build(raw)
    torch.testing.assert_close(theta, torch.tensor([[[0.5, -0.5, 0], [0.5, 0.5, 0]]]))


def test_a_bounded_affine_window_by_hand():
    raw = torch.tensor([[0, math.atanh(0.5), math.atanh(0.4), math.atanh(-0.2), 0, 1e4]])
    # shears 0.5 * 0.5 and 0.5 * -0.2, rows reach 0.75 and 0.6
    expected = [[[0.5, 0.25, 0.4 * 0.25], [-0.1, 0.5, 0.4]]]
    torch.testing.assert_close(Affine().build(raw), torch.tensor(expected))


def test_a_bounded_homography_by_hand():
    raw = torch.zeros(1, 8)
    raw[0, 2], raw[0, 6], raw[0, 7] = math.atanh(0.4), math.atanh(0.5), math.atanh(-0.2)
    p, q, x = 0.2 * 0.5, -0.2 * 0.2, 0.4 * 0.5  # of max_perspective 0.4 each has half
    shrink = 1 - 0.1 - 0.04
    # [0.5 I, (x, 0); 0 1] [shrink I, 0; p q 1]
    expected = [[0.5 * shrink + x * p, x * q, x], [0, 0.5 * shrink, 0], [p, q, 1]]
    theta = Projective(max_perspective=0.4).build(raw)
    torch.testing.assert_close(theta, torch.tensor([expected]))


def test_a_bounded_spline_by_hand():
    raw = torch.zeros(1, 32)
    raw[0, 0] = math.atanh(0.5)  # the first control point starts at (-0.5, -0.5)
    raw[0, 3] = 1e4
    theta = ThinPlateSpline().build(raw)[0]
    torch.testing.assert_close(theta[0], torch.tensor([0, -0.5]))
    torch.testing.assert_close(theta[1], torch.tensor([-0.5 / 3, 1]))
    torch.testing.assert_close(theta[2:], 0.5 * control_points(theta)[2:])


def test_a_bounded_volumetric_window_by_hand():
    raw = torch.zeros(1, 12)
    raw[0, 2], raw[0, 3] = math.atanh(0.8), math.atanh(0.5)  # x leans in time, and moves
    raw[0, 11] = math.atanh(0.3)  # t moves
    expected = [[0.5, 0, 0.2, 0.5 * 0.3], [0, 0.5, 0, 0], [0, 0, 0.8, 0.3 * 0.2]]
    theta = VolumetricAffine(start_time=0.8).build(raw)
    torch.testing.assert_close(theta, torch.tensor([expected]))


def test_four_raw_affine_windows_cover_the_map_without_overlap():
    corners = outline(Affine(4, bounded=False).base)
    assert corners[0, 0].tolist() == [-1, -1]
    assert corners[0, 2].tolist() == [0, 0]
    assert corners[1, 1].tolist() == [1, -1]
    assert corners[2, 3].tolist() == [-1, 1]
    assert corners[3, 2].tolist() == [1, 1]


@settings(max_examples=25, deadline=None)
@any_raw
def test_a_bounded_similarity_stays_one_and_within_its_limits(data):
    transform = Similarity(4, max_angle=0.6, min_scale=0.3)
    theta = transform.build(drawn_raw(data, transform))
    torch.testing.assert_close(theta[..., 0, 0], theta[..., 1, 1])
    torch.testing.assert_close(theta[..., 0, 1], -theta[..., 1, 0])
    assert torch.atan2(theta[..., 1, 0], theta[..., 0, 0]).abs().amax() <= 0.6 + 1e-5
    assert window_scales(theta).amin() >= 0.3 - 1e-5
    assert window_scales(theta).amax() <= 0.95 + 1e-5


def test_a_bounded_similarity_has_a_floor_below_what_it_is_shrunk_to_when_turned():
    transform = Similarity(start_scale=0.9, min_scale=0.85)
    raw = torch.zeros(9, 1, 4)
    raw[:, 0, 1] = torch.linspace(-1, 1, 9)  # near the middle an angle of so many radians
    assert window_scales(transform.build(raw)).amin() >= transform.floor


@settings(max_examples=25, deadline=None)
@any_raw
def test_a_bounded_affine_window_is_never_flipped(data):
    transform = Affine(4)
    theta = transform.build(drawn_raw(data, transform))
    assert torch.linalg.det(theta[..., :2].double()).amin() >= -1e-7


@settings(max_examples=25, deadline=None)
@any_raw
def test_a_bounded_homography_keeps_the_horizon_away_from_the_output(data):
    transform = Projective(4, max_perspective=0.7)
    theta = transform.build(drawn_raw(data, transform))
    assert (theta[..., 2, 2] == 1).all()
    depth = CORNERS @ theta[..., 2, :2, None] + 1  # linear, so least in a corner
    assert depth.amin() >= 1 - 0.7 - 1e-5


def test_a_box_is_looked_at_without_perspective_and_over_the_whole_time():
    assert Projective().from_boxes(BOXES)[0, 0, 2].tolist() == [0, 0, 1]
    volumetric = VolumetricAffine().from_boxes(BOXES)[0, 0]
    assert volumetric[2].tolist() == [0, 0, 1, 0]
    assert volumetric[:, 2].tolist() == [0, 0, 1]


@pytest.mark.parametrize("perspective", [0.0, 1.0, -0.1, math.nan])
def test_the_perspective_must_keep_the_horizon_outside(perspective):
    with pytest.raises(InputError, match=r"max_perspective must be in \(0, 1\), got "):
        Projective(max_perspective=perspective)


@pytest.mark.parametrize("time", [0.2, 0.95, 1.0, math.nan])
def test_the_bounded_time_must_lie_between_the_scales(time):
    message = r"bounded volumetric windows need min_scale < start_time < max_scale, got 0\.2, "
    with pytest.raises(InputError, match=message):
        VolumetricAffine(start_time=time)
    VolumetricAffine(start_time=time, bounded=False)


@pytest.mark.parametrize("angle", [0.0, -1.0, math.nan])
def test_the_largest_angle_must_be_above_zero(angle):
    with pytest.raises(InputError, match=r"max_angle"):
        Similarity(max_angle=angle)
