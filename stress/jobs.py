"""The jobs over many videos that are killed and run out of space, and what each leaves."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stn_action.config.schema import TrainConfig
from stress.compared import unlike_files, unlike_people, unlike_run
from stress.sample import DETECTOR, sample_settings, write_sample, write_settings
from stress.tool_process import run_tool


@dataclass(frozen=True)
class Job:
    """A tool that the same command continues."""

    name: str
    what: str
    tool: str
    arguments: Callable[[Path, Path], list[str]]
    """The command line, from the folder of the sample and the folder to write to."""
    unlike: Callable[[Path, Path], list[str]]
    """How what it has written differs from what was written to another folder."""


def reference(job: Job, out: Path) -> tuple[Path, float]:
    """Return the folder of the undisturbed job, and the seconds it takes."""
    folder = out / "references" / job.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    data = write_sample(out / "data", train=8)
    run_tool(job.tool, ["--help"], folder)
    begun = time.monotonic()
    ended = run_tool(job.tool, job.arguments(data, folder), folder)
    if ended.status != 0:
        raise RuntimeError(f"the undisturbed job fails: {ended.command}: {ended.output}")
    return folder, time.monotonic() - begun


def save_often() -> list[str]:
    """Return the setting that saves a checkpoint inside epochs, if there is one."""
    return ["train.save_interval=2"] if "save_interval" in TrainConfig.model_fields else []


def _check(data: Path, folder: Path, workers: int = 0) -> list[str]:
    return [str(data), "--out", str(folder / "manifest.tsv"), "--workers", str(workers)]


def _detect(data: Path, folder: Path, workers: int = 0) -> list[str]:
    out = str(folder / "people.sqlite")
    return [str(data), "--detector", DETECTOR, "--out", out, "--workers", str(workers)]


def _reencode(data: Path, folder: Path) -> list[str]:
    return [str(data), "--out", str(folder / "copy"), "--short-side", "40", "--workers", "0"]


def _cache(data: Path, folder: Path) -> list[str]:
    config = write_settings(folder / "cache.yaml", cache_settings(data, folder))
    begun = (folder / "run").is_dir() and any((folder / "run").iterdir())
    return [str(config), *(["--resume"] if begun else [])]


def cache_settings(data: Path, folder: Path) -> list[str]:
    """Return the settings of a training on stored features."""
    return sample_settings(
        data, f"train.output_dir={folder / 'run'}", "train.cache_features=true",
        f"train.cache_folder={folder / 'cache'}", "model.freeze_until=stage2", "train.epochs=1",
    )  # fmt: skip


def _unlike_manifest(folder: Path, other: Path) -> list[str]:
    return unlike_files(folder, other, "manifest.tsv")


def _unlike_people(folder: Path, other: Path) -> list[str]:
    return unlike_people(folder / "people.sqlite", other / "people.sqlite")


def _unlike_copy(folder: Path, other: Path) -> list[str]:
    return unlike_files(folder / "copy", other / "copy", "*.mp4")


def _unlike_cache(folder: Path, other: Path) -> list[str]:
    faults = unlike_files(folder / "cache", other / "cache", "*.npy")
    return faults + unlike_run(folder / "run", other / "run")


JOBS = (
    Job("check", "check_videos", "check_videos", _check, _unlike_manifest),
    Job("detect", "detect_people", "detect_people", _detect, _unlike_people),
    Job("reencode", "reencode_videos", "reencode_videos", _reencode, _unlike_copy),
    Job("cache", "training on a feature cache", "train", _cache, _unlike_cache),
)
POOLED_JOBS = (
    Job("check2", "check_videos, 2 workers,", "check_videos", partial(_check, workers=2),
        _unlike_manifest),
    Job("detect2", "detect_people, 2 workers,", "detect_people", partial(_detect, workers=2),
        _unlike_people),
)  # fmt: skip
