"""The heads' colors and names, and the strips above and below an image that tell them."""

from collections.abc import Sequence

import cv2

from stn_action.visualize.images import (
    WHITE,
    Color,
    Image,
    blank,
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
"""Distinct with every common color blindness (Okabe and Ito 2008, Color Universal Design)."""

STRIP_COLOR: Color = (24, 24, 24)


def head_color(head: int) -> Color:
    """The color of head `head` (from 0), in every image the same; they repeat after seven."""
    return HEAD_COLORS[head % len(HEAD_COLORS)]


def default_head_names(num_heads: int) -> list[str]:
    """Heads are numbered from 1 in images and tables."""
    return [f"head {head + 1}" for head in range(num_heads)]


def draw_legend(
    head_names: Sequence[str], width: int, text_height: int, *, person: bool, region: bool
) -> Image:
    """A strip that says what the colors and lines mean, as many lines high as it needs."""
    entries = [(name, head_color(head)) for head, name in enumerate(head_names)]
    entries += [("person box", WHITE)] if person else []
    entries += [("deciding region", WHITE)] if region else []
    gap = text_height
    left, line, places = gap, 0, []
    for name, color in entries:
        needed = 2 * gap + text_width(name, text_height) + gap
        if left > gap and left + needed > width:
            left, line = gap, line + 1
        places.append((name, color, left, line))
        left += needed
    pitch = round(2.1 * text_height)
    strip = blank((pitch * (line + 1) if entries else 0, width), STRIP_COLOR)
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
    """A strip with the class on the left and its probability on the right; no height without."""
    if not label and probability is None:
        return blank((0, width), STRIP_COLOR)
    number = "" if probability is None else f"{probability:.2f}"
    strip = blank((round(2.3 * text_height), width), STRIP_COLOR)
    baseline = round(1.65 * text_height)
    number_left = width - text_height - text_width(number, text_height)
    room = number_left - 2 * text_height
    text = fit_text(label, text_height, room)
    put_text(strip, text, text_height, baseline, height=text_height, color=WHITE)
    put_text(strip, number, number_left, baseline, height=text_height, color=WHITE)
    return strip
