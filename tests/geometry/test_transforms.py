import math

import pytest
import torch

from stn_action.errors import InputError
from stn_action.geometry.transforms import (
    TRANSFORMS,
    Affine,
    Attention,
    Translation,
    at_least_float32,
    tile_centres,
    window_corners,
    window_theta,
)

BOUNDED = [Attention, Translation]


def corner_limits(theta):
    corners = window_corners(theta)
    return corners.amin().item(), corners.amax().item()


@pytest.mark.parametrize("num_heads", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("family", BOUNDED)
def test_raw_zero_builds_a_tile_for_each_head(family, num_heads):
    transform = family(num_heads, start_scale=0.4)
    theta = transform.build(torch.zeros(num_heads, transform.num_parameters))
    # 0.8 of the way to the border, where tanh still has a gradient; (1 - scale) is the free room
    expected = window_theta(torch.full((num_heads, 2), 0.4), 0.8 * 0.6 * tile_centres(num_heads))
    torch.testing.assert_close(theta, expected)


def test_one_affine_transformer_starts_at_the_identity():
    theta = Affine(1).build(torch.zeros(2, 1, 6))
    torch.testing.assert_close(theta, torch.eye(2, 3).expand(2, 1, 2, 3))


def test_several_affine_transformers_start_at_tiles_of_the_map():
    corners = window_corners(Affine(4).build(torch.zeros(4, 6)))
    assert corners[0, 0].tolist() == [-1, -1]
    assert corners[0, 2].tolist() == [0, 0]
    assert corners[1, 1].tolist() == [1, -1]
    assert corners[2, 3].tolist() == [-1, 1]
    assert corners[3, 2].tolist() == [1, 1]


def test_attention_by_hand():
    # share of the start in [0.2, 0.95] is 0.4; raw_0 = -logit(0.4) brings the sigmoid to 1/2
    raw = torch.tensor([[-math.log(0.4 / 0.6), math.atanh(0.5), math.atanh(-0.25)]])
    scale = 0.2 + 0.75 / 2
    expected = [[[scale, 0, 0.5 * (1 - scale)], [0, scale, -0.25 * (1 - scale)]]]
    torch.testing.assert_close(Attention().build(raw), torch.tensor(expected))


def test_attention_adds_raw_to_the_place_of_each_head():
    raw = torch.zeros(2, 3)
    raw[0, 1] = math.atanh(0.8)  # the left head's start is at -0.8 of the free room
    raw[1, 2] = math.atanh(0.3)
    theta = Attention(2).build(raw)
    expected = torch.tensor([[0, 0], [0.5 * 0.8, 0.5 * 0.3]])
    torch.testing.assert_close(theta[..., 2], expected)


def test_translation_by_hand():
    raw = torch.tensor([[math.atanh(0.5), math.atanh(-0.75)]])
    expected = torch.tensor([[[0.4, 0, 0.3], [0, 0.4, -0.45]]])
    torch.testing.assert_close(Translation(start_scale=0.4).build(raw), expected)


def test_affine_adds_raw_row_by_row():
    raw = torch.tensor([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]])
    expected = torch.tensor([[[1.1, 0.2, 0.3], [0.4, 1.5, 0.6]]])
    torch.testing.assert_close(Affine().build(raw), expected)


@pytest.mark.parametrize("num_heads", [1, 4])
@pytest.mark.parametrize("family", BOUNDED)
def test_bounded_windows_cannot_leave_the_map(family, num_heads):
    transform = family(num_heads)
    shape = (200, num_heads, transform.num_parameters)
    extremes = torch.tensor([-1e4, -10.0, 0.0, 10.0, 1e4])
    for raw in (torch.randn(shape) * 20, extremes[torch.randint(5, shape)]):
        theta = transform.build(raw)
        assert theta.isfinite().all()
        low, high = corner_limits(theta)
        assert low >= -1 - 1e-6
        assert high <= 1 + 1e-6


def test_the_scale_of_attention_stays_between_its_limits():
    transform = Attention(min_scale=0.3, max_scale=0.8)
    raw = torch.tensor([-1e4, 1e4])[:, None, None] * torch.tensor([1.0, 0, 0])
    scale = transform.build(raw)[:, 0, 0, 0]
    torch.testing.assert_close(scale, torch.tensor([0.3, 0.8]))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_theta_has_a_gradient_at_the_start(name):
    transform = TRANSFORMS[name](4)
    raw = torch.zeros(4, transform.num_parameters, requires_grad=True)
    slopes = torch.autograd.functional.jacobian(transform.build, raw)
    own = torch.stack([slopes[k, :, :, k] for k in range(4)]).abs().amax((1, 2))  # (K, P)
    assert (own > 0.05).all()


@pytest.mark.parametrize("name", TRANSFORMS)
def test_gradients_of_build_are_right(name):
    transform = TRANSFORMS[name](3)
    raw = torch.randn(2, 3, transform.num_parameters, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(transform.build, raw)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_build_keeps_leading_dimensions_and_widens_half_precision(name):
    transform = TRANSFORMS[name](4)
    raw = torch.randn(2, 5, 4, transform.num_parameters)
    assert transform.build(raw).shape == (2, 5, 4, 2, 3)
    assert transform.build(raw.bfloat16()).dtype == torch.float32
    assert transform.build(raw.double()).dtype == torch.float64


@pytest.mark.parametrize(
    ("num_heads", "centres"),
    [
        (1, [[0, 0]]),
        (2, [[-1, 0], [1, 0]]),
        (3, [[-1, 0], [0, 0], [1, 0]]),
        (4, [[-1, -1], [1, -1], [-1, 1], [1, 1]]),
        (5, [[-1, -1], [0, -1], [1, -1], [-1, 1], [1, 1]]),
        (6, [[-1, -1], [0, -1], [1, -1], [-1, 1], [0, 1], [1, 1]]),
    ],
)
def test_tile_centres_spread_the_heads_over_the_map(num_heads, centres):
    assert tile_centres(num_heads).tolist() == centres


def test_tile_centres_are_all_different():
    for num_heads in range(1, 20):
        assert len(tile_centres(num_heads).unique(dim=0)) == num_heads


def test_window_theta_looks_at_the_window():
    theta = window_theta(torch.tensor([0.5, 0.25]), torch.tensor([0.2, -0.3]))
    corners = [[-0.3, -0.55], [0.7, -0.55], [0.7, -0.05], [-0.3, -0.05]]
    torch.testing.assert_close(window_corners(theta), torch.tensor(corners))


def test_window_corners_of_a_sheared_theta():
    theta = torch.tensor([[0.5, 0.1, 0.0], [-0.2, 0.4, 0.1]])
    corners = [[-0.6, -0.1], [0.4, -0.5], [0.6, 0.3], [-0.4, 0.7]]
    torch.testing.assert_close(window_corners(theta), torch.tensor(corners))


def test_coordinates_are_never_narrower_than_float32():
    assert at_least_float32(torch.zeros(1, dtype=torch.float16)).dtype == torch.float32
    assert at_least_float32(torch.zeros(1, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize(
    "scales",
    [
        {"min_scale": 0.6},
        {"min_scale": 0.0},
        {"start_scale": 0.96},
        {"max_scale": 1.2},
        {"start_scale": 0.2, "min_scale": 0.2},
    ],
)
def test_scales_of_attention_must_be_in_order(scales):
    with pytest.raises(InputError, match="0 < min_scale < start_scale < max_scale <= 1, got"):
        Attention(**scales)


@pytest.mark.parametrize("scale", [0.0, 1.0, -0.5])
def test_a_translated_window_must_be_smaller_than_the_map(scale):
    with pytest.raises(InputError, match="needs 0 < scale < 1, got"):
        Translation(start_scale=scale)
