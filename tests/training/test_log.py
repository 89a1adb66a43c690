import io
import json

import torch
from rich.console import Console

from stn_action.models.prediction import Prediction
from stn_action.training.log import EpochProgress, RunLog
from stn_action.training.step import StepRecord


def lines(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def record(batch: int) -> StepRecord:
    prediction = Prediction(torch.zeros(1, 3), (), None)
    return StepRecord(batch, prediction, 1.25, 0.5, 0.125, None)


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=170)


def test_every_line_is_on_the_disk_at_once(tmp_path):
    with RunLog(tmp_path / "run", tensorboard=False) as log:
        log.write("train", 1, {"loss": 0.5, "failed": ["a.avi"]})
        assert lines(tmp_path / "run") == [
            {"kind": "train", "epoch": 1, "loss": 0.5, "failed": ["a.avi"]}
        ]


def test_what_is_no_number_becomes_null(tmp_path):
    with RunLog(tmp_path, tensorboard=False) as log:
        log.write("train", 1, {"spread": float("nan"), "heads": [{"scale": float("inf")}]})
    assert lines(tmp_path)[0]["spread"] is None
    assert lines(tmp_path)[0]["heads"] == [{"scale": None}]


def test_a_resumed_run_drops_what_came_after_its_checkpoint(tmp_path):
    with RunLog(tmp_path, tensorboard=False) as log:
        for epoch in (1, 2, 3):
            log.write("train", epoch, {"loss": float(epoch)})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "test", "epo')  # the run was killed here
    with RunLog(tmp_path, last_epoch=2, tensorboard=False) as log:
        log.write("train", 3, {"loss": 3.5})
    assert [(line["epoch"], line["loss"]) for line in lines(tmp_path)] == [
        (1, 1.0),
        (2, 2.0),
        (3, 3.5),
    ]


def test_numbers_become_curves(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with RunLog(tmp_path) as log:
        log.write("train", 1, {"loss": 0.5, "name": "run", "done": True})
        log.write("train", 2, {"loss": 0.25})
    events = EventAccumulator(str(tmp_path)).Reload()
    assert events.Tags()["scalars"] == ["train/loss"]
    assert [(e.step, e.value) for e in events.Scalars("train/loss")] == [(1, 0.5), (2, 0.25)]


def test_a_terminal_shows_a_bar_with_the_numbers():
    screen = console(terminal=True)
    with EpochProgress(2, 3, console=screen) as progress:
        progress.start_epoch(1)
        for batch in range(3):
            progress(record(batch + 1))
    shown = screen.file.getvalue()
    assert "epoch 1/2" in shown
    assert "loss 1.250  acc 50.0%  wait 12%" in shown
    assert "3/6" in shown


def test_elsewhere_there_is_one_line_an_epoch():
    screen = console(terminal=False)
    with EpochProgress(2, 3, console=screen) as progress:
        progress.start_epoch(1)
        progress(record(1))
        progress.end_epoch(1, {"loss": 1.25, "accuracy": 0.5})
        progress.warning("head 0 at [layer3] is frozen")
    assert screen.file.getvalue().splitlines() == [
        "epoch 1/2  loss 1.25  accuracy 0.5",
        "WARNING: head 0 at [layer3] is frozen",
    ]


def test_other_processes_show_nothing(capsys):
    with EpochProgress(2, 3, enabled=False) as progress:
        progress(record(1))
        progress.end_epoch(1, {"loss": 1.0})
    assert capsys.readouterr().out == ""
