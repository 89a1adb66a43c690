"""Sheets of distorted digits: as a network gets them, and with the grids of its transformer."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from stn_action.build.data import evaluation_dataset
from stn_action.config.schema import Config
from stn_action.data.digits.digit_clips import DigitClips
from stn_action.data.video_table import Video
from stn_action.evaluation.video_prediction import FailedPrediction, VideoPrediction
from stn_action.visualize.grid_image import draw_grid, draw_source_grid
from stn_action.visualize.image_layout import hstack_images, vstack_images
from stn_action.visualize.images import Image, as_image, blank_image, save_png
from stn_action.visualize.legend import STRIP_COLOR, draw_header

SHEET = "digits.png"
COLUMNS = 3
DIGIT_PIXELS = 112
"""Smallest height of a digit on the sheet."""
GRID_CELLS = 6
TEXT_HEIGHT = 9


def draw_digits(
    config: Config,
    videos: Sequence[Video],
    predictions: Iterable[VideoPrediction | FailedPrediction],
    out: Path,
) -> Iterator[tuple[VideoPrediction | FailedPrediction, list[Path]]]:
    """Draw digits on one sheet, `digits.png`.

    For each head the canvas with the grid that it starts with, the same with the grid that it has
    learned, and what is sampled there.

    Args:
        config: of the network.
        videos: digits of one file, as the test set has them.
        predictions: of these, in order.
        out: folder.

    Yields:
        Each prediction; with the last one the file.
    """
    dataset = evaluation_dataset(config, videos)
    tiles: list[Image] = []
    for index, prediction in enumerate(predictions):
        assert isinstance(prediction, VideoPrediction)  # nothing can be unreadable
        canvas = dataset.trace(index)[0].images[0]
        label, probability = prediction.top(1)[0]
        truth = prediction.classes[videos[index].labels[0]]
        caption = f"{truth}, read as {label}"
        tiles.append(_tile(canvas, prediction, caption, probability))
        last = index == len(videos) - 1
        if last:
            rows = [tiles[start : start + COLUMNS] for start in range(0, len(tiles), COLUMNS)]
            save_png(out / SHEET, vstack_images([hstack_images(row) for row in rows]))
        yield prediction, [out / SHEET] if last else []


def preview_digits(
    dataset: DigitClips, classes: Sequence[str], indices: Sequence[int], draws: int
) -> Image:
    """Draw digits as a network gets them: a row for each, with the canvases of several epochs.

    Args:
        dataset: of digits.
        classes: names of the classes.
        indices: of the digits.
        draws: epochs; of fixed digits all are equal, and there is one.
    """
    rows = []
    for index in indices:
        canvases = []
        for epoch in range(1, 2 if dataset.fixed else draws + 1):
            dataset.set_epoch(epoch)
            canvases.append(_enlarged(dataset.trace(index)[0].images[0]))
        row = hstack_images([part for canvas in canvases for part in (canvas, _gap(canvas))])
        label = classes[int(dataset.targets[index])]
        rows += [draw_header(label, None, row.shape[1], TEXT_HEIGHT), row]
    return vstack_images(rows)


def _gap(canvas: Image) -> Image:
    return blank_image((len(canvas), TEXT_HEIGHT), STRIP_COLOR)


def _enlarged(canvas: Image) -> Image:
    scale = -(-DIGIT_PIXELS // len(canvas))
    return as_image(canvas.repeat(scale, axis=0).repeat(scale, axis=1))


def _tile(canvas: Image, prediction: VideoPrediction, caption: str, probability: float) -> Image:
    """Draw one digit, enlarged, with its grid if there is one, under a line of text."""
    image = _enlarged(canvas)
    focus = prediction.focus[0] if prediction.focus else None
    if focus is not None and focus.theta is not None and focus.base is not None:
        size_hw = image.shape[:2]  # theta (1, K, 1, *kind) is of a map as large as the canvas
        drawn = []
        for theta, start in zip(focus.theta[0, :, 0], focus.base, strict=True):
            drawn.append(draw_source_grid(image, start, cells=GRID_CELLS))
            drawn.append(draw_grid(image, theta, size_hw, cells=GRID_CELLS))
        image = hstack_images(drawn)
    return vstack_images([draw_header(caption, probability, image.shape[1], TEXT_HEIGHT), image])
