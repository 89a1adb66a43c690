"""Runs that are killed anywhere and resumed end with what an undisturbed one gives, bit for bit."""

import io
import json
import random
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from stn_action.config.schema import load_config
from stn_action.runs import run_checkpoint
from stn_action.runs.train import train
from stn_action.training.checkpoint import load_checkpoint, save_checkpoint
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


def resume_word(folder: Path) -> list[str]:
    return ["--resume"] if (folder / "fingerprint.json").exists() else []


def kill_and_resume(reference: Reference, folder: Path, ends: Sequence[End], *more: str) -> int:
    """Start a run or go on, kill it at some points, let it finish, compare; return the kills."""
    kills = 0
    for end in ends:
        status = train_until(end, reference.file, folder, *more, *resume_word(folder))
        assert status in (-signal.SIGKILL, 0), f"{end}: ended with status {status}"
        if status == 0:
            break
        kills += 1
        contents = [load_checkpoint(path) for path in sorted(folder.glob("*.pt"))]
        if len(contents) == 2:
            best, last = contents
            assert last["best"] is None or best["best"] >= last["best"]
    assert train_until(None, reference.file, folder, *more, *resume_word(folder)) == 0
    reference.assert_same(folder)
    return kills


def random_ends(name: str, kills: int) -> list[End]:
    """Kill after batches and before writes; a save takes three writes, so there is progress."""
    draw = random.Random(name)
    steps = [End("step", draw.randint(1, 4)) for _ in range(kills)]
    writes = [End("write", draw.randint(4, 30)) for _ in range(kills)]
    return [draw.choice(pair) for pair in zip(steps, writes, strict=True)]


def test_a_run_that_is_killed_again_and_again_ends_as_if_it_were_not(reference, tmp_path):
    run = tmp_path / "run"
    assert train_until(End("step", 1), reference.file, run) == -signal.SIGKILL
    assert places_of(run) == {}  # it was started, and has saved nothing yet
    train_until(End("step", 4), reference.file, run, "--resume")
    assert places_of(run) == {"last.pt": (0, 3)}  # no more than the interval of a step is lost
    number = random.Random("write").randint(12, 30)
    assert kill_and_resume(reference, run, [End("write", number)]) == 1


def test_workers_and_a_kill_change_nothing(reference, tmp_path):
    assert kill_and_resume(reference, tmp_path / "run", [End("step", 3)], "data.num_workers=2") == 1


def test_a_run_from_stored_features_saves_when_it_is_asked_to_end(cached, tmp_path):
    run = tmp_path / "run"
    end = End("step", 7, signal.SIGTERM)
    assert train_until(end, cached.file, run, "train.save_interval=null") == 128 + signal.SIGTERM
    assert places_of(run)["last.pt"] == (1, 2)
    assert kill_and_resume(cached, run, [], "train.save_interval=null") == 0


@pytest.mark.parametrize("lost", ["last.pt", "nothing"])
def test_a_run_killed_between_best_and_last_goes_on_from_the_best(
    reference, tmp_path, lost, monkeypatch
):
    """The first save of all, or a later one: `best.pt` is there, `last.pt` is as it was."""
    saved = {}

    def save_and_keep(path, content):
        save_checkpoint(path, content)
        saved.setdefault(path.name, []).append(path.read_bytes())

    monkeypatch.setattr(run_checkpoint, "save_checkpoint", save_and_keep)
    run = tmp_path / "run"
    config = load_config(reference.file, [f"train.output_dir={run}", "train.save_interval=2 steps"])
    train(config, console=Console(quiet=True))
    (run / "best.pt").write_bytes(saved["best.pt"][0])
    (run / "last.pt").write_bytes(saved["last.pt"][1])
    assert places_of(run) == {"best.pt": (1, 0), "last.pt": (0, 4)}
    if lost == "last.pt":
        (run / "last.pt").unlink()
    out = io.StringIO()
    train(config, resume=True, console=Console(file=out, soft_wrap=True))
    assert "resumed after epoch 1" in out.getvalue()
    reference.assert_same(run)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.slow
def test_signals_to_all_of_its_processes_let_a_run_save(reference, tmp_path, number):
    run, workers = tmp_path / "run", "data.num_workers=2"
    end = End("step", 4, number)
    assert train_until(end, reference.file, run, workers) == 128 + number
    assert places_of(run) == {"last.pt": (0, 4)}
    kill_and_resume(reference, run, [], workers)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("workers", [0, 2, 4])
def test_random_kills_change_nothing(reference, tmp_path, workers, seed):
    ends = random_ends(f"{workers} {seed}", 4)
    kill_and_resume(reference, tmp_path / "run", ends, f"data.num_workers={workers}")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_random_kills_of_runs_from_stored_features_change_nothing(cached, tmp_path, seed):
    kill_and_resume(cached, tmp_path / "run", random_ends(f"cached {seed}", 4))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_random_kills_leave_accumulated_gradients_complete(
    tiny_data, tmp_path, tmp_path_factory, seed
):
    reference = Reference(tiny_data, tmp_path, *ACCUMULATED)
    kill_and_resume(reference, tmp_path / "run", random_ends(f"accumulated {seed}", 4))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_a_kill_before_any_write_changes_nothing(reference, tmp_path, part):
    for number in range(1 + part, 200, 4):
        if not kill_and_resume(reference, tmp_path / f"run{number}", [End("write", number)]):
            break
    assert number > 60  # the run has that many writes
