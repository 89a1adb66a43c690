"""A checkpoint on videos: what it says, and what that is worth."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from stn_action.build.data import (
    check_before_start,
    evaluation_dataset,
    full_test_loader,
    load_split,
    loader,
)
from stn_action.build.model import config_of_checkpoint, network_from_checkpoint
from stn_action.build.people import people_of
from stn_action.config.schema import Config, load_config
from stn_action.data.listing import VIDEO_SUFFIXES, Split, Video
from stn_action.distributed import build_accelerator
from stn_action.errors import InputError
from stn_action.evaluation.views import ViewPredictions, evaluate
from stn_action.models.network import FocusedNetwork
from stn_action.runs.folder import write_result
from stn_action.runs.test import TestResult, run_test
from stn_action.training.checkpoint import load_checkpoint


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


class Tested(NamedTuple):
    """The test of a checkpoint."""

    config: Config
    """By which it was tested."""
    split: Split
    result: TestResult


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
    """The videos of paths, folders of videos, or of the words "train" and "test", each once.

    Raises:
        InputError: there is no such file, a folder holds no video, or nothing is named.
    """
    if not names:
        raise InputError("no video is named; give a video, a folder of videos, train or test")
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
    return _told_apart(videos)


def whole_frames(trained: Trained, videos: Sequence[Video]) -> str | None:
    """A note on videos that have no person boxes, though the network was trained on crops."""
    people = people_of(trained.config)
    missing = [video.name for video in videos if people and people.find(video.name) is None]
    if not missing:
        return None
    return (
        f"note: {len(missing)} of {len(videos)} videos have no person boxes in "
        f"{trained.config.data.people}, so their whole frames are used: {missing[0]}"
        + (", ..." if missing[1:] else "")
    )


def predict(trained: Trained, videos: Sequence[Video]) -> list[Answer]:
    """Say of every video what it shows, by the test protocol of the checkpoint."""
    predictions = view_predictions(trained, videos, crops=None, collect_focus=False)
    return answers(predictions, videos)


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
        InputError: as `tested`.
    """
    _, split, result = tested(path, config_file, overrides)
    folder = out or Path(path).parent / "evaluation"
    write_result(folder, "test", result.numbers(), result.scores, split.test, split.classes)
    return [*result.lines(), f"written to {folder}"]


def tested(path: str | Path, config_file: str | None, overrides: Sequence[str]) -> Tested:
    """Test a checkpoint on the test videos of its split.

    Args:
        path: the checkpoint.
        config_file: a configuration in place of the checkpoint's own.
        overrides: `key.sub=value`.

    Raises:
        InputError: the checkpoint, the configuration or the data are wrong, or the data set has
            other classes than the checkpoint.
    """
    content = load_checkpoint(path)
    config = config_for(content, path, config_file, overrides)
    split = load_split(config)
    check_before_start(config)
    if list(split.classes) != list(content["classes"]):
        raise InputError(
            f"{path} was trained on {len(content['classes'])} classes "
            f"({', '.join(content['classes'][:3])}, ...), {split.name} has {len(split.classes)} "
            f"({', '.join(split.classes[:3])}, ...); evaluate on the data set it was trained on"
        )
    network = network_from_checkpoint(content, config, path)
    accelerator = build_accelerator(config.train.precision)
    batches = full_test_loader(config, evaluation_dataset(config, split.test))
    network, batches = accelerator.prepare(network, batches)
    return Tested(config, split, run_test(config, network, batches, split, accelerator))


def config_for(
    content: dict[str, Any], path: str | Path, config_file: str | None, overrides: Sequence[str]
) -> Config:
    """The configuration that a checkpoint is tested by: a file's or its own, with overrides."""
    if config_file is None:
        return config_of_checkpoint(content, path, list(overrides))
    return load_config(config_file, overrides)


def view_predictions(
    trained: Trained, videos: Sequence[Video], *, crops: int | None, collect_focus: bool
) -> ViewPredictions:
    """Predict all test views of the videos; `crops` in place of the configured number."""
    config = trained.config
    accelerator = build_accelerator(config.train.precision)
    dataset = evaluation_dataset(config, videos, crops=crops)
    batches = loader(
        config,
        dataset,
        batch_size=1,
        shuffle=False,
        workers=min(config.data.num_workers, len(videos)),
    )
    network = trained.network.to(accelerator.device)
    return evaluate(
        network,
        batches,
        accelerator,
        collect_focus=collect_focus,
        views_at_once=config.eval.batch_size,
    )


def answers(predictions: ViewPredictions, videos: Sequence[Video]) -> list[Answer]:
    """The mean over its views, or the failure, of every video."""
    failures = dict(predictions.failures)
    result = []
    for index, video in enumerate(videos):
        mean = None
        if index not in failures:
            mean = predictions.probabilities[predictions.video == index].mean(0)
        result.append(Answer(video, mean, failures.get(index)))
    return result


def _told_apart(videos: Sequence[Video]) -> list[Video]:
    """Each video once, files of one name named by their whole paths."""
    videos = list(dict.fromkeys(videos))
    number = Counter(video.name for video in videos)
    return [
        video
        if number[video.name] == 1
        else replace(video, name=video.path.with_suffix("").as_posix().lstrip("./"))
        for video in videos
    ]


def _unlabelled(path: Path) -> Video:
    """A video named by its file and two folders: enough to find its own boxes by."""
    parts = [part for part in path.with_suffix("").parts if part not in ("..", path.anchor)]
    return Video("/".join(parts[-3:]), path, label=0, group="")
