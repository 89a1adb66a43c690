"""Time several variants: medians of interleaved repeats."""

import ctypes
import random
import statistics
import time
from collections.abc import Callable, Mapping

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


def medians(
    variants: Mapping[str, Callable[[], object]], *, repeats: int, warmup: int = 2
) -> dict[str, float]:
    """Return median seconds of each variant; every repeat runs all of them in random order.

    What ran before affects the caches, so no variant may always follow the same one.
    """
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for repeat in range(warmup + repeats):
        for name in random.sample(list(variants), len(variants)):
            run = variants[name]
            start = time.perf_counter()
            run()
            if repeat >= warmup:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}
