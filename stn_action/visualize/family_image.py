"""Images of each family of transforms applied to a clip, for docs/transforms.md.

Letters: T frames.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from stn_action.errors import InputError
from stn_action.geometry.theta import SPLINE, VOLUMETRIC, kind_of
from stn_action.geometry.transforms import TRANSFORMS, build_transform
from stn_action.visualize.grid_image import (
    MARGIN,
    TEXT_HEIGHT,
    draw_grid,
    draw_volume_grid,
)
from stn_action.visualize.image_layout import hstack_images, vstack_images
from stn_action.visualize.images import (
    WHITE,
    Image,
    as_image,
    blank_image,
    put_text,
    resize_image,
    text_width,
)
from stn_action.visualize.legend import STRIP_COLOR, draw_header

EXAMPLES: dict[str, tuple[float, ...]] = {
    "translation": (0.45, -0.35),
    "attention": (-1.0, -0.1, -0.75),
    "anisotropic": (-1.1, 0.9, 0.1, 0.15),
    "similarity": (0.1, 0.5, 0.2, -0.2),
    "affine": (0.3, 0.45, 0.1, 0.0, 0.3, -0.3),
    "projective": (1.2, 0.15, 0.1, 0.0, 1.2, 0.0, -0.9, 1.2),
    "tps": (
        0.0, 0.0, 0.0, -0.3, 0.0, 0.15, 0.0, 0.0,
        0.2, 0.0, 0.2, -0.2, 0.2, 0.15, 0.2, 0.0,
        -0.2, 0.0, -0.2, -0.2, -0.2, 0.15, -0.2, 0.0,
        0.0, 0.0, 0.0, -0.2, 0.0, 0.25, 0.0, 0.0,
    ),
    "volumetric": (0.0, 0.0, 1.8, 0.0, 0.0, 0.0, -1.0, -0.2, 0.0, 0.0, -1.2, 0.0),
}  # fmt: skip
"""Raw numbers of each bounded family that show its degrees of freedom."""

_NUMBERS_WIDTH = 212


def draw_family(name: str, frames: Sequence[Image]) -> Image:
    """Draw one bounded family, by its numbers in `EXAMPLES`, and its theta.

    Args:
        name: of the family.
        frames: T frames (H, W, 3) of a clip, uint8 RGB; only "volumetric" uses more than
            the middle one.

    Raises:
        InputError: the family does not exist.
    """
    family = build_transform(name, 1, bounded=True)
    theta = family.build(torch.tensor([EXAMPLES[name]]))[0]
    images = [as_image(frame) for frame in frames]
    if family.theta_shape == VOLUMETRIC:
        images = [_for_thirds(image) for image in images]
        panels = draw_volume_grid(images, theta, images[0].shape[:2])
    else:
        middle = images[len(images) // 2]
        panels = draw_grid(middle, theta, middle.shape[:2])
    body = hstack_images([panels, _numbers(theta)])
    title = f"{name}: {family.num_parameters} parameters"
    return vstack_images([draw_header(title, None, body.shape[1], TEXT_HEIGHT + 2), body])


def draw_families(frames: Sequence[Image]) -> Image:
    """Draw all families with `draw_family`, one below the other."""
    return vstack_images([draw_family(name, frames) for name in TRANSFORMS])


def frame_numbers_around(frame: int | None, length: int) -> list[int]:
    """Return nine frame numbers around one of a video, two apart; its ends are repeated.

    Args:
        frame: from 0; None: the middle one.
        length: frames of the video.

    Raises:
        InputError: the video has no such frame.

    Example:
        >>> frame_numbers_around(5, 20)
        [0, 0, 1, 3, 5, 7, 9, 11, 13]
    """
    middle = length // 2 if frame is None else frame
    if not 0 <= middle < length:
        raise InputError(f"frame {middle} does not exist: the video has {length} frames, from 0")
    return [min(max(middle + 2 * place, 0), length - 1) for place in range(-4, 5)]


def resize_frames(frames: Sequence[Image], height: int, *, square: bool = True) -> list[Image]:
    """Resize frames to a height in pixels, by default cropped to their middle square.

    In normalized coordinates a rotated window keeps right angles on square maps only.
    """
    H, W = frames[0].shape[:2]
    side_hw = (min(H, W), min(H, W)) if square else (H, W)
    top, left = (H - side_hw[0]) // 2, (W - side_hw[1]) // 2
    crops = [frame[top : top + side_hw[0], left : left + side_hw[1]] for frame in frames]
    size_hw = (height, round(height / side_hw[0] * side_hw[1]))
    return [resize_image(as_image(frame), size_hw) for frame in crops]


def _for_thirds(image: Image) -> Image:
    """Shrink an image so that three panels are as wide as two of the original."""
    width = max(1, (2 * image.shape[1] - 2 * MARGIN) // 3)
    return resize_image(image, (round(width / image.shape[1] * image.shape[0]), width))


def _numbers(theta: Tensor) -> Image:
    """Draw theta as a table; of a spline, x and y of two control points in each line."""
    bends = kind_of(theta) == SPLINE
    rows = (theta.reshape(8, 4) if bends else theta).tolist()
    pitch = 2 * TEXT_HEIGHT
    strip = blank_image((MARGIN + pitch * (len(rows) + 1), _NUMBERS_WIDTH), STRIP_COLOR)
    title = "theta (16, 2): x y, x y" if bends else f"theta {tuple(theta.shape)}"
    baseline = MARGIN + TEXT_HEIGHT
    put_text(strip, title, 8, baseline, height=TEXT_HEIGHT, color=WHITE)
    for row in rows:
        baseline += pitch
        for column, number in enumerate(row):
            text = f"{number:.2f}".replace("-0.00", "0.00")
            left = 50 * (column + 1) - text_width(text, TEXT_HEIGHT)
            put_text(strip, text, left, baseline, height=TEXT_HEIGHT, color=WHITE)
    return strip
