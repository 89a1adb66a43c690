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
    PROJECTIVE,
    SPLINE,
    VOLUMETRIC,
    enclosing_boxes,
    invert,
    outline,
    transform_points,
    window_centres,
    window_scales,
    window_theta,
)
from stn_action.geometry.tiles import tile_centres
from stn_action.geometry.transforms import TRANSFORMS, build_transform
from stn_action.geometry.warps import (
    Affine,
    Projective,
    Similarity,
    ThinPlateSpline,
    VolumetricAffine,
)
from stn_action.geometry.windows import AnisotropicAttention, Attention, Translation

NUM_PARAMETERS = {
    "translation": 2,
    "attention": 3,
    "anisotropic": 4,
    "similarity": 4,
    "affine": 6,
    "projective": 8,
    "tps": 32,
    "volumetric": 12,
}
THETA_SHAPES = {"projective": PROJECTIVE, "tps": SPLINE, "volumetric": VOLUMETRIC}
CORNERS = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
CUBE = torch.cartesian_prod(*[torch.tensor([-1.0, 1])] * 3)

every_family = pytest.mark.parametrize("name", TRANSFORMS)
both_modes = pytest.mark.parametrize("bounded", [True, False], ids=["bounded", "raw"])
some_heads = pytest.mark.parametrize("num_heads", [1, 2, 4, 5])
any_raw = given(data=st.data())


def zeros(transform, **kwargs):
    return torch.zeros(transform.num_heads, transform.num_parameters, **kwargs)


def drawn_raw(data, transform, size=50):
    """Raw numbers of 8 samples: mild ones, or such that lie at and near the extremes."""
    torch.manual_seed(data.draw(st.integers(0, 2**31)))
    shape = (8, transform.num_heads, transform.num_parameters)
    edges = torch.tensor(data.draw(st.lists(st.floats(-size, size), min_size=1, max_size=4)))
    mild, wild = torch.randn(shape), edges.float()[torch.randint(len(edges), shape)]
    return torch.where(torch.rand(shape) < data.draw(st.sampled_from([0, 0.5, 1])), mild, wild)


def reached(theta):
    """The points (..., M, D) that tell how far a bounded window reaches."""
    if theta.shape[-2:] == SPLINE:
        return theta
    return transform_points(theta, CUBE if theta.shape[-2:] == VOLUMETRIC else CORNERS)


# the start


@every_family
@both_modes
@some_heads
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


@every_family
@both_modes
@pytest.mark.parametrize("num_heads", [1, 2, 3, 4, 5, 9])
def test_the_windows_start_on_tiles(name, bounded, num_heads):
    transform = build_transform(name, num_heads, start_scale=0.4, bounded=bounded)
    # bounded ones 0.8 of the way to the border, where tanh still has a gradient; 1 - 0.4 is free
    centres = (0.8 if bounded else 1) * 0.6 * tile_centres(num_heads)
    boxes = torch.cat([centres - 0.4, centres + 0.4], dim=-1)
    torch.testing.assert_close(enclosing_boxes(transform.base), boxes)
    torch.testing.assert_close(window_centres(transform.base), centres)
    torch.testing.assert_close(window_scales(transform.base), torch.full((num_heads,), 0.4))


@both_modes
def test_a_volumetric_window_starts_in_the_middle_of_time(bounded):
    base = VolumetricAffine(4, bounded=bounded, start_time=0.7).base
    expected = torch.tensor([0, 0, 0.7 if bounded else 1.0, 0]).expand(4, 4)
    torch.testing.assert_close(base[:, 2], expected)
    assert base[:, :2, 2].tolist() == [[0, 0]] * 4


@both_modes
def test_a_window_starts_with_half_of_the_map_unless_told_otherwise(bounded):
    assert Affine(4, bounded=bounded).scale == 0.5
    assert Affine(1, bounded=bounded).scale == (0.5 if bounded else 1)
    assert Affine(1, start_scale=0.7, bounded=bounded).scale == 0.7


def test_four_raw_affine_windows_cover_the_map_without_overlap():
    corners = outline(Affine(4, bounded=False).base)
    assert corners[0, 0].tolist() == [-1, -1]
    assert corners[0, 2].tolist() == [0, 0]
    assert corners[1, 1].tolist() == [1, -1]
    assert corners[2, 3].tolist() == [-1, 1]
    assert corners[3, 2].tolist() == [1, 1]


def test_only_families_that_change_the_scale_have_a_floor():
    assert Attention(min_scale=0.3).floor == 0.3
    assert Attention(bounded=False).floor == 0
    assert Translation().floor == ThinPlateSpline().floor == 0


# shapes and dtypes


@every_family
def test_each_family_has_its_parameters_and_its_kind_of_theta(name):
    family = TRANSFORMS[name]
    assert family.name == name
    assert family.num_parameters == NUM_PARAMETERS[name]
    assert family.theta_shape == THETA_SHAPES.get(name, AFFINE)


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
    P = NUM_PARAMETERS[name]
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


def test_raw_numbers_move_the_control_points_row_by_row():
    raw = torch.zeros(1, 32)
    raw[0, 2], raw[0, 9] = 0.1, -0.2  # x of the second point, y of the fifth
    moved = ThinPlateSpline(bounded=False).build(raw)[0] - control_points(raw)
    expected = torch.zeros(16, 2)
    expected[1, 0], expected[4, 1] = 0.1, -0.2
    torch.testing.assert_close(moved, expected)


# bounded families, by hand


def test_bounded_translation_by_hand():
    raw = torch.tensor([[math.atanh(0.5), math.atanh(-0.75)]])
    expected = torch.tensor([[[0.4, 0, 0.3], [0, 0.4, -0.45]]])
    torch.testing.assert_close(Translation(start_scale=0.4).build(raw), expected)


def test_bounded_attention_by_hand():
    # share of the start in [0.2, 0.95] is 0.4; raw_0 = -logit(0.4) brings the sigmoid to 1/2
    raw = torch.tensor([[-math.log(0.4 / 0.6), math.atanh(0.5), math.atanh(-0.25)]])
    scale = 0.2 + 0.75 / 2
    expected = [[[scale, 0, 0.5 * (1 - scale)], [0, scale, -0.25 * (1 - scale)]]]
    torch.testing.assert_close(Attention().build(raw), torch.tensor(expected))


def test_bounded_attention_adds_raw_to_the_place_of_each_head():
    raw = torch.zeros(2, 3)
    raw[0, 1] = math.atanh(0.8)  # the left head's start is at -0.8 of the free room
    raw[1, 2] = math.atanh(0.3)
    theta = Attention(2).build(raw)
    expected = torch.tensor([[0, 0], [0.5 * 0.8, 0.5 * 0.3]])
    torch.testing.assert_close(theta[..., 2], expected)


def test_bounded_anisotropic_attention_by_hand():
    raw = torch.tensor([[-math.log(0.4 / 0.6), 0, math.atanh(0.5), math.atanh(-0.25)]])
    wide = 0.2 + 0.75 / 2
    expected = [[[wide, 0, 0.5 * (1 - wide)], [0, 0.5, -0.25 * 0.5]]]
    torch.testing.assert_close(AnisotropicAttention().build(raw), torch.tensor(expected))


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
@pytest.mark.parametrize("extreme", [-1e30, 1e30])
def test_no_raw_is_too_large_for_a_bounded_window(name, extreme):
    transform = TRANSFORMS[name](4)
    theta = transform.build(torch.full((4, transform.num_parameters), extreme))
    assert theta.isfinite().all()
    assert reached(theta).abs().amax() <= 1 + 1e-5


@pytest.mark.parametrize("family", [Attention, AnisotropicAttention])
@settings(max_examples=25, deadline=None)
@any_raw
def test_the_scale_of_bounded_attention_stays_between_its_limits(family, data):
    transform = family(4, min_scale=0.3, max_scale=0.8)
    theta = transform.build(drawn_raw(data, transform))
    scale = theta[..., [0, 1], [0, 1]]
    assert scale.amin() >= 0.3 - 1e-6
    assert scale.amax() <= 0.8 + 1e-6


@pytest.mark.parametrize("family", [Attention, AnisotropicAttention])
def test_bounded_attention_reaches_both_limits_of_its_scale(family):
    transform = family(min_scale=0.3, max_scale=0.8)
    for raw, limit in [(-1e4, 0.3), (1e4, 0.8)]:
        theta = transform.build(torch.full((1, transform.num_parameters), raw))
        torch.testing.assert_close(theta[0, [0, 1], [0, 1]], torch.tensor([limit] * 2))


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


def test_mild_bounded_windows_can_be_inverted():
    for family in (Translation, Attention, AnisotropicAttention, Similarity, Affine, Projective):
        transform = family(4)
        theta = transform.build(torch.randn(20, 4, transform.num_parameters).double())
        assert invert(theta).isfinite().all()


# gradients


@every_family
@both_modes
@some_heads
def test_every_raw_number_has_a_gradient_at_the_start(name, bounded, num_heads):
    transform = build_transform(name, num_heads, bounded=bounded)
    slopes = torch.autograd.functional.jacobian(transform.build, zeros(transform))
    own = torch.stack([slopes[k, :, :, k].abs().amax((0, 1)) for k in range(num_heads)])  # (K, P)
    assert (own > 0.02).all()
    assert slopes.isfinite().all()


@every_family
@both_modes
@pytest.mark.parametrize("num_heads", [1, 4])
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


BOXES = torch.tensor([[[-0.5, 0.2, 0.1, 0.6], [-1, -1, 1, 1]]])  # 0.3 x 0.2 about (-0.2, 0.4)


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


@both_modes
def test_translated_windows_are_centred_on_boxes(bounded):
    theta = Translation(4, start_scale=0.7, bounded=bounded).from_boxes(BOXES)
    torch.testing.assert_close(theta[0, 0], torch.tensor([[0.7, 0, -0.2], [0, 0.7, 0.4]]))
    torch.testing.assert_close(theta[0, 1], torch.tensor([[0.7, 0, 0], [0, 0.7, 0]]))


def test_a_box_is_looked_at_without_perspective_and_over_the_whole_time():
    assert Projective().from_boxes(BOXES)[0, 0, 2].tolist() == [0, 0, 1]
    volumetric = VolumetricAffine().from_boxes(BOXES)[0, 0]
    assert volumetric[2].tolist() == [0, 0, 1, 0]
    assert volumetric[:, 2].tolist() == [0, 0, 1]


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


def test_window_theta_builds_what_attention_looks_at():
    theta = Attention(4).base
    expected = window_theta(torch.full((4, 2), 0.5), 0.4 * tile_centres(4))
    torch.testing.assert_close(theta, expected)


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


@every_family
def test_a_family_is_built_by_its_name(name):
    transform = build_transform(name, 3, start_scale=0.4, bounded=False)
    assert transform == TRANSFORMS[name](3, start_scale=0.4, bounded=False)


def test_an_unknown_family_is_refused_with_the_known_ones():
    message = (
        r"transform must be one of \['affine', 'anisotropic', 'attention', 'projective', "
        r"'similarity', 'tps', 'translation', 'volumetric'\], got 'afine'"
    )
    with pytest.raises(InputError, match=message):
        build_transform("afine", 1)


@every_family
def test_an_unknown_setting_is_refused_with_the_known_ones(name):
    message = rf"{name} has no setting scale, speed; it has bounded, .*max_scale, min_scale, .*"
    with pytest.raises(InputError, match=message):
        build_transform(name, 1, speed=1, scale=0.5, bounded=True)


def test_own_settings_of_a_family_are_known():
    assert build_transform("similarity", 1, max_angle=0.5).max_angle == 0.5
    assert build_transform("projective", 1, max_perspective=0.3).max_perspective == 0.3
    assert build_transform("volumetric", 1, start_time=0.6).start_time == 0.6
    with pytest.raises(InputError, match=r"affine has no setting max_angle; it has bounded, "):
        build_transform("affine", 1, max_angle=0.5)
