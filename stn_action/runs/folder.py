"""The folder of a run: its configuration at the start, and its results."""

import csv
import json
import math
import platform
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from io import StringIO
from pathlib import Path
from typing import Any

from torch import Tensor

from stn_action.batch import class_text
from stn_action.config.fingerprint import FINGERPRINT_FILE, Differences, Fingerprint
from stn_action.config.schema import Config, to_yaml
from stn_action.data.video_table import Video
from stn_action.disk.atomic_file import unwritable, write_file
from stn_action.disk.file_lock import FileLock
from stn_action.distributed import Strategy
from stn_action.errors import InputError
from stn_action.evaluation.metrics import Scores
from stn_action.launch import is_main_process
from stn_action.visualize.chart_figure import save_figure
from stn_action.visualize.confusion import draw_confusion

LOCK_FILE = "run.lock"
"""Its name in the folder that is locked."""
COMMAND = "stn-action"
"""By which an installed package is started."""
RESULTS = ("test.json", "probabilities.json")
"""Files that exist where a run is finished."""
PACKAGES = ("stn_action", "torch", "torchvision", "timm", "av", "numpy", "accelerate")


def run_folder(config: Config) -> Path:
    """Return `train.output_dir`, or a folder in `runs/` named by data set, trunk and time."""
    if config.train.output_dir is not None:
        return config.train.output_dir
    backbone = config.model.backbone.rpartition("/")[2].replace(":", "-")
    return Path("runs") / f"{config.data.name}-{backbone}-{time.strftime('%Y%m%d-%H%M%S')}"


def writing_to(config: Config, folder: Path) -> Config:
    """Return the same configuration with another run folder."""
    return config.model_copy(
        update={"train": config.train.model_copy(update={"output_dir": folder})}
    )


@contextmanager
def locked_folder(folder: Path, strategy: Strategy | None = None) -> Iterator[bool]:
    """Hold the lock of a folder of results while the block writes to it.

    The main process holds it for all. The folder is created; it is removed again if nothing was
    written. The block is given whether the folder existed before.

    Args:
        folder: of a run, a comparison, a sweep or an evaluation.
        strategy: lets all processes raise what the main process does, and makes this collective;
            None: the main process alone raises it.

    Raises:
        InputError: another process that runs holds it, or the folder cannot be written.
    """
    lock = FileLock(folder / LOCK_FILE, str(folder), "wait until it ends, or give another folder")
    is_main = is_main_process() if strategy is None else strategy.is_main
    created = [path for path in (folder, *folder.parents) if is_main and not path.exists()]
    existed = not created
    refused = _lock_in(folder, lock) if is_main else None
    if strategy is not None:
        refused, existed = strategy.broadcast((refused, existed))
    try:
        if refused is not None:
            raise InputError(refused)
        yield existed
    finally:
        lock.release()
        with suppress(OSError):  # it is not empty
            for path in created:
                path.rmdir()


def check_folder(
    folder: Path, config: Config, *, resume: bool, used: bool, existed: bool = True
) -> None:
    """Check that a run may write to a folder, before anything is computed.

    A run that was killed at any moment can be resumed: one that had not saved a state yet, or had
    only locked its folder, starts from the beginning. A folder that is not there is a mistake.

    Args:
        folder: of the run.
        config: the experiment.
        resume: go on with the run in the folder.
        used: whether a run has saved a state there.
        existed: whether the folder was there before this run locked it.

    Raises:
        InputError: it holds another run already, or there is nothing to resume.
    """
    if used and not resume:
        raise InputError(
            f"train.output_dir: {folder} holds a run already; give --resume to go on with it, "
            "another train.output_dir, or delete it"
        )
    if resume and config.train.output_dir is None:
        raise InputError("--resume: which run? Give its folder as train.output_dir=FOLDER")
    if resume and not existed:
        raise InputError(f"--resume: no run was started in {folder}; leave --resume out")


def was_started(folder: Path) -> bool:
    """Return whether a run in a folder got so far that its fingerprint was written."""
    return (folder / FINGERPRINT_FILE).is_file()


def differences_from_start(folder: Path, config: Config) -> Differences:
    """Return how a configuration and its files differ from those a run was started with.

    Raises:
        InputError: the folder does not hold the run's fingerprint.
    """
    try:
        started = Fingerprint.load(folder)
    except FileNotFoundError:
        raise InputError(
            f"{folder} has no {FINGERPRINT_FILE}, its run was started by another version; "
            "start again in another folder"
        ) from None
    return started.compare(Fingerprint.of(config))


def write_start(
    folder: Path, config: Config, command: str, *, resume: bool,
    network: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Create the folder of a run, and record its configuration, files and command.

    The fingerprint is written last: where it is, a run was started. Results of a run whose
    checkpoints were deleted are removed.

    Args:
        folder: of the run.
        config: the experiment.
        command: that started it.
        resume: whether it goes on from a saved state.
        network: what was loaded and what is trained at which rates, in plain JSON types.
    """
    if not resume:
        for name in (FINGERPRINT_FILE, *RESULTS):
            (folder / name).unlink(missing_ok=True)
    write_file(folder / "config.yaml", to_yaml(config))
    started = {
        "command": command,
        "seed": config.train.seed,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "started": time.strftime("%Y-%m-%d %H:%M:%S"),
        "resumed": resume,
        **(network or {}),
    }
    write_file(folder / "run.json", json.dumps(started, indent=1))
    Fingerprint.of(config).save(folder)


def write_result(
    folder: Path, name: str, result: dict[str, Any], scores: Scores,
    videos: Sequence[Video], classes: tuple[str, ...],
) -> None:  # fmt: skip
    """Write metrics, confusion matrix (CSV, PNG and SVG) and the prediction of every video.

    Of videos with several labels there is no matrix but a table of the classes' average precisions.
    The metrics are written last: where they are, the result is complete.

    Args:
        folder: of the run.
        name: prefix of the files.
        result: plain types, for `<name>.json`.
        scores: of the videos.
        videos: in the order of the scores.
        classes: names.
    """
    (folder / f"{name}.json").unlink(missing_ok=True)
    if "confusion" in scores.artifacts:
        _write_confusion(folder / f"{name}_confusion", scores, classes)
    if "average_precisions" in scores.artifacts:
        rows = _class_rows(scores, videos, classes)
        write_csv(folder / f"{name}_classes.csv", rows)
    rows = _prediction_rows(scores, videos, classes)
    write_csv(folder / f"{name}_predictions.csv", rows)
    write_file(folder / f"{name}.json", json.dumps(result, indent=1))


def written_line(folder: Path, name: str, scores: Scores) -> str:
    """Return a line about the files of `write_result`: which to look at for what."""
    files = {
        "confusion": f"{name}_confusion.png shows which classes are taken for which",
        "average_precisions": f"{name}_classes.csv has the score of each class",
    }
    shown = [line for key, line in files.items() if key in scores.artifacts]
    shown.append(f"{name}_predictions.csv has the prediction of each video")
    return f"written to {folder}: {', '.join(shown)}"


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write a table as CSV: see `write_file`."""
    text = StringIO(newline="")
    csv.writer(text).writerows(rows)
    write_file(path, text.getvalue())


def command_line() -> str:
    """Return the command that this process was started with."""
    program, *arguments = sys.argv
    started = program.split() if program.startswith(f"{COMMAND} ") else ["python", program]
    return shlex.join([*started, *arguments])


def _lock_in(folder: Path, lock: FileLock) -> str | None:
    """Lock a folder; return the reason why not, which all processes are to raise."""
    if folder.exists() and not folder.is_dir():
        return f"{folder} is a file, expected a folder to write into"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        return str(unwritable(folder, error, "give another folder"))
    except InputError as error:
        return str(error)
    return None


def _write_confusion(path: Path, scores: Scores, classes: tuple[str, ...]) -> None:
    confusion, failed = scores.artifacts["confusion"], scores.artifacts["failed_per_class"]
    rows = [["true \\ predicted", *classes, "failed"]]
    for name, row, number in zip(classes, confusion.tolist(), failed.tolist(), strict=True):
        rows.append([name, *row, number])
    write_csv(path.with_suffix(".csv"), rows)
    save_figure(path.with_suffix(".png"), draw_confusion(confusion, classes))


def _class_rows(
    scores: Scores, videos: Sequence[Video], classes: tuple[str, ...]
) -> Iterator[list[object]]:
    numbers = Counter(label for video in videos for label in video.labels)
    columns = {
        column: scores.artifacts[f"{column}s"].tolist()
        for column in ("average_precision", "frame_average_precision")
        if f"{column}s" in scores.artifacts
    }
    yield ["class", "videos", *columns]
    for label, name in enumerate(classes):
        precisions = [column[label] for column in columns.values()]
        cells = ["" if math.isnan(precision) else f"{precision:.6f}" for precision in precisions]
        yield [name, numbers[label], *cells]


def _prediction_rows(
    scores: Scores, videos: Sequence[Video], classes: tuple[str, ...]
) -> Iterator[list[str]]:
    positions = scores.probabilities.shape[1] // len(classes)
    names = [*classes] if positions == 1 else [
        f"{place}: {name}" for place in range(1, positions + 1) for name in classes
    ]  # fmt: skip
    yield ["video", "group", "true", "predicted", *names]
    for video, row in zip(videos, scores.probabilities, strict=True):
        top = row.reshape(positions, -1).argmax(1).tolist()
        predicted = "failed" if row.isnan().any() else class_text(classes, top)
        cells = [f"{value:.6f}" for value in _values(row)]
        true = "; ".join(classes[label] for label in video.labels)
        true = class_text(classes, video.labels) if positions > 1 else true
        yield [video.name, video.group, true, predicted, *cells]


def _values(row: Tensor) -> list[float]:
    return [float(value) for value in row]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
