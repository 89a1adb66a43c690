"""Videos as they are sent: bytes that need no seeking, and a server that sends them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import av
import numpy as np


def as_stream(images: list[np.ndarray], fps: int = 30) -> bytes:
    """Images as MPEG-TS, which needs no seeking."""
    target = BytesIO()
    with av.open(target, "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "8", "bf": "0"})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return target.getvalue()


@contextmanager
def http_stream(content: bytes, *, stalls: bool = False) -> Iterator[str]:
    """The address of a stream that sends a content, and then ends, or sends no more."""
    over = threading.Event()

    class Sender(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/live":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()
            if stalls:
                over.wait()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Sender) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/live"
        finally:
            over.set()
            server.shutdown()
            serving.join()
