"""The sample data set: generated clips of people whose class one limb decides.

Every clip shows a person who performs one of six actions with one limb and sways with the others.
In four of five clips a second, smaller person performs another action, so that a loose crop shows
two. The labeled person is the one with a box: in the middle of the crop, in front, larger. Written
below the root:

- `train/<class>/<name>.mp4` and `test/<class>/<name>.mp4`;
- `people/<name>.csv`, the labeled person's box per frame. It covers the body and its limbs' reach,
  with small errors like those of a detector; it does not depend on the class;
- `regions/<name>.csv`, the box of the deciding limb per frame;
- `sample.json`, written last: the settings, the classes, what each clip shows, and a digest.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from stn_action.data.synthetic.actions import ACTIONS, Motion
from stn_action.data.synthetic.figures import Figure
from stn_action.data.synthetic.scenes import (
    FPS,
    SIZE_HW,
    Actor,
    Background,
    RenderedClip,
    render_clip,
)
from stn_action.disk.atomic_file import write_file
from stn_action.errors import InputError
from stn_action.person.store.tube_folder import write_tube_csv
from stn_action.person.tube import Tube
from stn_action.video.writer import write_video
from stn_action.workers.pool import Failed, run_pool

CLASSES = tuple(sorted(ACTIONS))
SPLITS = ("train", "test")
CONTINUES = "make room, then give the same command again: what is done stays done"
VERSION = 1
"""Version of the generator; sets of different versions are different data."""

_FIGURES = {"train": range(48), "test": range(48, 72)}
_HUES = {
    "train": tuple(place / 12 for place in range(0, 12, 2)),
    "test": tuple(place / 12 for place in range(1, 12, 2)),
}
"""Train and test take the colors of clothes and backgrounds from different sectors."""


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


def render_plan(plan: ClipPlan) -> RenderedClip:
    """Draw a planned clip."""
    rng = np.random.default_rng([*plan.seed, 1])
    height_pixels = rng.uniform(76, 98)
    top = rng.uniform(3, SIZE_HW[0] - height_pixels - 3)
    feet = np.array([rng.uniform(0.34, 0.66) * SIZE_HW[1], top + height_pixels])
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
    background = Background.draw(_HUES[plan.split], rng)
    return render_clip(main, other, background, plan.num_frames, rng)


def generate_sample(
    root: str | Path,
    *,
    seed: int = 0,
    clips_per_class: tuple[int, int] = (40, 20),
    num_workers: int = 2,
    progress: Callable[..., Iterable[str]] = lambda names, total: names,
) -> Path:
    """Write the sample data set, or the clips that an interrupted generation did not write.

    Args:
        root: folder of the set; created when absent.
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
    root = Path(root)
    if seed < 0 or min(clips_per_class) < 1 or num_workers < 0:
        raise InputError(
            "seed and workers must be 0 or more, clips per class 1 or more; "
            f"got seed {seed}, workers {num_workers}, clips per class {clips_per_class}"
        )
    settings = {"version": VERSION, "seed": seed, "clips_per_class": list(clips_per_class)}
    plans = plan_clips(seed, clips_per_class)
    complete = _check_folder(root, settings)
    missing = [plan for plan in plans if not _is_written(root, plan)]
    if complete and not missing:
        return root
    write_file(_partial(root), json.dumps({"settings": settings}) + "\n", remedy=CONTINUES)
    for _ in progress(_write_all(root, missing, num_workers), total=len(missing)):
        pass
    _finish(root, settings, plans)
    return root


def _figure(plan: ClipPlan, number: int) -> Figure:
    return Figure.draw(_HUES[plan.split], np.random.default_rng([plan.seed[0], number]))


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


def _check_folder(root: Path, settings: dict[str, object]) -> bool:
    """Return whether the folder holds a finished set with these settings; refuse other content."""
    for path in (root / "sample.json", _partial(root)):
        if path.exists():
            found = _read_settings(path)
            if found != settings:
                raise InputError(
                    f"{root} holds a sample data set with other settings: {found}, "
                    f"expected {settings}; choose another folder or delete this one"
                )
            return path.name == "sample.json"
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(
            f"{root} exists and is not a sample data set; choose an empty or new folder"
        )
    return False


def _read_settings(path: Path) -> object:
    try:
        return json.loads(path.read_text())["settings"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is damaged ({error}); delete the folder {path.parent} to generate it again"
        ) from None


def _partial(root: Path) -> Path:
    return root / "sample.partial.json"


def _paths(root: Path, plan: ClipPlan) -> tuple[Path, Path, Path]:
    """Return the paths of person boxes, target regions and video, in the order of writing."""
    return (
        root / "people" / f"{plan.name}.csv",
        root / "regions" / f"{plan.name}.csv",
        root / plan.split / plan.action / f"{plan.name}.mp4",
    )


def _is_written(root: Path, plan: ClipPlan) -> bool:
    return all(path.is_file() and path.stat().st_size for path in _paths(root, plan))


def _write_all(root: Path, plans: list[ClipPlan], num_workers: int) -> Iterator[str]:
    for plan, result in run_pool(partial(_write_clip, root), plans, num_workers):
        if isinstance(result, Failed):
            raise InputError(f"{plan.name}: the process that drew it ended; start again")
        yield plan.name


def _write_clip(root: Path, plan: ClipPlan) -> None:
    """Write a clip's files, the video last: a clip with a video is finished."""
    clip = render_plan(plan)
    people_path, regions_path, video_path = _paths(root, plan)
    for path, boxes in ((people_path, clip.person_boxes), (regions_path, clip.target_boxes)):
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = torch.arange(len(boxes))
        write_tube_csv(path, Tube(frames, torch.tensor(boxes).float(), torch.ones(len(boxes))))
    video_path.parent.mkdir(parents=True, exist_ok=True)
    write_video(video_path, clip.frames, fps=FPS, crf=18, gop=12)


def _finish(root: Path, settings: dict[str, object], plans: list[ClipPlan]) -> None:
    digest = hashlib.sha256()
    for plan in plans:
        for path in _paths(root, plan):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    content = {
        "settings": settings,
        "classes": CLASSES,
        "size_hw": SIZE_HW,
        "fps": FPS,
        "digest": digest.hexdigest(),
        "clips": [asdict(plan) for plan in plans],
    }
    write_file(root / "sample.json", json.dumps(content, indent=1) + "\n", remedy=CONTINUES)
    _partial(root).unlink(missing_ok=True)
