"""What `test_launch` has two processes do: started by torchrun with a way to end and a file."""

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from stn_action.cli import ends_processes_cleanly
from stn_action.distributed import build_strategy
from stn_action.errors import InputError
from stn_action.launch import last_words


@ends_processes_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """End process 1 while process 0 waits for it."""
    way, file = arguments or ()
    strategy = build_strategy(cpu=True)
    said = [last_words("of all"), last_words(f"of process {strategy.rank}")]
    everything = strategy.gather([said])
    if strategy.is_main:
        Path(file).write_text(json.dumps(everything))
    strategy.wait()
    if strategy.rank == 1:
        if way == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise InputError("x.mp4: cannot be read")
    strategy.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
