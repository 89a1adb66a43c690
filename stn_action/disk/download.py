"""Files downloaded over HTTP: continued after an interruption, checked, complete or absent.

`requests` does the transport: TLS, proxies, redirects, time limits. What continues a file is here,
as libraries that are kept well (pooch, `torchvision.datasets.utils`) begin each file anew.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from stn_action.disk.atomic_file import write_file
from stn_action.errors import InputError
from stn_action.extras import needs_extra

if TYPE_CHECKING:
    from requests import Response, Session

CHUNK_BYTES = 2**18
TIMEOUT_SECONDS = (20, 60)
"""To connect, and between two packets."""
PAUSES_SECONDS = (1.0, 3.0, 9.0)
"""Before each new attempt; the count starts again whenever bytes arrived."""
RETRIED = {408, 425, 429, 500, 502, 503, 504}
"""Answers of a server that is busy."""
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "stn_action"}


class DownloadError(InputError):
    """A file that cannot be downloaded, or is not the one that was expected."""


class _AttemptError(Exception):
    """An attempt that ended early and may be repeated."""


@dataclass(frozen=True)
class _Version:
    """What identifies the file that a server had when its first bytes came."""

    url: str
    validator: str = ""
    """A strong ETag, or the date of the last change; empty: the server gave none."""
    total: int | None = None
    """Bytes in all; None: the server did not say."""


def download(
    url: str,
    path: Path,
    *,
    size: int | None = None,
    md5: str | None = None,
    on_bytes: Callable[[int], None] = lambda _: None,
    pauses: Sequence[float] = PAUSES_SECONDS,
) -> None:
    """Download a file, or what is still missing of it; an existing one is only checked.

    Until all is there the bytes are in `<path>.part`, and what they are of in `<path>.part.json`.
    They are continued if the server still has that version (`If-Range`, RFC 9110, section 13.1.5);
    otherwise, or if the server knows no ranges, the file is begun again.

    Args:
        url: the address.
        path: the file to write; its folder is created.
        size: bytes that it must have; None: those that the server states.
        md5: hexadecimal digest that it must have; None: it is not compared.
        on_bytes: called with the number of bytes that are there, after each piece.
        pauses: seconds before the second and each later attempt, while no bytes arrive.

    Raises:
        DownloadError: the server cannot be reached or has no such file, or its content is not the
            expected one; a wrong file is kept as `<path>.wrong`.
    """
    if path.exists():
        require_content(path, name=str(path), size=size, md5=md5)
        return
    part = _Part(url, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _complete(part, on_bytes, pauses)
    try:
        require_content(part.file, name=url, size=size, md5=md5)
    except DownloadError as error:
        wrong = path.with_name(f"{path.name}.wrong")
        part.file.replace(wrong)
        part.forget()
        raise DownloadError(f"{error}; what came is in {wrong}") from None
    part.file.replace(path)
    part.forget()


def require_content(path: Path, *, name: str, size: int | None, md5: str | None) -> None:
    """Check the size and the digest of a file.

    Args:
        path: the file.
        name: in the message.
        size: bytes; None: not compared.
        md5: hexadecimal digest; None: not compared.

    Raises:
        DownloadError: one of them is another.
    """
    remedy = (
        "download it again; if its publisher has replaced it, unpack it by hand and check the "
        "data set with --check"
    )
    found = path.stat().st_size
    if size is not None and found != size:
        raise DownloadError(f"{name}: expected {size} bytes, got {found}; {remedy}")
    if md5 is None:
        return
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if digest != md5.lower():
        raise DownloadError(f"{name}: expected the MD5 {md5.lower()}, got {digest}; {remedy}")


class _Part:
    """The bytes that are there, and the version of the file that they are of."""

    def __init__(self, url: str, path: Path) -> None:
        self.url, self.path = url, path
        self.file = path.with_name(f"{path.name}.part")
        self.note = path.with_name(f"{path.name}.part.json")
        self.version = self._read_note()

    @property
    def bytes(self) -> int:
        """How many are there."""
        return self.file.stat().st_size if self.file.exists() else 0

    @property
    def is_complete(self) -> bool:
        """Whether all bytes of the version are there."""
        return self.version.total is not None and self.bytes == self.version.total

    def request_headers(self) -> dict[str, str]:
        """Return the headers that ask for what is missing, or for all where that is unsafe."""
        if not self.bytes or not self.version.validator:
            return HEADERS
        wanted = {"Range": f"bytes={self.bytes}-", "If-Range": self.version.validator}
        return HEADERS | wanted

    def accept(self, response: "Response") -> None:
        """Prepare to append the body of an answer: all bytes, or the missing ones.

        Raises:
            _AttemptError: it is neither; what was there is dropped.
        """
        if response.status_code == HTTPStatus.OK:
            self.forget()
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdigit() else None
            self.version = _Version(self.url, _validator(response), total)
            write_file(self.note, json.dumps(asdict(self.version)))
            return
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        if span is None or (int(span[1]), int(span[2])) != (self.bytes, self.version.total):
            self.forget()
            raise _AttemptError("the server sent another part of the file than was asked for")

    def forget(self) -> None:
        """Drop the bytes and what they are of."""
        self.version = _Version(self.url)
        self.file.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def _read_note(self) -> _Version:
        try:
            version = _Version(**json.loads(self.note.read_bytes()))
        except (OSError, ValueError, TypeError):
            return _Version(self.url)
        return version if version.url == self.url else _Version(self.url)


def _complete(part: _Part, on_bytes: Callable[[int], None], pauses: Sequence[float]) -> None:
    """Receive what is missing, in several attempts if need be."""
    with needs_extra(part.url):
        import requests
        import urllib3

    left = list(pauses)
    with requests.Session() as session:
        while not part.is_complete:
            before = part.bytes
            try:
                _receive(session, part, on_bytes)
                return
            except (
                requests.RequestException, urllib3.exceptions.HTTPError, _AttemptError,
            ) as error:  # fmt: skip
                reason, is_final = _reason(error), isinstance(error, requests.exceptions.SSLError)
            if part.bytes > before:
                left = list(pauses)
            if is_final or not left:
                raise _failure(part, reason)
            time.sleep(left.pop(0))


def _receive(session: "Session", part: _Part, on_bytes: Callable[[int], None]) -> None:
    """Append what one answer of the server brings."""
    headers = part.request_headers()
    with session.get(part.url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as response:
        _require_file(response, part)
        part.accept(response)
        there = part.bytes
        with part.file.open("ab") as file:
            for piece in response.raw.stream(CHUNK_BYTES, decode_content=False):
                file.write(piece)
                there += len(piece)
                on_bytes(there)
    if part.version.total is not None and not part.is_complete:
        raise _AttemptError(f"{part.bytes} of {part.version.total} bytes came")


def _require_file(response: "Response", part: _Part) -> None:
    """Check that an answer is a file, or a part of one.

    Raises:
        DownloadError: it is an error that lasts, or a web page.
        _AttemptError: it is one that may pass, or the range is beyond the end of the file.
    """
    status = response.status_code
    what = f"status {status} {response.reason or ''}".rstrip()
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and part.bytes:
        part.forget()
        raise _AttemptError(what)
    if status in RETRIED:
        raise _AttemptError(what)
    if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        raise _failure(part, what)
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise _failure(part, "the server sent a web page, which may ask to log in")


def _validator(response: "Response") -> str:
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def _reason(error: Exception) -> str:
    return f"{' '.join(str(error).split())[:300] or type(error).__name__}"


def _failure(part: _Part, reason: str) -> DownloadError:
    kept = f"; {part.bytes} bytes are kept, the same command continues" if part.bytes else ""
    return DownloadError(
        f"{part.url}: cannot be downloaded ({reason}){kept}; without a network get the file from "
        f"there on another machine and put it at {part.path}"
    )
