"""Colors and names of the heads, and the strips above and below an image that explain them."""

from collections.abc import Sequence

import cv2

from stn_action.visualize.images import (
    WHITE,
    Color,
    Image,
    blank_image,
    fit_text,
    put_text,
    text_width,
)

HEAD_COLORS: tuple[Color, ...] = (
    (86, 180, 233),  # sky blue
    (230, 159, 0),  # orange
    (240, 228, 66),  # yellow
    (204, 121, 167),  # reddish purple
    (0, 158, 115),  # bluish green
    (213, 94, 0),  # vermillion
    (0, 114, 178),  # blue
)
"""Distinct under all common color blindness (Okabe and Ito 2008, Color Universal Design)."""

STRIP_COLOR: Color = (24, 24, 24)


def head_color(head: int) -> Color:
    """Return the color of a head, counted from 0; colors repeat after seven."""
    return HEAD_COLORS[head % len(HEAD_COLORS)]


def default_head_names(num_heads: int) -> list[str]:
    """Return "head 1", "head 2", ...: images and tables count heads from 1."""
    return [f"head {head + 1}" for head in range(num_heads)]


def draw_legend(
    head_names: Sequence[str], width: int, text_height: int, *, person: bool, target: bool
) -> Image:
    """Draw a strip that explains colors and lines, in as many lines as it needs."""
    entries = [(name, head_color(head)) for head, name in enumerate(head_names)]
    entries += [("person box", WHITE)] if person else []
    entries += [("target region", WHITE)] if target else []
    gap = text_height
    left, line, places = gap, 0, []
    for name, color in entries:
        needed = 2 * gap + text_width(name, text_height) + gap
        if left > gap and left + needed > width:
            left, line = gap, line + 1
        places.append((name, color, left, line))
        left += needed
    pitch = round(2.1 * text_height)
    strip = blank_image((pitch * (line + 1) if entries else 0, width), STRIP_COLOR)
    for name, color, left, line in places:
        baseline = line * pitch + round(1.55 * text_height)
        middle = baseline - text_height // 2
        end = left + round(1.5 * gap)
        if name == "person box":
            for start in range(left, end, max(2, gap // 2)):
                cv2.line(strip, (start, middle), (start + gap // 4, middle), color, 2)
        else:
            cv2.line(strip, (left, middle), (end, middle), color, 1 if color == WHITE else 4)
        put_text(strip, name, left + 2 * gap, baseline, height=text_height, color=WHITE)
    return strip


def draw_header(label: str, probability: float | None, width: int, text_height: int) -> Image:
    """Draw a strip with the class on the left, its probability on the right; empty without both."""
    if not label and probability is None:
        return blank_image((0, width), STRIP_COLOR)
    number = "" if probability is None else f"{probability:.2f}"
    strip = blank_image((round(2.3 * text_height), width), STRIP_COLOR)
    baseline = round(1.65 * text_height)
    number_left = width - text_height - text_width(number, text_height)
    room = number_left - 2 * text_height
    text = fit_text(label, text_height, room)
    put_text(strip, text, text_height, baseline, height=text_height, color=WHITE)
    put_text(strip, number, number_left, baseline, height=text_height, color=WHITE)
    return strip
