"""Previews show the very clips of the datasets; nothing is cut a second time."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from stn_action.batch import Sample
from stn_action.build.cache_filling import CACHE_SEED
from stn_action.build.data import evaluation_dataset, load_listing, training_dataset
from stn_action.config.schema import Config
from stn_action.errors import InputError
from stn_action.person.store.people_file import PeopleFile
from stn_action.person.tube import Tube
from stn_action.person.video_people import VideoPeople
from stn_action.runs.preview import OVERVIEW, preview
from tests.tiny import WITHOUT_PERSON, tiny_config

LARGER = 3
"""A clip frame of 32 pixels is shown so many times as large."""


def sheet_of(out: Path, name: str) -> np.ndarray:
    (path,) = out.glob(f"*_{name.replace('/', '_')}.png")
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])


def shows(sheet: np.ndarray, sample: Sample) -> bool:
    """Whether every frame of a clip is in the sheet, to the last bit."""
    return all(_holds(sheet, frame) for frame in sample.clip.unbind(1))


def _holds(sheet: np.ndarray, frame: Tensor) -> bool:
    pixels = frame.permute(1, 2, 0).numpy().repeat(LARGER, 0).repeat(LARGER, 1)
    height, width = pixels.shape[:2]
    begins = (sheet[:-height, :-width] == pixels[0, 0]).all(-1)
    begins &= (sheet[height - 1 : -1, width - 1 : -1] == pixels[-1, -1]).all(-1)
    places = np.argwhere(begins)
    return any((sheet[y : y + height, x : x + width] == pixels).all() for y, x in places)


def files_of(config: Config, out: Path, **settings) -> list[str]:
    return [Path(line).name for line in preview(config, out, **settings)]


def test_the_clips_of_the_first_epochs_are_shown(tiny_data, tmp_path):
    config = tiny_config(tiny_data)
    files = files_of(config, tmp_path, limit=2, draws=2)
    assert len(files) == 3
    assert files[-1] == OVERVIEW
    videos = load_listing(config).train
    dataset = training_dataset(config, videos)
    for item in (0, 6):
        sheet = sheet_of(tmp_path, videos[item].name)
        seen = []
        for epoch in (1, 2, 3):
            dataset.set_epoch(epoch)
            seen.append(shows(sheet, dataset[item][0][0]))
        assert seen == [True, True, False]


def test_the_views_of_a_test_are_shown(tiny_data, tmp_path):
    config = tiny_config(
        tiny_data, "data.crop.view_share=0.5", "eval.num_clips=2", "eval.num_crops=2"
    )
    files_of(config, tmp_path, part="test", limit=1, draws=3)
    videos = load_listing(config).test
    samples = evaluation_dataset(config, videos)[0][0]
    sheet = sheet_of(tmp_path, videos[0].name)
    assert [shows(sheet, sample) for sample in samples] == [True, False, True, True]


def test_the_validation_part_is_shown_if_there_is_one(tiny_data, tmp_path):
    config = tiny_config(tiny_data, "data.val_share=0.2")
    files_of(config, tmp_path, part="val", limit=1, draws=1)
    videos = load_listing(config).val
    sample = evaluation_dataset(config, videos)[0][0][0]
    assert shows(sheet_of(tmp_path, videos[0].name), sample)
    with pytest.raises(InputError, match=r"folders has no val videos; choose another part"):
        list(preview(tiny_config(tiny_data), tmp_path / "none", part="val"))


def test_with_a_cache_its_views_are_shown(tiny_data, tmp_path):
    frozen = ["model.freeze_until=stage2", "train.cache_features=true", "train.cache_views=2"]
    config = tiny_config(tiny_data, *frozen)
    files_of(config, tmp_path, limit=1, draws=9)
    listing = load_listing(config)
    name = listing.train[0].name
    videos = sorted([*listing.train, *listing.test], key=lambda video: video.name)
    dataset = training_dataset(config, videos, views_per_video=2, seed=CACHE_SEED)
    samples = dataset[[video.name for video in videos].index(name)][0]
    assert [shows(sheet_of(tmp_path, name), sample) for sample in samples] == [True, True]


@pytest.fixture
def several_people(tiny_data, tmp_path) -> Path:
    """Two persons in one video, none in all others."""
    listing = load_listing(tiny_config(tiny_data, "data.people=null"))
    people = PeopleFile.create(tmp_path / "people.sqlite", "a test")
    numbers = torch.arange(12)
    boxes = [torch.tensor([[2.0, 4, 20, 40]]), torch.tensor([[30.0, 4, 60, 44]])]
    tubes = tuple(Tube(numbers, box.expand(12, 4).contiguous(), torch.ones(12)) for box in boxes)
    for video in (*listing.train, *listing.test):
        found = tubes if video.name == listing.train[6].name else ()
        people.add(VideoPeople(video.name, found, size_hw=(48, 64)))
    return people.path


def test_persons_take_turns_where_each_is_a_sample(tiny_data, several_people, tmp_path):
    config = tiny_config(
        tiny_data,
        f"data.people={several_people}",
        "data.tubes.select=all",
        "data.crop.box_jitter=0",
    )
    out = tmp_path / "out"
    files_of(config, out, limit=2, draws=2)
    videos = load_listing(config).train
    dataset = training_dataset(config, videos)
    assert len(dataset) == 13
    for draw, item in enumerate((6, 7)):
        dataset.set_epoch(draw + 1)
        assert shows(sheet_of(out, videos[6].name), dataset[item][0][0])


def test_whole_frames_are_told_apart(tiny_data, tmp_path):
    config = tiny_config(tiny_data)
    files_of(config, tmp_path / "boxes", limit=2, draws=1)
    files_of(tiny_config(tiny_data, "data.people=null"), tmp_path / "none", limit=2, draws=1)
    alone, other = (
        [sheet_of(tmp_path / folder, name) for folder in ("boxes", "none")]
        for name in (WITHOUT_PERSON, "train/down/0")
    )
    person_line = (86, 180, 233)
    pixels = [int((sheet == person_line).all(-1).sum()) for sheet in (*alone, *other)]
    assert pixels[0] == pixels[1] == pixels[3] < pixels[2]  # the legend's, and a person's


def test_a_video_with_boxes_of_another_one_is_reported_and_the_others_drawn(tiny_data, tmp_path):
    data = shutil.copytree(tiny_data, tmp_path / "data")
    config = tiny_config(data)
    odd = load_listing(config).train[0]
    boxes = data / "people" / f"{odd.name}.csv"
    boxes.write_text("frame,x0,y0,x1,y1\n99,1,2,30,40\n")
    lines = list(preview(config, tmp_path / "out", limit=2, draws=1))
    assert lines[0].startswith(
        f"cannot be read: {odd.name}: {boxes}: the boxes of {odd.name} reach"
    )
    assert [Path(line).name for line in lines[1:]] == ["02_train_left_2.png", OVERVIEW]


def test_an_unreadable_video_is_reported_and_the_others_drawn(tiny_data, tmp_path):
    data = shutil.copytree(tiny_data, tmp_path / "data")
    config = tiny_config(data, "data.people=null")
    broken = load_listing(config).train[0]
    broken.path.write_bytes(b"no video")
    lines = list(preview(config, tmp_path / "out", limit=2, draws=1))
    assert lines[0].startswith(f"cannot be read: {broken.name}: {broken.path}: no backend can")
    assert [Path(line).name for line in lines[1:]] == ["02_train_left_2.png", OVERVIEW]
    message = rf"none of 1 videos can be read; the first cannot be read: {broken.name}: "
    with pytest.raises(InputError, match=message):
        list(preview(config, tmp_path / "one", limit=1))
