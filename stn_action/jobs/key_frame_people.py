"""People of samples that are persons at key frames: one box each, of the list that names them."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path

import torch

from stn_action.data.datasets.ava_detected import find_detections, read_detected_frames
from stn_action.data.datasets.ava_v2 import PARTS, read_key_frames
from stn_action.data.key_frames import KeyFrameBoxes
from stn_action.data.video_table import Video
from stn_action.errors import InputError
from stn_action.person.tube import Tube
from stn_action.person.video_people import VideoPeople
from stn_action.video.reader import VideoError, VideoReader

Shares = tuple[float, ...]


def key_frame_people(
    root: Path, videos: Sequence[Video], failures: dict[str, str]
) -> Iterator[VideoPeople]:
    """Yield a tube of one box for each sample of AVA whose film is there; the slice holds the box.

    A film is opened once, for its size and the times of its frames. A sample whose film cannot be
    read, or ends before the key frame, is yielded without a box.

    Args:
        root: the folder of AVA's lists, or the one that holds it.
        videos: samples, those of a film one after the other.
        failures: filled with the name of each sample without a box, and the reason.

    Raises:
        InputError: a list is missing or malformed, none of the videos is in it, or no film is
            there.
    """
    boxes: dict[str, Shares] = {}
    for part in PARTS:
        listed = read_key_frames(root, part)
        boxes |= _boxes_by_name(listed)
    if any(video.name not in boxes for video in videos) and find_detections(root) is not None:
        detected = read_detected_frames(root, min_score=0).detected
        boxes |= _boxes_by_name(detected) if detected is not None else {}
    known = [video for video in videos if video.name in boxes]
    if not known:
        raise InputError(
            f"{root}: none of the {len(videos)} videos is a person in its lists; the first is "
            f"called {videos[0].name!r}, expected <film>/<timestamp>/<person_id>, as data.name=ava "
            "calls them, or d<number> for a detected person"
        )
    any_there = False
    for path, of_film in groupby(known, key=lambda video: video.path):
        if path.is_file():
            any_there = True
            yield from _people_of_film(path, list(of_film), boxes, failures)
    if not any_there:
        raise InputError(
            f"{root}: the films of all {len(known)} videos are missing, the first is "
            f"{known[0].path}; the size of a film is needed for boxes in pixels"
        )


def _boxes_by_name(listed: KeyFrameBoxes) -> dict[str, Shares]:
    return dict(zip(listed.names, map(tuple, listed.boxes.tolist()), strict=True))


def _people_of_film(
    path: Path, videos: Sequence[Video], boxes: dict[str, Shares], failures: dict[str, str]
) -> Iterator[VideoPeople]:
    try:
        reader = Video(path.stem, path, (), path.stem).open()
    except VideoError as error:
        failures |= {video.name: str(error) for video in videos}
        yield from (VideoPeople(video.name, ()) for video in videos)
        return
    with reader:
        height, width = reader.size_hw
        frame_at = lru_cache(maxsize=1)(_key_frame)  # of all persons at a key frame
        for video in videos:
            try:
                frame = frame_at(reader, video.start_seconds, video.end_seconds)
            except VideoError as error:
                failures[video.name] = str(error)
                yield VideoPeople(video.name, ())
                continue
            box = torch.tensor([boxes[video.name]]) * torch.tensor([width, height] * 2)
            tube = Tube(torch.tensor([frame]), box.float(), torch.ones(1))
            yield VideoPeople(video.name, (tube,), size_hw=(height, width), fps=reader.fps)


def _key_frame(reader: VideoReader, start_seconds: float, end_seconds: float) -> int:
    """Return the frame in the middle of a slice, counted from the slice's first.

    Raises:
        VideoError: the film ends before it.
    """
    frames = reader.frame_range(start_seconds, end_seconds)
    middle = (start_seconds + end_seconds) / 2
    key = reader.frame_range(middle, None).start
    if key >= frames.stop:
        raise VideoError(
            f"{reader.path}: the key frame at {middle:g} s is outside of the film, whose "
            f"{len(reader)} frames end at {reader.seconds_at(len(reader) - 1):g} s; is it complete?"
        )
    return key - frames.start
