"""Painted parts for the sample data: cloth textures, round tapered sprites, placing them."""

import colorsys
import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Points = NDArray[np.float64]

SPRITE_UNIT = 160
"""Sprite pixels per unit of length (a body's height): about twice the size of the drawn people."""


@dataclass(frozen=True)
class Sprite:
    """One painted part, its bone running down its middle column."""

    rgba: Array
    """(h, w, 4), colors 0–255 already multiplied by alpha, alpha 0–1."""
    bone_rows: tuple[float, float]
    """Rows at which the bone starts and ends."""

    def paste(self, canvas: Array, bone: Points, unit_pixels: float) -> None:
        """Draw the part with its bone in a given place.

        Args:
            canvas: (H, W, 3) float32, 0–255, changed.
            bone: (2, 2), x and y in pixels of the bone's start and end.
            unit_pixels: canvas pixels per unit of length; it scales the part across its bone.
        """
        (x0, y0), (x1, y1) = bone.tolist()
        rows = self.bone_rows[1] - self.bone_rows[0]
        along_x, along_y = (x1 - x0) / rows, (y1 - y0) / rows
        scale = unit_pixels / SPRITE_UNIT / max(math.hypot(along_x, along_y), 1e-6)
        across_x, across_y = along_y * scale, -along_x * scale
        height, width = self.rgba.shape[:2]
        left = x0 - across_x * (width - 1) / 2 - along_x * self.bone_rows[0]
        top = y0 - across_y * (width - 1) / 2 - along_y * self.bone_rows[0]
        x_low, x_high = _span(left, across_x * width, along_x * height, canvas.shape[1])
        y_low, y_high = _span(top, across_y * width, along_y * height, canvas.shape[0])
        if x_low >= x_high or y_low >= y_high:
            return
        matrix = np.array(
            [[across_x, along_x, left - x_low], [across_y, along_y, top - y_low]], np.float64
        )
        size_wh = (x_high - x_low, y_high - y_low)
        drawn = cv2.warpAffine(self.rgba, matrix, size_wh, flags=cv2.INTER_LINEAR)
        covered = canvas[y_low:y_high, x_low:x_high]
        covered *= 1 - drawn[..., 3:]
        covered += drawn[..., :3]


def _span(start: float, across: float, along: float, limit: int) -> tuple[int, int]:
    """Return the pixels that a parallelogram covers along one axis, inside 0..limit."""
    low = start + min(across, 0) + min(along, 0)
    high = start + max(across, 0) + max(along, 0)
    return max(math.floor(low) - 1, 0), min(math.ceil(high) + 2, limit)


def draw_color(
    hues: tuple[float, ...], value: tuple[float, float], rng: np.random.Generator
) -> Points:
    """Draw a color.

    Args:
        hues: places on the color wheel, 0–1; the color is up to 0.06 beyond one of them.
        value: range of its brightness, 0–1.
        rng: draws it.

    Returns:
        (3,) RGB, 0–255.
    """
    hue = float(rng.choice(hues)) + rng.uniform(0, 0.06)
    return 255 * np.array(colorsys.hsv_to_rgb(hue % 1, rng.uniform(0.25, 0.9), rng.uniform(*value)))


def draw_cloth(
    size_hw: tuple[int, int], hues: tuple[float, ...], rng: np.random.Generator
) -> Array:
    """Paint a cloth of a dark and a light color: plain, striped, checked, dotted or blotched.

    Returns:
        (H, W, 3), 0–255.
    """
    colors = [draw_color(hues, (0.25, 0.55), rng), draw_color(hues, (0.65, 1.0), rng)]
    colors[1] = 0.5 * (colors[0] + colors[1])
    first, second = colors if rng.uniform() < 0.5 else colors[::-1]
    rows, columns = (
        np.sin(2 * np.pi * grid / rng.uniform(9, 20))
        for grid in np.mgrid[: size_hw[0], : size_hw[1]]
    )
    blobs = rng.normal(size=(size_hw[0] // 9 + 2, size_hw[1] // 9 + 2)).astype(np.float32)
    patterns = {
        "plain": np.full(size_hw, -1.0),
        "striped across": rows,
        "striped along": columns,
        "checked": rows * columns,
        "dotted": rows + columns - 0.6,
        "blotched": cv2.resize(blobs, size_hw[::-1], interpolation=cv2.INTER_CUBIC),
    }
    pattern = patterns[str(rng.choice(list(patterns)))]
    share = np.clip(pattern * 3 + 0.5, 0, 1)[..., None]
    return (first * (1 - share) + second * share).astype(np.float32)


def paint_part(
    bone: float, overhang: float, half_widths: tuple[tuple[float, float], ...], cloth: Array
) -> Sprite:
    """Paint a part that is round across its bone and shaded accordingly.

    Args:
        bone: length of the bone; this and the other lengths in units (body heights).
        overhang: how far the part reaches beyond each end of its bone.
        half_widths: (place along the part from 0 to 1, half width there), in order.
        cloth: (H, W, 3) texture, repeated as often as the part needs.
    """
    rows = round((bone + 2 * overhang) * SPRITE_UNIT)
    places, halves = np.array(half_widths).T
    columns = 2 * int(halves.max() * SPRITE_UNIT + 1) + 1
    half = np.interp((np.arange(rows) + 0.5) / rows, places, halves)[:, None] * SPRITE_UNIT
    distance = np.abs(np.arange(columns) - columns // 2)[None]
    alpha = np.clip(half - distance + 0.5, 0, 1)
    shade = 0.4 + 0.6 * np.sqrt(np.clip(1 - (distance / (half + 0.5)) ** 2, 0, 1))
    repeats = (-(-rows // cloth.shape[0]), -(-columns // cloth.shape[1]), 1)
    color = np.tile(cloth, repeats)[:rows, :columns] * (shade * alpha)[..., None]
    rgba = np.dstack([color, alpha]).astype(np.float32)
    rgba = np.pad(rgba, ((1, 1), (1, 1), (0, 0)))
    start = overhang * SPRITE_UNIT + 1
    return Sprite(rgba, (start, start + bone * SPRITE_UNIT))


def rounded(first: float, last: float, share: float) -> tuple[tuple[float, float], ...]:
    """Return the half widths of a part with round ends.

    Args:
        first: half width at its start.
        last: half width at its end.
        share: of the length that each round end takes.
    """
    steps = np.linspace(0, 1, 6)
    arc = np.sqrt(1 - (1 - steps) ** 2)
    start = [(share * step, first * height) for step, height in zip(steps, arc, strict=True)]
    end = [(1 - share * step, last * height) for step, height in zip(steps, arc, strict=True)]
    return tuple((float(place), float(half)) for place, half in start + end[::-1])


def paint_shadow(length: float, width: float, darkness: float) -> Sprite:
    """Paint a soft elliptic shadow, its bone the long axis; lengths in units."""
    rows, columns = round(length * SPRITE_UNIT), round(width * SPRITE_UNIT)
    y, x = (np.linspace(-1, 1, count) for count in (rows, columns))
    rgba = np.zeros((rows, columns, 4), np.float32)
    rgba[..., 3] = darkness * np.clip(1.5 * (1 - y[:, None] ** 2 - x[None] ** 2), 0, 1)
    return Sprite(rgba, (0, rows - 1))
