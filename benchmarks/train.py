"""What a training step takes beside a bare loop, and how long a run waits for its data.

Steps: the same network, loss and optimizer on the same batches, which are ready in memory; `bare`
is the loop that everybody writes (forward, loss, backward, step), `stn_action` is that of a run,
with its monitor of the heads, gradient norms and clipping, progress and log. Both run in every
repeat, in random order; the ratio is the median over the repeats, by the clock and by the
processor's time, which other processes hardly change.

Data: two epochs through the loader of the run, with each number of workers: the share of the time
that the loop waited for a batch; without workers, also what it takes to read a clip.

Start: from the command to the end of its first optimizer step, in a process of its own, and to the
end of `--help`, of the slowest tool.
"""

import argparse
import copy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from io import StringIO
from itertools import islice
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.timing import interleaved, keep_freed_memory, ratios
from stn_action.batch import Batch
from stn_action.build.data import open_data
from stn_action.build.run import Run, build_run
from stn_action.cli import user_path
from stn_action.config.schema import Config, load_config
from stn_action.distributed import build_strategy, seed_everything
from stn_action.training.log import EpochProgress, RunLog
from stn_action.training.loop import TrainStats, train_one_epoch
from stn_action.training.optim import build_optimizer

TOOLS = Path(__file__).parents[1] / "tools"
TO_FIRST_STEP = """
import runpy, sys
from torch.optim.optimizer import register_optimizer_step_post_hook
def end(*arguments):
    sys.exit(0)
register_optimizer_step_post_hook(end)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""A program that runs a tool until an optimizer has stepped."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, measure, print three tables."""
    parser = argparse.ArgumentParser(prog="tools/benchmark.py train", description=__doc__)
    add = parser.add_argument
    add("config", type=user_path)
    add("overrides", nargs="*", metavar="key=value")
    add("--batches", type=int, default=8, help="of a repeat (default: 8)")
    add("--repeats", type=int, default=9, help="(default: 9)")
    add("--workers", type=int, nargs="*", default=[0, 1, 2], help="loader processes of the epochs "
        "through the loader (default: 0 1 2)")  # fmt: skip
    add("--no-start", action="store_true", help="do not measure the start of the command")
    options = parser.parse_args(arguments)
    keep_freed_memory()
    console = Console(soft_wrap=True, highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        settings = [*options.overrides, f"train.output_dir={folder}/run", "train.epochs=1"]
        config = load_config(options.config, settings)
        run = prepared_run(config, Path(folder) / "built")
        console.print(step_table(run, options.batches, options.repeats))
        if options.workers:
            console.print(wait_table(options.config, settings, options.workers, Path(folder)))
        if not options.no_start:
            console.print(start_table(options.config, settings))


def prepared_run(config: Config, folder: Path) -> Run:
    """Return all parts of a training run; what they print is dropped."""
    folder.mkdir(parents=True)
    strategy = build_strategy(config.train.precision)
    seed_everything(config.train.seed)
    listing, source = open_data(config)
    return build_run(config, listing, source, folder, strategy, Console(file=StringIO()))


def step_table(run: Run, num_batches: int, repeats: int) -> Table:
    """Return a row for each of the loops over ready batches."""
    batches = list(islice(run.epoch_batches(1), num_batches))
    with RunLog(run.folder) as log:  # once in a run
        loops = {"bare": bare_loop(run, batches), "stn_action": run_loop(run, batches, log)}
        taken = interleaved(loops, repeats=repeats, warmup=1)
    clips = sum(len(batch.clip) for batch in batches)
    title = (
        f"{len(batches)} batches, {clips} clips of {tuple(batches[0].clip.shape[1:])}, "
        f"{run.config.model.backbone}, {torch.get_num_threads()} threads, {repeats} repeats"
    )
    table = Table("loop", "ms a step", "ratio", "processor ms", "ratio", title=title)
    for name, runs in taken.items():
        clock, processor = (
            f"{1000 * statistics.median(run[place] for run in runs) / len(batches):.1f}"
            for place in range(2)
        )
        ratio, processor_ratio = ratios(runs, taken["bare"])
        table.add_row(name, clock, ratio, processor, processor_ratio)
    return table


def bare_loop(run: Run, batches: Sequence[Batch]) -> Callable[[], None]:
    """Return the loop without anything that a run adds, on a copy of the network."""
    network = copy.deepcopy(run.learner)
    device, optim = run.strategy.device, run.config.optim
    network.train()
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimizer = build_optimizer(
        optim.name, [{"params": parameters, "lr": optim.lr}], momentum=optim.momentum
    )

    def loop() -> None:
        for batch in batches:
            optimizer.zero_grad()
            prediction = network(**batch.inputs(device))
            loss = run.objective(prediction, batch.target.to(device))
            loss.backward()
            optimizer.step()

    return loop


def run_loop(run: Run, batches: Sequence[Batch], log: RunLog) -> Callable[[], None]:
    """Return an epoch of a run over the batches, its lines in the log included."""
    console = Console(file=StringIO())

    def loop() -> None:
        with EpochProgress(1, len(batches), console=console) as progress:
            stats = epoch(run, batches, progress)
            log.write("train", 1, {"loss": stats.loss} | run.monitor.compute().numbers())
            run.monitor.reset()

    return loop


def epoch(run: Run, batches: Iterable[Batch], *after_step: Callable[..., None]) -> TrainStats:
    """Train on the batches as a run does."""
    return train_one_epoch(
        run.learner, batches, run.objective, run.step, transforms=run.transforms,
        after_step=[run.monitor, *after_step],
    )  # fmt: skip


def read_line(run: Run, num_batches: int) -> str:
    """Return what it takes to read clips in this process, without training on them."""
    num_clips, start = 0, time.process_time()
    for batch in islice(run.epoch_batches(1), num_batches):
        num_clips += len(batch.clip)
    milliseconds = 1000 * (time.process_time() - start) / max(num_clips, 1)
    return f"{milliseconds:.1f} ms of the processor to read one of {num_clips} training clips"


def wait_table(config: Path, settings: list[str], workers: Sequence[int], folder: Path) -> Table:
    """Return a row for each number of loader processes: two epochs through the loader."""
    title = "epochs through the loader; the processes start in the first"
    table = Table("workers", "epoch", "clips/s", "waited for data", title=title)
    for number in workers:
        settled = load_config(config, [*settings, f"data.num_workers={number}"])
        run = prepared_run(settled, folder / f"workers_{number}")
        if number == 0:
            table.caption = read_line(run, num_batches=8)
        for epoch_number in (1, 2):
            stats = epoch(run, run.epoch_batches(epoch_number))
            rate = f"{len(run.listing.train) / stats.seconds:.1f}"
            table.add_row(str(number), str(epoch_number), rate, f"{stats.data_wait_share:.1%}")
    return table


def start_table(config: Path, settings: list[str]) -> Table:
    """Return what passes until `--help` ends, of the slowest tool, and until the first step."""
    table = Table("from the command to", "seconds")
    helps = {tool.name: seconds_of([str(tool), "--help"]) for tool in TOOLS.glob("*.py")}
    slowest = max(helps, key=lambda name: helps[name])
    table.add_row(
        f"the end of {slowest} --help, the slowest of {len(helps)}", f"{helps[slowest]:.2f}"
    )
    words = [str(TOOLS / "train.py"), str(config), *settings]
    table.add_row("the end of the first step", f"{seconds_of(['-c', TO_FIRST_STEP, *words]):.2f}")
    return table


def seconds_of(words: Sequence[str]) -> float:
    """Return how long a command of this Python takes."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    return time.perf_counter() - start
