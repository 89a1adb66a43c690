"""Progress of long work: a bar on a terminal, occasional plain lines in a file or a log."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Self, TypeVar

from rich import progress as bars
from rich.console import Console
from rich.text import Text

Result = TypeVar("Result")

FIRST_SECONDS = 2.0
"""Work that is done before prints no line."""
SHORTEST_SECONDS, LONGEST_SECONDS = 10.0, 300.0
"""Between two lines: a tenth of the time elapsed, within these bounds."""


class ProgressLines:
    """Plain lines about long work, and the times at which they are due.

    >>> seconds = iter([0.0, 1.0, 3.0, 4.0, 20.0])
    >>> lines = ProgressLines("decoding", 900, clock=lambda: next(seconds))
    >>> lines.advance(30)  # after a second: nothing yet
    >>> lines.advance(90)
    'decoding: 120 of 900 (13 %), 40.0 videos/s, 0:20 left'
    >>> lines.advance(40)  # the next line is due ten seconds after the last one
    >>> lines.summary()
    'decoding: 160 of 900 videos in 20 s'
    """

    def __init__(
        self,
        what: str,
        total: int | None,
        *,
        unit: str = "videos",
        done: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the clock.

        Args:
            what: the work, in a word or two: "decoding".
            total: items that there will be; None: unknown.
            unit: what the items are, in the plural.
            done: of them before; work that is resumed starts there.
            clock: seconds; the zero is arbitrary.
        """
        self.what = what
        self.total = total
        self.unit = unit
        self.done = self._done_before = done
        self._clock = clock
        self._start = clock()
        self._due = FIRST_SECONDS

    def advance(self, number: int = 1, note: str = "") -> str | None:
        """Count finished items; return a line if one is due.

        Args:
            number: items that were finished.
            note: appended to the line: "loss 0.31".
        """
        self.done += number
        elapsed = self._clock() - self._start
        if elapsed < self._due or self.done == self.total:  # the summary reports the last item
            return None
        self._put_off(elapsed)
        rate = (self.done - self._done_before) / elapsed
        parts = [f"{self.what}: {self.done}", f"{format_rate(rate)} {self.unit}/s"]
        if self.total is not None:
            parts[0] += f" of {self.total} ({self.done / max(self.total, 1):.0%})".replace(
                "%", " %"
            )
            if rate > 0:
                parts.append(f"{format_duration((self.total - self.done) / rate)} left")
        return ", ".join([*parts, *([note] if note else [])])

    @property
    def seconds_left(self) -> float | None:
        """Time that the rest takes at the rate so far; None: unknown."""
        done, elapsed = self.done - self._done_before, self._clock() - self._start
        if self.total is None or done <= 0 or elapsed <= 0:
            return None
        return max(0, self.total - self.done) * elapsed / done

    def put_off(self) -> None:
        """Put off the next line, as another one has just been printed about the work."""
        self._put_off(self._clock() - self._start)

    def _put_off(self, elapsed: float) -> None:
        self._due = elapsed + min(max(SHORTEST_SECONDS, elapsed / 10), LONGEST_SECONDS)

    def summary(self) -> str | None:
        """Return the last line: how much was done in what time. None for short work."""
        elapsed = self._clock() - self._start
        if elapsed < FIRST_SECONDS:
            return None
        done = self.done - self._done_before
        total = None if self.total is None else self.total - self._done_before
        of_total = "" if total in (None, done) else f" of {total}"
        rate = f" ({format_rate(done / elapsed)} {self.unit}/s)" if not of_total else ""
        seconds = f"{elapsed:.0f} s" if elapsed < 60 else format_duration(elapsed)
        return f"{self.what}: {done}{of_total} {self.unit} in {seconds}{rate}"


class Progress:
    """Progress of work that counts what it has done. A context manager.

    On a terminal a bar with the rate and the time left; elsewhere the lines of `ProgressLines`.
    """

    def __init__(
        self,
        what: str,
        total: int | None,
        *,
        unit: str = "videos",
        console: Console | None = None,
        enabled: bool = True,
        done: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Describe the work; the clock starts at `with`.

        Args:
            what: the work, in a word or two: "decoding".
            total: items that there will be; None: unknown. With 0 nothing is shown.
            unit: what the items are, in the plural.
            console: where to; None: the standard error.
            enabled: False: show nothing, for all processes but the main one.
            done: items that were done before; work that is resumed starts there.
            clock: seconds; the zero is arbitrary.
        """
        self.console = Console(stderr=True) if console is None else console
        self._describe = lambda: ProgressLines(what, total, unit=unit, done=done, clock=clock)
        self._lines = self._describe()
        self._shown = enabled and total != 0
        self._terminal = self.console.is_terminal and not self.console.is_dumb_terminal
        columns = (
            bars.TextColumn("{task.description}"),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            _Rate(unit),
            bars.TimeRemainingColumn(),
            bars.TextColumn("{task.fields[note]}"),
        )
        self._bar = bars.Progress(
            *columns,
            console=self.console,
            get_time=clock,
            redirect_stdout=sys.stdout.isatty(),  # else what a tool prints would miss its file
            disable=not (self._shown and self._terminal),
        )
        self._task = self._bar.add_task(what, total=total, completed=done, note="")

    def advance(self, number: int = 1, note: str = "") -> None:
        """Count finished items.

        Args:
            number: items that were finished.
            note: shown beside the rate: "loss 0.31".
        """
        self._bar.update(self._task, advance=number, note=note)
        self._print(self._lines.advance(number, note))

    @property
    def seconds_left(self) -> float | None:
        """Time that the rest takes at the rate so far; None: unknown."""
        return self._lines.seconds_left

    def put_off(self) -> None:
        """Put off the next plain line, as another one has just been printed about the work."""
        self._lines.put_off()

    def __enter__(self) -> Self:
        self._lines = self._describe()
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        self._print(self._lines.summary())

    def _print(self, line: str | None) -> None:
        if line is not None and self._shown and not self._terminal:
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def show_progress(
    results: Iterable[Result],
    *,
    total: int | None,
    what: str,
    unit: str = "videos",
    console: Console | None = None,
    enabled: bool = True,
) -> Iterator[Result]:
    """Yield the results and show the progress.

    Args:
        results: one per item.
        total: items that there will be; None: unknown. With 0 nothing is shown.
        what: the work, in a word or two: "decoding".
        unit: what the items are, in the plural.
        console: where to; None: the standard error.
        enabled: False: show nothing.
    """
    with Progress(what, total, unit=unit, console=console, enabled=enabled) as progress:
        for result in results:
            yield result
            progress.advance()


def format_rate(per_second: float) -> str:
    """Return a rate in three digits or so.

    >>> format_rate(41.234), format_rate(0.0321), format_rate(12345.6)
    ('41.2', '0.032', '12346')
    """
    if per_second >= 1000:
        return f"{per_second:.0f}"
    return f"{per_second:.1f}" if per_second >= 1 else f"{per_second:.2g}"


def format_duration(seconds: float) -> str:
    """Return a time span as minutes and seconds, or hours, minutes and seconds.

    >>> format_duration(19.4), format_duration(3723)
    ('0:19', '1:02:03')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class _Rate(bars.ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: bars.Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{format_rate(speed)} {self.unit}/s")
