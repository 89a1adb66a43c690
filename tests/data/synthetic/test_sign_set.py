"""The generated sign set: dials, places, what is known of a clip."""

import json
from collections import Counter
from functools import partial

import numpy as np
import pytest
import torch

from stn_action.data.datasets.dataset_table import load_dataset
from stn_action.data.synthetic.sign_set import (
    SIGN_CLASSES,
    SIGN_SIZE_HW,
    generate_signs,
    plan_signs,
    render_signs,
)
from stn_action.data.synthetic.signs import RIM_COLORS, Sign
from stn_action.errors import InputError
from stn_action.person.store.tube_folder import read_tube_csv
from stn_action.video.backend_table import open_video


def sign(**changes) -> Sign:
    settings = {
        "pattern": "bars", "decides": True, "side_pixels": 40.0, "start": np.array([50.0, 30.0]),
        "speed": np.array([2.0, -1.0]), "angle": 0.0, "turning": 0.0, "waves": 2.0,
        "phase": np.pi / 2, "colors": np.array([[10.0, 20, 30], [200, 210, 220]]),
    }  # fmt: skip
    return Sign(**{**settings, **changes})


def test_a_sign_has_its_pattern_inside_and_its_rim_outside():
    canvas = np.full((70, 90, 3), 100, np.float32)
    sign().paste(canvas, 0)
    low, high = [10, 20, 30], [200, 210, 220]
    # radius 20 about (50, 30): a pixel is 1/20; sin(2 pi x + pi / 2) is 1 at x = 0, -1 at x = 1/2
    np.testing.assert_allclose(canvas[30, 50], high, atol=1e-3)
    np.testing.assert_allclose(canvas[42, 50], high, atol=1e-3)
    np.testing.assert_allclose(canvas[30, 60], low, atol=1e-3)
    np.testing.assert_allclose(canvas[30, 68], RIM_COLORS[True], atol=1e-3)
    np.testing.assert_allclose(canvas[12, 50], RIM_COLORS[True], atol=1e-3)
    np.testing.assert_allclose(canvas[30, 71], 100)
    np.testing.assert_allclose(canvas[12, 34], 100)


def test_a_sign_moves_and_turns_with_the_frame():
    still, moved = np.zeros((2, 70, 90, 3), np.float32)
    sign().paste(still, 0)
    sign(turning=np.pi / 2 / 3).paste(moved, 3)
    np.testing.assert_allclose(sign().box(3), [36, 7, 76, 47])
    # a quarter turn about (56, 27): what was right of the middle is below it
    np.testing.assert_allclose(moved[27 + 10, 56], still[30, 60], atol=1e-3)


def test_a_sign_at_the_border_is_clipped():
    canvas = np.zeros((30, 44, 3), np.float32)
    sign(start=np.array([40.0, 4.0])).paste(canvas, 0)
    assert canvas[4, 40].min() > 100
    assert not canvas[:, :18].any()


@pytest.mark.parametrize("share", [1 / 4, 1 / 9, 1 / 25, 1 / 100])
def test_the_region_takes_exactly_its_share_of_the_frame_and_stays_inside(share):
    for plan in plan_signs(2, (2, 0), 3)[::3]:
        boxes = render_signs(plan, share).target_boxes
        sides = boxes[:, 2:] - boxes[:, :2]
        np.testing.assert_allclose(sides.prod(1), share * SIGN_SIZE_HW[0] * SIGN_SIZE_HW[1])
        assert boxes.min() >= 0
        assert boxes.max() <= SIGN_SIZE_HW[0]


def test_the_yellow_rim_is_where_the_region_is():
    for plan in plan_signs(5, (1, 0), 2):
        clip = render_signs(plan, 1 / 9)
        red, green, blue = np.moveaxis(clip.frames[-1].astype(int), -1, 0)
        rows, columns = np.nonzero((red - blue > 130) & (green - blue > 90) & (red - green < 70))
        x0, y0, x1, y1 = clip.target_boxes[-1]
        found = np.quantile(columns, (0.02, 0.98)), np.quantile(rows, (0.02, 0.98))
        np.testing.assert_allclose(found, [[x0, x1], [y0, y1]], atol=9)


def test_classes_are_balanced_and_distractors_are_of_other_classes():
    for number in range(4):
        plans = plan_signs(0, (10, 5), number)
        assert set(Counter((plan.split, plan.action) for plan in plans).values()) == {10, 5}
        for plan in plans:
            assert len({plan.action, *plan.distractors}) == 1 + number
    seen = Counter(plan.distractors for plan in plan_signs(0, (200, 0), 1) if plan.action == "bars")
    assert set(seen) == {(name,) for name in SIGN_CLASSES if name != "bars"}
    assert max(seen.values()) < 90


def test_more_clips_and_distractors_leave_the_first_ones_as_they_were():
    larger = {plan.name: plan for plan in plan_signs(0, (20, 9), 3)}
    for plan in plan_signs(0, (3, 2), 1):
        assert plan.distractors == larger[plan.name].distractors[:1]
        assert plan.seed == larger[plan.name].seed


def test_distractors_overlap_little_where_there_is_room():
    paths = [render_signs(plan, 1 / 100) for plan in plan_signs(0, (3, 0), 3)]
    blue = [(clip.frames[0].astype(int) @ [-1, 0, 1] > 110).sum() for clip in paths]
    # a rim is 0.36 of a disk of 22.4 pixels, about 142 pixels, and there are three
    assert min(blue) > 300


def test_a_set_is_written_with_its_dials_and_loads(tmp_path):
    generate = partial(generate_signs, region_share=0.04, clips_per_class=(2, 1), num_workers=0)
    root = generate(tmp_path / "signs", num_distractors=2, seed=3)
    content = json.loads((root / "sample.json").read_text())
    assert content["settings"] == {
        "set": "signs", "version": 1, "seed": 3, "clips_per_class": [2, 1], "region_share": 0.04,
        "distractors": 2,
    }  # fmt: skip
    listing = load_dataset("sample", root)
    assert listing.classes == SIGN_CLASSES
    assert (len(listing.train), len(listing.test)) == (8, 4)
    assert listing.name == "signs (region 0.04 of the frame, 2 distractors)"
    plan = plan_signs(3, (2, 1), 2)[5]
    clip = render_signs(plan, 0.04)
    region = read_tube_csv(root / "regions" / f"{plan.name}.csv", SIGN_SIZE_HW)
    torch.testing.assert_close(region.boxes, torch.from_numpy(clip.target_boxes).float())
    person = read_tube_csv(root / "people" / f"{plan.name}.csv", SIGN_SIZE_HW)
    assert 0.2 < (person.boxes - region.boxes).abs().max() < 10
    with open_video(root / "train" / plan.action / f"{plan.name}.mp4") as reader:
        frames = reader.read(range(len(reader))).data
    drawn = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
    assert (frames.float() - drawn.float()).abs().mean() < 6
    with pytest.raises(InputError, match="other settings"):
        generate(root, num_distractors=1, seed=3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"region_share": 0.3}, r"from 1/100 to 1/4 of the frame, got 0\.3"),
        ({"region_share": 0.009}, r"got 0\.009"),
        ({"num_distractors": 4}, "distractors must be 0 to 3, each of another class.*got 4"),
        ({"num_distractors": -1}, "got -1"),
        ({"clips_per_class": (0, 1)}, "clips per class 1 or more"),
    ],
)
def test_dials_out_of_range_are_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        generate_signs(tmp_path / "set", **{"region_share": 0.1, "num_distractors": 1, **changes})
