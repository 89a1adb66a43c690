"""Writing a generated data set: videos in class folders, boxes beside them, a description.

Below the root are written:

- `train/<class>/<name>.mp4` and `test/<class>/<name>.mp4`;
- `people/<name>.csv`, the box of what has the label, per frame, with small errors;
- `regions/<name>.csv`, the box of the target region per frame;
- `sample.json`, written last: the settings, the classes, what each clip shows, and a digest.

A generation that was interrupted goes on where it stopped.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import Field, asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import torch

from stn_action.data.synthetic.scenes import FPS, RenderedClip
from stn_action.disk.atomic_file import write_file
from stn_action.errors import InputError
from stn_action.person.store.tube_folder import write_tube_csv
from stn_action.person.tube import Tube
from stn_action.video.writer import write_video
from stn_action.workers.pool import Failed, run_pool

CONTINUES = "make room, then give the same command again: what is done stays done"
SPLITS = ("train", "test")


class PlannedClip(Protocol):
    """A dataclass with the content of a clip: it depends on the seed and the clip's place alone."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def name(self) -> str:
        """Name of its files."""
        ...

    @property
    def split(self) -> str:
        """One of `SPLITS`."""
        ...

    @property
    def action(self) -> str:
        """Its class."""
        ...


Plan = TypeVar("Plan", bound=PlannedClip)


@dataclass(frozen=True)
class GeneratedSet(Generic[Plan]):
    """A data set that is about to be written."""

    settings: dict[str, Any]
    """What the clips depend on; a folder with other settings is refused."""
    classes: tuple[str, ...]
    size_hw: tuple[int, int]
    """Of the frames, in pixels."""
    plans: Sequence[Plan]
    render: Callable[[Plan], RenderedClip]
    """Draws a clip; a function that can be pickled."""

    def write(
        self,
        root: Path,
        *,
        num_workers: int = 2,
        progress: Callable[..., Iterable[str]] = lambda names, total: names,
    ) -> Path:
        """Write the set, or the clips that an interrupted generation did not write.

        Args:
            root: folder of the set; created when absent.
            num_workers: processes that draw; 0 draws in this one. They do not change the result.
            progress: iterates over the names of finished clips, given `total`; see
                `show_progress`.

        Returns:
            The folder.

        Raises:
            InputError: the folder holds something else or a set with other settings.
        """
        complete = _check_folder(root, self.settings)
        missing = [plan for plan in self.plans if not _is_written(root, plan)]
        if complete and not missing:
            return root
        text = json.dumps({"settings": self.settings}) + "\n"
        write_file(_partial(root), text, remedy=CONTINUES)
        written = _write_all(root, missing, self.render, num_workers)
        for _ in progress(written, total=len(missing)):
            pass
        self._finish(root)
        return root

    def _finish(self, root: Path) -> None:
        digest = hashlib.sha256()
        for plan in self.plans:
            for path in _paths(root, plan):
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        content = {
            "settings": self.settings,
            "classes": self.classes,
            "size_hw": self.size_hw,
            "fps": FPS,
            "digest": digest.hexdigest(),
            "clips": [asdict(plan) for plan in self.plans],
        }
        write_file(root / "sample.json", json.dumps(content, indent=1) + "\n", remedy=CONTINUES)
        _partial(root).unlink(missing_ok=True)


def check_numbers(seed: int, num_workers: int, clips_per_class: tuple[int, int]) -> None:
    """Check the numbers that every generated set has.

    Raises:
        InputError: one is out of range.
    """
    if seed < 0 or min(clips_per_class) < 1 or num_workers < 0:
        raise InputError(
            "seed and workers must be 0 or more, clips per class 1 or more; "
            f"got seed {seed}, workers {num_workers}, clips per class {clips_per_class}"
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


def _paths(root: Path, plan: PlannedClip) -> tuple[Path, Path, Path]:
    """Return the paths of person boxes, target regions and video, in the order of writing."""
    return (
        root / "people" / f"{plan.name}.csv",
        root / "regions" / f"{plan.name}.csv",
        root / plan.split / plan.action / f"{plan.name}.mp4",
    )


def _is_written(root: Path, plan: PlannedClip) -> bool:
    return all(path.is_file() and path.stat().st_size for path in _paths(root, plan))


def _write_all(
    root: Path, plans: list[Plan], render: Callable[[Plan], RenderedClip], num_workers: int
) -> Iterator[str]:
    for plan, result in run_pool(partial(_write_clip, root, render), plans, num_workers):
        if isinstance(result, Failed):
            raise InputError(f"{plan.name}: the process that drew it ended; start again")
        yield plan.name


def _write_clip(root: Path, render: Callable[[Plan], RenderedClip], plan: Plan) -> None:
    """Write a clip's files, the video last: a clip with a video is finished."""
    clip = render(plan)
    people_path, regions_path, video_path = _paths(root, plan)
    for path, boxes in ((people_path, clip.person_boxes), (regions_path, clip.target_boxes)):
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = torch.arange(len(boxes))
        write_tube_csv(path, Tube(frames, torch.tensor(boxes).float(), torch.ones(len(boxes))))
    video_path.parent.mkdir(parents=True, exist_ok=True)
    write_video(video_path, clip.frames, fps=FPS, crf=18, gop=12)
