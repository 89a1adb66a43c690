import json
import os
import re
import shlex
import time
from pathlib import Path

import pytest

from stress import damage, disk, kill, processes
from stress.guarded import guarded
from stress.tool_process import Ended
from stress.trials import Options, Trial, run_trials, table
from tools.stress import main as stress


def options(folder, **more) -> Options:
    return Options(
        **{"subject": "kill", "seed": 3, "seconds": None, "out": folder, "only": None} | more
    )


def counting(tried: list[str], key: str, faults: list[str]) -> Trial:
    def run(folder):
        assert list(folder.iterdir()) == []
        tried.append(key)
        return faults

    return Trial("a row", key, run, times=2)


def test_trials_are_recorded_and_not_repeated(tmp_path, capsys):
    tried: list[str] = []
    trials = [counting(tried, "one/0", []), counting(tried, "one/1", ["it broke"])]
    for _ in range(2):
        outcomes = run_trials(trials, options(tmp_path))
    assert tried == ["one/0", "one/1"]
    assert [outcome.faults for outcome in outcomes] == [[], ["it broke"]]
    assert outcomes[1].command == "python tools/stress.py kill --seed 3 --only one/1"
    assert table(outcomes)[2].startswith("| a row | 4 | 1 | ")
    assert "one/1: 0.0 s, 1 faults in 2\n  it broke\n" in capsys.readouterr().out
    lines = (tmp_path / "results.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == ["one/0", "one/1"]
    assert not (tmp_path / "one/0").exists()
    assert (tmp_path / "one/1").is_dir()


def test_one_trial_is_repeated_and_another_seed_starts_again(tmp_path):
    tried: list[str] = []
    trials = [counting(tried, "one/0", []), counting(tried, "one/1", [])]
    run_trials(trials, options(tmp_path))
    run_trials(trials, options(tmp_path, only="*/1"))
    run_trials(trials, options(tmp_path, seed=4))
    assert tried == ["one/0", "one/1", "one/1", "one/0", "one/1"]


def test_no_trial_begins_after_the_given_time(tmp_path, capsys):
    tried: list[str] = []
    trials = [counting(tried, f"one/{number}", []) for number in range(3)]
    assert run_trials(trials, options(tmp_path, seconds=0)) == []
    assert "3 trials are left after 0 s: give the same command again" in capsys.readouterr().out


def crash_or_hang(item: str) -> str:
    if item == "crash":
        os.abort()
    if item == "hang":
        time.sleep(60)
    return item


def test_an_item_that_crashes_or_hangs_is_named_and_the_others_are_done(tmp_path):
    items = ["a", "crash", "b", "hang", "c", "crash"]
    found = guarded(crash_or_hang, items, seconds=5, log=tmp_path / "log")
    assert list(found) == ["a", "ended by SIGABRT", "b", "hangs for 5 s", "c", "ended by SIGABRT"]


@pytest.mark.parametrize(
    ("ended", "expected", "fault"),
    [
        (Ended("c", 0, "done"), (0,), None),
        (Ended("c", None, ""), (0,), "hangs: c"),
        (Ended("c", -7, ""), (0, 2), "ended by SIGBUS: c"),
        (Ended("c", -9, ""), (-9,), None),
        (Ended("c", 1, "Traceback (most recent call last)\nE: x"), (0, 1), "traceback (E: x): c"),
        (Ended("c", 2, "error: full"), (0, 2), None),
        (Ended("c", 2, "error: full"), (0,), "exit status 2 (error: full): c"),
        (Ended("c", 2, "full"), (2,), "0 messages in place of one (full): c"),
    ],
)
def test_the_end_of_a_tool_is_judged(ended, expected, fault):
    assert ended.faults(*expected) == ([] if fault is None else [fault])


def test_a_wrong_subject_ends_with_status_2(capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        stress(["earthquake"])
    assert "kill" in capsys.readouterr().err


PAGE = Path(__file__).parents[2] / "docs/reliability.md"
COMMANDS = re.findall(r"`((?:kill|damage|disk|processes)(?: -[^`]+)?)`", PAGE.read_text())


@pytest.mark.parametrize("command", sorted(set(COMMANDS)))
def test_every_command_of_the_page_has_a_subject_and_options_that_exist(command, capsys):
    subject, *words = shlex.split(command)
    mains = {"kill": kill, "damage": damage, "disk": disk, "processes": processes}
    with pytest.raises(SystemExit, match=r"^0$"):
        mains[subject].main([*words, "--help"])
    assert "--only" in capsys.readouterr().out
