"""The sign set: generated clips whose class a region of a chosen size decides.

Every clip shows a round sign with a yellow rim, and the pattern on it is the class. Up to three
other signs, equally large, have a blue rim and other patterns, no two the same: which patterns are
to be seen anywhere tells the class of one sign in two, three or four, not of which. What decides
has to be found by its rim and read by its pattern.

- The box of the deciding sign takes exactly the chosen share of the frame's area. It is the target
  region; as a person box it has small errors like those of a detector.
- The deciding sign is in front and inside the frame. Other signs are placed where they overlap
  least; at a quarter of the frame they cannot avoid to overlap.
- Signs drift and turn; behind them are the clutter and the colors of the sample set.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from stn_action.data.synthetic.generated_set import SPLITS, GeneratedSet, check_numbers
from stn_action.data.synthetic.scenes import HUES, Background, RenderedClip, expose, wander
from stn_action.data.synthetic.signs import PATTERNS, Sign
from stn_action.data.synthetic.sprites import Points
from stn_action.errors import InputError

SIGN_CLASSES = tuple(sorted(PATTERNS))
SIGN_SIZE_HW = (224, 224)
SMALLEST, LARGEST = 1 / 100, 1 / 4
"""Range of the deciding sign's share of the frame."""
MOST_DISTRACTORS = len(SIGN_CLASSES) - 1
NUM_FRAMES = 8
VERSION = 1
"""Version of this generator; sets of different versions are different data."""

_TRIALS = 40
"""Places that are drawn for a distractor, the one with the least overlap is taken."""
_LONGEST_PATH = 0.08
"""Distance between a sign's first and last place, as a share of the frame's side."""


@dataclass(frozen=True)
class SignPlan:
    """Content of a clip; it depends only on the seed, the distractors and its place in the set."""

    name: str
    split: str
    action: str
    """Pattern of the sign that decides."""
    distractors: tuple[str, ...]
    """Patterns of the other signs."""
    seed: tuple[int, ...]


def plan_signs(seed: int, clips_per_class: tuple[int, int], num_distractors: int) -> list[SignPlan]:
    """Plan all clips of a set, its classes balanced; more clips leave the first ones as they are.

    Args:
        seed: of the set.
        clips_per_class: in train and in test.
        num_distractors: signs that do not decide, in every clip.
    """
    plans = []
    for split, count in zip(SPLITS, clips_per_class, strict=True):
        for action in SIGN_CLASSES:
            others = [name for name in SIGN_CLASSES if name != action]
            for index in range(count):
                key = (seed, SPLITS.index(split), SIGN_CLASSES.index(action), index)
                order = np.random.default_rng([*key, 0]).permutation(others).tolist()
                name = f"{split}_{action}_{index:03d}"
                plans.append(SignPlan(name, split, action, tuple(order[:num_distractors]), key))
    return plans


def render_signs(plan: SignPlan, region_share: float) -> RenderedClip:
    """Draw a planned clip whose deciding sign takes a share of the frame's area."""
    rng = np.random.default_rng([*plan.seed, 1])
    hues, frame_side = HUES[plan.split], SIGN_SIZE_HW[0]
    background = Background.draw(hues, rng, SIGN_SIZE_HW)
    side = frame_side * region_share**0.5
    paths = _draw_paths(1 + len(plan.distractors), side, rng)
    signs = [
        Sign.draw(pattern, number == 0, side, path, NUM_FRAMES, hues, rng)
        for number, (pattern, path) in enumerate(
            zip((plan.action, *plan.distractors), paths, strict=True)
        )
    ]
    shakes = wander(NUM_FRAMES, 2, rng) * rng.uniform(0.1, 0.5)
    light, contrast = rng.uniform(-18, 18), rng.uniform(0.8, 1.05)
    errors = side * (rng.normal(0, 0.012, 4) + 0.006 * wander(NUM_FRAMES, 4, rng))
    frames = []
    for frame, shake in enumerate(shakes):
        canvas = background.at(frame, NUM_FRAMES, shake)
        for sign in reversed(signs):
            sign.paste(canvas, frame)
        frames.append(expose(canvas, light, contrast))
    boxes = np.stack([signs[0].box(frame) for frame in range(NUM_FRAMES)])
    return RenderedClip(np.stack(frames), np.clip(boxes + errors, 0, frame_side), boxes)


def generate_signs(
    root: str | Path,
    *,
    region_share: float,
    num_distractors: int,
    seed: int = 0,
    clips_per_class: tuple[int, int] = (40, 20),
    num_workers: int = 2,
    progress: Callable[..., Iterable[str]] = lambda names, total: names,
) -> Path:
    """Write a sign set, or the clips that an interrupted generation did not write.

    Args:
        root: folder of the set; created when absent.
        region_share: of the frame's area, of the deciding sign's box.
        num_distractors: signs that do not decide, in every clip.
        seed: of the set; equal seeds give equal pixels, whatever the number of workers.
        clips_per_class: in train and in test.
        num_workers: processes that draw; 0 draws in this one.
        progress: iterates over the names of finished clips, given `total`; see `show_progress`.

    Returns:
        The folder.

    Raises:
        InputError: the folder holds something else or a set with other settings, or a number is
            out of range.
    """
    check_numbers(seed, num_workers, clips_per_class)
    if not SMALLEST <= region_share <= LARGEST:
        raise InputError(
            "the share of the deciding region must be from 1/100 to 1/4 of the frame, "
            f"got {region_share:g}"
        )
    if not 0 <= num_distractors <= MOST_DISTRACTORS:
        raise InputError(
            f"distractors must be 0 to {MOST_DISTRACTORS}, each of another class than the "
            f"deciding sign, got {num_distractors}"
        )
    settings = {
        "set": "signs",
        "version": VERSION,
        "seed": seed,
        "clips_per_class": list(clips_per_class),
        "region_share": region_share,
        "distractors": num_distractors,
    }
    plans = plan_signs(seed, clips_per_class, num_distractors)
    render = partial(render_signs, region_share=region_share)
    drawn = GeneratedSet(settings, SIGN_CLASSES, SIGN_SIZE_HW, plans, render)
    return drawn.write(Path(root), num_workers=num_workers, progress=progress)


def _draw_paths(count: int, side: float, rng: np.random.Generator) -> list[Points]:
    """Draw the places of signs in the first and the last frame: the first anywhere in the frame.

    Returns:
        (2, 2) for each sign, the middles in pixels.
    """
    low, high = side / 2, np.array(SIGN_SIZE_HW[::-1]) - side / 2
    paths: list[Points] = []
    for _ in range(count):
        trials = rng.uniform(low, high, (_TRIALS if paths else 1, 2))
        placed = np.array([path.mean(0) for path in paths]).reshape(-1, 2)
        apart = np.abs(trials[:, None] - placed[None])
        overlap = np.clip(side - apart, 0, None).prod(-1).sum(1)
        start = trials[int(overlap.argmin())]
        turn = rng.uniform(0, 2 * np.pi)
        reach = rng.uniform(0, _LONGEST_PATH) * SIGN_SIZE_HW[0]
        end = np.clip(start + reach * np.array([np.cos(turn), np.sin(turn)]), low, high)
        paths.append(np.stack([start, end]))
    return paths
