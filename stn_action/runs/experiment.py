"""One experiment from its configuration to its result: what `stn_action.train` runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from stn_action.config.files import Tree, plain_values
from stn_action.config.schema import Config, config_from_dict, load_config, to_dict
from stn_action.errors import InputError
from stn_action.runs.folds import FOLD_CHECKPOINTS, train_folds
from stn_action.runs.run_checkpoint import BEST, LAST
from stn_action.runs.test import TestResult
from stn_action.runs.train import train


@dataclass(frozen=True)
class TrainResult:
    """What a training left."""

    protocol: str
    """On what and how it was tested, in one line."""
    metrics: dict[str, float]
    """Of the test, by name, as in `test.json`: `top1` for instance, a share."""
    folder: Path
    """The folder of the run: checkpoints, curves, predictions of all test videos."""
    checkpoints: tuple[Path, ...]
    """The tested states: one, or with `data.fold` all one for each fold."""
    test: TestResult = field(repr=False)
    """All numbers of the test."""

    @property
    def checkpoint(self) -> Path:
        """The tested state, for `Predictor.load`.

        Raises:
            InputError: there are several, of several folds.
        """
        if len(self.checkpoints) != 1:
            raise InputError(
                f"checkpoint: {self.folder} has {len(self.checkpoints)}, one for each fold; take "
                "one of `checkpoints`, or train with data.fold as a number"
            )
        return self.checkpoints[0]

    @property
    def best(self) -> Path | None:
        """The state that was best on the validation videos; None: there are none."""
        path = self.folder / BEST
        return path if path.is_file() else None

    def __str__(self) -> str:
        """Return the lines that a tool prints."""
        return "\n".join([*self.test.lines(), f"written to {self.folder}"])


def train_experiment(
    config: str | Path | Mapping[str, Any] | Config,
    overrides: Mapping[str, Any] | None = None,
    *,
    resume: bool = False,
    quiet: bool = False,
) -> TrainResult:
    """Train by a configuration, test the last state, write all of it into a folder.

    It is what `python tools/train.py CONFIG key=value ...` does; settings are in
    docs/configuration.md.

    Args:
        config: a YAML file, the name of one that comes with the package ("ucf101_st"), nested
            settings, or a configuration that was loaded.
        overrides: settings in place of the configuration's: values by dotted key.
        resume: go on with the run in `train.output_dir`.
        quiet: print nothing.

    Returns:
        The result; `Predictor.load(result.checkpoint)` predicts with it.

    Raises:
        InputError: the configuration, the data or the weights are wrong, or an extra is missing.
        Stopped: SIGTERM or Ctrl-C came while it trained; its state is saved.

    Example:
        >>> import stn_action
        >>> result = stn_action.train(
        ...     "own_videos.yaml", {"optim.lr": 0.005, "train.epochs": 20}
        ... )  # doctest: +SKIP
        >>> result.metrics["top1"], result.checkpoint  # doctest: +SKIP
        (0.85, PosixPath('runs/.../last.pt'))
    """
    loaded = _loaded(config, {} if overrides is None else overrides)
    console = Console(quiet=True) if quiet else None
    named = config if isinstance(config, str | Path) else "settings"
    return train_configured(
        loaded, command=f"stn_action.train({str(named)!r})", resume=resume, console=console
    )


def train_configured(
    config: Config, *, command: str = "", resume: bool = False, console: Console | None = None
) -> TrainResult:
    """Train on one fold, or with `data.fold` all on each; arguments as those of `train`."""
    is_pooled = config.data.fold == "all"
    run = train_folds if is_pooled else train
    result = run(config, command=command, resume=resume, console=console)
    folder = result.folder
    assert folder is not None
    found = sorted(folder.glob(FOLD_CHECKPOINTS)) if is_pooled else [folder / LAST]
    return TrainResult(result.protocol, dict(result.scores.numbers), folder, tuple(found), result)


def _loaded(
    config: str | Path | Mapping[str, Any] | Config, overrides: Mapping[str, Any]
) -> Config:
    if not isinstance(overrides, Mapping):
        raise InputError(
            "overrides: expected values by dotted key, as in {'optim.lr': 0.01}, got "
            f"{type(overrides).__name__}"
        )
    match config:
        case str() | Path():
            return load_config(config, overrides)
        case Config():
            tree: Tree = to_dict(config)
        case Mapping():
            tree = plain_values(config)
        case _:
            raise InputError(
                "config: expected a YAML file, nested settings or a Config, got "
                f"{type(config).__name__}"
            )
    return config_from_dict(tree, "settings", overrides)
