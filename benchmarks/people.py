"""What finding people costs, and how well they are found.

Frames per second of the whole way (decoding every n-th frame, detecting, tracking) relative to the
detector alone on frames that are decoded already; both in one process, medians of interleaved
repeats. With --people and --truth instead: recall of annotated boxes by a people file.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from benchmarks.timing import medians
from stn_action.data.video_files import find_video_files
from stn_action.person.agreement import best_overlaps, share_of_frames
from stn_action.person.detect_video import detect_frames
from stn_action.person.detectors.detector_table import build_detector
from stn_action.person.store.people_file import PeopleFile
from stn_action.person.tracker import track_people
from stn_action.video.backend_table import open_video


def main(arguments: list[str] | None = None) -> None:
    """Parse, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="*", type=Path, help="videos or folders, for the speed")
    parser.add_argument("--detectors", nargs="+", help="as of tools/detect_people.py")
    parser.add_argument("--every", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--people", type=Path, nargs="+", help="people files, for the recall")
    parser.add_argument("--looseness", type=float, nargs="+", default=[0, 0.1, 0.2])
    parser.add_argument("--truth", type=Path, help="people file of annotations")
    options = parser.parse_args(arguments)
    if options.people and options.truth:
        for path in options.people:
            print(f"\n{path.name}: {PeopleFile(path).made_by}\n")
            _print_table(_recalls(PeopleFile(path), PeopleFile(options.truth), options.looseness))
        return
    if not options.videos or not options.detectors:
        parser.error("expected videos and --detectors, or --people and --truth")
    _print_table(_speeds(options))


def _print_table(rows: list[list[str]]) -> None:
    for place, row in enumerate(rows):
        print("| " + " | ".join(row) + " |")
        if place == 0:
            print("|" + " --- |" * len(row))


def _speeds(options: argparse.Namespace) -> list[list[str]]:
    import cv2

    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} threads, batches of {options.batch}")
    rows = [["detector", "every", "frames", "detector alone, frames/s", "whole way / detector"]]
    paths = [path for given in options.videos for path in _videos(given)]
    for spec in options.detectors:
        detector = build_detector(spec)
        for every in options.every:
            images = [_images(path, every) for path in paths]

            def alone(images=images, detector=detector) -> None:
                for frames in images:
                    for batch in frames.split(options.batch):
                        detector.detect(batch)

            def whole(every=every, detector=detector) -> None:
                for path in paths:
                    with open_video(path) as reader:
                        found = detect_frames(
                            reader, detector, every=every, batch_size=options.batch
                        )
                        track_people(found, detections_per_second=reader.fps / every)

            seconds = medians({"alone": alone, "whole": whole}, repeats=options.repeats, warmup=1)
            number = sum(len(frames) for frames in images)
            rows.append([
                detector.name, str(every), str(number), f"{number / seconds['alone']:.1f}",
                f"{seconds['alone'] / seconds['whole']:.3f}",
            ])  # fmt: skip
    return rows


def _videos(path: Path) -> list[Path]:
    if path.is_dir():
        return find_video_files(path).videos
    return [path]


def _images(path: Path, every: int) -> torch.Tensor:
    with open_video(path) as reader:
        images = [image for _, image, _ in reader.stream(every)]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def _recalls(people: PeopleFile, truth: PeopleFile, paddings: list[float]) -> list[list[str]]:
    """A row per video: recall with found boxes padded by several shares."""
    rows = [["video", "frames", "with a person", "tubes", "annotated"]]
    rows[0] += [f"recall at 0.5, looseness {padding:g}" for padding in paddings]
    everything: list[list[torch.Tensor]] = []
    for found in people:
        known = truth.find(found.name)
        row = [
            found.name, str(found.num_frames), f"{100 * share_of_frames(found):.1f} %",
            str(len(found.tubes)),
        ]  # fmt: skip
        best = [best_overlaps(found, known, looseness=p) for p in paddings] if known else []
        everything += [best] if best else []
        rows.append(row + _recall_cells(best, paddings))
    if everything:
        boxes = [torch.cat(column) for column in zip(*everything, strict=True)]
        rows.append(["all", "", "", "", *_recall_cells(boxes, paddings)])
    return rows


def _recall_cells(best: list[torch.Tensor], paddings: list[float]) -> list[str]:
    if not best:
        return ["–"] * (len(paddings) + 1)
    return [str(len(best[0])), *(f"{100 * (one >= 0.5).float().mean():.1f}" for one in best)]
