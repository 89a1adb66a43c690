"""Full disks, as a plug-in of pytest: a limit of the size of files."""

import resource
import signal
from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def file_size_limit() -> Iterator[Callable[[int], None]]:
    """Return a function: a file takes as many bytes as it is given, then writing fails."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)
