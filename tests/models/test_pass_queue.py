"""Passes of one size: what is in them, in which order items come out."""

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from stn_action.models.pass_queue import PassQueue


def run(lengths: dict[str, int], size: int, most_running: int = 0):
    """Return the results by item, and the numbers of each pass; items hold 1, 2, 3 and so on."""
    passes: list[list[int]] = []

    def maps_of(inputs: Tensor) -> list[Tensor]:
        passes.append(inputs.tolist())
        return [inputs * 10, -inputs]

    found, start = {}, 1
    with ThreadPoolExecutor(1) as pool:
        queue = PassQueue[str](maps_of, size, pool)
        for key, length in lengths.items():
            queue.add(key, torch.arange(start, start + length))
            found |= dict(queue.finished(most_running))
            start += length
        queue.fill_up()
        found |= dict(queue.finished())
    for maps, other in found.values():
        assert torch.equal(maps, -10 * other)
    return {key: maps.tolist() for key, (maps, _) in found.items()}, passes


def test_passes_are_full_and_the_last_one_is_filled_up_with_zeros():
    found, passes = run({"a": 2, "b": 5, "c": 1}, size=3)
    assert passes == [[1, 2, 3], [4, 5, 6], [7, 8, 0]]
    assert found == {"a": [10, 20], "b": [30, 40, 50, 60, 70], "c": [80]}
    assert list(found) == ["a", "b", "c"]


def test_nothing_is_filled_up_where_passes_end_with_items():
    assert run({"a": 2, "b": 4}, size=2)[1] == [[1, 2], [3, 4], [5, 6]]


def test_small_items_wait_for_a_pass_and_large_ones_take_several():
    lengths = {"a": 1, "b": 1, "c": 7}
    found, passes = run(lengths, size=4, most_running=9)
    assert len(passes) == 3
    assert {key: len(maps) for key, maps in found.items()} == lengths
