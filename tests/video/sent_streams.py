"""Videos as they are sent: bytes that need no seeking."""

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
