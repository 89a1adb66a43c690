"""AVA v2.2, tested on the boxes of a person detector, as published results are.

Letters: N detected boxes, G annotated persons, P pairs of them at one key frame, L labels of all
boxes together.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from stn_action.data.datasets.ava_v2 import (
    FRAMES_OF_FILM,
    AvaSamples,
    are_excluded,
    ava_list_folder,
    list_ava,
    read_ava_samples,
    require_ava_seconds,
)
from stn_action.data.key_frames import KeyFrameBoxes
from stn_action.data.listing import Listing
from stn_action.data.video_table import VideoTable
from stn_action.errors import InputError
from stn_action.person.formats.ava_lists import read_ava_detections

PART = "val"
DETECTIONS = (
    "person_box_67091280_iou90/ava_detection_val_boxes_and_labels.csv",
    "ava_detection_val_boxes_and_labels.csv",
    "ava_val_predicted_boxes.csv",
)
"""In the folder of the lists, the first that exists."""
SAME_PERSON_IOU = 0.5
PREFIX = "d"
REMEDY = (
    "get ava_annotations.tar of https://github.com/facebookresearch/SlowFast "
    "(slowfast/datasets/DATASET.md) and put "
    f"{DETECTIONS[0]} into annotations of data.root, beside the lists of AVA"
)


def list_ava_detected(root: str | Path, fold: int = 1, *, min_score: float) -> Listing:
    """List every annotated person to train on, and every detected one to test on.

    A sample of the test is a box of `ava_detection_val_boxes_and_labels.csv` with a score of at
    least `min_score`, called `<film>/<timestamp>/d<number>`, the number among the boxes of that
    key frame whatever their scores. Boxes at excluded timestamps are left out, as in `list_ava`.
    Published results take 0.9 (pytorchvideo, mmaction2, Slow-R50 of SlowFast) or 0.8 (SlowFast-R101
    there).

    The frame mAP of a result is that of the published evaluation: each box is a detection of every
    action with its probability, and persons that the detector missed are missed. Labels, which the
    mAP over boxes and the table of classes are about, are those of the annotated person with the
    largest overlap, if that is half; a box without such a person has none.

    Layout, columns and thresholds are those that SlowFast's `ava_helper.py`, its configurations
    and pytorchvideo's data set read and use; no such file was at hand.

    Args:
        root: see `list_ava`.
        fold: 1; there is one.
        min_score: smallest score of a box.

    Raises:
        InputError: as `list_ava`; or the list of detections is missing, malformed, of other films,
            or has no such box.
    """
    annotated = list_ava(root, fold)
    found = _read_detected(Path(root), min_score)[1]
    return replace(
        annotated,
        name=f"{annotated.name}, detected boxes (score {min_score:g})",
        test=VideoTable(found.videos(Path(root)), num_classes=len(annotated.classes)),
        left_out={**annotated.left_out, "test": found.left_out},
        unit="boxes",
    )


def read_detected_frames(root: str | Path, *, min_score: float) -> KeyFrameBoxes:
    """Return the annotated persons to be found, and the boxes that are classified.

    Args:
        root: the folder of the data set, or that of its lists.
        min_score: smallest score of a box.

    Raises:
        InputError: as `list_ava_detected`.
    """
    annotated, found = _read_detected(Path(root), min_score)
    return replace(
        annotated.key_frames(),
        detected=found.key_frames(),
        kind=f"detected boxes of score {min_score:g} or more",
    )


def find_detections(root: str | Path) -> Path | None:
    """Return the list of detected boxes; None if there is none.

    Raises:
        InputError: there is no such root.
    """
    paths = (ava_list_folder(root) / name for name in DETECTIONS)
    return next((path for path in paths if path.is_file()), None)


def _read_detected(root: Path, min_score: float) -> tuple[AvaSamples, AvaSamples]:
    """Return the annotated persons and the detected ones."""
    path = find_detections(root)
    if path is None:
        raise InputError(
            f"ava: there is no {' or '.join(DETECTIONS)} in {ava_list_folder(root)}; {REMEDY}"
        )
    annotated = read_ava_samples(ava_list_folder(root), PART)
    of_films = zip(annotated.films, (annotated.frames // FRAMES_OF_FILM).tolist(), strict=True)
    numbers = dict(of_films)
    lines = read_ava_detections(path)
    require_ava_seconds(lines.videos, lines.seconds, path)
    for film in lines.videos:
        if film not in numbers:
            raise InputError(
                f"{path}: expected boxes in the {len(numbers)} films to validate on, got "
                f"{film!r}; is this the list of another part? {REMEDY}"
            )
    film = np.array([numbers[one] for one in lines.videos], dtype=np.int64)
    frames = FRAMES_OF_FILM * film + lines.seconds.astype(np.int64)
    # A box has a line for each action that it may show.
    _, first, box = np.unique(
        np.column_stack([frames, lines.boxes]), axis=0, return_index=True, return_inverse=True
    )
    scores = np.zeros(len(first))
    np.maximum.at(scores, box.ravel(), lines.scores)
    order = np.lexsort((first, frames[first]))
    first, scores = first[order], scores[order]
    frames = frames[first]
    number = np.arange(len(frames)) - np.searchsorted(frames, frames)
    left_out = are_excluded(frames, numbers, ava_list_folder(root), PART)
    wanted = scores >= min_score
    kept = wanted & ~left_out
    if not kept.any():
        raise InputError(f"{path}: none of its {len(frames)} boxes has a score of {min_score:g}")
    rows, frames, boxes = first[kept], frames[kept], lines.boxes[first[kept]]
    labels, label_ends = _labels(frames, boxes, annotated)
    found = AvaSamples(
        [lines.videos[row] for row in rows],
        lines.seconds[rows],
        frames,
        number[kept],
        boxes,
        labels,
        label_ends,
        int((wanted & left_out).sum()),
        PREFIX,
    )
    return annotated, found


def _labels(
    frames: np.ndarray, boxes: np.ndarray, annotated: AvaSamples
) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels (L,) of boxes (N, 4), and their places (N + 1,)."""
    order = annotated.frames.argsort(kind="stable")
    known = annotated.frames[order]
    start, end = (np.searchsorted(known, frames, side) for side in ("left", "right"))
    counts = end - start
    of_box = np.arange(len(frames)).repeat(counts)  # (P,)
    place = np.arange(counts.sum()) - (counts.cumsum() - counts).repeat(counts)
    of_person = order[start.repeat(counts) + place]  # (P,)
    overlaps = _pair_iou(boxes[of_box], annotated.boxes[of_person])
    best = np.lexsort((-overlaps, of_box))
    best = best[np.unique(of_box[best], return_index=True)[1]]  # of each box with a person
    best = best[overlaps[best] >= SAME_PERSON_IOU]
    person = np.full(len(frames), -1)
    person[of_box[best]] = of_person[best]
    ends = annotated.label_ends
    lengths = np.where(person < 0, 0, ends[person + 1] - ends[person])
    label_ends = np.concatenate([[0], lengths.cumsum()])
    within = np.arange(lengths.sum()) - label_ends[:-1].repeat(lengths)
    return annotated.labels[ends[person].repeat(lengths) + within], label_ends


def _pair_iou(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the overlap of each pair of boxes (P, 4), (P,)."""
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    shared = sides.clip(min=0).prod(1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (one, other)]
    return shared / (areas[0] + areas[1] - shared)
