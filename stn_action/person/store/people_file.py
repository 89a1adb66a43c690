"""The tubes of a data set in one crash-safe file (SQLite).

A video is in the file completely or not at all: it is written in one transaction. Boxes
are little-endian float32, frame numbers int32, so a file reads the same on every machine.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from stn_action.checksum import split_checksum
from stn_action.disk.process_label import is_alive, process_label
from stn_action.disk.sqlite_file import SqliteFile, read_only_uri
from stn_action.errors import InputError
from stn_action.person.names import NameIndex
from stn_action.person.store.people_rows import video_of_rows
from stn_action.person.store.people_sql import (
    COPY_TUBES,
    COPY_VIDEOS,
    FORMAT,
    SCHEMA,
    create_file,
    insert_video,
)
from stn_action.person.store.tube_folder import TubeFolder
from stn_action.person.video_people import People, VideoPeople
from stn_action.video.content import content_checksum, video_state
from stn_action.video.reader import VideoError

BATCH = 500
"""Names per query, videos per transaction."""
ABOUT = ("format", "made_by")


class PeopleFile:
    """A people file; many processes may open it at once. It is pickled as its path."""

    def __init__(self, path: str | Path) -> None:
        """Open an existing people file.

        Raises:
            InputError: no such file, or it is not a people file.
        """
        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(
                f"{self.path}: no people file; `python tools/detect_people.py` writes one"
            )
        self._file = SqliteFile(self.path, SCHEMA)
        self._names: NameIndex | None = None
        about = self._about()
        if (found := about.get("format")) != FORMAT:
            raise InputError(f"{self.path}: its format is {found!r}, expected {FORMAT!r}")
        if "made_by" not in about:
            raise InputError(f"{self.path}: damaged: it does not tell what made its boxes")

    @classmethod
    def create(cls, path: str | Path, made_by: str) -> "PeopleFile":
        """Open a people file, and create an empty one if there is none.

        Args:
            path: the file.
            made_by: detector and settings, or the source of the boxes; one per file.

        Raises:
            InputError: the file exists and was made by something else.
        """
        path = Path(path)
        if not path.exists():
            create_file(path, made_by)
        people = cls(path)
        if people.made_by != made_by:
            raise InputError(
                f"{path}: its boxes were made by {people.made_by!r}, not by {made_by!r}; give "
                "another file, or the settings that it was begun with"
            )
        return people

    @property
    def source(self) -> Path:
        """The file."""
        return self.path

    @property
    def made_by(self) -> str:
        """Detector and settings, or the source of the boxes."""
        return self._about()["made_by"]

    def __len__(self) -> int:
        """Count the processed videos."""
        return self._file.query("SELECT COUNT(*) FROM videos")[0][0]

    def __iter__(self) -> Iterator[VideoPeople]:
        """Yield the people of every video, in the order of names."""
        for name in self.names():
            yield from self._read(name)

    def names(self) -> list[str]:
        """Return the names of all processed videos, in order."""
        rows = self._file.query("SELECT name FROM videos ORDER BY name")
        return [self._text(name, "a name") for (name,) in rows]

    def errors(self) -> dict[str, str]:
        """Return the name of each video that could not be read, and why."""
        rows = self._file.query("SELECT name, error FROM videos WHERE error IS NOT NULL")
        texts = {self._text(name, "a name"): self._text(why, "an error") for name, why in rows}
        return dict(sorted(texts.items()))

    def find(self, video_name: str) -> VideoPeople | None:
        """Return all tubes of a video: see `People.find`; names match as in `NameIndex.find`."""
        found = self._read(video_name)
        if not found and (stored := self._index().find(video_name)) is not None:
            found = self._read(stored)
        return found[0] if found else None

    def longest_spans(self, video_names: Sequence[str]) -> list[int | None]:
        """Return the longest span of each video: see `People.longest_spans`."""
        spans: dict[str, int] = {}
        for start in range(0, len(video_names), BATCH):
            names = video_names[start : start + BATCH]
            marks = ", ".join("?" * len(names))
            spans |= self._spans(f"WHERE name IN ({marks})", *names)
        if all(name in spans for name in video_names):
            return [spans[name] for name in video_names]
        stored = self._index().find_each(video_names)
        spans = self._spans("")
        return [None if name is None else spans[name] for name in stored]

    def is_done(self, video_name: str, path: Path, slice_label: str = "") -> bool:
        """Return whether exactly this slice of this video was processed without an error.

        Args:
            video_name: its name.
            path: the file, or the folder of frames.
            slice_label: see `video_slice_label`; empty: all of it.
        """
        rows = self._file.query(
            "SELECT bytes, modified, checksum, error FROM videos WHERE name = ?", video_name
        )
        if not rows or rows[0][3] is not None:
            return False
        *state, known, _ = rows[0]
        if state == [None, None]:
            return True
        digest, label = split_checksum(known if isinstance(known, str) else "")
        if label != slice_label:
            return False
        return state == [*video_state(path)] or content_checksum(path) == digest

    def add(self, people: VideoPeople, path: Path | None = None, error: str | None = None) -> None:
        """Write the people of a video, replacing its previous entry, in one transaction.

        Args:
            people: all tubes of the video.
            path: of the video; None: unknown.
            error: why it could not be read.

        Raises:
            InputError: the file cannot be written (the disk is full, for instance).
        """
        with self._file.writing() as connection:
            insert_video(connection, people, [*video_state(path)] if path else [None, None], error)
        self._names = None

    def add_all(self, people: Iterable[VideoPeople]) -> int:
        """Write many videos without their files; a few hundred per transaction.

        Returns:
            The number of videos.

        Raises:
            InputError: the file cannot be written.
        """
        number = 0
        rest = iter(people)
        while some := list(islice(rest, BATCH)):
            with self._file.writing() as connection:
                for one in some:
                    insert_video(connection, one, [None, None], None)
            number += len(some)
        self._names = None
        return number

    def claim(self, video_name: str) -> bool:
        """Claim a video; False if a live process holds it.

        `add` releases it.
        """
        own = process_label()
        with self._file.writing() as connection:
            rows = connection.execute(
                "SELECT process FROM claims WHERE name = ?", (video_name,)
            ).fetchall()
            if rows and rows[0][0] != own and is_alive(self._text(rows[0][0], "a process")):
                return False
            connection.execute("INSERT OR REPLACE INTO claims VALUES (?, ?)", (video_name, own))
        return True

    def merge(self, other: "PeopleFile") -> int:
        """Copy the videos of another file that are missing here or could not be read.

        Returns:
            The number of videos copied.

        Raises:
            InputError: the file was made by something else.
        """
        if other.made_by != self.made_by:
            raise InputError(
                f"{other.path}: its boxes were made by {other.made_by!r}, those of {self.path} by "
                f"{self.made_by!r}; only files made by the same can be merged"
            )
        self._file.query("ATTACH DATABASE ? AS other", read_only_uri(other.path))
        try:
            with self._file.writing() as connection:
                connection.execute(
                    "DELETE FROM main.videos WHERE error IS NOT NULL AND name IN"
                    " (SELECT name FROM other.videos WHERE error IS NULL)"
                )
                (last,) = connection.execute("SELECT MAX(id) FROM main.videos").fetchone()
                number = connection.execute(COPY_VIDEOS).rowcount
                connection.execute(COPY_TUBES, (last or 0,))
        finally:
            self._file.query("DETACH DATABASE other")
        self._names = None
        return number

    def close(self) -> None:
        """Close the file; it is reopened when needed."""
        self._file.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path = state["path"]
        self._file = SqliteFile(self.path, SCHEMA)
        self._names = None

    def _about(self) -> dict[str, str]:
        about = dict(self._file.query("SELECT key, value FROM about"))
        return {key: about[key] for key in ABOUT if isinstance(about.get(key), str)}

    def _spans(self, where: str, *values: str) -> dict[str, int]:
        spans = dict(self._file.query(f"SELECT name, longest_span FROM videos {where}", *values))
        for name, span in spans.items():
            if type(span) is not int or span < 0:
                raise InputError(f"{self.path}: damaged: the span of {name!r} is no whole number")
        return spans

    def _text(self, value: Any, what: str) -> str:
        if not isinstance(value, str):
            raise InputError(f"{self.path}: damaged: {what} in it is a {type(value).__name__}")
        return value

    def _index(self) -> NameIndex:
        if self._names is None:
            self._names = NameIndex(self.names(), self.path)
        return self._names

    def _read(self, name: str) -> list[VideoPeople]:
        """Return the video of exactly this name, if there is one."""
        rows = self._file.query(
            "SELECT id, height, width, num_frames, fps, checksum FROM videos WHERE name = ?", name
        )
        if not rows:
            return []
        number, *about = rows[0]
        tubes = self._file.query(
            "SELECT label, frames, boxes, scores FROM tubes WHERE video = ? ORDER BY place", number
        )
        try:
            return [video_of_rows(name, about, tubes, f"{self.path}: {name}")]
        except ValueError as error:
            raise VideoError(f"{self.path}: the boxes of {name} are damaged: {error}") from None


def open_people(path: Path) -> People:
    """Open a people file, or a folder with one CSV file of boxes per video.

    Raises:
        InputError: it is neither.
    """
    return TubeFolder(path) if path.is_dir() else PeopleFile(path)
