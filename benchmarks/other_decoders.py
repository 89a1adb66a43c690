"""Decoders of other projects that return the same frames, each on one thread.

This project does not depend on them: those that are installed are measured, the others are named
with the reason. decord2 has the module name of decord, so it is loaded from a folder of its own, in
a process of its own.
"""

import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch

from benchmarks.timing import Taken, keep_freed_memory

T = TypeVar("T")
Bare = Callable[[Path, list[int]], Sequence[np.ndarray] | np.ndarray]
"""A library's way to return some frames of a file in RGB."""


def find_decoders() -> tuple[dict[str, Bare], list[str]]:
    """Return the decoders that can be loaded by name, and a line about each library.

    torchcodec is measured twice: it reads the packets of a file before it decodes ("exact", as our
    own reader does), or trusts the times that the file declares ("approximate").
    """
    decoders: dict[str, Bare] = {}
    lines = []
    try:
        torchcodec = import_module("torchcodec")
    except (ImportError, OSError, RuntimeError) as error:  # RuntimeError: no FFmpeg was found
        lines.append(f"torchcodec is not compared: {_first_line(error)}")
    else:
        decoders |= {
            f"torchcodec, {mode}": partial(_torchcodec, mode=mode)
            for mode in ("exact", "approximate")
        }
        ffmpeg = f"with FFmpeg {torchcodec.ffmpeg_major_version}"
        lines.append(f"torchcodec {metadata.version('torchcodec')} {ffmpeg}")
    try:
        import_module("video_reader")
    except ImportError as error:
        lines.append(f"video-reader-rs is not compared: {_first_line(error)}")
    else:
        decoders["video_reader"] = _video_reader
        lines.append(f"video-reader-rs {metadata.version('video_reader-rs')}")
    return decoders, lines


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _torchcodec(path: Path, indices: list[int], *, mode: str) -> np.ndarray:
    decoder = import_module("torchcodec.decoders").VideoDecoder(
        path, dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode=mode
    )
    return decoder.get_frames_at(indices).data.numpy()


def _video_reader(path: Path, indices: list[int]) -> np.ndarray:
    return import_module("video_reader").PyVideoReader(str(path), threads=1).get_batch(indices)


class OtherProcess:
    """A process that looks for modules in a folder first; what runs there is measured there."""

    def __init__(self, folder: Path) -> None:
        found = metadata.distributions(path=[str(folder)])
        self.versions = ", ".join(f"{each.name} {each.version}" for each in found)
        context = multiprocessing.get_context("spawn")
        self._pool = context.Pool(1, initializer=_start, initargs=(str(folder),))

    def measure(self, run: Callable[..., object], *args: object) -> Taken:
        """Run a function of a module with these arguments, return what that has taken."""
        return self._pool.apply(_measured, (run, *args))

    def result(self, run: Callable[..., T], *args: object) -> T:
        """Run a function of a module with these arguments, return what it returns."""
        return self._pool.apply(run, args)

    def close(self) -> None:
        """End the process."""
        self._pool.terminate()
        self._pool.join()


def _start(folder: str) -> None:
    sys.path.insert(0, folder)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    keep_freed_memory()


def _measured(run: Callable[..., object], *args: object) -> Taken:
    start, busy = time.perf_counter(), time.process_time()
    run(*args)
    return Taken(time.perf_counter() - start, time.process_time() - busy)
