"""SQLite of a people file: its schema and rows."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from stn_action.disk.sqlite_file import Schema, create_sqlite_file
from stn_action.person.store.people_rows import pack_tube
from stn_action.person.video_people import VideoPeople

FORMAT = "stn_action people 1"
SCHEMA = Schema(
    "people file",
    "python tools/detect_people.py",
    """
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
""",
)
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


def create_file(path: Path, made_by: str) -> None:
    """Write an empty people file, unless another process does so at the same time.

    Raises:
        WriteError: the folder cannot be written to.
    """
    rows = [("format", FORMAT), ("made_by", made_by)]
    create_sqlite_file(path, SCHEMA, "INSERT INTO about VALUES (?, ?)", rows)


def insert_video(
    connection: sqlite3.Connection,
    people: VideoPeople,
    state: Sequence[int | None],
    error: str | None,
) -> None:
    """Write a video, replacing its previous entry, in the current transaction.

    Args:
        connection: of `SqliteFile.writing`.
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
