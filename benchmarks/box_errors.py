"""How wrong a detector's boxes are: loose, cut, shifted, against annotated ones.

A few frames of each of some test clips of J-HMDB's split 1 go through the detector. In each frame
the box that overlaps most with the annotated one is compared with it, for several smallest scores,
and for boxes that are only found at low scores. With --people, also what a run would crop to: the
boxes of the person that `data.tubes.select` chooses in a people file.

All lengths are shares of the annotated box: *looseness* of a side is how far the found box reaches
beyond it, negative where it cuts; *shift* the distance of the centers, in x and in y; a side is
*cut* where more than a tenth of the person's box is missing; a person is *missed* where no box
overlaps by a tenth. Per clip: the mean over its frames, as `data.crop.box_error` draws one error
for each video.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_iou

from stn_action.data.datasets.dataset_table import load_dataset
from stn_action.data.video_table import Video
from stn_action.geometry.boxes import box_centers, box_sizes, clip_boxes
from stn_action.person.detectors.detector_base import Detections, Detector
from stn_action.person.detectors.detector_table import build_detector
from stn_action.person.formats.jhmdb import read_jhmdb
from stn_action.person.person_choices import Select
from stn_action.person.select import select_boxes
from stn_action.person.store.people_file import PeopleFile
from stn_action.person.tube import Tube
from stn_action.video.backend_table import open_video

PERCENTILES = (5, 25, 50, 75, 95)
MISSED_OVERLAP = 0.1
CUT = 0.1
"""Share of the annotated box that must be missing at a side."""


class BoxErrors(NamedTuple):
    """Differences of N found boxes from the annotated ones, as shares of these."""

    looseness: Tensor
    """(N, 4) left, top, right, bottom: how far the found box reaches beyond; negative: cuts."""
    shift: Tensor
    """(N, 2) of the center, x and y, signed."""
    ratio: Tensor
    """(N, 2) width and height."""
    overlap: Tensor
    """(N,) intersection over union."""


class Comparison(NamedTuple):
    """Found and annotated boxes of some frames, with the clip of each."""

    name: str
    found: Tensor
    """(N, 4), or (N, 5) with the score; NaN where there is no box."""
    truth: Tensor
    """(N, 4)."""
    clips: Tensor
    """(N,) int64."""


def main(arguments: list[str] | None = None) -> None:
    """Parse, detect, print a table for frames and one for clips."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="J-HMDB in its official layout")
    parser.add_argument("truth", type=Path, help="groundtruths_jhmdb.zip")
    parser.add_argument("--detector", required=True, help="as of tools/detect_people.py")
    parser.add_argument("--scores", type=float, nargs="+", default=[0.05, 0.1, 0.25])
    parser.add_argument("--clips", type=int, default=100, help="evenly spread over the test clips")
    parser.add_argument("--frames", type=int, default=5, help="of a clip, evenly spread")
    parser.add_argument("--people", type=Path, help="people file: also compare what a run crops")
    parser.add_argument("--select", nargs="+", default=["largest", "longest"])
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    listed = {people.name: people.tubes[0] for people in read_jhmdb(options.truth)}
    test = load_dataset("jhmdb", options.root, 1).test
    rows = torch.linspace(0, len(test) - 1, min(options.clips, len(test))).round().int()
    videos = [test[row] for row in rows.tolist()]
    frames = [_spread(listed[video.name], options.frames) for video in videos]
    truth = [listed[video.name].boxes_at(of) for video, of in zip(videos, frames, strict=True)]
    detector = build_detector(options.detector, min_score=min(options.scores))
    found = [_detect(video, of, detector) for video, of in zip(videos, frames, strict=True)]
    compared = list(compare_by_score(found, truth, options.scores))
    for select in options.select if options.people else ():
        boxes = [
            _cropped(PeopleFile(options.people), video, of, select)
            for video, of in zip(videos, frames, strict=True)
        ]
        compared.append(_comparison(f"people file, {select}", boxes, truth))
    print(f"{len(videos)} clips, {sum(map(len, frames))} frames; {detector.name}")
    print(f"percentiles {', '.join(map(str, PERCENTILES))} of the boxes that are not missed")
    for unit in ("frames", "clips"):
        print(f"\n{unit}:\n")
        for row in table(compared, per_clip=unit == "clips"):
            print("| " + " | ".join(row) + " |")


def box_errors(found: Tensor, truth: Tensor) -> BoxErrors:
    """Compare boxes with annotated ones, row by row.

    Args:
        found: (N, 4) xyxy.
        truth: (N, 4) xyxy, of some width and height.
    """
    sizes = box_sizes(truth)
    outward = torch.tensor([-1.0, -1.0, 1.0, 1.0])
    return BoxErrors(
        looseness=(found - truth) * outward / sizes.repeat(1, 2),
        shift=(box_centers(found) - box_centers(truth)) / sizes,
        ratio=box_sizes(found) / sizes,
        overlap=torch.stack(
            [box_iou(a[None], b[None])[0, 0] for a, b in zip(found, truth, strict=True)]
        ),
    )


def compare_by_score(
    found: Sequence[Sequence[Detections]], truth: Sequence[Tensor], scores: Sequence[float]
) -> list[Comparison]:
    """Return the best overlapping boxes for each smallest score, and those of low score apart.

    Args:
        found: of each clip, of each of its frames.
        truth: (T, 4) of each clip.
        scores: the smallest that count. The last comparison has only the frames whose best box has
            a score from the smallest to the largest of them.
    """
    compared = []
    for score in sorted(scores):
        boxes = [_best_boxes(clip, of, score) for clip, of in zip(found, truth, strict=True)]
        compared.append(_comparison(f"score {score:g} and more", boxes, truth))
    low, high = min(scores), max(scores)
    best = [_best_boxes(clip, of, low) for clip, of in zip(found, truth, strict=True)]
    everything = _comparison(f"best box at {low:g} to {high:g}", best, truth)
    weak = everything.found[:, 4] < high
    compared.append(Comparison(everything.name, *(value[weak] for value in everything[1:])))
    return compared


def table(compared: Sequence[Comparison], *, per_clip: bool) -> list[list[str]]:
    """Return the rows of a table: percentiles of every error, of the boxes that are not missed.

    Args:
        compared: what to compare.
        per_clip: the mean of a clip's frames instead of each frame.
    """
    head = ["boxes", "number", "missed", "looseness of a side", "shift", "width and height"]
    head += ["overlap", "sides cut", "with a cut side"]
    rows = [head, ["---"] * len(head)]
    for one in compared:
        known = ~one.found.isnan().any(dim=1)
        errors = box_errors(one.found[:, :4].nan_to_num(0), one.truth)
        hit = known & (errors.overlap >= MISSED_OVERLAP)
        number = len(one.clips.unique()) if per_clip else len(hit)
        errors = BoxErrors(*(value[hit] for value in errors))
        if per_clip:
            errors = BoxErrors(*(_means(value, one.clips[hit]) for value in errors))
        cut = errors.looseness < -CUT
        missed = number - len(errors.overlap)
        rows.append([
            one.name, str(number), f"{100 * missed / number:.1f} %",
            _percentiles(errors.looseness), _percentiles(errors.shift.abs()),
            _percentiles(errors.ratio), _percentiles(errors.overlap),
            f"{100 * cut.float().mean():.1f} %", f"{100 * cut.any(dim=1).float().mean():.1f} %",
        ])  # fmt: skip
    return rows


def _spread(tube: Tube, count: int) -> Tensor:
    first, last = tube.frame_indices[[0, -1]].tolist()
    return torch.linspace(first, last, count).round().long().unique()


def _detect(video: Video, frames: Tensor, detector: Detector) -> list[Detections]:
    with open_video(video.path) as reader:
        size_hw = reader.size_hw
        found = detector.detect(reader.read(frames.tolist()).data)
    return [Detections(clip_boxes(one.boxes, size_hw), one.scores) for one in found]


def _cropped(people: PeopleFile, video: Video, frames: Tensor, select: Select) -> Tensor:
    """Return the boxes (T, 4) of the selected person; NaN where no person is known."""
    found = people.find(video.name)
    if found is None or not found.tubes:
        return torch.full((len(frames), 4), torch.nan)
    return select_boxes(found.tubes, frames, select)


def _best_boxes(found: Sequence[Detections], truth: Tensor, least: float) -> Tensor:
    """Return (T, 5): the box of at least a score that overlaps most, and its score; NaN: none."""
    rows = torch.full((len(truth), 5), torch.nan)
    for row, frame, box in zip(rows, found, truth, strict=True):
        kept = frame.scores >= least
        if kept.any():
            place = box_iou(frame.boxes[kept], box[None])[:, 0].argmax()
            row[:] = torch.cat([frame.boxes[kept][place], frame.scores[kept][place, None]])
    return rows


def _comparison(name: str, found: Sequence[Tensor], truth: Sequence[Tensor]) -> Comparison:
    lengths = torch.tensor([len(boxes) for boxes in truth])
    clips = torch.arange(len(truth)).repeat_interleave(lengths)
    return Comparison(name, torch.cat(list(found)), torch.cat(list(truth)), clips)


def _means(values: Tensor, clips: Tensor) -> Tensor:
    return torch.stack([values[clips == clip].mean(dim=0) for clip in clips.unique()])


def _percentiles(values: Tensor) -> str:
    if not values.numel():
        return "–"
    shares = torch.tensor(PERCENTILES) / 100
    found = values.flatten().float().quantile(shares).tolist()
    return " / ".join(f"{round(value, 2) + 0.0:.2f}" for value in found)  # no -0.00
