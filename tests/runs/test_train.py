"""A run from configuration to checkpoint and test: what it leaves, and how it goes on."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from accelerate.state import GradientState
from rich.console import Console

from stn_action.config.schema import load_config
from stn_action.errors import InputError
from stn_action.evaluation.metrics import METRICS
from stn_action.runs.train import train
from stn_action.training.checkpoint import load_checkpoint
from stn_action.training.head_report import WORDS
from tests.tiny import rows_of, same, tiny_config, tiny_settings, write_config

ROOT = Path(__file__).parents[2]
QUIET = {"console": Console(quiet=True)}


class Interrupting(io.StringIO):
    """A terminal at which a user presses Ctrl-C when a word comes up."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word

    def write(self, text: str) -> int:
        if self.word in text:
            raise KeyboardInterrupt
        return super().write(text)


def printed_by(config, **settings) -> str:
    out = io.StringIO()
    train(config, console=Console(file=out, soft_wrap=True, highlight=False), **settings)
    return out.getvalue()


def lines_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def without_times(line: dict) -> dict:
    return {
        key: value for key, value in line.items() if key not in ("seconds", "data_wait", "time")
    }


def without_config(content: dict) -> dict:
    return {key: value for key, value in content.items() if key != "config"}


def test_a_run_folder_holds_all_that_was_asked_and_found(tiny_run, tiny_data):
    folder = tiny_run.folder
    started = json.loads((folder / "run.json").read_text())
    assert (started["command"], started["seed"]) == ("the command", 0)
    assert started["packages"].keys() >= {"stn_action", "torch", "timm", "accelerate"}
    assert None not in started["packages"].values()
    again = load_config(folder / "config.yaml")
    assert again == tiny_config(tiny_data, f"train.output_dir={folder}")
    result = json.loads((folder / "test.json").read_text())
    assert result["protocol"] == (
        "folders: 6 videos, 0 failed; 4x2 frames of 32x32, 2 clips x 1 crops, "
        "person crop (looseness 0.25, jitter 0.05 in training, pad mean)"
    )
    assert 0 <= result["top1"] <= result["top5"] == 1
    assert {"top1_shuffled_theta", "mean_class", "regions"} <= result.keys()
    assert result["protocol"] in tiny_run.printed
    confusion = (folder / "test_confusion.csv").read_text().splitlines()
    assert confusion[0] == "true \\ predicted,down,left,right,failed"
    assert [line.split(",")[0] for line in confusion[1:]] == ["down", "left", "right"]
    assert (folder / "test_confusion.png").read_bytes().startswith(b"\x89PNG")
    rows = rows_of(folder / "test_predictions.csv")
    assert len(rows) == 6
    right = sum(row["true"] == row["predicted"] for row in rows)
    assert right / 6 == pytest.approx(result["top1"])
    assert all(sum(float(row[c]) for c in ("down", "left", "right")) > 0.999 for row in rows)
    assert any(folder.glob("events.out.tfevents.*"))


def test_every_epoch_is_logged_with_what_each_head_did(tiny_run):
    lines = lines_of(tiny_run.folder)
    assert [(line["kind"], line["epoch"]) for line in lines] == [
        ("train", 1), ("test", 1), ("train", 2), ("test", 2),
    ]  # fmt: skip
    train_lines = [line for line in lines if line["kind"] == "train"]
    for line in train_lines:
        assert line.keys() >= {"loss", "accuracy", "seconds", "data_wait"}
        assert line["lr"] == pytest.approx({1: 0.75, 2: 0.25}[line["epoch"]] * 3e-3)
        for head in ("stage3.0", "stage3.1"):
            assert line[f"heads/{head}/state"] in WORDS
            for what in ("spread", "displacement", "in_bounds", "scale", "overlap"):
                assert isinstance(line[f"heads/{head}/{what}"], float)
    assert train_lines[1]["heads/stage3.0/displacement"] > 0


def test_a_checkpoint_knows_configuration_and_classes(tiny_run, tiny_data):
    last = load_checkpoint(tiny_run.folder / "last.pt")
    assert (last["epoch"], last["classes"]) == (2, ["down", "left", "right"])
    assert last["config"]["data"]["root"] == str(tiny_data)


def test_without_validation_videos_the_test_is_a_curve_and_chooses_no_checkpoint(tiny_run):
    assert not (tiny_run.folder / "best.pt").exists()
    assert load_checkpoint(tiny_run.folder / "last.pt")["best"] is None
    assert "every epoch: top-1 (one view) of 6 test videos, only to be shown" in tiny_run.printed
    assert re.search(
        r"^epoch 1/2  loss [\d.]+  train acc [\d.]+%  test top-1 [\d.]+%  lr 0\.0023  "
        r"heads \w+( \(1 of 2\))?  \d:\d\d left$",
        tiny_run.printed, re.MULTILINE,
    )  # fmt: skip
    lines = [line for line in lines_of(tiny_run.folder) if line["kind"] == "test"]
    assert lines[0].keys() >= {"top1_one_view", "top5_one_view", "mean_class_one_view"}


@pytest.mark.parametrize("monitor", ["top1", "mean_class"])
def test_the_best_checkpoint_is_chosen_on_the_validation_videos(monitor, tiny_data, tmp_path):
    settings = "data.val_share=0.25", f"train.monitor={monitor}", "train.epochs=3"
    text = printed_by(tiny_config(tiny_data, f"train.output_dir={tmp_path}", *settings))
    assert "9 training videos" in text
    assert "3 validation videos, 6 test videos" in text
    label = METRICS[monitor].label
    assert f"every epoch: {label} (one view) of 3 validation videos, which chooses best" in text
    assert f"  val {label} " in text
    assert {line["kind"] for line in lines_of(tmp_path)} == {"train", "val"}
    values = [line[f"{monitor}_one_view"] for line in lines_of(tmp_path) if line["kind"] == "val"]
    best, last = (load_checkpoint(tmp_path / name) for name in ("best.pt", "last.pt"))
    assert best["best"] == last["best"] == max(values)
    assert best["epoch"] == 1 + values.index(max(values))
    assert json.loads((tmp_path / "test.json").read_text())["monitor"] == monitor


def test_a_run_ends_where_validation_videos_are_not_predicted_better(tiny_data, tmp_path):
    config = tiny_config(
        tiny_data, "data.val_share=0.25", "train.epochs=9", "train.patience=2", "optim.lr=1e-9",
        "model.focus=null", "eval.num_clips=1", f"train.output_dir={tmp_path}",
    )  # fmt: skip
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        train(config, console=Console(file=Interrupting("epoch 3/9"), soft_wrap=True))
    assert load_checkpoint(tmp_path / "last.pt")["since_best"] == 1
    text = printed_by(config, resume=True)
    assert "best.pt; training ends after 2 in a row without a better one\n" in text
    assert "stopped early: 2 evaluations without a better one (train.patience)\n" in text
    best, last = (load_checkpoint(tmp_path / name) for name in ("best.pt", "last.pt"))
    assert (best["epoch"], last["epoch"], last["since_best"]) == (1, 3, 2)
    assert f"is tested by evaluate --checkpoint {tmp_path / 'best.pt'}\n" in text
    train(config, resume=True, **QUIET)
    assert load_checkpoint(tmp_path / "last.pt")["epoch"] == 3


def test_test_videos_never_end_a_training(tiny_data, tmp_path):
    config = tiny_config(tiny_data, "train.patience=2", f"train.output_dir={tmp_path / 'run'}")
    message = r"train\.patience=2: folders has no validation videos, and test videos never decide"
    with pytest.raises(InputError, match=message):
        train(config, **QUIET)
    assert not (tmp_path / "run").exists()


def test_the_start_tells_the_groups_with_their_rates_after_warm_up(tiny_run):
    text = tiny_run.printed
    assert "12 training videos, 1 without person boxes (whole frame), 6 test videos" in text
    assert "small3d on cpu, float32" in text
    assert re.search(r"^trunk\+classifier +182,064 +0.003 +0.0005$", text, re.MULTILINE)
    assert re.search(
        r"^localization .* 3e-06 +0 +relative: nominal 0.001, effective 1 \(adamw, gain 1000\)$",
        text, re.MULTILINE,
    )  # fmt: skip
    groups = json.loads((tiny_run.folder / "run.json").read_text())["parameter_groups"]
    assert groups[0] == {
        "name": "trunk+classifier", "parameters": 182_064, "lr": 0.003, "weight_decay": 5e-4,
        "note": "",
    }  # fmt: skip


def test_the_start_tells_what_was_loaded(tiny_data, tiny_run, tmp_path):
    weights = tiny_run.folder / "last.pt"
    settings = f"model.weights={weights}", f"train.output_dir={tmp_path}", "train.max_steps=1"
    text = printed_by(tiny_config(tiny_data, *settings))
    line = f"weights of {weights}: matched 24 of 24 tensors"
    assert f"{line}\n  the trunk of a run\n" in text
    assert json.loads((tmp_path / "run.json").read_text())["weights"][0] == line


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker")  # torch, of 2 cores
@pytest.mark.parametrize("workers", [0, 2, pytest.param(4, marks=pytest.mark.slow)])
def test_a_resumed_run_is_the_straight_one_to_the_last_bit(tiny_run, tiny_data, tmp_path, workers):
    config = tiny_config(
        tiny_data, f"train.output_dir={tmp_path / 'run'}", f"data.num_workers={workers}"
    )
    ctrl_c = Console(file=Interrupting("epoch 2/2"), soft_wrap=True)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        train(config, console=ctrl_c)
    assert load_checkpoint(tmp_path / "run/last.pt")["epoch"] == 1
    assert not (tmp_path / "run/test.json").exists()
    text = printed_by(config, resume=True)
    assert "resumed after epoch 1" in text
    straight, resumed = (
        load_checkpoint(f / "last.pt") for f in (tiny_run.folder, config.train.output_dir)
    )
    assert same(without_config(straight), without_config(resumed))
    for name in ("test.json", "test_predictions.csv", "test_confusion.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (tiny_run.folder / name).read_bytes()
    logged = [
        [without_times(line) for line in lines_of(f)] for f in (tiny_run.folder, tmp_path / "run")
    ]
    assert logged[0] == logged[1]
    assert json.loads((tmp_path / "run/run.json").read_text())["resumed"] is True


KILLED = """
import os, signal, sys
from rich.console import Console
from stn_action.config.schema import load_config
from stn_action.runs.train import train

class Killed(Console):
    def print(self, *words, **settings):
        if words and str(words[0]).startswith("epoch 2/2"):
            os.kill(os.getpid(), signal.SIGKILL)

train(load_config(sys.argv[1]), console=Killed())
"""


def test_a_killed_run_goes_on_to_the_last_bit(tiny_run, tiny_data, tmp_path):
    settings = tiny_settings(tiny_data, f"train.output_dir={tmp_path / 'run'}")
    config = write_config(tmp_path / "tiny.yaml", settings)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLED, str(config)]
    killed = subprocess.run(command, check=False, env=environment, timeout=300)
    assert killed.returncode == -signal.SIGKILL
    assert load_checkpoint(tmp_path / "run/last.pt")["epoch"] == 1
    train(load_config(config), resume=True, **QUIET)
    straight, resumed = (
        load_checkpoint(f / "last.pt") for f in (tiny_run.folder, tmp_path / "run")
    )
    assert same(without_config(straight), without_config(resumed))
    name = "test_predictions.csv"
    assert (tmp_path / "run" / name).read_bytes() == (tiny_run.folder / name).read_bytes()


def test_a_finished_run_that_is_resumed_is_only_tested_again(tiny_run, tiny_data, tmp_path):
    shutil.copytree(tiny_run.folder, tmp_path / "run")
    (tmp_path / "run/test.json").unlink()
    train(tiny_config(tiny_data, f"train.output_dir={tmp_path / 'run'}"), resume=True, **QUIET)
    assert lines_of(tmp_path / "run") == lines_of(tiny_run.folder)
    name = "test_predictions.csv"
    assert (tmp_path / "run" / name).read_bytes() == (tiny_run.folder / name).read_bytes()


def test_a_used_folder_is_refused_and_left_as_it_is(tiny_run, tiny_data):
    before = {path.name: path.read_bytes() for path in tiny_run.folder.iterdir()}
    config = tiny_config(tiny_data, f"train.output_dir={tiny_run.folder}", "train.seed=1")
    with pytest.raises(InputError, match=r"run holds a run already; give --resume to go on"):
        train(config, **QUIET)
    with pytest.raises(
        InputError, match=r"other settings: train.seed was 0, is 1; resume with its"
    ):
        train(config, resume=True, **QUIET)
    more = tiny_config(
        tiny_data, f"train.output_dir={tiny_run.folder}", "train.epochs=5", "optim.lr=1"
    )
    with pytest.raises(InputError, match=r"optim.lr was 0.003, is 1.0 \(and 1 more\)"):
        train(more, resume=True, **QUIET)
    assert {path.name: path.read_bytes() for path in tiny_run.folder.iterdir()} == before


def test_boxes_that_were_edited_since_the_start_are_noticed(tiny_run, tiny_data, tmp_path):
    folder = Path(shutil.copytree(tiny_run.folder, tmp_path / "run"))
    started = json.loads((folder / "fingerprint.json").read_text())
    assert set(started["digests"]) == {"data.people", "data.regions"}
    started["digests"]["data.people"] = "of other boxes"
    (folder / "fingerprint.json").write_text(json.dumps(started))
    config = tiny_config(tiny_data, f"train.output_dir={folder}")
    with pytest.raises(InputError, match=r"settings: the content of data.people \(.*has changed; "):
        train(config, resume=True, **QUIET)
    (folder / "fingerprint.json").unlink()
    with pytest.raises(InputError, match=r"run has no fingerprint.json, its run was started by an"):
        train(config, resume=True, **QUIET)


@pytest.mark.parametrize("left", [(), ("run.lock",), ("run.lock", "config.yaml")])
def test_a_run_killed_while_it_started_starts_again_when_it_is_resumed(tiny_data, tmp_path, left):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in left:
        (folder / name).write_text("cut o")
    config = tiny_config(tiny_data, f"train.output_dir={folder}")
    train(config, resume=True, **QUIET)
    assert {"config.yaml", "fingerprint.json", "last.pt"} <= {
        path.name for path in folder.iterdir()
    }
    assert load_config(folder / "config.yaml").train == config.train


def test_there_must_be_a_run_to_resume(tiny_data, tmp_path):
    with pytest.raises(InputError, match=r"no run was started in .*run; leave --resume out"):
        train(tiny_config(tiny_data, f"train.output_dir={tmp_path / 'run'}"), resume=True, **QUIET)
    with pytest.raises(InputError, match="which run"):
        train(tiny_config(tiny_data), resume=True, **QUIET)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file is a file, expected a folder to write into"):
        train(tiny_config(tiny_data, f"train.output_dir={tmp_path / 'file'}"), **QUIET)
    assert not (tmp_path / "run").exists()


def test_frozen_heads_stay_at_their_start_without_a_warning(tiny_data, tmp_path):
    settings = f"train.output_dir={tmp_path}", "optim.relative_lr=0", "train.max_steps=4"
    text = printed_by(tiny_config(tiny_data, *settings))
    assert re.search(r"^localization +89,286 +- +- +kept at their start$", text, re.MULTILINE)
    assert "WARNING" not in text
    trained = [line for line in lines_of(tmp_path) if line["kind"] == "train"]
    assert {line["heads/stage3.1/displacement"] for line in trained} == {0.0}


def test_heads_that_hardly_move_raise_a_warning(tiny_data, tmp_path):
    settings = f"train.output_dir={tmp_path}", "model.focus.gain=1", "optim.relative_lr=1e-5"
    text = printed_by(tiny_config(tiny_data, *settings))
    assert "nominal 1e-05, effective 1e-05 (adamw, gain 1)" in text
    assert "WARNING: head 0 at stage3 is frozen: spread" in text
    assert "Try a larger relative_lr or gain" in text


def test_a_run_ends_after_so_many_steps_whatever_the_batches_of_a_step(tiny_data, tmp_path):
    settings = (
        "train.grad_accum_steps=2",
        "train.max_steps=3",
        "train.epochs=9",
    )  # 3 batches an epoch
    config = tiny_config(tiny_data, f"train.output_dir={tmp_path}", *settings)
    train(config, **QUIET)
    content = load_checkpoint(tmp_path / "last.pt")
    steps = {int(state["step"]) for state in content["optimizer"]["state"].values()}
    assert steps == {3}
    assert content["epoch"] == 2
    assert content["schedule"]["last_epoch"] == 3
    assert content["optimizer"]["param_groups"][0]["lr"] == 0
    assert not GradientState().in_dataloader
    train(config, resume=True, **QUIET)
    assert load_checkpoint(tmp_path / "last.pt")["epoch"] == 2


def test_a_plain_trunk_trains_too(tiny_data, tmp_path):
    text = printed_by(
        tiny_config(
            tiny_data, f"train.output_dir={tmp_path}", "model.focus=null", "train.max_steps=1"
        )
    )
    assert "localization" not in text
    assert "regions" not in json.loads((tmp_path / "test.json").read_text())


def test_without_a_given_folder_a_run_names_its_own(tiny_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train(tiny_config(tiny_data, "train.max_steps=1", "model.focus=null"), **QUIET)
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("folders-small3d-2")
    assert (folder / "last.pt").is_file()
