"""A small form of every stress run: the same code, a few of its trials."""

import pytest

from stn_action.errors import InputError
from stress import damage, disk, kill, processes


def faults(subject, out, *arguments: str) -> dict[str, list[str]]:
    outcomes = subject.main(["--out", str(out), *arguments])
    assert outcomes
    return {outcome.key: outcome.faults for outcome in outcomes if outcome.faults}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("stress")


@pytest.mark.parametrize("trial", ["once/2/0", "saving/0", "detect/0"])
def test_what_was_killed_and_resumed_gives_the_same_to_the_last_bit(out, trial):
    assert faults(kill, out / "kill", "--kills", "1", "--only", trial) == {}


def test_a_flipped_bit_of_a_checkpoint_is_noticed(out):
    assert faults(damage, out / "damage", "--bits", "10", "--only", "bits") == {}


def test_a_damaged_video_of_each_kind_ends_nothing_and_is_named(out):
    found = faults(damage, out / "damage", "--videos", "30", "--only", "batch")
    found.pop("batch00/fresh", None)  # damage in the middle shows when a frame near it is read
    assert found == {}


@pytest.mark.parametrize("trial", ["full/detect", "full/train", "folder/0"])
def test_a_full_disk_or_a_second_run_leaves_earlier_work_intact(out, trial):
    try:
        found = faults(disk, out / "disk", "--sizes", "1", "--pairs", "1", "--only", trial)
    except InputError as error:
        if "mounts of our own" not in str(error):
            raise
        pytest.skip(str(error))
    assert found == {}


def test_two_processes_give_what_one_gives_in_a_training(out):
    few = "--runs", "1", "--launcher", "fork", "--only", "equal/2"
    assert faults(processes, out / "processes", *few) == {}
