"""When a run saves its state inside an epoch."""

import time
from collections.abc import Callable


class SaveSchedule:
    """A save every so many minutes or optimizer steps, counted from the last one.

    >>> schedule = SaveSchedule(steps=200)
    >>> schedule.is_due(199), schedule.is_due(200)
    (False, True)
    >>> schedule.saved(200)
    >>> schedule.is_due(399), schedule.is_due(401)
    (False, True)
    """

    def __init__(
        self,
        *,
        minutes: float | None = None,
        steps: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start both counts.

        Args:
            minutes: between two saves; None: the time does not count.
            steps: optimizer steps between two saves; None: they do not count.
            clock: seconds; the zero is arbitrary.
        """
        self.minutes, self.steps = minutes, steps
        self._clock = clock
        self.saved(0)

    def saved(self, step: int) -> None:
        """Count from here; `step` is the number of optimizer steps of the run so far."""
        self._last_step, self._last_seconds = step, self._clock()

    def is_due(self, step: int) -> bool:
        """Return whether it is time to save after so many optimizer steps of the run."""
        if self.steps is not None and step - self._last_step >= self.steps:
            return True
        if self.minutes is None:
            return False
        return self._clock() - self._last_seconds >= 60 * self.minutes
