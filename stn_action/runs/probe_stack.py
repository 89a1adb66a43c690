"""The training of several cells of a probe at once, each as it would be trained alone.

Each cell has its own order of clips and views, its own dropout and its own clipping; optimizers act
on each number by itself.
"""

import math
import time
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from stn_action.build.run import build_step, configured_groups
from stn_action.build.training_loss import build_objective
from stn_action.config.schema import Config
from stn_action.data.listing import Listing
from stn_action.data.probe_batches import ProbeBatches
from stn_action.data.video_table import VideoTable
from stn_action.distributed import batch_seed
from stn_action.models.probe_network import ProbeNetwork
from stn_action.models.stacked_probe import StackedProbe
from stn_action.runs.probe_cell import CellResult, run_cell, test_of_cell
from stn_action.runs.probe_grid import ProbeCell, config_of_cell, split_of_cell
from stn_action.runs.probe_session import ProbeSession
from stn_action.training.stacked_clipping import clip_stacked_gradients
from stn_action.training.step import OptimizerStep, check_finite

MAX_CELLS = 10
"""Of a stack: beyond, its numbers leave the cache of the processor, and little is left to save."""


def stacks_of(
    cells: Sequence[ProbeCell], listings: Mapping[int, Listing], *, per_class: int | None,
    max_cells: int = MAX_CELLS,
) -> list[list[ProbeCell]]:  # fmt: skip
    """Return cells in stacks: of one setting, and trained on equally many videos.

    Args:
        cells: of a grid.
        listings: by fold.
        per_class: see `split_of_cell`.
        max_cells: of a stack.
    """
    alike: dict[tuple[Any, ...], list[ProbeCell]] = {}
    for cell in cells:
        listing = listings[cell.fold]
        train, _ = split_of_cell(listing, cell.part, per_class=per_class, seed=cell.seed)
        key = cell.setting, cell.part, len(train)
        alike.setdefault(key, []).append(cell)
    return [
        same[start : start + max_cells]
        for same in alike.values()
        for start in range(0, len(same), max_cells)
    ]


def run_stack(
    session: ProbeSession, cells: Sequence[ProbeCell], *, per_class: int | None
) -> list[CellResult]:
    """Train and test cells that `stacks_of` has put together; otherwise as `run_cell`."""
    configs = [config_of_cell(session.config, cell.setting, cell.seed) for cell in cells]
    # Of weighted classes each cell has a loss of its own, as it has other videos.
    apart = configs[0].train.grad_accum_steps > 1 or configs[0].optim.class_weights is not None
    if len(cells) == 1 or apart:
        return [run_cell(session, cell, per_class=per_class) for cell in cells]
    network = session.network(cells[0].setting, cells[0].seed)
    splits = [
        split_of_cell(session.listings[cell.fold], cell.part, per_class=per_class, seed=cell.seed)
        for cell in cells
    ]
    starts = [
        start_of_cell(session, cell, config) for cell, config in zip(cells, configs, strict=True)
    ]
    begin = time.perf_counter()
    stacked = StackedProbe(network, starts)
    losses = train_stack(session, configs, network, stacked, [train for train, _ in splits])
    seconds = (time.perf_counter() - begin) / len(cells)
    results = []
    for s, (config, (_, test)) in enumerate(zip(configs, splits, strict=True)):
        stacked.copy_to(network, s)
        number = sum(value[s].numel() for value in stacked.parameters.values())
        result = test_of_cell(config, session, network, test)
        results.append(result._replace(loss=losses[s], parameters=number, seconds=seconds))
    return results


def train_stack(
    session: ProbeSession, configs: Sequence[Config], network: ProbeNetwork,
    stacked: StackedProbe, videos: Sequence[VideoTable],
) -> list[float]:  # fmt: skip
    """Train cells, as `train_probe` trains one.

    Args:
        session: the data.
        configs: of the cells.
        network: of one of them.
        stacked: all at their start.
        videos: to train each on, equally many.

    Returns:
        The loss of the last epoch of each.

    Raises:
        TrainingError: a training diverged.
    """
    network.train()
    train, seeds = configs[0].train, [config.train.seed for config in configs]
    batches = [
        ProbeBatches(
            session.maps, session.data.cache.train(own, seed=seed), train.batch_size, seed=seed,
            part="train", sampling=train.sampling,
        )
        for own, seed in zip(videos, seeds, strict=True)
    ]  # fmt: skip
    step = _step(session, configs[0], network, stacked.parameters, len(batches[0]))
    objective = build_objective(configs[0])
    losses = [math.nan for _ in configs]
    for epoch in range(1, train.epochs + 1):
        left = None if train.max_steps is None else train.max_steps - step.schedule.last_epoch
        if left == 0:
            break
        sums = torch.zeros(1 + len(configs), dtype=torch.float64)
        of_all = zip(*(own.of_epoch(epoch) for own in batches), strict=True)
        for number, each in enumerate(islice(of_all, left), 1):
            generators = [
                torch.Generator().manual_seed(batch_seed(seed, epoch=epoch, batch=number))
                for seed in seeds
            ]
            clip, extents, target = (
                torch.stack([getattr(batch, name) for batch in each])
                for name in ("clip", "extents", "target")
            )
            found = stacked.losses(clip, extents, target, objective, generators)
            sums += clip.shape[1] * torch.tensor([1, *found.tolist()], dtype=torch.float64)
            check_finite("loss", float(found.detach().sum()), number)
            step(found.sum(), number)
        losses = (sums[1:] / sums[0]).tolist()
    return losses


def start_of_cell(session: ProbeSession, cell: ProbeCell, config: Config) -> dict[str, Tensor]:
    """Return the trained parameters of a cell at their start, by name."""
    network = session.network(cell.setting, cell.seed)
    trained = {id(p) for group in configured_groups(config, network) for p in group["params"]}
    return {
        name: parameter.detach().clone()
        for name, parameter in network.named_parameters()
        if id(parameter) in trained
    }


def _step(
    session: ProbeSession, config: Config, network: ProbeNetwork,
    parameters: Mapping[str, nn.Parameter], batches_per_epoch: int,
) -> OptimizerStep:  # fmt: skip
    """Return the step of a stack, over its parameters in place of those of one network."""
    own = {id(network.get_parameter(name)): stacked for name, stacked in parameters.items()}
    groups = [
        {**group, "params": [own[id(parameter)] for parameter in group["params"]]}
        for group in configured_groups(config, network)
    ]
    return build_step(
        config, network, groups, batches_per_epoch, session.strategy, fused=True,
        clip=clip_stacked_gradients,
    )[1]  # fmt: skip
