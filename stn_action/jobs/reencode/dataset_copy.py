"""Re-encode a data set once, so that training reads it faster."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from stn_action.data.listing import NAMES_SHOWN, Video
from stn_action.errors import InputError
from stn_action.jobs.pool import Failed, run_pool
from stn_action.jobs.reencode.list_files import copy_lists
from stn_action.jobs.reencode.plan import (
    Job,
    Preparation,
    Records,
    boxes_digest,
    open_journal,
    records_of,
)
from stn_action.jobs.reencode.recipe import Prepared, Recipe, fitted_people, prepare_video
from stn_action.jobs.reencode.trial import forecast
from stn_action.person.store.people_file import PeopleFile
from stn_action.progress import show_progress

REPORT, PEOPLE, SCRATCH = "report.tsv", "people.sqlite", ".unfinished"
CRASHED = "the decoder crashed, or used up the memory"


@dataclass(frozen=True)
class Outcome:
    """How a preparation has ended."""

    task: Preparation
    prepared: int
    """Videos that were re-encoded in this run."""
    known: int
    """Videos that had been before."""
    failures: Mapping[str, str]
    """Name of each video that could not be, and why."""
    missing: tuple[str, ...]
    """Names of listed videos that the disk lacks."""
    whole: int
    """Videos that were to be cut to their people, of which the whole picture was kept: the people
    and the margin fill it, or nobody is known."""

    def lines(self) -> list[str]:
        """What to print."""
        lines = [
            f"{self.prepared} videos prepared now, {self.known} before, {len(self.failures)} failed"
        ]
        if self.whole:
            lines.append(
                f"{self.whole} videos were kept whole: their people and the margin fill the "
                "picture, or nobody is known in them"
            )
        if self.missing:
            names = ", ".join(self.missing[:NAMES_SHOWN])
            more = ", ..." if len(self.missing) > NAMES_SHOWN else ""
            lines.append(f"{len(self.missing)} listed videos are not on the disk: {names}{more}")
        for name, reason in list(self.failures.items())[:NAMES_SHOWN]:
            lines.append(f"failed: {name}: {reason}")
        out = self.task.out
        if self.failures:
            lines.append(f"all failures are in {out / REPORT}")
        people = f" data.people={out / PEOPLE}" if self.task.people is not None else ""
        return [*lines, f"written to {out}; train with data.root={out}{people}"]


def prepare_clips(
    task: Preparation,
    *,
    workers: int,
    tell: Callable[[str], None] | None = None,
    console: Console | None = None,
) -> Outcome:
    """Re-encode the videos that have not been yet; a run that is killed goes on.

    Args:
        task: what, how and where to.
        workers: processes; 0: this one.
        tell: is told, before the work begins, what it will bring; None: that is not found out.
        console: where progress is shown; None: the standard error.

    Raises:
        InputError: `task.out` holds something else, or cannot be written.
    """
    with open_journal(task) as journal:
        records = records_of(journal)
        waiting = task.waiting(records)
        if tell is not None and waiting:
            tell(forecast(task, waiting, alone=workers == 0))
        written = _people_file(task)
        scratch = task.out / SCRATCH
        shutil.rmtree(scratch, ignore_errors=True)  # of a run that was killed
        jobs = (task.job(video) for video in waiting)
        results = run_pool(partial(run_job, task.recipe, scratch), jobs, workers)
        results = show_progress(results, total=len(waiting), what="re-encoding", console=console)
        for job, result in results:
            record = _finished(task, job.video, result, written)
            journal.append(json.dumps(record).encode() + b"\n")
            records[job.video.name] = record
        shutil.rmtree(scratch, ignore_errors=True)
    _complete_people(task, records, written)
    try:
        copy_lists(task.root, task.out)
        return _outcome(task, records, waiting)
    except OSError as error:
        raise InputError(
            f"{error.filename or task.out}: {error.strerror}; make room, then give the same "
            "command again: what is done stays done"
        ) from error


def run_job(recipe: Recipe, scratch: Path, job: Job) -> Prepared | str:
    """Re-encode one video; returns why, where its source cannot be.

    Raises:
        InputError: the result cannot be written.
    """
    try:
        return prepare_video(job.video, job.target, recipe, job.people, scratch=scratch)
    except InputError as error:
        return str(error).removeprefix(f"{job.video.path}: ")
    except OSError as error:
        raise InputError(
            f"{job.target}: cannot be written ({error.strerror}); make room, then give the same "
            "command again: what is done stays done"
        ) from error


def _finished(
    task: Preparation, video: Video, result: Prepared | str | Failed, written: PeopleFile | None
) -> dict[str, Any]:
    """Write the boxes of a video, and tell what to remember of it."""
    if isinstance(result, Failed):
        result = CRASHED
    if isinstance(result, str):
        return {"name": video.name, "error": result}
    people = task.people_in(video)
    if people is not None and written is not None:
        try:
            fitted = fitted_people(people, result)
        except InputError as error:
            return {"name": video.name, "error": str(error)}
        written.add(fitted, task.target(video))
    return {"name": video.name, "boxes": boxes_digest(people), **asdict(result)}


def _people_file(task: Preparation) -> PeopleFile | None:
    """The file of the boxes in prepared pictures; None where there are no boxes."""
    if task.people is None:
        return None
    made_by = f"prepared pictures of {json.dumps(task.settings)}"
    return PeopleFile.create(task.out / PEOPLE, made_by)


def _complete_people(task: Preparation, records: Records, written: PeopleFile | None) -> None:
    """Write the boxes of prepared videos that the people file lacks, if it was lost."""
    if written is None:
        return
    there = set(written.names())
    for video in task.videos:
        record = records.get(video.name, {})
        if record.get("boxes") and video.name not in there:
            _finished(task, video, _prepared(record), written)


def _prepared(record: Mapping[str, Any]) -> Prepared:
    values = {field.name: record[field.name] for field in fields(Prepared)}
    for name in ("source_hw", "region", "shrunk_hw"):
        values[name] = tuple(values[name])
    return Prepared(**values)


def _outcome(task: Preparation, records: Records, tried: list[Video]) -> Outcome:
    """Write the report, and count."""
    present = [video.name for video in task.videos if video.path.is_file()]
    found = {name: records[name] for name in present}
    failures = {name: record["error"] for name, record in found.items() if "error" in record}
    _write_report(task, failures)
    done = [_prepared(record) for record in found.values() if "error" not in record]
    whole = [one for one in done if one.region == (0, 0, *reversed(one.source_hw))]
    there = set(present)
    return Outcome(
        task,
        prepared=len(tried) - len(failures),
        known=len(present) - len(tried),
        failures=failures,
        missing=tuple(video.name for video in task.videos if video.name not in there),
        whole=0 if task.recipe.margin is None else len(whole),
    )


def _write_report(task: Preparation, failures: Mapping[str, str]) -> None:
    rows = [f"{name}\t{' '.join(reason.split())}" for name, reason in failures.items()]
    unfinished = task.out / f".{REPORT}.unfinished"
    text = "\n".join(["name\terror", *rows, ""])
    unfinished.write_text(text, encoding="utf-8", errors="surrogateescape")
    unfinished.replace(task.out / REPORT)
