"""UCF101-24: `pyannot.pkl` and `pyannot_with_class_names.pkl` of corrected-UCF101-Annots.

Convention: `sf` counts from 0 and `ef` is the frame after the last. Boxes x, y, w, h come from
MATLAB: x and y count from 1, and x + w is the number of the last column of the box (in
the file the smallest x is 1 and the largest x + w is 320, the image's width). So pixel edges are
x0 = x - 1 and x1 = x + w, and alike for y. Other evaluation scripts use (x, y, x + w, y + h),
which differs by one pixel at the left and the top.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stn_action.errors import InputError
from stn_action.person.formats.pickled_numpy import PickledArray
from stn_action.person.formats.safe_pickle import load_plain_pickle
from stn_action.person.tube import Tube
from stn_action.person.video_people import VideoPeople

SIZE_HW = (240, 320)
"""Size of the images of the boxes, pixels."""
CLASSES = (
    *("Basketball", "BasketballDunk", "Biking", "CliffDiving", "CricketBowling", "Diving"),
    *("Fencing", "FloorGymnastics", "GolfSwing", "HorseRiding", "IceDancing", "LongJump"),
    *("PoleVault", "RopeClimbing", "SalsaSpin", "SkateBoarding", "Skiing", "Skijet"),
    *("SoccerJuggling", "Surfing", "TennisSwing", "TrampolineJumping", "VolleyballSpiking"),
    "WalkingWithDog",
)
"""In the order of the labels in the file."""


def read_ucf101_24(path: str | Path) -> list[VideoPeople]:
    """Read the official boxes; a tube lasts as long as its action.

    Args:
        path: `pyannot.pkl` or `pyannot_with_class_names.pkl`; no code in it is run.

    Returns:
        One per video in the order of the file, named `Basketball/v_Basketball_g01_c01`.

    Raises:
        InputError: the file is damaged, harmful, or another one.
    """
    content = load_plain_pickle(path)
    if isinstance(content, dict) and isinstance(content.get("db"), dict):
        if content.get("classes") != list(CLASSES):
            raise InputError(f"{path}, key 'classes': these are not the 24 classes in their order")
        content = content["db"]
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path}: expected a dictionary from video names to annotations")
    return [_video(name, value, f"{path}, key {name!r}") for name, value in content.items()]


def read_ucf101_24_tubes(path: str | Path) -> list[VideoPeople]:
    """Read the official boxes, each tube as a sample of its own.

    Args:
        path: see `read_ucf101_24`.

    Returns:
        One per tube, named `Basketball/v_Basketball_g01_c01/0`: the video, and the number of the
        tube among those of the video.

    Raises:
        InputError: as `read_ucf101_24`.
    """
    return [
        replace(video, name=f"{video.name}/{number}", tubes=(tube,), labels=(label,))
        for video in read_ucf101_24(path)
        for number, (tube, label) in enumerate(zip(video.tubes, video.labels, strict=True))
    ]


def _video(name: Any, value: Any, where: str) -> VideoPeople:
    if not isinstance(name, str) or not isinstance(value, dict):
        raise InputError(f"{where}: expected the name of a video and a dictionary")
    num_frames = _whole(value.get("numf"), f"{where}, 'numf'", 1, 10**7)
    annotations = value.get("annotations")
    if not isinstance(annotations, list):
        raise InputError(f"{where}: there must be a list 'annotations'")
    tubes, labels = [], []
    for index, annotation in enumerate(annotations):
        here = f"{where}, annotations[{index}]"
        if not isinstance(annotation, dict):
            raise InputError(f"{here}: expected a dictionary of label, sf, ef and boxes")
        tubes.append(_tube(annotation, num_frames, here))
        labels.append(CLASSES[_whole(annotation.get("label"), f"{here}, 'label'", 0, 23)])
    return VideoPeople(name, tuple(tubes), SIZE_HW, num_frames, labels=tuple(labels))


def _tube(annotation: dict, num_frames: int, where: str) -> Tube:
    first = _whole(annotation.get("sf"), f"{where}, 'sf'", 0, num_frames - 1)
    end = _whole(annotation.get("ef"), f"{where}, 'ef'", first + 1, num_frames)
    array = annotation.get("boxes")
    values = array.values if isinstance(array, PickledArray) else None
    if values is None or values.dtype.kind not in "iuf" or values.shape != (end - first, 4):
        found = "none" if values is None else f"{values.dtype} {values.shape}"
        raise InputError(f"{where}, 'boxes': numbers ({end - first}, 4) expected, got {found}")
    boxes = values.astype(np.float64)  # in uint8, x + w would overflow
    boxes[:, 2:] += boxes[:, :2]
    boxes[:, :2] -= 1
    _check_boxes(boxes, first, where)
    frames = torch.arange(first, end)
    return Tube(frames, torch.from_numpy(boxes).float(), torch.ones(len(frames)))


def _check_boxes(boxes: np.ndarray, first: int, where: str) -> None:
    height, width = SIZE_HW
    inside = (boxes[:, :2] >= 0).all(1) & (boxes[:, 2] <= width) & (boxes[:, 3] <= height)
    ordered = (boxes[:, 2:] - boxes[:, :2] > 1).all(1)  # w = 0 would be one pixel wide
    if not (inside & ordered).all():
        worst = int(np.flatnonzero(~(inside & ordered))[0])
        raise InputError(
            f"{where}, 'boxes': the box of frame {first + worst}, "
            f"({', '.join(f'{value:g}' for value in boxes[worst])}), has no positive size or is "
            f"not inside the image of {width} x {height}"
        )


def _whole(value: Any, where: str, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        shown = value if isinstance(value, (int, float)) else type(value).__name__
        raise InputError(f"{where}: expected an integer from {low} to {high}, got {shown}")
    return value
