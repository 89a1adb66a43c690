"""The sample data set: generated clips of people whose class one limb decides.

Every clip shows a person who performs one of six actions with one limb and sways with the others.
In four of five clips a second, smaller person performs another action, so that a loose crop shows
two. The labeled person is the one with a box: in the middle of the crop, in front, larger. The box
covers the body and its limbs' reach, with small errors like those of a detector; it does not depend
on the class. The target region is the deciding limb. `generated_set.py` names the files.

With small figures frames are larger, and people as large in pixels, anywhere in them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from stn_action.data.synthetic.actions import ACTIONS, Motion
from stn_action.data.synthetic.figures import Figure
from stn_action.data.synthetic.generated_set import SPLITS, GeneratedSet, check_numbers
from stn_action.data.synthetic.scenes import (
    HUES,
    SIZE_HW,
    Actor,
    Background,
    RenderedClip,
    render_clip,
)
from stn_action.errors import InputError

CLASSES = tuple(sorted(ACTIONS))
VERSION = 1
"""Version of the generator; sets of different versions are different data."""

FIGURE_SHARES = 1 / 8, 1 / 2
"""Range of the height of small figures, as a share of the frame's."""
_FIGURES = {"train": range(48), "test": range(48, 72)}
_HEIGHTS = 76, 98
"""Least and greatest height of the labeled person, pixels."""


@dataclass(frozen=True)
class ClipPlan:
    """Content of a clip; it depends only on the seed and the clip's place in the set."""

    name: str
    split: str
    action: str
    side: str
    """Side of the person on which the deciding limb is in the image: left or right."""
    figure: int
    """Number of the labeled person."""
    other_action: str | None
    """Action of the second person; None: there is none."""
    other_figure: int | None
    num_frames: int
    seed: tuple[int, ...]


def plan_clips(seed: int, clips_per_class: tuple[int, int]) -> list[ClipPlan]:
    """Plan all clips of a set, its classes and sides balanced.

    Args:
        seed: of the set.
        clips_per_class: in train and in test.
    """
    return [
        _plan_clip(seed, split, action, index)
        for split, count in zip(SPLITS, clips_per_class, strict=True)
        for action in CLASSES
        for index in range(count)
    ]


def render_plan(plan: ClipPlan, size_hw: tuple[int, int] = SIZE_HW) -> RenderedClip:
    """Draw a planned clip with frames of a size."""
    rng = np.random.default_rng([*plan.seed, 1])
    height_pixels = rng.uniform(*_HEIGHTS)
    top = rng.uniform(3, size_hw[0] - height_pixels - 3)
    narrower = SIZE_HW[1] / size_hw[1]  # as far from the sides, in pixels, whatever the frame
    across = rng.uniform(0.34 * narrower, 1 - (1 - 0.66) * narrower)
    feet = np.array([across * size_hw[1], top + height_pixels])
    motion = Motion.draw(plan.action, plan.side, rng)
    main = Actor.draw(_figure(plan, plan.figure), motion, height_pixels, feet, rng)
    other = None
    if plan.other_action is not None and plan.other_figure is not None:
        scale = rng.uniform(0.7, 0.9)
        distance = height_pixels * rng.uniform(0.42, 0.56) * rng.choice((-1, 1))
        place = feet + np.array([distance, -(1 - scale) * rng.uniform(0.1, 0.7) * height_pixels])
        motion = Motion.draw(plan.other_action, str(rng.choice(("left", "right"))), rng)
        figure = _figure(plan, plan.other_figure)
        other = Actor.draw(figure, motion, scale * height_pixels, place, rng)
    background = Background.draw(HUES[plan.split], rng, size_hw)
    return render_clip(main, other, background, plan.num_frames, rng)


def generate_sample(
    root: str | Path,
    *,
    seed: int = 0,
    clips_per_class: tuple[int, int] = (40, 20),
    figure_share: float | None = None,
    num_workers: int = 2,
    progress: Callable[..., Iterable[str]] = lambda names, total: names,
) -> Path:
    """Write the sample data set, or the clips that an interrupted generation did not write.

    Args:
        root: folder of the set; created when absent.
        seed: of the set; equal seeds give equal pixels, whatever the number of workers.
        clips_per_class: in train and in test.
        figure_share: height of the labeled person on average, as a share of the frame's: frames
            are as much larger; None: the usual ones, of which a person takes half.
        num_workers: processes that draw; 0 draws in this one.
        progress: iterates over the names of finished clips, given `total`; see `show_progress`.

    Returns:
        The folder.

    Raises:
        InputError: the folder holds something else or a set with other settings, or a number is
            out of range.
    """
    check_numbers(seed, num_workers, clips_per_class)
    settings: dict[str, Any] = {"version": VERSION, "seed": seed}
    settings["clips_per_class"] = list(clips_per_class)
    size_hw = SIZE_HW
    if figure_share is not None:
        settings["figure_share"] = figure_share
        size_hw = _size_for(figure_share)
    plans = plan_clips(seed, clips_per_class)
    render = partial(render_plan, size_hw=size_hw)
    drawn = GeneratedSet(settings, CLASSES, size_hw, plans, render)
    return drawn.write(Path(root), num_workers=num_workers, progress=progress)


def _size_for(figure_share: float) -> tuple[int, int]:
    """Return the height and width of frames, even, in which a person has a share of the height."""
    low, high = FIGURE_SHARES
    if not low <= figure_share <= high:
        raise InputError(
            f"the share of the frame's height that a person takes must be from 1/8 to 1/2, got "
            f"{figure_share:g}"
        )
    height = 2 * round(sum(_HEIGHTS) / 4 / figure_share)
    return height, 2 * round(height * SIZE_HW[1] / SIZE_HW[0] / 2)


def _figure(plan: ClipPlan, number: int) -> Figure:
    return Figure.draw(HUES[plan.split], np.random.default_rng([plan.seed[0], number]))


def _plan_clip(seed: int, split: str, action: str, index: int) -> ClipPlan:
    key = (seed, SPLITS.index(split), CLASSES.index(action), index)
    rng = np.random.default_rng([*key, 0])
    figure, other_figure = rng.choice(_FIGURES[split], 2, replace=False).tolist()
    other_action = str(rng.choice([name for name in CLASSES if name != action]))
    is_alone = index // 2 % 5 == 4
    return ClipPlan(
        name=f"{split}_{action}_{index:03d}",
        split=split,
        action=action,
        side=("left", "right")[index % 2],
        figure=figure,
        other_action=None if is_alone else other_action,
        other_figure=None if is_alone else other_figure,
        num_frames=int(rng.integers(24, 33)),
        seed=key,
    )
