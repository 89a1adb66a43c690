"""People of a whole data set: complete and identical, however often the run is killed."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from rich.console import Console

from stn_action.build.video_sets import videos_of
from stn_action.data.video_table import Video
from stn_action.errors import InputError
from stn_action.jobs.detect_people import DetectionPlan, detect_all, merge_files
from stn_action.person.store.people_file import PeopleFile
from tests.person.scene import crossing, draw, standing, write_scene
from tests.person.store.test_people_file import same
from tests.video.frame_folders import write_frames

DETECTOR = "python:tests.person.scene:ColorDetector"
PLAN = DetectionPlan(DETECTOR)
NUM_VIDEOS = 12
TOOL = Path(__file__).parents[2] / "tools/detect_people.py"


@pytest.fixture(scope="session")
def videos(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("people") / "videos"
    for number in range(NUM_VIDEOS):
        way = crossing(30 + number) if number % 2 else standing(30 + number)
        write_scene(root / f"{'ab'[number % 2]}/{number:02}.mp4", way)
    return root


@pytest.fixture(scope="session")
def complete(videos, tmp_path_factory) -> PeopleFile:
    """What a run gives that nothing disturbs."""
    out = tmp_path_factory.mktemp("people") / "complete.sqlite"
    detect_all(videos_of(str(videos)), out, PLAN, workers=0, console=quiet())
    return PeopleFile(out)


def quiet() -> Console:
    return Console(quiet=True)


def start(videos: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    command = [
        sys.executable, str(TOOL), str(videos), "--detector", DETECTOR, "--out", str(out), *more,
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(TOOL.parents[1])}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def assert_identical(file: PeopleFile, other: PeopleFile) -> None:
    assert file.names() == other.names()
    assert all(same(one, two) for one, two in zip(file, other, strict=True))


def test_all_people_are_found_in_every_video(complete):
    assert len(complete) == NUM_VIDEOS
    assert [len(one.tubes) for one in complete] == [1] * 6 + [2] * 6
    assert [one.num_frames for one in complete] == [*range(30, 42, 2), *range(31, 42, 2)]
    assert all(one.checksum for one in complete)
    assert complete.made_by == "colors 1, every 3 frames, scores from 0.1, ByteTrack"


@pytest.mark.slow
def test_killed_twenty_times_it_ends_complete_and_identical(videos, complete, tmp_path):
    out = tmp_path / "people.sqlite"
    draw = random.Random(0)
    killed_with_work_left = 0
    for _ in range(20):
        process = start(videos, out, "--workers", "1")
        deadline = time.monotonic() + 60
        known = len(PeopleFile(out)) if out.exists() else 0
        # at a moment that differs: during the start, before, in or after a write
        wanted = draw.choice([None, known, known + 1])
        if wanted is None:
            time.sleep(draw.random() * 4)
        while wanted is not None and process.poll() is None and time.monotonic() < deadline:
            if out.exists() and len(PeopleFile(out)) >= wanted:
                time.sleep(draw.random() * 0.3)
                break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if out.exists():
            file = PeopleFile(out)
            killed_with_work_left += len(file) < NUM_VIDEOS
            assert all(same(one, complete.find(one.name)) for one in file)
    assert killed_with_work_left >= 3
    process = start(videos, out, "--workers", "2")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert f"{NUM_VIDEOS} videos" in said
    assert_identical(PeopleFile(out), complete)


def test_a_run_that_is_killed_beside_another_loses_nothing(videos, complete, tmp_path):
    out = tmp_path / "people.sqlite"
    killed, other = (start(videos, out, "--workers", "0") for _ in range(2))
    deadline = time.monotonic() + 120
    while (not out.exists() or len(PeopleFile(out)) < 2) and time.monotonic() < deadline:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    other.communicate(timeout=120)
    assert other.returncode == 0
    assert all(same(one, complete.find(one.name)) for one in PeopleFile(out))
    assert len(PeopleFile(out)) >= NUM_VIDEOS - 1  # the one that the killed run worked on
    detect_all(videos_of(str(videos)), out, PLAN, workers=0, console=quiet())
    assert_identical(PeopleFile(out), complete)


@pytest.mark.slow
def test_two_runs_at_once_share_the_work(videos, complete, tmp_path):
    out = tmp_path / "people.sqlite"
    both = [start(videos, out, "--workers", "1") for _ in range(2)]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    finished = [int(text.split(" searched for people now")[0].rsplit(" ", 1)[1]) for text in said]
    assert sum(finished) == NUM_VIDEOS
    assert_identical(PeopleFile(out), complete)


@pytest.mark.slow
def test_workers_find_the_same(videos, complete, tmp_path):
    out = tmp_path / "people.sqlite"
    detect_all(videos_of(str(videos)), out, PLAN, workers=2, console=quiet())
    assert_identical(PeopleFile(out), complete)


def test_the_tracker_by_name_is_recorded_and_not_mixed_with_another(tmp_path):
    root, out = tmp_path / "videos", tmp_path / "people.sqlite"
    write_scene(root / "one.mp4", standing(12))
    plan = DetectionPlan(DETECTOR, tracker="ocsort")
    detect_all(videos_of(str(root)), out, plan, workers=0, console=quiet())
    assert PeopleFile(out).made_by == "colors 1, every 3 frames, scores from 0.1, OC-SORT"
    assert [len(one.tubes) for one in PeopleFile(out)] == [1]
    with pytest.raises(InputError, match=r"OC-SORT.*ByteTrack"):
        detect_all(videos_of(str(root)), out, PLAN, workers=0, console=quiet())
    wrong = DetectionPlan(DETECTOR, tracker="deepsort")
    with pytest.raises(InputError, match=r"--tracker must be one of bytetrack, .*, got 'deepsort'"):
        detect_all(videos_of(str(root)), tmp_path / "other.sqlite", wrong, workers=0)
    assert not (tmp_path / "other.sqlite").exists()


def test_a_second_run_processes_new_and_changed_videos_only(tmp_path):
    root, out = tmp_path / "videos", tmp_path / "people.sqlite"
    for name in ("one", "two"):
        write_scene(root / f"{name}.mp4", standing(12))

    def again() -> str:
        return "; ".join(detect_all(videos_of(str(root)), out, PLAN, workers=0, console=quiet()))

    assert again().startswith(
        "2 videos: 2 searched for people now, 0 known before, 0 failed; "
        f"written to {out}: no person found in 0 of 2 videos; made by colors 1"
    )
    assert "2 videos: 0 searched for people now, 2 known before, 0 failed" in again()
    os.utime(root / "one.mp4", (1, 1))  # another date alone is no change
    assert "2 videos: 0 searched for people now, 2 known before, 0 failed" in again()
    write_scene(root / "one.mp4", crossing(15))
    write_scene(root / "three.mp4", torch.zeros(0, 12, 4))
    text = again()
    assert "3 videos: 2 searched for people now, 1 known before, 0 failed" in text
    assert "no person found in 1 of 3 videos" in text
    one = PeopleFile(out).find("one")
    assert one is not None
    assert len(one.tubes) == 2


def test_videos_that_cannot_be_read_are_named_and_tried_again(tmp_path):
    root, out = tmp_path / "videos", tmp_path / "people.sqlite"
    write_scene(root / "good.mp4", standing(12))
    (root / "empty.mp4").touch()
    lines = detect_all(videos_of(str(root)), out, PLAN, workers=0, console=quiet())
    assert lines[0] == "2 videos: 1 searched for people now, 0 known before, 1 failed"
    assert lines[1] == "failed: empty: the video file is empty (0 bytes)"
    assert lines[2].endswith("no person found in 0 of 2 videos")
    assert PeopleFile(out).errors() == {"empty": "the video file is empty (0 bytes)"}
    write_scene(root / "empty.mp4", standing(12))
    lines = detect_all(videos_of(str(root)), out, PLAN, workers=0, console=quiet())
    assert lines[0] == "2 videos: 1 searched for people now, 1 known before, 0 failed"
    assert lines[1].endswith("no person found in 0 of 2 videos")


def test_videos_that_are_not_on_the_disk_are_counted_and_not_recorded(tmp_path):
    root, out = tmp_path / "videos", tmp_path / "people.sqlite"
    write_scene(root / "good.mp4", standing(12))
    videos = [*videos_of(str(root)), Video("lost", root / "lost.mp4", 0, "")]
    lines = detect_all(videos, out, PLAN, workers=0, console=quiet())
    assert lines[0].endswith(
        "1 searched for people now, 0 known before, 0 failed, 1 missing on disk (lost)"
    )
    assert PeopleFile(out).names() == ["good"]


def test_slices_of_one_file_are_videos_of_their_own(tmp_path):
    path = write_scene(tmp_path / "film.mp4", crossing(45))  # 30 frames in a second
    out = tmp_path / "people.sqlite"

    def again(end: float) -> str:
        videos = [Video("film_1", path, 0, "", None, 0.5), Video("film_2", path, 0, "", 0.5, end)]
        return detect_all(videos, out, PLAN, workers=0, console=quiet())[0]

    assert "2 searched for people now" in again(1.0)
    assert [people.num_frames for people in PeopleFile(out)] == [15, 15]
    assert "0 searched for people now, 2 known before" in again(1.0)
    assert "1 searched for people now, 1 known before" in again(1.3)
    assert [people.num_frames for people in PeopleFile(out)] == [15, 24]


def test_other_settings_need_another_file(videos, complete):
    with pytest.raises(InputError, match=r"every 3 frames.*, not by .*every 5 frames"):
        detect_all([], complete.path, DetectionPlan(DETECTOR, every=5), workers=0)
    with pytest.raises(InputError, match="--every and --batch-size must be at least 1, got 0, 8"):
        DetectionPlan(DETECTOR, every=0)
    with pytest.raises(InputError, match="--min-score must be between 0 and 1, got 7"):
        DetectionPlan(DETECTOR, min_score=7)


def test_files_of_several_machines_are_joined(videos, complete, tmp_path):
    found = videos_of(str(videos))
    for name, part in (("a", found[:7]), ("b", found[5:])):
        detect_all(part, tmp_path / f"{name}.sqlite", PLAN, workers=0, console=quiet())
    lines = merge_files([tmp_path / "a.sqlite", tmp_path / "b.sqlite"], tmp_path / "all.sqlite")
    assert lines[0].endswith("a.sqlite: 7 videos merged")
    assert lines[1].endswith("b.sqlite: 5 videos merged")
    assert_identical(PeopleFile(tmp_path / "all.sqlite"), complete)


def test_people_are_found_in_folders_of_frames(tmp_path):
    folder = write_frames(tmp_path / "videos/a", draw(standing(9)))
    out = tmp_path / "people.sqlite"

    def again(*settings: str) -> str:
        videos = videos_of(str(tmp_path / "videos"), settings)
        return detect_all(videos, out, PLAN, workers=0, console=quiet())[0]

    assert again("data.frames_fps=30").startswith("1 videos: 1 searched for people now")
    (found,) = PeopleFile(out)
    assert (found.name, found.num_frames, found.fps, len(found.tubes)) == ("a", 9, 30.0, 1)
    boxes = found.tubes[0].boxes_at(torch.arange(7))
    torch.testing.assert_close(boxes, standing(7)[0], atol=1.0, rtol=0)
    assert again().startswith("1 videos: 0 searched for people now, 1 known before")
    write_frames(folder, draw(standing(1)), first=10)
    assert again().startswith("1 videos: 1 searched for people now, 0 known before")
