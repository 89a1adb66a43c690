import doctest
import sys
from collections.abc import Iterator
from io import StringIO
from itertools import pairwise

import pytest
from rich.console import Console

from stn_action import progress
from stn_action.progress import Progress, ProgressLines, show_progress


class Clock:
    """Seconds that only the test moves on."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def log() -> Console:
    return Console(file=StringIO(), width=40)


def printed(console: Console) -> list[str]:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def items(clock: Clock, number: int, seconds: float) -> Iterator[int]:
    for item in range(number):
        clock.seconds += seconds
        yield item


def run(clock: Clock, number: int, seconds: float, console: Console, **more) -> None:
    with Progress("decoding", number, console=console, clock=clock, **more) as shown:
        for _ in items(clock, number, seconds):
            shown.advance()


def test_examples_in_docstrings_hold():
    assert doctest.testmod(progress).failed == 0


def test_short_work_prints_nothing(clock):
    console = log()
    run(clock, 10, 0.19, console)
    assert printed(console) == []


def test_a_log_gets_a_line_after_two_seconds_and_then_every_ten(clock):
    console = log()
    run(clock, 64, 0.5, console)
    assert printed(console) == [
        "decoding: 4 of 64 (6 %), 2.0 videos/s, 0:30 left",
        "decoding: 24 of 64 (38 %), 2.0 videos/s, 0:20 left",
        "decoding: 44 of 64 (69 %), 2.0 videos/s, 0:10 left",
        "decoding: 64 videos in 32 s (2.0 videos/s)",
    ]


def test_lines_become_rarer_and_never_stop(clock):
    console = log()
    run(clock, 100_000, 1.0, console)
    lines = printed(console)
    numbers = [int(line.split()[1]) for line in lines]
    steps = [later - earlier for earlier, later in pairwise(numbers[:-1])]
    assert numbers[0] == 2
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (10, 300)
    assert len(lines) < 400
    assert lines[-1] == "decoding: 100000 videos in 27:46:40 (1.0 videos/s)"


def test_work_that_ends_early_says_how_far_it_came(clock):
    console = log()
    with Progress("detecting people", 10, console=console, clock=clock) as shown:
        for _ in items(clock, 3, 4.0):
            shown.advance(2)
    assert printed(console)[-1] == "detecting people: 6 of 10 videos in 12 s"


def test_without_a_total_there_is_no_share_and_no_time_left(clock):
    lines = ProgressLines("converting", None, clock=clock)
    clock.seconds += 4
    assert lines.advance(10) == "converting: 10, 2.5 videos/s"
    assert lines.summary() == "converting: 10 videos in 4 s (2.5 videos/s)"


def test_a_note_ends_the_line(clock):
    lines = ProgressLines("epoch 3/10", 100, unit="steps", clock=clock)
    clock.seconds += 5
    expected = "epoch 3/10: 10 of 100 (10 %), 2.0 steps/s, 0:45 left, loss 0.31"
    assert lines.advance(10, "loss 0.31") == expected


def test_a_line_is_put_off_by_another_one_about_the_work(clock):
    lines = ProgressLines("training", 100, clock=clock)
    assert lines.seconds_left is None
    printed_at = []
    for second in range(1, 20):
        clock.seconds += 1
        if lines.advance(1) is not None:
            printed_at.append(second)
        if second == 5:
            lines.put_off()
    assert printed_at == [2, 15]
    assert lines.seconds_left == pytest.approx(81)


def test_work_that_has_done_nothing_yet_has_no_time_left(clock):
    lines = ProgressLines("decoding", 5, clock=clock)
    clock.seconds += 5
    assert lines.advance(0) == "decoding: 0 of 5 (0 %), 0 videos/s"


def test_work_that_is_resumed_starts_where_it_was_and_counts_its_own_rate(clock):
    lines = ProgressLines("training", 100, unit="batches", done=60, clock=clock)
    clock.seconds += 5
    assert lines.advance(10) == "training: 70 of 100 (70 %), 2.0 batches/s, 0:15 left"
    clock.seconds += 15
    assert lines.advance(30) is None
    assert lines.summary() == "training: 40 batches in 20 s (2.0 batches/s)"


def test_a_terminal_gets_a_bar_and_no_lines(clock):
    console = Console(file=StringIO(), force_terminal=True, width=120)
    run(clock, 64, 0.5, console)
    text = "\n".join(printed(console))
    assert "64/64" in text
    assert "2.0 videos/s" in text
    assert "decoding:" not in text


@pytest.mark.parametrize(("number", "more"), [(0, {}), (64, {"enabled": False})])
@pytest.mark.parametrize("terminal", [False, True])
def test_nothing_to_show_shows_nothing(number, more, terminal, clock):
    console = Console(file=StringIO(), force_terminal=terminal)
    run(clock, number, 0.5, console, **more)
    assert printed(console) == []


def test_results_are_passed_on():
    console = log()
    shown = show_progress(iter("abc"), total=3, what="drawing", unit="clips", console=console)
    assert list(shown) == ["a", "b", "c"]
    assert printed(console) == []


def test_what_is_printed_beside_a_bar_goes_where_the_output_goes(clock, capsys):
    console = Console(file=StringIO(), force_terminal=True, width=120)
    with Progress("predicting", 2, console=console, clock=clock) as shown:
        sys.stdout.write("a.mp4: wave\n")
        shown.advance()
    assert capsys.readouterr().out == "a.mp4: wave\n"
    assert "a.mp4" not in "\n".join(printed(console))
