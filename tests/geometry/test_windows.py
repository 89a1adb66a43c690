import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stn_action.geometry.theta import window_theta
from stn_action.geometry.tiles import tile_centers
from stn_action.geometry.windows import AnisotropicAttention, Attention, Translation
from tests.geometry.examples import BOXES, drawn_raw

both_modes = pytest.mark.parametrize("bounded", [True, False], ids=["bounded", "raw"])
any_raw = given(data=st.data())


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


@both_modes
def test_translated_windows_are_centered_on_boxes(bounded):
    theta = Translation(4, start_scale=0.7, bounded=bounded).from_boxes(BOXES)
    torch.testing.assert_close(theta[0, 0], torch.tensor([[0.7, 0, -0.2], [0, 0.7, 0.4]]))
    torch.testing.assert_close(theta[0, 1], torch.tensor([[0.7, 0, 0], [0, 0.7, 0]]))


def test_window_theta_builds_what_attention_looks_at():
    theta = Attention(4).base
    expected = window_theta(torch.full((4, 2), 0.5), 0.4 * tile_centers(4))
    torch.testing.assert_close(theta, expected)


ALIGNED = pytest.mark.parametrize("family", [Translation, Attention, AnisotropicAttention])


@ALIGNED
@both_modes
def test_raw_numbers_of_a_window_build_that_window(family, bounded):
    transform = family(4, bounded=bounded)
    raw = 2 * torch.rand(3, 4, transform.num_parameters) - 1  # well within the bounds
    theta = transform.build(raw)
    torch.testing.assert_close(
        transform.raw_of(theta[..., [0, 1], [0, 1]], theta[..., 2]), raw, atol=1e-4, rtol=1e-4
    )


def test_windows_out_of_bounds_are_brought_back():
    transform = AnisotropicAttention()  # scales from 0.2 to 0.95
    raw = transform.raw_of(torch.tensor([[0.1, 5.0]]), torch.tensor([[-7.0, 0.0]]), limit=0.9)
    theta = transform.build(raw)[0]
    scale = [0.2 + 0.75 * 0.05, 0.2 + 0.75 * 0.95]
    expected = torch.tensor([[scale[0], 0, -0.9 * (1 - scale[0])], [0, scale[1], 0]])
    torch.testing.assert_close(theta, expected)


@ALIGNED
def test_windows_within_the_entire_map_are_the_base(family):
    transform = family(5)
    raw = transform.raw_within(torch.tensor([[-1.0, -1, 1, 1]]))
    torch.testing.assert_close(raw, torch.zeros(1, 5, transform.num_parameters), atol=1e-5, rtol=0)


def test_windows_tile_a_box_as_the_base_tiles_the_map():
    box = torch.tensor([[-0.6, -0.8, 0.6, 0.2]])  # half-widths 0.6 and 0.5
    transform = AnisotropicAttention(2)  # side by side, centers at -0.4 and 0.4, scale 0.5
    theta = transform.build(transform.raw_within(box))
    expected = torch.tensor(
        [[[[0.3, 0, -0.24], [0, 0.25, -0.3]], [[0.3, 0, 0.24], [0, 0.25, -0.3]]]]
    )
    torch.testing.assert_close(theta, expected)
    isotropic = Attention(2)
    expected[..., 1, 1] = 0.3
    torch.testing.assert_close(isotropic.build(isotropic.raw_within(box)), expected)


def test_windows_of_a_tiny_box_stay_above_the_smallest_scale_with_a_gradient():
    transform = Attention(4)
    raw = transform.raw_within(torch.tensor([[0.98, 0.98, 1.0, 1.0]])).requires_grad_()
    theta = transform.build(raw)
    assert theta[..., 0, 0].min() > 0.21
    assert (theta[..., 2] + theta[..., [0, 1], [0, 1]]).max() < 1
    theta[..., 2].sum().backward()
    assert raw.grad is not None
    assert raw.grad[..., 1:].min() > 0.02


@settings(max_examples=25, deadline=None)
@any_raw
def test_bounded_windows_within_a_box_cannot_leave_the_map(data):
    transform = Attention(4)
    start = transform.raw_within(torch.tensor([[0.5, -0.9, 0.9, 0.0]]))
    theta = transform.build(start + drawn_raw(data, transform))
    assert (theta[..., 2].abs() + theta[..., [0, 1], [0, 1]]).max() <= 1 + 1e-5
