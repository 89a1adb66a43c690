import os
import re
import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from rich.console import Console

from stn_action.build.data import load_listing, training_dataset
from stn_action.checksum import checksum
from stn_action.data.datasets.dataset_table import load_dataset
from stn_action.data.video_table import Video
from stn_action.disk.atomic_file import WriteError
from stn_action.errors import InputError
from stn_action.jobs.reencode.copy_records import JOURNAL, PEOPLE
from stn_action.jobs.reencode.dataset_copy import REPORT, ReencodeSummary, reencode_dataset
from stn_action.jobs.reencode.plan import ReencodePlan, plan_reencode
from stn_action.jobs.reencode.reencoded_video import Recipe
from stn_action.person.store.people_file import PeopleFile
from stn_action.person.store.tube_folder import TubeFolder
from stn_action.person.tube import Tube
from stn_action.person.video_people import VideoPeople
from stn_action.video.backend_table import open_video
from stn_action.video.writer import write_video
from tests.tiny import WITHOUT_PERSON, tiny_config, tiny_settings, write_config
from tests.ucf101_tree import write_ucf101
from tests.video.clips import images
from tests.video.frame_folders import write_frames


def reencode(plan: ReencodePlan, workers: int = 0) -> ReencodeSummary:
    return reencode_dataset(plan, workers=workers, console=Console(file=StringIO()))


@pytest.fixture
def folder(tiny_data, tmp_path) -> Path:
    """Three videos and one that is broken."""
    root = shutil.copytree(tiny_data / "test/left", tmp_path / "videos/left")
    shutil.copy(tiny_data / "train/down/0.mp4", root.parent)
    (root.parent / "broken.avi").write_bytes(b"no video")
    return root.parent


def plan_of(folder: Path, out: Path, recipe: Recipe = Recipe(32)) -> ReencodePlan:  # noqa: B008
    return plan_reencode(str(folder), [], out, recipe, None)


def test_a_data_set_trains_from_its_re_encoded_copy(tiny_data, tmp_path):
    file = write_config(tmp_path / "tiny.yaml", tiny_settings(tiny_data))
    out, recipe = tmp_path / "out", Recipe(24, margin=0.25)
    summary = reencode(plan_reencode(str(file), [], out, recipe, tiny_data / "people"))
    assert (summary.job.done, summary.job.known, summary.job.failures) == (18, 0, {})
    assert summary.uncropped == 1
    assert summary.lines()[-1] == (
        f"written to {out}; train with data.root={out} data.people={out / PEOPLE}"
    )
    people = PeopleFile(out / PEOPLE)
    assert len(people) == 18
    config = tiny_config(out, f"data.people={out / PEOPLE}", "data.regions=null")
    listing = load_listing(config)
    assert [len(listing.train), len(listing.test)] == [12, 6]
    dataset = training_dataset(config, listing.train)
    assert dataset.without_tube == 1
    for index, video in enumerate(listing.train):
        ((sample,), failures) = dataset[index]
        assert failures == []
        with open_video(video.path) as reader:
            assert min(reader.size_hw) <= 24
        found = people.find(video.name)
        assert found is not None
        assert (not found.tubes) == (video.name == WITHOUT_PERSON)
        assert sample.clip.shape == (3, 4, 32, 32)


def test_ucf101_keeps_its_tree_and_lists(tmp_path):
    root = write_ucf101(tmp_path / "ucf101")
    settings = tiny_settings(
        root, "data.name=ucf101", "data.official=false", "data.people=null", "data.regions=null"
    )
    (root / "YoYo/v_YoYo_g08_c01.avi").unlink()
    file = write_config(tmp_path / "ucf101.yaml", settings)
    out = tmp_path / "out"
    summary = reencode(plan_reencode(str(file), [], out, Recipe(32), None))
    assert (summary.job.done, summary.job.missing) == (5, ["YoYo/v_YoYo_g08_c01"])
    assert summary.lines()[0].endswith("0 failed, 1 missing on disk (YoYo/v_YoYo_g08_c01)")
    with pytest.raises(InputError, match=r"1 of 6 listed videos are missing: v_YoYo_g08_c01.avi"):
        load_dataset("ucf101", out, 1, require_official=False)
    shutil.copy(out / "YoYo/v_YoYo_g02_c03.mp4", out / "YoYo/v_YoYo_g08_c01.mp4")
    after = load_dataset("ucf101", out, 1, require_official=False)
    assert after.test[1].name == "YoYo/v_YoYo_g02_c03"
    assert after.test[1].path == out / "YoYo/v_YoYo_g02_c03.mp4"


def test_ut_interaction_loads_re_encoded_clips(shared, tmp_path):
    source = shared / "data/ut_interaction_set1"
    for path in source.glob("*.avi"):
        (tmp_path / f"{path.stem}.mp4").touch()
    listing, original = (
        load_dataset("ut_interaction", tmp_path, 3),
        load_dataset("ut_interaction", source, 3),
    )
    assert [v.name for v in listing.test] == [v.name for v in original.test]
    assert listing.test[0].path.suffix == ".mp4"


def test_what_is_done_is_not_done_again(folder, tmp_path):
    out = tmp_path / "out"
    summary = reencode(plan_of(folder, out))
    assert (summary.job.done, summary.job.known, list(summary.job.failures)) == (3, 0, ["broken"])
    report = (out / REPORT).read_text().splitlines()
    assert report[0] == "name\terror"
    assert report[1].startswith("broken\tno backend can read this video")
    files = {path: path.stat().st_mtime_ns for path in out.rglob("*.mp4")}
    assert {path.relative_to(out).as_posix() for path in files} == {
        "0.mp4", "left/0.mp4", "left/1.mp4",
    }  # fmt: skip
    assert not (out / ".unfinished").exists()
    os.utime(folder / "0.mp4", ns=(1, 1))  # another date, the same content
    summary = reencode(plan_of(folder, out))
    assert (summary.job.done, summary.job.known, len(summary.job.failures)) == (0, 3, 1)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.mp4")} == files
    shutil.copy(folder / "left/0.mp4", folder / "broken.avi")  # mended
    shutil.copy(folder / "left/0.mp4", folder / "left/1.mp4")  # changed
    (out / "0.mp4").write_bytes(b"cut")
    summary = reencode(plan_of(folder, out))
    assert (summary.job.done, summary.job.known, summary.job.failures) == (3, 1, {})
    assert (out / "left/1.mp4").read_bytes() == (out / "left/0.mp4").read_bytes()
    assert (out / REPORT).read_text() == "name\terror\n"


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_video_that_cannot_be_encoded_is_named_and_the_others_are_done(workers, folder, tmp_path):
    image = np.zeros((16, 17_000, 3), np.uint8)  # too wide for H.264
    with av.open(str(folder / "wide.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 17_000, 16, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode(None))
    summary = reencode(plan_of(folder, tmp_path / "out"), workers=workers)
    assert summary.job.done == 3
    failures = summary.job.failures
    assert sorted(failures) == ["broken", "wide"]
    assert re.fullmatch(r"H\.264 cannot hold such frames \(.+\)", failures["wide"])
    assert not (tmp_path / "out/.unfinished").exists()


def test_a_full_disk_ends_the_job_and_not_each_video(folder, tmp_path, file_size_limit):
    plan = plan_of(folder, tmp_path / "out")
    file_size_limit(600)
    with pytest.raises(WriteError, match=r"\.mp4: cannot be written \(File too large\); make room"):
        reencode(plan)
    file_size_limit(1 << 20)
    assert reencode(plan).job.done == 3
    assert not list((tmp_path / "out").rglob(".*"))


def test_a_run_goes_on_where_it_was_killed(folder, tmp_path):
    out = tmp_path / "out"
    reencode(plan_of(folder, out))
    lines = (out / JOURNAL).read_bytes().splitlines(keepends=True)
    (out / JOURNAL).write_bytes(b"".join(lines[:2]) + lines[2][:20])
    (out / ".unfinished").mkdir()
    (out / ".unfinished/123.mp4").write_bytes(b"half a video")
    summary = reencode(plan_of(folder, out))
    assert summary.job.known + summary.job.done == 3
    assert summary.job.done in (2, 3)  # the broken one may have been first
    assert not (out / ".unfinished").exists()


def test_other_settings_are_refused(folder, tmp_path):
    out = tmp_path / "out"
    reencode(plan_of(folder, out))
    with pytest.raises(InputError, match=r"other settings: short_side was 32, is 48; give"):
        reencode(plan_of(folder, out, Recipe(48)))
    (out / JOURNAL).write_text('{"name": "left/0"\n')
    with pytest.raises(InputError, match=r"out holds videos that were re-encoded with"):
        reencode(plan_of(folder, out))
    reencode(plan_of(folder, tmp_path / "other"))
    with (tmp_path / "other" / JOURNAL).open("a") as file:
        file.write("[1]\n")
    with pytest.raises(InputError, match=r"reencoded.jsonl: a line is damaged"):
        reencode(plan_of(folder, tmp_path / "other"))


def test_a_copy_inside_the_data_set_is_refused(folder):
    for out in (folder, folder / "left/small"):
        with pytest.raises(InputError, match=r"--out: .* is in .*videos; choose a folder outsi"):
            plan_of(folder, out)


def test_changed_boxes_are_cropped_again_and_lost_ones_written_again(tiny_data, tmp_path):
    videos = shutil.copytree(tiny_data / "test/left", tmp_path / "data/test/left")
    people = shutil.copytree(tiny_data / "people/test/left", tmp_path / "people/test/left")
    plan = plan_reencode(
        str(videos.parents[1]), [], tmp_path / "out", Recipe(32, margin=0.0), people.parents[1]
    )
    assert reencode(plan).job.done == 2
    (tmp_path / "out" / PEOPLE).unlink()
    assert reencode(plan).job.done == 0
    found = PeopleFile(tmp_path / "out" / PEOPLE).find("test/left/0")
    assert found is not None
    assert found.longest_span == 12
    text = (people / "0.csv").read_text().splitlines()
    (people / "0.csv").write_text("\n".join(text[:-6]) + "\n")
    summary = reencode(replace(plan, people=TubeFolder(people.parents[1])))
    assert (summary.job.done, summary.job.known) == (1, 1)
    again = PeopleFile(tmp_path / "out" / PEOPLE).find("test/left/0")
    assert again is not None
    assert again.longest_span == 6
    assert again.size_hw != found.size_hw


def test_a_slice_becomes_a_file_of_its_own(tmp_path):
    path = tmp_path / "videos/film.mp4"
    write_video(path, images(60, (48, 64)), fps=25)
    spans = {"wave/1": (None, 0.8), "wave/2": (0.8, 2.0)}
    videos = [Video(name, path, 0, "", *span) for name, span in spans.items()]
    tube = Tube(torch.tensor([0, 9]), torch.tensor([[8.0, 8.0, 40.0, 40.0]] * 2), torch.ones(2))
    people = PeopleFile.create(tmp_path / "people.sqlite", "hand")
    for name in spans:
        people.add(VideoPeople(name, (tube,), (48, 64)))
    out = tmp_path / "out"
    plan = ReencodePlan(videos, path.parent, out, Recipe(16), people)
    lines = reencode(plan).lines()
    assert lines[0] == "2 videos: 2 re-encoded now, 0 known before, 0 failed"
    assert lines[1].startswith(
        f"2 videos are slices: each is a file of its own now, {out}/NAME.mp4"
    )
    shown = []
    for name in spans:
        with open_video(out / f"{name}.mp4") as reader:
            assert reader.size_hw == (16, 22)
            shown.append(len(reader))
        found = PeopleFile(out / PEOPLE).find(name)
        assert found is not None
        assert found.num_frames == shown[-1]
        assert found.checksum == checksum(out / f"{name}.mp4")
    assert shown == [20, 30]
    assert reencode(plan).job.known == 2
    videos[1] = replace(videos[1], end_seconds=1.6)
    assert reencode(plan).job.known == 1
    with open_video(out / "wave/2.mp4") as reader:
        assert len(reader) == 20


def test_boxes_of_another_video_are_a_failure(tiny_data, tmp_path):
    (tmp_path / "0.csv").write_text("frame,x0,y0,x1,y1\n0,900,900,950,950\n")
    folder = shutil.copytree(tiny_data / "test/left", tmp_path / "videos")
    for number, margin in enumerate((None, 0.5)):
        plan = plan_reencode(
            str(folder), [], tmp_path / f"out{number}", Recipe(32, margin), tmp_path
        )
        summary = reencode(plan)
        assert summary.job.done == 1
        assert "is entirely outside the image" in summary.job.failures["0"]


def test_the_forecast_tells_size_and_speed(folder, tmp_path):
    lines = []
    reencode_dataset(
        plan_of(folder, tmp_path / "out"), workers=0, announce=lines.append,
        console=Console(file=StringIO()),
    )  # fmt: skip
    (line,) = lines
    assert line.startswith(
        "4 videos of 0.0 MB to re-encode; measured on 2: expect 0.0 MB, and clips"
    )
    assert "times as fast" in line


@pytest.mark.slow
def test_workers_write_the_same_files_as_one_process(folder, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    reencode(plan_of(folder, one))
    summary = reencode(plan_of(folder, two), workers=1)
    assert (summary.job.done, len(summary.job.failures)) == (3, 1)
    for path in one.rglob("*.mp4"):
        assert path.read_bytes() == (two / path.relative_to(one)).read_bytes()


def test_a_folder_of_frames_becomes_a_file_at_the_rate_it_is_given(tmp_path):
    source = write_frames(tmp_path / "videos/kick/v.1", images(12, (48, 64)))
    out = tmp_path / "out"

    def again(fps: float) -> tuple[int, int]:
        settings = [f"data.frames_fps={fps}"]
        job = reencode(plan_reencode(str(tmp_path / "videos"), settings, out, Recipe(32), None)).job
        return job.done, job.known

    assert again(12) == (1, 0)
    with open_video(out / "kick/v.1.mp4") as copy:
        assert (copy.fps, copy.size_hw) == (12, (32, 42))
        assert len(copy) == 12
        corners = [image[2:8, 2:8].mean() for image in copy.read_images(range(12))]
    np.testing.assert_allclose(corners, [20 + 3 * number for number in range(12)], atol=2)
    assert again(12) == (0, 1)
    os.utime(source / "00003.png", (1, 1))
    assert again(12) == (0, 1)
    assert again(24) == (1, 0)
