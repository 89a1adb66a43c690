"""Clips from the end of a file against clips from its start, with and without an index.

Each file is written in several containers, with keyframes 16 and 250 frames apart. A clip of 16
frames at stride 4 is read from the start and from the end: with an index, as a manifest has it,
and without. "frames" are those that FFmpeg had to decode: those from the keyframe before the clip
to its end, less those to which no other refers. Times are those of the processor, medians of
interleaved repeats, one thread.
"""

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import av
import torch

from benchmarks.decode import FRAMES, STRIDE, moving_frames
from benchmarks.timing import processor_medians
from stn_action.data.video_table import Video
from stn_action.jobs.inspection import inspect_video
from stn_action.video.file_index import FileIndex
from stn_action.video.pyav import PyAVReader

FILES = {
    "H.264, MP4": ("mp4", "libx264", {}),
    "H.264, MKV": ("mkv", "libx264", {}),
    "H.264, TS": ("ts", "libx264", {}),
    "H.264, AVI": ("avi", "libx264", {}),
    "MPEG-4, AVI": ("avi", "mpeg4", {"bf": "0"}),
    "MPEG-4 with B-frames, AVI": ("avi", "mpeg4", {"bf": "2"}),
    "MPEG-2 with B-frames, TS": ("ts", "mpeg2video", {"bf": "2"}),
}
"""Suffix, encoder and its options."""
GOPS = 16, 250
COLUMNS = (
    "file", "keyframes", "frames, early", "late", "early ms", "late / early", "per frame",
    "no index: early / indexed", "late / early",
)  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Parse, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--frames", type=int, default=600, help="of the generated videos")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print("| " + " | ".join(COLUMNS) + " |\n|" + " --- |" * len(COLUMNS))
    with tempfile.TemporaryDirectory() as folder:
        for name, (suffix, encoder, extra) in FILES.items():
            for gop in GOPS:
                path = Path(folder) / f"{len(list(Path(folder).iterdir()))}.{suffix}"
                _write(path, encoder, {"g": str(gop), **extra}, options.frames)
                cells = _row(path, options.frames, options.repeats)
                print("| " + " | ".join([name, str(gop), *cells]) + " |", flush=True)


def _row(path: Path, num_frames: int, repeats: int) -> list[str]:
    packed = inspect_video(Video("a", path, 0, "")).packed_index
    assert packed is not None, f"{path}: has no index"
    span = (FRAMES - 1) * STRIDE
    clips = {
        place: list(range(start, start + span + 1, STRIDE))
        for place, start in (("early", 3), ("late", num_frames - 1 - span))
    }
    reads: dict[str, Callable[[], int]] = {
        f"{place}{suffix}": partial(_read, path, indices, data)
        for place, indices in clips.items()
        for suffix, data in (("", packed), (" without", None))
    }
    ms = {name: 1e3 * s for name, s in processor_medians(reads, repeats=repeats).items()}
    early, late = reads["early"](), reads["late"]()
    return [
        str(early), str(late), f"{ms['early']:.1f}", f"{ms['late'] / ms['early']:.2f}",
        f"{ms['late'] / ms['early'] * early / late:.2f}",
        f"{ms['early without'] / ms['early']:.2f}",
        f"{ms['late without'] / ms['early without']:.2f}",
    ]  # fmt: skip


def _read(path: Path, indices: list[int], packed: bytes | None) -> int:
    """Read a clip; return the number of frames that were decoded for it."""
    known = None if packed is None else FileIndex.unpacked(packed)
    with PyAVReader(path, known=known) as video:
        video.read_images(indices)
        return video.num_decoded


def _write(path: Path, encoder: str, options: dict[str, str], num_frames: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=25, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = 240, 320, "yuv420p"
        stream.bit_rate = 1_000_000
        for image in moving_frames(num_frames, (240, 320)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
