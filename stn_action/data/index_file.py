"""The indices of a data set's files, beside its manifest: SQLite, one row for each content.

It only saves time: a video without a row is read as one without a manifest. Rows are found by the
checksum of the file, so that slices share them, and files may move.
"""

from pathlib import Path
from typing import Any

from stn_action.disk.sqlite_file import Schema, SqliteFile, create_sqlite_file
from stn_action.errors import InputError
from stn_action.video.file_index import FileIndex

FORMAT = "stn_action index 1"
SCHEMA = Schema(
    "frame index",
    "python tools/check_videos.py",
    """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (checksum TEXT PRIMARY KEY, packed BLOB) WITHOUT ROWID;
""",
)


def index_path(manifest: Path) -> Path:
    """Return the file beside a manifest.

    >>> index_path(Path("data/ucf101.tsv")).as_posix()
    'data/ucf101.tsv.index'
    """
    return manifest.with_name(f"{manifest.name}.index")


class IndexFile:
    """An open file of indices; many processes may open it at once. It is pickled as its path."""

    def __init__(self, path: Path) -> None:
        """Open an existing file.

        Raises:
            InputError: it is damaged, or not one of these files.
        """
        self.path = path
        self._file = SqliteFile(path, SCHEMA)
        found = self._file.query("SELECT value FROM about WHERE key = 'format'")
        if found != [(FORMAT,)]:
            raise InputError(
                f"{path}: its format is {found[0][0] if found else None!r}, expected {FORMAT!r}; "
                "delete it and run `python tools/check_videos.py` again"
            )

    @classmethod
    def create(cls, path: Path) -> "IndexFile":
        """Open a file, and create an empty one if there is none.

        Raises:
            InputError: as the constructor, or it cannot be written.
        """
        if not path.exists():
            statement = "INSERT INTO about VALUES ('format', ?)"
            create_sqlite_file(path, SCHEMA, statement, [(FORMAT,)])
        return cls(path)

    def find(self, checksum: str) -> FileIndex | None:
        """Return the index of a content; None: it is not known, or has none.

        Raises:
            InputError: its row is damaged.
        """
        for (packed,) in self._rows(checksum):
            try:
                return None if packed is None else FileIndex.unpacked(packed)
            except (TypeError, ValueError) as error:
                raise InputError(
                    f"{self.path}: the row of {checksum} is damaged ({error}); delete the file and "
                    "run `python tools/check_videos.py` again"
                ) from None
        return None

    def has(self, checksum: str) -> bool:
        """Return whether it is known what index a content has, or that it has none."""
        return bool(self._rows(checksum))

    def add(self, checksum: str, packed: bytes | None) -> None:
        """Write the index of a content.

        Args:
            checksum: of the file.
            packed: of `FileIndex.packed`; None: only decoding gives the order of its frames.

        Raises:
            InputError: the file cannot be written.
        """
        with self._file.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO files VALUES (?, ?)", (checksum, packed))

    def close(self) -> None:
        """Close the file; it is reopened when needed."""
        self._file.close()

    def _rows(self, checksum: str) -> list[tuple[Any, ...]]:
        return self._file.query("SELECT packed FROM files WHERE checksum = ?", checksum)

    def __reduce__(self) -> tuple[type["IndexFile"], tuple[Path]]:
        return type(self), (self.path,)
