import io
import json
import math
import re
import time
from typing import Any

import pytest
import torch
from rich.console import Console

from stn_action.errors import InputError
from stn_action.models.prediction import Prediction
from stn_action.training.log import EpochProgress, EpochSummary, RunLog
from stn_action.training.step import StepRecord

SUMMARY = EpochSummary(1.25, 0.5, 1.2e-3, "frozen")


def lines(folder) -> list[dict[str, Any]]:
    return list(map(json.loads, metric_lines(folder)))


def metric_lines(folder) -> list[str]:
    return (folder / "metrics.jsonl").read_text(errors="replace").splitlines()


def record(batch: int) -> StepRecord:
    prediction = Prediction(torch.zeros(1, 3), (), None)
    return StepRecord(batch, prediction, 1, 1.25, 0.5, 0.125, None)


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=170)


def test_every_line_is_on_the_disk_at_once(tmp_path):
    with RunLog(tmp_path / "run", tensorboard=False) as log:
        log.write("train", 1, {"loss": 0.5, "failed": ["a.avi"]})
        (line,) = lines(tmp_path / "run")
        assert abs(line.pop("time") - time.time()) < 60
        assert line == {"kind": "train", "epoch": 1, "loss": 0.5, "failed": ["a.avi"]}


def test_what_is_no_number_becomes_null(tmp_path):
    with RunLog(tmp_path, tensorboard=False) as log:
        log.write("train", 1, {"spread": float("nan"), "heads": [{"scale": float("inf")}]})
    assert lines(tmp_path)[0]["spread"] is None
    assert lines(tmp_path)[0]["heads"] == [{"scale": None}]


def write_three_epochs_and_be_killed(folder, **settings) -> None:
    with RunLog(folder, **settings) as log:
        for epoch in (1, 2, 3):
            log.write("train", epoch, {"loss": float(epoch)})
    with (folder / "metrics.jsonl").open("ab") as file:
        file.write('{"kind": "test", "name": "ä'.encode()[:-1])  # half a character


def test_a_resumed_run_drops_what_came_after_its_checkpoint(tmp_path):
    write_three_epochs_and_be_killed(tmp_path, tensorboard=False)
    with RunLog(tmp_path, last_epoch=2, tensorboard=False) as log:
        log.write("train", 3, {"loss": 3.5})
    assert [(line["epoch"], line["loss"]) for line in lines(tmp_path)] == [
        (1, 1.0),
        (2, 2.0),
        (3, 3.5),
    ]


def test_a_run_that_starts_anew_keeps_nothing_of_one_that_saved_nothing(tmp_path):
    write_three_epochs_and_be_killed(tmp_path)
    with RunLog(tmp_path) as log:
        log.write("train", 1, {"loss": 4.5})
    assert [(line["epoch"], line["loss"]) for line in lines(tmp_path)] == [(1, 4.5)]
    assert curve(tmp_path, "train/loss") == [(1, 4.5)]


def curve(folder, name: str) -> list[tuple[int, float]]:
    """Every value in the event files, also those that TensorBoard would not show."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), purge_orphaned_data=False).Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_numbers_become_curves(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with RunLog(tmp_path) as log:
        log.write("train", 1, {"loss": 0.5, "name": "run", "done": True})
        log.write("train", 2, {"loss": math.nan})
    events = EventAccumulator(str(tmp_path)).Reload()
    assert events.Tags()["scalars"] == ["train/loss"]
    (first, second) = curve(tmp_path, "train/loss")
    assert first == (1, 0.5)
    assert math.isnan(second[1])


def test_no_epoch_is_twice_in_the_curves_and_none_is_missing_after_a_kill(tmp_path):
    (tmp_path / "events.out.tfevents.0.other").write_text("of another program")
    write_three_epochs_and_be_killed(tmp_path)
    times = [line["time"] for line in map(json.loads, metric_lines(tmp_path)[:2])]
    with RunLog(tmp_path, last_epoch=2) as log:
        log.write("train", 3, {"loss": 3.5})
    assert (tmp_path / "events.out.tfevents.0.other").read_text() == "of another program"
    (tmp_path / "events.out.tfevents.0.other").unlink()
    assert curve(tmp_path, "train/loss") == [(1, 1.0), (2, 2.0), (3, 3.5)]
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path)).Reload().Scalars("train/loss")
    assert [event.wall_time for event in events[:2]] == times


@pytest.mark.parametrize(
    ("limit", "file"), [(150, r"metrics\.jsonl"), (250, "events.out.tfevents")]
)
def test_a_full_disk_is_one_message(tmp_path, file_size_limit, limit, file):
    with RunLog(tmp_path) as log:
        log.write("train", 1, {"loss": 1.0})
        file_size_limit(limit)
        values = {"loss": 2.0, "a": 3.0, "b": 4.0, "c": 5.0}
        message = rf"{file}.*: cannot be written \(File too large\); make room and go on with --res"
        with pytest.raises(InputError, match=message):
            log.write("train", 2, values)
    with RunLog(tmp_path, last_epoch=1):
        assert [(line["epoch"], line["loss"]) for line in lines(tmp_path)] == [(1, 1.0)]
        assert curve(tmp_path, "train/loss") == [(1, 1.0)]


def test_a_resumed_bar_starts_where_the_run_was():
    screen = console(terminal=True)
    with EpochProgress(2, 3, first_epoch=2, first_batch=1, console=screen) as progress:
        progress.start_epoch(2)
        progress(record(2))
    assert "5/6" in screen.file.getvalue()


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
        progress.end_epoch(1, SUMMARY)
        progress.warning("head 0 at [layer3] is frozen")
    line, warning = screen.file.getvalue().splitlines()
    assert re.fullmatch(
        r"epoch 1/2  loss 1\.250  train acc 50\.0%  lr 0\.0012  heads frozen  0:\d\d left", line
    )
    assert warning == "WARNING: head 0 at [layer3] is frozen"


def test_the_line_about_an_epoch_is_the_same_on_a_terminal_and_ends_with_the_last_epoch():
    screen = console(terminal=True)
    with EpochProgress(1, 1, console=screen) as progress:
        progress(record(1))
        progress.end_epoch(1, SUMMARY._replace(evaluation="val top-1 40.0% (best)"))
    line = next(line for line in screen.file.getvalue().splitlines() if "train acc" in line)
    assert line.endswith(
        "epoch 1/1  loss 1.250  train acc 50.0%  val top-1 40.0% (best)  lr 0.0012  heads frozen"
    )


def test_other_processes_show_nothing(capsys):
    with EpochProgress(2, 3, enabled=False) as progress:
        progress(record(1))
        progress.end_epoch(1, SUMMARY)
    assert capsys.readouterr().out == ""
