"""The jobs that are killed and run out of space, and how what they leave is compared."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stn_action.config.schema import TrainConfig
from stn_action.person.store.people_file import PeopleFile
from stress.compared import unlike_files, unlike_people, unlike_run
from stress.sample import DETECTOR, sample_settings, write_settings
from stress.tool_process import run_tool

Unlike = Callable[[Path, Path], list[str]]
"""How what is in a folder differs from what is in another one."""


@dataclass(frozen=True)
class Job:
    """A tool that the same command continues."""

    name: str
    what: str
    tool: str
    arguments: Callable[[Path, Path, Path], list[str]]
    """The command line, from a folder of videos, the folder to write to, and one for settings."""
    unlike: Unlike
    """How it differs from another one when it is finished."""
    broken: Unlike
    """What contradicts a finished one when it was stopped."""


def reference(job: Job, out: Path, data: Path) -> tuple[Path, float]:
    """Return the folder of the undisturbed job, made once, and the seconds it takes."""
    folder, seconds = out / "references" / job.name, out / "references" / f"{job.name}.seconds"
    if not seconds.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        settings = out / "references" / f"{job.name}.settings"
        settings.mkdir(exist_ok=True)
        run_tool(job.tool, ["--help"], settings)  # the first start imports the package
        begun = time.monotonic()
        ended = run_tool(job.tool, job.arguments(data, folder, settings), settings)
        if ended.status != 0:
            raise RuntimeError(f"the undisturbed job fails: {ended.command}: {ended.output}")
        seconds.write_text(f"{time.monotonic() - begun}")
    return folder, float(seconds.read_text())


def resume_word(run: Path) -> list[str]:
    """Return `--resume` if a run was started in a folder."""
    return ["--resume"] if (run / "config.yaml").exists() else []


def cache_settings(data: Path, folder: Path) -> list[str]:
    """Return the settings of a training on stored features."""
    return sample_settings(
        data, f"train.output_dir={folder / 'run'}", "train.cache_features=true",
        f"train.cache_folder={folder / 'cache'}", "model.freeze_until=stage2", "train.epochs=1",
    )  # fmt: skip


def training_settings(data: Path, folder: Path, *more: str) -> list[str]:
    """Return the settings of a training with validation videos and frequent checkpoints."""
    often = ["train.save_interval=2 steps"] if "save_interval" in TrainConfig.model_fields else []
    return sample_settings(
        data, f"train.output_dir={folder / 'run'}", "data.val_share=0.25", "train.epochs=3",
        *often, *more,
    )  # fmt: skip


def _check(data: Path, folder: Path, settings: Path, *, workers: int = 0) -> list[str]:
    return [str(data), "--out", str(folder / "manifest.tsv"), "--workers", str(workers)]


def _detect(data: Path, folder: Path, settings: Path, *, workers: int = 0) -> list[str]:
    out = str(folder / "people.sqlite")
    return [str(data), "--detector", DETECTOR, "--out", out, "--workers", str(workers)]


def _reencode(data: Path, folder: Path, settings: Path) -> list[str]:
    return [str(data), "--out", str(folder / "copy"), "--short-side", "40", "--workers", "0"]


def _cache(data: Path, folder: Path, settings: Path) -> list[str]:
    config = write_settings(settings / "cache.yaml", cache_settings(data, folder))
    return [str(config), *resume_word(folder / "run")]


def _train(data: Path, folder: Path, settings: Path) -> list[str]:
    config = write_settings(settings / "train.yaml", training_settings(data, folder))
    return [str(config), *resume_word(folder / "run")]


def _unlike_manifest(folder: Path, other: Path) -> list[str]:
    return unlike_files(folder, other, "manifest.tsv")


def _unlike_people(folder: Path, other: Path) -> list[str]:
    return unlike_people(folder / "people.sqlite", other / "people.sqlite")


def _unlike_copy(folder: Path, other: Path) -> list[str]:
    return unlike_files(folder / "copy", other / "copy", "*.mp4")


def _unlike_run(folder: Path, other: Path) -> list[str]:
    return unlike_run(folder / "run", other / "run")


def _unlike_cache(folder: Path, other: Path) -> list[str]:
    return unlike_files(folder / "cache", other / "cache", "*.npy") + _unlike_run(folder, other)


def _nothing(folder: Path, other: Path) -> list[str]:
    return []


def _broken_people(folder: Path, other: Path) -> list[str]:
    """Return which videos are in a people file with other people than they have."""
    if not (folder / "people.sqlite").exists():
        return []
    whole = PeopleFile(other / "people.sqlite")
    lengths = {one.name: (one.num_frames, len(one.tubes)) for one in whole}
    return [
        f"people of {one.name} are not complete"
        for one in PeopleFile(folder / "people.sqlite")
        if lengths[one.name] != (one.num_frames, len(one.tubes))
    ]


def _broken_copy(folder: Path, other: Path) -> list[str]:
    """Return which copies have their name but are not finished."""
    return [
        f"{path} is not finished"
        for path in sorted((folder / "copy").rglob("[!.]*.mp4"))
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.read_bytes() != (other / path.relative_to(folder)).read_bytes()
    ]


JOBS = (
    Job("check", "check_videos", "check_videos", _check, _unlike_manifest, _nothing),
    Job("detect", "detect_people", "detect_people", _detect, _unlike_people, _broken_people),
    Job("reencode", "reencode_videos", "reencode_videos", _reencode, _unlike_copy, _broken_copy),
    Job("cache", "training on a feature cache", "train", _cache, _unlike_cache, _nothing),
)
TRAINING = Job("train", "training", "train", _train, _unlike_run, _nothing)
POOLED_JOBS = (
    Job("check2", "check_videos with 2 workers", "check_videos", partial(_check, workers=2),
        _unlike_manifest, _nothing),
    Job("detect2", "detect_people with 2 workers", "detect_people", partial(_detect, workers=2),
        _unlike_people, _broken_people),
)  # fmt: skip
