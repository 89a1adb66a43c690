"""How far a job over many videos has come, in the terminal."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Result = TypeVar("Result")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} videos/s")


def show_progress(
    results: Iterable[Result], *, total: int, what: str, console: Console | None = None
) -> Iterator[Result]:
    """Pass results on and show a bar, videos per second and the time left.

    Args:
        results: one per video.
        total: how many there will be.
        what: what is being done, in a word or two.
        console: where to; None: the standard error.
    """
    if total == 0:
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console or Console(stderr=True)) as progress:
        yield from progress.track(results, total=total, description=what)
