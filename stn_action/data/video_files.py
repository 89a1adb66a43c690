"""The videos below a folder, files and folders of frames, and their names."""

import glob
import os
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from stn_action.errors import InputError
from stn_action.video.frame_folder import is_frame
from stn_action.video.suffixes import has_video_suffix, without_video_suffix


@dataclass
class FoundFiles:
    """The files below a folder."""

    videos: list[Path] = field(default_factory=list)
    """Files with the suffix of a video and folders of frames, sorted; readable or not."""
    passed_over: Counter[str] = field(default_factory=Counter)
    """What else is there and how often, by suffix: "no suffix", ".txt"."""


def find_video_files(folder: Path) -> FoundFiles:
    """Find all files below a folder, except hidden ones and those in hidden folders.

    Links to folders are followed, but no folder is entered twice. A folder below it that holds
    frames (see `holds_frames`) is one video, whatever else is in it. A folder that is called like a
    video and holds none counts as one, which cannot be read.

    Raises:
        InputError: a folder cannot be listed.
    """
    found = FoundFiles()
    _search(folder, _listed(folder), {folder.resolve()}, found)
    found.videos.sort()
    return found


def holds_frames(folder: Path) -> bool:
    """Return whether a folder is meant to be one video: numbered images, no video and no folder.

    Whether its frames can be read, opening it tells.

    Raises:
        InputError: the folder cannot be listed.
    """
    return _are_frames(_listed(folder))


def is_present(path: Path) -> bool:
    """Return whether there is a file, or a folder, which may hold frames."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return S_ISREG(mode) or S_ISDIR(mode)


def name_files(paths: Sequence[Path]) -> list[str]:
    """Return the names of videos: without its suffix, or with it where others would be equal.

    Only the suffix of a video is one; other endings, of a folder of frames, are part of the name.

    Args:
        paths: relative; no two are equal.

    >>> name_files([Path("a/x.mp4"), Path("a/x.avi"), Path("a/y.v2.mp4"), Path("a/z.v2")])
    ['a/x.mp4', 'a/x.avi', 'a/y.v2', 'a/z.v2']
    """
    stems = [path.with_name(without_video_suffix(path.name)) for path in paths]
    number = Counter([*stems, *paths])
    return [
        (path if number[stem] > 1 else stem).as_posix()
        for path, stem in zip(paths, stems, strict=True)
    ]


def files_by_stem(folder: Path) -> dict[str, Path]:
    """Return the videos of a folder by their names without suffix, of several the preferred.

    They are files and folders of frames (see `holds_frames`), files first. What is hidden, and a
    folder that cannot be listed, is left out. Empty if there is no such folder.
    """
    if not folder.is_dir():
        return {}
    paths = list(folder.glob("[!.]*"))
    files = [path for path in paths if has_video_suffix(path)]
    frames = {path.name: path for path in paths if not has_video_suffix(path) and _frames_in(path)}
    ordered = sorted(files, key=preference, reverse=True)
    return frames | {stem_of(path): path for path in ordered}


def are_present(paths: Sequence[str]) -> list[bool]:
    """Return for each path whether it leads to a file or a folder.

    Each folder is listed once, which is much faster than to ask for every file where the files are
    far away, as on a network drive.
    """
    rows: dict[str, array[int]] = {}
    for row, path in enumerate(paths):
        rows.setdefault(path[: path.rfind("/") + 1], array("L")).append(row)
    present = [False] * len(paths)
    for folder, places in rows.items():
        names = {paths[row][len(folder) :] for row in places}
        try:
            with os.scandir(folder or os.curdir) as entries:
                there = {entry.name for entry in entries if entry.name in names and _leads(entry)}
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:  # it may be entered, but not listed
            there = {name for name in names if os.path.exists(folder + name)}  # noqa: PTH110
        for row in places:
            present[row] = paths[row][len(folder) :] in there
    return present


def preference(path: Path) -> tuple[bool, bool, str]:
    """Return a key that sorts the files of one video: `.avi` as official lists have it, `.mp4`."""
    return path.suffix != ".avi", path.suffix != ".mp4", path.suffix


def stem_of(path: Path) -> str:
    """Return the last part of a video's path without suffix; a folder has only that of a video."""
    return without_video_suffix(path.name) if path.is_dir() else path.stem


def has_namesake(path: Path) -> bool:
    """Return whether another video beside this one has the same name without its suffix."""
    stem = stem_of(path)
    try:
        beside = list(path.parent.glob(f"{glob.escape(stem)}*"))  # others have other names
    except OSError:
        return False
    others = [
        other
        for other in beside
        if has_video_suffix(other)
        or (other.name == stem and other.is_dir() and holds_frames(other))
    ]
    return any(
        stem in (other.name, without_video_suffix(other.name))
        for other in others
        if other.name != path.name
    )


def passed_over_line(passed_over: Mapping[str, int], where: object) -> str:
    """Return a line about the files that are no videos by their names.

    Args:
        passed_over: as `FoundFiles.passed_over`, not empty.
        where: the folder.
    """
    kinds = ", ".join(f"{kind} {number}" for kind, number in sorted(passed_over.items()))
    total = sum(passed_over.values())
    files = "1 file that is" if total == 1 else f"{total} files that are"
    return f"passed over in {where}: {files} not called like a video ({kinds})"


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    """Return what a folder holds, without what is hidden, sorted by name."""
    try:
        with os.scandir(folder) as listed:
            shown = [entry for entry in listed if not entry.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{folder}: this folder cannot be listed ({error.strerror})") from error
    return sorted(shown, key=lambda entry: entry.name)


def _search(
    folder: Path, entries: Sequence[os.DirEntry[str]], entered: set[Path], found: FoundFiles
) -> None:
    for entry in entries:
        path = folder / entry.name
        if _is_folder(entry):
            before = len(found.videos)
            if (real := path.resolve()) not in entered:
                entered.add(real)
                inside = _listed(path)
                if _are_frames(inside):
                    found.videos.append(path)
                else:
                    _search(path, inside, entered, found)
            if has_video_suffix(path) and len(found.videos) == before:
                found.videos.append(path)
        elif has_video_suffix(path):
            found.videos.append(path)
        else:
            found.passed_over[path.suffix.lower() or "no suffix"] += 1


def _are_frames(entries: Iterable[os.DirEntry[str]]) -> bool:
    found = False
    for entry in entries:
        if is_frame(entry.name):
            found = True
        elif _is_folder(entry) or has_video_suffix(Path(entry.name)):
            return False
    return found


def _frames_in(folder: Path) -> bool:
    """Return whether a path is a folder that can be listed and holds frames."""
    try:
        return folder.is_dir() and holds_frames(folder)
    except (InputError, OSError):
        return False


def _leads(entry: os.DirEntry[str]) -> bool:
    """Return whether this is no broken link."""
    try:
        return entry.is_file() or entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
