"""Sheets: which frames, what each head saw, legend and title."""

import numpy as np
import pytest
import torch
from torch import Tensor

from stn_action.visualize.focus_sheet import (
    FRAME_HEIGHT,
    draw_sheet,
    evenly_spaced,
)
from stn_action.visualize.glimpse_cells import GLIMPSE_HEIGHT, TwoLooks
from stn_action.visualize.hatching import HATCH_GROUND, HATCH_LINE
from stn_action.visualize.images import Image
from stn_action.visualize.legend import PAPER, head_color
from stn_action.visualize.window_crop import crop_window

RED, GREEN = (200, 0, 0), (0, 200, 0)


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Tensor:
    return torch.tensor([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def halves() -> Image:
    """A red left half and a green right half."""
    frame = np.zeros((120, 160, 3), dtype=np.uint8)
    frame[:, :80], frame[:, 80:] = RED, GREEN
    return frame


def test_frames_are_picked_at_equal_distances():
    assert evenly_spaced(16, 4) == [0, 5, 10, 15]
    assert evenly_spaced(3, 6) == [0, 1, 2]
    assert evenly_spaced(9, 1) == [4]


def test_a_window_of_whole_pixels_is_cut_exactly():
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    cut = crop_window(image, rectangle(5, 8, 25, 20), (12, 20))
    assert (cut == image[8:20, 5:25]).all()
    mirrored = crop_window(image, rectangle(25, 8, 5, 20), (12, 20))
    assert (mirrored == image[8:20, 5:25][:, ::-1]).all()


def test_a_shrunken_window_is_averaged():
    image = np.zeros((40, 40, 3), dtype=np.uint8)
    image[:, ::2] = 200
    cut = crop_window(image, rectangle(0, 0, 40, 40), (10, 10))
    assert (abs(cut.astype(int) - 100) <= 1).all()


@pytest.mark.parametrize("times", [1, 3])
def test_beyond_the_image_is_hatched(times):
    """Of a mirrored window too, and of one that is shrunk."""
    size_hw = (120 // times, 80 // times)
    for window, beyond in (
        (rectangle(-40, 0, 40, 120), slice(0, 40 // times)),
        (rectangle(40, 0, -40, 120), slice(40 // times, None)),
    ):
        cut = crop_window(halves(), window, size_hw)
        hatched = np.zeros(size_hw, dtype=bool)
        hatched[:, beyond] = True
        ground, line = ((cut == color).all(-1) for color in (HATCH_GROUND, HATCH_LINE))
        assert ((ground | line) == hatched).all()
        assert ground.sum() > line.sum() > 100


def test_a_frame_cut_out_as_it_is_is_not_hatched():
    cut = crop_window(halves(), rectangle(0, 0, 160, 120), (90, 120))
    assert not ((cut == HATCH_GROUND) | (cut == HATCH_LINE)).all(-1).any()


def test_repeated_points_do_not_change_what_is_cut():
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    outline = rectangle(25, 8, 5, 20)
    padded = outline[[0, 0, 1, 2, 2, 3, 3, 3]]
    assert (crop_window(image, padded, (12, 20)) == crop_window(image, outline, (12, 20))).all()


def test_of_other_outlines_the_box_around_them_is_shown_and_paper_beside_them():
    image = np.random.default_rng(0).integers(0, 200, (30, 40, 3), dtype=np.uint8)
    triangle = torch.tensor([[4.0, 6.0], [24.0, 6.0], [4.0, 26.0]])
    cut = crop_window(image, triangle, (20, 20))
    rows, columns = np.mgrid[:20, :20]
    inside, outside = rows + columns < 18, rows + columns > 20
    assert (cut[inside] == image[6:26, 4:24][inside]).all()
    assert (cut[outside] == PAPER).all()
    line = torch.tensor([[4.0, 6.0], [4.0, 6.0], [4.0, 26.0]])
    assert crop_window(image, line, (20, 20)).shape == (20, 20, 3)


def test_a_frame_that_a_head_does_not_see_has_no_glimpse():
    outlines = torch.full((4, 1, 12, 2), 30.0)
    outlines[1, 0] = rectangle(10, 20, 50, 60)[[0, 1, 2] + [3] * 9]
    sheet = draw_sheet([halves()] * 4, outlines)
    below = sheet[FRAME_HEIGHT + 20 : FRAME_HEIGHT + 20 + GLIMPSE_HEIGHT]
    columns = (below == RED).all(-1).any(0)
    assert columns.any()
    places = np.flatnonzero(columns)
    assert places.max() - places.min() < GLIMPSE_HEIGHT


def test_each_head_has_a_row_of_what_it_saw_with_its_color_around():
    outlines = torch.stack([rectangle(10, 20, 50, 60), rectangle(100, 20, 140, 60)])
    sheet = draw_sheet([halves()] * 8, outlines.expand(8, 2, 4, 2), title="clip", columns=3)
    plain = draw_sheet([halves()] * 8, outlines.expand(8, 2, 4, 2), title="clip", columns=3,
                       glimpses=False)  # fmt: skip
    rows = sheet.shape[0] - plain.shape[0]
    assert rows == pytest.approx(2 * GLIMPSE_HEIGHT, abs=30)

    below = sheet[FRAME_HEIGHT + 50 :]
    red = np.argwhere((below == RED).all(-1))[:, 0]
    green = np.argwhere((below == GREEN).all(-1))[:, 0]
    assert red.max() < green.min()
    assert red.max() - red.min() > 100
    for head in range(2):
        assert (below == np.array(head_color(head))).all(-1).sum() > 3 * 4 * 2 * 100


def test_frames_stand_side_by_side():
    outlines = torch.zeros(8, 0, 4, 2)
    three = draw_sheet([halves()] * 8, outlines, columns=3)
    four = draw_sheet([halves()] * 8, outlines, columns=4)
    assert four.shape[1] - three.shape[1] == 320 + 8
    assert four.shape[0] == three.shape[0]


def test_title_captions_and_boxes_are_drawn():
    frames, outlines = [halves()] * 4, rectangle(10, 20, 50, 60).expand(4, 1, 4, 2)
    plain = draw_sheet(frames, outlines)
    titled = draw_sheet(frames, outlines, title="v_Archery", label="Archery", probability=0.8)
    captioned = draw_sheet(frames, outlines, captions=["0.0 s", "0.1 s", "0.2 s", "0.3 s"])
    boxed = draw_sheet(frames, outlines, person_boxes=torch.tensor([5.0, 5, 90, 110]).expand(4, 4),
                       target_boxes=torch.tensor([20.0, 20, 40, 40]).expand(4, 4))  # fmt: skip
    assert len(titled) > len(plain)
    assert len(captioned) > len(plain)
    assert boxed.shape == plain.shape
    assert (boxed != plain).any()


def test_windows_for_other_frames_are_refused():
    with pytest.raises(
        ValueError, match=r"outlines must be \(3, 1, P, 2\) for 3 frames .* 1 heads"
    ):
        draw_sheet([halves()] * 3, torch.zeros(2, 1, 4, 2))
    with pytest.raises(ValueError, match="for 0 frames"):
        draw_sheet([], torch.zeros(0, 1, 4, 2))


def test_both_looks_are_shown_pixel_for_pixel():
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    window, edges = rectangle(10, 20, 50, 50), torch.tensor([[70.0, 0.0, 10.0, 60.0]])
    sheet = draw_sheet(
        [image], window[None, None], looks=TwoLooks(edges, look_hw=(20, 24), glimpse_hw=(30, 40))
    )
    seen = crop_window(image, rectangle(70, 0, 10, 60), (20, 24))
    for part in (seen, image[20:50, 10:50]):
        places = np.lib.stride_tricks.sliding_window_view(sheet, part.shape)
        assert (places == part).all((-3, -2, -1)).sum() == 1


def test_a_window_that_stays_in_place_is_drawn_once():
    still, moving = rectangle(10, 20, 50, 60), rectangle(100, 20, 140, 60)
    outlines = torch.stack([torch.stack([still, moving - 20 * t]) for t in range(4)])
    sheet = draw_sheet([halves()] * 4, outlines, glimpses=False)
    both = draw_sheet([halves()] * 4, outlines + 4 * torch.arange(4)[:, None, None, None],
                      glimpses=False)  # fmt: skip
    columns = [slice(8 + 328 * t, 8 + 328 * t + 320) for t in range(4)]
    seen = {
        name: [
            [int((image[: FRAME_HEIGHT + 8, column] == head_color(head)).all(-1).sum()) > 100
             for column in columns]
            for head in (0, 1)
        ]
        for name, image in (("one", sheet), ("both", both))
    }  # fmt: skip
    assert seen["one"] == [[True, False, False, False], [True] * 4]
    assert seen["both"] == [[True] * 4] * 2
    assert len(sheet) > len(both)  # a note below the legend


def test_true_and_predicted_class_and_notes_are_lines_of_the_sheet():
    frames, outlines = [halves()], rectangle(10, 20, 50, 60)[None, None]
    plain = draw_sheet(frames, outlines)
    lines = [
        draw_sheet(frames, outlines, **words)
        for words in (
            {"title": "a"}, {"label": "b"}, {"true_labels": ["b"]}, {"notes": ["a note"]}
        )
    ]  # fmt: skip
    assert all(len(one) - len(plain) in range(20, 40) for one in lines)
    right, wrong = (
        draw_sheet(frames, outlines, label="b", probability=0.5, true_labels=[true])
        for true in "ba"
    )
    assert (right.shape, (right != wrong).any()) == (wrong.shape, True)
