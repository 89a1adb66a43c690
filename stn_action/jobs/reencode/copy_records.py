"""Records of the copies in a folder: a journal of the videos, and a file of their boxes."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from hashlib import blake2b
from typing import Any, Self

from stn_action.checksum import split_checksum
from stn_action.config.fingerprint import Fingerprint
from stn_action.data.video_table import Video
from stn_action.disk.atomic_file import WriteError
from stn_action.errors import InputError
from stn_action.jobs.journal import Journal
from stn_action.jobs.reencode.plan import ReencodePlan
from stn_action.jobs.reencode.reencoded_video import ReencodedVideo, people_in_copy
from stn_action.person.store.people_file import PeopleFile
from stn_action.person.video_people import VideoPeople
from stn_action.video.content import video_state
from stn_action.workers.pool import Failed

JOURNAL, PEOPLE = "reencoded.jsonl", "people.sqlite"


class CopyRecords:
    """The records of the copies that a plan asks for. A context manager."""

    def __init__(self, plan: ReencodePlan) -> None:
        """Open the records in `plan.out`, or create them.

        Raises:
            InputError: the folder was made with other settings, cannot be written, or a record is
                damaged.
        """
        self.plan = plan
        self._journal = _open_journal(plan)
        try:
            self._records = _read(self._journal)
            self._people = None
            if plan.people is not None:
                made_by = f"re-encoded videos of {json.dumps(plan.settings)}"
                self._people = PeopleFile.create(plan.out / PEOPLE, made_by)
        except BaseException:
            self._journal.close()
            raise

    def recorded(self, video: Video) -> bool:
        """Return whether the copy is up to date; a failure is tried again."""
        record = self._records.get(video.name)
        if record is None or "error" in record:
            return False
        target, state = self.plan.target(video), video_state(video.path)
        if not target.is_file() or target.stat().st_size != record["bytes"]:
            return False
        if record["boxes"] != _boxes_digest(self.plan.people_of(video)):
            return False
        _, label = split_checksum(record["source_checksum"])
        if video.path.is_dir() and record["fps"] != video.frames_fps:
            return False
        then = record["source_bytes"], record["source_modified"], label
        same = then == (*state, video.slice_label)
        return same or video.checksum() == record["source_checksum"]

    def record(self, video: Video, result: ReencodedVideo | Failed) -> Failed | None:
        """Store a result and write the boxes of the video: see `JobSpec.record`."""
        failed = result if isinstance(result, Failed) else self._write_people(video, result)
        record: dict[str, Any] = {"name": video.name}
        if failed is not None:
            record["error"] = failed.reason
        elif not isinstance(result, Failed):
            record |= {"boxes": _boxes_digest(self.plan.people_of(video)), **asdict(result)}
        self._journal.append(json.dumps(record).encode() + b"\n")
        self._records[video.name] = record
        return failed

    def complete_people(self) -> None:
        """Write the boxes of copies that the people file lacks, in case it was lost."""
        if self._people is None:
            return
        there = set(self._people.names())
        for video, copy in self.copies():
            if self._records[video.name]["boxes"] and video.name not in there:
                self._write_people(video, copy)

    def copies(self) -> Iterator[tuple[Video, ReencodedVideo]]:
        """Yield the plan's videos that have a copy."""
        for video in self.plan.videos:
            record = self._records.get(video.name)
            if record is not None and "error" not in record:
                yield video, _copy_of(record)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()

    def _write_people(self, video: Video, copy: ReencodedVideo) -> Failed | None:
        people = self.plan.people_of(video)
        if people is not None and self._people is not None:
            try:
                self._people.add(people_in_copy(people, copy), self.plan.target(video))
            except WriteError:
                raise  # of no video in particular
            except InputError as error:
                return Failed(str(error))
        return None


def _open_journal(plan: ReencodePlan) -> Journal:
    path = plan.out / JOURNAL
    header = json.dumps(plan.settings).encode() + b"\n"
    if path.is_file():
        with path.open("rb") as file:
            before = file.readline()
        if before.endswith(b"\n") and (changed := _changed(before, header)):
            raise InputError(
                f"{plan.out} holds videos that were re-encoded with other settings: {changed}; "
                "give the same settings, or another --out"
            )
    return Journal(path, header)


def _changed(before: bytes, now: bytes) -> str:
    """Return how the settings in a header differ from those in another one; empty if not."""
    try:
        was = Fingerprint(dict(json.loads(before)))
    except (ValueError, TypeError):
        return "the first line of the journal is damaged"
    differences = was.compare(Fingerprint(json.loads(now)))
    return str(differences) if differences else ""


def _read(journal: Journal) -> dict[str, dict[str, Any]]:
    """Return the last record of each video: a digest of its boxes and its copy, or the error."""
    try:
        return {record["name"]: record for record in map(json.loads, journal.lines)}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{journal.path}: a line is damaged ({error}); delete it, and its video is re-encoded "
            "again"
        ) from error


def _copy_of(record: Mapping[str, Any]) -> ReencodedVideo:
    values = {field.name: record[field.name] for field in fields(ReencodedVideo)}
    for name in ("source_hw", "kept_xyxy", "shrunk_hw"):
        values[name] = tuple(values[name])
    return ReencodedVideo(**values)


def _boxes_digest(people: VideoPeople | None) -> str:
    """Return a digest of all boxes of a video; empty if it was never processed."""
    if people is None:
        return ""
    digest = blake2b(repr(people.size_hw).encode(), digest_size=8)
    for tube in people.tubes:
        digest.update(tube.frame_indices.numpy().tobytes() + tube.boxes.numpy().tobytes())
    return digest.hexdigest()
