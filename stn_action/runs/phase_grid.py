"""The grid of a phase diagram: the dials of generated data, and the configuration of each cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from stn_action.config.schema import Config, config_from_dict, to_dict
from stn_action.data.synthetic.sign_set import LARGEST, MOST_DISTRACTORS, SIGN_CLASSES, SMALLEST
from stn_action.errors import InputError

TIGHT_SIZE = 112
"""Side in pixels of the crops that show the deciding region alone."""


class PhaseCell(NamedTuple):
    """A value of each dial; the fields' names are those of the dials."""

    region: Fraction
    """The deciding region's share of the frame."""
    distractors: int
    clips: int
    """Training clips of each class."""

    @property
    def set_name(self) -> str:
        """Name of the generated set, as a file name; cells that differ in clips alone share it."""
        return f"region_{self.region.numerator}-{self.region.denominator}_others_{self.distractors}"

    @property
    def name(self) -> str:
        """Name of the cell, as a file name."""
        return f"{self.set_name}_clips_{self.clips}"


DIALS = {
    "region": "deciding region, share of the frame",
    "distractors": "distractors",
    "clips": "training clips a class",
}
"""The dials of `PhaseCell` and their names in tables and charts."""


@dataclass(frozen=True)
class PhaseGrid:
    """The values of all dials."""

    regions: Sequence[Fraction]
    distractors: Sequence[int]
    clips: Sequence[int]
    test_clips: int
    """Of each class."""
    data_seed: int = 0
    """Of the generated sets."""

    def check(self) -> None:
        """Check the values.

        Raises:
            InputError: a dial has no value, one twice, or one out of range.
        """
        low, high = Fraction(SMALLEST).limit_denominator(), Fraction(LARGEST)
        for option, values, least, most in (
            ("--regions", self.regions, low, high),
            ("--distractors", self.distractors, 0, MOST_DISTRACTORS),
            ("--clips", self.clips, 1, 10_000),
            ("--test-clips", (self.test_clips,), 1, 10_000),
        ):
            wrong = [str(value) for value in values if not least <= value <= most]
            if not values or wrong or len(set(values)) < len(values):
                came = ", ".join(map(str, values)) or "none"
                raise InputError(f"{option}: expected different values, {least} to {most}: {came}")

    def sets(self) -> list[list[PhaseCell]]:
        """Return the cells, those of one generated set together, most clips last."""
        return [
            [PhaseCell(region, distractors, clips) for clips in sorted(self.clips)]
            for region in sorted(self.regions, reverse=True)
            for distractors in sorted(self.distractors)
        ]


def config_of_set(config: Config, root: Path, *, tight: bool = False) -> Config:
    """Return the configuration of a generated set and its cache.

    Args:
        config: of all cells.
        root: of the set; the cache is beside it.
        tight: crops of the deciding region take the place of frames.
    """
    overrides = [f"data.root={root}", f"train.cache_folder={root}.cache"]
    if tight:
        overrides = [
            f"data.root={root}", f"train.cache_folder={root}.tight_cache",
            f"data.people={root / 'people'}", "data.crop.looseness=0", "data.crop.aspect=square",
            f"data.crop.size={TIGHT_SIZE}",
        ]  # fmt: skip
    return config_from_dict(to_dict(config), f"the set {root.name}", overrides)


def config_of_clips(config: Config, clips: int) -> Config:
    """Return the configuration for a number of clips a class: the same number of steps for all.

    Where `train.max_steps` is set, there are as many epochs as it takes, and the warm-up keeps its
    share of them: with few clips a class a read-out that learns is otherwise trained for a few
    steps only.
    """
    train = config.train
    if train.max_steps is None:
        return config
    batches = -(-clips * len(SIGN_CLASSES) // train.batch_size)
    warmup = config.optim.warmup_epochs / train.epochs * train.max_steps / batches
    overrides = [f"train.epochs={-(-train.max_steps // batches)}", f"optim.warmup_epochs={warmup}"]
    return config_from_dict(to_dict(config), f"{clips} clips a class", overrides)
