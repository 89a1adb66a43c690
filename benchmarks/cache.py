"""Filling a feature cache: time and features of several ways, side by side on some videos.

The plain way decodes each video twice, for its test views and for its random views, and runs the
network as it is. The ways that a cache is filled read a video once, through a copy of the trunk
that is changed for speed. Errors are those of the stored features: the root mean square of the
difference from the plain way's, as a share of their own. "ready" is the trunk of each precision on
clips that are in memory: what filling could take at best. Processor seconds are those of all
threads and loader processes: on a machine that does other things too they say more than the clock.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from io import StringIO
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.timing import keep_freed_memory, medians
from stn_action.build.cache_filling import CacheFiles, fill_arrays, joint_views
from stn_action.build.data import evaluation_loader, open_data
from stn_action.build.model import build_network, example_clip
from stn_action.cli import user_path
from stn_action.config.schema import Config, load_config
from stn_action.data.source import ClipSource
from stn_action.data.video_table import VideoTable
from stn_action.data.view_arrays import ViewArrays
from stn_action.models.network import FocusedNetwork
from stn_action.models.stage_extractor import StageExtractor
from stn_action.precision_choices import StoredPrecision

PARTS = "test", "train"


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, fill, print a table."""
    parser = argparse.ArgumentParser(prog="tools/benchmark.py cache", description=__doc__)
    parser.add_argument("config", type=user_path)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    parser.add_argument("--videos", type=int, default=6, help="evenly spaced in the data set")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--warmup", type=int, default=0)
    options = parser.parse_args(arguments)
    config = load_config(options.config, options.overrides)
    listing, source = open_data(config)
    videos = listing.all_videos
    videos = videos.select(list(range(0, len(videos), max(1, len(videos) // options.videos))))
    network = build_network(config, len(listing.classes)).eval()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        filled = FilledCaches(config, videos, source, network, Path(folder))
        seconds = medians(filled.ways(), repeats=options.repeats, warmup=options.warmup)
        Console().print(filled.table(seconds))


class FilledCaches:
    """Caches of the same videos, filled in several ways."""

    def __init__(
        self, config: Config, videos: VideoTable, source: ClipSource, network: FocusedNetwork,
        folder: Path,
    ) -> None:  # fmt: skip
        assert config.model.freeze_until is not None
        self.config, self.videos, self.source = config, videos, source
        self.network, self.folder = network, folder
        self.stage = config.model.freeze_until
        self.plain: dict[str, list[Tensor]] = {}
        self.clips: list[Tensor] = []
        self.processor_seconds: dict[str, float] = {}

    def ways(self) -> dict[str, Callable[[], None]]:
        """Return the ways by name."""
        ways: dict[str, Callable[[], None]] = {"plain": self.fill_plainly}
        precisions: tuple[StoredPrecision, ...] = ("float32", "bf16")
        self.clips = self._all_clips()
        for precision in precisions:
            ways[precision] = partial(self.fill, precision)
            ways[f"{precision}, ready"] = partial(self.extract, precision)
        return {name: partial(self._measured, name, way) for name, way in ways.items()}

    def fill_plainly(self) -> None:
        """Compute the maps of both data sets, one after the other, and keep them."""
        joint = joint_views(self.config, self.videos, self.source)
        for part, dataset in zip(PARTS, (joint.test, joint.train), strict=True):
            batches = evaluation_loader(self.config, dataset, batch_size=1)
            with torch.no_grad():
                self.plain[part] = [
                    self.network.stage_features(batch.clip, self.stage).half() for batch in batches
                ]

    def fill(self, precision: StoredPrecision) -> None:
        """Fill the cache of a precision."""
        folder = self.folder / precision
        folder.mkdir(exist_ok=True)
        extract = StageExtractor(self.network, self.stage, example_clip(self.config), precision)
        console = Console(file=StringIO())
        files = [CacheFiles(folder, label="")]
        fill_arrays(self.config, self.videos, self.source, extract, files, console=console)

    def extract(self, precision: StoredPrecision) -> None:
        """Compute the maps of all clips, which are ready in memory, and drop them."""
        extract = StageExtractor(self.network, self.stage, example_clip(self.config), precision)
        for clips in self.clips:
            extract(clips)

    def _all_clips(self) -> list[Tensor]:
        """Return the clips of each video, for tests and training together."""
        joint = joint_views(self.config, self.videos, self.source)
        return [batch.clip for batch in evaluation_loader(self.config, joint, batch_size=1)]

    def _measured(self, name: str, way: Callable[[], None]) -> None:
        start = _processor_seconds()
        way()
        taken = _processor_seconds() - start
        self.processor_seconds[name] = min(taken, self.processor_seconds.get(name, taken))

    def error(self, precision: str) -> float:
        """Return the error of a way's test features."""
        found = torch.from_numpy(ViewArrays.open(self.folder / precision, "test").features.copy())
        wanted = torch.stack(self.plain["test"]).double()
        return float((found - wanted).square().mean().sqrt() / wanted.square().mean().sqrt())

    def table(self, seconds: dict[str, float]) -> Table:
        """Return a row for each way."""
        views = self.config.train.cache_views
        views += self.config.eval.num_clips * self.config.eval.num_crops
        frames = len(self.videos) * views * self.config.data.clip.num_frames
        title = (
            f"{len(self.videos)} videos, {frames} frames, {torch.get_num_threads()} threads, "
            f"{self.config.data.num_workers} workers"
        )
        columns = "way", "seconds", "frames/s", "ratio", "processor s", "ratio", "error"
        table = Table(*columns, title=title)
        for name, taken in seconds.items():
            error = f"{self.error(name):.2g}" if (self.folder / name).exists() else ""
            busy, plain = self.processor_seconds[name], self.processor_seconds["plain"]
            table.add_row(
                name, f"{taken:.1f}", f"{frames / taken:.1f}", f"{seconds['plain'] / taken:.1f}",
                f"{busy:.1f}", f"{plain / busy:.1f}", error,
            )  # fmt: skip
        return table


def _processor_seconds() -> float:
    """Return what this process and those that it has ended have used."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system
