"""Cells that are trained at once end as each of them does alone."""

from pathlib import Path

import pytest
import torch
from rich.console import Console

from stn_action.config.schema import Config
from stn_action.models.stacked_probe import StackedProbe
from stn_action.runs.probe_cell import run_cell, train_probe
from stn_action.runs.probe_grid import (
    ProbeCell,
    cells_of,
    config_of_cell,
    parse_arms,
    settings_of,
    split_of_cell,
)
from stn_action.runs.probe_session import ProbeSession, open_session
from stn_action.runs.probe_stack import MAX_CELLS, run_stack, stacks_of, start_of_cell, train_stack
from tests.tiny import tiny_config

FROZEN = ("model.freeze_until=stage3", "train.cache_features=true", "train.cache_views=2")
RECIPE = (
    "train.epochs=3", "optim.label_smoothing=0.1", "optim.weight_decay=0.05",
    "optim.clip_grad_norm=0.5", "optim.clip_localization_norm=0.001", "optim.head_warmup_epochs=1",
)  # fmt: skip
"""Three batches an epoch, the last one smaller; both clippings take effect."""


@pytest.fixture(scope="module")
def cache(tiny_data, tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("stack") / "cache"


def config_of(data: Path, cache: Path, *more: str) -> Config:
    return tiny_config(
        data, *FROZEN, f"train.cache_folder={cache}", *RECIPE, "train.batch_size=5", *more
    )


def alone(session: ProbeSession, cell: ProbeCell) -> tuple[dict[str, torch.Tensor], float]:
    """The parameters and the loss of a cell at the end of its own training."""
    config = config_of_cell(session.config, cell.setting, cell.seed)
    network = session.network(cell.setting, cell.seed)
    _, loss = train_probe(config, session, network, session.listings[cell.fold].train)
    return {name: p.detach().clone() for name, p in network.named_parameters()}, loss


@pytest.mark.parametrize(
    ("arm", "more"),
    [
        ("windows", ["model.dropout=0"]),
        ("windows", ["model.focus.theta_per=step", "model.focus.diversity_loss=1"]),
        ("windows", ["model.focus.localization=heatmap", "model.focus.start=foreground"]),
        ("windows", ["optim.name=sgd", "model.temporal=difference", "train.max_steps=7"]),
        ("attention", ["model.temporal=difference"]),
        ("max", ["model.focus.branch_loss=0"]),
    ],
)
def test_each_cell_ends_as_it_does_alone(arm, more, tiny_data, cache):
    session = open_session(config_of(tiny_data, cache, *more), Console(quiet=True))
    setting = settings_of(parse_arms([arm]), [3e-3], [1e-2])[0]
    cells = cells_of([setting], [0, 1, 2], [1], "test")
    (stack,) = stacks_of(cells, session.listings, per_class=None)
    assert stack == cells
    wanted = [alone(session, cell) for cell in cells]
    configs = [config_of_cell(session.config, cell.setting, cell.seed) for cell in cells]
    starts = [start_of_cell(session, *pair) for pair in zip(cells, configs, strict=True)]
    network = session.network(cells[0].setting, cells[0].seed)
    stacked = StackedProbe(network, starts)
    videos = [session.listings[1].train] * len(cells)
    losses = train_stack(session, configs, network, stacked, videos)
    assert losses == pytest.approx([loss for _, loss in wanted], rel=1e-5)
    for name, found in stacked.parameters.items():
        expected = torch.stack([parameters[name] for parameters, _ in wanted])
        torch.testing.assert_close(found.detach(), expected, rtol=1e-3, atol=1e-6, msg=name)
        assert not torch.equal(found, torch.stack([start[name] for start in starts])), name


def test_results_are_those_of_single_cells(tiny_data, cache):
    session = open_session(config_of(tiny_data, cache), Console(quiet=True))
    arms = parse_arms([], ["short:readout=windows,train.epochs=2,train.batch_size=4"])
    cells = cells_of(settings_of(arms, [3e-3], [1e-3]), [0, 1], [1], "test")
    for cell, found in zip(cells, run_stack(session, cells, per_class=None), strict=True):
        wanted = run_cell(session, cell, per_class=None)
        assert found.videos == wanted.videos
        assert found.parameters == wanted.parameters
        assert found.correct == wanted.correct
        torch.testing.assert_close(
            torch.tensor(found.probabilities), torch.tensor(wanted.probabilities), atol=1e-4, rtol=0
        )
        assert found.area == pytest.approx(wanted.area, rel=1e-4)
        assert found.loss == pytest.approx(wanted.loss, rel=1e-4)


def test_a_stack_has_one_setting_one_number_of_videos_and_few_cells(tiny_data, cache):
    session = open_session(config_of(tiny_data, cache), Console(quiet=True))
    settings = settings_of(parse_arms(["mean", "windows"]), [1e-3], [1e-3, 1e-2, 0])
    cells = cells_of(settings, list(range(MAX_CELLS + 1)), [1], "test")
    stacks = stacks_of(cells, session.listings, per_class=None)
    assert [cell for stack in stacks for cell in stack] == cells
    assert max(map(len, stacks)) == MAX_CELLS
    for stack in stacks:
        assert len({cell.setting for cell in stack}) == 1
    train = session.listings[1].train
    listings = dict(session.listings)
    listings[2] = type(listings[1])(**{**vars(listings[1]), "train": train.select([0, 5, 11])})
    cells = cells_of(settings[:1], [0], [1, 2], "test")
    assert [len(stack) for stack in stacks_of(cells, listings, per_class=None)] == [1, 1]
    assert len(split_of_cell(listings[2], "test", per_class=None, seed=0)[0]) == 3
