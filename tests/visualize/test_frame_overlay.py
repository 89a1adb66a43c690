"""Windows, boxes, strips and text on frames, pixel by pixel."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from stn_action.visualize.frame_overlay import draw_frame, draw_windows, render_video
from stn_action.visualize.images import WHITE, Image
from stn_action.visualize.legend import HEAD_COLORS, draw_legend, head_color

GRAY = np.full((320, 400, 3), 90, dtype=np.uint8)


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Tensor:
    return torch.tensor([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def at(image: Image, x: int, y: int) -> tuple[int, ...]:
    return tuple(int(value) for value in image[y, x])


def has_color(image: Image, color: tuple[int, int, int]) -> bool:
    return bool((image == np.array(color)).all(-1).any())


def test_a_window_is_outlined_in_its_heads_color_and_nothing_else_changes():
    view = draw_windows(GRAY, rectangle(100, 60, 300, 200)[None], GRAY.shape[:2])
    for x, y in ((200, 200), (100, 130), (300, 130), (250, 60)):
        assert has_color(view[y - 2 : y + 2, x - 2 : x + 2], head_color(0)), (x, y)
    assert at(view, 200, 130) == (90, 90, 90)
    changed = (view != GRAY).any(-1)
    assert not changed[:55].any()
    assert not changed[:, :95].any()
    assert not changed[:, 305:].any()
    assert not changed[100:190, 110:290].any()
    assert (GRAY == 90).all()


def test_windows_grow_with_the_frame():
    view = draw_windows(GRAY, rectangle(100, 60, 300, 200)[None], (640, 1200))
    assert has_color(view[398:402, 500:502], head_color(0))
    assert has_color(view[258:262, 298:302], head_color(0))
    assert at(view, 600, 300) == (90, 90, 90)


def test_heads_keep_their_colors_and_neighbors_differ():
    windows = torch.stack([rectangle(10, 10 + 70 * k, 200, 60 + 70 * k) for k in range(4)])
    view = draw_windows(GRAY, windows, GRAY.shape[:2])
    for head in range(4):
        assert has_color(view[55 + 70 * head : 65 + 70 * head, 100:102], head_color(head))
    assert len(set(HEAD_COLORS)) == len(HEAD_COLORS)
    assert head_color(len(HEAD_COLORS)) == head_color(0)


def test_equal_windows_still_show_every_heads_number():
    windows = rectangle(100, 60, 300, 200).expand(4, 4, 2)
    view = draw_windows(GRAY, windows, GRAY.shape[:2])
    tags = view[62:76, 100:170]
    assert all(has_color(tags, head_color(head)) for head in range(4))


def test_the_person_box_is_dashed_and_the_deciding_region_a_thin_closed_line():
    none = torch.zeros(0, 4, 2)
    box = torch.tensor([50.0, 40.0, 350.0, 280.0])
    person = draw_windows(GRAY, none, GRAY.shape[:2], person_box=box)
    region = draw_windows(GRAY, none, GRAY.shape[:2], target_box=box)

    def share_of_upper_edge(view: Image) -> float:
        return float((view[38:42, 60:340] > 200).all(-1).any(axis=0).mean())

    assert 0.3 < share_of_upper_edge(person) < 0.8
    assert share_of_upper_edge(region) == 1


def test_a_box_of_nan_is_not_drawn():
    none = torch.zeros(0, 4, 2)
    missing = torch.full((4,), torch.nan)
    view = draw_windows(GRAY, none, GRAY.shape[:2], person_box=missing, target_box=missing)
    assert (view == GRAY).all()


@pytest.mark.parametrize("shift", [-1e9, 1e9, -150.0])
def test_a_window_outside_the_frame_is_no_error(shift):
    view = draw_windows(GRAY, rectangle(100, 60, 300, 200)[None] + shift, GRAY.shape[:2])
    assert view.shape == GRAY.shape


def test_a_head_that_sees_nothing_of_a_frame_is_not_drawn_and_the_others_keep_their_number():
    seen, far = rectangle(100, 60, 300, 200), rectangle(9000, 9000, 9100, 9100)
    windows = torch.stack([torch.full((4, 2), 150.0), seen])
    view = draw_windows(GRAY, windows, GRAY.shape[:2])
    assert not has_color(view, head_color(0))
    beside_another = draw_windows(GRAY, torch.stack([far, seen]), GRAY.shape[:2])
    assert has_color(view, head_color(1))
    assert (view[:250, :350] == beside_another[:250, :350]).all()
    nothing = draw_windows(GRAY, windows[:1], GRAY.shape[:2])
    assert (nothing == GRAY).all()


def test_an_outline_of_many_points_is_closed_and_repeated_points_do_not_show():
    angles = torch.arange(32) * torch.pi / 16
    circle = torch.stack([200 + 80 * angles.cos(), 160 + 80 * angles.sin()], dim=-1)
    view = draw_windows(GRAY, circle[None], GRAY.shape[:2])
    for angle in torch.linspace(0, 6.2, 50).tolist():
        x, y = round(200 + 80 * math.cos(angle)), round(160 + 80 * math.sin(angle))
        assert has_color(view[y - 3 : y + 3, x - 3 : x + 3], head_color(0)), angle
    assert at(view, 200, 160) == (90, 90, 90)
    window = rectangle(100, 60, 300, 200)[None]
    padded = window[:, [0, 1, 2, 3, 3, 3, 3]]
    same = draw_windows(GRAY, window, GRAY.shape[:2])
    assert (draw_windows(GRAY, padded, GRAY.shape[:2]) == same).all()


def test_a_small_frame_is_enlarged_and_stands_between_two_strips():
    small = np.full((120, 160, 3), 90, dtype=np.uint8)
    window = rectangle(40, 30, 120, 90)[None]
    with_text = draw_frame(small, window, label="kick", probability=0.5)
    without = draw_frame(small, window)
    assert without.shape[1] == with_text.shape[1] == round(160 * 320 / 120)
    header = len(with_text) - len(without)
    assert header > 0
    assert (with_text[header:] == without).all()
    assert has_color(with_text[:header], WHITE) or with_text[:header].max() > 200
    assert has_color(without[320:], head_color(0))
    assert has_color(without[238:242, 200:204], head_color(0))


def test_a_large_frame_keeps_its_size():
    large = torch.full((3, 400, 640), 90, dtype=torch.uint8)
    assert draw_frame(large, torch.zeros(0, 4, 2)).shape == (400, 640, 3)


def test_class_and_probability_are_written():
    def header(label: str, probability: float | None) -> Image:
        image = draw_frame(GRAY, torch.zeros(0, 4, 2), label=label, probability=probability)
        return image[: len(image) - len(GRAY)]

    kick, alone = header("kick", 0.5), header("kick", None)
    last = np.flatnonzero((alone > 200).any((0, 2)))[-1]
    assert (kick[:, :last] == alone[:, :last]).all()
    assert (kick[:, last + 10 :] > 200).any()
    assert not (alone[:, last + 1 :] > 200).any()
    assert (header("kick", 0.9) != kick).any()
    assert (header("punch", 0.5) != kick).any()
    assert header("a very long name " * 20, 0.5).shape == kick.shape


def test_the_legend_takes_as_many_lines_as_it_needs():
    names = ["left hand", "right hand", "the whole person"]
    wide = draw_legend(names, 800, 12, person=True, target=True)
    narrow = draw_legend(names, 200, 12, person=True, target=True)
    assert narrow.shape[0] > 2 * wide.shape[0]
    assert all(has_color(narrow, head_color(head)) for head in range(3))
    assert draw_legend([], 200, 12, person=False, target=False).shape == (0, 200, 3)


def test_a_video_has_frames_of_one_size_with_their_own_windows():
    frames = torch.full((3, 3, 64, 80), 90, dtype=torch.uint8)
    outlines = torch.stack([rectangle(10 + 10 * t, 10, 40 + 10 * t, 50)[None] for t in range(3)])
    boxes = torch.tensor([5.0, 5.0, 75.0, 60.0]).repeat(3, 1)
    boxes[1] = torch.nan
    images = list(render_video(frames, outlines, person_boxes=boxes, label="hug", probability=0.3))
    assert len({image.shape for image in images}) == 1
    assert (images[0] != images[2]).any()


@pytest.mark.parametrize(("count", "told"), [(2, "got 2 frames"), (4, "got more frames")])
def test_a_video_with_another_number_of_frames_is_refused(count, told):
    frames = torch.zeros(count, 3, 32, 32, dtype=torch.uint8)
    with pytest.raises(ValueError, match=f"outlines are for 3 frames, {told}"):
        list(render_video(frames, torch.zeros(3, 1, 4, 2)))


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match=r"outlines must be \(K, P, 2\) .* got \(4, 2\)"):
        draw_windows(GRAY, torch.zeros(4, 2), GRAY.shape[:2])
    with pytest.raises(ValueError, match="the network has diverged"):
        draw_windows(GRAY, torch.full((1, 4, 2), torch.nan), GRAY.shape[:2])
    with pytest.raises(ValueError, match="head_names must name 1 heads, got 2"):
        draw_frame(GRAY, torch.zeros(1, 4, 2), head_names=["a", "b"])
    with pytest.raises(ValueError, match=r"person_box must be \(4,\), got \(1, 4\)"):
        draw_frame(GRAY, torch.zeros(1, 4, 2), person_box=torch.zeros(1, 4))
    with pytest.raises(ValueError, match=r"frame must be a uint8 array .* float64 \(32, 32, 3\)"):
        draw_frame(np.zeros((32, 32, 3)), torch.zeros(1, 4, 2))  # pyright: ignore
