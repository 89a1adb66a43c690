"""The videos that a tool is given: those of a configuration, or of a folder."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from stn_action.build.data import fold_configs, load_listing, read_listing
from stn_action.config.folder_settings import data_of_folder
from stn_action.config.schema import Config, load_config
from stn_action.data.video_files import (
    find_video_files,
    has_namesake,
    holds_frames,
    is_present,
    name_files,
    passed_over_line,
    stem_of,
)
from stn_action.data.video_table import Video
from stn_action.errors import InputError
from stn_action.video.suffixes import FRAMES_IN_WORDS, SUFFIXES_IN_WORDS

Picked = TypeVar("Picked")
Announce = Callable[[str], None]
"""Called with a line for the user."""

PARTS = ("train", "val", "test")
"""Words that stand for the videos of a data set."""


def videos_of(
    config_or_folder: str | Path,
    overrides: Sequence[str] = (),
    *,
    announce: Announce | None = None,
) -> list[Video]:
    """Return every video of a configuration's data set, or of a folder, once, sorted by name.

    Of a configuration: all videos of its fold, of every fold with
    `data.fold=all`. Videos of official lists are included even if they are not on the disk.
    Of a folder: the videos below it, see `find_video_files`; the name is the path below the folder
    without suffix, or with it if files differ in the suffix alone.

    Args:
        config_or_folder: a YAML file or a folder.
        overrides: `key.sub=value`; for a folder those of `OF_FOLDERS` only.
        announce: called with a line about the files that are passed over, if there are any.

    Raises:
        InputError: there is no such file or folder, it holds no video, or the configuration or
            its data set is wrong.
    """
    path = Path(config_or_folder)
    if path.is_dir():
        data = data_of_folder(path, overrides)
        videos = [
            replace(video, max_pixels=data.max_pixels, frames_fps=data.frames_fps)
            for video in _videos_below(path, announce)
        ]
    else:
        config = load_config(config_or_folder, overrides)
        listings = [read_listing(fold, require_files=False) for fold in _folds(config)]
        listed = (video for listing in listings for video in listing.all_videos)
        videos = [replace(video, max_pixels=config.data.max_pixels) for video in listed]
        if announce is not None and listings[0].passed_over:
            announce(passed_over_line(listings[0].passed_over, config.data.root))
    return sorted({video.name: video for video in videos}.values(), key=lambda video: video.name)


def videos_named(
    names: Sequence[str],
    config: Config,
    *,
    announce: Announce | None = None,
    classes: Sequence[str] | None = None,
) -> list[Video]:
    """Return the videos of paths, folders, and of the words "train", "val" and "test", each once.

    Args:
        names: files, folders of frames, folders of videos or parts of the data set of `config`.
        config: names the data set.
        announce: see `videos_of`.
        classes: of a network; videos of a data set with other classes have no label for it.

    Raises:
        InputError: there is no such file, a folder holds no video, or nothing is named.
    """
    if not names:
        raise InputError("no video is given; give a video, a folder of videos, train, val or test")
    videos: list[Video] = []
    for name in names:
        path = Path(name)
        if names_a_part([name]):
            listing = load_listing(config)
            known = classes is None or tuple(classes) == listing.classes
            videos += [
                video if known else replace(video, target=0, group="")
                for video in getattr(listing, name)
            ]
        elif path.is_dir() and not holds_frames(path):
            for video in _videos_below(path, announce):
                keeps_suffix = video.name.endswith(video.path.name)
                videos.append(_named_by_its_end(video.path, keeps_suffix=keeps_suffix))
        elif is_present(path):
            videos.append(unlabeled_video(path))
        else:
            raise InputError(
                f"{name}: no such file or folder; give a video, a folder of videos, train, val "
                "or test"
            )
    rated = [replace(video, frames_fps=config.data.frames_fps) for video in videos]
    return _with_unique_names(rated)


def names_a_part(names: Sequence[str]) -> bool:
    """Return whether a part of the data set is named, not files and folders alone."""
    return any(name in PARTS and not Path(name).exists() for name in names)


def pick_evenly(videos: Sequence[Picked], limit: int) -> list[Picked]:
    """Return at most `limit` of the videos, evenly spaced over the list."""
    if len(videos) <= limit:
        return list(videos)
    return [videos[place * len(videos) // limit] for place in range(limit)]


def _folds(config: Config) -> list[Config]:
    return fold_configs(config) if config.data.fold == "all" else [config]


def unlabeled_video(path: Path) -> Video:
    """Return a video named by its file, or folder of frames, and the two folders above.

    The name identifies its boxes. It keeps the suffix if another video beside it differs in it
    alone.
    """
    if path.name in ("", ".."):  # a folder of frames that is given as `.`
        path = path.resolve()
    return _named_by_its_end(path, keeps_suffix=has_namesake(path))


def _named_by_its_end(path: Path, *, keeps_suffix: bool) -> Video:
    named = path if keeps_suffix else path.with_name(stem_of(path))
    parts = [part for part in named.parts if part not in ("..", path.anchor)]
    return Video("/".join(parts[-3:]), path, target=0, group="")


def _videos_below(folder: Path, announce: Announce | None) -> list[Video]:
    found = find_video_files(folder)
    if not found.videos and holds_frames(folder):
        raise InputError(
            f"{folder}: this folder of frames is one video itself; give the folder above it"
        )
    if not found.videos:
        raise InputError(
            f"{folder}: there is no video below this folder; expected files that end in "
            f"{SUFFIXES_IN_WORDS}, or folders of frames ({FRAMES_IN_WORDS})"
        )
    if announce is not None and found.passed_over:
        announce(passed_over_line(found.passed_over, folder))
    names = name_files([file.relative_to(folder) for file in found.videos])
    return [
        Video(name, file, target=0, group=name)
        for name, file in zip(names, found.videos, strict=True)
    ]


def _with_unique_names(videos: Sequence[Video]) -> list[Video]:
    """Return each video once; files that share a name are named by their full paths."""
    videos = list(dict.fromkeys(videos))
    number = Counter(video.name for video in videos)
    full = name_files([video.path.absolute() for video in videos])
    return [
        video if number[video.name] == 1 else replace(video, name=name.lstrip("/"))
        for video, name in zip(videos, full, strict=True)
    ]
