"""SQLite of a people file: schema, connections and rows."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stn_action.errors import InputError
from stn_action.person.tube import Tube
from stn_action.person.video_people import VideoPeople

FORMAT = "stn_action people 1"
SECONDS_TO_WAIT = 60.0
"""Timeout while another process is writing."""
SCHEMA = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE videos (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, longest_span INTEGER NOT NULL,
    height INTEGER, width INTEGER, num_frames INTEGER, fps REAL, checksum TEXT,
    bytes INTEGER, modified INTEGER, error TEXT
);
CREATE TABLE tubes (
    video INTEGER NOT NULL REFERENCES videos(id) ON DELETE CASCADE, place INTEGER NOT NULL,
    label TEXT, frames BLOB NOT NULL, boxes BLOB NOT NULL, scores BLOB NOT NULL,
    PRIMARY KEY (video, place)
) WITHOUT ROWID;
CREATE TABLE claims (name TEXT PRIMARY KEY, process TEXT NOT NULL) WITHOUT ROWID;
"""
COPY_VIDEOS = """
INSERT INTO videos (name, longest_span, height, width, num_frames, fps, checksum, bytes, modified,
    error)
SELECT name, longest_span, height, width, num_frames, fps, checksum, bytes, modified, error
FROM other.videos WHERE name NOT IN (SELECT name FROM main.videos)
"""
COPY_TUBES = """
INSERT INTO tubes SELECT new.id, place, label, frames, boxes, scores
FROM other.tubes JOIN other.videos AS old ON old.id = video
JOIN main.videos AS new ON new.name = old.name WHERE new.id > ?
"""


class Connection:
    """A connection to a people file, opened by each process at first use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._process = 0

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT."""
        with _plain_errors(self.path):
            return self._open().execute(statement, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run the block as one transaction: all of it is written, or nothing."""
        with _plain_errors(self.path):
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the file; it is reopened when needed."""
        if self._connection is not None and self._process == os.getpid():
            self._connection.close()
        self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None or self._process != os.getpid():
            self._connection = connect_file(self.path)
            self._process = os.getpid()
        return self._connection


def connect_file(path: Path) -> sqlite3.Connection:
    """Open a file with autocommit: each statement is a transaction unless one is begun."""
    connection = sqlite3.connect(path, timeout=SECONDS_TO_WAIT, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def create_file(path: Path, made_by: str) -> None:
    """Write an empty people file, unless another process does so at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with _plain_errors(path):
            connection = connect_file(unfinished)
            connection.executescript(SCHEMA)
            rows = [("format", FORMAT), ("made_by", made_by)]
            connection.executemany("INSERT INTO about VALUES (?, ?)", rows)
            connection.close()
        try:
            path.hardlink_to(unfinished)  # fails if the file exists: the first process wins
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def insert_video(
    connection: sqlite3.Connection,
    people: VideoPeople,
    state: Sequence[int | None],
    error: str | None,
) -> None:
    """Write a video, replacing its previous entry, in the current transaction.

    Args:
        connection: of `Connection.writing`.
        people: all tubes of the video.
        state: size and modification time of its file.
        error: why it could not be read.
    """
    size_hw = people.size_hw or (None, None)
    connection.execute("DELETE FROM videos WHERE name = ?", (people.name,))
    cursor = connection.execute(
        "INSERT INTO videos VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (people.name, people.longest_span, *size_hw, people.num_frames, people.fps,
         people.checksum, *state, error),
    )  # fmt: skip
    labels = people.labels or [None] * len(people.tubes)
    rows = [
        (cursor.lastrowid, place, label, *pack_tube(tube))
        for place, (tube, label) in enumerate(zip(people.tubes, labels, strict=True))
    ]
    connection.executemany("INSERT INTO tubes VALUES (?, ?, ?, ?, ?, ?)", rows)
    connection.execute("DELETE FROM claims WHERE name = ?", (people.name,))


def pack_tube(tube: Tube) -> tuple[bytes, bytes, bytes]:
    """Pack frames, boxes and scores as bytes: little-endian int32 and float32."""
    return (
        tube.frame_indices.numpy().astype("<i4").tobytes(),
        tube.boxes.numpy().astype("<f4").tobytes(),
        tube.scores.numpy().astype("<f4").tobytes(),
    )


def unpack_tube(frames: bytes, boxes: bytes, scores: bytes) -> Tube:
    """Unpack a tube: the inverse of `pack_tube`.

    Raises:
        ValueError: they are of unequal length.
    """
    return Tube(
        torch.from_numpy(np.frombuffer(frames, "<i4").astype(np.int64)),
        torch.from_numpy(np.frombuffer(boxes, "<f4").astype(np.float32).reshape(-1, 4)),
        torch.from_numpy(np.frombuffer(scores, "<f4").astype(np.float32)),
    )


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        said = str(error)
        remedy = "is it a people file? `python tools/detect_people.py` writes one"
        if "disk" in said or "full" in said:
            remedy = "free some space and start again: all finished videos are safe in the file"
        elif "locked" in said:
            remedy = f"another process has been writing for {SECONDS_TO_WAIT:.0f} s; try again"
        elif "readonly" in said:
            remedy = "give a writable file"
        raise InputError(f"{path}: {said}; {remedy}") from None
