"""Tests of a checkpoint on the test videos of a data set."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from stn_action.build.data import check_before_start, full_test_loader, open_data
from stn_action.build.model import config_of_checkpoint, network_from_checkpoint
from stn_action.build.run_data import build_test_data
from stn_action.config.schema import Config, load_config
from stn_action.data.listing import Listing
from stn_action.data.source import ClipSource
from stn_action.distributed import build_strategy
from stn_action.errors import InputError
from stn_action.launch import is_main_process
from stn_action.models.compiled_network import compile_network
from stn_action.models.network import FocusedNetwork
from stn_action.runs.folder import locked_folder, write_result, written_line
from stn_action.runs.test import TestResult, run_test
from stn_action.training.checkpoint import load_checkpoint
from stn_action.training.checkpoint_content import check_trained, positions_in


class CheckpointTest(NamedTuple):
    """The test of a checkpoint."""

    config: Config
    """By which it was tested."""
    listing: Listing
    result: TestResult


class OpenedCheckpoint(NamedTuple):
    """A checkpoint and its data set."""

    config: Config
    listing: Listing
    source: ClipSource
    """Of the listing's clips."""
    network: FocusedNetwork
    """In eval mode."""
    trained: Callable[[], Config]
    """Returns the configuration by which it was trained."""
    features: str | None
    """The digest of the stored features that it was trained on; None: none, or it is unknown."""


def evaluate_checkpoint(
    path: str | Path, config_file: str | None, overrides: Sequence[str], out: Path | None,
    *, trust: bool = False,
) -> list[str]:  # fmt: skip
    """Test a checkpoint on the test videos of its fold, and write the results.

    Args:
        path: the checkpoint.
        config_file: a configuration in place of the checkpoint's own.
        overrides: `key.sub=value`.
        out: folder of the results; None: `evaluation` beside the checkpoint.
        trust: run code that the checkpoint names.

    Returns:
        Lines to print; of several processes, one has some.

    Raises:
        InputError: as `run_checkpoint_test`.
    """
    folder = out or Path(path).parent / "evaluation"
    with locked_folder(folder):
        _, listing, result = run_checkpoint_test(path, config_file, overrides, trust=trust)
        if not is_main_process():
            return []
        write_result(folder, "test", result.numbers(), result.scores, listing.test, listing.classes)
    return [*result.lines(), written_line(folder, "test", result.scores)]


def run_checkpoint_test(
    path: str | Path, config_file: str | None, overrides: Sequence[str], *, trust: bool = False
) -> CheckpointTest:
    """Test a checkpoint on the test videos of its fold.

    Args:
        path: the checkpoint.
        config_file: a configuration in place of the checkpoint's own.
        overrides: `key.sub=value`.
        trust: run code that the checkpoint names.

    Raises:
        InputError: the checkpoint, the configuration or the data are wrong, or the data set has
            other classes than the checkpoint.
    """
    opened = open_checkpoint(path, config_file, overrides, trust=trust)
    config, listing = opened.config, opened.listing
    strategy = build_strategy(config.train.precision)
    data, line = build_test_data(
        config, opened.source, listing, opened.network, opened.trained, opened.features
    )
    batches = full_test_loader(config, data.test(listing.test), strategy, workers=data.num_workers)
    network = strategy.place(data.learner)
    if config.eval.compile:
        compile_network(network, "eval.compile")
    console = Console(stderr=True, soft_wrap=True, highlight=False, quiet=not strategy.is_main)
    if line:
        console.print(line, markup=False)
    result = run_test(config, network, batches, listing, strategy, console=console)
    return CheckpointTest(config, listing, result)


def open_checkpoint(
    path: str | Path, config_file: str | None, overrides: Sequence[str], *, trust: bool = False
) -> OpenedCheckpoint:
    """Load a checkpoint, and open the data set that it is tested on.

    Args:
        path: the checkpoint.
        config_file: a configuration in place of the checkpoint's own.
        overrides: `key.sub=value`.
        trust: run code that the checkpoint names.

    Raises:
        InputError: as `run_checkpoint_test`.
    """
    content = load_checkpoint(path)
    check_trained(content, path)
    config = config_for(content, path, config_file, overrides, trust=trust)
    listing, source = open_data(config)
    check_before_start(config)
    if list(listing.classes) != list(content["classes"]):
        raise InputError(
            f"{path} was trained on {len(content['classes'])} classes "
            f"({', '.join(content['classes'][:3])}, ...), {listing.name} has "
            f"{len(listing.classes)} classes ({', '.join(listing.classes[:3])}, ...); "
            "evaluate on the data set it was trained on"
        )
    if listing.positions != positions_in(content):
        raise InputError(
            f"{path} classifies {positions_in(content)} positions, videos of {listing.name} have "
            f"{listing.positions}; evaluate on the data set it was trained on"
        )
    return OpenedCheckpoint(
        config, listing, source, network_from_checkpoint(content, config, path),
        partial(config_of_checkpoint, content, path), content.get("features"),
    )  # fmt: skip


def config_for(
    content: dict[str, Any], path: str | Path, config_file: str | None, overrides: Sequence[str],
    *, trust: bool = False,
) -> Config:  # fmt: skip
    """Return the configuration of a test: a file's, or the checkpoint's own, with overrides."""
    if config_file is None:
        return config_of_checkpoint(content, path, list(overrides), trust=trust)
    return load_config(config_file, overrides)
