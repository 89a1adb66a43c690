"""Frames in planes of luma and chroma, made of smooth colors, and what they show."""

import av
import numpy as np

LUMA_COEFFICIENTS = {
    **dict.fromkeys((2, 5, 6), (0.299, 0.114)),
    1: (0.2126, 0.0722),
    9: (0.2627, 0.0593),
}
"""Shares of red and blue in luma, by FFmpeg's number (`colorspace`): BT.601-7, BT.709-6, BT.2020-2;
2 is unknown."""
LIMITED, FULL = 1, 2
"""FFmpeg's numbers (`color_range`)."""


def smooth_rgb(x: np.ndarray, y: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Colors (..., 3) in [0, 255] at points in pixels, edges at 0 and at the size: three ramps."""
    u, v = np.broadcast_arrays(x / size_hw[1], y / size_hw[0])
    return np.stack([40 + 60 * u + 50 * v, 60 + 90 * v, 200 - 80 * u - 40 * v], axis=-1)


def stored_frame(
    format_name: str,
    size_hw: tuple[int, int],
    *,
    colorspace: int = 2,
    color_range: int = LIMITED,
    centered: bool = False,
) -> av.VideoFrame:
    """A frame of `smooth_rgb`, each sample computed where it is: chroma is not averaged."""
    pixels = av.VideoFormat(format_name)
    unit = 2 ** (pixels.components[0].bits - 8)
    planes = []
    for number in range(3):
        height, width = size_hw
        x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
        if number:
            columns, rows = -(-width // _step(pixels, 0)), -(-height // _step(pixels, 1))
            x = np.arange(columns) * _step(pixels, 0)
            x = x + (_step(pixels, 0) / 2 if centered else 0.5)
            y = (np.arange(rows) + 0.5) * _step(pixels, 1)
        colors = smooth_rgb(x[None, :], y[:, None], size_hw)
        values = _yuv(colors, colorspace, full=color_range == FULL)[number] * unit
        planes.append(np.rint(values).astype(np.uint8 if unit == 1 else np.uint16))
    frame = av.VideoFrame(size_hw[1], size_hw[0], format_name)
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size // values.itemsize), values.dtype)
        rows[:, : plane.width] = values
        plane.update(rows)
    frame.colorspace, frame.color_range = colorspace, color_range
    return frame


def slowly_shrunk(
    frame: av.VideoFrame,
    box: tuple[int, int, int, int],
    size_hw: tuple[int, int],
    *,
    centered: bool,
) -> np.ndarray:
    """Scale a box in float64: each plane by areas where it shrinks, else between its samples.

    Returns:
        (3, h, w) RGB.
    """
    x0, y0, x1, y1 = box
    unit = 2 ** (frame.format.components[0].bits - 8)
    values = []
    for number, plane in enumerate(frame.planes):
        dtype = np.uint8 if unit == 1 else np.uint16
        rows = np.frombuffer(plane, dtype).reshape(plane.height, -1)[:, : plane.width] / unit
        step_x, step_y = (_step(frame.format, axis) if number else 1 for axis in (0, 1))
        first = step_x / 2 if centered or step_x == 1 else 0.5
        across = _weights(x0, x1, size_hw[1], plane.width, step_x, first)
        down = _weights(y0, y1, size_hw[0], plane.height, step_y, step_y / 2)
        values.append(down @ rows @ across.T)
    y, u, v = values[0], values[1] - 128, values[2] - 128
    if frame.color_range != FULL:
        y, u, v = (y - 16) * 255 / 219, u * 255 / 224, v * 255 / 224
    red, blue = LUMA_COEFFICIENTS[frame.colorspace]
    r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
    return np.stack([r, (y - red * r - blue * b) / (1 - red - blue), b])


def _weights(start: int, end: int, size: int, count: int, step: int, first: float) -> np.ndarray:
    """The share of each sample in each result (size, count); sample i is at first + i * step."""
    edges = (start + np.arange(size + 1) * (end - start) / size - first) / step
    if end - start > size * step:
        ends = np.minimum(edges[1:, None], np.arange(count) + 0.5)
        shares = np.clip(ends - np.maximum(edges[:-1, None], np.arange(count) - 0.5), 0, None)
        return shares / shares.sum(1, keepdims=True)
    places = np.clip((edges[1:] + edges[:-1]) / 2, 0, count - 1)
    return np.clip(1 - np.abs(places[:, None] - np.arange(count)), 0, None)


def _step(pixels: av.VideoFormat, axis: int) -> int:
    return 64 // (pixels.chroma_width(64) if axis == 0 else pixels.chroma_height(64))


def _yuv(colors: np.ndarray, colorspace: int, *, full: bool) -> list[np.ndarray]:
    red, blue = LUMA_COEFFICIENTS[colorspace]
    y = red * colors[..., 0] + (1 - red - blue) * colors[..., 1] + blue * colors[..., 2]
    u, v = (colors[..., 2] - y) / 2 / (1 - blue), (colors[..., 0] - y) / 2 / (1 - red)
    if full:
        return [y, u + 128, v + 128]
    return [16 + y * 219 / 255, 128 + u * 224 / 255, 128 + v * 224 / 255]
