"""FineGym99: elements of gymnastics, 99 classes, with their official lists (Shao et al. 2020)."""

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from stn_action.data.datasets.list_file import read_json_list, read_list_lines
from stn_action.data.datasets.named_files import subfolder
from stn_action.data.listing import Listing, require_folder
from stn_action.data.video_files import files_by_stem
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError

LISTS = "annotations"
TRAIN = ("gym99_train_element_v1.1.txt", "gym99_train_element_v1.0.txt", "gym99_train_org.txt")
TEST = ("gym99_val_element.txt", "gym99_val_org.txt")
CLASSES = ("gym99_categories.txt",)
TIMES = ("finegym_annotation_info_v1.1.json", "finegym_annotation_info_v1.0.json",
         "annotation.json")  # fmt: skip
"""Names in the order in which they are taken: those of the site, then those of mmaction2."""
CLIPS, EVENTS, VIDEOS = "subactions", "events", "videos"
CLIP_FRAMES = "subaction_frames"
"""As mmaction2 calls the folder of folders of frames."""
RESOURCES = "https://sdolivia.github.io/FineGym/resources/dataset/"
REMEDY = (
    f"get {TRAIN[0]}, {TEST[0]}, {CLASSES[0]} and {TIMES[0]} from {RESOURCES} into {LISTS} of "
    f"data.root, and clips of the elements into {CLIPS}, of the events into {EVENTS}, or the "
    f"videos into {VIDEOS}, called by their ids"
)
_ELEMENT = re.compile(
    r"(?P<event>(?P<video>[\w-]{11})_(?P<event_id>E_\d{6}_\d{6}))_(?P<element_id>A_\d{4}_\d{4})"
)
_CLASS = re.compile(r"Clabel:\s*(\d+);\s*set:\s*\d+;\s*Glabel:\s*\d+;\s*(\S.*)")


def list_finegym99(root: str | Path, fold: int = 1) -> Listing:
    """List the elements to train on and, as the part to test on, those of the validation list.

    The lists are `gym99_train_element_v1.1.txt` (else that of v1.0) and `gym99_val_element.txt`,
    lines of an id and a class from 0, and `gym99_categories.txt`, lines of
    `Clabel: <class>; set: <n>; Glabel: <n>; (<apparatus>) <name>`, in `root/annotations` or `root`;
    mmaction2's names of the lists are accepted. An id is that of a YouTube video, of an event
    (`E_`, seconds in the video) and of an element (`A_`, seconds in the event).

    An element is a clip `subactions/<id>.mp4` (or in `root/videos` or `root`), or a folder of
    frames, there or in `subaction_frames`; else a slice of the event, `events/<video>_<event>.mp4`,
    or of the video, `videos/<video>.mp4`, by the times of `finegym_annotation_info_v1.1.json`. Of
    an element in several stages, as a vault, it is all of them. Elements whose video is gone from
    YouTube are left out and counted.

    The form of ids and validation list is that of a copy in a public repository; that of the
    categories, and the layout of clips and times, is as the preparation scripts of others
    (mmaction2's `tools/data/gym`) read them. The lists were released in two versions, and their
    numbers are not known here, so that only the classes are counted. Nor is it known whether the
    lists share videos: each element is a group of its own. A mirrored element is of the same class.

    Args:
        root: the folder of the data set.
        fold: 1; there is one.

    Raises:
        InputError: the folder or a list is missing or malformed, a class is unknown, or the times
            of an element without a clip are missing or malformed.
    """
    del fold
    root = require_folder(root, what="finegym99", remedy=REMEDY)
    lists = subfolder(root, LISTS)
    classes = _read_classes(_find(lists, CLASSES))
    sources = _Sources(root, lists)
    train, test = (
        VideoTable(
            sources.video(element, label)
            for element, label in _read_list(_find(lists, names), classes)
        )
        for names in (TRAIN, TEST)
    )
    return Listing("finegym99 val", classes, train, VideoTable(), test, unit="elements")


class _Element(NamedTuple):
    """An entry of a list."""

    name: str
    event: str
    """Name of the event's clip."""
    video: str
    event_id: str
    element_id: str


class _Sources:
    """The files on the disk, and where in them elements are."""

    def __init__(self, root: Path, lists: Path) -> None:
        self.root = root
        clips, frames, self.events, self.videos, others = (
            files_by_stem(folder)
            for folder in (*(root / name for name in (CLIPS, CLIP_FRAMES, EVENTS, VIDEOS)), root)
        )
        self.clips = others | self.videos | frames | clips
        self.lists = lists

    def video(self, element: _Element, label: int) -> Video:
        clip = self.clips.get(element.name)
        event, video = self.events.get(element.event), self.videos.get(element.video)
        whole = event or video
        if clip is not None or whole is None:
            path = clip or self.root / CLIPS / f"{element.name}.mp4"
            return Video(element.name, path, label, element.name)
        event_start, start, end = self._span(element)
        offset = 0.0 if event is not None else event_start
        return Video(element.name, whole, label, element.name, offset + start, offset + end)

    @cached_property
    def _times(self) -> tuple[Path, dict[str, Any]]:
        path = _find(self.lists, TIMES)
        return path, read_json_list(path, dict, remedy=REMEDY)

    def _span(self, element: _Element) -> tuple[float, float, float]:
        """Return the seconds of the event in the video, and of the element in the event."""
        path, times = self._times
        where = f"{path}, {element.name}"
        event = _entry(times, element.video, element.event_id)
        segment = _entry(event, "segments", element.element_id)
        event_start, _ = _first_and_last(event, where)
        start, end = _first_and_last(segment, where)
        if event_start < 0 or not 0 <= start < end:
            raise InputError(
                f"{where}: expected an element that ends after its start, got {start:g} s to "
                f"{end:g} s of an event at {event_start:g} s"
            )
        return event_start, start, end


def _find(lists: Path, names: tuple[str, ...]) -> Path:
    for path in (lists / name for name in names):
        if path.is_file():
            return path
    raise InputError(f"finegym99: there is no {' or '.join(names)} in {lists}; {REMEDY}")


def _read_classes(path: Path) -> tuple[str, ...]:
    names: list[str] = []
    for line in read_list_lines(path, remedy=REMEDY):
        match = _CLASS.fullmatch(line)
        if match is None or int(match[1]) != len(names):
            raise InputError(
                f"{path}: expected 'Clabel: {len(names)}; set: <n>; Glabel: <n>; <name>', got "
                f"{line!r}; {REMEDY}"
            )
        names.append(match[2])
    return tuple(names)


def _read_list(path: Path, classes: tuple[str, ...]) -> list[tuple[_Element, int]]:
    entries = []
    for line in read_list_lines(path, remedy=REMEDY):
        name, _, label = line.partition(" ")
        match = _ELEMENT.fullmatch(name)
        if match is None:
            raise InputError(
                f"{path}: expected '<video>_E_<start>_<end>_A_<start>_<end> <class>', got {line!r}"
            )
        if not re.fullmatch(r"[0-9]{1,4}", label) or int(label) >= len(classes):
            raise InputError(
                f"{path}: expected a class from 0 to {len(classes) - 1} of {CLASSES[0]} for "
                f"{name}, got {label!r}"
            )
        parts = (match[part] for part in ("event", "video", "event_id", "element_id"))
        entries.append((_Element(name, *parts), int(label)))
    return entries


def _entry(content: Any, *keys: str) -> Any:
    """Return what is at the end of a path of keys; None: there is nothing."""
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content


def _first_and_last(entry: Any, where: str) -> tuple[float, float]:
    """Return the start of the first and the end of the last of the times of an entry."""
    match _entry(entry, "timestamps"):
        case [[int() | float() as start, int() | float() as end]]:
            return start, end
        case [[int() | float() as start, _], *_, [_, int() | float() as end]]:
            return start, end
    raise InputError(
        f"{where}: expected 'timestamps', pairs of seconds, of this event and element; is it of "
        f"another version than the lists? {REMEDY}"
    )
