"""The training of one cell of a probe, and its test."""

import time
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor

from stn_action.batch import Batch
from stn_action.build.run import build_step, configured_groups
from stn_action.build.training_loss import build_objective
from stn_action.config.schema import Config
from stn_action.data.probe_batches import ProbeBatches, probe_test_batches
from stn_action.data.video_table import VideoTable
from stn_action.distributed import seed_batch
from stn_action.evaluation.metrics import score_videos
from stn_action.evaluation.views import ViewPredictions, evaluate, shuffled_theta
from stn_action.geometry.attention_mass import attended_areas
from stn_action.models.probe_network import ProbeNetwork
from stn_action.runs.probe_grid import ProbeCell, config_of_cell, split_of_cell
from stn_action.runs.probe_session import ProbeSession
from stn_action.runs.test import CONTROL_SEED
from stn_action.training.loop import train_one_epoch


class CellResult(NamedTuple):
    """The test of a cell; N videos, C classes."""

    videos: list[str]
    """Their names."""
    probabilities: list[list[float]]
    """(N, C), NaN for a video that could not be read."""
    correct: list[bool]
    """(N,)."""
    shuffled: list[bool] | None
    """(N,) with the places of another video; None: there are none that can be exchanged."""
    area: float
    """Mean over views and descriptions; see `attended_areas`."""
    effective_area: float
    loss: float
    """Of the last epoch of training."""
    parameters: int
    """That are trained."""
    seconds: float
    """Of the training."""


def run_cell(session: ProbeSession, cell: ProbeCell, *, per_class: int | None) -> CellResult:
    """Train and test a cell by the recipe of a training run on the cache.

    Args:
        session: the data.
        cell: of the grid.
        per_class: see `split_of_cell`.

    Raises:
        TrainingError: the training diverged.
    """
    config = config_of_cell(session.config, cell.setting, cell.seed)
    listing = session.listings[cell.fold]
    train, test = split_of_cell(listing, cell.part, per_class=per_class, seed=cell.seed)
    network = session.network(cell.setting, cell.seed)
    start = time.perf_counter()
    parameters, loss = train_probe(config, session, network, train)
    seconds = time.perf_counter() - start
    return test_of_cell(config, session, network, test)._replace(
        loss=loss, parameters=parameters, seconds=seconds
    )


def train_probe(
    config: Config, session: ProbeSession, network: ProbeNetwork, videos: VideoTable
) -> tuple[int, float]:
    """Train a network of stored views as a training run does.

    Args:
        config: of the cell.
        session: the data.
        network: at its start.
        videos: to train on.

    Returns:
        The number of trained parameters, and the loss of the last epoch.
    """
    seed, train = config.train.seed, config.train
    views = session.data.cache.train(videos, seed=seed)
    batches = ProbeBatches(
        session.maps, views, train.batch_size, seed=seed, part="train", sampling=train.sampling
    )
    groups = configured_groups(config, network)
    learner, step = build_step(config, network, groups, len(batches), session.strategy, fused=True)
    objective = build_objective(config, videos, session.classes)
    loss = float("nan")
    for epoch in range(1, train.epochs + 1):
        left = None
        if train.max_steps is not None:
            left = (train.max_steps - step.schedule.last_epoch) * train.grad_accum_steps
        if left == 0:
            break

        def seeding(batch: int, epoch: int = epoch) -> None:
            seed_batch(seed, epoch=epoch, batch=batch)

        of_epoch: Iterator[Batch] = islice(batches.of_epoch(epoch), left)
        loss = train_one_epoch(learner, of_epoch, objective, step, before_batch=[seeding]).loss
    return sum(p.numel() for group in groups for p in group["params"]), loss


def test_of_cell(
    config: Config, session: ProbeSession, network: ProbeNetwork, videos: VideoTable
) -> CellResult:
    """Return the test of a trained network, without the numbers of its training.

    Args:
        config: of the cell.
        session: the data.
        network: trained.
        videos: to test on.
    """
    views = session.data.cache.test(videos)
    batches = probe_test_batches(session.maps, views, config.eval.batch_size, part="test")
    predictions = evaluate(network, batches, session.strategy, collect_focus=True)
    num_classes = network.network.classifier.out_features
    targets = videos.targets
    probabilities = score_videos(predictions, targets, num_classes).probabilities
    shuffled = None
    if predictions.focus[0].can_be_given and len(predictions.video.unique()) > 1:
        generator = torch.Generator().manual_seed(CONTROL_SEED)
        source = shuffled_theta(predictions, generator)
        again = evaluate(network, batches, session.strategy, theta_source=source)
        of_others = score_videos(again, targets, num_classes).probabilities
        shuffled = _correct(of_others, targets)
    area, effective = _areas(predictions)
    return CellResult(
        videos=list(videos.names()),
        probabilities=[[round(value, 6) for value in row] for row in probabilities.tolist()],
        correct=_correct(probabilities, targets),
        shuffled=shuffled,
        area=area,
        effective_area=effective,
        loss=float("nan"),
        parameters=0,
        seconds=0.0,
    )


def _correct(probabilities: Tensor, targets: Tensor) -> list[bool]:
    seen = ~probabilities.isnan().any(1)
    return ((probabilities.argmax(1) == targets) & seen).tolist()


def _areas(predictions: ViewPredictions) -> tuple[float, float]:
    focus = predictions.focus[0]
    areas = attended_areas(focus.theta, focus.weights)
    return float(areas.area.double().mean()), float(areas.effective.double().mean())
