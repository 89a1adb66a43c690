import doctest

from stn_action.training import save_schedule
from stn_action.training.save_schedule import SaveSchedule


def test_examples_in_docstrings_hold():
    assert doctest.testmod(save_schedule).failed == 0


def test_minutes_count_from_the_last_save():
    seconds = [0.0]
    schedule = SaveSchedule(minutes=0.5, clock=lambda: seconds[0])
    seconds[0] = 29
    assert not schedule.is_due(10_000)
    seconds[0] = 30
    assert schedule.is_due(1)
    schedule.saved(1)
    assert not schedule.is_due(1)
    seconds[0] = 60
    assert schedule.is_due(1)


def test_without_an_interval_nothing_is_due():
    seconds = [0.0]
    schedule = SaveSchedule(clock=lambda: seconds[0])
    seconds[0] = 1e6
    assert not schedule.is_due(1_000_000)
