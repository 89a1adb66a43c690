import pytest
import torch
from torch.nn import functional as F

from stn_action.geometry.sampling import area_kernel, pooled, resize_area, sample, window_kernels
from stn_action.geometry.transforms import window_theta

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


def windows(*shape, low, high, reach=0.6, dtype=torch.float64):
    """Random axis-aligned theta (*shape, 2, 3); windows partly outside the map, some mirrored."""
    scale = torch.empty(*shape, 2, dtype=dtype).uniform_(low, high)
    scale *= torch.where(torch.rand(*shape, 2) < 0.3, -1, 1)
    return window_theta(scale, torch.empty(*shape, 2, dtype=dtype).uniform_(-reach, reach))


def affine(*shape):
    base = torch.eye(2, 3, dtype=torch.float64) * 0.7
    return base + 0.2 * torch.randn(*shape, 2, 3, dtype=torch.float64)


def slow_kernel(scale, shift, in_size, out_size):
    """By loops: the share of every sample's interval (at least a pixel wide) on every pixel."""
    rows = []
    width = max(1.0, abs(scale) * in_size / out_size)
    for j in range(out_size):
        normalized = scale * ((2 * j + 1) / out_size - 1) + shift
        centre = (normalized + 1) / 2 * in_size  # in pixels from the left edge
        left, right = centre - width / 2, centre + width / 2
        rows.append([max(0.0, min(right, m + 1) - max(left, m)) / width for m in range(in_size)])
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("axis_aligned", [True, False])
def test_identity_returns_input(axis_aligned):
    features = torch.rand(2, 3, 5, 8)
    theta = torch.eye(2, 3).expand(2, 1, 2, 3)
    glimpses = sample(features, theta, (5, 8), axis_aligned=axis_aligned)
    torch.testing.assert_close(glimpses[:, 0], features, atol=1e-5, rtol=0)


@pytest.mark.parametrize("axis_aligned", [True, False])
def test_a_window_on_whole_pixels_is_a_slice(axis_aligned):
    features = torch.rand(1, 2, 8, 4)
    # columns 2 and 3 of 4, rows 2 to 5 of 8
    theta = window_theta(torch.tensor([0.5, 0.5]), torch.tensor([0.5, 0.0])).view(1, 1, 2, 3)
    glimpse = sample(features, theta, (4, 2), axis_aligned=axis_aligned)
    torch.testing.assert_close(glimpse[0, 0], features[0, :, 2:6, 2:])


@pytest.mark.parametrize("axis_aligned", [True, False])
def test_a_window_between_pixels_by_hand(axis_aligned):
    features = torch.tensor([[0.0, 1.0, 2.0, 3.0], [10.0, 20.0, 30.0, 40.0]]).view(1, 1, 2, 4)
    # x: columns 0.5 to 2.5 by pixel edges, sampled at 0.5 and 1.5; y: one sample at row 0.25
    theta = window_theta(torch.tensor([0.5, 0.25]), torch.tensor([-0.25, -0.25])).view(1, 1, 2, 3)
    glimpse = sample(features, theta, (1, 2), axis_aligned=axis_aligned)
    expected = [0.75 * 0.5 + 0.25 * 15, 0.75 * 1.5 + 0.25 * 25]
    torch.testing.assert_close(glimpse.flatten(), torch.tensor(expected))


def test_a_shrunk_window_is_averaged_by_area():
    features = torch.arange(24.0).view(1, 1, 4, 6)
    glimpse = sample(features, torch.eye(2, 3).view(1, 1, 2, 3), (2, 2), axis_aligned=True)
    blocks = [[(0 + 1 + 2 + 6 + 7 + 8) / 6, (3 + 4 + 5 + 9 + 10 + 11) / 6]]
    blocks += [[blocks[0][0] + 12, blocks[0][1] + 12]]
    torch.testing.assert_close(glimpse[0, 0, 0], torch.tensor(blocks))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_separable_sampler_is_bilinear_grid_sample_where_nothing_is_shrunk(dtype):
    features = torch.randn(3, 4, 9, 6, dtype=dtype)
    size = (10, 7)
    theta = windows(3, 5, low=0.1, high=1.0, reach=1.2, dtype=dtype)
    grid = F.affine_grid(theta.flatten(0, 1), [15, 4, *size], align_corners=False)
    repeated = features.repeat_interleave(5, dim=0)
    expected = F.grid_sample(repeated, grid, align_corners=False).unflatten(0, (3, 5))
    for axis_aligned in (True, False):
        glimpses = sample(features, theta, size, axis_aligned=axis_aligned)
        assert glimpses.dtype == dtype
        torch.testing.assert_close(glimpses, expected, atol=TOLERANCE[dtype], rtol=0)


@pytest.mark.parametrize(("in_size", "out_size"), [(7, 7), (9, 4), (14, 3), (5, 12), (3, 1)])
def test_the_area_kernel_is_the_share_of_the_sample_on_each_pixel(in_size, out_size):
    for theta in windows(20, low=0.05, high=1.3, reach=1.1):
        scale, shift = theta[0, 0], theta[0, 2]
        expected = slow_kernel(scale.item(), shift.item(), in_size, out_size)
        kernel = area_kernel(scale, shift, in_size, out_size)
        torch.testing.assert_close(kernel, expected, atol=1e-12, rtol=0)


def test_the_area_kernel_agrees_with_numeric_integration():
    scale, shift, in_size, out_size = 0.83, 0.11, 12, 4
    kernel = area_kernel(torch.tensor(scale), torch.tensor(shift), in_size, out_size)
    points = (torch.arange(120_000) + 0.5) / 120_000 * 2 - 1  # of the output line
    pixels = ((scale * points + shift + 1) / 2 * in_size).long()
    counts = torch.stack([p.bincount(minlength=in_size) for p in pixels.chunk(out_size)])
    torch.testing.assert_close(kernel, counts / 30_000, atol=2e-4, rtol=0)


@pytest.mark.parametrize("size", [(3, 4), (9, 7), (20, 16)])
def test_rows_of_the_kernels_sum_to_one_inside_the_map(size):
    theta = windows(50, 2, low=0.3, high=0.5, reach=0.3)
    for kernel in window_kernels(theta, (9, 14), size):
        torch.testing.assert_close(kernel.sum(-1), torch.ones_like(kernel[..., 0]))


def test_outside_the_map_everything_is_zero():
    theta = window_theta(torch.tensor([0.5, 0.5]), torch.tensor([3.0, 0.0])).view(1, 1, 2, 3)
    for axis_aligned in (True, False):
        glimpse = sample(torch.ones(1, 1, 6, 4), theta, (3, 3), axis_aligned=axis_aligned)
        assert glimpse.abs().max() == 0


@pytest.mark.parametrize("size", [(3, 2), (9, 11)])
def test_pooled_is_the_mean_of_the_glimpses(size):
    features = torch.randn(2, 3, 8, 6, dtype=torch.float64)
    for theta, axis_aligned in ((windows(2, 4, low=0.2, high=1.2), True), (affine(2, 4), False)):
        glimpses = sample(features, theta, size, axis_aligned=axis_aligned)
        means = pooled(features, theta, size, axis_aligned=axis_aligned)
        torch.testing.assert_close(means, glimpses.mean((-2, -1)), atol=1e-12, rtol=0)


def test_every_pixel_of_a_shrunk_window_has_a_gradient():
    features = torch.rand(1, 1, 28, 28, requires_grad=True)
    sample(features, torch.eye(2, 3).view(1, 1, 2, 3), (7, 7), axis_aligned=True).sum().backward()
    torch.testing.assert_close(features.grad, torch.full_like(features, 1 / 16))


@pytest.mark.parametrize("call", [sample, pooled])
@pytest.mark.parametrize(
    ("axis_aligned", "size"), [(True, (6, 7)), (True, (2, 2)), (False, (4, 3))]
)
def test_gradients_are_right_off_the_lattice(call, axis_aligned, size):
    features = torch.randn(2, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    theta = windows(2, 2, low=0.3, high=0.9, reach=0.4) if axis_aligned else affine(2, 2)
    assert torch.autograd.gradcheck(
        lambda features, theta: call(features, theta, size, axis_aligned=axis_aligned),
        (features, theta.requires_grad_()),
    )


def test_on_a_pixel_centre_the_gradient_is_the_mean_of_both_slopes():
    shift = torch.zeros((), requires_grad=True)
    kernel = area_kernel(torch.ones(()), shift, 4, 4)
    assert kernel.tolist() == torch.eye(4).tolist()
    sampled = kernel @ torch.tensor([0.0, 1.0, 10.0, 100.0])
    (slope,) = torch.autograd.grad(sampled[1], shift)
    assert slope == ((1 - 0) * 2 + (10 - 1) * 2) / 2  # a shift of 1 is two of the four pixels


def test_resize_area_averages_blocks_and_keeps_equal_sizes():
    maps = torch.rand(2, 3, 6, 8, dtype=torch.float64)
    torch.testing.assert_close(resize_area(maps, (6, 8)), maps, atol=1e-12, rtol=0)
    expected = F.adaptive_avg_pool2d(maps, (2, 4))
    torch.testing.assert_close(resize_area(maps, (2, 4)), expected, atol=1e-12, rtol=0)


def test_memory_layout_changes_nothing():
    features = torch.randn(2, 3, 8, 6)
    theta = windows(2, 4, low=0.2, high=1.2, dtype=torch.float32)
    wide = features.contiguous(memory_format=torch.channels_last)
    for call in (sample, pooled):
        for axis_aligned in (True, False):
            one = call(features, theta, (5, 4), axis_aligned=axis_aligned)
            other = call(wide, theta, (5, 4), axis_aligned=axis_aligned)
            torch.testing.assert_close(one, other)


def test_half_precision_features_are_sampled_at_float32_places():
    features = torch.randn(2, 3, 14, 10).bfloat16()
    theta = windows(2, 4, low=0.2, high=0.5, reach=0.4, dtype=torch.float32)
    for axis_aligned in (True, False):
        glimpses = sample(features, theta, (14, 10), axis_aligned=axis_aligned)
        exact = sample(features.double(), theta.double(), (14, 10), axis_aligned=axis_aligned)
        assert glimpses.dtype == torch.bfloat16
        torch.testing.assert_close(glimpses.double(), exact, atol=0.04, rtol=0)


def test_autocast_does_not_narrow_the_grid():
    features = torch.randn(2, 3, 28, 20)
    theta = affine(2, 4).float()
    expected = sample(features, theta, (28, 20))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        glimpses = sample(features, theta, (28, 20))
    torch.testing.assert_close(glimpses, expected)


@pytest.mark.parametrize("call", [sample, pooled])
def test_shapes_that_do_not_agree_are_told(call):
    theta = torch.zeros(2, 4, 2, 3)
    with pytest.raises(ValueError, match=r"features must be \(N, C, H, W\), got \(2, 3, 4, 5, 6\)"):
        call(torch.zeros(2, 3, 4, 5, 6), theta, (4, 4))
    with pytest.raises(ValueError, match=r"theta must be \(3, K, 2, 3\).*got \(2, 4, 2, 3\)"):
        call(torch.zeros(3, 3, 5, 6), theta, (4, 4))
    with pytest.raises(ValueError, match=r"got \(2, 2, 3\)"):
        call(torch.zeros(2, 3, 5, 6), theta[:, 0], (4, 4))
