"""The plan of a re-encoding: its videos, settings and target folder."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stn_action.build.video_sets import Announce, videos_of
from stn_action.config.schema import load_config
from stn_action.data.datasets.dataset_table import DATASETS
from stn_action.data.video_table import Video
from stn_action.errors import InputError
from stn_action.jobs.reencode.reencoded_video import PeopleExtent, Recipe, people_extent
from stn_action.person.store.people_file import open_people
from stn_action.person.store.tube_folder import TubeFolder
from stn_action.person.video_people import People, VideoPeople


@dataclass(frozen=True)
class ReencodeItem:
    """One video to be re-encoded."""

    video: Video
    target: Path
    people: PeopleExtent | None


@dataclass(frozen=True)
class ReencodePlan:
    """A data set and where its re-encoded copy goes."""

    videos: Sequence[Video]
    root: Path
    """The data set's folder; the tree below it is kept. Or a list of files in any folders."""
    out: Path
    """The folder of the copy."""
    recipe: Recipe
    people: People | None = None
    """Boxes of people; they are rewritten for the copy."""

    def __post_init__(self) -> None:
        out = self.out.resolve()
        if out.is_relative_to(self.root.resolve()):
            raise InputError(f"--out: {self.out} is in {self.root}; choose a folder outside of it")
        folders = dict.fromkeys(video.path.parent for video in self.videos) if self.is_list else ()
        for folder in folders:
            if folder.resolve().is_relative_to(out):
                raise InputError(
                    f"--out: {self.out} holds videos that are to be re-encoded, in {folder}; "
                    "choose another folder"
                )
        targets: dict[Path, Video] = {}
        for video in self.videos if self.recipe.margin is not None else ():
            other = targets.setdefault(self.target(video), video)
            if other is not video:
                raise InputError(
                    f"--crop-people: {other.name} and {video.name} are people of one video, "
                    f"{video.path}, which cannot be cropped to each; leave it out"
                )

    @property
    def is_list(self) -> bool:
        """Whether the data set is a list, of which the copy has one of its own."""
        return self.root.is_file()

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that all videos in one folder share."""
        source = None if self.people is None else str(self.people.source.resolve())
        return {**asdict(self.recipe), "people": source}

    def target(self, video: Video) -> Path:
        """Return the path of a video's copy: the same tree and stem, `.mp4`.

        A slice becomes a file of its own, by its name, and so does each video of a list.
        """
        if video.is_slice or self.is_list:
            return self.out / f"{video.name}.mp4"
        below = video.path.absolute().relative_to(self.root.absolute())
        name = below.name if video.name.endswith(below.name) else below.stem
        return self.out / below.with_name(f"{name}.mp4")

    def people_of(self, video: Video) -> VideoPeople | None:
        """Return all tubes of a video; None if it was never processed.

        In a folder of CSV files a video without a file counts as one without people.
        """
        found = None if self.people is None else self.people.find(video.name)
        if found is None and isinstance(self.people, TubeFolder):
            return VideoPeople(video.name, ())
        return found

    def item(self, video: Video) -> ReencodeItem:
        """Return the input of the work on a video."""
        crops = self.recipe.margin is not None
        people = people_extent(self.people_of(video)) if crops else None
        return ReencodeItem(video, self.target(video), people)


def plan_reencode(
    config_or_folder: str,
    overrides: Sequence[str],
    out: Path,
    recipe: Recipe,
    people: Path | None,
    *,
    announce: Announce | None = None,
) -> ReencodePlan:
    """Plan to re-encode the videos of a configuration or a folder.

    Args:
        config_or_folder: a YAML file or a folder.
        overrides: `key.sub=value`, for a configuration only.
        out: folder of the copy.
        recipe: size, crop and quality.
        people: a people file or a folder of CSV files; None: no boxes.
        announce: see `videos_of`.

    Raises:
        InputError: one of them does not exist or is wrong, or the samples of the data set are
            people at key frames, whose films a folder names.
    """
    root = Path(config_or_folder)
    if not root.is_dir():
        data = load_config(config_or_folder, overrides).data
        root = data.root
        if DATASETS[data.name].key_frames is not None:
            raise InputError(
                f"{config_or_folder}: the samples of {data.name} are people at key frames, many in "
                f"one film; give the folder, {root}, in place of the configuration: each film is "
                "re-encoded once, and the lists are copied along"
            )
    videos = videos_of(config_or_folder, overrides, announce=announce)
    return ReencodePlan(videos, root, out, recipe, None if people is None else open_people(people))
