"""Passes of one size through a trunk, filled with the images or clips of several items.

How many pass together changes a map's last digits, with which others and at which place does not:
as all passes are of one size, the maps of an item depend on nothing but the item.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from typing import Generic, TypeVar

import torch
from torch import Tensor

Key = TypeVar("Key")


class PassQueue(Generic[Key]):
    """Items on their way through a trunk, in order; passes run while others are filled."""

    def __init__(
        self, maps_of: Callable[[Tensor], Sequence[Tensor]], size: int, executor: Executor
    ) -> None:
        """Start without items.

        Args:
            maps_of: images or clips (N, ...) to their maps (N, ...) of some stages.
            size: N of each pass.
            executor: runs the passes.
        """
        self._maps_of, self._size, self._executor = maps_of, size, executor
        self._rest: Tensor | None = None  # of an unfinished pass
        self._running: deque[Future[Sequence[Tensor]]] = deque()
        self._maps: list[Sequence[Tensor]] = []  # of passes that are done, by stage
        self._waiting: deque[tuple[Key, int]] = deque()

    def add(self, key: Key, inputs: Tensor) -> None:
        """Add the images or clips (n, ...) of an item, n at least 1."""
        self._waiting.append((key, len(inputs)))
        inputs = inputs if self._rest is None else torch.cat([self._rest, inputs])
        parts = list(inputs.split(self._size))
        self._rest = parts.pop() if len(parts[-1]) < self._size else None
        for part in parts:
            self._start(part)

    def fill_up(self) -> None:
        """Start the last pass, with zeros where no item is left."""
        if self._rest is not None:
            lacking = self._rest.new_zeros(self._size - len(self._rest), *self._rest.shape[1:])
            self._start(torch.cat([self._rest, lacking]))
            self._rest = None

    def finished(self, most_running: int = 0) -> Iterator[tuple[Key, list[Tensor]]]:
        """Yield the items that are done, and their maps of each stage.

        Args:
            most_running: wait until no more passes than this are under way.
        """
        while self._running and (len(self._running) > most_running or self._running[0].done()):
            self._maps.append(self._running.popleft().result())
            while self._waiting and self._waiting[0][1] <= sum(len(maps[0]) for maps in self._maps):
                key, number = self._waiting.popleft()
                joined = [torch.cat(of_stage) for of_stage in zip(*self._maps, strict=True)]
                self._maps = [[maps[number:] for maps in joined]]
                yield key, [maps[:number] for maps in joined]

    def _start(self, inputs: Tensor) -> None:
        self._running.append(self._executor.submit(self._maps_of, inputs))
