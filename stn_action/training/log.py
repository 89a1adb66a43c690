"""The log of a run: its numbers on the disk, its progress on the screen."""

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from rich.console import Console

from stn_action.disk.atomic_file import unwritable, write_all, write_file
from stn_action.progress import Progress, format_duration
from stn_action.training.curve_file import REMEDY, CurveFile
from stn_action.training.step import StepRecord

METRICS_FILE = "metrics.jsonl"


class EpochSummary(NamedTuple):
    """What the line about an epoch tells; all else is in `metrics.jsonl`."""

    loss: float
    """Mean over the training clips."""
    accuracy: float
    """Share of the training clips."""
    learning_rate: float
    """Of its last step."""
    heads: str
    """A word on the heads, see `HeadReport.word`."""
    evaluation: str = ""
    """The metric that counts, with its name; empty: the epoch was not evaluated."""

    def line(self) -> str:
        """Return the line, without epoch and time.

        >>> EpochSummary(1.25, 0.5, 1e-3, "moving", "val top-1 40.0%").line()
        'loss 1.250  train acc 50.0%  val top-1 40.0%  lr 0.001  heads moving'
        """
        parts = [
            f"loss {self.loss:.3f}", f"train acc {self.accuracy:.1%}", self.evaluation,
            f"lr {self.learning_rate:.2g}", f"heads {self.heads}",
        ]  # fmt: skip
        return "  ".join(part for part in parts if part)


class RunLog:
    """The log of a run's numbers: JSON lines in `metrics.jsonl`, and curves for TensorBoard.

    For the main process alone. A context manager.
    """

    def __init__(
        self, folder: str | Path, *, last_epoch: int = 0, tensorboard: bool = True
    ) -> None:
        """Open the log. What is there of later epochs is dropped, so that none is in it twice.

        The event files are written anew from `metrics.jsonl`, which loses nothing in a kill.

        Args:
            folder: the run's; it is created.
            last_epoch: the last one whose end is in the checkpoint that the run resumes; 0: none.
            tensorboard: also write curves.
        """
        self.folder = Path(folder)
        path = self.folder / METRICS_FILE
        kept = [line for line in _read_lines(path) if line["epoch"] <= last_epoch]
        write_file(path, "".join(map(_as_text, kept)))
        self._curves = CurveFile(self.folder) if tensorboard else None
        self._file = path.open("ab", buffering=0)
        if self._curves is not None:
            for line in kept:
                self._curves.draw(line)

    def write(self, kind: str, epoch: int, values: Mapping[str, Any]) -> None:
        """Log the values of an epoch: one line, on the disk before this returns.

        Args:
            kind: the part they belong to: "train", "val" or "test"; the prefix of the curves.
            epoch: counted from 1.
            values: numbers become curves too; other JSON types are only in the file. NaN and
                infinity become null.

        Raises:
            InputError: the disk is full, or a file cannot be written for another reason.
        """
        line = {"kind": kind, "epoch": epoch, "time": time.time(), **_without_nan(dict(values))}
        try:
            write_all(self._file, _as_text(line).encode())
            os.fsync(self._file.fileno())
        except OSError as error:
            raise unwritable(self.folder / METRICS_FILE, error, REMEDY) from error
        if self._curves is not None:
            self._curves.draw(line)

    def close(self) -> None:
        """Close both files."""
        self._file.close()
        if self._curves is not None:
            self._curves.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class EpochProgress:
    """The progress of a run over all its batches, with epoch, loss and accuracy.

    Where the console is no terminal (a file, a pipe) there are plain lines now and then. An
    `after_step` object of `train_one_epoch`, and a context manager.
    """

    def __init__(
        self,
        num_epochs: int,
        batches_per_epoch: int,
        *,
        num_batches: int | None = None,
        first_epoch: int = 1,
        first_batch: int = 0,
        console: Console | None = None,
        enabled: bool = True,
    ) -> None:
        """Describe the run; the clock starts at `with`.

        Args:
            num_epochs: of the run.
            batches_per_epoch: of all processes together.
            num_batches: of the run; None: those of all epochs.
            first_epoch: above 1 in a resumed run.
            first_batch: of the first epoch, from 0; above 0 where it is resumed inside an epoch.
            console: where to; the standard output by default.
            enabled: False shows nothing at all, for all processes but the main one.
        """
        self.num_epochs = num_epochs
        self.console = Console(quiet=not enabled) if console is None else console
        self._epoch = first_epoch
        self._progress = Progress(
            "training", num_batches or num_epochs * batches_per_epoch, unit="batches",
            console=self.console, enabled=enabled,
            done=(first_epoch - 1) * batches_per_epoch + first_batch,
        )  # fmt: skip

    def start_epoch(self, epoch: int) -> None:
        """Set the epoch of the next batches, counted from 1."""
        self._epoch = epoch

    def __call__(self, record: StepRecord) -> None:
        """Show a batch; the numbers are means over the epoch so far."""
        self._progress.advance(
            note=f"epoch {self._epoch}/{self.num_epochs}  loss {record.loss:.3f}  "
            f"acc {record.accuracy:.1%}  wait {record.data_wait_share:.0%}"
        )

    def end_epoch(self, epoch: int, summary: EpochSummary) -> None:
        """Print one line about an epoch with the time left, on a terminal and elsewhere."""
        left = self._progress.seconds_left
        rest = f"  {format_duration(left)} left" if left else ""
        self.message(f"epoch {epoch}/{self.num_epochs}  {summary.line()}{rest}")
        self._progress.put_off()

    def message(self, text: str) -> None:
        """Print a line above the bar."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def warning(self, text: str) -> None:
        """Print a line that stands out."""
        self.console.print(
            f"WARNING: {text}", style="bold yellow", markup=False, highlight=False, soft_wrap=True
        )

    def __enter__(self) -> Self:
        self._progress.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.__exit__(*error)


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return value


def _as_text(line: Mapping[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n"


def _read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the complete lines of `metrics.jsonl`; a killed run may have left half a line."""
    lines = []
    if path.is_file():
        for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict) and type(line.get("epoch")) is int:
                lines.append(line)
    return lines
