"""Sampling grids on frames: where lines fall, and what stands beside them."""

import cv2
import numpy as np
import pytest
import torch

from stn_action.errors import InputError
from stn_action.geometry.theta import theta_from_boxes
from stn_action.geometry.transforms import TRANSFORMS, build_transform
from stn_action.video.writer import write_video
from stn_action.visualize.family_image import (
    EXAMPLES,
    draw_families,
    draw_family,
    frame_numbers_around,
    resize_frames,
)
from stn_action.visualize.grid_image import MARGIN, draw_grid, draw_volume_grid
from stn_action.visualize.legend import STRIP_COLOR, head_color
from tools.draw_transforms import main as draw_transforms

GRAY = (90, 90, 90)
IDENTITY = torch.eye(2, 3)


def noise(*size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)


def panels(image: np.ndarray, source_hw, size) -> tuple[np.ndarray, np.ndarray]:
    """The source and the output within their margins."""
    left = image[MARGIN:, MARGIN:][: source_hw[0], : source_hw[1]]
    right = image[MARGIN:, source_hw[1] + 3 * MARGIN :][: size[0], : size[1]]
    return left, right


def pixels_of(image: np.ndarray, color) -> set[tuple[int, int]]:
    """Rows and columns of the pixels of a color."""
    return {(int(y), int(x)) for y, x in np.argwhere((image == color).all(-1))}


def test_source_and_output_stand_side_by_side():
    drawn = draw_grid(noise(48, 80), IDENTITY, (40, 60))
    assert drawn.shape == (48 + 2 * MARGIN, 80 + 60 + 4 * MARGIN, 3)
    assert drawn.dtype == np.uint8
    assert tuple(drawn[0, 0]) == tuple(drawn[-1, -1]) == STRIP_COLOR


def test_the_identity_shows_the_same_image_between_its_lines():
    image = noise(64, 96)
    for part in panels(draw_grid(image, IDENTITY, (64, 96), cells=4), (64, 96), (64, 96)):
        inside = np.s_[4:12, 4:20]
        assert (part[inside] == image[inside]).all()
        assert (part[16:, 24:][inside] == image[16:, 24:][inside]).all()


def test_the_output_is_what_lies_inside_the_grid():
    image = noise(64, 96)
    theta = theta_from_boxes(torch.tensor([-0.5, -0.75, 0.5, 0.25]))
    _, right = panels(draw_grid(image, theta, (32, 48), cells=1), (64, 96), (32, 48))
    assert (right[5:-5, 5:-5] == image[8:40, 24:72][5:-5, 5:-5]).all()


def test_grid_lines_fall_on_the_window():
    image = np.full((80, 120, 3), GRAY, np.uint8)
    # from x 30 to 90 and from y 20 to 40: lines of 2 x 2 cells at 60 and at 30
    theta = theta_from_boxes(torch.tensor([-0.5, -0.5, 0.5, 0.0]))
    left, _ = panels(draw_grid(image, theta, (80, 120), cells=2), (80, 120), (80, 120))
    changed = np.argwhere((left != GRAY).any(-1))
    assert abs(changed.min(0) - (20, 30)).max() <= 4
    assert abs(changed.max(0) - (40, 90)).max() <= 4
    upper, sides = pixels_of(left, head_color(1)), pixels_of(left, head_color(0))
    assert {y for y, _ in upper} <= {18, 19, 20, 21}
    assert {x for y, x in sides if 24 < y < 36} <= {28, 29, 30, 31, 88, 89, 90, 91}
    bright = left.min(-1) > 110
    assert set(np.flatnonzero(bright[24:27, 34:86].all(0)) + 34) <= {59, 60}
    assert bright[24:27, 58:62].any()
    assert bright[28:32, 40:50].any()
    assert not bright[24:27, 34:57].any()


def test_a_turned_grid_has_its_upper_edge_turned():
    image = np.full((100, 100, 3), GRAY, np.uint8)
    quarter = torch.tensor([[0.0, -0.5, 0.0], [0.5, 0.0, 0.0]])  # the output's right points down
    left, right = panels(draw_grid(image, quarter, (100, 100)), (100, 100), (100, 100))
    assert {x for _, x in pixels_of(left, head_color(1))} <= {73, 74, 75, 76}
    assert {y for y, _ in pixels_of(right, head_color(1))} <= {0, 1}


def test_what_has_no_image_is_left_out():
    image = np.full((60, 60, 3), GRAY, np.uint8)
    horizon = torch.tensor([[0.5, 0, 0], [0, 0.5, 0], [1.25, 0, 1]])
    nowhere = torch.full((2, 3), torch.nan)
    assert (panels(draw_grid(image, nowhere, (60, 60)), (60, 60), (60, 60))[0] == GRAY).all()
    left, _ = panels(draw_grid(image, horizon, (60, 60)), (60, 60), (60, 60))
    assert (left != GRAY).any()
    # right of the output's middle x is positive and never over 0.5 / 2.25; left of it the lines run
    # out of the frame on the left and none comes back from the right
    assert (left[:, 45:] == GRAY).all()


def test_a_spline_shows_its_control_points():
    theta = build_transform("tps", 1).base[0]
    drawn = draw_grid(np.full((90, 90, 3), GRAY, np.uint8), theta, (90, 90))
    marks = (drawn == head_color(2)).all(-1).astype(np.uint8)
    assert cv2.connectedComponents(marks)[0] - 1 == 2 * 16


def test_a_volume_shows_three_moments_on_their_frames():
    frames = [np.full((48, 48, 3), 20 * t, np.uint8) for t in range(9)]
    theta = torch.tensor([[0.5, 0, 0.3, 0], [0, 0.5, 0, 0], [0, 0, 1.0, 0]])
    drawn = draw_volume_grid(frames, theta, (48, 48), cells=1)
    assert drawn.shape[1] == 3 * (48 + 2 * MARGIN)
    top = drawn.shape[0] - 2 * (48 + 2 * MARGIN)
    for column, (frame, center) in enumerate(((1, 19), (4, 24), (7, 29))):
        panel = drawn[top:, column * (48 + 2 * MARGIN) :][: 48 + 2 * MARGIN, : 48 + 2 * MARGIN]
        assert (panel[MARGIN + 2, MARGIN + 2] == 20 * frame).all()
        sides = [x for _, x in pixels_of(panel, head_color(1))]
        assert abs(np.mean(sides) - MARGIN - center) < 1.5
        output = drawn[top + 48 + 3 * MARGIN :, column * (48 + 2 * MARGIN) + MARGIN :]
        assert (output[20, 20] == 20 * frame).all()


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_family_is_drawn_by_its_example(name):
    frames = list(noise(9, 40, 50))
    drawn = draw_family(name, frames)
    assert drawn.shape[1] > 2 * (50 + 2 * MARGIN)
    assert (drawn == head_color(0)).all(-1).any()
    family = build_transform(name, 1)
    theta = family.build(torch.tensor([EXAMPLES[name]]))
    assert (theta - family.base).abs().max() > 0.1


def test_the_sheet_has_all_families():
    frames = list(noise(3, 32, 32))
    drawn = [draw_family(name, frames) for name in TRANSFORMS]
    sheet = draw_families(frames)
    assert sheet.shape[0] == sum(len(image) for image in drawn)
    assert (sheet[: len(drawn[0]), : drawn[0].shape[1]] == drawn[0]).all()


def test_frames_are_cut_to_their_middle_square():
    frames = [noise(20, 30)]
    assert (resize_frames(frames, 20)[0] == frames[0][:, 5:25]).all()
    assert resize_frames(frames, 40, square=False)[0].shape == (40, 60, 3)


def test_a_clip_lies_around_its_frame():
    assert frame_numbers_around(None, 20) == [2, 4, 6, 8, 10, 12, 14, 16, 18]
    assert frame_numbers_around(1, 4) == [0, 0, 0, 0, 1, 3, 3, 3, 3]
    with pytest.raises(InputError, match="frame 3 does not exist: the video has 3 frames"):
        frame_numbers_around(3, 3)


@pytest.mark.parametrize(
    ("theta", "message"),
    [
        (torch.eye(2, 3)[None], r"theta must be one, \(2, 3\), got \(1, 2, 3\)"),
        (torch.zeros(4, 4), r"theta must end in one of"),
        (torch.eye(3, 4), "a volumetric theta needs frames"),
    ],
)
def test_another_theta_is_refused(theta, message):
    with pytest.raises(ValueError, match=message):
        draw_grid(noise(8, 8), theta, (8, 8))


def test_other_images_and_sizes_are_refused():
    with pytest.raises(ValueError, match="a frame must be a uint8 array"):
        draw_grid(noise(8, 8)[0], IDENTITY, (8, 8))
    with pytest.raises(ValueError, match=r"size must be \(h, w\)"):
        draw_grid(noise(8, 8), IDENTITY, (8, 8, 8))
    with pytest.raises(ValueError, match="cells must be at least 1, got 0"):
        draw_grid(noise(8, 8), IDENTITY, (8, 8), cells=0)
    with pytest.raises(ValueError, match=r"theta must be \(3, 4\) for frames, got \(2, 3\)"):
        draw_volume_grid([noise(8, 8)], IDENTITY, (8, 8))
    with pytest.raises(ValueError, match="frames must be of one size"):
        draw_volume_grid([noise(8, 8), noise(8, 9)], torch.eye(3, 4), (8, 8))
    with pytest.raises(InputError, match="transform must be one of"):
        draw_family("rotation", [noise(8, 8)])


def test_the_tool_draws_a_video_and_the_sample(tmp_path, capsys):
    write_video(tmp_path / "a.mp4", list(noise(6, 48, 64)), fps=10)
    names = [f"transforms_{name}.png" for name in TRANSFORMS]
    few, all_of_it = tmp_path / "few", tmp_path / "all"
    video = str(tmp_path / "a.mp4")
    assert draw_transforms([video, "--frame", "5", "--height", "40", "--out", str(all_of_it)]) == 0
    assert sorted(path.name for path in all_of_it.iterdir()) == sorted([*names, "transforms.png"])
    assert capsys.readouterr().out.splitlines()[0] == str(all_of_it / names[0])
    assert draw_transforms(["--small", "--height", "40", "--out", str(few)]) == 0
    assert sorted(path.name for path in few.iterdir()) == sorted(names)
    image = cv2.imread(str(few / names[0]))
    assert len(np.unique(image.reshape(-1, 3), axis=0)) <= 96


def test_the_tool_refuses_what_is_not_there(tmp_path, capsys):
    assert draw_transforms([str(tmp_path / "none.mp4"), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path / 'none.mp4'}: no such video file\n"
    assert draw_transforms(["--frame", "999", "--out", str(tmp_path / "out")]) == 2
    assert "error: frame 999 does not exist" in capsys.readouterr().err
    with pytest.raises(SystemExit, match=r"^2$"):
        draw_transforms(["--height", "0"])
    assert not (tmp_path / "out").exists()
