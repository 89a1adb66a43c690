"""The log of a run: its numbers on the disk, its progress on the screen."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from rich.console import Console

from stn_action.progress import Progress
from stn_action.training.step import StepRecord

METRICS_FILE = "metrics.jsonl"


class RunLog:
    """The log of a run's numbers: JSON lines in `metrics.jsonl`, and curves for TensorBoard.

    For the main process alone. A context manager.
    """

    def __init__(
        self, folder: str | Path, *, last_epoch: int | None = None, tensorboard: bool = True
    ) -> None:
        """Open the log; an existing one is continued.

        Args:
            folder: the run's; it is created.
            last_epoch: where the run resumes: lines of later epochs are dropped. None: the log
                stays as it is.
            tensorboard: also write curves.
        """
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / METRICS_FILE
        if last_epoch is not None and path.exists():
            _drop_later_epochs(path, last_epoch)
        self._file = path.open("a", encoding="utf-8")
        self._writer = None
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            purge = None if last_epoch is None else last_epoch + 1
            self._writer = SummaryWriter(str(self.folder), purge_step=purge)

    def write(self, kind: str, epoch: int, values: Mapping[str, Any]) -> None:
        """Log the values of an epoch: one line, on the disk before this returns.

        Args:
            kind: the part they belong to: "train", "val" or "test"; the prefix of the curves.
            epoch: counted from 1.
            values: numbers become curves too; other JSON types are only in the file. NaN and
                infinity become null.
        """
        line = {"kind": kind, "epoch": epoch, **_without_nan(dict(values))}
        self._file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
        self._file.flush()
        if self._writer is None:
            return
        for name, value in values.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                self._writer.add_scalar(f"{kind}/{name}", value, epoch)

    def close(self) -> None:
        """Close both files."""
        self._file.close()
        if self._writer is not None:
            self._writer.close()

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
        first_epoch: int = 1,
        console: Console | None = None,
        enabled: bool = True,
    ) -> None:
        """Describe the run; the clock starts at `with`.

        Args:
            num_epochs: of the run.
            batches_per_epoch: of this process.
            first_epoch: above 1 in a resumed run.
            console: where to; the standard output by default.
            enabled: False shows nothing at all, for all processes but the main one.
        """
        self.num_epochs = num_epochs
        self.console = Console(quiet=not enabled) if console is None else console
        remaining = (num_epochs - first_epoch + 1) * batches_per_epoch
        self._epoch = first_epoch
        self._progress = Progress(
            "training", remaining, unit="batches", console=self.console, enabled=enabled
        )

    def start_epoch(self, epoch: int) -> None:
        """Set the epoch of the next batches, counted from 1."""
        self._epoch = epoch

    def __call__(self, record: StepRecord) -> None:
        """Show a batch; the numbers are means over the epoch so far."""
        self._progress.advance(
            note=f"epoch {self._epoch}/{self.num_epochs}  loss {record.loss:.3f}  "
            f"acc {record.accuracy:.1%}  wait {record.data_wait_share:.0%}"
        )

    def end_epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Print one line with an epoch's numbers, on a terminal and elsewhere."""
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        self.message(f"epoch {epoch}/{self.num_epochs}  {numbers}")

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


def _drop_later_epochs(path: Path, last_epoch: int) -> None:
    """Keep the complete lines up to an epoch; a killed run may have left half a line."""
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["epoch"] <= last_epoch:
                kept.append(line + "\n")
        except (json.JSONDecodeError, KeyError, TypeError):
            continue
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(kept), encoding="utf-8")
    temporary.replace(path)
