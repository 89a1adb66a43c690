"""Frames decoded by a thread while the ones before are in use."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batches_ahead(frames: Iterator[T], size: int) -> Iterator[list[T]]:
    """Yield consecutive frames in batches; the next batch is decoded meanwhile.

    Args:
        frames: decoded as they are asked for.
        size: of all batches but the last.

    Raises:
        Exception: what `frames` raises, after the frames before it were yielded.
    """

    def next_batch() -> tuple[list[T], Exception | None]:
        batch: list[T] = []
        try:
            for frame in islice(frames, size):
                batch.append(frame)  # kept if the next one fails
        except Exception as error:  # noqa: BLE001 - raised again in the thread that asks
            return batch, error
        return batch, None

    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(next_batch)
        while True:
            batch, error = coming.result()
            if error is None and batch:
                coming = ahead.submit(next_batch)
            if batch:
                yield batch
            if error is not None:
                raise error
            if not batch:
                return
