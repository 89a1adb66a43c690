"""Decode every file of a data set once, and write its manifest."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from stn_action.checksum import split_checksum
from stn_action.data.index_file import IndexFile, index_path
from stn_action.data.manifest import (
    HEADER,
    Entry,
    Manifest,
    from_line,
    to_line,
    write_manifest,
)
from stn_action.data.video_table import Video
from stn_action.errors import InputError
from stn_action.jobs.inspection import (
    REMARK,
    Inspection,
    damage_of,
    entry_without_frames,
    inspect_video,
)
from stn_action.jobs.job_spec import JobSpec, JobSummary, list_few, run_job
from stn_action.jobs.journal import Journal
from stn_action.video.content import video_state
from stn_action.workers.pool import Failed

Item = tuple[Video, Entry | None]
"""A video, and what was known of its file before."""


@dataclass(frozen=True)
class CheckSummary:
    """The outcome of a check."""

    out: Path
    """The manifest."""
    job: JobSummary
    """What was decoded; its failures are the videos that cannot be read."""
    entries: int
    """Videos in the manifest."""
    damaged: dict[str, str]
    """Name of each video that decodes in part, and what is wrong with it."""
    remarks: dict[str, str]
    """Name of each video of which something else is to be known, and what."""
    folders: Counter[float]
    """Videos that are folders of frames, by the rate they are taken for."""

    def lines(self) -> list[str]:
        """Return the lines to print."""
        return [
            *self.job.lines("checked"),
            *list_few("damaged", self.damaged, see=self.out),
            *list_few("remark", self.remarks, see=self.out),
            *(
                f"{number} videos are folders of frames, taken for {fps:g} frames per second "
                "(data.frames_fps)"
                for fps, number in self.folders.items()
            ),
            f"written to {self.out}: {self.entries} videos, {len(self.job.failures)} cannot be "
            f"read, {len(self.damaged)} damaged in part",
        ]


def check_videos(
    videos: Sequence[Video], out: Path, *, workers: int, console: Console | None = None
) -> CheckSummary:
    """Decode the videos whose files are not known yet, and write the manifest of all.

    Results are kept in `<out>.part` until all are there, so that a run that is killed continues. Of
    an existing manifest, unreadable videos are tried again, and files of another size, or of
    another date and content.

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
        known = _Known(journal, old, IndexFile.create(index_path(out)))
        spec = JobSpec("decoding", known.recorded, known.item, _inspect, known.record)
        job = run_job(spec, videos, workers=workers, console=console)
        missing = set(job.missing)
        present = [video.name for video in videos if video.name not in missing]
        remedy = f"make room and give the same command again: all results are in {journal.path}"
        write_manifest(out, map(known.line, present), remedy=remedy)
        journal.remove()
    manifest = Manifest.open(out)
    noted = {entry.name: entry.note for entry in manifest if entry.note and not entry.error}
    damaged = {name: damage for name, note in noted.items() if (damage := damage_of(note))}
    remarks = {
        name: text.replace(REMARK, "")
        for name, note in noted.items()
        if (text := note.removeprefix(damage_of(note)).removeprefix("; "))
    }
    folders = Counter(video.frames_fps for video in videos if video.path.is_dir())
    return CheckSummary(out, job, len(manifest), damaged, remarks, folders)


class _Known:
    """The entries of this run and of those before."""

    def __init__(self, journal: Journal, old: Manifest | None, indices: IndexFile) -> None:
        source = f"{journal.path}: a broken line; delete the file and start again"
        self.fresh = {from_line(line, source=source).name: line for line in journal.lines}
        journal.lines.clear()
        self.journal, self.old, self.indices = journal, old, indices

    def recorded(self, video: Video) -> bool | Failed:
        """Return whether the video's file is known: see `JobSpec.recorded`."""
        entry = self._entry(video)
        if entry is None or (entry.bytes, entry.modified) != video_state(video.path):
            return False
        return Failed(entry.error) if entry.error else True

    def item(self, video: Video) -> Item:
        """Return the video and its entry: see `JobSpec.item`."""
        return video, self._entry(video)

    def record(self, video: Video, result: Inspection | Failed) -> Failed | None:
        """Store what was found: see `JobSpec.record`."""
        if isinstance(result, Failed):
            result = Inspection(entry_without_frames(video, result.reason))
        entry, index = result
        digest = split_checksum(entry.checksum)[0]
        if digest and not self.indices.has(digest):
            self.indices.add(digest, index)
        self.fresh[video.name] = to_line(entry)
        self.journal.append(self.fresh[video.name])
        return Failed(entry.error) if entry.error else None

    def line(self, name: str) -> bytes:
        """Return the line of a video in the manifest."""
        line = self.fresh.get(name) or (None if self.old is None else self.old.line_of(name))
        assert line is not None  # what neither knows has been inspected
        return line

    def _entry(self, video: Video) -> Entry | None:
        if video.name in self.fresh:
            entry = from_line(self.fresh[video.name], source=video.name)
        else:
            entry = None if self.old is None else self.old.find(video.name)
            entry = None if entry is None or entry.error else entry
        digest, label = split_checksum("" if entry is None else entry.checksum)
        if entry is None or label != video.slice_label:
            return None
        if not entry.error and not self.indices.has(digest):  # of an earlier version
            return None
        other_rate = not entry.error and entry.fps != video.frames_fps
        return None if other_rate and video.path.is_dir() else entry


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


def _inspect(item: Item) -> Inspection:
    video, before = item
    try:
        state = video_state(video.path)
        same_size = before is not None and before.bytes == state.bytes
        if before is not None and same_size and before.checksum == video.checksum():
            return Inspection(replace(before, modified=state.modified))
    except OSError:
        pass  # the inspection reports it
    return inspect_video(video)
