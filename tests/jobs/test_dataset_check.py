from dataclasses import replace
from pathlib import Path

import pytest

from stn_action.data.datasets.dataset_table import DATASETS
from stn_action.jobs.dataset_check import FoldCheck, check_folds

SPEC = replace(DATASETS["jhmdb"], folds=(1, 2), official={})


@pytest.fixture
def root(tmp_path) -> Path:
    """J-HMDB's layout with three clips of one class and two splits."""
    (tmp_path / "ReCompress_Videos/run").mkdir(parents=True)
    (tmp_path / "splits").mkdir()
    for name in "abc":
        (tmp_path / f"ReCompress_Videos/run/{name}.avi").touch()
    for fold, parts in ((1, "112"), (2, "121")):
        lines = [f"{name}.avi {part}" for name, part in zip("abc", parts, strict=True)]
        (tmp_path / f"splits/run_test_split{fold}.txt").write_text("\n".join(lines))
    return tmp_path


def test_each_fold_is_compared_with_the_disk(root):
    first, second = check_folds(SPEC, root)
    assert first.is_complete
    assert second.is_complete
    assert first.line() == "jhmdb split 1: 3 of 3 videos are there"
    (root / "ReCompress_Videos/run/b.avi").unlink()
    (root / "splits/run_test_split2.txt").unlink()
    first, second = check_folds(SPEC, root)
    assert first.line() == "jhmdb split 1: 2 of 3 videos are there; missing: run/b"
    assert (first.is_complete, second.is_complete) == (False, False)
    assert second.line().startswith(f"jhmdb fold 2: jhmdb: {root}/splits holds no list of split 2")


def test_lists_that_are_not_the_official_ones_are_a_problem(root):
    outcomes = list(check_folds(DATASETS["jhmdb"], root))
    assert len(outcomes) == 3
    assert outcomes[0].problem.startswith(f"{root}: not the official lists of jhmdb split 1: 1 cl")


def test_folds_of_the_same_videos_are_checked_once(tmp_path):
    outcomes = list(check_folds(DATASETS["weizmann"], tmp_path))
    assert [outcome.name for outcome in outcomes] == ["weizmann fold 1"]


def test_a_long_list_of_missing_videos_is_cut():
    outcome = FoldCheck("x", "images", 1, ("a", "b", "c", "d", "e"))
    assert outcome.line() == "x: 1 of 6 images are there; missing: a, b, c and 2 more"
