import multiprocessing
import os
import re
import resource
import shutil
import signal
from io import StringIO
from pathlib import Path, PosixPath

import pytest
from rich.console import Console

from stn_action.build.video_sets import videos_of
from stn_action.checksum import checksum
from stn_action.data.index_file import index_path
from stn_action.data.manifest import HEADER, Manifest, to_line
from stn_action.data.video_table import Video
from stn_action.errors import InputError
from stn_action.jobs.check_videos import CheckSummary, check_videos
from stn_action.jobs.inspection import inspect_video
from stn_action.video.backend_table import open_video
from stn_action.workers.pool import CRASHED
from tests.video.clips import CLIPS, write_clip
from tests.video.frame_folders import gray_frames, write_frames


def check(folder: Path, out: Path, *, workers: int = 0) -> CheckSummary:
    console = Console(file=StringIO())
    return check_videos(videos_of(str(folder)), out, workers=workers, console=console)


@pytest.fixture
def folder(tiny_data, tmp_path) -> Path:
    """Six videos, one of them broken and one cut off."""
    root = shutil.copytree(tiny_data / "train/down", tmp_path / "videos/down")
    shutil.copytree(tiny_data / "test/left", root.parent / "left")
    (root / "2.mp4").write_bytes(b"no video")
    (root / "3.mp4").unlink()
    path = write_clip(root, CLIPS[6]).rename(root / "3.avi")
    path.write_bytes(path.read_bytes()[:10_000])
    return root.parent


@pytest.mark.parametrize("clip", [c for c in CLIPS if "raw" not in c.name], ids=lambda c: c.name)
def test_a_clip_is_described_as_its_reader_sees_it(clip, tmp_path):
    path = write_clip(tmp_path, clip)
    entry = inspect_video(Video("a", path, 0, "")).entry
    with open_video(path) as reader:
        assert entry.frames == len(reader) == len(clip.times)
        assert (entry.height, entry.width, entry.fps) == (*reader.size_hw, reader.fps)
    assert entry.rotation == 90 * clip.quarter_turns
    assert entry.codec == {"libx264": "h264"}.get(clip.codec, clip.codec)
    assert entry.bytes == path.stat().st_size
    assert entry.modified == path.stat().st_mtime_ns
    assert entry.checksum == checksum(path)
    assert (entry.error, entry.note) == ("", "")


@pytest.mark.parametrize("clip", [CLIPS[0], CLIPS[6], CLIPS[16]], ids=lambda clip: clip.name)
def test_a_slice_is_described_as_its_reader_sees_it(clip, tmp_path):
    path = write_clip(tmp_path, clip)
    entry = inspect_video(Video("a_1", path, 0, "", 0.4, 1.0)).entry
    whole = inspect_video(Video("a", path, 0, "")).entry
    assert entry.frames == 15
    assert entry.checksum == f"{whole.checksum} 0.4:1.0"
    same = ("fps", "width", "height", "rotation", "codec", "bytes", "modified", "error", "note")
    assert [getattr(entry, key) for key in same] == [getattr(whole, key) for key in same]
    beyond = inspect_video(Video("a_2", path, 0, "", 7.0)).entry
    assert beyond.error.startswith("no frame is shown from 7 s to the end")


def test_slices_of_one_file_are_checked_apart_and_again_when_they_change(tmp_path):
    path = write_clip(tmp_path, CLIPS[0])
    out = tmp_path / "manifest.tsv"

    def again(*bounds: tuple[float | None, float | None]) -> tuple[str, list[int]]:
        videos = [Video(f"a_{n}", path, 0, "", *pair) for n, pair in enumerate(bounds)]
        summary = check_videos(videos, out, workers=0, console=Console(file=StringIO()))
        return summary.lines()[0], [entry.frames for entry in Manifest.open(out)]

    line, frames = again((None, 1.0), (1.0, 2.0))
    assert "2 videos: 2 checked now" in line
    assert frames == [25, 25]
    line, frames = again((None, 1.0), (1.0, 2.2))
    assert "2 videos: 1 checked now, 1 known before" in line
    assert frames == [25, 30]
    os.utime(path, (1, 1))
    assert again((None, 1.0), (1.0, 2.2))[1] == [25, 30]


@pytest.mark.parametrize("clip", CLIPS[:9], ids=lambda clip: clip.name)
@pytest.mark.parametrize("damage", ["cut", "zeros"])
def test_frames_of_a_damaged_clip_are_those_that_a_pass_gives(clip, damage, tmp_path):
    path = write_clip(tmp_path, clip)
    data = path.read_bytes()
    middle = 2 * len(data) // 3
    tail = b"" if damage == "cut" else bytes(1000) + data[middle + 1000 :]
    path.write_bytes(data[:middle] + tail)
    entry = inspect_video(Video("a", path, 0, "")).entry
    with open_video(path) as reader:
        given = sum(1 for _ in reader.stream())
    assert 0 < entry.frames == given < 60
    assert entry.error == ""
    if path.suffix != ".mkv" or damage != "cut":  # Matroska does not say how long it should be
        assert re.match(r"its header promises 60 frames, \d+ are|frames that", entry.note)


def test_all_real_videos_are_fine(shared, tmp_path):
    found = check(shared / "data/smoke_clips", tmp_path / "manifest.tsv")
    assert (found.entries, found.job.failures, found.damaged) == (16, {}, {})
    entry = Manifest.open(found.out).find("v_Basketball_g01_c01")
    assert entry is not None
    assert (entry.frames, entry.width, entry.height, entry.codec) == (141, 320, 240, "mpeg4")


def test_what_is_broken_is_named(folder, tmp_path):
    listed = videos_of(str(folder))
    lost = Video("down/9", folder / "down/9.mp4", 0, "")
    found = check_videos(
        [*listed, lost], tmp_path / "m.tsv", workers=0, console=Console(file=StringIO())
    )
    assert (found.job.done, found.entries, found.job.missing) == (5, 6, ["down/9"])
    assert list(found.job.failures) == ["down/2"]
    first, second, third, last = found.lines()
    assert first == (
        "7 videos: 5 checked now, 0 known before, 1 failed, 1 missing on disk (down/9)"
    )
    assert second.startswith("failed: down/2: no backend can read this video (pyav: is not a read")
    assert third.startswith("damaged: down/3: its header promises 60 frames, ")
    assert last == (
        f"written to {tmp_path / 'm.tsv'}: 6 videos, 1 cannot be read, 1 damaged in part"
    )
    manifest = Manifest.open(found.out)
    assert [entry.name for entry in manifest] == [video.name for video in listed]
    assert manifest.find("down/9") is None


def counts(found: CheckSummary) -> tuple[int, int, int]:
    return found.job.done, found.job.known, len(found.job.failures)


def test_known_files_are_not_decoded_again(folder, tmp_path):
    out = tmp_path / "m.tsv"
    assert counts(check(folder, out)) == (5, 0, 1)
    text = out.read_bytes()
    found = check(folder, out)
    assert (found.job.tried, *counts(found)) == (1, 0, 5, 1)  # the unreadable one is tried again
    assert out.read_bytes() == text
    os.utime(folder / "left/0.mp4", ns=(1, 1))  # another date, the same content
    shutil.copy(folder / "left/1.mp4", folder / "down/2.mp4")
    (folder / "left/1.mp4").unlink()
    found = check(folder, out)
    # one of another date, one that could not be read and is now another file
    assert (counts(found), found.entries) == ((2, 3, 0), 5)
    manifest = Manifest.open(out)
    assert [entry.name for entry in manifest] == ["down/0", "down/1", "down/2", "down/3", "left/0"]
    first = manifest.find("left/0")
    assert first is not None
    assert first.modified == 1


def test_a_run_goes_on_where_it_was_killed(folder, tmp_path):
    whole, out = tmp_path / "whole.tsv", tmp_path / "m.tsv"
    check(folder, whole)
    lines = whole.read_bytes().splitlines(keepends=True)
    journal = tmp_path / "m.tsv.part"
    for text in (b"", HEADER[:20], HEADER + b"".join(lines[1:4]) + lines[4][:30]):
        out.unlink(missing_ok=True)
        journal.write_bytes(text)
        # of the first three of six one cannot be read
        found = check(folder, out)
        expected = (3, 3, 2, 1) if len(text) > 20 else (6, 5, 0, 1)
        assert (found.job.tried, *counts(found)) == expected
        assert out.read_bytes() == whole.read_bytes()
        assert not journal.exists()


def test_a_video_that_changed_since_the_kill_is_decoded_again(folder, tmp_path):
    video = videos_of(str(folder))[0]
    (tmp_path / "m.tsv.part").write_bytes(HEADER + to_line(inspect_video(video).entry))
    shutil.copy(folder / "left/0.mp4", video.path)
    found = check(folder, tmp_path / "m.tsv")
    assert found.job.tried == 6
    entry = Manifest.open(found.out).find(video.name)
    assert entry is not None
    assert entry.checksum == checksum(folder / "left/0.mp4")


def test_foreign_files_are_not_replaced(folder, tmp_path):
    out = tmp_path / "m.tsv"
    out.write_text("my notes\n")
    with pytest.raises(InputError, match=r"not the header of a manifest; .*m.tsv would be repl"):
        check(folder, out)
    assert out.read_text() == "my notes\n"
    out.rename(tmp_path / "n.tsv.part")
    with pytest.raises(InputError, match=r"n.tsv.part: not the journal of a job of this kind"):
        check(folder, tmp_path / "n.tsv")


@pytest.fixture
def small_disk():
    """No file may grow beyond this many bytes, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_message_and_what_is_done_stays_done(tmp_path, small_disk):
    folder, out = tmp_path / "videos", tmp_path / "m.tsv"
    folder.mkdir()
    path = write_clip(folder, next(clip for clip in CLIPS if clip.name == "one_frame.mp4"))
    for number in range(180):
        path.with_name(f"{number}.mp4").hardlink_to(path)
    small_disk(12_300)  # SQLite takes 12,288 for one row
    message = r"m.tsv.part: cannot be written \(.*\); make room .* what is done stays done"
    with pytest.raises(InputError, match=message):
        check(folder, out)
    assert not out.exists()
    small_disk(resource.RLIM_INFINITY)
    assert 0 < check(folder, out).job.tried < 181


def test_an_index_that_cannot_be_written_is_named(folder, tmp_path, small_disk):
    small_disk(700)
    with pytest.raises(InputError, match=r"m.tsv.index: .*; free some space and start again"):
        check(folder, tmp_path / "m.tsv")


def test_a_manifest_of_an_earlier_version_gets_its_index_and_then_all_is_known(folder, tmp_path):
    out = tmp_path / "m.tsv"
    check(folder, out)
    lines = out.read_bytes()
    index_path(out).unlink()
    assert check(folder, out).job.tried == 6
    assert check(folder, out).job.tried == 1  # the broken one
    assert out.read_bytes() == lines
    manifest = Manifest.open(out)
    found = {entry.name: manifest.index_of(entry) for entry in manifest}
    assert [name for name, index in found.items() if index is None] == ["down/2", "down/3"]
    first, entry = found["left/0"], manifest.find("left/0")
    assert first is not None
    assert entry is not None
    assert len(first.frames.display_pts) == entry.frames


class Deadly(PosixPath):
    """Kills the process that works on it."""

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        if multiprocessing.parent_process() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().stat(follow_symlinks=follow_symlinks)


def test_a_decoder_that_crashes_takes_nothing_along(folder, tmp_path):
    videos = videos_of(str(folder))
    videos[1] = Video("down/1", Deadly(videos[1].path), 0, "")
    found = check_videos(videos, tmp_path / "m.tsv", workers=2, console=Console(file=StringIO()))
    assert found.entries == 6
    assert found.job.failures["down/1"] == CRASHED.reason


def test_folders_of_frames_are_known_while_frames_and_rate_stay_as_they_were(tmp_path):
    for name in "ab":
        write_frames(tmp_path / "videos" / name, gray_frames(4))
    out = tmp_path / "manifest.tsv"

    def again(fps: float) -> list[str]:
        videos = videos_of(str(tmp_path / "videos"), [f"data.frames_fps={fps}"])
        return check_videos(videos, out, workers=0, console=Console(file=StringIO())).lines()

    assert again(12)[:2] == [
        "2 videos: 2 checked now, 0 known before, 0 failed",
        "2 videos are folders of frames, taken for 12 frames per second (data.frames_fps)",
    ]
    assert again(12)[0].startswith("2 videos: 0 checked now, 2 known before")
    os.utime(tmp_path / "videos/a/00002.png", (1, 1))
    assert again(12)[0].startswith("2 videos: 0 checked now, 2 known before")
    write_frames(tmp_path / "videos/b", gray_frames(5)[4:], first=5)
    assert again(12)[0].startswith("2 videos: 1 checked now, 1 known before")
    assert again(30)[0].startswith("2 videos: 2 checked now, 0 known before")
    assert [(entry.frames, entry.fps) for entry in Manifest.open(out)] == [(4, 30), (5, 30)]
