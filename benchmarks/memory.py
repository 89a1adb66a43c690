"""Memory of one item of a test, for videos of several sizes, each in a process of its own."""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.timing import proc_kilobytes
from stn_action.data.clips import TestClips
from stn_action.data.frame_sampling import ClipSampling
from stn_action.data.source import ClipSource
from stn_action.data.video_table import Video, VideoTable
from stn_action.person.crop import CropSpec
from stn_action.video.writer import write_video

SIZES = ("320x240", "1280x720", "1920x1080", "3840x2160")
NUM_FRAMES = 300
KIBIBYTES_IN_MEGABYTE = 1e6 / 1024


def main(arguments: Sequence[str]) -> None:
    """Print the peak memory and the time of all views of one video, for each size of its frames."""
    parser = argparse.ArgumentParser(prog="tools/benchmark.py memory", description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="WIDTHxHEIGHT")
    parser.add_argument("--clips", type=int, default=10)
    parser.add_argument("--crops", type=int, default=3)
    parser.add_argument("--frames", type=int, default=16, help="of a clip, 2 apart")
    options = parser.parse_args(arguments)
    table = Table("frames", "peak above the start", "one frame", "seconds")
    pool = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            width, height = map(int, size.split("x"))
            path = Path(folder) / f"{size}.mp4"
            write_video(path, images((height, width)), fps=30, crf=30, gop=30)
            shape = options.clips, options.crops, options.frames
            with pool.Pool(1) as processes:
                peak, seconds = processes.apply(_measure, (path, *shape))
            frame = f"{3 * width * height / 1e6:.1f} MB"
            table.add_row(size, f"{peak:.0f} MB", frame, f"{seconds:.2f}")
    Console().print(table)


def images(size_hw: tuple[int, int], number: int = NUM_FRAMES) -> Iterator[np.ndarray]:
    """Yield frames of smooth noise that moves to the right."""
    noise = np.random.default_rng(0).integers(0, 256, (36, 64, 3), dtype=np.uint8)
    image = cv2.resize(noise, size_hw[::-1], interpolation=cv2.INTER_LINEAR)
    for place in range(number):
        yield np.roll(image, 2 * place, axis=1)


def _measure(path: Path, num_clips: int, num_crops: int, num_frames: int) -> tuple[float, float]:
    """Return the growth of this process's peak memory, MB, and the seconds of one item."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    videos = VideoTable([Video("one", path, 0, "one")])
    dataset = TestClips(
        ClipSource(videos, CropSpec((112, 112))),
        sampling=ClipSampling(num_frames, 2),
        num_clips=num_clips,
        num_crops=num_crops,
    )
    with videos[0].open() as reader:
        reader.read([0])  # libraries are loaded before the start
    before = _reset_peak()
    start = time.perf_counter()
    samples, _ = dataset[0]
    seconds = time.perf_counter() - start
    assert len(samples) == num_clips * num_crops
    return (proc_kilobytes("status", "VmHWM") - before) / KIBIBYTES_IN_MEGABYTE, seconds


def _reset_peak() -> int:
    """Let Linux count this process's peak memory anew; return the memory it has now, KiB."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return proc_kilobytes("status", "VmRSS")
