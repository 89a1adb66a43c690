import os
import signal
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from stn_action.data.video_table import Video
from stn_action.jobs.job_spec import FAILURES_SHOWN, JobSpec, JobSummary, list_few, run_job
from stn_action.video.reader import VideoError
from stn_action.workers.pool import CRASHED, Failed


def count_bytes(path: Path) -> int | Failed:
    text = path.read_text()
    if text == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    return Failed("the file is empty") if not text else len(text)


class Store:
    """Results in memory."""

    def __init__(self) -> None:
        self.results: dict[str, int | Failed] = {}
        self.held_elsewhere: set[str] = set()
        self.finished_elsewhere: dict[str, int] = {}

    def recorded(self, video: Video) -> bool | Failed:
        result = self.results.get(video.name, False)
        return result if isinstance(result, Failed) else result is not False

    def item(self, video: Video) -> Path:
        return video.path

    def record(self, video: Video, result: int | Failed) -> Failed | None:
        self.results[video.name] = result
        return result if isinstance(result, Failed) else None

    def claim(self, video: Video) -> bool:
        if video.name in self.finished_elsewhere:
            self.results[video.name] = self.finished_elsewhere[video.name]
        return video.name not in self.held_elsewhere | set(self.finished_elsewhere)

    def run(self, videos: list[Video], workers: int = 0) -> JobSummary:
        spec = JobSpec(
            "counting", self.recorded, self.item, count_bytes, self.record,
            claim=self.claim,
        )  # fmt: skip
        return run_job(spec, videos, workers=workers, console=Console(file=StringIO()))


@pytest.fixture
def written(tmp_path) -> Callable[..., list[Video]]:
    def write(**texts: str) -> list[Video]:
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
        return [Video(name, tmp_path / name, 0, "") for name in texts]

    return write


def test_each_video_is_counted_once(written, tmp_path):
    store = Store()
    videos = written(a="1", b="22", c="", d="4444", e="55555")
    videos.append(Video("lost", tmp_path / "lost", 0, ""))
    store.results = {"b": 2, "e": Failed("broken before")}
    summary = store.run(videos)
    assert summary == JobSummary(
        total=6, tried=3, done=2, known=1, missing=["lost"],
        failures={"e": "broken before", "c": "the file is empty"},
    )  # fmt: skip
    assert store.results["a"] == 1
    assert store.results["d"] == 4
    assert summary.lines("counted") == [
        "6 videos: 2 counted now, 1 known before, 2 failed, 1 missing on disk (lost)",
        "failed: e: broken before",
        "failed: c: the file is empty",
    ]


def test_a_video_whose_record_or_item_fails_is_a_failure_of_its_own(written):
    class Odd(Store):
        def recorded(self, video: Video) -> bool | Failed:
            if video.name == "a":
                raise PermissionError(13, "Permission denied")
            if video.name == "b":
                raise VideoError(f"{video.path}: its boxes are damaged")
            return super().recorded(video)

        def claim(self, video: Video) -> bool:
            if video.name == "c":
                raise OSError(5, "Input/output error")
            return super().claim(video)

        def item(self, video: Video) -> Path:
            if video.name == "d":
                raise VideoError("the boxes of d are damaged")
            return video.path

    summary = Odd().run(written(a="1", b="1", c="1", d="1", e="1"))
    assert (summary.done, summary.tried) == (4, 5)  # what is not known is worked on
    assert summary.failures == {"d": "the boxes of d are damaged"}


def test_videos_that_another_process_holds_or_has_finished_are_left_to_it(written):
    store = Store()
    store.held_elsewhere, store.finished_elsewhere = {"b"}, {"c": 3}
    summary = store.run(written(a="1", b="22", c="333"))
    assert summary == JobSummary(total=3, tried=1, done=1, known=1, claimed_elsewhere=1)
    assert summary.lines("counted") == [
        "3 videos: 1 counted now, 1 known before, 0 failed, 1 claimed by another process"
    ]


def test_a_video_that_kills_its_process_fails_and_the_others_are_done(written):
    store = Store()
    summary = store.run(written(a="1", b="kill", c="333"), workers=1)
    assert summary.failures == {"b": CRASHED.reason}
    assert store.results == {"a": 1, "b": CRASHED, "c": 3}


def test_of_many_failures_the_first_are_listed():
    reasons = {str(number): "broken" for number in range(FAILURES_SHOWN + 7)}
    lines = list_few("damaged", reasons, see="m.tsv")
    assert lines[0] == "damaged: 0: broken"
    assert lines[FAILURES_SHOWN:] == ["damaged: 7 more, see m.tsv"]
