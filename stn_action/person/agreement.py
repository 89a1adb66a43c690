"""Agreement of detected boxes with annotated ones.

Letters: M annotated boxes.
"""

import torch
from torch import Tensor
from torchvision.ops import box_iou

from stn_action.geometry.boxes import clip_boxes, pad_boxes
from stn_action.person.video_people import VideoPeople


def best_overlaps(found: VideoPeople, truth: VideoPeople, *, looseness: float = 0.0) -> Tensor:
    """Compute the overlap of each annotated box with the best detected box of the same frame.

    Boxes are interpolated between detections; a person is present from the first to the last.
    Boxes are compared in the pixels of `found`: annotations of another size are scaled.

    Args:
        found: detected and tracked people.
        truth: annotations of the same video.
        looseness: pads detected boxes first, by this share on each side; annotators leave a margin.

    Returns:
        (M,) float32 intersection over union, 0 where no person was found.

    Raises:
        ValueError: the image size of the detected boxes is not known.
        InputError: the sizes do not belong to one video.

    The recall at an overlap of 0.5, as detection benchmarks count it, is `(best >= 0.5).mean()`.
    """
    if found.size_hw is None:
        raise ValueError(f"size_hw of {found.name} must be known")
    best = []
    for tube in truth.tubes_in(found.size_hw):
        overlaps = torch.zeros(len(tube))
        for person in found.tubes:
            first, last = person.frame_indices[0], person.frame_indices[-1]
            present = (tube.frame_indices >= first) & (tube.frame_indices <= last)
            boxes = pad_boxes(person.boxes_at(tube.frame_indices), looseness)
            boxes = clip_boxes(boxes, found.size_hw)
            pairs = box_iou(tube.boxes, boxes).diagonal() * present
            overlaps = torch.maximum(overlaps, pairs)
        best.append(overlaps)
    return torch.cat(best) if best else torch.zeros(0)


def share_of_frames(found: VideoPeople) -> float:
    """Return the share of the video's frames in which a person is present.

    Raises:
        ValueError: the number of frames is not known.
    """
    if found.num_frames is None:
        raise ValueError(f"num_frames of {found.name} must be known")
    present = torch.zeros(found.num_frames, dtype=torch.bool)
    for tube in found.tubes:
        present[int(tube.frame_indices[0]) : int(tube.frame_indices[-1]) + 1] = True
    return float(present.float().mean())
