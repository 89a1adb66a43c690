import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kornia.geometry.linalg import transform_points as kornia_transform_points
from torch.autograd import gradcheck, gradgradcheck

from stn_action.geometry.splines import control_points
from stn_action.geometry.theta import (
    AFFINE,
    PROJECTIVE,
    SPLINE,
    VOLUMETRIC,
    at_least_float32,
    compose,
    enclosing_boxes,
    invert,
    invert_points,
    kind_of,
    outline,
    theta_from_boxes,
    transform_points,
    window_centers,
    window_scales,
    window_theta,
)

KINDS = [AFFINE, PROJECTIVE, SPLINE, VOLUMETRIC]
MATRICES = [AFFINE, PROJECTIVE, VOLUMETRIC]
CENTERS = control_points(torch.zeros(1, dtype=torch.float64))
SHEARED = torch.tensor([[0.5, 0.1, 0.0], [-0.2, 0.4, 0.1]])
LEANING = torch.tensor([[0.5, 0.0, 0.2, 0.1], [0.0, 0.25, 0.0, -0.3], [0.0, 0.0, 0.5, 0.4]])


def affine_spline(affine):
    """The spline that does what an affine map (2, 3) does."""
    return CENTERS.to(affine) @ affine[:, :2].T + affine[:, 2]


def some_theta(kind, *shape, size=0.2):
    """Identities (*shape, *kind), float64, disturbed so little that they stay invertible."""
    noise = (torch.rand(*shape, *kind, dtype=torch.float64) * 2 - 1) * size
    if kind == SPLINE:
        return CENTERS + noise / 2
    identity = torch.eye(*kind, dtype=torch.float64)
    if kind == PROJECTIVE:
        noise[..., 2, 2] = 0
    return identity + noise


def some_points(kind, *shape):
    return torch.rand(*shape, 3 if kind == VOLUMETRIC else 2, dtype=torch.float64) * 2 - 1


def close(actual, expected, atol=1e-6):
    expected = actual.new_tensor(expected) if not torch.is_tensor(expected) else expected.to(actual)
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


# what each kind is


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_two_sizes_tell_the_kind(kind):
    assert kind_of(torch.zeros(kind)) == kind
    assert kind_of(torch.zeros(4, 5, *kind)) == kind


@pytest.mark.parametrize("shape", [(), (3,), (3, 2), (4, 4), (2, 3, 2), (2, 16)])
def test_other_sizes_are_no_kind(shape):
    message = (
        r"theta must end in one of \(2, 3\) affine, \(3, 3\) projective, "
        r"\(16, 2\) thin-plate spline, \(3, 4\) volumetric; got shape \("
    )
    with pytest.raises(ValueError, match=message):
        kind_of(torch.zeros(shape))


def test_coordinates_are_never_narrower_than_float32():
    assert at_least_float32(torch.zeros(1, dtype=torch.float16)).dtype == torch.float32
    assert at_least_float32(torch.zeros(1, dtype=torch.bfloat16)).dtype == torch.float32
    assert at_least_float32(torch.zeros(1, dtype=torch.float64)).dtype == torch.float64


# points


def test_an_affine_theta_sends_points_by_hand():
    # x' = 0.5 * 0.6 + 0.1 * -0.4, y' = -0.2 * 0.6 + 0.4 * -0.4 + 0.1
    close(transform_points(SHEARED, torch.tensor([[0.6, -0.4]])), [[0.26, -0.18]])


def test_a_projective_theta_sends_points_by_hand():
    theta = torch.tensor([[0.5, 0.1, 0.0], [-0.2, 0.4, 0.1], [0.5, -0.25, 1.0]])
    # the affine part of the last test over 1 + 0.5 * 0.6 + 0.25 * 0.4 = 1.4
    close(transform_points(theta, torch.tensor([[0.6, -0.4]])), [[0.26 / 1.4, -0.18 / 1.4]])


def test_a_volumetric_theta_sends_points_by_hand():
    # x' = 0.5 * 0.6 + 0.2 * 0.5 + 0.1, y' = 0.25 * -0.4 - 0.3, t' = 0.5 * 0.5 + 0.4
    close(transform_points(LEANING, torch.tensor([[0.6, -0.4, 0.5]])), [[0.5, -0.4, 0.65]])


def test_a_spline_sends_its_control_points_where_it_says():
    theta = torch.rand(16, 2, dtype=torch.float64)
    close(transform_points(theta, CENTERS), theta, 1e-12)


def test_a_spline_of_affinely_moved_points_is_the_affine_map():
    points = some_points(SPLINE, 30).float() * 2
    moved = transform_points(affine_spline(SHEARED), points)
    close(moved, transform_points(SHEARED, points))


def test_a_homography_sends_its_horizon_to_infinity():
    theta = torch.tensor([[1.0, 0, 0], [0, 1, 0], [-1, 0, 1]])
    assert transform_points(theta, torch.tensor([[1.0, 0.5]])).isinf().all()


@pytest.mark.parametrize("kind", MATRICES)
def test_points_agree_with_kornia(kind):
    theta, points = some_theta(kind, 4), some_points(kind, 4, 20)
    square = theta
    if kind != PROJECTIVE:
        last = torch.eye(kind[1], dtype=theta.dtype)[-1:].expand(4, 1, -1)
        square = torch.cat([theta, last], dim=1)
    close(transform_points(theta, points), kornia_transform_points(square, points), 1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_points_of_a_batch_are_those_of_its_parts(kind):
    theta, points = some_theta(kind, 3, 2), some_points(kind, 3, 2, 5)
    together, shared = transform_points(theta, points), transform_points(theta, points[0, 0])
    assert together.shape == shared.shape == points.shape
    for i in range(3):
        for j in range(2):
            close(together[i, j], transform_points(theta[i, j], points[i, j]), 1e-12)
            close(shared[i, j], transform_points(theta[i, j], points[0, 0]), 1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_points_of_another_dimension_are_refused(kind):
    D = 3 if kind == VOLUMETRIC else 2
    for shape in [(5, 5 - D), (D,)]:
        with pytest.raises(ValueError, match=rf"points must be \(\.\.\., M, {D}\), got \("):
            transform_points(torch.zeros(kind), torch.zeros(shape))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_transformed_points_are_right(kind):
    inputs = some_theta(kind, 2).requires_grad_(), some_points(kind, 2, 3).requires_grad_()
    assert gradcheck(transform_points, inputs)
    assert gradgradcheck(transform_points, inputs)


# composition


@pytest.mark.parametrize("kind", MATRICES)
def test_compose_is_first_after_second_as_maps_of_coordinates(kind):
    first, second, points = some_theta(kind, 5), some_theta(kind, 5), some_points(kind, 5, 20)
    expected = transform_points(first, transform_points(second, points))
    close(transform_points(compose(first, second), points), expected, 1e-12)
    other_way = transform_points(second, transform_points(first, points))
    assert not torch.allclose(expected, other_way, atol=1e-3)


def test_compose_by_hand():
    # half the map, then its right half: of the map the part from 0 to 0.5
    first = torch.tensor([[0.5, 0, 0], [0, 0.5, 0.2]])
    second = torch.tensor([[0.5, 0, 0.5], [0, 1, -0.3]])
    close(compose(first, second), [[0.25, 0, 0.25], [0, 0.5, 0.05]])


def test_compose_keeps_the_last_element_of_a_homography_one():
    theta = compose(some_theta(PROJECTIVE, 6), some_theta(PROJECTIVE, 6))
    close(theta[:, 2, 2], torch.ones(6), 1e-15)


@pytest.mark.parametrize("kind", MATRICES)
def test_compose_broadcasts_over_the_leading_sizes(kind):
    first, second = some_theta(kind, 3, 1), some_theta(kind, 4)
    both = compose(first, second)
    assert both.shape == (3, 4, *kind)
    close(both[2, 1], compose(first[2, 0], second[1]), 1e-12)


@pytest.mark.parametrize("kind", MATRICES)
def test_composing_with_the_identity_changes_nothing(kind):
    theta, identity = some_theta(kind), torch.eye(*kind, dtype=torch.float64)
    close(compose(theta, identity), theta, 1e-15)
    close(compose(identity, theta), theta, 1e-15)


NUMBERS = st.floats(-2, 2)


def matrix(rows):
    return torch.tensor(rows, dtype=torch.float64)


@settings(max_examples=30, deadline=None)
@given(a=st.tuples(*[NUMBERS] * 4), b=st.tuples(*[NUMBERS] * 4))
def test_closed_families_stay_themselves_under_compose(a, b):
    def composed(of):
        return compose(matrix(of(*a)), matrix(of(*b)))

    shifted = composed(lambda x, y, *_: [[1, 0, x], [0, 1, y]])
    close(shifted[:, :2], torch.eye(2), 0)
    attention = composed(lambda x, y, s, _: [[s, 0, x], [0, s, y]])
    assert attention[0, 1] == attention[1, 0] == 0
    assert attention[0, 0] == attention[1, 1] == a[2] * b[2]
    anisotropic = composed(lambda x, y, s, r: [[s, 0, x], [0, r, y]])
    assert anisotropic[0, 1] == anisotropic[1, 0] == 0
    similar = composed(lambda x, y, p, q: [[p, -q, x], [q, p, y]])
    close(similar[0, 0], similar[1, 1], 1e-12)
    close(similar[0, 1], -similar[1, 0], 1e-12)


def test_compose_refuses_splines():
    message = r"a thin-plate spline has no composition of its kind: transform points by both"
    with pytest.raises(ValueError, match=message):
        compose(CENTERS, CENTERS)


def test_compose_refuses_two_kinds():
    message = r"both theta must be of one kind, got \(2, 3\) and \(5, 3, 3\)"
    with pytest.raises(ValueError, match=message):
        compose(torch.zeros(2, 3), torch.zeros(5, 3, 3))


# inversion


@pytest.mark.parametrize("kind", MATRICES)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_inverting_twice_and_composing_with_the_inverse_change_nothing(kind, seed):
    torch.manual_seed(seed)
    theta, points = some_theta(kind, 8), some_points(kind, 8, 10)
    inverse = invert(theta)
    assert inverse.shape == theta.shape
    close(invert(inverse), theta, 1e-9)
    close(compose(theta, inverse), torch.eye(*kind).expand(8, *kind), 1e-9)
    close(compose(inverse, theta), torch.eye(*kind).expand(8, *kind), 1e-9)
    close(transform_points(inverse, transform_points(theta, points)), points, 1e-9)


def test_invert_by_hand():
    theta = torch.tensor([[0.5, 0, 0.2], [0, 0.25, -0.1]])
    close(invert(theta), [[2, 0, -0.4], [0, 4, 0.4]])


def test_the_inverse_of_a_homography_has_a_last_element_of_one():
    close(invert(some_theta(PROJECTIVE, 6))[:, 2, 2], torch.ones(6), 1e-15)


@pytest.mark.parametrize("kind", MATRICES)
def test_a_theta_that_looks_at_a_point_has_no_inverse(kind):
    theta = some_theta(kind, 3)
    theta[1, :2, :2] = 0
    theta[1, -1, :-1] = 0
    with pytest.raises(ValueError, match=r"theta has no inverse: it maps the output onto a line"):
        invert(theta)


# what comes from a line, exactly but for the rounding of the numbers themselves
@pytest.mark.parametrize(
    "linear", [[[0.1, 0.2], [0.05, 0.1]], [[0.1, 0.3], [0.2, 0.6]], [[0.3, 0.1], [0.9, 0.3]]]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_theta_that_looks_at_a_line_has_no_inverse(linear, dtype):
    theta = torch.cat([torch.tensor(linear, dtype=dtype), torch.ones(2, 1, dtype=dtype)], dim=1)
    with pytest.raises(ValueError, match=r"theta has no inverse: it maps the output onto a line"):
        invert(theta)


def test_a_small_or_a_very_narrow_window_has_an_inverse():
    scales = torch.tensor([[1e-4, 1e-4], [1, 1e-4]])
    inverse = invert(window_theta(scales, torch.zeros(2, 2)))
    torch.testing.assert_close(inverse[:, [0, 1], [0, 1]], 1 / scales)


def test_a_theta_of_nan_has_no_inverse():
    with pytest.raises(ValueError, match=r"theta has no inverse"):
        invert(torch.full((2, 3), math.nan))


def test_invert_refuses_splines():
    message = r"a thin-plate spline has no inverse of its kind: use invert_points"
    with pytest.raises(ValueError, match=message):
        invert(CENTERS)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_points_sent_there_and_back_are_where_they_were(kind, seed):
    torch.manual_seed(seed)
    theta, points = some_theta(kind, 4), some_points(kind, 4, 20)
    close(invert_points(theta, transform_points(theta, points)), points, 1e-9)
    close(transform_points(theta, invert_points(theta, points)), points, 1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_points_are_inverted_for_every_theta_of_a_batch(kind):
    theta, points = some_theta(kind, 3, 2), some_points(kind, 5)
    together = invert_points(theta, points)
    assert together.shape == (3, 2, *points.shape)
    close(together[2, 1], invert_points(theta[2, 1], points), 1e-9)


def test_inverted_points_by_hand():
    theta = torch.tensor([[0.5, 0, 0.2], [0, 0.25, -0.1]], dtype=torch.float64)
    point = torch.tensor([[0.3, 0.2]], dtype=torch.float64)  # (0.3 - 0.2) / 0.5, 0.3 / 0.25
    close(invert_points(theta, point), [[0.2, 1.2]], 1e-12)
    close(invert_points(affine_spline(theta), point), [[0.2, 1.2]], 1e-12)


def test_a_point_that_a_folded_spline_does_not_reach_is_nan():
    # x is folded, so that no place within 1000 map widths comes from further left than -1.3
    theta = CENTERS.clone()
    theta[:, 0] = torch.tensor([1, -1, -0.8, 1.2]).repeat(4)
    line = torch.cat([torch.linspace(-2, 2, 41), torch.linspace(-1000, 1000, 201)]).double()
    plane = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1).flatten(0, 1)
    assert transform_points(theta, plane)[:, 0].amin() > -1.3
    far, near = torch.tensor([[-9, 0]]).double(), torch.tensor([[0, 0]]).double()
    assert invert_points(theta, far).isnan().all()
    found = invert_points(theta, near)
    close(transform_points(theta, found), near, 1e-9)


def test_one_point_out_of_reach_does_not_spoil_the_others():
    theta = CENTERS.clone()
    theta[:, 0] = torch.tensor([1, -1, -0.8, 1.2]).repeat(4)
    points = torch.tensor([[-9.0, 0], [0, 0]]).double()
    both = invert_points(torch.stack([theta, CENTERS]), points)
    assert both[0, 0].isnan().all()
    assert both[0, 1].isfinite().all()
    close(both[1], points, 1e-9)


# windows, boxes, outlines


def test_window_theta_looks_at_the_window():
    theta = window_theta(torch.tensor([0.5, 0.25]), torch.tensor([0.2, -0.3]))
    close(outline(theta), [[-0.3, -0.55], [0.7, -0.55], [0.7, -0.05], [-0.3, -0.05]])


def test_window_theta_makes_volumes_too():
    theta = window_theta(torch.tensor([0.5, 0.25, 0.75]), torch.tensor([0.2, -0.3, 0.1]))
    close(theta, [[0.5, 0, 0, 0.2], [0, 0.25, 0, -0.3], [0, 0, 0.75, 0.1]], 0)


def test_theta_from_boxes_by_hand():
    boxes = torch.tensor([[-1.0, -1, 1, 1], [-0.5, 0.2, 0.1, 0.8]])
    expected = [[[1, 0, 0], [0, 1, 0]], [[0.3, 0, -0.2], [0, 0.3, 0.5]]]
    close(theta_from_boxes(boxes), expected)
    close(enclosing_boxes(theta_from_boxes(boxes)), boxes)


def test_theta_from_boxes_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"boxes must be \(\.\.\., 4\) xyxy, got \(3, 2\)"):
        theta_from_boxes(torch.zeros(3, 2))


def test_the_outline_of_a_sheared_window_goes_round_from_the_top_left():
    close(outline(SHEARED), [[-0.6, -0.1], [0.4, -0.5], [0.6, 0.3], [-0.4, 0.7]])


def test_the_outline_of_a_homography_is_its_corners():
    theta = torch.tensor([[0.5, 0, 0], [0, 0.5, 0], [0, 0.5, 1]])
    # depth 0.5 on the upper edge, 1.5 on the lower one
    close(outline(theta), [[-1, -1], [1, -1], [1 / 3, 1 / 3], [-1 / 3, 1 / 3]])


def test_the_outline_of_a_volume_is_that_of_the_middle_of_its_time():
    close(outline(LEANING), [[-0.4, -0.55], [0.6, -0.55], [0.6, -0.05], [-0.4, -0.05]])


@pytest.mark.parametrize(("kind", "size"), [(AFFINE, 4), (PROJECTIVE, 4), (SPLINE, 32)])
def test_an_outline_has_corners_or_for_splines_eight_pieces_a_side(kind, size):
    theta = some_theta(kind, 3, 2)
    assert outline(theta).shape == (3, 2, size, 2)
    assert outline(theta, points_per_side=5).shape == (3, 2, 20, 2)


def test_the_points_per_side_cut_each_side_evenly():
    points = outline(torch.eye(2, 3), points_per_side=2)
    close(points, [[-1, -1], [0, -1], [1, -1], [1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0]], 0)


def test_the_corners_of_a_spline_outline_are_its_corner_control_points():
    theta = some_theta(SPLINE)
    close(outline(theta)[::8], theta[[0, 3, 15, 12]], 1e-12)


def test_enclosing_boxes_by_hand():
    close(enclosing_boxes(SHEARED), [-0.6, -0.5, 0.6, 0.7])
    homography = torch.tensor([[0.5, 0, 0], [0, 0.5, 0], [0, 0.5, 1]])
    close(enclosing_boxes(homography), [-1, -1, 1, 1 / 3])
    close(enclosing_boxes(LEANING), [-0.4, -0.55, 0.6, -0.05])
    close(enclosing_boxes(affine_spline(SHEARED)), [-0.6, -0.5, 0.6, 0.7])


def test_enclosing_boxes_hold_a_bulge_of_a_spline():
    theta = CENTERS.clone()
    theta[1:3, 1] = -1.5  # the inner points of the upper edge
    box = enclosing_boxes(theta)
    assert box[1] <= -1.5
    close(box[[0, 2]], [-1, 1], 0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_enclosing_boxes_are_the_extremes_of_the_outline(kind):
    theta = some_theta(kind, 5)
    points = outline(theta)
    expected = [
        [min(p[0]), min(p[1]), max(p[0]), max(p[1])] for p in points.transpose(1, 2).tolist()
    ]
    close(enclosing_boxes(theta), expected, 1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_enclosing_boxes_are_right(kind):
    theta = some_theta(kind, 2)
    theta = theta + 0.3 * torch.rand_like(theta) * (kind != PROJECTIVE)  # off the ties
    theta.requires_grad_()
    assert gradcheck(enclosing_boxes, theta)
    assert gradgradcheck(enclosing_boxes, theta)


def test_window_centers_by_hand():
    close(window_centers(SHEARED), [0, 0.1])
    close(window_centers(torch.tensor([[0.5, 0, 0.2], [0, 1, -0.3], [0.4, 0, 1]])), [0.2, -0.3])
    close(window_centers(LEANING), [0.1, -0.3])
    close(window_centers(affine_spline(SHEARED)), [0, 0.1])


@pytest.mark.parametrize("kind", KINDS)
def test_window_centers_are_where_the_center_of_the_output_comes_from(kind):
    theta = some_theta(kind, 3, 2)
    center = transform_points(theta, torch.zeros(1, kind[0] if kind == VOLUMETRIC else 2).double())
    close(window_centers(theta), center[..., 0, :2], 1e-12)


def test_window_scales_by_hand():
    close(window_scales(window_theta(torch.tensor([0.5, 0.125]), torch.zeros(2))), 0.25)
    close(window_scales(SHEARED), math.sqrt(0.5 * 0.4 + 0.1 * 0.2))  # the root of the determinant
    close(window_scales(affine_spline(SHEARED)), math.sqrt(0.22))
    close(window_scales(LEANING), math.sqrt(0.5 * 0.25))
    # a trapezium of widths 2 and 2/3 and height 4/3, of a map of area 4
    homography = torch.tensor([[0.5, 0, 0], [0, 0.5, 0], [0, 0.5, 1]])
    close(window_scales(homography), math.sqrt((2 + 2 / 3) / 2 * (4 / 3) / 4))


def test_window_scales_do_not_depend_on_rotation_place_or_mirroring():
    cos, sin = 0.5 * math.cos(0.7), 0.5 * math.sin(0.7)
    turned = torch.tensor([[[cos, -sin, 0.3], [sin, cos, -9]], [[cos, sin, 0], [sin, -cos, 0]]])
    close(window_scales(turned), [0.5, 0.5])


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_window_scales_and_centers_are_right(kind):
    theta = some_theta(kind, 2).requires_grad_()
    assert gradcheck(window_scales, theta)
    assert gradcheck(window_centers, theta)
