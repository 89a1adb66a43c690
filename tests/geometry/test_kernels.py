import math

import pytest
import torch
from torch.nn import functional as F

from stn_action.geometry.kernels import (
    apply_kernels,
    area_kernel,
    is_channels_last,
    resize_area,
    tent_kernel,
    window_kernels,
)
from tests.geometry.examples import windows
from tests.pairs import cover_pairs

KERNELS = [tent_kernel, area_kernel]
PADDINGS = ["zeros", "border"]
LINES = [(7, 7), (9, 4), (14, 3), (5, 12), (3, 1), (1, 4), (2, 2)]
"""Pixels of a line, and samples of a window on it."""


def sample_center(scale, shift, in_size, out_size, j):
    """Where sample j lies, in pixels from the line's left edge."""
    return (scale * ((2 * j + 1) / out_size - 1) + shift + 1) / 2 * in_size


def slow_area(scale, shift, in_size, out_size, padding):
    """By loops: the share of every sample's interval (at least a pixel wide) on every pixel."""
    rows = []
    width = max(1.0, abs(scale) * in_size / out_size)
    for j in range(out_size):
        center = sample_center(scale, shift, in_size, out_size, j)
        left, right = center - width / 2, center + width / 2
        row = [max(0.0, min(right, m + 1) - max(left, m)) / width for m in range(in_size)]
        if padding == "border":
            row[0] += max(0.0, min(right, 0.0) - left) / width
            row[-1] += max(0.0, right - max(left, in_size)) / width
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float64)


def slow_tent(scale, shift, in_size, out_size, padding):
    """By loops: the one-dimensional factors of eq. 5 of Jaderberg et al. 2015."""
    rows = []
    for j in range(out_size):
        x = sample_center(scale, shift, in_size, out_size, j) - 0.5
        if padding == "border":
            x = min(max(x, 0.0), in_size - 1.0)
        rows.append([max(0.0, 1 - abs(x - m)) for m in range(in_size)])
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize(
    ("kernel", "padding", "num_pixels", "dtype", "tolerance"),
    cover_pairs(
        KERNELS,
        PADDINGS,
        [1, 2, 3, 7, 16, 45],
        [(torch.float32, 1e-5), (torch.float64, 1e-12)],
    ),
)
def test_the_identity_has_the_identity_matrix(kernel, padding, num_pixels, dtype, tolerance):
    one = torch.ones((), dtype=dtype)
    matrix = kernel(one, 0 * one, num_pixels, num_pixels, padding=padding)
    expected = torch.eye(num_pixels, dtype=dtype)
    torch.testing.assert_close(matrix, expected, atol=tolerance, rtol=0)


def test_a_flip_has_the_flipped_identity_matrix():
    for kernel in KERNELS:
        matrix = kernel(torch.tensor(-1.0), torch.tensor(0.0), 5, 5)
        torch.testing.assert_close(matrix, torch.eye(5).flip(0), atol=1e-6, rtol=0)


def test_the_tent_between_two_pixels_by_hand():
    # edges 0.5 to 2.5 of 4 pixels: samples at 0.5 and 1.5, centers of pixels at whole numbers
    kernel = tent_kernel(torch.tensor(0.5), torch.tensor(-0.25), 4, 2)
    assert kernel.tolist() == [[0.5, 0.5, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0]]


def test_the_tent_past_the_border_by_hand():
    # one sample at -0.25
    scale, shift = torch.tensor(0.5), torch.tensor(-0.875)
    assert tent_kernel(scale, shift, 4, 1).tolist() == [[0.75, 0.0, 0.0, 0.0]]
    assert tent_kernel(scale, shift, 4, 1, padding="border").tolist() == [[1.0, 0.0, 0.0, 0.0]]


def test_the_area_of_a_shrunk_window_by_hand():
    # edges 0 to 3 of 4 pixels in 2 samples of 1.5 pixels each
    kernel = area_kernel(torch.tensor(0.75), torch.tensor(-0.25), 4, 2)
    expected = torch.tensor([[2 / 3, 1 / 3, 0, 0], [0, 1 / 3, 2 / 3, 0]])
    torch.testing.assert_close(kernel, expected)


def test_the_area_past_the_border_by_hand():
    # edges -2 to 2 of 4 pixels in 2 samples of 2 pixels each
    scale, shift = torch.tensor(1.0), torch.tensor(-1.0)
    assert area_kernel(scale, shift, 4, 2).tolist() == [[0, 0, 0, 0], [0.5, 0.5, 0, 0]]
    extended = area_kernel(scale, shift, 4, 2, padding="border")
    assert extended.tolist() == [[1, 0, 0, 0], [0.5, 0.5, 0, 0]]


@pytest.mark.parametrize(("kernel", "slow"), [(tent_kernel, slow_tent), (area_kernel, slow_area)])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(("in_size", "out_size"), LINES)
def test_a_kernel_agrees_with_loops(kernel, slow, padding, in_size, out_size):
    for theta in windows(20, low=0.0, high=1.6, reach=1.6):
        scale, shift = theta[0, 0], theta[0, 2]
        expected = slow(scale.item(), shift.item(), in_size, out_size, padding)
        matrix = kernel(scale, shift, in_size, out_size, padding=padding)
        torch.testing.assert_close(matrix, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(("scale", "shift"), [(0.83, 0.11), (-1.3, 0.4), (0.9, -1.7)])
def test_the_area_kernel_agrees_with_numeric_integration(padding, scale, shift):
    in_size, out_size, num_points = 12, 4, 120_000
    kernel = area_kernel(
        torch.tensor(scale), torch.tensor(shift), in_size, out_size, padding=padding
    )
    points = (torch.arange(num_points) + 0.5) / num_points * 2 - 1  # of the output line
    pixels = ((scale * points + shift + 1) / 2 * in_size).floor().long()
    kept = pixels.clamp(0, in_size - 1)
    inside = (pixels == kept) | (padding == "border")
    shares = [
        p[i].bincount(minlength=in_size) * out_size / num_points
        for p, i in zip(kept.chunk(out_size), inside.chunk(out_size), strict=True)
    ]
    torch.testing.assert_close(kernel, torch.stack(shares).float(), atol=2e-4, rtol=0)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(("in_size", "out_size"), [(7, 7), (5, 12), (9, 30)])
def test_the_area_kernel_is_the_tent_where_nothing_is_shrunk(padding, in_size, out_size):
    limit = out_size / in_size
    theta = windows(40, low=0.0, high=limit, reach=1.5).requires_grad_()
    tent, area = (
        kernel(theta[:, 0, 0], theta[:, 0, 2], in_size, out_size, padding=padding)
        for kernel in KERNELS
    )
    torch.testing.assert_close(tent, area, atol=1e-12, rtol=0)
    upstream = torch.randn_like(tent)
    slopes = [torch.autograd.grad(matrix, theta, upstream)[0] for matrix in (tent, area)]
    torch.testing.assert_close(*slopes, atol=1e-10, rtol=0)


@pytest.mark.parametrize("area", [True, False])
@pytest.mark.parametrize("size", [(3, 4), (9, 7), (20, 16)])
def test_rows_of_the_kernels_sum_to_one_inside_the_map(area, size):
    theta = windows(50, 2, low=0.3, high=0.5, reach=0.3)
    for kernel in window_kernels(theta, (9, 14), size, area=area):
        torch.testing.assert_close(kernel.sum(-1), torch.ones_like(kernel[..., 0]))


@pytest.mark.parametrize("area", [True, False])
@pytest.mark.parametrize("map_hw", [(9, 14), (1, 2)])
def test_rows_of_border_padded_kernels_sum_to_one_anywhere(area, map_hw):
    theta = windows(50, 2, low=0.0, high=2.0, reach=3.0)
    for kernel in window_kernels(theta, map_hw, (4, 5), area=area, padding="border"):
        torch.testing.assert_close(kernel.sum(-1), torch.ones_like(kernel[..., 0]))
        assert kernel.min() >= 0


@pytest.mark.parametrize("area", [True, False])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(
    ("map_hw", "size"), [((6, 6), (4, 4)), ((6, 6), (4, 3)), ((6, 9), (4, 4)), ((5, 8), (9, 3))]
)
def test_window_kernels_are_the_kernels_of_both_axes(area, padding, map_hw, size):
    theta = windows(2, 3, low=0.2, high=1.2)
    rows, columns = window_kernels(theta, map_hw, size, area=area, padding=padding)
    kernel = area_kernel if area else tent_kernel
    expected = [
        kernel(theta[..., i, i], theta[..., i, 2], map_hw[1 - i], size[1 - i], padding=padding)
        for i in (1, 0)
    ]
    assert rows.shape == (2, 3, size[0], map_hw[0])
    assert columns.shape == (2, 3, size[1], map_hw[1])
    torch.testing.assert_close([rows, columns], expected, atol=0, rtol=0)


def test_products_of_the_axes_are_not_looked_at():
    theta = windows(2, 3, low=0.2, high=0.9)
    turned = theta.clone()
    turned[..., 0, 1] = 7
    turned[..., 1, 0] = math.nan
    assert_equal = torch.testing.assert_close
    assert_equal(window_kernels(turned, (6, 4), (3, 5)), window_kernels(theta, (6, 4), (3, 5)))


def test_theta_in_half_precision_is_widened():
    theta = windows(2, 3, low=0.2, high=0.9).bfloat16()
    kernels = window_kernels(theta, (6, 4), (3, 5))
    assert {kernel.dtype for kernel in kernels} == {torch.float32}
    torch.testing.assert_close(kernels, window_kernels(theta.float(), (6, 4), (3, 5)))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(("in_size", "out_size"), [(5, 7), (7, 3)])
def test_gradients_are_right_off_the_lattice(kernel, padding, in_size, out_size):
    theta = windows(4, low=0.3, high=1.2)
    scale, shift = theta[:, 0, 0].requires_grad_(), theta[:, 0, 2].clone().requires_grad_()

    def matrix(scale, shift):
        return kernel(scale, shift, in_size, out_size, padding=padding)

    assert torch.autograd.gradcheck(matrix, (scale, shift))
    assert torch.autograd.gradgradcheck(matrix, (scale, shift))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("padding", PADDINGS)
def test_on_a_pixel_center_the_gradient_is_the_mean_of_both_slopes(kernel, padding):
    line = torch.tensor([7.0, 8.0, 17.0, 107.0])
    shift = torch.zeros((), requires_grad=True)
    matrix = kernel(torch.ones(()), shift, 4, 4, padding=padding)
    assert matrix.tolist() == torch.eye(4).tolist()
    slopes = [torch.autograd.grad(v, shift, retain_graph=True)[0].item() for v in matrix @ line]
    before, after = (0, 0) if padding == "zeros" else (line[0], line[-1])
    padded = torch.tensor([before, *line, after])
    # a shift of 1 is two of the four pixels
    expected = [((padded[i + 2] - padded[i]) / 2 * 2).item() for i in range(4)]
    assert slopes == expected


@pytest.mark.parametrize(
    ("kernel", "padding", "bad", "which", "out_size"),
    cover_pairs(
        KERNELS,
        PADDINGS,
        [math.nan, math.inf, -math.inf, 1e30, -1e30],
        ["scale", "shift", "both"],
        [4, 3],  # 3: with a sample in the middle
    ),
)
def test_what_is_nowhere_lies_beyond_the_last_pixel(kernel, padding, bad, which, out_size):
    scale = torch.tensor(0.5 if which == "shift" else bad, requires_grad=True)
    shift = torch.tensor(0.2 if which == "scale" else bad, requires_grad=True)
    matrix = kernel(scale, shift, 6, out_size, padding=padding)
    expected = torch.zeros(out_size, 6)
    if padding == "border":
        expected[:, -1] = 1
    torch.testing.assert_close(matrix, expected, atol=0, rtol=0)
    slopes = torch.autograd.grad(matrix, (scale, shift), torch.rand(out_size, 6))
    assert [slope.item() for slope in slopes] == [0, 0]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(
    ("scale", "shift", "out_size"), [(4.0, math.nan, 1), (3.0, 2e4, 1), (300.0, math.inf, 6)]
)
def test_a_wide_sample_that_is_nowhere_does_not_reach_back(kernel, padding, scale, shift, out_size):
    matrix = kernel(torch.tensor(scale), torch.tensor(shift), 6, out_size, padding=padding)
    expected = torch.zeros(out_size, 6)
    if padding == "border":
        expected[:, -1] = 1
    torch.testing.assert_close(matrix, expected, atol=0, rtol=0)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("num_windows", [1, 3])
def test_kernels_are_applied_as_loops_do(memory_format, num_windows):
    features = torch.randn(2, 3, 5, 4, dtype=torch.float64).contiguous(memory_format=memory_format)
    rows = torch.randn(2, num_windows, 2, 5, dtype=torch.float64)
    columns = torch.randn(2, num_windows, 6, 4, dtype=torch.float64)
    glimpses = apply_kernels(features, rows, columns)
    assert glimpses.shape == (2, num_windows, 3, 2, 6)
    for n in range(2):
        for k in range(num_windows):
            for c in range(3):
                expected = rows[n, k] @ features[n, c] @ columns[n, k].T
                torch.testing.assert_close(glimpses[n, k, c], expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("shift", [0.25, -0.9, 3.0])  # on pixels' centers, over the edge, nowhere
def test_windows_on_a_large_map_are_sampled_as_on_all_of_it(kernel, padding, shift):
    features = torch.randn(1, 2, 72, 96, dtype=torch.float64)
    places = torch.tensor([[0.25, shift], [-0.125, 0.2]], dtype=torch.float64, requires_grad=True)
    rows = kernel(places[0, :1], places[1, :1], 72, 9, padding=padding)[None]
    columns = kernel(places[0, 1:].abs() / 2, places[1, 1:], 96, 12, padding=padding)[None]
    glimpses = apply_kernels(features, rows, columns)
    expected = rows[:, :, None] @ features[:, None] @ columns[:, :, None].mT
    torch.testing.assert_close(glimpses, expected, atol=1e-12, rtol=0)
    weights = torch.randn_like(glimpses)
    slopes, slow_slopes = (
        torch.autograd.grad(result, places, weights, retain_graph=True)[0]
        for result in (glimpses, expected)
    )
    torch.testing.assert_close(slopes, slow_slopes, atol=1e-10, rtol=0)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_glimpses_have_the_layout_of_the_map(memory_format):
    features = torch.randn(2, 3, 5, 4).contiguous(memory_format=memory_format)
    glimpses = apply_kernels(features, torch.randn(2, 4, 2, 5), torch.randn(2, 4, 6, 4))
    assert glimpses.flatten(0, 1).is_contiguous(memory_format=memory_format)


def test_channels_last_is_reported_by_the_strides():
    features = torch.rand(2, 3, 5, 4)
    assert not is_channels_last(features)
    assert is_channels_last(features.contiguous(memory_format=torch.channels_last))
    assert is_channels_last(features.contiguous(memory_format=torch.channels_last)[:, 1:])
    assert not is_channels_last(features[:, :1].contiguous(memory_format=torch.channels_last))


def test_resize_area_averages_blocks_and_keeps_equal_sizes():
    maps = torch.rand(2, 3, 6, 8, dtype=torch.float64)
    torch.testing.assert_close(resize_area(maps, (6, 8)), maps, atol=1e-12, rtol=0)
    expected = F.adaptive_avg_pool2d(maps, (2, 4))
    torch.testing.assert_close(resize_area(maps, (2, 4)), expected, atol=1e-12, rtol=0)


def test_resize_area_by_hand_between_pixels():
    maps = torch.tensor([[0.0, 3.0, 9.0], [10.0, 20.0, 60.0]]).view(1, 1, 2, 3)
    # 1.5 columns a sample: (0 + 3 / 2) / 1.5 = 1 and (3 / 2 + 9) / 1.5 = 7
    expected = torch.tensor([[1.0, 7.0], [40 / 3, 140 / 3]]).view(1, 1, 2, 2)
    torch.testing.assert_close(resize_area(maps, (2, 2)), expected)


def test_resize_area_keeps_dtype():
    maps = torch.rand(1, 2, 6, 8).bfloat16()
    small = resize_area(maps, (3, 4))
    assert small.dtype == torch.bfloat16
    # both kernels, the product between them and the result are rounded, by 2^-8 each
    torch.testing.assert_close(small.float(), resize_area(maps.float(), (3, 4)), atol=2**-6, rtol=0)
