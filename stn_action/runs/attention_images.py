"""Images and videos of the windows of a checkpoint's heads, on the source frames."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stn_action.config.schema import Config
from stn_action.data.video_table import Video
from stn_action.evaluation.video_prediction import FailedPrediction, VideoPrediction
from stn_action.geometry.outlines import nearest_clip_frames
from stn_action.person.person_choices import Select
from stn_action.person.select import select_boxes
from stn_action.person.store.people_file import open_people
from stn_action.person.video_people import People
from stn_action.predictor import Predictor
from stn_action.video.reader import VideoReader
from stn_action.video.writer import write_video
from stn_action.visualize.focus_sheet import draw_sheet, evenly_spaced
from stn_action.visualize.frame_overlay import render_video
from stn_action.visualize.images import save_png

SHEET_COLUMNS = 6
FRAMES_AT_ONCE = 32
"""Frames decoded together when a video is drawn: memory does not grow with its length."""


def visualize(
    predictor: Predictor, videos: Sequence[Video], out: Path, *, make_mp4: bool = True
) -> Iterator[tuple[VideoPrediction | FailedPrediction, list[Path]]]:
    """Draw the heads' windows on the source frames: a PNG sheet and an MP4 per video.

    Args:
        predictor: a loaded checkpoint.
        videos: what to draw.
        out: folder; files are named after the videos.
        make_mp4: whether to write videos besides the sheets.

    Yields:
        For every video the prediction and the files written.
    """
    targets = _source(predictor.config.data.regions)
    predictions = predictor.predict_all(videos, num_crops=1)
    for video, prediction in zip(videos, predictions, strict=True):
        files = []
        if isinstance(prediction, VideoPrediction):
            boxes = {"person_boxes": predictor.people, "target_boxes": targets}
            files = _draw(predictor.config, video, prediction, boxes, out, make_mp4=make_mp4)
        yield prediction, files


def _draw(
    config: Config, video: Video, prediction: VideoPrediction, people: dict[str, People | None],
    out: Path, *, make_mp4: bool,
) -> list[Path]:  # fmt: skip
    indices = prediction.frame_indices  # (clips, T)
    label, probability = prediction.top(1)[0]
    top: dict[str, Any] = {"label": label, "probability": probability}
    name = video.name.replace("/", "_")
    files = [out / f"{name}.png"]
    with video.open(config.data.reader) as reader:
        shown = prediction.outlines().flatten(0, 1)[
            nearest_clip_frames(indices.flatten(), torch.arange(len(reader)))
        ]  # (frames, K, P, 2)
        select = config.data.tubes.select
        boxes = {key: _boxes(one, video, reader, select) for key, one in people.items()}
        first, last = int(indices.min()), int(indices.max())  # the part that the clips cover
        picked = [first + place for place in evenly_spaced(last + 1 - first, SHEET_COLUMNS)]
        frames = reader.read(picked)
        sheet = draw_sheet(
            frames.data, shown[picked], title=video.name, columns=SHEET_COLUMNS,
            captions=[f"{second:.2f} s" for second in frames.seconds.tolist()],
            **{key: None if rows is None else rows[picked] for key, rows in boxes.items()}, **top,
        )  # fmt: skip
        save_png(files[0], sheet)
        if make_mp4:
            files.append(out / f"{name}.mp4")
            drawn = render_video(_all_frames(reader), shown, **boxes, **top)
            write_video(files[1], drawn, fps=reader.fps)
    return files


def _all_frames(reader: VideoReader) -> Iterator[Tensor]:
    for start in range(0, len(reader), FRAMES_AT_ONCE):
        yield from reader.read(range(start, min(start + FRAMES_AT_ONCE, len(reader)))).data


def _source(path: Path | None) -> People | None:
    if path is None or not path.exists():
        return None
    return open_people(path)


def _boxes(
    people: People | None, video: Video, reader: VideoReader, select: Select
) -> Tensor | None:
    """Return the boxes (frames, 4) of the people that clips show; None if there are none."""
    found = None if people is None else people.find(video.name)
    if found is None or not found.tubes:
        return None
    tubes = found.tubes_in(reader.size_hw)
    return select_boxes(tubes, torch.arange(len(reader)), "union" if select == "all" else select)
