"""SQLite files of this project: tables that are checked, and connections.

A file may come from elsewhere. Its tables must be exactly those of its schema, so that there is no
view that never ends and no trigger; a query may take so many steps and bytes as its size allows,
since a damaged file can lead in a circle; and nothing but `writing` may write.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from stn_action.disk.atomic_file import WriteError, unwritable
from stn_action.disk.regular_file import open_regular
from stn_action.errors import InputError

SECONDS_TO_WAIT = 60.0
"""Timeout while another process is writing."""
MIN_STEPS, STEPS_PER_BYTE = 20_000_000, 2
"""Steps of SQLite's machine in one query: a row of 30 bytes takes about ten."""
MIN_BYTES, BYTES_PER_BYTE = 2**26, 4
"""Text and bytes of the rows of one query."""
STEPS_AT_ONCE = 100_000
MAX_VALUE_BYTES = 2**28
"""Of one value, for instance all boxes of a person."""

_OBJECTS = "SELECT type, name, sql FROM sqlite_master"


class Schema(NamedTuple):
    """The tables of a kind of file."""

    what: str
    """Its name in messages: a "people file"."""
    tool: str
    """The command that writes one."""
    statements: str
    """That create the tables."""


class SqliteFile:
    """A connection to a file, opened by each process at first use."""

    def __init__(self, path: Path, schema: Schema) -> None:
        self.path, self.schema = path, schema
        self._connection: sqlite3.Connection | None = None
        self._process = 0

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT, or run another statement that writes nothing.

        Raises:
            InputError: the file cannot be read, or its content is larger than the file.
        """
        with _plain_errors(self.path, self.schema):
            connection = self._open()
            size = self.path.stat().st_size
            steps = iter(range((MIN_STEPS + STEPS_PER_BYTE * size) // STEPS_AT_ONCE))
            connection.set_progress_handler(lambda: next(steps, None) is None, STEPS_AT_ONCE)
            try:
                return _fetched(connection.execute(statement, values), size, self.path)
            finally:
                connection.set_progress_handler(None, STEPS_AT_ONCE)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run the block as one transaction: all of it is written, or nothing."""
        with _plain_errors(self.path, self.schema):
            connection = self._open()
            connection.execute("PRAGMA query_only = OFF")
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            finally:
                connection.execute("PRAGMA query_only = ON")

    def close(self) -> None:
        """Close the file; it is reopened when needed."""
        if self._connection is not None and self._process == os.getpid():
            self._connection.close()
        self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None or self._process != os.getpid():
            open_regular(self.path).close()
            connection = _connect(self.path, "rw")
            try:
                connection.execute("PRAGMA query_only = ON")
                _check_tables(connection, self.path, self.schema)
            except BaseException:
                connection.close()
                raise
            self._connection, self._process = connection, os.getpid()
        return self._connection


def create_sqlite_file(path: Path, schema: Schema, statement: str, rows: list[Any]) -> None:
    """Write a file with empty tables, unless another process does so at the same time.

    Args:
        path: the file.
        schema: its tables.
        statement: inserts the first rows.
        rows: their values.

    Raises:
        WriteError: the folder cannot be written to.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.touch()
    except OSError as error:
        raise unwritable(path, error) from None
    try:
        with _plain_errors(path, schema):
            connection = _connect(unfinished, "rwc")
            connection.executescript(schema.statements)
            connection.executemany(statement, rows)
            connection.close()
        try:
            path.hardlink_to(unfinished)  # fails if the file exists: the first process wins
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def read_only_uri(path: Path) -> str:
    """Return the name by which SQLite opens a file to read."""
    return f"{path.absolute().as_uri()}?mode=ro"


def _connect(path: Path, mode: Literal["rw", "rwc"]) -> sqlite3.Connection:
    """Open a file with autocommit: each statement is a transaction unless one is begun."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=SECONDS_TO_WAIT,
        isolation_level=None, check_same_thread=False,
    )  # fmt: skip
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _check_tables(connection: sqlite3.Connection, path: Path, schema: Schema) -> None:
    """Check that the file holds the tables of the schema, unchanged, and nothing else.

    Raises:
        InputError: the file has others.
    """
    wanted = sqlite3.connect(":memory:")
    wanted.executescript(schema.statements)
    expected = set(wanted.execute(_OBJECTS))
    wanted.close()
    cursor = connection.execute(_OBJECTS)
    found = cursor.fetchmany(len(expected) + 1)
    if set(found) != expected:
        names = sorted({str(row[1])[:40] for row in found if isinstance(row[1], str)})
        raise InputError(
            f"{path}: a database, but not a {schema.what}: its tables are "
            f"{', '.join(names) or 'none'}, or have other columns; "
            f"`{schema.tool}` writes one"
        )


def _fetched(cursor: sqlite3.Cursor, size: int, path: Path) -> list[tuple[Any, ...]]:
    """Return all rows, unless they hold far more than a file of this size can."""
    rows, left = [], MIN_BYTES + BYTES_PER_BYTE * size
    for row in cursor:
        left -= sum(len(value) for value in row if isinstance(value, str | bytes))
        if left < 0:
            raise InputError(f"{path}: damaged: its rows hold more than a file of {size} bytes can")
        rows.append(row)
    return rows


@contextmanager
def _plain_errors(path: Path, schema: Schema) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError:  # of the text of an error of SQLite, which quotes the file
        raise InputError(f"{path}: damaged: what should be text in it is not") from None
    except UnicodeEncodeError as error:
        raise InputError(
            f"{path}: names are stored in UTF-8, {error.object!r} is not: rename the video"
        ) from None
    except sqlite3.Error as error:
        said = " ".join(str(error).split())[:200]
        if said == "interrupted":
            said = "damaged: its content takes far longer to read than a file of its size can"
        remedy = f"is it a {schema.what}? `{schema.tool}` writes one"
        kind = InputError
        if "disk" in said or "full" in said:
            kind = WriteError
            remedy = "free some space and start again: all finished videos are safe in the file"
        elif "locked" in said:
            remedy = f"another process has been writing for {SECONDS_TO_WAIT:.0f} s; try again"
        elif "readonly" in said:
            kind, remedy = WriteError, "give a writable file"
        raise kind(f"{path}: {said}; {remedy}") from None
