"""Memory of a test of large videos: of the main process and of each loader process.

A network is trained for an epoch on small generated videos; `tools/evaluate.py` tests it on large
ones (H.264), all views of each, once for each number of loader processes. "Peak" is the most that a
process has resident (VmHWM): its libraries and what it shares with others count in full.
"Proportional" is the largest sample of its Pss, in which a page of n processes counts as 1/n.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.memory import KIBIBYTES_IN_MEGABYTE, images
from benchmarks.timing import proc_kilobytes
from stn_action.config.schema import load_config, to_yaml
from stn_action.video.writer import write_video

TOOLS = Path(__file__).parents[1] / "tools"
CLASSES = "left", "right"
SMALL = 48, 64
SAMPLE_SECONDS = 0.2


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, generate, test under watch, print a table."""
    parser = argparse.ArgumentParser(
        prog="tools/benchmark.py evaluation_memory", description=__doc__
    )
    add = parser.add_argument
    add("--size", default="1280x720", metavar="WIDTHxHEIGHT")
    add("--frames", type=int, default=300, help="of a video")
    add("--videos", type=int, default=2, help="that are tested, of each of two classes")
    add("--workers", type=int, nargs="+", default=[0, 1, 2], help="loader processes")
    add("--clips", type=int, default=10)
    add("--crops", type=int, default=3)
    add("--clip-size", type=int, default=112)
    add("--batch-size", type=int, default=16, help="views that the network computes at once")
    add("--backbone", default="small3d")
    options = parser.parse_args(arguments)
    width, height = map(int, options.size.split("x"))
    table = Table("loader processes", "process", "peak, MB", "proportional, MB", "seconds")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = [
            f"data.crop.size={options.clip_size}", "data.clip={num_frames: 16, stride: 2}",
            f"eval={{num_clips: {options.clips}, num_crops: {options.crops}, "
            f"batch_size: {options.batch_size}}}",
        ]  # fmt: skip
        checkpoint = _train(folder, options.backbone, settings)
        _write_videos(folder / "test", (height, width), options.frames, options.videos)
        for workers in options.workers:
            command = ["evaluate.py", "--checkpoint", checkpoint, f"data.num_workers={workers}"]
            start = time.perf_counter()
            peaks = watch(_start([*command, *settings]))
            seconds = time.perf_counter() - start
            for number, peak in enumerate(peaks):
                process, taken = ("loader", "") if number else ("main", f"{seconds:.0f}")
                megabytes = (f"{kibibytes / KIBIBYTES_IN_MEGABYTE:.0f}" for kibibytes in peak)
                table.add_row(str(workers), process, *megabytes, taken)
    Console().print(table)


def _train(folder: Path, backbone: str, settings: Iterable[str]) -> Path:
    """Return the checkpoint of a network that has seen small videos for an epoch."""
    for part in ("train", "test"):
        _write_videos(folder / part, SMALL, 40, 1)
    overrides = [
        "data.name=folders", f"data.root={folder}", f"model.backbone={backbone}",
        "model.weights=none", "train.epochs=1", "train.batch_size=2", "data.num_workers=0",
        f"train.output_dir={folder / 'run'}", *settings, "eval.num_clips=1",
    ]  # fmt: skip
    config = folder / "config.yaml"
    config.write_text(to_yaml(load_config(None, overrides)), encoding="utf-8")
    if _start(["train.py", config]).wait():
        raise SystemExit("the training failed")
    return folder / "run" / "last.pt"


def _write_videos(folder: Path, size_hw: tuple[int, int], frames: int, number: int) -> None:
    for label in CLASSES:
        for index in range(number):
            path = folder / label / f"{index}.mp4"
            write_video(path, images(size_hw, frames), fps=30, crf=30, gop=30)


def _start(command: Sequence[str | Path]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, TOOLS / command[0], *command[1:]], stdout=subprocess.DEVNULL
    )


def watch(process: subprocess.Popen) -> list[list[int]]:
    """Return the peaks, in KiB, of a process and then of those that it starts."""
    peaks: dict[str, list[int]] = {}
    while process.poll() is None:
        for pid in (str(process.pid), *_children(process.pid)):
            try:
                now = (
                    proc_kilobytes("status", "VmHWM", pid),
                    proc_kilobytes("smaps_rollup", "Pss", pid),
                )
            except (OSError, KeyError):  # it has ended
                continue
            peaks[pid] = [*map(max, peaks.get(pid, now), now)]
        time.sleep(SAMPLE_SECONDS)
    if process.returncode:
        raise SystemExit("the test failed")
    return [*peaks.values()]


def _children(pid: int) -> list[str]:
    tasks = Path(f"/proc/{pid}/task")
    try:
        return [
            child for task in tasks.iterdir() for child in (task / "children").read_text().split()
        ]
    except OSError:  # it has ended
        return []
