"""Runs that are killed anywhere and resumed end with what an undisturbed one gives, bit for bit."""

import json
import random
import signal
from pathlib import Path

import pytest
from rich.console import Console

from stn_action.config.schema import load_config
from stn_action.runs.train import train
from stn_action.training.checkpoint import load_checkpoint
from tests.runs.killed_run import End, train_until
from tests.tiny import same, tiny_settings, write_config

SETTINGS = (
    "data.val_share=0.25", "train.batch_size=2", "train.save_interval=1 step", "model.dropout=0.5",
)  # fmt: skip
BATCHES = 10
"""Of the two epochs: 9 training videos."""
CACHED = "model.freeze_until=stage2", "train.cache_features=true"
ACCUMULATED = "train.grad_accum_steps=2", "train.max_steps=5"


class Reference:
    """An undisturbed run, which saves at the ends of its epochs only; the file of its settings."""

    def __init__(self, root: Path, folder: Path, *more: str) -> None:
        self.file = write_config(folder / "tiny.yaml", tiny_settings(root, *SETTINGS, *more))
        self.folder = folder / "straight"
        overrides = f"train.output_dir={self.folder}", "train.save_interval=null"
        train(load_config(self.file, overrides), console=Console(quiet=True))

    def assert_same(self, folder: Path) -> None:
        """Compare everything that is not about time or place."""
        for name in ("last.pt", "best.pt"):
            mine, other = (load_checkpoint(path / name) for path in (folder, self.folder))
            for content in (mine, other):
                content.pop("config")
            assert same(mine, other), name
        for name in ("test.json", "test_predictions.csv"):
            assert (folder / name).read_bytes() == (self.folder / name).read_bytes()
        assert metrics_of(folder) == metrics_of(self.folder)
        epochs = [(line["kind"], line["epoch"]) for line in metrics_of(folder)]
        assert len(set(epochs)) == len(epochs)
        assert curve_of(folder) == curve_of(self.folder)


@pytest.fixture(scope="module")
def reference(tiny_data, tmp_path_factory) -> Reference:
    return Reference(tiny_data, tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def cached(tiny_data, tmp_path_factory) -> Reference:
    folder = tmp_path_factory.mktemp("cached")
    return Reference(tiny_data, folder, *CACHED, f"train.cache_folder={folder / 'cache'}")


def metrics_of(folder: Path) -> list[dict]:
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [
        {key: line[key] for key in line.keys() - {"seconds", "data_wait", "time"}} for line in lines
    ]


def curve_of(folder: Path) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), purge_orphaned_data=False).Reload()
    return [(event.step, event.value) for event in events.Scalars("train/loss")]


def places_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Complete epochs and batches of the next one, of each checkpoint; all must be intact."""
    names = [name for name in ("best.pt", "last.pt") if (folder / name).exists()]
    contents = {name: load_checkpoint(folder / name) for name in names}
    return {name: (content["epoch"], content["batch"]) for name, content in contents.items()}


def kill_and_resume(reference: Reference, folder: Path, ends: list[End], *more: str) -> None:
    """Start a run, end it at each of some points, then let it finish and compare."""
    resume: tuple[str, ...] = ()
    for end in ends:
        status = train_until(end, reference.file, folder, *more, *resume)
        assert status == -signal.SIGKILL, f"{end}: ended with status {status}"
        resume = ("--resume",) if (folder / "fingerprint.json").exists() else ()
        best = load_checkpoint(folder / "best.pt") if (folder / "best.pt").exists() else None
        if best is not None and (folder / "last.pt").exists():
            last = load_checkpoint(folder / "last.pt")
            assert last["best"] is None or best["best"] >= last["best"]
    assert train_until(None, reference.file, folder, *more, *resume) == 0
    reference.assert_same(folder)


def random_ends(name: str, kills: int) -> list[End]:
    """Kill after batches and at writes, with progress in between."""
    draw = random.Random(name)
    return [
        End("step", draw.randint(2, 4))
        if draw.random() < 0.5
        else End("write", draw.randint(9, 20))
        for _ in range(kills)
    ]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_that_is_killed_inside_its_epochs_ends_as_if_it_were_not(
    reference, tmp_path, workers
):
    ends = [End("step", 3), End("step", 5 - workers)]
    kill_and_resume(reference, tmp_path / "run", ends, f"data.num_workers={workers}")


def test_a_kill_loses_no_more_than_the_interval(reference, tmp_path):
    run = tmp_path / "run"
    train_until(End("step", 4), reference.file, run)
    assert places_of(run) == {"last.pt": (0, 3)}
    train_until(End("step", 4), reference.file, run, "--resume", "train.save_interval=2 steps")
    assert places_of(run)["last.pt"] == (1, 0)
