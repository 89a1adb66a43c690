"""Damaged files end nothing: every tool goes on, names each, and never hangs or crashes.

Checkpoints with one flipped bit must be noticed. Damaged videos of 30 kinds, of many codecs and
containers, go through all three readers, which must agree with a sequential decode where they
accept a file, and through check_videos, detect_people, train, evaluate, predict and
reencode_videos, each over batches of them among intact ones.
"""

import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from stn_action.errors import InputError
from stn_action.training.checkpoint import load_checkpoint
from stress.batch_faults import FAULTS_OF
from stress.damaged_batch import DamagedBatch, Setup
from stress.damaged_files import SPECIALS, make_special
from stress.guarded import guarded
from stress.sample import sample_settings, write_sample, write_settings
from stress.tool_process import run_tool
from stress.trials import Outcome, Trial, options_of, run_trials, subject_parser

BATCH = 50
"""Videos given to a tool at once."""
BITS = 100
"""Flipped bits in a trial."""
FOLDER = SPECIALS.index("a folder")
"""A folder is looked into, whatever its name."""


def main(arguments: Sequence[str]) -> list[Outcome]:
    """Parse, try, print a table; return the outcomes."""
    parser = subject_parser("damage", __doc__)
    parser.add_argument("--videos", type=int, default=1000, help="damaged ones (default: 1000)")
    parser.add_argument("--bits", type=int, default=400, help="of a checkpoint (default: 400)")
    parsed = parser.parse_args(arguments)
    options = options_of(parsed)
    setup = Setup(options.out, options.seed)
    return run_trials(_trials(setup, parsed.videos, parsed.bits), options)


def _trials(setup: Setup, videos: int, bits: int) -> Iterator[Trial]:
    for first in range(0, bits, BITS):
        number = min(BITS, bits - first)
        run = partial(_flip_bits, setup, first, number)
        yield Trial("checkpoints with a flipped bit", f"bits/{first // BITS}", run, number)
    for number, name in enumerate(SPECIALS):
        run = partial(_train_with_special, setup, number)
        yield Trial(f"training with {name} among the videos", f"special/{number}", run)
    for first in range(0, videos, BATCH):
        batch = DamagedBatch(setup, first, min(BATCH, videos - first))
        for name, (what, faults_of) in FAULTS_OF.items():
            key = f"batch{first // BATCH:02}/{name}"
            run = partial(_through, faults_of, batch)
            yield Trial(f"damaged videos through {what}", key, run, len(batch))


def _train_with_special(setup: Setup, number: int, folder: Path) -> list[str]:
    """Train on a folder that holds something that is no file, with a video's suffix."""
    data = shutil.copytree(
        write_sample(setup.out / "data", train=8, seed=setup.seed), folder / "data"
    )
    path = data / "train/left/special.mp4"
    make_special(path, number)
    settings = sample_settings(data, f"train.output_dir={folder / 'run'}", "train.epochs=1")
    ended = run_tool("train", [write_settings(folder / "tiny.yaml", settings)], folder)
    if faults := ended.faults(0):
        return faults
    return [] if number == FOLDER or path.stem in ended.output else [f"{path} is not named"]


def _through(faults_of, batch: DamagedBatch, folder: Path) -> list[str]:
    return faults_of(batch.written(), folder)


def _flip_bits(setup: Setup, first: int, number: int, folder: Path) -> list[str]:
    intact = setup.checkpoint().read_bytes()
    items = [(folder, intact, setup.seed, place) for place in range(first, first + number)]
    log = folder / "printed.log"
    found = guarded(_flip_bit, items, seconds=60, log=log)
    return [f"bit {place}: {fault}" for place, fault in enumerate(found, first) if fault]


def _flip_bit(item: tuple[Path, bytes, int, int]) -> str | None:
    """Load a checkpoint with one flipped bit; return a fault if that is not noticed."""
    folder, intact, seed, place = item
    data = bytearray(intact)
    bit = int(np.random.default_rng([seed, place]).integers(8 * len(data)))
    data[bit // 8] ^= 1 << bit % 8
    path = folder / "last.pt"
    path.write_bytes(data)
    try:
        load_checkpoint(path)
    except InputError:
        return None
    return f"bit {bit % 8} of byte {bit // 8} of {len(data)} is not noticed"
