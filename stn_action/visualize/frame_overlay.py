"""Overlay of windows, boxes, class and legend on source frames.

Letters: T frames, K heads, P points of a window's outline.
"""

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
from torch import Tensor

from stn_action.geometry.heat_maps import HeatMaps
from stn_action.visualize.heat_overlay import contour, draw_tint
from stn_action.visualize.images import (
    BLACK,
    WHITE,
    Image,
    as_image,
    put_text,
    resize_image,
    text_width,
)
from stn_action.visualize.legend import (
    default_head_names,
    draw_legend,
    head_color,
)
from stn_action.visualize.lines import draw_dashes, draw_lines, draw_outline
from stn_action.visualize.verdict import Verdict, draw_verdict

_THIN = 2
_SAME_PIXELS = 1e-3
"""Points nearer than this count as one."""


def draw_frame(
    frame: Image | Tensor,
    outlines: Tensor,
    *,
    heat: Sequence[HeatMaps] = (),
    person_box: Tensor | None = None,
    target_box: Tensor | None = None,
    label: str = "",
    probability: float | None = None,
    true_labels: Sequence[str] = (),
    head_names: Sequence[str] | None = None,
    min_height: int = 320,
) -> Image:
    """Draw a frame with each head's window, between a strip with the class and a legend.

    Args:
        frame: array (H, W, 3) or tensor (3, H, W), uint8 RGB.
        outlines: (K, P, 2), source pixels, the image's edges at 0 and W; K may be 0.
        heat: weight maps of further heads, each of (K', H, W), drawn as a tint and the contour of
            half the mass.
        person_box: (4,) xyxy, source pixels; dashed white.
        target_box: (4,) xyxy, source pixels, the target region by ground truth; thin white.
        label: the predicted class.
        probability: of the class, in [0, 1].
        true_labels: all true classes; empty: unknown.
        head_names: a name for each head in the legend; None: head 1, head 2, ...
        min_height: smaller frames are enlarged to this height, pixels.

    Returns:
        (H', W', 3); H' and W' depend only on the sizes and the legend, not on the windows.

    Raises:
        ValueError: the shapes do not agree.
    """
    num_heads = len(outlines) + sum(one.num_heads for one in heat)
    names = list(head_names) if head_names is not None else default_head_names(num_heads)
    if len(names) != num_heads:
        raise ValueError(f"head_names must name {num_heads} heads, got {len(names)}")
    image = as_image(frame)
    factor = max(1.0, min_height / image.shape[0])
    size_hw = (round(image.shape[0] * factor), round(image.shape[1] * factor))
    view = draw_windows(
        image, outlines, size_hw, heat=heat, person_box=person_box, target_box=target_box
    )
    verdict = Verdict(label, probability, true_labels)
    header = draw_verdict(verdict, view.shape[1], _text_height(size_hw))
    legend = draw_legend(
        names,
        view.shape[1],
        _text_height(size_hw),
        person=person_box is not None,
        target=target_box is not None,
    )
    return np.concatenate([header, view, legend])


def render_video(
    frames: Iterable[Image | Tensor],
    outlines: Tensor,
    *,
    heat: Sequence[HeatMaps] = (),
    person_boxes: Tensor | None = None,
    target_boxes: Tensor | None = None,
    label: str = "",
    probability: float | None = None,
    true_labels: Sequence[str] = (),
    head_names: Sequence[str] | None = None,
    min_height: int = 320,
) -> Iterator[Image]:
    """Draw frames one after the other with `draw_frame`, for `write_video`.

    Args:
        frames: T frames.
        outlines: (T, K, P, 2), source pixels.
        heat: weight maps of further heads, each of (T, K', H, W).
        person_boxes: (T, 4); a row of NaN: no box in this frame.
        target_boxes: (T, 4); a row of NaN: no box in this frame.
        label: the predicted class.
        probability: of the class, in [0, 1].
        true_labels: all true classes; empty: unknown.
        head_names: a name for each head in the legend.
        min_height: smaller frames are enlarged to this height, pixels.

    Yields:
        Images of one size.

    Raises:
        ValueError: the numbers of frames and outlines differ.
    """
    index = -1
    for index, frame in enumerate(frames):
        if index >= len(outlines):
            break
        yield draw_frame(
            frame,
            outlines[index],
            heat=[one[index] for one in heat],
            person_box=None if person_boxes is None else person_boxes[index],
            target_box=None if target_boxes is None else target_boxes[index],
            label=label,
            probability=probability,
            true_labels=true_labels,
            head_names=head_names,
            min_height=min_height,
        )
    if index + 1 != len(outlines):
        more = "more" if index >= len(outlines) else index + 1
        raise ValueError(f"outlines are for {len(outlines)} frames, got {more} frames")


def draw_windows(
    image: Image,
    outlines: Tensor,
    size_hw: tuple[int, int],
    *,
    heat: Sequence[HeatMaps] = (),
    person_box: Tensor | None = None,
    target_box: Tensor | None = None,
) -> Image:
    """Resize an image and draw boxes and windows on it, without strips.

    Args:
        image: (H, W, 3).
        outlines: (K, P, 2), pixels of `image`; one whose points are all equal is not drawn.
        size_hw: size of the result.
        heat: weight maps of further heads, each of (K', H, W), with edges in pixels of `image`.
        person_box: (4,) xyxy, pixels of `image`; None or NaN: not drawn.
        target_box: (4,) xyxy, pixels of `image`; None or NaN: not drawn.

    Raises:
        ValueError: the shapes do not agree, or a window is not finite.
    """
    if outlines.dim() != 3 or outlines.shape[1] < 3 or outlines.shape[2] != 2:
        raise ValueError(
            f"outlines must be (K, P, 2) of at least 3 points, got {tuple(outlines.shape)}"
        )
    if not outlines.isfinite().all():
        raise ValueError("outlines must be finite, got NaN or infinity: the network has diverged")
    scale_xy = np.array([size_hw[1] / image.shape[1], size_hw[0] / image.shape[0]])
    resized = image if image.shape[:2] == size_hw else resize_image(image, size_hw)
    view = resized.copy()
    if (corners := _corners("person_box", person_box)) is not None:
        draw_dashes(view, corners * scale_xy, _THIN)
    windows = _windows(outlines, scale_xy)
    for head, window in windows:
        draw_outline(view, window, head_color(head), _line_width(size_hw))
    contours = _draw_heat(view, heat, scale_xy, first_head=len(outlines))
    if (corners := _corners("target_box", target_box)) is not None:
        draw_outline(view, corners * scale_xy, WHITE, _THIN)
    for head, points in windows:
        _tag(view, points, head, _text_height(size_hw))
    for head, line in contours:  # above it: cells may be smaller than a tag
        _tag(view, line, head, _text_height(size_hw), above=True)
    return view


def distinct_points(outline: np.ndarray) -> np.ndarray:
    """Return an outline (P, 2) in pixels without points that repeat the one before them.

    It is empty if all points are equal: the head does not see this frame.
    """
    steps = np.abs(outline - np.roll(outline, 1, axis=0)).max(axis=1)
    return outline[steps > _SAME_PIXELS]


def _windows(outlines: Tensor, scale_xy: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Return each head with a window in this frame, and the outline scaled to the result."""
    scaled = outlines.detach().cpu().double().numpy() * scale_xy
    windows = [(head, distinct_points(window)) for head, window in enumerate(scaled)]
    return [(head, window) for head, window in windows if len(window)]


def _draw_heat(
    view: Image, heat: Sequence[HeatMaps], scale_xy: np.ndarray, *, first_head: int
) -> list[tuple[int, np.ndarray]]:
    """Draw weight maps: all tints, then all contours.

    Returns:
        Number of each head that has a contour, and the ends (2, 2) of its uppermost line.
    """
    maps = [
        (weights, one.edges.double().numpy() * np.tile(scale_xy, 2))
        for one in heat
        for weights in one.weights
    ]
    for head, (weights, edges) in enumerate(maps, start=first_head):
        draw_tint(view, weights, edges, head_color(head))
    contours = [
        (head, contour(weights, edges)) for head, (weights, edges) in enumerate(maps, first_head)
    ]
    for head, lines in contours:
        draw_lines(view, list(lines), head_color(head), _line_width(view.shape[:2]))
    return [(head, lines[0]) for head, lines in contours if len(lines)]


def _corners(name: str, box: Tensor | None) -> np.ndarray | None:
    if box is None:
        return None
    if box.shape != (4,):
        raise ValueError(f"{name} must be (4,), got {tuple(box.shape)}")
    if not box.isfinite().all():
        return None
    x0, y0, x1, y1 = box.tolist()
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def _tag(
    view: Image, window: np.ndarray, head: int, text_height: int, *, above: bool = False
) -> None:
    """Draw the head's number on its color, inside the window's upper edge or above it.

    Each head has its own place along the edge, so that tags of equal windows stay readable.
    """
    size = round(1.5 * text_height)
    left, top = window.min(axis=0)
    room = max(0.0, float(np.ptp(window[:, 0])) - size)
    x = round(float(left) + min(head * 1.15 * size, room))
    y = round(float(top)) - above * size
    x, y = min(max(x, 0), view.shape[1] - size), min(max(y, 0), view.shape[0] - size)
    cv2.rectangle(view, (x, y), (x + size, y + size), head_color(head), cv2.FILLED)
    text = str(head + 1)
    left_in = x + (size - text_width(text, text_height) + 1) // 2
    put_text(view, text, left_in, y + round(1.27 * text_height), height=text_height, color=BLACK)


def _line_width(size_hw: tuple[int, int]) -> int:
    return max(2, round(min(size_hw) / 130))


def _text_height(size_hw: tuple[int, int]) -> int:
    return max(9, round(min(size_hw) / 34))
