"""Products of options for `parametrize`, thinned out so that each pair of values stays."""

from collections.abc import Sequence
from itertools import combinations, product
from typing import Any


def cover_pairs(*options: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return rows, one value of each option, in which every two values of two options meet.

    Args:
        options: the values of each; a value that is a tuple takes as many places in a row.

    Example:
        >>> len(cover_pairs("ab", "cd", "ef"))  # of 8
        4
    """
    missing = {
        (one, i, other, j)
        for one, other in combinations(range(len(options)), 2)
        for i, j in product(range(len(options[one])), range(len(options[other])))
    }
    rows = list(product(*(range(len(values)) for values in options)))
    chosen = []
    while missing:
        row = max(rows, key=lambda row: len(missing & _pairs(row)))  # the first of equals
        missing -= _pairs(row)
        chosen.append(row)
    return [
        tuple(
            part
            for values, index in zip(options, row, strict=True)
            for part in (values[index] if isinstance(values[index], tuple) else (values[index],))
        )
        for row in chosen
    ]


def _pairs(row: tuple[int, ...]) -> set[tuple[int, int, int, int]]:
    return {(one, row[one], other, row[other]) for one, other in combinations(range(len(row)), 2)}
