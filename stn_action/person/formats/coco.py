"""COCO JSON of videos: COCO-VID with `videos`, or images named `<video>/<frame number>.jpg`.

Convention: bbox is [left, top, width, height] in pixel edges counted from 0, as in COCO itself. An
image's frame is its `frame_id`, counted from 0; without one, the last number in its file name,
counted from 1 as ffmpeg numbers images (or from `first_frame`). The video is named by
`video_id` and the list `videos`; without one, by the folder in the file name.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from stn_action.errors import InputError
from stn_action.person.formats.box_collector import (
    BoxCollector,
    corners_from_xywh,
    parse_frame_index,
    parse_integer,
    parse_length,
    parse_number,
    parse_rate,
    parse_side,
)
from stn_action.person.formats.text_files import read_text, write_text
from stn_action.person.video_people import VideoPeople

PERSON_NAMES = ("person", "pedestrian", "human", "people")
TRACK_KEYS = ("track_id", "instance_id")


class _Frame(NamedTuple):
    video: str
    frame: int


class _Video:
    """One video of the file while it is read."""

    def __init__(self, path: Path, entry: dict[str, Any], where: str):
        self.gathered = BoxCollector(path)
        self.size_hw = _size(entry, where)
        fps, length = entry.get("fps"), entry.get("length")
        self.fps = None if fps is None else parse_rate(fps, where, "fps")
        self.num_frames = None if length is None else parse_length(length, where, "length")

    def people(self, name: str) -> VideoPeople:
        return self.gathered.people(
            name,
            size_hw=self.size_hw,
            num_frames=self.num_frames,
            fps=self.fps,
            sort_persons=True,
        )


def read_coco(path: str | Path, *, first_frame: int = 1) -> list[VideoPeople]:
    """Read the persons of a COCO file; a person is a `track_id` (or `instance_id`) in a video.

    Only annotations of the category `person` (or a like one) are read, and no crowds. A missing
    `score` is 1; `label` is the action of the person.

    Args:
        path: the JSON file.
        first_frame: number of a video's first image, if only file names number them.

    Returns:
        Videos in the order of `videos`, else of their images; persons in the order of their ids.
        A video whose images have no annotation has no person.

    Raises:
        InputError: the file is malformed, or persons have no identity.
    """
    path = Path(path)
    content = _load_coco(path)
    categories = _persons(_list_entries(content, "categories", path), path)
    videos: dict[str, _Video] = {}
    names: dict[Any, str] = {}
    for where, entry in _list_entries(content, "videos", path, required=False):
        name = _read_string(entry, "name", where)
        if _read_id(entry, "id", where) in names or name in videos:
            raise InputError(f"{where}: the video {name!r} or its id is duplicated")
        names[entry["id"]] = name
        videos[name] = _Video(path, entry, where)
    frames = _frames_by_id(content, path, names, videos, first_frame)
    for where, entry in _list_entries(content, "annotations", path):
        frame_of_image = frames.get(_read_id(entry, "image_id", where))
        if frame_of_image is None:
            raise InputError(f"{where}: there is no image with the id {entry['image_id']!r}")
        if _read_id(entry, "category_id", where) in categories and not entry.get("iscrowd"):
            _add(videos[frame_of_image.video].gathered, frame_of_image.frame, entry, where)
    if not videos:
        raise InputError(f"{path}: the file has no images")
    return [video.people(name) for name, video in videos.items()]


def write_coco(path: str | Path, people: Iterable[VideoPeople]) -> None:
    """Write COCO-VID: `videos`, `images` for frames with a person, `annotations` with `track_id`.

    Persons are numbered from 1 in each video. Images are named `<video>/<frame from 1>.jpg`.
    """
    content: dict[str, list[dict[str, Any]]] = {"videos": [], "images": [], "annotations": []}
    for video_id, video in enumerate(people, start=1):
        size = dict(zip(("height", "width"), video.size_hw or (), strict=False))
        known = {"length": video.num_frames, "fps": video.fps}
        entry = {"id": video_id, "name": video.name, **size}
        content["videos"].append(
            {**entry, **{key: value for key, value in known.items() if value is not None}}
        )
        _append_frames(content, video, video_id, size)
    categories = [{"id": 1, "name": "person"}]
    write_text(path, json.dumps({**content, "categories": categories}, allow_nan=False) + "\n")


def _append_frames(content: dict, video: VideoPeople, video_id: int, size: dict) -> None:
    images: dict[int, int] = {}
    frames = {frame for tube in video.tubes for frame in tube.frame_indices.tolist()}
    for frame in sorted(frames):
        images[frame] = len(content["images"]) + 1
        name = f"{video.name}/{frame + 1:06d}.jpg"
        place = {"video_id": video_id, "frame_id": frame, "file_name": name}
        content["images"].append({"id": images[frame], **place, **size})
    for track_id, tube in enumerate(video.tubes, start=1):
        label = video.labels[track_id - 1] if video.labels else None
        known = {} if label is None else {"label": label}
        for frame, (x0, y0, x1, y1), score in zip(
            tube.frame_indices.tolist(), tube.boxes.tolist(), tube.scores.tolist(), strict=True
        ):
            width, height = x1 - x0, y1 - y0
            annotation = {
                "id": len(content["annotations"]) + 1,
                "image_id": images[frame],
                "video_id": video_id,
                "category_id": 1,
                "track_id": track_id,
                "bbox": [x0, y0, width, height],
                "area": width * height,
                "iscrowd": 0,
                "score": score,
                **known,
            }
            content["annotations"].append(annotation)


def _persons(categories: list[tuple[str, dict]], path: Path) -> set[Any]:
    """Return the ids of the categories that are persons."""
    names = {
        _read_id(entry, "id", where): _read_string(entry, "name", where)
        for where, entry in categories
    }
    persons = {key for key, name in names.items() if name.strip().lower() in PERSON_NAMES}
    if not persons:
        raise InputError(
            f"{path}, categories: none is a person ({', '.join(PERSON_NAMES)}); there are "
            f"{sorted(names.values())}"
        )
    return persons


def _frames_by_id(
    content: dict, path: Path, names: dict[Any, str], videos: dict[str, _Video], first_frame: int
) -> dict[Any, _Frame]:
    """Return video and frame of every image; videos known from file names alone are added."""
    frames: dict[Any, _Frame] = {}
    for where, entry in _list_entries(content, "images", path):
        key = _read_id(entry, "id", where)
        if key in frames:
            raise InputError(f"{where}: the id {key!r} is duplicated")
        video = _video_name(entry, names, where)
        if video not in videos:
            videos[video] = _Video(
                path, {name: entry.get(name) for name in ("height", "width")}, where
            )
        frame = _frame(entry, where, first_frame, videos[video].num_frames)
        frames[key] = _Frame(video, frame)
    return frames


def _video_name(entry: dict[str, Any], names: dict[Any, str], where: str) -> str:
    if "video_id" in entry:
        if (key := _read_id(entry, "video_id", where)) not in names:
            raise InputError(f"{where}: there is no video with the id {key!r} in `videos`")
        return names[key]
    folder = PurePosixPath(_read_string(entry, "file_name", where)).parent.as_posix()
    if folder == ".":
        raise InputError(
            f"{where}: file_name must be <video>/<frame number>.jpg, got {entry['file_name']!r}, "
            "or `video_id` and `frame_id` must be given"
        )
    return folder


def _frame(entry: dict[str, Any], where: str, first_frame: int, num_frames: int | None) -> int:
    if "frame_id" in entry:
        return parse_frame_index(entry["frame_id"], where, first=0, num_frames=num_frames)
    numbers = re.findall(r"[0-9]+", PurePosixPath(_read_string(entry, "file_name", where)).stem)
    if not numbers:
        raise InputError(f"{where}: there is no frame number in {entry['file_name']!r}")
    if len(numbers[-1]) < 16 and int(numbers[-1]) < first_frame:
        raise InputError(
            f"{where}: frame {numbers[-1]} comes before the first, {first_frame}; give "
            "first_frame=0 if frames are numbered from 0"
        )
    return parse_frame_index(numbers[-1], where, first=first_frame, num_frames=num_frames)


def _add(gathered: BoxCollector, frame: int, entry: dict[str, Any], where: str) -> None:
    track = next((key for key in TRACK_KEYS if entry.get(key) is not None), None)
    if track is None:
        raise InputError(
            f"{where}: there is neither track_id nor instance_id; these are detections, not "
            "tracks: track them first"
        )
    bbox = entry.get("bbox")
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise InputError(f"{where}: bbox must be [left, top, width, height]")
    label = entry.get("label")
    if label is not None and not isinstance(label, str):
        raise InputError(f"{where}: label must be text")
    gathered.add(
        parse_integer(entry[track], where, track),
        frame,
        corners_from_xywh([parse_number(value, where, "bbox") for value in bbox], where),
        score=parse_number(1 if entry.get("score") is None else entry["score"], where, "score"),
        label=label,
        where=where,
    )


def _size(entry: dict[str, Any], where: str) -> tuple[int, int] | None:
    if entry.get("height") is None or entry.get("width") is None:
        return None
    height = parse_side(entry["height"], where, "height")
    return height, parse_side(entry["width"], where, "width")


def _load_coco(path: Path) -> dict[str, Any]:
    """Read the file.

    Raises:
        InputError: it is not JSON, or is a list of results.
    """
    try:
        content = json.loads(read_text(path))
    except RecursionError:
        raise InputError(f"{path}: this JSON is nested too deeply for a file of boxes") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: this is not JSON, or it was truncated: {error}") from error
    if isinstance(content, list):
        raise InputError(
            f"{path}: this is a list of results, which names neither videos nor persons; a "
            "dictionary of images, annotations and categories is expected"
        )
    if not isinstance(content, dict):
        raise InputError(f"{path}: a dictionary of images, annotations and categories is expected")
    return content


def _list_entries(
    content: dict, key: str, path: Path, *, required: bool = True
) -> list[tuple[str, dict[str, Any]]]:
    """Return the dictionaries of a list, each with its position in the file.

    Raises:
        InputError: the list is missing though required, or contains something else.
    """
    if key not in content and not required:
        return []
    found = content.get(key)
    if not isinstance(found, list):
        raise InputError(f"{path}, {key}: there must be a list {key!r}")
    for index, entry in enumerate(found):
        if not isinstance(entry, dict):
            raise InputError(f"{path}, {key}[{index}]: a dictionary is expected")
    return [(f"{path}, {key}[{index}]", entry) for index, entry in enumerate(found)]


def _read_id(entry: dict[str, Any], key: str, where: str) -> int | str:
    """Return an id, a number or text.

    Raises:
        InputError: it is missing, or neither.
    """
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise InputError(f"{where}: there must be a number {key!r}")
    return value


def _read_string(entry: dict[str, Any], key: str, where: str) -> str:
    """Return a text.

    Raises:
        InputError: it is missing, empty or not text.
    """
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise InputError(f"{where}: there must be a text {key!r}")
    return value
