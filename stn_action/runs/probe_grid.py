"""The grid of a probe: arms, rates, seeds and folds; each cell is trained once."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from stn_action.config.schema import Config, config_from_dict, to_dict
from stn_action.data.listing import Listing
from stn_action.data.video_table import VideoTable
from stn_action.errors import InputError

RELATIVE_LR = "optim.relative_lr"
ARMS_OF_PROBE: dict[str, tuple[str, ...]] = {
    "mean": ("model.focus.readout=mean",),
    "tiles": ("model.focus.readout=windows", f"{RELATIVE_LR}=0"),
    "max": ("model.focus.readout=max",),
    "foreground": ("model.focus.readout=foreground",),
    "saliency": ("model.focus.readout=saliency",),
    "attention": ("model.focus.readout=attention",),
    "windows": ("model.focus.readout=windows",),
}
"""What is different in each arm; `tiles` are windows that stay at their start."""
INNER_GROUPS = 10
"""Up to so many training groups one is held out inside of them, beyond a fifth."""
Part = Literal["test", "inner"]
"""Where a cell is tested: on the fold's test clips, or on a part of its training clips."""


@dataclass(frozen=True)
class ProbeArm:
    """A named set of overrides of the configuration."""

    name: str
    overrides: tuple[str, ...]

    @property
    def has_rate(self) -> bool:
        """Whether the relative learning rate makes a difference and is not set by the arm."""
        return self._value("model.focus.readout") in (None, "windows") and not self._value(
            RELATIVE_LR
        )

    @property
    def relative_lr(self) -> float | None:
        """The relative learning rate that the arm sets itself."""
        value = self._value(RELATIVE_LR)
        return None if value is None else float(value)

    def _value(self, key: str) -> str | None:
        values = [one.partition("=")[2] for one in self.overrides if one.partition("=")[0] == key]
        return values[-1] if values else None


class ProbeSetting(NamedTuple):
    """An arm at its rates: a row of the table."""

    arm: ProbeArm
    lr: float
    relative_lr: float | None
    """None: nothing of the arm is trained at it."""

    @property
    def label(self) -> str:
        """Return a short name that no other setting of the grid has, for one learning rate."""
        rate = "" if not self.relative_lr else f" {short_rate(self.relative_lr)}"
        return self.arm.name + rate

    def overrides(self) -> list[str]:
        """Return the overrides of the configuration."""
        rate = [] if self.relative_lr is None else [f"{RELATIVE_LR}={self.relative_lr!r}"]
        return [*self.arm.overrides, f"optim.lr={self.lr!r}", *rate]


class ProbeCell(NamedTuple):
    """What is trained once."""

    setting: ProbeSetting
    seed: int
    fold: int
    part: Part

    @property
    def key(self) -> tuple[str, float, float | None, int, int, str]:
        """Return what the cell is found by."""
        setting = self.setting
        return setting.arm.name, setting.lr, setting.relative_lr, self.seed, self.fold, self.part


def short_rate(rate: float) -> str:
    """Return a rate as one writes it on a command line.

    >>> short_rate(0.001), short_rate(2.5e-05), short_rate(0.0), short_rate(1.0)
    ('1e-3', '2.5e-5', '0', '1')
    """
    mantissa, _, exponent = f"{rate:e}".partition("e")
    if not -12 < int(exponent) < 0:
        return f"{rate:g}"
    return f"{float(mantissa):g}e{int(exponent)}"


def parse_arms(readouts: Sequence[str], variants: Sequence[str] = ()) -> list[ProbeArm]:
    """Return the arms of `--readouts` and `--variant name:key=value,...`.

    Keys without a dot are of `model.focus`.

    Raises:
        InputError: an unknown read-out, a variant of another form, or a name given twice.

    >>> parse_arms([], ["apart:readout=windows,diversity_loss=1"])[0].overrides
    ('model.focus.readout=windows', 'model.focus.diversity_loss=1')
    """
    arms = []
    for name in readouts:
        if name not in ARMS_OF_PROBE:
            raise InputError(
                f"--readouts: there is no {name!r}, expected of {', '.join(ARMS_OF_PROBE)}"
            )
        arms.append(ProbeArm(name, ARMS_OF_PROBE[name]))
    for text in variants:
        name, _, settings = text.partition(":")
        pairs = [pair.strip() for pair in re.split(r",(?![^\[{]*[\]}])", settings)]
        if not re.fullmatch(r"[\w.-]+", name) or not all("=" in pair for pair in pairs):
            raise InputError(
                f"--variant {text!r}: expected NAME:key=value,... as in "
                "apart:readout=windows,diversity_loss=1"
            )
        keys = [pair if "." in pair.partition("=")[0] else f"model.focus.{pair}" for pair in pairs]
        arms.append(ProbeArm(name, tuple(keys)))
    names = [arm.name for arm in arms]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"--readouts, --variant: {twice[0]} is given twice")
    return arms


def settings_of(
    arms: Sequence[ProbeArm], lrs: Sequence[float], relative_lrs: Sequence[float]
) -> list[ProbeSetting]:
    """Return every arm at every rate that makes a difference to it."""
    settings = []
    for arm in arms:
        rates = list(relative_lrs) if arm.has_rate else [arm.relative_lr]
        settings += [ProbeSetting(arm, lr, rate) for lr in lrs for rate in rates]
    return settings


def cells_of(
    settings: Sequence[ProbeSetting], seeds: Sequence[int], folds: Sequence[int], part: Part
) -> list[ProbeCell]:
    """Return the cells of a grid, those of one setting and seed together.

    Raises:
        InputError: there is none.
    """
    if not settings or not seeds or not folds:
        raise InputError(
            f"the grid has no cell: {len(settings)} read-outs at their rates, {len(seeds)} seeds, "
            f"{len(folds)} folds; give --readouts, --lr, --relative-lr and --seeds a value each"
        )
    return [
        ProbeCell(setting, seed, fold, part)
        for setting in settings
        for seed in seeds
        for fold in folds
    ]


def config_of_cell(config: Config, setting: ProbeSetting, seed: int) -> Config:
    """Return the configuration of a setting and seed.

    Raises:
        InputError: the arm's settings are wrong.
    """
    overrides = [*setting.overrides(), f"train.seed={seed}"]
    return config_from_dict(to_dict(config), f"arm {setting.arm.name!r}", overrides)


def split_of_cell(
    listing: Listing, part: Part, *, per_class: int | None, seed: int
) -> tuple[VideoTable, VideoTable]:
    """Return the videos that a cell is trained and tested on.

    Args:
        listing: of the fold.
        part: "inner": the next of the training groups is held out in place of the test videos,
            which are not used; of more than `INNER_GROUPS` groups each fifth one.
        per_class: training videos of each class, drawn by the seed; a larger draw holds the
            smaller one. None: all.
        seed: of the draw.

    Raises:
        InputError: the training videos are of one group.
    """
    train, test = listing.train, listing.test
    if part == "inner":
        held_out = _inner_groups(listing)
        groups = [video.group for video in train]
        inside = [place for place, group in enumerate(groups) if group not in held_out]
        outside = [place for place, group in enumerate(groups) if group in held_out]
        train, test = train.select(inside), train.select(outside)
    if per_class is not None:
        train = train.select(sorted(_drawn(train, per_class, seed)))
    return train, test


def _inner_groups(listing: Listing) -> set[str]:
    own = {video.group for video in listing.train}
    if len(own) < 2:
        raise InputError(
            f"{listing.name}: all training videos are of one group, so that none can be held out "
            "among them; leave --select inner and --on inner out"
        )
    tested = {video.group for video in listing.test} - own
    order = sorted(own | tested)
    start = max((order.index(group) for group in tested), default=-1) + 1
    turned = [group for group in order[start:] + order[:start] if group in own]
    return set(turned[:: len(own) if len(own) <= INNER_GROUPS else 5])


def _drawn(videos: VideoTable, per_class: int, seed: int) -> Iterator[int]:
    labels = videos.targets.tolist()
    for label in sorted(set(labels)):
        places = np.array([place for place, own in enumerate(labels) if own == label])
        order = np.random.default_rng([seed, label]).permutation(len(places))
        yield from places[order[:per_class]].tolist()
