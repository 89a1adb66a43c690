"""Detection and tracking of the people in one video."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from stn_action.geometry.boxes import box_sizes, clip_boxes
from stn_action.person.detectors.detector_base import Detections, Detector
from stn_action.person.tracker import DetectedFrame, track_people
from stn_action.person.video_people import VideoPeople
from stn_action.video.ahead import batches_ahead
from stn_action.video.backend_table import open_video
from stn_action.video.content import video_checksum
from stn_action.video.reader import VideoReader
from stn_action.video.video_choices import DEFAULT_FPS, MAX_PIXELS, Reader


def detect_people(
    path: str | Path,
    name: str,
    detector: Detector,
    *,
    every: int = 3,
    batch_size: int = 8,
    tracker: str = "bytetrack",
    backend: Reader = "auto",
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    max_pixels: int = MAX_PIXELS,
    frames_fps: float = DEFAULT_FPS,
) -> VideoPeople:
    """Detect and track all people in a video.

    Args:
        path: the file, or the folder of frames.
        name: of the video, as `VideoPeople.name`; a slice has a name of its own.
        detector: finds the persons in a frame.
        every: detect in frames 0, every, 2 * every, ...; between them boxes are interpolated.
        batch_size: frames that the detector is given at once.
        tracker: a key of `TRACKERS`.
        backend: see `open_video`.
        start_seconds: start of the slice of the file that is the video, see `open_video`; frames
            are counted from its first frame.
        end_seconds: end of the slice.
        max_pixels: see `open_video`.
        frames_fps: see `open_video`.

    Returns:
        A tube for each person detected at least twice, boxes clipped to the image.

    Raises:
        VideoError: the video cannot be read.
        OSError: the file cannot be read.
    """
    with open_video(
        path, backend,
        start_seconds=start_seconds, end_seconds=end_seconds, max_pixels=max_pixels,
        frames_fps=frames_fps,
    ) as reader:  # fmt: skip
        found = detect_frames(reader, detector, every=every, batch_size=batch_size)
        tubes = track_people(found, detections_per_second=reader.fps / every, kind=tracker)
        digest = video_checksum(path, start_seconds, end_seconds, frames_fps)
        return VideoPeople(
            name, tubes, reader.size_hw, len(reader), reader.fps, digest, source=str(path)
        )


def detect_frames(
    reader: VideoReader, detector: Detector, *, every: int, batch_size: int
) -> Iterator[DetectedFrame]:
    """Detect persons in every n-th frame of an open video; the next frames are decoded meanwhile.

    Args:
        reader: the video.
        detector: finds the persons in a frame.
        every: n.
        batch_size: frames that the detector is given at once.

    Yields:
        Each with its detections, clipped to the image.
    """
    for batch in batches_ahead(reader.stream(every), batch_size):
        images = [image for _, image, _ in batch]
        found = detect_in(images, detector, reader.size_hw)
        for (index, image, _), detections in zip(batch, found, strict=True):
            yield DetectedFrame(index, detections, image)


def detect_in(
    images: Sequence[np.ndarray], detector: Detector, size_hw: tuple[int, int]
) -> list[Detections]:
    """Detect persons in some images (H, W, 3) uint8 RGB of one size; boxes are clipped to it."""
    stacked = torch.from_numpy(np.stack(images))
    found = detector.detect(stacked.permute(0, 3, 1, 2))  # (B, 3, H, W)
    return [_clipped(one, size_hw) for one in found]


def _clipped(found: Detections, size_hw: tuple[int, int]) -> Detections:
    boxes = clip_boxes(found.boxes, size_hw)
    keep = (box_sizes(boxes) >= 1).all(dim=1)
    return Detections(boxes[keep], found.scores[keep])
