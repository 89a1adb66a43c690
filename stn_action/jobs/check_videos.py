"""Decode every file of a data set once, and write its manifest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from stn_action.checksum import checksum
from stn_action.data.listing import NAMES_SHOWN, Video
from stn_action.data.manifest import (
    HEADER,
    Entry,
    Manifest,
    from_line,
    to_line,
    write_manifest,
)
from stn_action.errors import InputError
from stn_action.jobs.inspection import inspect_video, unread
from stn_action.jobs.journal import Journal
from stn_action.jobs.pool import Crashed, run_jobs
from stn_action.progress import show_progress

CRASHED = "the decoder crashed, or used up the memory"
BROKEN_SHOWN = 20

Job = tuple[Video, Entry | None]
"""A video, and what was known of its file when that was of another date."""


@dataclass(frozen=True)
class Check:
    """What a check has found."""

    out: Path
    """The manifest."""
    decoded: int
    """Videos that were decoded in this run; of the others everything was known."""
    entries: int
    """Videos in the manifest."""
    broken: tuple[tuple[str, str], ...]
    """Names of those that cannot be read, and why."""
    noted: tuple[tuple[str, str], ...]
    """Names of those that can be read in part, and what is wrong with them."""
    missing: tuple[str, ...]
    """Names of listed videos that the disk lacks; they are not in the manifest."""

    def lines(self) -> list[str]:
        """What to print."""
        lines = [
            f"{self.entries} videos: {len(self.broken)} cannot be read, {len(self.noted)} are "
            f"damaged in part; {self.decoded} were decoded now, {self.entries - self.decoded} were "
            f"known"
        ]
        if self.missing:
            names = ", ".join(self.missing[:NAMES_SHOWN])
            more = ", ..." if len(self.missing) > NAMES_SHOWN else ""
            lines.append(f"{len(self.missing)} listed videos are not on the disk: {names}{more}")
        for word, found in (("cannot be read", self.broken), ("damaged", self.noted)):
            lines += [f"{word}: {name}: {reason}" for name, reason in found[:BROKEN_SHOWN]]
            if len(found) > BROKEN_SHOWN:
                lines.append(f"{word}: {len(found) - BROKEN_SHOWN} more, see {self.out}")
        return [*lines, f"written to {self.out}"]


def check_videos(
    videos: Sequence[Video], out: Path, *, workers: int, console: Console | None = None
) -> Check:
    """Decode the videos whose files are not known yet, and write the manifest of all.

    What is done is kept in `<out>.part` until all is done, so that a run that is killed goes on. Of
    a manifest that is there already, what cannot be read is tried again, and files of another
    size, or of another date and content.

    Args:
        videos: by name.
        out: the file to write.
        workers: processes; 0: this one.
        console: where progress is shown; None: the standard error.

    Raises:
        InputError: there is another kind of file under one of the names to be written, or it cannot
            be written.
    """
    old = _finished_before(out)
    with Journal(out.with_name(f"{out.name}.part"), HEADER) as journal:
        fresh = {_entry_of(line, journal.path).name: line for line in journal.lines}
        journal.lines.clear()
        present = [video for video in videos if video.path.is_file()]
        jobs = [job for video in present if (job := _job(video, fresh, old)) is not None]
        results = run_jobs(_inspect, jobs, workers)
        results = show_progress(results, total=len(jobs), what="decoding", console=console)
        for (video, _), result in results:
            entry = unread(video, CRASHED) if isinstance(result, Crashed) else result
            fresh[video.name] = to_line(entry)
            journal.append(fresh[video.name])
        try:
            write_manifest(out, _all_lines(present, fresh, old))
        except OSError as error:
            raise InputError(
                f"{out}: cannot be written ({error.strerror}); make room and give the same command "
                f"again: all results are in {journal.path}"
            ) from error
        journal.remove()
    there = {video.name for video in present}
    return _summary(out, len(jobs), tuple(v.name for v in videos if v.name not in there))


def _finished_before(out: Path) -> Manifest | None:
    if not out.exists():
        return None
    try:
        return Manifest.open(out)
    except InputError as error:
        raise InputError(
            f"{str(error).partition(';')[0]}; {out} would be replaced: move it away or choose "
            "another --out"
        ) from error


def _entry_of(line: bytes, journal: Path) -> Entry:
    return from_line(line, source=f"{journal}: a broken line; delete the file and start again")


def _job(video: Video, fresh: dict[str, bytes], old: Manifest | None) -> Job | None:
    """What is to be done for a video; None: nothing, its file is as it was."""
    known = None
    if video.name in fresh:
        known = from_line(fresh[video.name], source=video.name)
    elif old is not None:
        known = old.find(video.name)
        known = None if known is None or known.error else known
    status = video.path.stat()
    if known is None or known.bytes != status.st_size:
        return video, None
    return None if known.modified == status.st_mtime_ns else (video, known)


def _inspect(job: Job) -> Entry:
    video, known = job
    if known is not None:
        modified = video.path.stat().st_mtime_ns
        if checksum(video.path) == known.checksum:
            return replace(known, modified=modified)
    return inspect_video(video)


def _all_lines(
    videos: Sequence[Video], fresh: dict[str, bytes], old: Manifest | None
) -> Iterator[bytes]:
    for video in videos:
        line = fresh.get(video.name) or (old.line_of(video.name) if old is not None else None)
        assert line is not None  # what neither knows has been inspected
        yield line


def _summary(out: Path, decoded: int, missing: tuple[str, ...]) -> Check:
    broken, noted = [], []
    manifest = Manifest.open(out)
    for entry in manifest:
        if entry.error:
            broken.append((entry.name, entry.error))
        elif entry.note:
            noted.append((entry.name, entry.note))
    return Check(out, decoded, len(manifest), tuple(broken), tuple(noted), missing)
