"""What is to be re-encoded, how and where to, and what has been already."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from stn_action.build.video_sets import videos_of
from stn_action.checksum import checksum
from stn_action.config.schema import load_config
from stn_action.data.listing import Video
from stn_action.errors import InputError
from stn_action.jobs.journal import Journal
from stn_action.jobs.reencode.recipe import Recipe, Whereabouts, whereabouts
from stn_action.person.store.people_file import open_people
from stn_action.person.store.tube_folder import TubeFolder
from stn_action.person.video_people import People, VideoPeople

JOURNAL = "prepared.jsonl"

Records = dict[str, dict[str, Any]]
"""By the video's name: the fields of `Prepared` and a digest of its boxes, or the error."""


@dataclass(frozen=True)
class Job:
    """One video to be re-encoded."""

    video: Video
    target: Path
    people: Whereabouts | None


@dataclass(frozen=True)
class Preparation:
    """A data set and where its re-encoded copy goes."""

    videos: Sequence[Video]
    root: Path
    """The data set's folder; the tree below it is kept."""
    out: Path
    """The folder of the copy."""
    recipe: Recipe
    people: People | None = None
    """Boxes of what is cut out; they are rewritten for the prepared pictures."""

    def __post_init__(self) -> None:
        if self.out.resolve().is_relative_to(self.root.resolve()):
            raise InputError(
                f"--out: {self.out} lies in {self.root}; choose a folder outside of it"
            )

    @property
    def settings(self) -> dict[str, Any]:
        """What all videos in one folder share."""
        source = None if self.people is None else str(self.people.source.resolve())
        return {**asdict(self.recipe), "people": source}

    def target(self, video: Video) -> Path:
        """Where the copy of a video goes: the same tree and stem, `.mp4`."""
        below = video.path.absolute().relative_to(self.root.absolute())
        name = below.name if video.name.endswith(below.name) else below.stem
        return self.out / below.with_name(f"{name}.mp4")

    def people_in(self, video: Video) -> VideoPeople | None:
        """Everybody in a video; None where nobody has looked.

        A folder of CSV files does not tell whether somebody has; where it has none, nobody is.
        """
        found = None if self.people is None else self.people.find(video.name)
        if found is None and isinstance(self.people, TubeFolder):
            return VideoPeople(video.name, ())
        return found

    def job(self, video: Video) -> Job:
        """What is to be done for a video."""
        cuts = self.recipe.margin is not None
        return Job(video, self.target(video), whereabouts(self.people_in(video)) if cuts else None)

    def waiting(self, records: Records) -> list[Video]:
        """Videos that are there and not yet prepared, or whose file or boxes changed since."""
        return [
            video
            for video in self.videos
            if video.path.is_file() and not self._is_done(video, records.get(video.name))
        ]

    def _is_done(self, video: Video, record: Mapping[str, Any] | None) -> bool:
        if record is None or "error" in record:
            return False
        target, status = self.target(video), video.path.stat()
        if not target.is_file() or target.stat().st_size != record["bytes"]:
            return False
        if record["boxes"] != boxes_digest(self.people_in(video)):
            return False
        state = [record["source_bytes"], record["source_modified"]]
        same = state == [status.st_size, status.st_mtime_ns]
        return same or checksum(video.path) == record["source_checksum"]


def preparation_of(
    config_or_folder: str,
    overrides: Sequence[str],
    out: Path,
    recipe: Recipe,
    people: Path | None,
) -> Preparation:
    """Plan to re-encode the videos of a configuration or a folder.

    Args:
        config_or_folder: a YAML file or a folder.
        overrides: `key.sub=value`, for a configuration only.
        out: folder of the copy.
        recipe: how.
        people: a people file or a folder of CSV files; None: no boxes.

    Raises:
        InputError: one of them is not there or wrong.
    """
    videos = videos_of(config_or_folder, overrides)
    root = Path(config_or_folder)
    if not root.is_dir():
        root = load_config(config_or_folder, overrides).data.root
    opened = None
    if people is not None:
        opened = open_people(people)
    return Preparation(videos, root, out, recipe, opened)


def open_journal(task: Preparation) -> Journal:
    """Open the record of what has been prepared in `task.out`.

    Raises:
        InputError: it was prepared with other settings, or cannot be written.
    """
    path = task.out / JOURNAL
    header = json.dumps(task.settings).encode() + b"\n"
    if path.is_file():
        with path.open("rb") as file:
            before = file.readline()
        if before.endswith(b"\n") and before != header:
            raise InputError(
                f"{task.out} holds videos that were prepared with {before.decode().strip()}, not "
                f"with {header.decode().strip()}; give the same settings, or another --out"
            )
    return Journal(path, header)


def records_of(journal: Journal) -> Records:
    """What was written last of each video.

    Raises:
        InputError: a line is damaged.
    """
    try:
        return {record["name"]: record for record in map(json.loads, journal.lines)}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{journal.path}: a line is damaged ({error}); delete it, and its video is done again"
        ) from error


def boxes_digest(people: VideoPeople | None) -> str:
    """Of all boxes of a video; empty where nobody has looked."""
    if people is None:
        return ""
    digest = blake2b(repr(people.size_hw).encode(), digest_size=8)
    for tube in people.tubes:
        digest.update(tube.frame_indices.numpy().tobytes() + tube.boxes.numpy().tobytes())
    return digest.hexdigest()
