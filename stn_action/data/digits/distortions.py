"""The distortions of digits in the spatial transformer paper, many digits at a time.

Jaderberg et al. 2015 (arXiv 1506.02025), section 4.1 and appendix A.4:

- R: rotated by up to 90 degrees
- RTS: rotated by up to 45 degrees, scaled by 0.7 to 1.2, at a random place of the canvas
- P: scaled by 0.75 to 1, then each corner moved by N(0, 5 pixels): a projective map
- E: scaled by 0.75 to 1, then a grid of 4 x 4 points moved by N(0, 1.5 pixels): a thin-plate spline
- TC: the digit anywhere on the canvas, and six patches of 6 x 6 pixels of other digits

The paper does not tell how patches meet the digit: here the brighter pixel wins. In E the points
move in the digit, not on the canvas, which is the direction that a spline of theta has.

Convention:
    - a distortion is a function of numbers that are drawn before, so that all is repeatable
    - theta maps canvas to digit, both normalized; see `geometry.theta`

Letters: B digits, h, w a digit, H, W the canvas.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from stn_action.data.data_choices import DistortionName
from stn_action.errors import InputError
from stn_action.geometry.sampling import sample
from stn_action.geometry.splines import NUM_CONTROL_POINTS, control_points

DIGIT_SIZE = 28
"""Height and width of a digit in pixels, which P and E move points by."""
NUM_PATCHES = 6
PATCH_SIZE = 6


class Draws(NamedTuple):
    """The random numbers of B digits."""

    uniform: Tensor
    """(B, U) float32, in [0, 1)."""
    normal: Tensor
    """(B, V) float32, of a standard normal distribution."""

    def select(self, rows: Tensor) -> "Draws":
        """Return the numbers of some digits."""
        return Draws(self.uniform[rows], self.normal[rows])


@dataclass(frozen=True)
class Distortion:
    """One distortion: how many numbers it needs, and what it makes of them."""

    num_uniform: int
    num_normal: int
    theta: Callable[[Draws, tuple[float, float]], Tensor] | None
    """Called with the draws and the size of the canvas in digits (x, y); None: TC, which copies
    pixels."""
    canvas: int
    """Usual height and width, in pixels."""

    def draw(self, count: int, generator: torch.Generator) -> Draws:
        """Draw the numbers of `count` digits."""
        return Draws(
            torch.rand(count, self.num_uniform, generator=generator),
            torch.randn(count, self.num_normal, generator=generator),
        )


def distort(
    name: DistortionName, digits: Tensor, draws: Draws, size_hw: tuple[int, int], others: Tensor
) -> Tensor:
    """Return distorted digits on black canvases.

    Args:
        name: a key of `DISTORTIONS`.
        digits: (B, h, w) uint8.
        draws: of its `draw`, for B digits.
        size_hw: H, W of the canvas.
        others: (N, h, w) uint8, digits of which TC takes patches.

    Returns:
        (B, H, W) uint8.

    Raises:
        InputError: the canvas is smaller than a digit.
    """
    _require_canvas(digits, size_hw)
    (h, w), (H, W) = digits.shape[1:], size_hw
    distortion = DISTORTIONS[name]
    if distortion.theta is None:
        return clutter(digits, draws.uniform, size_hw, others)
    theta = distortion.theta(draws, (W / w, H / h))
    canvas = sample(digits[:, None].float(), theta[:, None], size_hw)  # (B, 1, 1, H, W)
    return canvas[:, 0, 0].round().clamp(0, 255).byte()


def clutter(digits: Tensor, uniform: Tensor, size_hw: tuple[int, int], others: Tensor) -> Tensor:
    """Place digits on black canvases, then patches of other digits.

    Args:
        digits: (B, h, w) uint8.
        uniform: (B, 2 + 5 * P) in [0, 1), the place of the digit and of each of P patches.
        size_hw: H, W of the canvas.
        others: (N, h, w) uint8, digits of which the patches are taken.

    Returns:
        (B, H, W) uint8.

    Raises:
        InputError: the canvas is smaller than a digit.
    """
    _require_canvas(digits, size_hw)
    B, h, w = digits.shape
    canvas = digits.new_zeros(B, *size_hw)
    canvas[_pixels(_places(uniform[:, :2], size_hw, (h, w)), (h, w))] = digits
    patch_hw = PATCH_SIZE, PATCH_SIZE
    for first in range(2, uniform.shape[1], 5):
        numbers = uniform[:, first : first + 5]
        chosen = others[_below(numbers[:, 0], len(others))]
        patches = _cut(chosen, _places(numbers[:, 1:3], (h, w), patch_hw), patch_hw)
        _paste(canvas, patches, _places(numbers[:, 3:5], size_hw, patch_hw))
    return canvas


def digit_boxes(uniform: Tensor, size_hw: tuple[int, int], digit_hw: tuple[int, int]) -> Tensor:
    """Return where `clutter` places digits: boxes (B, 4), xyxy in pixels, float32.

    Args:
        uniform: as of `clutter`.
        size_hw: H, W of the canvas.
        digit_hw: h, w of a digit.
    """
    top_left = _places(uniform[:, :2], size_hw, digit_hw).flip(1)  # (B, 2), x and y
    return torch.cat([top_left, top_left + torch.tensor(digit_hw).flip(0)], dim=1).float()


def centered(digits: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Return digits (B, h, w) in the middle of black canvases (B, H, W).

    Raises:
        InputError: the canvas is smaller than a digit.
    """
    _require_canvas(digits, size_hw)
    (h, w), (H, W) = digits.shape[1:], size_hw
    top, left = (H - h) // 2, (W - w) // 2
    return F.pad(digits, (left, W - w - left, top, H - h - top))


def _require_canvas(digits: Tensor, size_hw: tuple[int, int]) -> None:
    h, w = digits.shape[1:]
    if size_hw[0] < h or size_hw[1] < w:
        raise InputError(
            f"data.crop.size {list(size_hw)}: the canvas is smaller than a digit; expected at "
            f"least [{h}, {w}]"
        )


def _rotated(draws: Draws, canvas_xy: tuple[float, float]) -> Tensor:
    angle = (2 * draws.uniform[:, 0] - 1) * math.radians(90)
    return _similarity(angle, torch.ones_like(angle), angle.new_zeros(len(angle), 2), canvas_xy)


def _rotated_scaled_placed(draws: Draws, canvas_xy: tuple[float, float]) -> Tensor:
    angle = (2 * draws.uniform[:, 0] - 1) * math.radians(45)
    scale = 0.7 + 0.5 * draws.uniform[:, 1]
    canvas = draws.uniform.new_tensor(canvas_xy)
    reach = (1 - scale[:, None] / canvas).clamp(min=0)  # of the center of a box inside the canvas
    return _similarity(angle, scale, (2 * draws.uniform[:, 2:4] - 1) * reach, canvas_xy)


def _similarity(
    angle: Tensor, scale: Tensor, center: Tensor, canvas_xy: tuple[float, float]
) -> Tensor:
    """Return theta (B, 2, 3) of digits that are turned and scaled about `center` on the canvas."""
    cos, sin = torch.cos(angle), torch.sin(angle)
    turned = torch.stack([torch.stack([cos, sin], -1), torch.stack([-sin, cos], -1)], dim=-2)
    linear = turned * (angle.new_tensor(canvas_xy) / scale[:, None])[:, None, :]  # (B, 2, 2)
    return torch.cat([linear, -linear @ center[..., None]], dim=-1)


def _scale(draws: Draws) -> Tensor:
    return 0.75 + 0.25 * draws.uniform[:, :1, None]  # (B, 1, 1)


def _projected(draws: Draws, canvas_xy: tuple[float, float]) -> Tensor:
    """Return theta (B, 3, 3) that brings the moved corners on the canvas to those of the digit."""
    corners = draws.normal.new_tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    moved = corners * _scale(draws) + draws.normal.view(-1, 4, 2) * 5 / (DIGIT_SIZE / 2)
    moved = moved / draws.normal.new_tensor(canvas_xy)
    return homography(moved, corners.expand_as(moved))


def homography(points: Tensor, images: Tensor) -> Tensor:
    """Return the projective map (B, 3, 3) of four points (B, 4, 2) to four others, all (x, y)."""
    points, images = points.double(), images.double()
    homogeneous = torch.cat([points, torch.ones_like(points[..., :1])], dim=-1)  # (B, 4, 3)
    zeros = torch.zeros_like(homogeneous)
    of_x = torch.cat([homogeneous, zeros, -images[..., :1] * points], dim=-1)  # (B, 4, 8)
    of_y = torch.cat([zeros, homogeneous, -images[..., 1:] * points], dim=-1)
    system = torch.cat([of_x, of_y], dim=-2)
    solution = torch.linalg.solve(system, torch.cat([images[..., 0], images[..., 1]], dim=-1))
    matrix = torch.cat([solution, torch.ones_like(solution[..., :1])], dim=-1)
    return matrix.view(-1, 3, 3).float()


def _bent(draws: Draws, canvas_xy: tuple[float, float]) -> Tensor:
    noise = draws.normal.view(-1, NUM_CONTROL_POINTS, 2) * 1.5 / (DIGIT_SIZE / 2)
    scaled = control_points(noise) * noise.new_tensor(canvas_xy) / _scale(draws)
    return scaled + noise


def _below(uniform: Tensor, bound: int) -> Tensor:
    """Return whole numbers in [0, bound) of numbers in [0, 1)."""
    return (uniform.double() * bound).long().clamp(max=bound - 1)


def _places(uniform: Tensor, size_hw: tuple[int, int], part_hw: tuple[int, int]) -> Tensor:
    """Return the first row and column (B, 2) of parts that lie in images."""
    return torch.stack(
        [_below(uniform[:, i], size_hw[i] - part_hw[i] + 1) for i in range(2)], dim=1
    )


def _pixels(places: Tensor, part_hw: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Return image, row and column of each pixel of the parts, which broadcast to (B, h, w)."""
    images, rows, columns = (
        torch.arange(n, device=places.device) for n in (len(places), *part_hw)
    )  # fmt: skip
    first = places[:, :, None, None]
    return images[:, None, None], first[:, 0] + rows[:, None], first[:, 1] + columns


def _cut(images: Tensor, places: Tensor, part_hw: tuple[int, int]) -> Tensor:
    return images[_pixels(places, part_hw)]


def _paste(canvas: Tensor, parts: Tensor, places: Tensor) -> None:
    at = _pixels(places, (parts.shape[1], parts.shape[2]))
    canvas[at] = torch.maximum(canvas[at], parts)


DISTORTIONS: dict[DistortionName, Distortion] = {
    "R": Distortion(1, 0, _rotated, canvas=28),
    "RTS": Distortion(4, 0, _rotated_scaled_placed, canvas=42),
    "P": Distortion(1, 8, _projected, canvas=28),
    "E": Distortion(1, 2 * NUM_CONTROL_POINTS, _bent, canvas=28),
    "TC": Distortion(2 + 5 * NUM_PATCHES, 0, None, canvas=60),
}
"""The distortions by the paper's names."""
