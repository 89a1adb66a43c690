"""Sampling grid of a transform, drawn on the source and on the output.

A regular grid over the output is drawn twice: on the source, where theta maps it, and on the
output, where it is regular. The output's border is blue, its upper edge orange.

Letters: T frames, P points of a line.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from stn_action.geometry.clip_sampling import spatial_transformer
from stn_action.geometry.splines import control_points
from stn_action.geometry.theta import PROJECTIVE, SPLINE, VOLUMETRIC, kind_of, transform_points
from stn_action.visualize.image_layout import hstack_images, vstack_images
from stn_action.visualize.images import (
    BLACK,
    WHITE,
    Color,
    Image,
    as_image,
    blank_image,
    fit_text,
    put_text,
)
from stn_action.visualize.legend import STRIP_COLOR, head_color
from stn_action.visualize.lines import SUBPIXEL_BITS, fixed_point

MARGIN = 12
"""Pixels around source and output, so that a grid outside the map is visible."""

MOMENTS = 3
"""Number of output frames drawn for a volumetric transform."""

TEXT_HEIGHT = 10
"""Height of captions, pixels."""

_PIECES = 64
_FAR_AWAY = 1e5


def draw_grid(image: Image, theta: Tensor, size: Sequence[int], *, cells: int = 8) -> Image:
    """Draw a frame with the sampling grid on it, and beside it what is sampled there.

    Args:
        image: (H, W, 3), uint8 RGB.
        theta: (*kind), not volumetric.
        size: height and width of the output, pixels.
        cells: cells of the grid along each side.

    Returns:
        Left the frame, right the output, each with `MARGIN` pixels around it.

    Raises:
        ValueError: the shapes do not agree.
    """
    before = draw_source_grid(image, theta, cells=cells)
    theta = theta.detach().cpu()
    pixels = torch.from_numpy(as_image(image)).permute(2, 0, 1).float()  # (3, H, W)
    output = _to_image(spatial_transformer(pixels[None], theta[None], size)[0])
    grid = _output_grid(cells)
    return hstack_images([before, _with_grid(output, grid, _marks(theta, grid), strength=0.35)])


def draw_source_grid(image: Image, theta: Tensor, *, cells: int = 8) -> Image:
    """Draw a frame with the sampling grid on it, as `draw_grid` has it on the left."""
    theta = theta.detach().cpu()
    kind = _checked(theta)
    if kind == VOLUMETRIC:
        raise ValueError("a volumetric theta needs frames: use draw_volume_grid")
    # lines stay straight except for splines; part of a line may have no image by a homography
    finer = _output_grid(cells, _PIECES if kind in (PROJECTIVE, SPLINE) else 1)
    marks = _places(theta, _marks(theta, finer))
    return _with_grid(as_image(image), _places(theta, finer), marks, strength=0.75)


def draw_volume_grid(
    frames: Sequence[Image], theta: Tensor, size: Sequence[int], *, cells: int = 8
) -> Image:
    """Draw the grid of a volumetric transform at three times of its output, side by side.

    Args:
        frames: T frames (H, W, 3), uint8 RGB.
        theta: (3, 4).
        size: height and width of the output, pixels; it has `MOMENTS` frames.
        cells: cells of the grid along each side.

    Returns:
        Above, the frames nearest in time to what is sampled, with the grid projected on them;
        below, the output's frames; `MARGIN` pixels around each.

    Raises:
        ValueError: the shapes do not agree.
    """
    theta = theta.detach().cpu()
    images = [as_image(frame) for frame in frames]
    if _checked(theta) != VOLUMETRIC:
        raise ValueError(f"theta must be (3, 4) for frames, got {tuple(theta.shape)}")
    if len({image.shape for image in images}) != 1:
        raise ValueError("frames must be of one size, and at least one")
    clip = torch.from_numpy(np.stack(images)).permute(3, 0, 1, 2).float()  # (3, T, H, W)
    outputs = spatial_transformer(clip[None], theta[None], (MOMENTS, *size))[0]
    grid, none = _output_grid(cells), torch.zeros(0, 2, dtype=torch.float64)
    columns = []
    for moment, output in enumerate(outputs.unbind(1)):
        time = (2 * moment + 1) / MOMENTS - 1
        places = _places(theta, torch.cat([grid, torch.full_like(grid[..., :1], time)], dim=-1))
        center = _places(theta, grid.new_tensor([[0, 0, time]]))[0, 2].item()
        nearest = _nearest_frame(center, len(images))
        source = _with_grid(images[nearest], places[..., :2], none, strength=0.75)
        result = _with_grid(_to_image(output), grid, none, strength=0.35)
        captions = [f"t {time:+.2f} from {center:+.2f}", f"source: frame {nearest}"]
        lines = [_line(caption, source.shape[1]) for caption in captions]
        columns.append(vstack_images([*lines, source, result]))
    return hstack_images(columns)


def _marks(theta: Tensor, like: Tensor) -> Tensor:
    """Return the control points (P, 2) of a spline on the output; none of the other kinds."""
    return control_points(like) if kind_of(theta) == SPLINE else like.new_zeros(0, 2)


def _checked(theta: Tensor) -> tuple[int, int]:
    """Check that theta is a single one, and return its kind."""
    kind = kind_of(theta)
    if theta.dim() != 2:
        raise ValueError(f"theta must be one, {kind}, got {tuple(theta.shape)}")
    return kind


def _output_grid(cells: int, pieces: int = 1) -> Tensor:
    """Return the lines (2, cells + 1, P, 2) of a grid over the output, horizontal first."""
    if cells < 1:
        raise ValueError(f"cells must be at least 1, got {cells}")
    line = torch.linspace(-1, 1, cells + 1, dtype=torch.float64)
    along = torch.linspace(-1, 1, pieces + 1, dtype=torch.float64)
    place, step = torch.meshgrid(line, along, indexing="ij")
    return torch.stack([torch.stack([step, place], -1), torch.stack([place, step], -1)])


def _places(theta: Tensor, points: Tensor) -> Tensor:
    """Map points to the input; NaN for points beyond the horizon of a homography."""
    theta = theta.double()
    mapped = transform_points(theta, points.flatten(0, -2)).view_as(points)
    if kind_of(theta) != PROJECTIVE:
        return mapped
    depth = points @ theta[2, :2] + theta[2, 2]
    return torch.where(depth[..., None] > 0, mapped, torch.nan)


def _nearest_frame(time: float, num_frames: int) -> int:
    """Return the frame nearest to a normalized time; the last one for NaN."""
    place = ((time + 1) * num_frames - 1) / 2
    return min(max(round(place), 0), num_frames - 1) if np.isfinite(place) else num_frames - 1


def _with_grid(image: Image, grid: Tensor, marks: Tensor, *, strength: float) -> Image:
    """Draw grid (2, lines, P, 2) and marks (M, 2) on an image within its margin."""
    height, width = image.shape[:2]
    view = blank_image((height + 2 * MARGIN, width + 2 * MARGIN), STRIP_COLOR)
    view[MARGIN:-MARGIN, MARGIN:-MARGIN] = image
    size_wh = np.array([width, height])
    lines = (grid.numpy() + 1) / 2 * size_wh + MARGIN
    faint = view.copy()
    for line in lines[:, 1:-1].reshape(-1, *lines.shape[2:]):
        for color, thickness in ((BLACK, 2), (WHITE, 1)):
            _stroke(faint, line, color, thickness)
    view = as_image(cv2.addWeighted(faint, strength, view, 1 - strength, 0).astype(np.uint8))
    border = (lines[1, 0], lines[1, -1], lines[0, -1])
    for color, curves in ((head_color(0), border), (head_color(1), lines[0, :1])):
        for rim_or_line, thickness in ((BLACK, 4), (color, 2)):
            for line in curves:
                _stroke(view, line, rim_or_line, thickness)
    for mark in (marks.numpy() + 1) / 2 * size_wh + MARGIN:
        for color, thickness in ((BLACK, 8), (head_color(2), 5)):
            _stroke(view, np.stack([mark, mark]), color, thickness)
    return view


def _stroke(view: Image, line: np.ndarray, color: Color, thickness: int) -> None:
    """Draw a curve (P, 2) in edge coordinates, with gaps where it is not finite or far away."""
    with np.errstate(invalid="ignore"):
        shown = (np.abs(line) < _FAR_AWAY).all(-1)
    cuts = np.flatnonzero(np.diff(shown)) + 1
    for points, is_shown in zip(np.split(line, cuts), np.split(shown, cuts), strict=True):
        if is_shown[0]:
            cv2.polylines(
                view, [fixed_point(points)], False, color, thickness,
                lineType=cv2.LINE_AA, shift=SUBPIXEL_BITS,
            )  # fmt: skip


def _to_image(image: Tensor) -> Image:
    """Convert a tensor (3, H, W) in [0, 255] to an image."""
    return as_image(image.round().clamp(0, 255).to(torch.uint8))


def _line(text: str, width: int) -> Image:
    strip = blank_image((round(1.7 * TEXT_HEIGHT), width), STRIP_COLOR)
    height = TEXT_HEIGHT - 1
    text = fit_text(text, height, width - MARGIN)
    put_text(strip, text, MARGIN, round(1.5 * TEXT_HEIGHT), height=height, color=WHITE)
    return strip
