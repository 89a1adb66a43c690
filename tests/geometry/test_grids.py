import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from stn_action.geometry.grids import FAR, generate_grid, pixel_centers, sample_grid
from stn_action.geometry.transforms import TRANSFORMS, build_transform

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
PADDINGS = ["zeros", "border"]
FAMILY_OF_KIND = {
    "affine": "affine",
    "projective": "projective",
    "spline": "tps",
    "volumetric": "volumetric",
}
KINDS = list(FAMILY_OF_KIND)


def random_theta(kind, *shape, spread=0.15, dtype=torch.float64):
    """Theta (*shape, *kind): a window of scale 0.7 and noise."""
    family = build_transform(FAMILY_OF_KIND[kind], 1, bounded=False, start_scale=0.7)
    raw = spread * torch.randn(*shape, 1, family.num_parameters, dtype=dtype)
    return family.build(raw).squeeze(-3)


def map_of(kind, *, dtype=torch.float64, requires_grad=False):
    size = (3, 5, 4) if kind == "volumetric" else (5, 4)
    return torch.randn(2, 3, *size, dtype=dtype, requires_grad=requires_grad)


def size_of(kind):
    return (2, 3, 4) if kind == "volumetric" else (3, 4)


def slow_spline(theta):
    """The weights (16, 2), affine part (3, 2) and centers (16, 2) of Bookstein's spline (1989)."""
    line = [-1, -1 / 3, 1 / 3, 1]
    centers = np.array([(x, y) for y in line for x in line])
    system = np.zeros((19, 19))
    for i, p in enumerate(centers):
        for j, q in enumerate(centers):
            r = math.hypot(*(p - q))
            system[i, j] = r**2 * math.log(r**2) if i != j else 0
        system[i, 16:] = system[16:, i] = (1, *p)
    solved = np.linalg.solve(system, np.concatenate([theta.numpy(), np.zeros((3, 2))]))
    return solved[:16], solved[16:], centers


def slow_place(theta, kind, place):
    """Where a place of the output comes from, by the formula of its kind."""
    if kind == "spline":
        weights, affine, centers = slow_spline(theta)
        result = affine[0] + place[0] * affine[1] + place[1] * affine[2]
        for weight, center in zip(weights, centers, strict=True):
            r = math.hypot(place[0] - center[0], place[1] - center[1])
            result = result + weight * (r**2 * math.log(r**2) if r > 0 else 0)
        return result.tolist()
    mapped = [sum(a * b for a, b in zip(row, [*place, 1.0], strict=True)) for row in theta.tolist()]
    return [mapped[0] / mapped[2], mapped[1] / mapped[2]] if kind == "projective" else mapped


@pytest.mark.parametrize("kind", KINDS)
def test_a_grid_agrees_with_loops(kind):
    theta = random_theta(kind, 2, 2)
    size = size_of(kind)
    grid = generate_grid(theta, size)
    assert grid.shape == (2, 2, *size, len(size))
    for index in np.ndindex(2, 2, *size):
        n, k, *pixel = index
        place = [(2 * i + 1) / s - 1 for i, s in zip(pixel, size, strict=True)][::-1]
        expected = slow_place(theta[n, k], kind, place)
        assert grid[index].tolist() == pytest.approx(expected, abs=1e-12)


def test_pixel_centers_by_hand():
    centers = pixel_centers((2, 4), torch.zeros((), dtype=torch.float64))
    assert centers.dtype == torch.float64
    assert centers[..., 0].tolist() == [[-0.75, -0.25, 0.25, 0.75]] * 2
    assert centers[..., 1].tolist() == [[-0.5] * 4, [0.5] * 4]


@pytest.mark.parametrize("family", TRANSFORMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_grid_of_the_identity_is_the_pixel_centers(family, dtype):
    transform = build_transform(family, 1, bounded=False)
    theta = transform.build(torch.zeros(1, 1, transform.num_parameters, dtype=dtype))
    size = (2, 5, 3) if family == "volumetric" else (5, 3)
    grid = generate_grid(theta, size)[0, 0]
    expected = pixel_centers(size[-2:], theta)
    assert grid.dtype == dtype
    for plane in grid if family == "volumetric" else [grid]:
        torch.testing.assert_close(plane[..., :2], expected, atol=TOLERANCE[dtype], rtol=0)
    if family == "volumetric":
        times = grid.new_tensor([-0.5, 0.5]).view(2, 1, 1).expand(2, 5, 3)
        torch.testing.assert_close(grid[..., 2], times, atol=TOLERANCE[dtype], rtol=0)


def test_a_sheared_affine_grid_by_hand():
    theta = torch.tensor([[0.5, 1.0, 0.25], [0.0, 2.0, -1.0]]).view(1, 1, 2, 3)
    grid = generate_grid(theta, (2, 1))  # places (0, -0.5) and (0, 0.5)
    torch.testing.assert_close(grid.view(2, 2), torch.tensor([[-0.25, -2.0], [0.75, 0.0]]))


def test_a_projective_grid_by_hand():
    theta = torch.tensor([[1.0, 0, 0], [0, 1, 0.5], [0.5, 0, 1]]).view(1, 1, 3, 3)
    grid = generate_grid(theta, (1, 2))  # places (-0.5, 0) and (0.5, 0), depths 0.75 and 1.25
    expected = torch.tensor([[-0.5 / 0.75, 0.5 / 0.75], [0.5 / 1.25, 0.5 / 1.25]])
    torch.testing.assert_close(grid.view(2, 2), expected)


def test_bilinear_values_by_hand():
    features = torch.tensor([[0.0, 1.0, 2.0, 3.0], [10.0, 20.0, 30.0, 40.0]]).view(1, 1, 2, 4)
    # sheared: the samples (x, y) in pixels are (0.5, 0.25) and (1.5, 0.75)
    theta = torch.tensor([[0.5, 0.0, -0.25], [0.5, 0.0, 0.0]]).view(1, 1, 2, 3)
    glimpse = sample_grid(features, theta, (1, 2), mode="bilinear", padding="zeros")
    expected = [0.75 * 0.5 + 0.25 * 15, 0.25 * 1.5 + 0.75 * 25]
    torch.testing.assert_close(glimpse.flatten(), torch.tensor(expected))


def test_nearest_values_by_hand():
    features = torch.tensor([[0.0, 1.0, 2.0, 3.0], [10.0, 20.0, 30.0, 40.0]]).view(1, 1, 2, 4)
    # the samples (x, y) in pixels are (0.7, 0.4) and (1.7, 0.9)
    theta = torch.tensor([[0.5, 0.0, -0.15], [0.5, 0.0, 0.15]]).view(1, 1, 2, 3)
    glimpse = sample_grid(features, theta, (1, 2), mode="nearest", padding="zeros")
    assert glimpse.flatten().tolist() == [1.0, 30.0]


def test_projective_values_by_hand():
    features = torch.tensor([[0.0, 1.0, 2.0, 3.0], [10.0, 20.0, 30.0, 40.0]]).view(1, 1, 2, 4)
    theta = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0.5, 0, 1]]).view(1, 1, 3, 3)
    glimpse = sample_grid(features, theta, (1, 2), mode="bilinear", padding="zeros")
    # x = -0.5 / 0.75 and 0.5 / 1.25 of the half width: pixels 1 / 6 and 2.3, in the middle of y
    expected = [(10 + 10 / 6 + 1 / 6) / 2, (30 + 3 + 2 + 0.3) / 2]
    torch.testing.assert_close(glimpse.flatten(), torch.tensor(expected))


def test_spline_values_by_hand():
    features = torch.tensor([[0.0, 1.0, 2.0, 3.0], [10.0, 20.0, 30.0, 40.0]]).view(1, 1, 2, 4)
    line = [-1, -1 / 3, 1 / 3, 1]
    # x scaled by 0.5 and shifted, y flipped; a spline does not bend what is affine
    places = [(0.5 * x - 0.25, -y) for y in line for x in line]
    theta = torch.tensor(places).view(1, 1, 16, 2)
    glimpse = sample_grid(features, theta, (2, 2), mode="bilinear", padding="zeros")
    torch.testing.assert_close(glimpse.flatten(), torch.tensor([15, 25, 0.5, 1.5]))


def test_volumetric_values_by_hand():
    features = torch.arange(24.0).view(1, 1, 2, 3, 4)  # 12 t + 4 y + x
    theta = torch.eye(3, 4) * 0.5
    theta[:, 3] = torch.tensor([0.25, -1 / 3, 0.25])
    theta[0, 2] = 0.25  # x leans with t
    glimpse = sample_grid(
        features, theta.view(1, 1, 3, 4), (2, 1, 1), mode="bilinear", padding="zeros"
    )
    # in pixels: t at 0.5 and 1, y at 0.5, x at 1.5 + 2 * (0.25 -+ 0.125)
    expected = [12 * 0.5 + 4 * 0.5 + 1.75, 12 * 1 + 4 * 0.5 + 2.25]
    torch.testing.assert_close(glimpse.flatten(), torch.tensor(expected))


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_many_windows_are_as_one_at_a_time(kind, padding, mode):
    features, theta, size = map_of(kind), random_theta(kind, 2, 3, spread=0.4), size_of(kind)
    glimpses = sample_grid(features, theta, size, mode=mode, padding=padding)
    assert glimpses.shape == (2, 3, 3, *size)
    for k in range(3):
        expected = F.grid_sample(
            features,
            generate_grid(theta[:, k : k + 1], size)[:, 0],
            mode=mode,
            padding_mode=padding,
            align_corners=False,
        )
        torch.testing.assert_close(glimpses[:, k], expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_a_glimpse_has_the_dtype_of_the_map(kind, dtype):
    features = map_of(kind, dtype=dtype)
    theta = random_theta(kind, 2, 1, dtype=torch.float32)
    glimpses = sample_grid(features, theta, size_of(kind), mode="bilinear", padding="zeros")
    exact = sample_grid(
        features.double(), theta.double(), size_of(kind), mode="bilinear", padding="zeros"
    )
    assert glimpses.dtype == dtype
    # only the result is rounded to bfloat16, by 2^-8 of it at most
    bound = exact.abs().max().item() * 2**-8 if dtype == torch.bfloat16 else 2e-5
    torch.testing.assert_close(glimpses.double(), exact, atol=bound, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_autocast_does_not_narrow_the_grid(kind):
    size = (2, 3, 60) if kind == "volumetric" else (3, 60)
    features = torch.arange(600.0).expand(2, 1, *size[:-1], 600)  # a pixel is 1
    theta = random_theta(kind, 2, 1, spread=0.05, dtype=torch.float32)
    expected = sample_grid(features, theta, size, mode="bilinear", padding="border")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        glimpses = sample_grid(features, theta, size, mode="bilinear", padding="border")
    assert glimpses.dtype == torch.float32
    torch.testing.assert_close(glimpses, expected, atol=0, rtol=0)


def test_behind_the_horizon_is_outside():
    # depth 1 + 2 x: the horizon is x = -0.5, between the first and the second of four columns
    theta = torch.tensor([[1.0, 0, 0], [0, 1, 0], [2, 0, 1]]).view(1, 1, 3, 3)
    features = torch.ones(1, 1, 3, 5)
    zeros = sample_grid(features, theta, (3, 4), mode="bilinear", padding="zeros")[0, 0, 0]
    assert zeros[:, 0].tolist() == [0, 0, 0]
    assert (zeros[:, 2:] > 0).all()
    ramp = torch.arange(15.0).view(1, 1, 3, 5)
    border = sample_grid(ramp, theta, (3, 4), mode="bilinear", padding="border")[0, 0, 0]
    assert border[:, 0].tolist() == [14, 14, 14]


def test_behind_the_horizon_there_is_no_gradient():
    def gradients(columns):
        theta = torch.tensor([[1.0, 0, 0.1], [0, 1, 0.1], [2, 0, 1]]).view(1, 1, 3, 3)
        theta.requires_grad_()
        features = torch.arange(15.0).view(1, 1, 3, 5).requires_grad_()
        glimpse = sample_grid(features, theta, (3, 4), mode="bilinear", padding="border")
        return torch.autograd.grad(glimpse[..., columns].sum(), (features, theta))

    features, theta = gradients(slice(0, 1))
    assert theta.abs().max() == 0
    assert features.flatten().tolist() == [0] * 14 + [3]
    everything = gradients(slice(0, 4))[1]
    torch.testing.assert_close(everything, gradients(slice(1, 4))[1])


def test_a_pixel_on_the_horizon_is_outside_and_has_no_gradient():
    theta = torch.tensor([[1.0, 0, 0.1], [0, 1, 0.1], [2, 0, 1]]).view(1, 1, 3, 3).requires_grad_()
    # the first of two columns is at x = -0.5, where the depth is 0
    glimpse = sample_grid(torch.ones(1, 1, 3, 5), theta, (3, 2), mode="bilinear", padding="zeros")
    assert glimpse[..., 0].abs().max() == 0
    (slope,) = torch.autograd.grad(glimpse[..., 0].sum(), theta)
    assert slope.abs().max() == 0


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("place", [2 * FAR, -2 * FAR, 1e30, math.inf, -math.inf, math.nan])
def test_what_is_far_off_lies_beyond_the_bottom_right(place, mode, padding):
    theta = torch.tensor([[0.5, 0, place], [0, 0.5, place]]).view(1, 1, 2, 3)
    features = torch.arange(1.0, 21).view(1, 1, 4, 5)
    glimpse = sample_grid(features, theta, (2, 3), mode=mode, padding=padding)
    assert glimpse.unique().tolist() == [0 if padding == "zeros" else 20]


@pytest.fixture(scope="module")
def kornia_transforms():
    from kornia.geometry import transform  # here: its import takes a second

    return transform


def interior(theta, size, map_hw):
    """Which samples lie at least a pixel inside the map: (N, h, w)."""
    grid = generate_grid(theta, size)[:, 0]
    margin = torch.tensor([2 / map_hw[1], 2 / map_hw[0]], dtype=grid.dtype)
    return (grid.abs() < 1 - margin).all(-1)


def pixels_to_normalized(height, width):
    """The matrix from pixel coordinates, centers at whole numbers, to normalized ones."""
    rows = [[2 / width, 0, 1 / width - 1], [0, 2 / height, 1 / height - 1], [0, 0, 1]]
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("align_corners", [True, False])
def test_affine_glimpses_agree_with_kornia_on_interior_pixels(kornia_transforms, align_corners):
    features = torch.randn(4, 2, 9, 12, dtype=torch.float64)
    theta, size = random_theta("affine", 4, 1), (7, 6)
    square = torch.cat([theta[:, 0], theta.new_tensor([[[0, 0, 1]]]).expand(4, 1, 3)], dim=1)
    output_to_input = pixels_to_normalized(9, 12).inverse() @ square @ pixels_to_normalized(*size)
    # kornia takes the map of pixels from input to output
    expected = kornia_transforms.warp_affine(
        features, output_to_input.inverse()[:, :2], size, align_corners=align_corners
    )
    glimpses = sample_grid(features, theta, size, mode="bilinear", padding="zeros")[:, 0]
    inside = interior(theta, size, (9, 12)).unsqueeze(1).expand_as(glimpses)
    assert inside.double().mean() > 0.5
    torch.testing.assert_close(glimpses[inside], expected[inside], atol=1e-10, rtol=0)


def test_homographies_agree_with_kornia_on_interior_pixels(kornia_transforms):
    features = torch.randn(4, 2, 9, 12, dtype=torch.float64)
    theta, size = random_theta("projective", 4, 1), (7, 6)
    expected = kornia_transforms.homography_warp(features, theta[:, 0], size, align_corners=False)
    glimpses = sample_grid(features, theta, size, mode="bilinear", padding="zeros")[:, 0]
    inside = interior(theta, size, (9, 12)).unsqueeze(1).expand_as(glimpses)
    assert inside.double().mean() > 0.5
    torch.testing.assert_close(glimpses[inside], expected[inside], atol=1e-10, rtol=0)


def test_splines_agree_with_kornia_on_interior_pixels(kornia_transforms):
    features = torch.randn(4, 2, 9, 12, dtype=torch.float64)
    theta, size = random_theta("spline", 4, 1), (9, 12)
    # `get_tps_transform` would put the kernels on the places instead of the control points; and
    # kornia's kernel is half of ours, and has an epsilon in the logarithm
    solved = [slow_spline(one) for one in theta[:, 0]]
    weights, affine, centers = (torch.tensor(np.stack(x)) for x in zip(*solved, strict=True))
    expected = kornia_transforms.warp_image_tps(
        features, centers, 2 * weights, affine, align_corners=False
    )
    glimpses = sample_grid(features, theta, size, mode="bilinear", padding="zeros")[:, 0]
    inside = interior(theta, size, (9, 12)).unsqueeze(1).expand_as(glimpses)
    assert inside.double().mean() > 0.5
    torch.testing.assert_close(glimpses[inside], expected[inside], atol=1e-6, rtol=0)
