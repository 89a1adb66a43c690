"""JHMDB: the zip of one text file per frame.

Convention: the zip holds `<class>_<video>_<frame, five digits from 1>.txt` with one line `<class
number> xmin ymin xmax ymax`. Corners are the first and the last pixel of the person, counted from 1
(in the file they reach from 1 to 320 and 240, the size of the images), so pixel edges are
x0 = xmin - 1 and x1 = xmax. The zip is read in place; nothing is unpacked.
"""

import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from stn_action.disk.regular_file import open_regular
from stn_action.errors import InputError
from stn_action.person.formats.box_collector import (
    BoxCollector,
    check_corners,
    parse_frame_index,
    parse_integer,
    parse_number,
)
from stn_action.person.video_people import VideoPeople

SIZE_HW = (240, 320)
"""Size of the images of the boxes, pixels."""
CLASSES = (
    *("brush_hair", "catch", "clap", "climb_stairs", "golf", "jump", "kick_ball", "pick", "pour"),
    *("pullup", "push", "run", "shoot_ball", "shoot_bow", "shoot_gun", "sit", "stand"),
    *("swing_baseball", "throw", "walk", "wave"),
)
"""In the order of their numbers, the first is 1."""
MAX_MEMBERS = 200_000
MAX_MEMBER_BYTES = 1024
_MEMBER = re.compile(r"(?:.*/)?(.+)_(\d{5})\.txt", re.DOTALL)
_NO_ZIP = (
    *(zipfile.BadZipFile, OSError, EOFError, RuntimeError, ValueError, OverflowError),
    *(zlib.error, lzma.LZMAError, struct.error),  # NotImplementedError is a RuntimeError
)


def read_jhmdb(path: str | Path) -> list[VideoPeople]:
    """Read the boxes of a zip of frames.

    Returns:
        One per video in the order of their names, named `<class>/<video>`, with one person each.

    Raises:
        InputError: the file is not such a zip, a member is too large or malformed, or a video has
            two boxes in a frame or two classes.
    """
    videos: dict[str, BoxCollector] = {}
    try:
        with open_regular(path, what="zip of boxes") as file, zipfile.ZipFile(file) as archive:
            for name, frame, text, where in _frames(archive, path):
                label, box = _box(text, where)
                if not name.startswith(f"{label}_"):
                    raise InputError(f"{where}: its class is {label}, but its name gives another")
                video = f"{label}/{name.removeprefix(f'{label}_')}"
                gathered = videos.setdefault(video, BoxCollector(path))
                gathered.add(1, frame, box, label=label, where=where)
    except InputError:
        raise
    except _NO_ZIP as error:
        raise InputError(f"{path}: this zip cannot be read: {error}") from error
    if not videos:
        raise InputError(f"{path}: this zip has no boxes")
    return [videos[name].people(name, size_hw=SIZE_HW) for name in sorted(videos)]


def _frames(archive: zipfile.ZipFile, path: str | Path) -> Iterator[tuple[str, int, bytes, str]]:
    """Yield class and video, frame index, content, and the position in the file."""
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) > MAX_MEMBERS:
        raise InputError(f"{path}: {len(members)} members are more than JHMDB has frames")
    for member in members:
        where = f"{path}, member {member.filename!r}"
        match = _MEMBER.fullmatch(member.filename)
        if match is None:
            raise InputError(f"{where}: names must be <class>_<video>_<frame, five digits>.txt")
        with archive.open(member) as file:  # the size that the zip declares may be false
            text = file.read(MAX_MEMBER_BYTES + 1)
        if len(text) > MAX_MEMBER_BYTES:
            raise InputError(f"{where}: more than {MAX_MEMBER_BYTES} bytes are no single box")
        yield match[1], parse_frame_index(match[2], where, first=1), text, where


def _box(text: bytes, where: str) -> tuple[str, tuple[float, float, float, float]]:
    try:
        lines = text.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: this must be plain text: {error}") from error
    cells = lines[0].split()
    if len(cells) != 5 or any(line.strip() for line in lines[1:]):
        raise InputError(
            f"{where}: one line `class xmin ymin xmax ymax` expected, got {lines[0]!r}"
        )
    label = parse_integer(cells[0], where, "the class", first=1)
    if label > len(CLASSES):
        raise InputError(f"{where}: the class must be 1 to {len(CLASSES)}, got {label}")
    x0, y0, x1, y1 = (parse_number(cell, where, "every corner") for cell in cells[1:])
    height, width = SIZE_HW
    if x0 < 1 or y0 < 1 or x1 > width or y1 > height:
        raise InputError(f"{where}: {lines[0]!r} is not inside the image, {width} x {height}")
    return CLASSES[label - 1], check_corners((x0 - 1, y0 - 1, x1, y1), where)
