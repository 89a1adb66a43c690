"""Paths and files that the user names: a path from its text, a regular file read with a bound.

A path of the user may lead to a folder, a pipe or a device. A pipe without a writer blocks the
process that opens it, and `/dev/zero` never ends, so the kind of a file is checked before it is
opened and again after, and no more than a stated number of bytes is read.
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from stn_action.errors import InputError

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def path_of_text(text: str) -> Path:
    """Return the path that is exactly this text; `~` or `~user` at its start is a home folder.

    Raises:
        ValueError: the text is empty, contains NUL, or there is no such home folder.
    """
    if not text or "\0" in text:
        raise ValueError("expected a path, which is neither empty nor contains NUL")
    if not text.startswith("~"):
        return Path(text)  # ./~x too, which a Path writes as ~x
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(
            f"expected a path: {text} starts with a home folder that does not exist; write "
            f"./{text} for a file of that name"
        ) from None


def open_regular(path: str | Path, *, what: str = "file", name: str = "") -> BinaryIO:
    """Open a regular file for reading.

    Args:
        path: the file; links are followed.
        what: its kind in messages, as in "configuration file".
        name: its name in messages, e.g. with the setting that gave it; empty: the path.

    Raises:
        InputError: there is no such file, it is no regular file, or it must not be read.
    """
    name = name or str(path)
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: {reason_not_read(error, what)}") from None
    _require_regular(mode, name)
    try:
        descriptor = os.open(path, os.O_RDONLY | _flag("O_NONBLOCK") | _flag("O_CLOEXEC"))
    except OSError as error:
        raise InputError(f"{name}: {reason_not_read(error, what)}") from None
    file = os.fdopen(descriptor, "rb")
    try:
        _require_regular(os.fstat(descriptor).st_mode, name)  # it may have been replaced meanwhile
    except BaseException:
        file.close()
        raise
    return file


def read_regular(path: str | Path, *, max_bytes: int, what: str, name: str = "") -> bytes:
    """Return the content of a regular file.

    Args:
        path: the file; links are followed.
        max_bytes: more than any good file of this kind has.
        what: as in `open_regular`.
        name: as in `open_regular`.

    Raises:
        InputError: as `open_regular`, or it is larger.
    """
    name = name or str(path)
    with open_regular(path, what=what, name=name) as file:
        try:
            content = file.read(max_bytes + 1)
        except OSError as error:
            raise InputError(f"{name}: {reason_not_read(error, what)}") from None
        size = max(len(content), os.fstat(file.fileno()).st_size)
    if len(content) > max_bytes:
        raise InputError(
            f"{name}: {size} bytes or more, a {what} has at most {max_bytes}; is this another file?"
        )
    return content


def read_text_file(path: str | Path, *, max_bytes: int, what: str, name: str = "") -> str:
    """Return the text of a regular file in UTF-8, without its byte order mark.

    Args:
        path: the file; links are followed.
        max_bytes: as in `read_regular`.
        what: as in `read_regular`.
        name: as in `open_regular`.

    Raises:
        InputError: as `read_regular`, or it is in another encoding.
    """
    content = read_regular(path, max_bytes=max_bytes, what=what, name=name)
    name = name or str(path)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{name}: cannot be read: it is in UTF-16; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{name}: cannot be read: it must be text in UTF-8, line {line} is not; is this "
            "another file, or in another encoding?"
        ) from None


def reason_not_read(error: OSError | ValueError, what: str = "file") -> str:
    """Return why a file could not be read, and what to do, in plain words."""
    match error:
        case FileNotFoundError():
            return f"no such {what}"
        case NotADirectoryError():
            return f"no such {what}, a part of its path is a file and no folder"
        case PermissionError():
            return "cannot be read: permission denied; change its owner or mode (chmod u+r)"
        case OSError() if error.errno == errno.ELOOP:
            return "cannot be read: its links lead in a circle"
        case OSError() if error.errno == errno.ENAMETOOLONG:
            return f"no such {what}, the name is too long for one"
        case OSError():
            return f"cannot be read: {error.strerror or type(error).__name__}"
    return f"no such {what}, a path cannot contain the character NUL"


def _require_regular(mode: int, name: str) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise InputError(f"{name}: cannot be read: it is {kind}, expected a regular file")


def _flag(name: str) -> int:
    """Return a flag of `os.open`, 0 where the system has none."""
    return getattr(os, name, 0)
