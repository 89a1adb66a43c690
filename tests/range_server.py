"""A server on loopback that sends files as told: with ranges or without, broken off, changed."""

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest


@dataclass
class Served:
    """A file, and how it is sent."""

    content: bytes
    etag: str = '"1"'
    ranges: bool = True
    length: bool = True
    content_type: str = "application/octet-stream"
    break_after: list[int] = field(default_factory=list)
    """Bytes of the next answers after which the connection breaks."""
    statuses: list[int] = field(default_factory=list)
    """Of the next answers, without content."""
    shift: int = 0
    """Added to the start of every range that is sent."""


@dataclass
class RangeServer:
    """Files by path, and the ranges that were asked for."""

    address: str
    files: dict[str, Served] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def put(self, path: str, served: Served) -> str:
        self.files[path] = served
        return f"{self.address}/{path}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        served: RangeServer = self.server.served
        path, wanted = self.path.removeprefix("/"), self.headers["Range"]
        served.asked.append((path, wanted))
        file = served.files.get(path)
        status = 404 if file is None else file.statuses.pop(0) if file.statuses else 0
        if file is None or status:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = self._start(file, wanted)
        if start > len(file.content):
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._send(file, start + file.shift * (start > 0))

    def _start(self, file: Served, wanted: str | None) -> int:
        if wanted is None or not file.ranges or self.headers["If-Range"] != file.etag:
            return 0
        return int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])

    def _send(self, file: Served, start: int) -> None:
        total, body = len(file.content), file.content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.send_header("ETag", file.etag)
        self.send_header("Content-Type", file.content_type)
        if file.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        broken = file.break_after.pop(0) if file.break_after else len(body)
        self.wfile.write(body[:broken])
        self.close_connection = broken < len(body) or not file.length

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def range_server(monkeypatch) -> Iterator[RangeServer]:
    """A running server, which is reached without a proxy."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with HTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.served = RangeServer(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.served
        server.shutdown()
        thread.join()
