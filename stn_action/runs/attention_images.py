"""Images and videos of where a checkpoint's heads look, on the source frames."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from stn_action.batch import class_text
from stn_action.build.crop_settings import crop_of
from stn_action.config.schema import Config
from stn_action.data.digits.digit_clips import holds_digits
from stn_action.data.video_table import Video
from stn_action.errors import InputError
from stn_action.evaluation.video_prediction import FailedPrediction, VideoPrediction
from stn_action.geometry.heat_maps import HeatMaps
from stn_action.geometry.outlines import nearest_clip_frames
from stn_action.person.box_error import BoxErrors, tubes_with_error
from stn_action.person.person_choices import Select
from stn_action.person.select import select_boxes
from stn_action.person.store.people_file import open_people
from stn_action.person.video_people import People
from stn_action.predictor import Predictor
from stn_action.runs.digit_images import draw_digits
from stn_action.video.reader import VideoError, VideoReader
from stn_action.video.writer import write_video
from stn_action.visualize.chart_figure import save_figure
from stn_action.visualize.focus_sheet import draw_sheet, evenly_spaced
from stn_action.visualize.frame_overlay import render_video
from stn_action.visualize.glimpse_cells import TwoLooks
from stn_action.visualize.images import Image, resize_image, save_png
from stn_action.visualize.paper_figure import FIGURE_DPI, FigureRow, draw_paper_figure
from stn_action.visualize.verdict import Verdict

FIGURE_ROWS = 6
"""Videos of a figure."""
SHEET_COLUMNS = 6
SHEET_PIXELS = 1080
"""Greatest height of a frame for a sheet; what a sheet shows of it is far smaller."""


def visualize(
    predictor: Predictor,
    videos: Sequence[Video],
    out: Path,
    *,
    make_mp4: bool = True,
    figure_frames: int = 0,
) -> Iterator[tuple[VideoPrediction | FailedPrediction, list[Path]]]:
    """Draw windows or weights of heads on the source frames: a PNG sheet and an MP4 per video.

    Of an image there is only the sheet. Of digits there is one sheet, of all together.

    Args:
        predictor: a loaded checkpoint.
        videos: what to draw.
        out: folder; files are named after the videos.
        make_mp4: whether to write videos besides the sheets.
        figure_frames: frames of each video in one figure of all (of the first `FIGURE_ROWS`),
            `figure.png` and `figure.svg`; 0: no figure.

    Yields:
        For every video the prediction and the files written; with the last one the figure. A video
        that can be predicted but not drawn, for instance because it is damaged behind the clips,
        counts as failed.

    Raises:
        InputError: no video can be read, or digits are to be a figure.
    """
    predictions = predictor.predict_all(videos, num_crops=1)
    if videos and all(holds_digits(video.path) for video in videos):
        if figure_frames:
            raise InputError("a figure is made of videos; digits have one sheet, digits.png")
        yield from draw_digits(predictor.config, videos, predictions, out)
        return
    targets = _source(predictor.config.data.regions)
    boxes = {"person_boxes": predictor.people, "target_boxes": targets}
    names = _file_names(videos)
    rows: list[FigureRow] = []
    for number, (video, prediction) in enumerate(zip(videos, predictions, strict=True), start=1):
        files: list[Path] = []
        if isinstance(prediction, VideoPrediction):
            try:
                file = out / names[number - 1]
                with _opened(predictor.config, video, prediction, boxes) as drawing:
                    files = _write(drawing, file, make_mp4=make_mp4)
                    if figure_frames and len(rows) < FIGURE_ROWS:
                        rows.append(_figure_row(drawing, figure_frames))
            except VideoError as error:
                prediction = FailedPrediction(video.name, str(error))
        if rows and number == len(videos):
            figure = draw_paper_figure(rows)
            files = [*files, *save_figure(out / "figure.png", figure, dpi=FIGURE_DPI)]
        yield prediction, files


class _Drawing(NamedTuple):
    """What there is to draw of a video that is open."""

    config: Config
    reader: VideoReader
    prediction: VideoPrediction
    verdict: Verdict
    outlines: Tensor
    """(frames, K, P, 2), source pixels, as all that follows."""
    heat: list[HeatMaps]
    boxes: dict[str, Tensor | None]
    edges: Tensor
    """(frames, 4), the clips' edges."""
    seen: Tensor
    """(N,) numbers of the frames that the clips shown have."""
    notes: list[str]

    def pick(self, columns: int) -> tuple[list[int], list[Image], float]:
        """Return some of the frames seen: numbers, images, and the scale of their coordinates."""
        picked = self.seen[evenly_spaced(len(self.seen), columns)].tolist()
        return picked, *_read_for_sheet(self.reader, picked)

    def captions(self, picked: Sequence[int]) -> list[str]:
        """Return the times of frames; none of an image."""
        if len(self.reader) == 1:
            return [""] * len(picked)
        return [f"{self.reader.seconds_at(index):.2f} s" for index in picked]

    def boxes_of(self, picked: Sequence[int], scale: float) -> dict[str, Tensor | None]:
        """Return the boxes of some frames, scaled."""
        return {
            key: None if rows is None else rows[picked] * scale for key, rows in self.boxes.items()
        }


@contextmanager
def _opened(
    config: Config, video: Video, prediction: VideoPrediction, people: dict[str, People | None]
) -> Iterator[_Drawing]:
    """Open a video and find what is drawn of its frames."""
    with video.open(config.data.reader, max_pixels=config.data.max_pixels) as reader:
        for _ in reader.stream(sys.maxsize):  # to the end once: damage shows now, `len` is exact
            pass
        # Clips behind damage that they do not touch are numbered as if no frame was lost.
        indices = prediction.frame_indices.clamp(max=len(reader) - 1)  # (clips, T)
        clips = clips_apart(indices)
        nearest = nearest_clip_frames(indices[clips].flatten(), torch.arange(len(reader)))
        select = config.data.tubes.select
        errors = {"person_boxes": crop_of(config).box_error, "target_boxes": None}
        label, probability = prediction.top(1)[0]
        yield _Drawing(
            config, reader, prediction,
            Verdict(label, probability, true_labels(prediction, video)),
            outlines=prediction.outlines()[clips].flatten(0, 1)[nearest],
            heat=[one[clips].flattened()[nearest] for one in prediction.heat_maps()],
            boxes={
                key: _boxes(one, video, reader, select, errors[key]) for key, one in people.items()
            },
            edges=prediction.boxes[clips].flatten(0, 1)[nearest],
            seen=indices[clips].unique(), notes=_notes(len(indices), len(clips)),
        )  # fmt: skip


def _write(drawing: _Drawing, file: Path, *, make_mp4: bool) -> list[Path]:
    """Draw a sheet, and of more than one frame a video; `file` is without suffix."""
    reader, verdict = drawing.reader, drawing.verdict
    top: dict[str, Any] = {
        "label": verdict.predicted, "probability": verdict.probability, "true_labels": verdict.true
    }  # fmt: skip
    files = [file.with_name(f"{file.name}.png")]
    picked, images, scale = drawing.pick(SHEET_COLUMNS)
    sheet = draw_sheet(
        images, drawing.outlines[picked] * scale,
        heat=[one[picked].scaled(scale) for one in drawing.heat],
        looks=_two_looks(drawing.config, drawing.edges[picked] * scale),
        title=drawing.prediction.name, columns=SHEET_COLUMNS, notes=drawing.notes,
        captions=None if len(reader) == 1 else drawing.captions(picked),
        **drawing.boxes_of(picked, scale), **top,
    )  # fmt: skip
    save_png(files[0], sheet)
    if make_mp4 and len(reader) > 1:
        files.append(file.with_name(f"{file.name}.mp4"))
        frames = (image for _, image, _ in reader.stream())
        drawn = render_video(frames, drawing.outlines, heat=drawing.heat, **drawing.boxes, **top)
        write_video(files[1], drawn, fps=reader.fps)
    return files


def _figure_row(drawing: _Drawing, num_frames: int) -> FigureRow:
    picked, images, scale = drawing.pick(num_frames)
    return FigureRow(
        images, drawing.outlines[picked] * scale,
        [one[picked].scaled(scale) for one in drawing.heat],
        drawing.captions(picked), drawing.verdict, **drawing.boxes_of(picked, scale),
    )  # fmt: skip


def true_labels(prediction: VideoPrediction, video: Video) -> tuple[str, ...]:
    """Return the true classes of a video, as they are named in its prediction; none if unknown."""
    if not video.group:  # of no listing
        return ()
    if prediction.positions > 1:
        return (class_text(prediction.classes, video.labels),)
    return tuple(prediction.classes[label] for label in video.labels)


def clips_apart(frame_indices: Tensor) -> list[int]:
    """Return clips of a video that do not overlap in time, the earliest first.

    Windows of clips that overlap would seem to jump to and fro from frame to frame.

    Args:
        frame_indices: (clips, T).

    Example:
        >>> clips_apart(torch.tensor([[0, 4], [2, 6], [5, 9]]))
        [0, 2]
    """
    apart, last = [], -1
    for clip in frame_indices[:, 0].argsort(stable=True).tolist():
        if int(frame_indices[clip].min()) > last:
            apart.append(clip)
            last = int(frame_indices[clip].max())
    return apart


def _notes(num_clips: int, num_shown: int) -> list[str]:
    """Return what a sheet is to say about the clips that it does not show."""
    if num_shown == num_clips:
        return []
    return [
        f"Shown: {num_shown} of {num_clips} clips, which overlap in time; "
        f"the probability is the mean of all {num_clips}."
    ]


def _two_looks(config: Config, edges: Tensor) -> TwoLooks | None:
    """Return what the network sees of clips with these edges (T, 4), if it looks twice."""
    focus = config.model.focus
    if focus is None or focus.look_size is None or focus.glimpse_size is None:
        return None
    return TwoLooks(edges, focus.look_size, focus.glimpse_size)


def _read_for_sheet(reader: VideoReader, indices: Sequence[int]) -> tuple[list[Image], float]:
    """Return frames for a sheet, and the scale of its coordinates: large ones are shrunk."""
    height, width = reader.size_hw
    scale = min(1.0, SHEET_PIXELS / height)
    size_hw = (height, width) if scale == 1 else (SHEET_PIXELS, round(width * scale))
    images: dict[int, Image] = {}

    def visit(place: int, image: Image) -> None:
        images[place] = image if scale == 1 else resize_image(image, size_hw)

    reader.visit_images(indices, visit)
    return [images[place] for place in range(len(indices))], scale


def _file_names(videos: Sequence[Video]) -> list[str]:
    """Return a file name for each video; `a/b_c` and `a_b/c` must not share one."""
    names = [video.name.replace("/", "_") for video in videos]
    number = Counter(names)
    return [
        name if number[name] == 1 else f"{place:02d}_{name}"
        for place, name in enumerate(names, start=1)
    ]


def _source(path: Path | None) -> People | None:
    if path is None or not path.exists():
        return None
    return open_people(path)


def _boxes(
    people: People | None, video: Video, reader: VideoReader, select: Select,
    errors: BoxErrors | None,
) -> Tensor | None:  # fmt: skip
    """Return the boxes (frames, 4) of the people that clips show; None if there are none."""
    found = None if people is None else people.find(video.name)
    if found is None or not found.tubes:
        return None
    tubes = tubes_with_error(found.tubes_in(reader.size_hw), errors, video.name)
    return select_boxes(tubes, torch.arange(len(reader)), "union" if select == "all" else select)
