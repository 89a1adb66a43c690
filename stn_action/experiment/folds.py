"""Every fold of a data set trained and tested, their predictions pooled."""

import json
from pathlib import Path

import torch
from rich.console import Console

from stn_action.config import Config
from stn_action.data.videos import Video
from stn_action.experiment.evaluating import TestResult
from stn_action.experiment.loading import fold_configs, load_split, protocol
from stn_action.experiment.run_folder import run_folder, write_result
from stn_action.experiment.training import train
from stn_action.training.metrics import VideoScores


def train_folds(
    config: Config, *, command: str = "", resume: bool = False, console: Console | None = None
) -> TestResult:
    """Train one network per fold and score all test videos together.

    Each fold has a folder of its own in the run folder. A fold that has a result is not trained
    again when resuming.

    Args:
        config: the experiment, with `data.split` "all".
        command: to be written down.
        resume: go on with the first fold that is not finished.
        console: where to print; the standard output by default.

    Raises:
        InputError: as `train`; or the data set has no folds.
    """
    console = Console(soft_wrap=True, highlight=False) if console is None else console
    folder = run_folder(config)
    videos: list[Video] = []
    rows, failures = [], []
    classes: tuple[str, ...] = ()
    for fold in fold_configs(config):
        fold_folder = folder / f"split_{fold.data.split}"
        fold = _writing_to(fold, fold_folder)
        split = load_split(fold)
        finished = fold_folder / "probabilities.json"
        if not (resume and finished.is_file()):
            going_on = resume and (fold_folder / "last.pt").is_file()
            result = train(fold, command=command, resume=going_on, console=console)
            finished.write_text(
                json.dumps([result.scores.probabilities.tolist(), result.failures]),
                encoding="utf-8",
            )
        probabilities, failed = json.loads(finished.read_text(encoding="utf-8"))
        rows.append(torch.tensor(probabilities))
        failures += [(name, reason) for name, reason in failed]
        videos += split.test
        classes = split.classes
    result = _pooled(config, videos, classes, torch.cat(rows), failures)
    write_result(folder, "test", result.numbers(), result.scores, tuple(videos), classes)
    for line in [*result.lines(), f"written to {folder}"]:
        console.print(line, markup=False)
    return result


def _pooled(
    config: Config, videos: list[Video], classes: tuple[str, ...],
    probabilities: torch.Tensor, failures: list[tuple[str, str]],
) -> TestResult:  # fmt: skip
    labels = torch.tensor([video.label for video in videos])
    metric = VideoScores(labels, len(classes), sync_on_compute=False)
    seen = (~probabilities.isnan().any(1)).nonzero().flatten()
    metric.update(seen, probabilities[seen], labels[seen])
    folds = len(fold_configs(config))
    line = protocol(config, f"{config.data.name}, {folds} folds pooled", len(videos), len(failures))
    return TestResult(line, metric.scores(), None, None, failures)


def _writing_to(config: Config, folder: Path) -> Config:
    return config.model_copy(update={"train": config.train.model_copy(update={"out": folder})})
