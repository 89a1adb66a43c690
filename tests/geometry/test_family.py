import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from stn_action.errors import InputError
from stn_action.geometry.splines import control_points
from stn_action.geometry.theta import (
    AFFINE,
    SPLINE,
    VOLUMETRIC,
    enclosing_boxes,
    invert,
    outline,
    transform_points,
    window_centers,
    window_scales,
)
from stn_action.geometry.tiles import tile_centers
from stn_action.geometry.transforms import TRANSFORMS, build_transform
from stn_action.geometry.warps import (
    Affine,
    Projective,
    Similarity,
    ThinPlateSpline,
)
from stn_action.geometry.windows import AnisotropicAttention, Attention, Translation
from tests.geometry.examples import BOXES, drawn_raw
from tests.pairs import cover_pairs

CORNERS = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
CUBE = torch.cartesian_prod(*[torch.tensor([-1.0, 1])] * 3)

every_family = pytest.mark.parametrize("name", TRANSFORMS)
both_modes = pytest.mark.parametrize("bounded", [True, False], ids=["bounded", "raw"])
some_heads = pytest.mark.parametrize("num_heads", [1, 2, 4, 5])


def every_family_mode_and(*num_heads):
    """All pairs of a family, bounded or raw, and a number of windows."""
    rows = cover_pairs(list(TRANSFORMS), [True, False], num_heads)
    return pytest.mark.parametrize(("name", "bounded", "num_heads"), rows)


any_raw = given(data=st.data())


def zeros(transform, **kwargs):
    return torch.zeros(transform.num_heads, transform.num_parameters, **kwargs)


def reached(theta):
    """The points (..., M, D) that tell how far a bounded window reaches."""
    if theta.shape[-2:] == SPLINE:
        return theta
    return transform_points(theta, CUBE if theta.shape[-2:] == VOLUMETRIC else CORNERS)


# the start


@every_family_mode_and(1, 2, 4, 5)
def test_raw_zero_builds_the_base(name, bounded, num_heads):
    transform = build_transform(name, num_heads, bounded=bounded)
    assert transform.base.shape == (num_heads, *transform.theta_shape)
    expected = transform.base.expand(3, *transform.base.shape)
    built = transform.build(torch.zeros(3, num_heads, transform.num_parameters))
    torch.testing.assert_close(built, expected, rtol=0, atol=0)


@every_family
def test_one_raw_window_starts_at_the_identity(name):
    base = build_transform(name, 1, bounded=False).base[0]
    if name == "tps":
        expected = control_points(base)
    else:
        expected = torch.eye(*base.shape)
    torch.testing.assert_close(base, expected)


@every_family_mode_and(1, 2, 3, 4, 5, 9)
def test_the_windows_start_on_tiles(name, bounded, num_heads):
    transform = build_transform(name, num_heads, start_scale=0.4, bounded=bounded)
    # bounded ones 0.8 of the way to the border, where tanh still has a gradient; 1 - 0.4 is free
    centers = (0.8 if bounded else 1) * 0.6 * tile_centers(num_heads)
    boxes = torch.cat([centers - 0.4, centers + 0.4], dim=-1)
    torch.testing.assert_close(enclosing_boxes(transform.base), boxes)
    torch.testing.assert_close(window_centers(transform.base), centers)
    torch.testing.assert_close(window_scales(transform.base), torch.full((num_heads,), 0.4))


@both_modes
def test_a_window_starts_with_half_of_the_map_unless_told_otherwise(bounded):
    assert Affine(4, bounded=bounded).scale == 0.5
    assert Affine(1, bounded=bounded).scale == (0.5 if bounded else 1)
    assert Affine(1, start_scale=0.7, bounded=bounded).scale == 0.7


def test_only_families_that_change_the_scale_have_a_floor():
    assert Attention(min_scale=0.3).floor == 0.3
    assert Attention(bounded=False).floor == 0
    assert Translation().floor == ThinPlateSpline().floor == 0


# shapes and dtypes


@every_family
@both_modes
def test_build_keeps_leading_dimensions_and_widens_half_precision(name, bounded):
    transform = build_transform(name, 4, bounded=bounded)
    raw = torch.randn(2, 5, 4, transform.num_parameters)
    theta = transform.build(raw)
    assert theta.shape == (2, 5, 4, *transform.theta_shape)
    assert theta.dtype == torch.float32
    torch.testing.assert_close(theta[1, 3], transform.build(raw[1, 3]))
    assert transform.build(raw.bfloat16()).dtype == torch.float32
    assert transform.build(raw.double()).dtype == torch.float64


@every_family
@both_modes
def test_each_head_has_its_own_raw_numbers(name, bounded):
    transform = build_transform(name, 3, bounded=bounded)
    raw = zeros(transform)
    raw[1] = 0.3
    moved = (transform.build(raw) != transform.base).flatten(1).any(1)
    assert moved.tolist() == [False, True, False]


@every_family
def test_axis_aligned_families_have_no_rotation_or_shear(name):
    transform = TRANSFORMS[name](3)
    theta = transform.build(torch.randn(20, 3, transform.num_parameters))
    aligned = theta.shape[-2:] == AFFINE and not theta[..., [0, 1], [1, 0]].any()
    assert transform.axis_aligned == aligned


@every_family
def test_raw_of_another_shape_is_refused(name):
    P = TRANSFORMS[name].num_parameters
    for shape in [(5, 4, P), (5, 3, P + 1), (P,)]:
        message = rf"raw must be \(\.\.\., 3, {P}\) for {name}, got \("
        with pytest.raises(ValueError, match=message):
            TRANSFORMS[name](3).build(torch.zeros(shape))


# raw families, by hand


@every_family
@some_heads
def test_a_raw_theta_is_the_base_plus_a_linear_map_of_raw(name, num_heads):
    transform = build_transform(name, num_heads, bounded=False)
    first = torch.randn(4, num_heads, transform.num_parameters)
    second = torch.randn(4, num_heads, transform.num_parameters)
    base = transform.base
    expected = 2 * (transform.build(first) - base) - 3 * (transform.build(second) - base)
    torch.testing.assert_close(
        transform.build(2 * first - 3 * second) - base, expected, rtol=0, atol=1e-4
    )


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("translation", [[1, 0, 0.1], [0, 1, 0.2]]),
        ("attention", [[1.1, 0, 0.2], [0, 1.1, 0.3]]),
        ("anisotropic", [[1.1, 0, 0.3], [0, 1.2, 0.4]]),
        ("similarity", [[1.1, -0.2, 0.3], [0.2, 1.1, 0.4]]),
        ("affine", [[1.1, 0.2, 0.3], [0.4, 1.5, 0.6]]),
        ("projective", [[1.1, 0.2, 0.3], [0.4, 1.5, 0.6], [0.7, 0.8, 1]]),
        ("volumetric", [[1.1, 0.2, 0.3, 0.4], [0.5, 1.6, 0.7, 0.8], [0.9, 1, 2.1, 1.2]]),
    ],
)
def test_raw_numbers_0_1_0_2_and_so_on_by_hand(name, rows):
    transform = build_transform(name, 1, bounded=False)
    raw = torch.arange(1, transform.num_parameters + 1)[None] / 10
    torch.testing.assert_close(transform.build(raw), torch.tensor([rows]))


# the bounds


@every_family
@pytest.mark.parametrize("num_heads", [1, 5])
@settings(max_examples=25, deadline=None)
@any_raw
def test_bounded_windows_cannot_leave_the_map(name, num_heads, data):
    transform = TRANSFORMS[name](num_heads)
    theta = transform.build(drawn_raw(data, transform))
    assert theta.isfinite().all()
    assert reached(theta).abs().amax() <= 1 + 1e-5


@every_family
@settings(max_examples=25, deadline=None)
@any_raw
def test_no_bounded_window_is_smaller_than_the_floor(name, data):
    transform = TRANSFORMS[name](4)
    scales = window_scales(transform.build(drawn_raw(data, transform)))
    assert scales.amin() >= transform.floor - 1e-5


@every_family
@pytest.mark.parametrize("extreme", [-1e30, 1e30])
def test_no_raw_is_too_large_for_a_bounded_window(name, extreme):
    transform = TRANSFORMS[name](4)
    theta = transform.build(torch.full((4, transform.num_parameters), extreme))
    assert theta.isfinite().all()
    assert reached(theta).abs().amax() <= 1 + 1e-5


def test_mild_bounded_windows_can_be_inverted():
    for family in (Translation, Attention, AnisotropicAttention, Similarity, Affine, Projective):
        transform = family(4)
        theta = transform.build(torch.randn(20, 4, transform.num_parameters).double())
        assert invert(theta).isfinite().all()


# gradients


@every_family_mode_and(1, 2, 4, 5)
def test_every_raw_number_has_a_gradient_at_the_start(name, bounded, num_heads):
    transform = build_transform(name, num_heads, bounded=bounded)
    slopes = torch.autograd.functional.jacobian(transform.build, zeros(transform))
    own = torch.stack([slopes[k, :, :, k].abs().amax((0, 1)) for k in range(num_heads)])  # (K, P)
    assert (own > 0.02).all()
    assert slopes.isfinite().all()


@every_family_mode_and(1, 4)
def test_gradients_far_from_the_start_are_finite(name, bounded, num_heads):
    transform = build_transform(name, num_heads, bounded=bounded)
    signs = torch.randint(2, (6, num_heads, transform.num_parameters)) * 2.0 - 1
    signs[0], signs[1] = 1, -1
    raw = (50 * signs).requires_grad_()
    theta = transform.build(raw)
    (slopes,) = torch.autograd.grad(theta.sum() + theta.square().sum(), raw)
    assert slopes.isfinite().all()


@every_family
@both_modes
def test_gradients_of_build_are_right(name, bounded):
    transform = build_transform(name, 3, bounded=bounded)
    raw = torch.randn(2, 3, transform.num_parameters, dtype=torch.float64, requires_grad=True)
    assert gradcheck(transform.build, raw)


# boxes


@pytest.mark.parametrize("name", ["anisotropic", "affine", "projective", "tps", "volumetric"])
@both_modes
def test_families_with_two_scales_look_at_boxes_exactly(name, bounded):
    transform = build_transform(name, 4, bounded=bounded)
    theta = transform.from_boxes(BOXES)
    assert theta.shape == (1, 2, *transform.theta_shape)
    torch.testing.assert_close(enclosing_boxes(theta), BOXES)
    torch.testing.assert_close(outline(theta)[..., 0, :], BOXES[..., :2])


@pytest.mark.parametrize("name", ["attention", "similarity"])
@both_modes
def test_families_of_one_scale_look_at_the_smallest_square_around_boxes(name, bounded):
    theta = build_transform(name, 4, bounded=bounded).from_boxes(BOXES)
    torch.testing.assert_close(theta[0, 0], torch.tensor([[0.3, 0, -0.2], [0, 0.3, 0.4]]))
    torch.testing.assert_close(theta[0, 1], torch.eye(2, 3))


@every_family
def test_from_boxes_keeps_the_dtype(name):
    assert TRANSFORMS[name]().from_boxes(BOXES.double()).dtype == torch.float64


@every_family
def test_boxes_of_another_shape_are_refused(name):
    with pytest.raises(ValueError, match=r"boxes must be \(\.\.\., 4\) xyxy, got \(2, 3\)"):
        TRANSFORMS[name]().from_boxes(torch.zeros(2, 3))


@every_family
@both_modes
def test_the_base_is_what_the_family_makes_of_its_own_boxes(name, bounded):
    transform = build_transform(name, 5, bounded=bounded)
    base = transform.base
    rebuilt = transform.from_boxes(enclosing_boxes(base))
    if name == "volumetric":  # but for its time, of which a box knows nothing
        base, rebuilt = base[:, :2], rebuilt[:, :2]
    torch.testing.assert_close(rebuilt, base)


# settings


@pytest.mark.parametrize(
    "name", ["attention", "anisotropic", "similarity", "affine", "projective", "volumetric"]
)
@pytest.mark.parametrize(
    "scales",
    [
        {"min_scale": 0.6},
        {"min_scale": 0.0},
        {"start_scale": 0.96},
        {"max_scale": 1.2},
        {"start_scale": 0.2, "min_scale": 0.2},
        {"start_scale": math.nan},
    ],
)
def test_scales_of_bounded_windows_must_be_in_order(name, scales):
    message = (
        rf"bounded {name} windows need 0 < min_scale < start_scale < max_scale <= 1, "
        r"got [\d.na]+, [\d.na]+, [\d.na]+$"
    )
    with pytest.raises(InputError, match=message):
        TRANSFORMS[name](**scales)


@pytest.mark.parametrize("name", ["translation", "tps"])
@pytest.mark.parametrize("scale", [0.0, 1.0, -0.5, math.nan])
def test_a_bounded_window_of_fixed_scale_must_be_smaller_than_the_map(name, scale):
    message = rf"bounded {name} windows need 0 < start_scale < 1, got "
    with pytest.raises(InputError, match=message):
        TRANSFORMS[name](start_scale=scale)


@every_family
@pytest.mark.parametrize("scale", [0.0, -0.5, math.nan])
def test_a_raw_window_needs_a_start_scale_above_zero(name, scale):
    with pytest.raises(InputError, match=rf"{name} needs a start_scale above 0, got "):
        TRANSFORMS[name](start_scale=scale, bounded=False)


@every_family
def test_raw_windows_and_those_of_fixed_scale_have_no_limits_of_scale(name):
    TRANSFORMS[name](start_scale=1.5, min_scale=0.9, max_scale=0.3, bounded=False)
    if not TRANSFORMS[name].has_scale:
        TRANSFORMS[name](start_scale=0.1, min_scale=0.9, max_scale=0.3)


@every_family
@pytest.mark.parametrize("num_heads", [0, -1])
def test_a_transform_needs_a_window(name, num_heads):
    with pytest.raises(InputError, match=rf"{name} needs at least one window, got {num_heads}"):
        TRANSFORMS[name](num_heads)
