"""Where a public data set comes from: its files, their sizes, the terms."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from stn_action.errors import InputError

DOWNLOADS = "downloads"
"""Folder of `data.root` for archives, and for files of addresses."""
NOT_STATED = "none found; research use"
"""Terms of a data set whose page states none."""


@dataclass(frozen=True)
class SourceFile:
    """A file that is published, and where it belongs."""

    url: str
    into: str = "."
    """Folder of `data.root` for the file, or for what is in it."""
    size: int | None = None
    """Bytes; None: not known."""
    md5: str | None = None
    """Hexadecimal digest; None: none is published."""
    default: bool = True
    """It is fetched unless files are named."""
    packed: bool = True
    """It is an archive; otherwise the file itself is wanted."""
    flat: bool = False
    """The files in it belong into the folder itself, whatever folders the archive has."""
    left_out: tuple[str, ...] = ()
    """Names of files in it that are not wanted."""
    lists_archives: bool = False
    """It is a text of addresses, a line each, of archives for the folder."""
    stored_in: str = "."
    """Folder of the downloads for it, where several of a data set have one name."""

    @property
    def name(self) -> str:
        """The last part of the address."""
        return PurePosixPath(unquote(urlsplit(self.url).path)).name

    def place(self, root: Path) -> Path:
        """Return where it is stored: archives among the downloads, other files where they belong.

        >>> SourceFile("https://a.org/train.csv", "lists", packed=False).place(Path("data"))
        PosixPath('data/lists/train.csv')
        """
        if self.packed or self.lists_archives:
            return root / DOWNLOADS / self.stored_in / self.name
        return root / self.into / self.name

    def listed(self, text: str) -> "list[SourceFile]":
        """Return the archives that the text of this file names.

        Raises:
            InputError: a line is no address of an archive on this server, or is there twice.
        """
        urls = filter(None, map(str.strip, text.splitlines()))
        files = [SourceFile(url, self.into, stored_in=self.into) for url in urls]
        own = urlsplit(self.url)
        for file in files:
            parts = urlsplit(file.url)
            if (parts.scheme, parts.netloc) != (own.scheme, own.netloc) or not file.name.strip("."):
                raise InputError(
                    f"{self.url}: expected addresses of archives on {own.netloc}, got {file.url!r}"
                )
        if not files or len({file.name for file in files}) < len(files):
            found = "the same name twice" if files else "none"
            raise InputError(f"{self.url}: expected addresses of different archives, got {found}")
        return files


@dataclass(frozen=True)
class DataSource:
    """Where a data set comes from."""

    name: str
    """As `data.name` gives it."""
    title: str
    """Its full name."""
    homepage: str
    """Page of its authors, or of the publisher."""
    year: int
    """Of the paper to cite."""
    videos: int | None
    """Videos or images that its official lists use; None: not known."""
    classes: int
    terms: str
    """License or terms of use, in one phrase."""
    files: tuple[SourceFile, ...] = ()
    """What may be fetched without an account."""
    needs_account: bool = False
    """It is fetched by users who have registered."""
    by_hand: str = ""
    """What has to be done by hand, one sentence without a full stop; empty: nothing."""
    size: str = ""
    """All default files together, where their own sizes are not known; empty: not known."""
    remarks: str = ""
    """What else is to be known, in sentences."""

    @property
    def size_text(self) -> str:
        """All default files together, as text."""
        sizes = [file.size for file in self.files if file.default]
        known = [size for size in sizes if size is not None]
        if self.size or not sizes or len(known) < len(sizes):
            return self.size or "unknown"
        return format_bytes(sum(known))

    def select_files(self, names: Sequence[str]) -> tuple[SourceFile, ...]:
        """Return the files of these names; the default ones if none is named.

        Raises:
            InputError: there is none of a name.
        """
        by_name = {file.name: file for file in self.files}
        unknown = [name for name in names if name not in by_name]
        if unknown:
            raise InputError(
                f"--files of {self.name}: there is no {', '.join(unknown)}; expected "
                f"{', '.join(by_name) or 'none, it has to be fetched by hand'}"
            )
        return tuple(by_name[name] for name in names) or tuple(
            file for file in self.files if file.default
        )


def format_bytes(number: int) -> str:
    """Return a number of bytes in two digits or more.

    >>> format_bytes(6_932_971_618), format_bytes(43_785), format_bytes(185_602_053)
    ('6.9 GB', '44 kB', '190 MB')
    """
    if number < 1000:
        return f"{number} B"
    power = min(int(math.log10(number)) // 3, 4)
    value = number / 1000**power
    rounded = f"{value:.1f}" if value < 9.95 else f"{float(f'{value:.2g}'):.0f}"
    return f"{rounded} {('', 'kB', 'MB', 'GB', 'TB')[power]}"
