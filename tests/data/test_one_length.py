"""The length of a video that is damaged in its middle: the frames of a sequential decode."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stn_action.data.clips import TestClips, TrainClips
from stn_action.data.frame_sampling import ClipSampling
from stn_action.data.manifest import Manifest, to_line, write_manifest
from stn_action.data.source import ClipSource
from stn_action.data.video_table import Video, VideoTable
from stn_action.jobs.inspection import inspect_video
from stn_action.person.crop import CropSpec
from stn_action.person.detect_video import detect_people
from stn_action.person.store.people_file import PeopleFile
from stn_action.video.backend_table import open_video
from tests.person.scene import ColorDetector, crossing, write_damaged_scene

CROP = CropSpec((40, 40), looseness=0.0, view_share=1.0)


@pytest.fixture(scope="session")
def damaged(tmp_path_factory) -> Path:
    path = write_damaged_scene(tmp_path_factory.mktemp("damaged") / "one.mp4", crossing())
    with open_video(path) as reader:
        promised = len(reader)
        assert sum(1 for _ in reader.stream()) < promised == 60
    return path


@pytest.mark.parametrize("has_people", [False, True])
@pytest.mark.parametrize("has_manifest", [False, True])
@pytest.mark.parametrize("span", [(None, None), (0.5, None)], ids=["file", "slice"])
def test_a_video_damaged_in_its_middle_has_one_length(
    damaged, tmp_path, span, has_manifest, has_people
):
    video = Video("one", damaged, 0, "one", *span)
    check_one_length(video, tmp_path, has_manifest=has_manifest, has_people=has_people)


@pytest.mark.parametrize("has_people", [False, True])
@pytest.mark.parametrize("has_manifest", [False, True])
def test_a_real_video_damaged_in_its_middle_has_52_frames(
    shared, tmp_path, has_manifest, has_people
):
    path = shared / "cases/damaged_middle/damaged_mid.mp4"
    video = Video("one", path, 0, "one")
    assert inspect_video(video).entry.frames == 52
    check_one_length(video, tmp_path, has_manifest=has_manifest, has_people=has_people)


def check_one_length(video: Video, folder: Path, *, has_manifest: bool, has_people: bool) -> None:
    """Training and test take frames of a sequential decode, whatever is known of the video."""
    entry = inspect_video(video).entry
    with video.open() as reader:
        images = [image for _, image, _ in reader.stream()]
    assert entry.frames == len(images)
    assert "cannot be decoded" in entry.note
    known: dict[str, Any] = {}
    if has_manifest:
        write_manifest(folder / "manifest.tsv", [to_line(entry)])
        known["manifest"] = Manifest.open(folder / "manifest.tsv")
    if has_people:
        found = detect_people(
            video.path, video.name, ColorDetector(), every=1,
            start_seconds=video.start_seconds, end_seconds=video.end_seconds,
        )  # fmt: skip
        assert found.num_frames == len(images)
        known["people"] = PeopleFile.create(folder / "people.sqlite", "colors")
        known["people"].add(found)
    source = ClipSource(VideoTable([video]), CROP, **known)
    sampling = ClipSampling(4, 5)
    for dataset in (
        TestClips(source, sampling=sampling, num_clips=5),
        TrainClips(source, sampling=sampling, views_per_video=10),
    ):
        traces = dataset.trace(0)
        firsts = [int(trace.sample.frame_indices[0]) for trace in traces]
        assert max(firsts) <= len(images) - 16
        if isinstance(dataset, TestClips):
            assert firsts == [(len(images) - 16) * clip // 4 for clip in range(5)]
        for trace in traces:
            for number, image in zip(
                trace.sample.frame_indices.tolist(), trace.images, strict=True
            ):
                assert np.array_equal(image, images[number])
