"""Sheets of clips and what they were cut from."""

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

from stn_action.visualize.clip_sheet import (
    BEYOND,
    PERSON_COLOR,
    REGION_COLOR,
    SOURCE_HW,
    VIEW_COLOR,
    draw_overview,
    draw_preview,
    draw_summary,
)
from stn_action.visualize.image_layout import center_image, draw_paragraph
from stn_action.visualize.images import Image
from stn_action.visualize.legend import STRIP_COLOR
from stn_action.visualize.preview_clip import PreviewClip

GREEN = (0, 160, 0)
SIZE_HW = (60, 80)


def cut_clip(
    region=(10, 10, 50, 40), *, mirror=False, people=True, size_hw=(24, 32)
) -> PreviewClip:
    """Three green frames and a clip of noise."""
    frames = torch.tensor(GREEN, dtype=torch.uint8)[None, :, None, None].expand(3, 3, *SIZE_HW)
    box = torch.tensor([region]).float().expand(3, 4)
    persons = torch.tensor([[20.0, 15, 40, 35]]).expand(1, 3, 4).clone()
    persons[0, 0] = torch.nan
    generator = torch.Generator().manual_seed(0)
    return PreviewClip(
        frames, torch.randint(256, (3, 3, *size_hw), generator=generator).byte(),
        torch.tensor([4, 6, 8]), torch.tensor([0.4, 0.6, 0.8]),
        persons=persons if people else persons[:0], person_boxes=persons[0] if people else None,
        regions=box, edges=box[:, [2, 1, 0, 3]] if mirror else box, name="epoch 1",
    )  # fmt: skip


def count(image: Image, color: tuple[int, int, int]) -> int:
    return int((image == color).all(-1).sum())


def holds(sheet: Image, frame: torch.Tensor, times: int = 1) -> bool:
    """Whether a frame (3, h, w) is in the sheet, to the last bit."""
    pixels = frame.permute(1, 2, 0).numpy().repeat(times, 0).repeat(times, 1)
    corner = (sheet == pixels[0, 0]).all(-1)
    windows = sliding_window_view(sheet, pixels.shape)[..., 0, :, :, :]
    places = np.argwhere(corner[: windows.shape[0], : windows.shape[1]])
    return any((windows[y, x] == pixels).all() for y, x in places)


def test_every_clip_frame_is_shown_pixel_for_pixel():
    large, small = cut_clip(size_hw=(100, 120)), cut_clip(size_hw=(24, 32))
    sheet = draw_preview([large], title="a video")
    assert all(holds(sheet, frame) for frame in large.clip.unbind(1))
    sheet = draw_preview([small], title="a video")
    assert all(holds(sheet, frame, times=3) for frame in small.clip.unbind(1))


def test_each_kind_of_box_is_drawn():
    sheet = draw_preview([cut_clip()], title="a video")
    for color in (PERSON_COLOR, REGION_COLOR, VIEW_COLOR):
        assert count(sheet, color) > 100
    dashes = count(sheet, (255, 255, 255))
    empty = draw_preview([cut_clip(people=False)], title="a video")
    assert count(empty, PERSON_COLOR) < count(sheet, PERSON_COLOR) / 2  # the legend's
    assert count(empty, (255, 255, 255)) < dashes


def test_a_box_beyond_the_image_is_seen_however_far_it_reaches():
    near = draw_summary([cut_clip(people=False)], title="")
    out = draw_summary([cut_clip((-30, -20, 100, 90), people=False)], title="")
    far = draw_summary([cut_clip((-900, -900, 990, 990), people=False)], title="")
    assert count(near, BEYOND) < count(out, BEYOND) < count(far, BEYOND)
    assert all(count(image, REGION_COLOR) > 100 for image in (near, out, far))
    assert count(far, GREEN) > 500  # and the image is not lost in the middle


def test_what_is_padded_is_hatched_and_said():
    inside, half = cut_clip(), cut_clip((-20, 10, 20, 40))
    assert inside.padded_share == 0
    assert half.padded_share == pytest.approx(0.5)
    assert cut_clip((-20, -10, 120, 80), mirror=True).padded_share == pytest.approx(
        1 - 60 * 80 / (140 * 90)
    )
    lines = [count(draw_summary([clip], title=""), VIEW_COLOR) for clip in (inside, half)]
    assert lines[1] > lines[0] + 200  # half of the crop is hatched, one pixel in six
    inside, half = (draw_preview([clip], title="") for clip in (inside, half))
    assert count(half, BEYOND) > count(inside, BEYOND)


def test_a_mirrored_clip_is_called_so_and_its_view_turned_back():
    mirrored, plain = cut_clip(mirror=True), cut_clip()
    assert (mirrored.mirrored, plain.mirrored) == (True, False)
    assert mirrored.views.tolist() == plain.views.tolist()
    sheets = [draw_preview([cut], title="a video") for cut in (mirrored, plain)]
    assert (sheets[0] != sheets[1]).any()
    assert len(sheets[0]) == len(sheets[1])


def test_many_clips_and_notes_stand_below_each_other():
    one = draw_preview([cut_clip()], title="t")
    three = draw_preview([cut_clip()] * 3, title="t", notes=["note"])
    assert len(one) + 2 * SOURCE_HW[0] < len(three)
    assert one.shape[1] == three.shape[1]


def test_the_overview_fills_rows_with_summaries():
    summary = draw_summary([cut_clip()] * 2, title="a video")
    one, four = (draw_overview([summary] * number, title="all") for number in (1, 4))
    assert four.shape[1] <= 1600
    assert len(one) < len(four) < 4 * len(one)


def test_text_is_broken_into_lines_and_nothing_of_it_is_lost():
    line, lines = (
        draw_paragraph("some words to read", 400, 11),
        draw_paragraph("some words to read", 90, 11),
    )
    assert len(lines) > len(line)
    assert line.shape[1] == 400
    ink = [int((image != STRIP_COLOR).any(-1).sum()) for image in (line, lines)]
    assert ink[0] == pytest.approx(ink[1], rel=0.05)
    assert draw_paragraph("x" * 200, 90, 11).shape == (len(line), 90, 3)


def test_an_image_is_put_into_the_middle():
    image = np.full((2, 4, 3), 200, dtype=np.uint8)
    wide = center_image(image, 9)
    assert wide.shape == (2, 9, 3)
    assert (wide[0, :, 0] == 200).nonzero()[0].tolist() == [2, 3, 4, 5]
    assert center_image(image, 3) is not None


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(ValueError, match=r"previews must hold at least one clip, got none"):
        draw_preview([], title="")
    cut = cut_clip()
    with pytest.raises(ValueError, match=r"regions must be of 3 frames, got \(2, 4\)"):
        PreviewClip(
            cut.frames, cut.clip, cut.frame_indices, cut.seconds, cut.persons, None,
            cut.regions[:2], cut.edges, "x",
        )  # fmt: skip
