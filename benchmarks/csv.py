"""A CSV file of a million videos: seconds and memory to list them, and to split them into folds.

python tools/benchmark.py csv [--videos 1000000] [--folds 5]
"""

import argparse
import gc
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.manifest import MB
from benchmarks.timing import proc_kilobytes
from stn_action.data.datasets.csv_file import list_csv
from stn_action.data.datasets.dataset_table import DATASETS
from stn_action.data.listing import Listing

CLASSES, SLICES, TESTED = 700, 3, 11
"""Classes; slices of each file in the second list; every how manieth file is a test video."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, write two lists, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=1_000_000)
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args(arguments)
    number, folds = options.videos, options.folds
    table = Table(
        "step", "seconds", "of them processor", "peak of VmRSS grew by, MB",
        title=f"lists of {number} videos",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        files, pool = Path(folder) / "files.csv", Path(folder) / "pool.csv"
        write_list(files, number)
        write_pool(pool, number)
        csv = DATASETS["csv"]
        steps: dict[str, Callable[[], Listing]] = {
            "list files": lambda: list_csv(files),
            "list files, check the splits": lambda: csv.read(files, 1),
            "list slices": lambda: list_csv(pool),
            f"list slices, hold out fold 1 of {folds}": lambda: csv.read(pool, 1, folds=folds),
        }
        for name, step in steps.items():
            table.add_row(name, *measure(step))
    Console().print(table)


def measure(step: Callable[[], Listing]) -> tuple[str, str, str]:
    """Return seconds, processor seconds and megabytes of a step."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before, start, used = (
        proc_kilobytes("status", "VmRSS"),
        time.perf_counter(),
        time.process_time(),
    )
    listing = step()
    seconds, used = time.perf_counter() - start, time.process_time() - used
    grown = proc_kilobytes("status", "VmHWM") - before
    assert listing.train
    return f"{seconds:.2f}", f"{used:.2f}", f"{grown / MB:.0f}"


def write_list(path: Path, number: int) -> None:
    """Write a list of files with a train and a test part."""
    with path.open("w") as file:
        file.write("path,label,split\n")
        for index in range(number):
            split = "train" if index % TESTED else "test"
            file.write(f"{_file(index)},{_label(index, number)},{split}\n")


def write_pool(path: Path, number: int) -> None:
    """Write a list of slices, of which those of one file are a group."""
    with path.open("w") as file:
        file.write("path,label,start_seconds,end_seconds\n")
        for index in range(number):
            start = 10 * (index % SLICES)
            label = _label(index // SLICES, number)
            file.write(f"{_file(index // SLICES)},{label},{start},{start + 9.5}\n")


def _file(index: int) -> str:
    return f"class_{index % CLASSES:03d}/video_{index:07d}_{index % 25:02d}.mp4"


def _label(index: int, number: int) -> str:
    """Return a class, of which there are fewer in a short list: each needs several videos."""
    return f"class {index % min(CLASSES, number // 20):03d}"
