"""Manifest and table of a million videos: seconds to load, memory, and what workers copy.

python tools/benchmark.py manifest [--videos 1000000]
"""

import argparse
import gc
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.timing import proc_kilobytes
from stn_action.data.manifest import Entry, Manifest, to_line, write_manifest
from stn_action.data.video_table import Video, VideoTable

LOOKUPS = 10_000
TOUCHES = 200_000
"""Entries that each forked worker reads, at random."""
WORKERS = 2
MB = 1024
"""In kilobytes, the kernel's unit."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, generate, measure, print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=1_000_000)
    number = parser.parse_args(arguments).videos
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.tsv"
        write_manifest(path, (to_line(_entry(index)) for index in range(number)))
        show_manifest(path, number)
        show_workers(path, number)


def show_manifest(path: Path, number: int) -> None:
    """Load the manifest and find names in it."""
    table = Table("step", "seconds", "VmRSS grew by, MB", title=f"manifest of {number} videos")
    before, start = proc_kilobytes("status", "VmRSS"), time.perf_counter()
    manifest = Manifest.open(path)
    seconds, grown = time.perf_counter() - start, proc_kilobytes("status", "VmRSS") - before
    table.add_row("load", f"{seconds:.2f}", f"{grown / MB:.0f}")
    names = [_name(index) for index in random.Random(0).sample(range(number), min(number, LOOKUPS))]
    start = time.perf_counter()
    found = [manifest.find(name) for name in names]
    seconds, grown = time.perf_counter() - start, proc_kilobytes("status", "VmRSS") - before
    assert all(found)
    table.add_row(f"find {len(names)} names", f"{seconds:.2f}", f"{grown / MB:.0f}")
    Console().print(table)


def show_workers(path: Path, number: int) -> None:
    """Fork workers that read entries at random, and measure the memory they copy."""
    table = Table(
        "what", "build, s", "read one, µs", "copied by each worker, MB", "page cache, MB",
        title=f"{WORKERS} forked workers, {TOUCHES} random reads each",
    )  # fmt: skip
    videos = lambda: (_video(index) for index in range(number))  # noqa: E731
    makers: dict[str, Callable[[], Sequence | Manifest]] = {
        "Manifest": lambda: Manifest.open(path),
        "VideoTable": lambda: VideoTable(videos()),
        "tuple of Video": lambda: tuple(videos()),
    }
    for name, make in makers.items():
        start = time.perf_counter()
        made = make()
        built = time.perf_counter() - start
        gc.collect()
        read = made.entry if isinstance(made, Manifest) else made.__getitem__
        dirty, clean, seconds = zip(*_forked(read, number), strict=True)
        microseconds = f"{1e6 * min(seconds) / TOUCHES:.1f}"
        table.add_row(name, f"{built:.2f}", microseconds, _megabytes(dirty), _megabytes(clean))
        del made, read
        gc.collect()
    Console().print(table)


def _megabytes(kilobytes: Sequence[float]) -> str:
    return ", ".join(f"{value / MB:.0f}" for value in kilobytes)


def _forked(read: Callable[[int], object], number: int) -> Iterator[tuple[float, ...]]:
    """Yield kilobytes that became private, dirty and clean, and seconds, of each worker.

    Dirty pages are copies. Clean ones are the file's, in the page cache, where no other process
    has them mapped too at that moment; they cost nothing.
    """
    pipes = []
    for worker in range(WORKERS):
        ours, theirs = os.pipe()
        if os.fork() == 0:
            draw = random.Random(worker)
            before, start = _private(), time.perf_counter()
            for _ in range(TOUCHES):
                read(draw.randrange(number))
            seconds = time.perf_counter() - start
            dirty, clean = (new - old for new, old in zip(_private(), before, strict=True))
            os.write(theirs, f"{dirty} {clean} {seconds}".encode())
            os._exit(0)
        os.close(theirs)
        pipes.append(ours)
    for pipe in pipes:
        with os.fdopen(pipe, "rb") as file:
            yield tuple(map(float, file.read().split()))
    for _ in pipes:
        os.wait()


def _private() -> tuple[int, int]:
    return proc_kilobytes("smaps_rollup", "Private_Dirty"), proc_kilobytes(
        "smaps_rollup", "Private_Clean"
    )


def _name(index: int) -> str:
    return f"class_{index % 700:03d}/video_{index:07d}_{index % 25:02d}"


def _video(index: int) -> Video:
    name = _name(index)
    return Video(name, Path(f"/data/kinetics700/train/{name}.mp4"), index % 700, name)


def _entry(index: int) -> Entry:
    return Entry(
        _name(index), frames=250 + index % 50, fps=30000 / 1001, width=340, height=256, rotation=0,
        codec="h264", bytes=600_000 + index, modified=1_700_000_000_000_000_000 + index,
        checksum=f"{index:032x}",
    )  # fmt: skip
