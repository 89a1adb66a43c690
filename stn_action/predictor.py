"""A checkpoint on videos: what it says, and what that is worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from stn_action.build.data import (
    evaluation_dataset,
    loader,
)
from stn_action.build.model import config_of_checkpoint, network_from_checkpoint
from stn_action.config.schema import Config
from stn_action.data.video_table import Video
from stn_action.distributed import build_strategy
from stn_action.evaluation.views import ViewPredictions, evaluate
from stn_action.models.network import FocusedNetwork
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


def load_trained(path: str | Path, overrides: Sequence[str] = ()) -> Trained:
    """Read a checkpoint; it carries its configuration and the names of its classes.

    Raises:
        InputError: no checkpoint, or the overrides do not fit it.
    """
    content: dict[str, Any] = load_checkpoint(path)
    config = config_of_checkpoint(content, path, list(overrides))
    network = network_from_checkpoint(content, config, path)
    return Trained(config, network, tuple(content["classes"]), Path(path))


def predict(trained: Trained, videos: Sequence[Video]) -> list[Answer]:
    """Say of every video what it shows, by the test protocol of the checkpoint."""
    predictions = view_predictions(trained, videos, crops=None, collect_focus=False)
    return answers(predictions, videos)


def view_predictions(
    trained: Trained, videos: Sequence[Video], *, crops: int | None, collect_focus: bool
) -> ViewPredictions:
    """Predict all test views of the videos; `crops` in place of the configured number."""
    config = trained.config
    strategy = build_strategy(config.train.precision)
    dataset = evaluation_dataset(config, videos, crops=crops)
    batches = loader(
        config,
        dataset,
        batch_size=1,
        shuffle=False,
        workers=min(config.data.num_workers, len(videos)),
    )
    network = trained.network.to(strategy.device)
    return evaluate(
        network,
        batches,
        strategy,
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
