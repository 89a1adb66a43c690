"""What a run writes down, and what it shows in the terminal."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

METRICS_FILE = "metrics.jsonl"


class RunLog:
    """The numbers of a run: a JSON object a line in `metrics.jsonl`, and TensorBoard's curves.

    For the main process alone. A context manager.
    """

    def __init__(
        self, folder: str | Path, *, last_epoch: int | None = None, tensorboard: bool = True
    ) -> None:
        """Open the log; an existing one is continued.

        Args:
            folder: the run's; it is made.
            last_epoch: where the run resumes: what was logged of later epochs is dropped. None:
                what is there stays as it is.
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
            kind: what they are of, such as "train" or "test"; the prefix of the curves.
            epoch: counted from 1.
            values: numbers become curves too; whatever else JSON takes is only in the file.
                What is no number any more (NaN, infinite) becomes null.
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
    """A bar over all steps of a run: epoch, loss, accuracy, data-wait share, time left.

    Where the console is no terminal (a file, a pipe) there is no bar, only the lines of `message`
    and `warning`. A context manager.
    """

    def __init__(
        self,
        num_epochs: int,
        steps_per_epoch: int,
        *,
        first_epoch: int = 1,
        console: Console | None = None,
        enabled: bool = True,
    ) -> None:
        """Prepare the bar; it shows from `with` on.

        Args:
            num_epochs: of the whole run.
            steps_per_epoch: batches of this process.
            first_epoch: above 1 in a resumed run.
            console: where to; the standard output by default.
            enabled: False shows nothing at all, for all processes but the main one.
        """
        self.num_epochs = num_epochs
        self.console = Console(quiet=not enabled) if console is None else console
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not (enabled and self.console.is_terminal),
        )
        remaining = (num_epochs - first_epoch + 1) * steps_per_epoch
        self._task = self._progress.add_task("", total=remaining, numbers="")

    def start_epoch(self, epoch: int) -> None:
        """Say which epoch the next steps are of, counted from 1."""
        self._progress.update(self._task, description=f"epoch {epoch}/{self.num_epochs}")

    def step(self, loss: float, accuracy: float, data_wait_share: float) -> None:
        """A batch is done; the numbers are means over the epoch so far."""
        numbers = f"loss {loss:.3f}  acc {accuracy:.1%}  wait {data_wait_share:.0%}"
        self._progress.update(self._task, advance=1, numbers=numbers)

    def end_epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Leave one line with an epoch's numbers, in a terminal and elsewhere."""
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        self.message(f"epoch {epoch}/{self.num_epochs}  {numbers}")

    def message(self, text: str) -> None:
        """Leave a line above the bar."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def warning(self, text: str) -> None:
        """Leave a line that shows."""
        self.console.print(
            f"WARNING: {text}", style="bold yellow", markup=False, highlight=False, soft_wrap=True
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return value


def _drop_later_epochs(path: Path, last_epoch: int) -> None:
    """Keep the whole lines up to an epoch; a line that a killed run left half written goes too."""
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
