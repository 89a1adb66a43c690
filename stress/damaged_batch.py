"""A data set of class folders in which most videos are damaged, and a sequential decode of each."""

import os
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

from stress.damaged_files import DamagedFile, matrix_of, write_damaged
from stress.guarded import guarded
from stress.intact_files import IntactFiles
from stress.reader_agreement import Agreement, Decoded, compare_readers
from stress.sample import STEPS, sample_settings, write_sample, write_settings
from stress.tool_process import run_tool

SECONDS_A_VIDEO = 30.0
GOOD = 2
"""Intact videos of each class and part."""


@dataclass(frozen=True)
class Setup:
    """What all batches share."""

    out: Path
    seed: int

    def checkpoint(self) -> Path:
        """Return a checkpoint of a short training on intact videos."""
        folder = self.out / "intact_run"
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            data = write_sample(self.out / "data", train=8, seed=self.seed)
            more = f"train.output_dir={folder / 'run'}", "train.epochs=1"
            config = write_settings(folder / "tiny.yaml", sample_settings(data, *more))
            ended = run_tool("train", [config], folder)
            if ended.status != 0:
                raise RuntimeError(f"a training on intact videos fails: {ended.output}")
            (folder / "done").touch()
        return folder / "run/last.pt"


@dataclass
class DamagedBatch:
    """Damaged videos in both parts of a data set, among intact ones.

    Folders, pipes and broken links with a video's suffix are beside them, in `others`.
    """

    setup: Setup
    first: int
    """Number of the first damaged video."""
    number: int
    files: dict[str, DamagedFile] = field(default_factory=dict)
    """By their stems, which are unique."""
    agreements: dict[str, Agreement | str] = field(default_factory=dict)
    """Of the readers, by the same; or what became of the process that compared them."""

    def __len__(self) -> int:
        return self.number

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.setup.out / f"batches/{self.first}-{self.number}"

    @property
    def odd_number(self) -> bool:
        """Batches take turns: this one uses workers, a manifest, other settings."""
        return bool(self.first // max(self.number, 1) % 2)

    @property
    def workers(self) -> int:
        """Processes that tools use."""
        return 2 if self.odd_number else 0

    def written(self) -> "DamagedBatch":
        """Write the videos if they are not there yet."""
        videos = self.folder / "videos"
        if not self.files:
            shutil.rmtree(videos, ignore_errors=True)
            intact = IntactFiles(self.setup.out / "intact_files")
            for place in range(self.number):
                folder = videos / "train" / list(STEPS)[place % len(STEPS)]
                folder.mkdir(parents=True, exist_ok=True)
                file = write_damaged(folder, intact, self.first + place, self.setup.seed)
                self.files[file.path.stem] = self._placed(file)
            self._add_good(videos)
        return self

    def config(self, folder: Path, *more: str) -> Path:
        """Write the settings of a run on it."""
        videos = self.folder / "videos"
        settings = sample_settings(
            videos, "data.people=null", f"train.output_dir={folder / 'run'}", "train.epochs=1",
            f"data.num_workers={self.workers}", "data.max_unreadable=100000", *more,
        )  # fmt: skip
        return write_settings(folder / "settings.yaml", settings)

    def compared(self) -> dict[str, Agreement | str]:
        """Compare the readers of each video, once."""
        if not self.agreements:
            self.written()
            items = [
                (
                    file.path,
                    self.setup.out / "intact_files" / file.form,
                    matrix_of(file.path) if file.kind.name == "display_matrix" else None,
                    file.kind.keeps_frames,
                )
                for file in self.files.values()
            ]
            log = self.folder / "readers.log"
            found = guarded(compare_readers, items, seconds=SECONDS_A_VIDEO, log=log)
            self.agreements = dict(zip(self.files, found, strict=True))
        return self.agreements

    def decoded(self) -> dict[str, Decoded]:
        """Return what a sequential decode gives of each video that it survives."""
        return {
            name: found.decoded
            for name, found in self.compared().items()
            if isinstance(found, Agreement)
        }

    def unreadable(self) -> set[str]:
        """Return the stems of the videos that cannot be read to their end; a folder is no video."""
        return {
            name
            for name, found in self.decoded().items()
            if not (found.readable or self.files[name].path.is_dir())
        }

    def without_frames(self) -> set[str]:
        """Return the stems of those of which no clip can be read, wherever it is."""
        return {name for name in self.unreadable() if not self.decoded()[name].frames}

    def missing(self) -> set[str]:
        """Return the stems of the videos that are no files, which the data set does not have."""
        return {name for name, file in self.files.items() if not file.path.is_file()}

    def intact(self) -> set[str]:
        """Return the stems of the videos with which nothing is wrong that a decode shows."""
        return {name for name, found in self.decoded().items() if not found.oddities}

    def _placed(self, file: DamagedFile) -> DamagedFile:
        """Link a file into the other part too, or move what is no file out of both."""
        path, videos = file.path, self.folder / "videos"
        if path.is_file():
            target = videos / "test" / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, target)
            return file
        (videos / "others").mkdir(exist_ok=True)
        return replace(file, path=path.rename(videos / "others" / path.name))

    def _add_good(self, videos: Path) -> None:
        data = write_sample(self.setup.out / "data", train=8, seed=self.setup.seed)
        for part in ("train", "test"):
            for name in STEPS:
                (videos / part / name).mkdir(parents=True, exist_ok=True)
                for place in range(GOOD):
                    file = data / part / name / f"{place}.mp4"
                    shutil.copy(file, videos / part / name / f"good{place}.mp4")
