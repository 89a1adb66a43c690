"""One video -> everybody in it: decoding, detection on every n-th frame, tracking."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from stn_action.checksum import checksum
from stn_action.geometry.boxes import box_sizes, clip_boxes
from stn_action.person.detectors.detector_base import Detections, Detector
from stn_action.person.tracker import track_people
from stn_action.person.video_people import VideoPeople
from stn_action.video.backend_table import open_video
from stn_action.video.reader import VideoReader

Batch = list[tuple[int, np.ndarray]]
"""Frame numbers and their pictures (H, W, 3)."""


def detect_people(
    path: str | Path,
    name: str,
    detector: Detector,
    *,
    every: int = 3,
    batch_size: int = 8,
    backend: str = "auto",
) -> VideoPeople:
    """Find and follow everybody in a video.

    Args:
        path: the file.
        name: of the video, as `VideoPeople.name`.
        detector: finds the persons in a frame.
        every: frames 0, every, 2 * every, ... are looked at; between them boxes are interpolated.
        batch_size: frames that the detector is given at once.
        backend: of `open_video`.

    Returns:
        A tube for each person seen at least twice, boxes clipped to the picture.

    Raises:
        VideoError: the video cannot be read.
        OSError: likewise.
    """
    with open_video(path, backend) as reader:
        found = detections_of(reader, detector, every=every, batch_size=batch_size)
        tubes = track_people(found, detections_per_second=reader.fps / every)
        return VideoPeople(
            name, tubes, reader.size_hw, len(reader), reader.fps, checksum(path), source=str(path)
        )


def detections_of(
    reader: VideoReader, detector: Detector, *, every: int, batch_size: int
) -> Iterator[tuple[int, Detections]]:
    """Look at every n-th frame of an open video; the next frames are decoded meanwhile.

    Args:
        reader: the video.
        detector: finds the persons in a frame.
        every: n.
        batch_size: frames that the detector is given at once.

    Yields:
        Frame number and detections, clipped to the picture.
    """
    frames = reader.stream(every)

    def next_batch() -> Batch:
        return [(index, picture) for index, picture, _ in islice(frames, batch_size)]

    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(next_batch)
        while batch := coming.result():
            coming = ahead.submit(next_batch)
            pictures = torch.from_numpy(np.stack([picture for _, picture in batch]))
            found = detector.detect(pictures.permute(0, 3, 1, 2))  # (B, 3, H, W)
            for (index, _), one in zip(batch, found, strict=True):
                yield index, _inside(one, reader.size_hw)


def _inside(found: Detections, size_hw: tuple[int, int]) -> Detections:
    boxes = clip_boxes(found.boxes, size_hw)
    keep = (box_sizes(boxes) >= 1).all(dim=1)
    return Detections(boxes[keep], found.scores[keep])
