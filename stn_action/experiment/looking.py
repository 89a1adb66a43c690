"""A checkpoint on videos: what it says, and pictures of where it looked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stn_action.config import Config, load_config
from stn_action.data.videos import VIDEO_SUFFIXES, Video
from stn_action.errors import InputError
from stn_action.experiment.building import config_of_checkpoint, network_from_checkpoint
from stn_action.experiment.evaluating import run_test
from stn_action.experiment.loading import evaluation_dataset, load_split, loader, views_per_video
from stn_action.experiment.run_folder import write_result
from stn_action.models.network import FocusedNetwork
from stn_action.person.store import TubeFolder, read_tube_csv
from stn_action.training.acceleration import build_accelerator
from stn_action.training.checkpoint import load_checkpoint
from stn_action.training.evaluation import ViewPredictions, evaluate
from stn_action.video.reader import open_video
from stn_action.video.writer import write_video
from stn_action.visualize.draw import render_video
from stn_action.visualize.picture import save_png
from stn_action.visualize.regions import focus_quadrilaterals
from stn_action.visualize.sheet import draw_sheet


@dataclass(frozen=True)
class Trained:
    """A checkpoint, ready to be used."""

    config: Config
    network: FocusedNetwork
    classes: tuple[str, ...]
    path: Path


@dataclass(frozen=True)
class Answer:
    """What a trained network says about one video."""

    video: Video
    probabilities: Tensor | None
    """(C,), the mean over the views; None for a video that cannot be read."""
    failure: str | None
    """Why it cannot be read."""


def load_trained(path: str | Path, overrides: Sequence[str] = ()) -> Trained:
    """Read a checkpoint; it carries its configuration and the names of its classes.

    Raises:
        InputError: no checkpoint, or the overrides do not fit it.
    """
    content: dict[str, Any] = load_checkpoint(path)
    config = config_of_checkpoint(content, path, list(overrides))
    network = network_from_checkpoint(content, config, path)
    return Trained(config, network, tuple(content["classes"]), Path(path))


def videos_named(trained: Trained, names: Sequence[str]) -> list[Video]:
    """The videos of paths, folders of videos, or of the words "train" and "test".

    Raises:
        InputError: there is no such file, or a folder holds no video.
    """
    videos: list[Video] = []
    for name in names:
        path = Path(name)
        if name in ("train", "test") and not path.exists():
            videos += getattr(load_split(trained.config), name)
        elif path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES)
            if not found:
                raise InputError(f"{path}: there is no video in this folder")
            videos += [_unlabelled(file) for file in found]
        elif path.is_file():
            videos.append(_unlabelled(path))
        else:
            raise InputError(
                f"{name}: no such file or folder; give a video, a folder of videos, train or test"
            )
    return videos


def predict(trained: Trained, videos: Sequence[Video]) -> list[Answer]:
    """Say of every video what it shows, by the test protocol of the checkpoint."""
    predictions = _views(trained, videos, crops=None, collect_focus=False)
    return _answers(predictions, videos)


def visualize(
    trained: Trained, videos: Sequence[Video], out: Path, *, make_mp4: bool = True
) -> list[tuple[Answer, list[Path]]]:
    """Draw what the heads attend to on the source frames: a PNG sheet and an MP4 per video.

    Args:
        trained: the checkpoint.
        videos: what to draw.
        out: folder; files are named after the videos.
        make_mp4: whether to write videos besides the sheets.

    Returns:
        For every video the answer and the files written.
    """
    predictions = _views(trained, videos, crops=1, collect_focus=True)
    results = []
    for index, answer in enumerate(_answers(predictions, videos)):
        files = []
        if answer.failure is None:
            rows = (predictions.video == index).nonzero().flatten()
            files = _draw(trained, answer, predictions, rows, out, make_mp4=make_mp4)
        results.append((answer, files))
    return results


def spread(videos: Sequence[Video], limit: int) -> list[Video]:
    """At most `limit` of the videos, evenly spaced over the list."""
    if len(videos) <= limit:
        return list(videos)
    return [videos[place * len(videos) // limit] for place in range(limit)]


def evaluate_checkpoint(
    path: str | Path, config_file: str | None, overrides: Sequence[str], out: Path | None
) -> list[str]:
    """Test a checkpoint on the test videos of its split, and write the results.

    Args:
        path: the checkpoint.
        config_file: a configuration in place of the checkpoint's own.
        overrides: `key.sub=value`.
        out: folder of the results; None: `evaluation` beside the checkpoint.

    Returns:
        Lines to print.

    Raises:
        InputError: the checkpoint, the configuration or the data are wrong, or the data set has
            other classes than the checkpoint.
    """
    content = load_checkpoint(path)
    if config_file is None:
        config = config_of_checkpoint(content, path, list(overrides))
    else:
        config = load_config(config_file, overrides)
    if config.data.split == "all":
        raise InputError(
            "data.split=all: a checkpoint knows one split; give its number (data.split=N)"
        )
    split = load_split(config)
    if list(split.classes) != list(content["classes"]):
        raise InputError(
            f"{path} was trained on {len(content['classes'])} classes "
            f"({', '.join(content['classes'][:3])}, ...), {split.name} has {len(split.classes)} "
            f"({', '.join(split.classes[:3])}, ...); evaluate on the data set it was trained on"
        )
    network = network_from_checkpoint(content, config, path)
    accelerator = build_accelerator(config.train.precision)
    items = max(1, config.eval.batch_size // views_per_video(config))
    batches = loader(
        config, evaluation_dataset(config, split.test), batch_size=items, shuffle=False
    )
    network, batches = accelerator.prepare(network, batches)
    result = run_test(config, network, batches, split, accelerator)
    folder = out or Path(path).parent / "evaluation"
    write_result(folder, "test", result.numbers(), result.scores, split.test, split.classes)
    return [*result.lines(), f"written to {folder}"]


def _views(
    trained: Trained, videos: Sequence[Video], *, crops: int | None, collect_focus: bool
) -> ViewPredictions:
    config = trained.config
    accelerator = build_accelerator(config.train.precision)
    dataset = evaluation_dataset(config, videos, crops=crops)
    batches = loader(
        config, dataset, batch_size=1, shuffle=False, workers=min(config.data.workers, len(videos))
    )
    network = trained.network.to(accelerator.device)
    return evaluate(network, batches, accelerator, collect_focus=collect_focus)


def _answers(predictions: ViewPredictions, videos: Sequence[Video]) -> list[Answer]:
    failures = dict(predictions.failures)
    answers = []
    for index, video in enumerate(videos):
        mean = None
        if index not in failures:
            mean = predictions.probabilities[predictions.video == index].mean(0)
        answers.append(Answer(video, mean, failures.get(index)))
    return answers


def _draw(
    trained: Trained, answer: Answer, predictions: ViewPredictions, rows: Tensor, out: Path,
    *, make_mp4: bool,
) -> list[Path]:  # fmt: skip
    assert predictions.frame_indices is not None
    assert predictions.boxes is not None
    assert answer.probabilities is not None
    with open_video(answer.video.path, trained.config.data.reader) as reader:
        frames = reader.read(range(len(reader)))
        fps = reader.fps
    quads = [
        torch.cat(
            [
                focus_quadrilaterals(focus.theta[row], focus.cells, predictions.boxes[row])
                for focus in predictions.focus
            ],
            dim=1,
        )
        if predictions.focus
        else torch.zeros(predictions.boxes.shape[1], 0, 4, 2)
        for row in rows
    ]  # (T, K, 4, 2) of every clip
    place = _nearest(predictions.frame_indices[rows], len(frames))
    shown = torch.cat(quads)[place]
    label = int(answer.probabilities.argmax())
    says: dict[str, Any] = {
        "label": trained.classes[label],
        "probability": float(answer.probabilities[label]),
    }
    boxes = {
        "person_boxes": _boxes(trained.config.data.people, answer.video, len(frames)),
        "region_boxes": _boxes(trained.config.data.regions, answer.video, len(frames)),
    }
    indices = predictions.frame_indices[rows]
    span = slice(int(indices.min()), int(indices.max()) + 1)  # the part that the clips cover
    captions = [f"{second:.2f} s" for second in frames.seconds[span].tolist()]
    in_span = {name: None if rows is None else rows[span] for name, rows in boxes.items()}
    sheet = draw_sheet(
        frames.data[span], shown[span], title=answer.video.name, captions=captions,
        **in_span, **says,
    )  # fmt: skip
    name = answer.video.name.replace("/", "_")
    files = [out / f"{name}.png"]
    save_png(files[0], sheet)
    if make_mp4:
        files.append(out / f"{name}.mp4")
        write_video(files[1], render_video(frames.data, shown, **boxes, **says), fps=fps)
    return files


def _nearest(frame_indices: Tensor, num_frames: int) -> Tensor:
    """(num_frames,): for every frame the place of the nearest one in (clips, T), flattened."""
    distance = (torch.arange(num_frames)[:, None] - frame_indices.flatten()[None]).abs()
    return distance.argmin(1)


def _boxes(folder: Path | None, video: Video, num_frames: int) -> Tensor | None:
    if folder is None or not folder.is_dir():
        return None
    path = TubeFolder(folder).path_of(video.name)
    return None if path is None else read_tube_csv(path).boxes_at(torch.arange(num_frames))


def _unlabelled(path: Path) -> Video:
    return Video(path.with_suffix("").name, path, label=0, group="")
