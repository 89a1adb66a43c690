"""Plain CSV files: a folder with one person per file, or one long file for all people."""

from collections.abc import Iterable
from pathlib import Path

from stn_action.errors import InputError
from stn_action.person.formats.box_collector import (
    BoxCollector,
    check_corners,
    parse_frame_index,
    parse_number,
)
from stn_action.person.formats.text_files import csv_rows, format_float32, path_below, write_text
from stn_action.person.store.tube_folder import TubeFolder, read_tube_csv, write_tube_csv
from stn_action.person.video_people import VideoPeople

COLUMNS = ("video", "person", "frame", "x0", "y0", "x1", "y1", "score")
LABEL = "label"


def read_tube_folder(path: str | Path) -> list[VideoPeople]:
    """Read a folder of `<video>.csv`, as `TubeFolder` reads it: one person per video.

    Raises:
        InputError: there is no such folder, or a file is malformed.
    """
    root = TubeFolder(path).root
    return [
        VideoPeople(file.relative_to(root).with_suffix("").as_posix(), (read_tube_csv(file),))
        for file in sorted(root.rglob("*.csv"))
    ]


def write_tube_folder(path: str | Path, people: Iterable[VideoPeople]) -> None:
    """Write `<video>.csv` below a folder; a video without a person gets no file.

    Raises:
        InputError: a video has several persons, or its name cannot be a path.
    """
    for video in people:
        if len(video.tubes) > 1:
            raise InputError(
                f"{path}: {video.name} has {len(video.tubes)} persons, this format one per video; "
                "write the long CSV file, or select one person"
            )
        target = path_below(path, video.name)
        for tube in video.tubes:
            write_tube_csv(target.with_name(f"{target.name}.csv"), tube)


def read_long_csv(path: str | Path) -> list[VideoPeople]:
    """Read `video,person,frame,x0,y0,x1,y1,score`.

    Columns are found by name; `label` is the action of the person, others are ignored. `frame`
    counts from 0, corners are pixel edges, an empty or missing score is 1, `person` is any text. A
    line with only `video` means that no person was found in it.

    Returns:
        Videos and persons in order of appearance.

    Raises:
        InputError: the file is malformed, or a person has two boxes in a frame or two labels.
    """
    rows = csv_rows(path)
    where, header = next(rows, (str(path), []))
    names = [cell.lower() for cell in header]
    missing = [name for name in COLUMNS[:-1] if name not in names]
    if missing:
        raise InputError(
            f"{where}: the column {', '.join(missing)} is missing; the first line must be "
            f"{','.join(COLUMNS)}, got {','.join(header)!r}"
        )
    videos: dict[str, BoxCollector] = {}
    for where, cells in rows:
        if len(cells) != len(names):
            raise InputError(f"{where}: {len(names)} cells expected, got {len(cells)}")
        values = dict(zip(names, cells, strict=True))
        if not values["video"]:
            raise InputError(f"{where}: the name of the video is missing")
        gathered = videos.setdefault(values["video"], BoxCollector(path))
        if any(values[name] for name in COLUMNS[1:7]):
            _add(gathered, values, where)
    if not videos:
        raise InputError(f"{path}: the file has no boxes; was it truncated?")
    return [gathered.people(name) for name, gathered in videos.items()]


def write_long_csv(path: str | Path, people: Iterable[VideoPeople]) -> None:
    """Write all people to one file; persons are numbered from 1 in each video.

    Labels, if any, are written to a ninth column; sizes and lengths of videos are not kept.

    Raises:
        InputError: a name or a label could not be read back.
    """
    lines = []
    for video in people:
        if not video.tubes:
            lines.append([video.name, *[""] * 8])
        for person, tube in enumerate(video.tubes, start=1):
            label = (video.labels[person - 1] if video.labels else None) or ""
            for frame, box, score in zip(
                tube.frame_indices.tolist(), tube.boxes.tolist(), tube.scores.tolist(), strict=True
            ):
                cells = [str(person), str(frame), *map(format_float32, [*box, score])]
                lines.append([video.name, *cells, label])
    columns = [*COLUMNS, LABEL]
    if not any(line[-1] for line in lines):
        columns, lines = columns[:-1], [line[:-1] for line in lines]
    text = "".join(
        ",".join(_cell(cell, path) for cell in line) + "\n" for line in [columns, *lines]
    )
    write_text(path, text)


def _add(gathered: BoxCollector, values: dict[str, str], where: str) -> None:
    if not values["person"]:
        raise InputError(f"{where}: the person is missing")
    corners = [parse_number(values[name], where, name) for name in COLUMNS[3:7]]
    gathered.add(
        values["person"],
        parse_frame_index(values["frame"], where, first=0),
        check_corners(corners, where),
        score=parse_number(values.get("score") or "1", where, "score"),
        label=values.get(LABEL) or None,
        where=where,
    )


def _cell(text: str, path: str | Path) -> str:
    if text != text.strip() or any(character in text for character in "\r\n\0"):
        raise InputError(f"{path}: {text!r} cannot be a cell; outer blanks would be lost")
    if any(character in text for character in ',"'):
        return '"' + text.replace('"', '""') + '"'
    return text
