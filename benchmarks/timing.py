"""Time several variants, by medians of interleaved repeats, and read the memory of a process."""

import ctypes
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_FOUR_GB = 4 * 2**30 - 1


def keep_freed_memory() -> None:
    """Make glibc reuse large freed blocks rather than return them to the system.

    Otherwise every large tensor is mapped anew, and which variant pays for the page faults depends
    on what the one before it has freed. Where there is no glibc nothing happens.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return
    libc.mallopt(_MMAP_THRESHOLD, 2**30)
    libc.mallopt(_TRIM_THRESHOLD, _FOUR_GB // 2)


class Taken(NamedTuple):
    """What one run of a variant has taken."""

    seconds: float
    """By the clock."""
    processor_seconds: float
    """Of all threads of this process; other processes hardly change it."""


def medians(
    variants: Mapping[str, Callable[[], object]], *, repeats: int, warmup: int = 2
) -> dict[str, float]:
    """Return median seconds of each variant; arguments as of `interleaved`."""
    taken = interleaved(variants, repeats=repeats, warmup=warmup)
    return {name: statistics.median(run.seconds for run in runs) for name, runs in taken.items()}


def processor_medians(
    variants: Mapping[str, Callable[[], object]], *, repeats: int, warmup: int = 2
) -> dict[str, float]:
    """Return median seconds that each variant has taken of the processor; see `interleaved`."""
    taken = interleaved(variants, repeats=repeats, warmup=warmup)
    return {
        name: statistics.median(run.processor_seconds for run in runs)
        for name, runs in taken.items()
    }


def interleaved(
    variants: Mapping[str, Callable[[], object]], *, repeats: int, warmup: int = 2
) -> dict[str, list[Taken]]:
    """Return what each variant has taken in every repeat that counts.

    Every repeat runs all of them in random order: what ran before affects the caches, so no variant
    may always follow the same one. A variant that returns a `Taken` has measured itself, in another
    process.
    """
    taken: dict[str, list[Taken]] = {name: [] for name in variants}
    for repeat in range(warmup + repeats):
        for name in random.sample(list(variants), len(variants)):
            run = variants[name]
            start, busy = time.perf_counter(), time.process_time()
            result = run()
            here = Taken(time.perf_counter() - start, time.process_time() - busy)
            if repeat >= warmup:
                taken[name].append(result if isinstance(result, Taken) else here)
    return taken


def ratios(runs: Sequence[Taken], base: Sequence[Taken]) -> tuple[str, str]:
    """Return the median ratio to the base in the same repeat: by the clock, by the processor."""
    clock, processor = (
        statistics.median(run[place] / other[place] for run, other in zip(runs, base, strict=True))
        for place in range(2)
    )
    return f"{clock:.3f}", f"{processor:.3f}"


def proc_kilobytes(file: str, field: str, process: int | str = "self") -> int:
    """Return a number of kilobytes from a file of `/proc` about a process, by default this one."""
    for line in Path(f"/proc/{process}/{file}").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise KeyError(field)
