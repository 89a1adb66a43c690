"""The frame mAP of samples that are persons at key frames.

Each sample's box is a detection of every action, scored by its probability. What is to be found are
the boxes of the list with their actions. Letters: N samples, C actions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stn_action.data.key_frames import KeyFrameBoxes
from stn_action.data.video_table import VideoTable
from stn_action.evaluation.detection_map import (
    AVA_IOU,
    ActionBoxes,
    average_precisions,
    mean_average_precision,
)


@dataclass(frozen=True)
class FrameScores:
    """The frame mAP of a list, and what it is of."""

    precisions: Tensor
    """(C,) float64, the average precision of each action; NaN without a true box."""
    num_frames: int
    """Key frames with a person, in the films that are there."""
    missing_frames: int
    """Those of films that the disk lacks, left out."""
    missing_films: int
    boxes: str
    """What was classified, as `KeyFrameBoxes.kind`."""

    @property
    def mean(self) -> float:
        """The frame mAP, the mean over the actions that have a true box."""
        return mean_average_precision(self.precisions)

    def artifacts(self) -> dict[str, Tensor]:
        """Return "frame_average_precisions", `precisions`, for a table of classes."""
        return {"frame_average_precisions": self.precisions}

    def line(self) -> str:
        """Return the frame mAP with its protocol, as a tool prints it."""
        missing = (
            f"; {self.missing_frames} frames of {self.missing_films} missing films left out"
            if self.missing_films
            else ""
        )
        return (
            f"frame mAP {self.mean:.1%} (IoU {AVA_IOU:g}, {self.boxes}, {self.num_frames} "
            f"frames{missing})"
        )


def score_frames(
    listed: KeyFrameBoxes, videos: VideoTable, probabilities: Tensor
) -> FrameScores | None:
    """Return the frame mAP; None where no person has an action of the classes.

    Args:
        listed: the boxes and actions of the list, and the detected boxes, if samples are these.
        videos: the N samples, called like some of these boxes. What the list has besides is missed
            in films that one of them is from, and left out in others.
        probabilities: (N, C), of each action; a sample whose row is NaN detects nothing.
    """
    there = set(videos.groups())
    present = torch.tensor([group in there for group in listed.groups], dtype=torch.bool)
    true = present[listed.person]
    person = listed.person[true]
    truth = ActionBoxes(listed.frame[person], listed.action[true], listed.boxes[person])
    if not len(truth):
        return None
    detections, scores = _detections(listed.detected or listed, videos.names(), probabilities)
    absent = ~present
    return FrameScores(
        average_precisions(detections, scores, truth, probabilities.shape[1]),
        num_frames=len(listed.frame[present].unique()),
        missing_frames=len(listed.frame[absent].unique()),
        missing_films=len(set(listed.groups) - there),
        boxes=listed.kind,
    )


def _detections(
    listed: KeyFrameBoxes, names: Sequence[str], probabilities: Tensor
) -> tuple[ActionBoxes, Tensor]:
    """Return a detection of every action for each sample that was read, and their scores."""
    rows = {name: row for row, name in enumerate(listed.names)}
    row = torch.tensor([rows[name] for name in names], dtype=torch.int64)
    seen = ~probabilities.isnan().any(1)
    row, scores = row[seen], probabilities[seen]
    num_actions = probabilities.shape[1]
    boxes = ActionBoxes(
        listed.frame[row].repeat_interleave(num_actions),
        torch.arange(num_actions).repeat(len(row)),
        listed.boxes[row].repeat_interleave(num_actions, 0),
    )
    return boxes, scores.flatten()
