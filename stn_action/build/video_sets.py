"""The videos that a tool is given: those of a configuration, or of a folder."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from stn_action.build.data import fold_configs, load_listing, read_listing
from stn_action.config.schema import Config, load_config
from stn_action.data.listing import VIDEO_SUFFIXES
from stn_action.data.video_table import Video
from stn_action.errors import InputError


def videos_of(config_or_folder: str | Path, overrides: Sequence[str] = ()) -> list[Video]:
    """Return every video of a configuration's data set, or of a folder, once, sorted by name.

    Of a configuration: all videos of its fold, of every fold with
    `data.fold=all`. Videos of official lists are included even if they are not on the disk.
    Of a folder: the files below it that have a suffix of a video, except hidden ones; the name is
    the path below the folder without suffix, or with it if files differ in the suffix alone.

    Args:
        config_or_folder: a YAML file or a folder.
        overrides: `key.sub=value`, for a configuration only.

    Raises:
        InputError: there is no such file or folder, it holds no video, or the configuration or
            its data set is wrong.
    """
    path = Path(config_or_folder)
    if path.is_dir():
        if overrides:
            raise InputError(
                f"{path} is a folder, which takes no setting {overrides[0]}; give a configuration"
            )
        videos = _videos_below(path)
    else:
        config = load_config(config_or_folder, overrides)
        listings = [read_listing(fold, require_files=False) for fold in _folds(config)]
        videos = [video for listing in listings for video in listing.all_videos]
    return sorted({video.name: video for video in videos}.values(), key=lambda video: video.name)


def videos_named(names: Sequence[str], config: Config) -> list[Video]:
    """Return the videos of paths, folders, and of the words "train", "val" and "test", each once.

    Args:
        names: files, folders or parts of the data set of `config`.
        config: names the data set.

    Raises:
        InputError: there is no such file, a folder holds no video, or nothing is named.
    """
    if not names:
        raise InputError("no video is given; give a video, a folder of videos, train, val or test")
    videos: list[Video] = []
    for name in names:
        path = Path(name)
        if name in ("train", "val", "test") and not path.exists():
            videos += getattr(load_listing(config), name)
        elif path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES)
            if not found:
                raise InputError(f"{path}: there is no video in this folder")
            videos += [unlabeled_video(file) for file in found]
        elif path.is_file():
            videos.append(unlabeled_video(path))
        else:
            raise InputError(
                f"{name}: no such file or folder; give a video, a folder of videos, train, val "
                "or test"
            )
    return _with_unique_names(videos)


def pick_evenly(videos: Sequence[Video], limit: int) -> list[Video]:
    """Return at most `limit` of the videos, evenly spaced over the list."""
    if len(videos) <= limit:
        return list(videos)
    return [videos[place * len(videos) // limit] for place in range(limit)]


def _folds(config: Config) -> list[Config]:
    return fold_configs(config) if config.data.fold == "all" else [config]


def _videos_below(folder: Path) -> list[Video]:
    files = sorted(_files_below(folder, {folder.resolve()}))
    if not files:
        raise InputError(
            f"{folder}: there is no video below this folder; expected files that end in "
            f"{' '.join(VIDEO_SUFFIXES)}"
        )
    relative = [file.relative_to(folder) for file in files]
    number = Counter(path.with_suffix("") for path in relative)
    names = [
        path if number[path.with_suffix("")] > 1 else path.with_suffix("") for path in relative
    ]
    return [
        Video(name.as_posix(), file, target=0, group=name.as_posix())
        for name, file in zip(names, files, strict=True)
    ]


def _files_below(folder: Path, entered: set[Path]) -> Iterator[Path]:
    """Yield video files; links to folders are followed, but no folder is entered twice."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = folder / entry.name
            if entry.is_dir():
                if (real := path.resolve()) not in entered:
                    entered.add(real)
                    yield from _files_below(path, entered)
            elif path.suffix.lower() in VIDEO_SUFFIXES:
                yield path


def _with_unique_names(videos: Sequence[Video]) -> list[Video]:
    """Return each video once; files that share a name are named by their full paths."""
    videos = list(dict.fromkeys(videos))
    number = Counter(video.name for video in videos)
    return [
        video
        if number[video.name] == 1
        else replace(video, name=video.path.with_suffix("").as_posix().lstrip("./"))
        for video in videos
    ]


def unlabeled_video(path: Path) -> Video:
    """Return a video named by its file and two folders, which identify its boxes."""
    parts = [part for part in path.with_suffix("").parts if part not in ("..", path.anchor)]
    return Video("/".join(parts[-3:]), path, target=0, group="")
