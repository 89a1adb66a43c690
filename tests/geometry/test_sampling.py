import math
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from stn_action.geometry.clip_sampling import spatial_transformer
from stn_action.geometry.sampling import _LARGE_MAP, pooled, sample
from stn_action.geometry.theta import window_theta
from stn_action.geometry.transform_choices import PADDINGS, SAMPLERS
from stn_action.geometry.transforms import TRANSFORMS, build_transform
from tests.geometry.examples import windows
from tests.geometry.paper import integer, slow_gradients, slow_values, tent
from tests.pairs import cover_pairs

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
LAYOUTS = [torch.contiguous_format, torch.channels_last]
SEPARABLE = ("separable", "area")
CASES = [
    (name, sampler)
    for name, family in TRANSFORMS.items()
    for sampler in SAMPLERS
    if family.axis_aligned or sampler not in SEPARABLE
]
"""Every family with every sampler that applies to it."""
WINDOWS = {
    "inside": ([0.5, 0.4], [0.1, -0.2]),
    "outside": ([0.5, 0.4], [3.0, -2.5]),
    "partly outside": ([0.8, 0.6], [0.7, -0.9]),
    "flipped": ([-0.6, 0.5], [0.13, 0.21]),
    "degenerate": ([0.0, 0.0], [0.13, -0.37]),
}


def named_windows(name, *shape, dtype=torch.float64):
    scale, center = (torch.tensor(x, dtype=dtype).expand(*shape, 2) for x in WINDOWS[name])
    scale = scale * torch.empty_like(scale).uniform_(0.9, 1.1)
    return window_theta(scale, center + torch.empty_like(scale).uniform_(-0.05, 0.05))


def affine(*shape):
    base = torch.eye(2, 3, dtype=torch.float64) * 0.7
    return base + 0.2 * torch.randn(*shape, 2, 3, dtype=torch.float64)


def map_size(family):
    """Of a small map whose windows are shrunk along y alone, with `glimpse_size`."""
    return (3, 5, 4) if family == "volumetric" else (5, 4)


def glimpse_size(family):
    return (2, 2, 3) if family == "volumetric" else (2, 3)


def axes(theta):
    """The entries of axis-aligned theta: scales and centers (..., 2)."""
    return torch.stack([theta[..., 0, 0], theta[..., 1, 1]], dim=-1), theta[..., 2]


@pytest.mark.parametrize(
    ("family", "sampler", "dtype", "padding"), cover_pairs(CASES, list(TOLERANCE), PADDINGS)
)
def test_identity_returns_input(family, sampler, dtype, padding):
    transform = build_transform(family, 1, bounded=False)
    theta = transform.build(torch.zeros(2, 1, transform.num_parameters, dtype=dtype))
    options = {"axis_aligned": transform.axis_aligned, "sampler": sampler, "padding": padding}
    close = partial(torch.testing.assert_close, atol=min(1e-6, TOLERANCE[dtype]), rtol=0)
    for hw in ((5, 8), (7, 3), (2, 6), (1, 4)):
        size = (3, *hw) if family == "volumetric" else hw
        features = torch.rand(2, 3, *size, dtype=dtype)
        glimpses = sample(features, theta, size, **options)[:, 0]
        for borders in ((..., 0), (..., -1), (..., 0, slice(None)), (..., -1, slice(None))):
            close(glimpses[borders], features[borders])
        close(glimpses, features)
        close(spatial_transformer(features, theta[:, 0], **options), features)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("axis_aligned", [True, False])
def test_a_window_on_whole_pixels_is_a_slice(axis_aligned, sampler):
    features = torch.rand(1, 2, 8, 4)
    # columns 2 and 3 of 4, rows 2 to 5 of 8
    theta = window_theta(torch.tensor([0.5, 0.5]), torch.tensor([0.5, 0.0])).view(1, 1, 2, 3)
    glimpse = sample(features, theta, (4, 2), axis_aligned=axis_aligned, sampler=sampler)
    torch.testing.assert_close(glimpse[0, 0], features[0, :, 2:6, 2:])


@pytest.mark.parametrize("sampler", ["auto", "grid", "separable", "area"])
def test_a_window_between_pixels_by_hand(sampler):
    features = torch.tensor([[0.0, 1.0, 2.0, 3.0], [10.0, 20.0, 30.0, 40.0]]).view(1, 1, 2, 4)
    # x: columns 0.5 to 2.5 by pixel edges, sampled at 0.5 and 1.5; y: one sample at row 0.25
    theta = window_theta(torch.tensor([0.5, 0.25]), torch.tensor([-0.25, -0.25])).view(1, 1, 2, 3)
    glimpse = sample(features, theta, (1, 2), axis_aligned=True, sampler=sampler)
    expected = [0.75 * 0.5 + 0.25 * 15, 0.75 * 1.5 + 0.25 * 25]
    torch.testing.assert_close(glimpse.flatten(), torch.tensor(expected))


def test_a_shrunk_window_is_averaged_by_area_and_looked_up_by_the_others():
    features = torch.arange(24.0).view(1, 1, 4, 6)
    theta = torch.eye(2, 3).view(1, 1, 2, 3)
    blocks = [[(0 + 1 + 2 + 6 + 7 + 8) / 6, (3 + 4 + 5 + 9 + 10 + 11) / 6]]
    blocks += [[blocks[0][0] + 12, blocks[0][1] + 12]]
    for sampler in ("area", "auto"):
        glimpse = sample(features, theta, (2, 2), axis_aligned=True, sampler=sampler)
        torch.testing.assert_close(glimpse[0, 0, 0], torch.tensor(blocks))
    # a ramp has the same value between its pixels; a spike shows who looks at it
    spike = torch.zeros(1, 1, 4, 6)
    spike[..., 0, 0] = 6
    for sampler, value in (("area", 1), ("grid", 0), ("separable", 0)):
        glimpse = sample(spike, theta, (2, 2), sampler=sampler)
        torch.testing.assert_close(glimpse[0, 0, 0, 0, 0], torch.tensor(float(value)))


def test_nearest_by_hand():
    features = torch.arange(8.0).view(1, 1, 2, 4)
    # x: samples at 0.7 and 1.7 pixels; y: one at 0.4
    theta = window_theta(torch.tensor([0.5, 0.3]), torch.tensor([-0.15, -0.1])).view(1, 1, 2, 3)
    assert sample(features, theta, (1, 2), sampler="nearest").flatten().tolist() == [1, 2]


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("sampler", ["grid", "separable", "nearest"])
@pytest.mark.parametrize("window", WINDOWS)
def test_values_and_gradients_agree_with_the_papers_equations(window, sampler, padding):
    features = torch.randn(1, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    theta, size = named_windows(window, 1, 2), (3, 4)
    if sampler != "separable":
        theta[..., 0, 1], theta[..., 1, 0] = 0.2, -0.1
    theta.requires_grad_(sampler != "nearest")
    glimpses = sample(features, theta, size, sampler=sampler, padding=padding)
    kernel = integer if sampler == "nearest" else tent
    expected = slow_values(features, theta, size, kernel, padding)
    torch.testing.assert_close(glimpses, expected, atol=1e-12, rtol=0)
    if sampler == "nearest":
        return
    upstream = torch.randn_like(glimpses)
    found = torch.autograd.grad(glimpses, (features, theta), upstream)
    with torch.no_grad():
        expected = slow_gradients(features, theta, size, upstream, padding)
    torch.testing.assert_close(found[0], expected[0], atol=1e-12, rtol=0)
    if sampler == "separable":  # the other entries are not looked at
        found, expected = axes(found[1]), axes(expected[1])
    torch.testing.assert_close(found[1], expected[1], atol=1e-11, rtol=0)


def test_nearest_rounds_halves_up_as_the_paper_does():
    features = torch.arange(8.0).view(1, 1, 1, 8)
    # samples half way between two pixels: 2.5, 3.5, 4.5, 5.5
    theta = torch.tensor([[0.5, 0, 0.125], [0, 1, 0]]).view(1, 1, 2, 3)
    expected = slow_values(features, theta, (1, 4), integer, "zeros").flatten().tolist()
    assert expected == [3, 4, 5, 6]
    assert sample(features, theta, (1, 4), sampler="nearest").flatten().tolist() == expected


def test_area_is_the_papers_general_sampler_with_a_wider_kernel():
    features, size = torch.randn(1, 2, 9, 9, dtype=torch.float64), (4, 4)
    theta = (torch.eye(2, 3, dtype=torch.float64) * 0.8).view(1, 1, 2, 3)
    width = 0.8 * 9 / 4  # pixels under a sample

    def kernel(x, m):
        return max(0.0, min(x + width / 2, m + 0.5) - max(x - width / 2, m - 0.5)) / width

    expected = slow_values(features, theta, size, kernel, "zeros")
    glimpses = sample(features, theta, size, sampler="area")
    torch.testing.assert_close(glimpses, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("window", "sampler", "padding", "num_windows", "layout"),
    cover_pairs(list(WINDOWS), ["auto", "grid", "separable", "area"], PADDINGS, [1, 3], LAYOUTS),
)
def test_a_sampler_is_bilinear_grid_sample_where_nothing_is_shrunk(
    window, sampler, padding, num_windows, layout
):
    for dtype, tolerance in TOLERANCE.items():
        features = torch.randn(2, 4, 6, 9, dtype=dtype).contiguous(memory_format=layout)
        features.requires_grad_()
        theta = named_windows(window, 2, num_windows, dtype=dtype).requires_grad_()
        size = (8, 10)
        grid = F.affine_grid(theta.flatten(0, 1), [2 * num_windows, 4, *size], align_corners=False)
        repeated = features.repeat_interleave(num_windows, dim=0)
        expected = F.grid_sample(repeated, grid, padding_mode=padding, align_corners=False)
        expected = expected.unflatten(0, (2, num_windows))
        glimpses = sample(
            features, theta, size, axis_aligned=sampler == "auto", sampler=sampler, padding=padding
        )
        assert glimpses.dtype == dtype
        torch.testing.assert_close(glimpses, expected, atol=tolerance, rtol=0)

        upstream = torch.randn_like(expected)
        found = torch.autograd.grad(glimpses, (features, theta), upstream)
        wanted = torch.autograd.grad(expected, (features, theta), upstream)
        torch.testing.assert_close(found[0], wanted[0], atol=tolerance, rtol=tolerance)
        if sampler == "grid":
            found, wanted = [found[1]], [wanted[1]]
        else:
            found, wanted = axes(found[1]), axes(wanted[1])
        for one, other in zip(found, wanted, strict=True):  # sums of some hundred terms
            bound = tolerance * max(1.0, other.abs().max().item())
            torch.testing.assert_close(one, other, atol=bound, rtol=0)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(
    ("scale", "center"), [((0.9, 0.7), (0.05, 0.1)), ((-1.2, 0.8), (0.3, -0.9)), ((2, 2), (1, 3))]
)
def test_area_agrees_with_fine_numerical_integration(padding, scale, center):
    features = torch.rand(1, 1, 7, 12, dtype=torch.float64)
    theta = window_theta(torch.tensor(scale).double(), torch.tensor(center).double())
    (H, W), (h, w), fine = (7, 12), (2, 3), 500
    glimpse = sample(features, theta.view(1, 1, 2, 3), (h, w), sampler="area", padding=padding)
    columns, rows = (
        ((((torch.arange(n * fine).double() * 2 + 1) / (n * fine) - 1) * s + c + 1) / 2 * size)
        for n, s, c, size in zip((w, h), scale, center, (W, H), strict=True)
    )
    columns, rows = columns.floor().long(), rows.floor().long()
    points = features[0, 0][rows.clamp(0, H - 1)][:, columns.clamp(0, W - 1)]
    if padding == "zeros":
        points = points * ((columns >= 0) & (columns < W)) * ((rows >= 0) & (rows < H))[:, None]
    expected = points.unflatten(0, (h, fine)).unflatten(2, (w, fine)).mean((1, 3))
    torch.testing.assert_close(glimpse[0, 0, 0], expected, atol=5e-3, rtol=0)


@pytest.mark.parametrize(
    ("share", "map_hw", "padding", "layout"),
    cover_pairs(
        [0.9, 1.0, 1.7],
        [((6, 9),), ((_LARGE_MAP, 4),), ((4, _LARGE_MAP + 1),)],
        PADDINGS,
        LAYOUTS,
    ),
)
def test_auto_gives_equal_values_whichever_way_it_takes(share, map_hw, padding, layout):
    size = (5, 7)
    limit = torch.tensor([size[1] / map_hw[1], size[0] / map_hw[0]], dtype=torch.float64)
    center = torch.rand(2, 3, 2, dtype=torch.float64) - 0.5
    theta = window_theta(limit.expand(2, 3, 2) * share, center)
    for dtype, tolerance in (*TOLERANCE.items(), (torch.bfloat16, 0.1)):
        features = torch.randn(2, 3, *map_hw).to(dtype).contiguous(memory_format=layout)
        given = theta.to(torch.float64 if dtype == torch.float64 else torch.float32)
        glimpses = sample(features, given, size, axis_aligned=True, padding=padding)
        assert glimpses.dtype == dtype
        for sampler in ("area", "grid") if share <= 1 else ("area",):
            expected = sample(features, given, size, sampler=sampler, padding=padding)
            torch.testing.assert_close(glimpses, expected, atol=tolerance, rtol=0)


def test_outside_the_map_everything_is_zero_or_the_border():
    theta = window_theta(torch.tensor([0.5, 0.5]), torch.tensor([3.0, 0.0])).view(1, 1, 2, 3)
    features = torch.rand(1, 1, 6, 4) + 1
    for sampler in SAMPLERS:
        zeros = sample(features, theta, (3, 3), axis_aligned=True, sampler=sampler)
        assert zeros.abs().max() == 0
        border = sample(
            features, theta, (3, 3), axis_aligned=True, sampler=sampler, padding="border"
        )[0, 0, 0]
        torch.testing.assert_close(border, border[:, :1].expand(3, 3))
        assert (border >= 1).all()


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("size", [(3, 2), (9, 11)])
def test_pooled_is_the_mean_of_the_glimpses(size, padding):
    features = torch.randn(2, 3, 8, 6, dtype=torch.float64)
    axis_aligned, turned = windows(2, 4, low=0.2, high=1.2), affine(2, 4)
    for theta, options in (
        (axis_aligned, {"axis_aligned": True, "sampler": "area"}),
        (axis_aligned, {"sampler": "separable"}),
        (axis_aligned, {"sampler": "area"}),
        (axis_aligned, {"axis_aligned": True}),
        (turned, {"sampler": "nearest"}),
        (turned, {"sampler": "grid"}),
        (turned, {}),
    ):
        wanted = dict(options, sampler="area") if "axis_aligned" in options else options
        glimpses = sample(features, theta, size, padding=padding, **wanted)
        means = pooled(features, theta, size, padding=padding, **options)
        assert means.shape == (2, 4, 3)
        torch.testing.assert_close(means, glimpses.mean((-2, -1)), atol=1e-12, rtol=0)


def test_pooled_keeps_the_time_of_volumes():
    features = torch.randn(2, 3, 4, 6, 5, dtype=torch.float64)
    theta = 0.6 * torch.eye(3, 4, dtype=torch.float64) + 0.1 * torch.randn(2, 2, 3, 4).double()
    means = pooled(features, theta, (3, 4, 4))
    assert means.shape == (2, 2, 3, 3)
    expected = sample(features, theta, (3, 4, 4)).mean((-2, -1))
    torch.testing.assert_close(means, expected, atol=1e-12, rtol=0)


def test_every_pixel_of_a_shrunk_window_has_a_gradient():
    features = torch.rand(1, 1, 28, 28, requires_grad=True)
    sample(features, torch.eye(2, 3).view(1, 1, 2, 3), (7, 7), axis_aligned=True).sum().backward()
    torch.testing.assert_close(features.grad, torch.full_like(features, 1 / 16))


def test_a_window_on_a_ramp_is_a_flatter_ramp():
    ramp = torch.arange(12.0).expand(1, 1, 8, 12)
    theta = window_theta(torch.tensor([0.5, 0.5]), torch.tensor([0.25, 0.0])).view(1, 1, 2, 3)
    once = sample(ramp, theta, (8, 12), axis_aligned=True)[:, 0]
    # columns from 4.5 to 10.5 by pixel edges, half a pixel a step
    torch.testing.assert_close(once[0, 0, 0], 4.25 + torch.arange(12) / 2)


def has_double_backward(dimensions):
    """Older versions of PyTorch have none of `grid_sample`."""
    features = torch.rand(1, 1, *[2] * dimensions, requires_grad=True)
    grid = torch.zeros(1, *[1] * dimensions, dimensions)
    sampled = F.grid_sample(features, grid, align_corners=False)
    (slope,) = torch.autograd.grad(sampled.sum(), features, create_graph=True)
    try:
        slope.sum().backward()
    except RuntimeError as error:
        return "not implemented" not in str(error)
    return True


DOUBLE_BACKWARD = {dimensions: has_double_backward(dimensions) for dimensions in (2, 3)}


@pytest.mark.parametrize(
    ("family", "sampler", "call", "padding"),
    cover_pairs(
        [case for case in CASES if case[1] not in ("auto", "nearest")],
        [sample, pooled, spatial_transformer],
        PADDINGS,
    ),
)
def test_gradients_are_right_off_the_lattice(family, sampler, call, padding):
    transform = build_transform(family, 2, bounded=False)
    features = torch.randn(1, 1, *map_size(family), dtype=torch.float64, requires_grad=True)
    raw = 0.3 * torch.randn(1, 2, transform.num_parameters, dtype=torch.float64)

    def result(features, raw):
        theta = transform.build(raw)
        return call(features, theta, glimpse_size(family), sampler=sampler, padding=padding)

    inputs = (features, raw.requires_grad_())
    assert torch.autograd.gradcheck(result, inputs)
    if sampler in SEPARABLE or DOUBLE_BACKWARD[features.dim() - 2]:
        assert torch.autograd.gradgradcheck(result, inputs)


@pytest.mark.parametrize("sampler", ["auto", "grid"])
def test_gradients_of_turned_glimpses_are_right_off_the_lattice(sampler):
    features = torch.randn(2, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    theta = affine(2, 2).requires_grad_()
    for call in (sample, pooled):
        assert torch.autograd.gradcheck(
            partial(call, size=(4, 3), sampler=sampler), (features, theta)
        )


def slopes_at_the_identity(sampler, padding):
    """Of each sample by a shift of one pixel along x, then along y: (2, 4, 8); the padded map."""
    features = torch.randn(1, 1, 4, 8, dtype=torch.float64)
    theta = torch.eye(2, 3, dtype=torch.float64).view(1, 1, 2, 3).requires_grad_()
    glimpse = sample(features, theta, (4, 8), sampler=sampler, padding=padding)
    slopes = torch.zeros(2, 4, 8, dtype=torch.float64)
    for index in np.ndindex(4, 8):
        value = glimpse[(0, 0, 0, *index)]
        (slope,) = torch.autograd.grad(value, theta, retain_graph=True)
        slopes[(slice(None), *index)] = slope[0, 0, :, 2] * torch.tensor([2 / 8, 2 / 4])
    mode = "constant" if padding == "zeros" else "replicate"
    return slopes, F.pad(features, (1, 1, 1, 1), mode=mode)[0, 0]


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("sampler", ["separable", "area"])
def test_at_the_identity_the_gradient_is_the_mean_of_both_slopes(sampler, padding):
    slopes, padded = slopes_at_the_identity(sampler, padding)
    by_x = (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2
    by_y = (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
    torch.testing.assert_close(slopes, torch.stack([by_x, by_y]), atol=1e-12, rtol=0)


@pytest.mark.parametrize("padding", PADDINGS)
def test_at_the_identity_the_gradient_of_grid_is_the_slope_to_the_right_and_below(padding):
    slopes, padded = slopes_at_the_identity("grid", padding)
    by_x = padded[1:-1, 2:] - padded[1:-1, 1:-1]
    by_y = padded[2:, 1:-1] - padded[1:-1, 1:-1]
    expected = torch.stack([by_x, by_y])
    if padding == "border":  # on the border's own pixels it is the slope outside
        expected[0, :, 0] = expected[1, 0, :] = 0
    torch.testing.assert_close(slopes, expected, atol=1e-12, rtol=0)


BAD = [math.nan, math.inf, -math.inf, 1e30, -1e30]


def bad_theta(family, entries, value, dtype=torch.float32):
    transform = build_transform(family, 1, start_scale=0.7, bounded=False)
    theta = transform.build(torch.zeros(1, 1, transform.num_parameters, dtype=dtype)).clone()
    for row, column in entries:
        theta[..., row, column] = value
    return theta


def entries_of(family):
    """Those that every sampler looks at; the last one of a homography is always 1."""
    rows, columns = TRANSFORMS[family].theta_shape
    if TRANSFORMS[family].axis_aligned:
        return [(0, 0), (0, 2), (1, 1), (1, 2)]
    every = list(np.ndindex(rows, columns))
    return every[:-1] if family == "projective" else every


KIND_CASES = [c for c in CASES if c[0] in ("anisotropic", "affine", "projective", "tps")]
KIND_CASES += [c for c in CASES if c[0] == "volumetric"]


def run_on(family, sampler, theta, padding, call):
    """The result, its gradient by theta (None for nearest) and that by the map, and the map."""
    size = (2, 2, 4) if family == "volumetric" else (2, 4)
    features = (torch.rand(1, 2, *map_size(family)) + 1).requires_grad_()
    theta.requires_grad_(sampler != "nearest")
    axis_aligned = TRANSFORMS[family].axis_aligned
    result = call(
        features, theta, size, axis_aligned=axis_aligned, sampler=sampler, padding=padding
    )
    result.sum().backward()
    return result.detach(), theta.grad, features.grad, features.detach()


@pytest.mark.parametrize(
    ("family", "sampler", "padding", "value"), cover_pairs(KIND_CASES, PADDINGS, BAD)
)
def test_theta_that_is_nowhere_gives_zeros_or_the_border_and_no_gradient(
    family, sampler, padding, value
):
    entries = entries_of(family)
    if family == "projective" and math.isfinite(value):
        entries = entries[:6]  # in the last row as well the factors would cancel
    for call in (sample, pooled):
        theta = bad_theta(family, entries, value)
        result, slope, to_features, features = run_on(family, sampler, theta, padding, call)
        corner = features.flatten(2)[..., -1]  # the bottom right
        expected = corner if padding == "border" else torch.zeros_like(corner)
        expected = expected.view(1, 1, 2, *[1] * (result.dim() - 3)).expand_as(result)
        torch.testing.assert_close(result, expected, atol=1e-6, rtol=0)
        assert slope is None or slope.abs().max() == 0
        to_features = to_features.flatten(2)
        assert to_features[..., :-1].abs().max() == 0
        assert (to_features[..., -1] > 0).all() == (padding == "border")


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize(("family", "sampler"), KIND_CASES)
def test_one_bad_entry_of_theta_spoils_nothing(family, sampler, value):
    for entry in entries_of(family):
        for padding in PADDINGS:
            theta = bad_theta(family, [entry], value)
            result, slope, to_features, _ = run_on(family, sampler, theta, padding, sample)
            assert result.isfinite().all()
            assert to_features.isfinite().all()
            assert slope is None or slope.isfinite().all(), f"at {entry}"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("family", "sampler"), KIND_CASES)
def test_one_entry_of_theta_that_is_not_finite_puts_the_glimpse_outside(family, sampler, value):
    for entry in entries_of(family):
        theta = bad_theta(family, [entry], value)
        result, slope, to_features, _ = run_on(family, sampler, theta, "zeros", sample)
        assert result.abs().max() == 0, f"at {entry}"
        assert to_features.abs().max() == 0
        assert slope is None or slope.abs().max() == 0, f"at {entry}"


@pytest.mark.parametrize("sampler", ["auto", "grid", "separable", "area"])
@pytest.mark.parametrize("scale", [math.nan, math.inf, 1e30, -2e4])
def test_not_even_the_middle_of_a_window_that_is_nowhere_is_inside(scale, sampler):
    theta = torch.tensor([[scale, 0, 0.1], [0, scale, 0.1]]).view(1, 1, 2, 3)
    glimpse = sample(torch.rand(1, 2, 5, 4) + 1, theta, (3, 1), axis_aligned=True, sampler=sampler)
    assert glimpse.abs().max() == 0


@pytest.mark.parametrize("call", [sample, pooled])
@pytest.mark.parametrize("sampler", ["auto", "grid", "separable", "area"])
@pytest.mark.parametrize("shift", [math.nan, math.inf, -math.inf, 2e4])
def test_a_window_larger_than_the_map_that_is_nowhere_is_outside_too(shift, sampler, call):
    features = torch.rand(1, 2, 4, 6) + 1
    theta = torch.tensor([[4.0, 0, shift], [0, 4, shift]]).view(1, 1, 2, 3)
    result = call(features, theta, (1, 1), axis_aligned=True, sampler=sampler)
    assert result.abs().max() == 0


def test_a_bad_window_spoils_no_other():
    features = torch.rand(2, 2, 6, 5, requires_grad=True)
    good = windows(2, 3, low=0.3, high=0.6, dtype=torch.float32)
    for sampler in ("auto", "grid", "separable", "area"):
        bad = good.clone()
        bad[0, 1] = math.nan
        bad.requires_grad_()
        glimpses = sample(features, bad, (4, 3), axis_aligned=True, sampler=sampler)
        expected = sample(features, good, (4, 3), axis_aligned=True, sampler=sampler)
        kept = torch.tensor([[True, False, True], [True, True, True]])
        torch.testing.assert_close(glimpses[kept], expected[kept])
        slope, to_features = torch.autograd.grad(glimpses.sum(), (bad, features))
        assert slope.isfinite().all()
        assert (slope[kept].flatten(1).abs().amax(1) > 0).all()
        assert to_features.isfinite().all()


def test_a_glimpse_half_behind_the_horizon_has_a_finite_gradient():
    theta = torch.tensor([[1.0, 0, 0.1], [0, 1, 0.1], [2, 0, 1]]).view(1, 1, 3, 3).requires_grad_()
    glimpse = sample(torch.rand(1, 2, 5, 4), theta, (3, 4))
    assert glimpse[..., 0].abs().max() == 0
    (slope,) = torch.autograd.grad(glimpse.sum(), theta)
    assert slope.isfinite().all()


@pytest.mark.parametrize("call", [sample, pooled])
@pytest.mark.parametrize("axis_aligned", [True, False])
def test_memory_layout_changes_nothing(call, axis_aligned):
    features = torch.randn(2, 3, 8, 6)
    theta = windows(2, 4, low=0.2, high=1.2, dtype=torch.float32)
    wide = features.contiguous(memory_format=torch.channels_last)
    for sampler in SAMPLERS:
        for padding in PADDINGS:
            options = {"axis_aligned": axis_aligned, "sampler": sampler, "padding": padding}
            one = call(features, theta, (5, 4), **options)
            torch.testing.assert_close(one, call(wide, theta, (5, 4), **options))


def test_memory_layout_of_a_volume_changes_nothing():
    features = torch.randn(2, 3, 4, 8, 6)
    theta = 0.6 * torch.eye(3, 4) + 0.1 * torch.randn(2, 2, 3, 4)
    wide = features.contiguous(memory_format=torch.channels_last_3d)
    for sampler in ("auto", "grid", "nearest"):
        one = sample(features, theta, (2, 5, 4), sampler=sampler)
        torch.testing.assert_close(one, sample(wide, theta, (2, 5, 4), sampler=sampler))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("sampler", SEPARABLE)
def test_separable_glimpses_have_the_layout_of_the_map(sampler, layout):
    features = torch.randn(2, 3, 8, 6).contiguous(memory_format=layout)
    theta = windows(2, 4, low=0.2, high=1.2, dtype=torch.float32)
    glimpses = sample(features, theta, (5, 4), sampler=sampler)
    assert glimpses.flatten(0, 1).is_contiguous(memory_format=layout)


ROUNDING = 2**-8
"""The largest relative error of rounding to bfloat16."""


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("call", [sample, pooled])
@pytest.mark.parametrize("sampler", ["auto", "grid", "separable", "area"])
def test_half_precision_features_are_sampled_at_float32_places(sampler, call, layout):
    features = torch.randn(2, 3, 14, 40).bfloat16().contiguous(memory_format=layout)
    theta = windows(2, 4, low=0.2, high=0.9, dtype=torch.float32)
    options = {"axis_aligned": sampler == "auto", "sampler": sampler}
    result = call(features, theta, (14, 10), **options)
    exact = call(features.float(), theta, (14, 10), **options)
    assert result.dtype == torch.bfloat16
    # two kernels, the product between them and the result are rounded; a kernel's row sums to one
    # at most; with grid the result alone, and the mean
    bound = (2 if sampler == "grid" else 4) * 1.02 * ROUNDING * features.abs().max().item()
    torch.testing.assert_close(result.float(), exact, atol=bound, rtol=0)


@pytest.mark.parametrize("sampler", ["grid", "separable", "area"])
def test_autocast_narrows_the_products_but_not_the_places(sampler):
    ramp = torch.arange(64.0).expand(2, 1, 8, 64)
    theta = windows(2, 4, low=0.2, high=0.3, reach=0.5, dtype=torch.float32)
    expected = sample(ramp, theta, (8, 64), sampler=sampler)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        glimpses = sample(ramp, theta, (8, 64), sampler=sampler)
    if sampler == "grid":
        torch.testing.assert_close(glimpses, expected, atol=0, rtol=0)
    else:
        assert glimpses.dtype == torch.bfloat16
        # what half precision does to the map and the products, and nothing more
        torch.testing.assert_close(glimpses.float(), expected, atol=4.1 * ROUNDING * 63, rtol=0)
        narrow = sample(ramp.bfloat16(), theta, (8, 64), sampler=sampler)
        torch.testing.assert_close(glimpses, narrow, atol=0, rtol=0)


def test_autocast_does_not_narrow_the_grid():
    features = torch.randn(2, 3, 28, 20)
    theta = affine(2, 4).float()
    expected = sample(features, theta, (28, 20))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        glimpses = sample(features, theta, (28, 20))
    torch.testing.assert_close(glimpses, expected, atol=0, rtol=0)


@pytest.mark.parametrize("call", [sample, pooled])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_float64_stays_float64(sampler, call):
    features = torch.rand(2, 3, 6, 5, dtype=torch.float64)
    theta = windows(2, 4, low=0.2, high=0.9)
    result = call(features, theta, (4, 3), sampler=sampler)
    assert result.dtype == torch.float64
    if sampler != "nearest":
        narrow = call(features.float(), theta.float(), (4, 3), sampler=sampler)
        assert 0 < (result - narrow).abs().max() < 1e-5


def test_theta_in_half_precision_is_widened():
    features, theta = torch.rand(2, 3, 6, 5), affine(2, 4).bfloat16()
    for sampler in SAMPLERS:
        glimpses = sample(features, theta, (4, 3), sampler=sampler)
        torch.testing.assert_close(
            glimpses, sample(features, theta.float(), (4, 3), sampler=sampler), atol=0, rtol=0
        )


@pytest.mark.parametrize("call", [sample, pooled])
def test_shapes_that_do_not_agree_are_reported(call):
    theta = torch.zeros(2, 4, 2, 3)
    with pytest.raises(ValueError, match=r"features must be \(N, C, H, W\), got \(2, 3, 4, 5, 6\)"):
        call(torch.zeros(2, 3, 4, 5, 6), theta, (4, 4))
    with pytest.raises(ValueError, match=r"features must be \(N, C, T, H, W\), got \(2, 3, 5, 6\)"):
        call(torch.zeros(2, 3, 5, 6), torch.zeros(2, 4, 3, 4), (4, 4, 4))
    with pytest.raises(ValueError, match=r"features must be floating point, got torch.uint8"):
        call(torch.zeros(2, 3, 5, 6, dtype=torch.uint8), torch.rand(2, 4, 2, 3), (4, 4))
    with pytest.raises(ValueError, match=r"theta must be \(3, K, 2, 3\).*got \(2, 4, 2, 3\)"):
        call(torch.zeros(3, 3, 5, 6), theta, (4, 4))
    with pytest.raises(ValueError, match=r"theta must be \(2, K, 2, 3\).*got \(2, 2, 3\)"):
        call(torch.zeros(2, 3, 5, 6), theta[:, 0], (4, 4))
    with pytest.raises(ValueError, match=r"theta must end in one of .*got shape \(2, 4, 2, 2\)"):
        call(torch.zeros(2, 3, 5, 6), theta[..., :2], (4, 4))


@pytest.mark.parametrize("call", [sample, pooled])
def test_a_wrong_size_is_reported(call):
    features, theta = torch.zeros(2, 3, 5, 6), torch.zeros(2, 4, 2, 3)
    with pytest.raises(ValueError, match=r"size must be \(h, w\), each at least 1, got \(4,\)"):
        call(features, theta, (4,))
    with pytest.raises(ValueError, match=r"size must be \(h, w\), each at least 1, got \(4, 4, 4"):
        call(features, theta, (4, 4, 4))
    with pytest.raises(ValueError, match=r"size must be \(h, w\), each at least 1, got \(4, 0\)"):
        call(features, theta, (4, 0))
    with pytest.raises(ValueError, match=r"size must be \(t, h, w\), each at least 1, got \(4, 4"):
        call(torch.zeros(2, 3, 4, 5, 6), torch.zeros(2, 4, 3, 4), (4, 4))


@pytest.mark.parametrize("axis_aligned", [True, False])
@pytest.mark.parametrize("call", [sample, pooled, spatial_transformer])
def test_a_wrong_sampler_or_padding_is_reported_with_the_right_ones(call, axis_aligned):
    features, theta = torch.zeros(2, 3, 5, 6), torch.zeros(2, 4, 2, 3)
    wrong = partial(call, features, theta, (4, 4), axis_aligned=axis_aligned)
    with pytest.raises(ValueError, match=r"sampler must be one of \('auto', .*got 'cubic'"):
        wrong(sampler="cubic")
    for sampler in SAMPLERS:
        with pytest.raises(ValueError, match=r"padding must be one of \('zeros', 'border'\), got"):
            wrong(sampler=sampler, padding="reflection")


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("call", [sample, pooled])
@pytest.mark.parametrize("family", ["projective", "tps", "volumetric"])
def test_axis_aligned_says_nothing_of_other_kinds_of_theta(family, call, layout):
    transform = build_transform(family, 2, bounded=False)
    theta = transform.build(0.2 * torch.randn(1, 2, transform.num_parameters))
    features = torch.randn(1, 3, *map_size(family))
    if layout == "channels_last":
        features = features.movedim(1, -1).contiguous().movedim(-1, 1)
    size = glimpse_size(family)
    expected = call(features, theta, size, sampler="grid")
    result = call(features, theta, size, axis_aligned=True)
    torch.testing.assert_close(result, expected)


@pytest.mark.parametrize("call", [sample, pooled])
@pytest.mark.parametrize("sampler", SEPARABLE)
@pytest.mark.parametrize("kind", [(3, 3), (16, 2), (3, 4)])
def test_separable_samplers_refuse_other_kinds_of_theta(kind, sampler, call):
    size = (4, 4, 4) if kind == (3, 4) else (4, 4)
    features = torch.zeros(2, 3, *size)
    with pytest.raises(
        ValueError, match=rf"sampler '{sampler}' is for axis-aligned theta .*'grid'"
    ):
        call(features, torch.zeros(2, 4, *kind), size, sampler=sampler)


@pytest.mark.parametrize("call", [sample, pooled, spatial_transformer])
def test_nearest_refuses_theta_that_wants_a_gradient(call):
    features, theta = torch.rand(2, 3, 5, 6), affine(2, 4).requires_grad_()
    with pytest.raises(ValueError, match=r"'nearest' has no gradient for theta: detach theta"):
        call(features, theta, (4, 4), sampler="nearest")
    with torch.no_grad():
        evaluated = call(features, theta, (4, 4), sampler="nearest")
    detached = call(features, theta.detach(), (4, 4), sampler="nearest")
    torch.testing.assert_close(evaluated, detached, atol=0, rtol=0)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "call", [partial(sample, sampler="separable"), partial(sample, sampler="area"), pooled]
)
def test_two_backward_passes_on_cuda_agree_bit_for_bit(call, layout, monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # PyTorch asks for it
    features = torch.randn(4, 16, 28, 20, device="cuda").contiguous(memory_format=layout)
    features.requires_grad_()
    theta = windows(4, 3, low=0.2, high=1.2, dtype=torch.float32).cuda().requires_grad_()
    torch.use_deterministic_algorithms(True)
    try:
        one, other = (
            torch.autograd.grad(
                call(features, theta, (7, 9), axis_aligned=True).square().sum(), (features, theta)
            )
            for _ in range(2)
        )
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
