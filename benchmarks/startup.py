"""The start of a run on a list of a million videos: seconds and memory until the first batch.

python tools/benchmark.py startup [--videos 1000000] [--workers 2] [--folder KEPT]

The list, a manifest and a people file (one tube a video) are generated; all videos are hard links
to copies of one small file. Then a process of its own takes the steps of a run, one after another:
libraries, list (with the check that all files are there), people and manifest, data set and loader,
first batch.
Memory is what the process holds at most (VmHWM), and what each loader process has for itself.
"""

import argparse
import json
import multiprocessing
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.timing import proc_kilobytes

CLASSES, TESTED, IN_FOLDER, LINKS = 700, 20, 1000, 50_000
"""Classes; every how manieth video is a test video; videos of a folder; links of a file."""
FRAMES, SIZE_HW = 16, (48, 64)
MB = 1024
"""In kilobytes, the kernel's unit."""
STEPS = "libraries", "list, files, people, manifest", "data set, loader", "first batch"


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, generate, measure in another process, print a table."""
    parser = argparse.ArgumentParser(prog="tools/benchmark.py startup", description=__doc__)
    add = parser.add_argument
    add("--videos", type=int, default=1_000_000)
    add("--workers", type=int, default=2)
    add("--folder", type=Path, help="keep the generated files here, and use them again")
    add("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        print(json.dumps(measured(options.measure, options.workers)))
        return
    with tempfile.TemporaryDirectory() as folder:
        root = options.folder or Path(folder)
        if not (root / "people.sqlite").exists():
            generate(root, options.videos)
        command = [
            sys.executable, "-c", "import sys; from benchmarks.startup import main; main()",
            "--measure", str(root), "--workers", str(options.workers),
        ]  # fmt: skip
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout)
    title = f"{found['videos']} videos, {options.workers} loader processes"
    table = Table("until then", "seconds", "of them processor", "at most, MB", title=title)
    for name, row in zip(STEPS, found["steps"], strict=True):
        table.add_row(name, f"{row[0]:.2f}", f"{row[1]:.2f}", f"{row[2] / MB:.0f}")
    console = Console()
    console.print(table)
    own = ", ".join(f"{kilobytes / MB:.0f}" for kilobytes in found["own"])
    console.print(f"of each loader process alone: {own or 'none'} MB")


def generate(root: Path, number: int) -> None:
    """Write a list, its files, a manifest and a people file."""
    import torch

    from stn_action.data.manifest import Entry, to_line, write_manifest
    from stn_action.person.store.people_file import PeopleFile
    from stn_action.person.tube import Tube
    from stn_action.person.video_people import VideoPeople
    from stn_action.video.writer import write_video

    root.mkdir(parents=True, exist_ok=True)
    write_video(root / "one.mp4", torch.zeros(FRAMES, 3, *SIZE_HW, dtype=torch.uint8), fps=25)
    size = (root / "one.mp4").stat().st_size
    original = root / "one.mp4"
    with (root / "videos.csv").open("w") as file:
        file.write("path,label,split\n")
        for index in range(number):
            path = root / f"{_name(index)}.mp4"
            if index % IN_FOLDER == 0:
                path.parent.mkdir(exist_ok=True)
            if index % LINKS == 0:
                original = Path(shutil.copyfile(root / "one.mp4", path))
            else:
                path.hardlink_to(original)
            split = "train" if index % TESTED else "test"
            file.write(f"{_name(index)}.mp4,class {index // TESTED % CLASSES:03d},{split}\n")
    H, W = SIZE_HW
    write_manifest(
        root / "manifest.tsv",
        (
            to_line(
                Entry(
                    _name(index), frames=FRAMES, fps=25, width=W, height=H, rotation=0,
                    codec="h264", bytes=size, modified=0, checksum="",
                )
            )
            for index in range(number)
        ),
    )  # fmt: skip
    boxes = torch.tensor([[8.0, 4.0, 40.0, 44.0]]).repeat(FRAMES, 1)
    tube = Tube(torch.arange(FRAMES), boxes, torch.ones(FRAMES))
    people = PeopleFile.create(root / "unfinished.sqlite", "generated")
    tubes = (VideoPeople(_name(index), (tube,), num_frames=FRAMES) for index in range(number))
    people.add_all(tubes)
    people.close()
    (root / "unfinished.sqlite").rename(root / "people.sqlite")


def _name(index: int) -> str:
    return f"part_{index // IN_FOLDER:04d}/video_{index:07d}"


def measured(root: Path, workers: int) -> dict:
    """Take the steps of a run's start; return seconds and kilobytes after each."""
    start, steps = time.perf_counter(), []

    def note() -> None:
        kilobytes = proc_kilobytes("status", "VmHWM")
        steps.append((time.perf_counter() - start, time.process_time(), kilobytes))

    from stn_action.build.data import open_data, training_dataset, training_loader
    from stn_action.config.schema import Config
    from stn_action.distributed import build_strategy

    config = Config.model_validate(
        {
            "data": {
                "name": "csv", "root": root / "videos.csv", "people": root / "people.sqlite",
                "manifest": root / "manifest.tsv", "num_workers": workers,
                "crop": {"size": 64}, "clip": {"num_frames": 8, "stride": 2},
            },
            "model": {"backbone": "small3d", "weights": "none"},
            "train": {"batch_size": 16},
        }
    )  # fmt: skip
    strategy = build_strategy("float32", cpu=True)
    note()
    listing, source = open_data(config)
    note()
    dataset = training_dataset(config, listing.train, source=source)
    batches = iter(training_loader(config, dataset, strategy))
    note()
    next(batches)
    note()
    processes = [str(child.pid) for child in multiprocessing.active_children()]
    own = [proc_kilobytes("smaps_rollup", "Private_Dirty", pid) for pid in processes]
    return {"videos": len(listing.all_videos), "steps": steps, "own": own}
