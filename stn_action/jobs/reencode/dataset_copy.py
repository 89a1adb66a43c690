"""Re-encode a data set once, so that training reads it faster."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from stn_action.data.datasets.csv_copy import list_of_copies
from stn_action.data.datasets.dataset_table import DATASETS
from stn_action.data.datasets.list_file import MAX_LIST_BYTES
from stn_action.data.video_table import Video
from stn_action.disk.atomic_file import WriteError, unwritable, write_file
from stn_action.errors import InputError
from stn_action.jobs.job_spec import JobSpec, JobSummary, run_job
from stn_action.jobs.reencode.copy_records import PEOPLE, CopyRecords
from stn_action.jobs.reencode.forecast import forecast
from stn_action.jobs.reencode.plan import ReencodeItem, ReencodePlan
from stn_action.jobs.reencode.reencoded_video import Recipe, ReencodedVideo, reencode_video
from stn_action.workers.pool import Failed

REPORT, SCRATCH = "report.tsv", ".unfinished"
LIST_SUFFIXES = (".csv", ".json", ".txt", ".pbtxt", ".pkl")
CONTINUES = "make room, then give the same command again: what is done stays done"


@dataclass(frozen=True)
class ReencodeSummary:
    """The outcome of re-encoding a data set."""

    plan: ReencodePlan
    job: JobSummary
    uncropped: int
    """Copies that show the full frame though a crop was asked for."""

    def lines(self) -> list[str]:
        """Return the lines to print."""
        lines = self.job.lines("re-encoded")
        if self.uncropped:
            lines.append(
                f"{self.uncropped} videos were not cropped: their people and the margin fill the "
                "frame, or no person is known in them"
            )
        out = self.plan.out
        if self.job.failures:
            lines.append(f"all failures are in {out / REPORT}")
        slices = sum(video.is_slice for video in self.plan.videos)
        if slices and not self.plan.is_list:
            lines.append(
                f"{slices} videos are slices: each is a file of its own now, {out}/NAME.mp4, which "
                "a list names without start and end"
            )
        people = f" data.people={out / PEOPLE}" if self.plan.people is not None else ""
        root = out / self.plan.root.name if self.plan.is_list else out
        return [*lines, f"written to {out}; train with data.root={root}{people}"]


def reencode_dataset(
    plan: ReencodePlan,
    *,
    workers: int,
    announce: Callable[[str], None] | None = None,
    console: Console | None = None,
) -> ReencodeSummary:
    """Re-encode the videos that have no copy yet; a run that was killed continues.

    Args:
        plan: what, how and where to.
        workers: processes; 0: this one.
        announce: called before the work begins with what it will bring; None: no forecast.
        console: where progress is shown; None: the standard error.

    Raises:
        InputError: `plan.out` holds something else, or cannot be written.
    """

    def start(waiting: Sequence[Video]) -> None:
        if announce is not None and waiting:
            announce(forecast(plan, waiting, in_process=workers == 0))

    scratch = plan.out / SCRATCH
    with CopyRecords(plan) as records:
        shutil.rmtree(scratch, ignore_errors=True)  # of a run that was killed
        spec = JobSpec(
            "re-encoding", records.recorded, plan.item, partial(_reencode, plan.recipe, scratch),
            records.record, announce=start,
        )  # fmt: skip
        job = run_job(spec, plan.videos, workers=workers, console=console)
        shutil.rmtree(scratch, ignore_errors=True)
        records.complete_people()
        full = sum(
            copy.kept_xyxy == (0, 0, *reversed(copy.source_hw)) for _, copy in records.copies()
        )
    try:
        _write_report(plan, job.failures)
        if plan.is_list:
            list_file = plan.out / plan.root.name
            write_file(list_file, list_of_copies(plan.root), remedy=CONTINUES)
        else:
            copy_lists(plan.root, plan.out)
    except OSError as error:
        raise InputError(f"{error.filename or plan.out}: {error.strerror}; {CONTINUES}") from error
    return ReencodeSummary(plan, job, uncropped=0 if plan.recipe.margin is None else full)


def copy_lists(root: Path, out: Path) -> None:
    """Copy the small files beside a data set's videos that its loader needs.

    These are text files and pickles in `root` itself, folders that hold nothing but `.txt` files,
    and those called like a folder of official lists. Those of UCF101 may also be beside `root`;
    their copy is in `out`. Other folders of CSV files are left out: they hold boxes, which do not
    fit other frames.

    Raises:
        OSError: a file cannot be read or written.
    """
    for path, below in _lists(root):
        target, content = out / below, path.read_bytes()
        if not target.is_file() or target.read_bytes() != content:
            write_file(target, content, remedy=CONTINUES)


def _lists(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file, and its path in the copy."""
    entries = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    for path in entries:
        if _is_list(path):
            yield path, path.name
    folders = [path for path in entries if path.is_dir()]
    for spec in DATASETS.values():
        for name in spec.list_folders if spec.lists_beside else ():
            if root / name not in folders:
                folders.append(root.absolute().parent / name)
    of_lists = {name for spec in DATASETS.values() for name in spec.list_folders}
    for folder in folders:
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        if folder.name in of_lists:
            files = list(filter(_is_list, files))
        if all(path.suffix == ".txt" or folder.name in of_lists for path in files):
            yield from ((path, f"{folder.name}/{path.name}") for path in files)


def _is_list(path: Path) -> bool:
    if path.suffix not in LIST_SUFFIXES or not path.is_file():
        return False
    return path.stat().st_size <= MAX_LIST_BYTES


def _reencode(recipe: Recipe, scratch: Path, item: ReencodeItem) -> ReencodedVideo | Failed:
    """Re-encode one video.

    Raises:
        WriteError: the copy cannot be written.
    """
    try:
        return reencode_video(item.video, item.target, recipe, item.people, scratch=scratch)
    except WriteError:
        raise  # of no video in particular
    except ValueError as error:  # whatever is odd about one video, others are not
        return Failed(str(error).removeprefix(f"{item.video.path}: "))
    except OSError as error:
        if error.filename == str(item.video.path):
            return Failed(f"the file cannot be read ({error.strerror})")
        raise unwritable(item.target, error, CONTINUES) from error


def _write_report(plan: ReencodePlan, failures: Mapping[str, str]) -> None:
    rows = [f"{name}\t{' '.join(reason.split())}" for name, reason in failures.items()]
    write_file(plan.out / REPORT, "\n".join(["name\terror", *rows, ""]), remedy=CONTINUES)
