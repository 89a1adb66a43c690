"""Curves for TensorBoard, written at once.

PyTorch's `SummaryWriter` writes in a thread, which on a full disk prints an error of its own.
"""

import math
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from stn_action.disk.atomic_file import unwritable, write_all
from stn_action.extras import needs_extra

SUFFIX = ".stn_action"
"""Ends the names of our event files, so that those of other programs are left alone."""
REMEDY = "make room and go on with --resume; what was written before is intact"


class CurveFile:
    """An event file of TensorBoard in a folder; those that were there before are removed."""

    def __init__(self, folder: Path) -> None:
        """Begin the file.

        Raises:
            InputError: it cannot be written.
        """
        with needs_extra("curves of a run"):
            from tensorboard.compat.proto import event_pb2
            from tensorboard.summary.writer.record_writer import RecordWriter

        self._event: Any = cast(Any, event_pb2).Event
        for file in folder.glob(f"events.out.tfevents.*{SUFFIX}"):
            file.unlink()
        now = time.time()
        name = f"events.out.tfevents.{int(now)}.{socket.gethostname()}.{os.getpid()}{SUFFIX}"
        self.path = folder / name
        try:
            self._file = self.path.open("xb", buffering=0)
        except OSError as error:
            raise unwritable(self.path, error, REMEDY) from error
        self._records = RecordWriter(self)
        first = self._event(wall_time=now, file_version="brain.Event:2")
        self._records.write(first.SerializeToString())

    def draw(self, values: Mapping[str, Any]) -> None:
        """Add the numbers of a line of `metrics.jsonl`; null is NaN, which TensorBoard marks.

        Raises:
            InputError: they cannot be written.
        """
        from torch.utils.tensorboard.summary import scalar

        for name, value in values.items():
            value = math.nan if value is None else value
            if name in ("epoch", "time") or type(value) not in (int, float):
                continue
            event = self._event(
                wall_time=values.get("time") or 0.0,
                step=values["epoch"],
                summary=scalar(f"{values.get('kind')}/{name}", value),
            )
            self._records.write(event.SerializeToString())

    def write(self, data: bytes) -> None:
        """Write a record of the file's format."""
        try:
            write_all(self._file, data)
        except OSError as error:
            raise unwritable(self.path, error, REMEDY) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()
