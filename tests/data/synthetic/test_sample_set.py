"""The generated sample data set."""

import hashlib
import json
import shutil
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from stn_action.data.datasets.dataset_table import load_dataset
from stn_action.data.synthetic.sample_set import CLASSES, generate_sample, plan_clips, render_plan
from stn_action.data.synthetic.scenes import SIZE_HW
from stn_action.errors import InputError
from stn_action.person.store.tube_folder import read_tube_csv
from stn_action.video.backend_table import open_video

SMALL = (1, 1)


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    return generate_sample(
        tmp_path_factory.mktemp("sample"), seed=3, clips_per_class=SMALL, num_workers=0
    )


@pytest.fixture
def sample_copy(sample, tmp_path) -> Path:
    return Path(shutil.copytree(sample, tmp_path / "copy"))


def decode(path: Path) -> torch.Tensor:
    with open_video(path) as reader:
        return reader.read(range(len(reader))).data


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_every_clip_has_a_video_and_two_box_files(sample):
    clips = json.loads((sample / "sample.json").read_text())["clips"]
    assert len(clips) == len(CLASSES) * sum(SMALL)
    assert len({clip["name"] for clip in clips}) == len(clips)
    expected = {"sample.json"}
    for clip in clips:
        name = clip["name"]
        expected |= {f"people/{name}.csv", f"regions/{name}.csv"}
        expected.add(f"{clip['split']}/{clip['action']}/{name}.mp4")
    assert set(contents(sample)) == expected


def test_the_folders_load_as_a_data_set(sample):
    listing = load_dataset("folders", sample)
    assert listing.classes == CLASSES
    assert Counter(video.target for video in listing.train) == dict.fromkeys(range(6), SMALL[0])
    assert Counter(video.target for video in listing.test) == dict.fromkeys(range(6), SMALL[1])


def test_a_video_decodes_to_the_drawn_frames(sample):
    plan = plan_clips(3, SMALL)[0]
    clip = render_plan(plan)
    frames = decode(sample / plan.split / plan.action / f"{plan.name}.mp4")
    assert frames.shape == (plan.num_frames, 3, *SIZE_HW)
    drawn = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
    assert (frames.float() - drawn.float()).abs().mean() < 6
    boxes = read_tube_csv(sample / "regions" / f"{plan.name}.csv").boxes
    torch.testing.assert_close(boxes, torch.from_numpy(clip.target_boxes).float())


def test_equal_seeds_give_equal_files_whatever_the_number_of_workers(sample, tmp_path):
    again = generate_sample(tmp_path / "again", seed=3, clips_per_class=SMALL, num_workers=2)
    assert contents(again) == contents(sample)


def test_the_default_set_is_the_one_of_the_published_results():
    # Printed by the same lines at the commit that fixed VERSION 1; pixels are compared by their
    # means because the libraries that draw may round a pixel differently on another processor.
    plans = plan_clips(0, (40, 20))
    planned = json.dumps([asdict(plan) for plan in plans]).encode()
    expected = "2c066f66651821bac32dd82768b2c3e0120bc0653dcdeca8a9a74ed0b72a8c59"
    assert hashlib.sha256(planned).hexdigest() == expected
    clip = render_plan(plans[100])
    assert plans[100].name == "train_kick_020"
    np.testing.assert_allclose(clip.frames.mean((0, 1, 2)), [89.5183, 86.4426, 88.3412], atol=0.01)
    sums = clip.person_boxes.sum(), clip.target_boxes.sum()
    np.testing.assert_allclose(sums, [9325.7893, 9455.5679], atol=1e-3)


def test_small_figures_are_as_large_in_larger_frames():
    usual, small = (
        render_plan(plan_clips(0, (1, 1))[0], size) for size in ((160, 208), (348, 452))
    )
    assert small.frames.shape[1:] == (348, 452, 3)
    heights = [(one.person_boxes[:, 3] - one.person_boxes[:, 1]).mean() for one in (usual, small)]
    assert heights[0] == pytest.approx(heights[1], abs=3)
    assert heights[1] / 348 == pytest.approx(1 / 4, abs=0.05)


def test_the_share_of_small_figures_is_checked_and_recorded(tmp_path):
    with pytest.raises(InputError, match=r"from 1/8 to 1/2, got 0\.6"):
        generate_sample(tmp_path / "a", figure_share=0.6)
    root = generate_sample(tmp_path / "b", figure_share=0.5, clips_per_class=(1, 1), num_workers=0)
    content = json.loads((root / "sample.json").read_text())
    assert content["size_hw"] == [174, 226]
    assert content["settings"]["figure_share"] == 0.5


def test_another_seed_gives_another_clip():
    clips = [render_plan(plan_clips(seed, (1, 1))[0]) for seed in (0, 1)]
    length = min(len(clip.frames) for clip in clips)
    first, second = (clip.frames[:length].astype(float) for clip in clips)
    assert np.abs(first - second).mean() > 10
    assert not np.array_equal(clips[0].person_boxes[:length], clips[1].person_boxes[:length])


def test_more_clips_per_class_leave_the_first_ones_as_they_were():
    larger = {plan.name: plan for plan in plan_clips(0, (40, 20))}
    assert all(larger[plan.name] == plan for plan in plan_clips(0, (4, 2)))


def test_classes_and_sides_are_balanced():
    plans = plan_clips(0, (40, 20))
    assert set(Counter((p.split, p.action, p.side) for p in plans).values()) == {20, 10}
    alone = Counter((plan.split, plan.action) for plan in plans if plan.other_action is None)
    assert all(count == (8 if split == "train" else 4) for (split, _), count in alone.items())
    assert all(plan.other_action != plan.action for plan in plans)
    assert all(24 <= plan.num_frames <= 32 for plan in plans)


def test_train_and_test_share_no_person():
    people = {"train": set(), "test": set()}
    for plan in plan_clips(0, (40, 20)):
        people[plan.split] |= {plan.figure, plan.other_figure} - {None}
        assert plan.figure != plan.other_figure
    assert people["train"]
    assert people["test"]
    assert not people["train"] & people["test"]


def test_the_deciding_limb_is_in_the_image_and_near_its_person(sample):
    height, width = SIZE_HW
    near = []
    for plan in plan_clips(3, SMALL):
        person = read_tube_csv(sample / "people" / f"{plan.name}.csv", SIZE_HW)
        region = read_tube_csv(sample / "regions" / f"{plan.name}.csv", SIZE_HW)
        assert len(person) == len(region) == plan.num_frames
        low, high = region.boxes[:, :2], region.boxes[:, 2:]
        assert (low >= 0).all()
        assert (high <= torch.tensor([width, height])).all()
        assert ((high - low) > 6).all()
        middle = (low + high) / 2
        near.append((middle >= person.boxes[:, :2]).all(1) & (middle <= person.boxes[:, 2:]).all(1))
    assert torch.cat(near).float().mean() > 0.95


def test_the_deciding_limb_moves_more_than_its_mirror_image():
    alone = [plan for plan in plan_clips(0, (9, 0)) if plan.other_action is None]
    assert [plan.action for plan in alone] == list(CLASSES)
    for plan in alone:
        clip = render_plan(plan)
        boxes = clip.target_boxes
        changes = np.abs(np.diff(clip.frames.astype(float), axis=0)).mean(-1)
        x0, y0 = np.floor(boxes[:, :2].min(0)).astype(int)
        x1, y1 = np.ceil(boxes[:, 2:].max(0)).astype(int)
        middle = clip.person_boxes[:, ::2].mean()
        mirrored = sorted(np.clip(np.rint(2 * middle - np.array([x0, x1])), 0, SIZE_HW[1]))
        left, right = (int(value) for value in mirrored)
        assert changes[:, y0:y1, x0:x1].mean() > changes[:, y0:y1, left:right].mean()


def test_a_complete_set_is_reused(sample_copy):
    before = {path: path.stat().st_mtime_ns for path in sample_copy.rglob("*")}
    assert generate_sample(sample_copy, seed=3, clips_per_class=SMALL) == sample_copy
    assert {path: path.stat().st_mtime_ns for path in sample_copy.rglob("*")} == before


def test_an_interrupted_generation_is_completed(sample, sample_copy):
    (sample_copy / "sample.json").rename(sample_copy / "sample.partial.json")
    (sample_copy / "test/wave/test_wave_000.mp4").unlink()
    (sample_copy / "regions/train_kick_000.csv").write_text("")
    generate_sample(sample_copy, seed=3, clips_per_class=SMALL, num_workers=0)
    assert contents(sample_copy) == contents(sample)


def test_a_lost_clip_is_drawn_again(sample, sample_copy):
    (sample_copy / "train/kick/train_kick_000.mp4").unlink()
    generate_sample(sample_copy, seed=3, clips_per_class=SMALL, num_workers=0)
    assert contents(sample_copy) == contents(sample)


def test_a_set_with_other_settings_is_refused(sample):
    with pytest.raises(InputError, match=r"other settings.*'seed': 3.*another folder or delete"):
        generate_sample(sample, seed=4, clips_per_class=SMALL)


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="is not a sample data set; choose an empty or new folder"):
        generate_sample(tmp_path, clips_per_class=SMALL)


def test_numbers_out_of_range_are_refused(tmp_path):
    with pytest.raises(InputError, match="clips per class 1 or more; got seed 0"):
        generate_sample(tmp_path / "sample", clips_per_class=(1, 0))


def test_a_damaged_description_is_refused(sample_copy):
    (sample_copy / "sample.json").write_text("{")
    with pytest.raises(InputError, match=r"sample\.json is damaged.*delete the folder"):
        generate_sample(sample_copy, seed=3, clips_per_class=SMALL)
