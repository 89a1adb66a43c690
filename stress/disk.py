"""Full disks and shared folders: one message, earlier work intact, and it goes on afterwards.

Each job runs on disks of ten sizes between nothing and what it needs; then the disk grows and the
same command must end with what an undisturbed one gives. Two runs write to one run folder, and two
fill one feature cache, at the same time. The small disks need Linux with user namespaces.
"""

import argparse
import os
import re
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from stress import jobs
from stress.compared import broken_checkpoints, unlike_run
from stress.sample import write_sample, write_settings
from stress.small_disk import PAGE, mount_disk, with_own_mounts
from stress.tool_process import Ended, ToolProcess, run_tool
from stress.trials import Outcome, Trial, options_of, run_trials, subject_parser

LARGE = 256 << 20
"""Bytes of a disk on which there is room for everything."""
COPIES = {"check": 8, "detect": 2}
"""How often a job is given each video, so that what it writes fills some pages."""
JOBS = {job.name: job for job in (*jobs.JOBS, jobs.TRAINING)}


def main(arguments: Sequence[str]) -> list[Outcome]:
    """Parse, try, print a table; return the outcomes."""
    parser = subject_parser("disk", __doc__)
    parser.add_argument("--sizes", type=int, default=10, help="of disks (default: 10)")
    parser.add_argument("--pairs", type=int, default=5, help="of runs at once (default: 5)")
    parser.add_argument(
        "--jobs", nargs="+", choices=JOBS, default=list(JOBS), help="(default: all)"
    )
    parsed = parser.parse_args(arguments)
    options = options_of(parsed)
    return run_trials(_trials(options.out, parsed), options)


def _trials(out: Path, parsed: argparse.Namespace) -> Iterator[Trial]:
    for name in parsed.jobs:
        for number in range(parsed.sizes):
            share = (number + 0.5) / parsed.sizes
            run = partial(_fill_disk, name, out, share)
            yield Trial(f"{JOBS[name].what} on a full disk", f"full/{name}/{number}", run)
    for number in range(parsed.pairs):
        run = partial(_one_run_folder, out, number)
        yield Trial("two runs on one run folder", f"folder/{number}", run)
    for number in range(parsed.pairs):
        run = partial(_one_cache, out, number)
        yield Trial("two runs that fill one cache", f"cache/{number}", run)


def _fill_disk(name: str, out: Path, share: float, folder: Path) -> list[str]:
    job = JOBS[name]
    data = _data(out, COPIES.get(name, 1))
    reference, _ = jobs.reference(job, out, data)
    size = int(share * _size_of(reference)) // PAGE * PAGE
    return with_own_mounts(partial(_fill_then_go_on, name, data, reference, size), folder)


def _fill_then_go_on(
    name: str, data: Path, reference: Path, size: int, folder: Path
) -> list[str]:  # fmt: skip
    job, disk = JOBS[name], folder / "disk"
    mount_disk(disk, size)
    config = folder / "settings"
    config.mkdir()
    first = run_tool(job.tool, job.arguments(data, disk, config), folder)
    if faults := first.faults(0, 2) + broken_checkpoints(disk / "run"):
        return [f"{fault} (disk of {size} bytes)" for fault in faults]
    if first.status == 2 and not re.search("No space left|disk is full", first.output):
        return [f"the message gives no reason: {first.last_line()}"]
    faults = job.broken(disk, reference)
    mount_disk(disk, LARGE, again=True)
    again = run_tool(job.tool, job.arguments(data, disk, config), folder)
    if first.status == 2:
        faults += [f"after space was freed: {fault}" for fault in again.faults(0)]
    return faults or [
        f"{fault} (disk of {size} bytes, then a larger one)"
        for fault in job.unlike(disk, reference)
    ]


def _one_run_folder(out: Path, number: int, folder: Path) -> list[str]:
    """Two runs start on one folder; one of them must do it, the other say who has it."""
    job = jobs.TRAINING
    data = _data(out, 1)
    reference, seconds = jobs.reference(job, out, data)
    words = job.arguments(data, folder, folder)
    first = ToolProcess("train", words, folder)
    time.sleep(seconds * number / 8)
    second = ToolProcess("train", [*words, *(["--resume"] if number % 2 else [])], folder)
    ended = [process.wait(120) for process in (first, second)]
    done = [one for one in ended if one.status == 0]
    faults = [fault for one in ended for fault in one.faults(0, 2)]
    if len(done) != 1 and not (number % 2 and len(done) == 2):  # resumed after it had ended
        faults.append(f"{len(done)} of two runs went on: {_last_lines(ended)}")
    return faults or unlike_run(folder / "run", reference / "run")


def _one_cache(out: Path, number: int, folder: Path) -> list[str]:
    """Two runs need one cache, the second a little later; both must end as one alone."""
    job = JOBS["cache"]
    data = _data(out, 1)
    reference, seconds = jobs.reference(job, out, data)
    processes = []
    for place in range(2):
        own = folder / str(place)
        own.mkdir()
        settings = jobs.cache_settings(data, own)
        shared = f"train.cache_folder={folder / 'cache'}"
        config = write_settings(own / "cache.yaml", [*settings, shared])
        processes.append(ToolProcess("train", [config], own))
        time.sleep(seconds * number / 10)
    ended = [process.wait(180) for process in processes]
    if faults := [fault for one in ended for fault in one.faults(0)]:
        return faults
    return [
        fault
        for place in range(2)
        for fault in unlike_run(folder / str(place) / "run", reference / "run")
    ]


def _data(out: Path, copies: int) -> Path:
    """Return a folder of videos, each of them under some names."""
    sample = write_sample(out / "data", train=8)
    if copies == 1:
        return sample
    folder = out / f"data{copies}"
    for path in sorted(sample.rglob("*.mp4")):
        for number in range(copies):
            target = folder / f"{number}" / path.relative_to(sample)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                os.link(path, target)
    return folder


def _size_of(folder: Path) -> int:
    """Return the bytes of the pages that the files of a folder fill."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum((size + PAGE - 1) // PAGE * PAGE for size in sizes)


def _last_lines(ended: Sequence[Ended]) -> str:
    return "; ".join(one.last_line() for one in ended)
