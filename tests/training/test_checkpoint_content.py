"""What a checkpoint must hold for a run to go on; tests/test_predictor.py has the rest."""

import pytest
import torch

from stn_action.errors import InputError
from stn_action.training.checkpoint_content import (
    check_resumable,
    check_trained,
    check_weights,
    is_multi_label,
    positions_in,
)

GOOD = {
    "config": {}, "classes": ["a", "b"], "network": {"w": torch.zeros(2)}, "optimizer": {},
    "schedule": {}, "monitor": {}, "epoch": 3, "batch": 0, "totals": None,
    "best": None, "unreadable": {"a/b": "why"},
}  # fmt: skip


def test_what_training_writes_is_accepted():
    check_resumable(GOOD, "last.pt")
    check_trained({key: GOOD[key] for key in ("config", "classes", "network")}, "last.pt")
    check_weights({"a": torch.zeros(2), "b": torch.ones(2, dtype=torch.int64)}, "last.pt")


def test_the_number_of_positions_may_be_missing():
    assert positions_in(GOOD) == 1
    check_trained({**GOOD, "positions": 5}, "last.pt")
    assert positions_in({**GOOD, "positions": 5}) == 5
    for wrong in (0, True, "5", 10**9):
        with pytest.raises(InputError, match=r"^last\.pt: 'positions' .* the number of positions"):
            check_trained({**GOOD, "positions": wrong}, "last.pt")


def test_a_checkpoint_tells_whether_videos_have_several_labels():
    assert not is_multi_label(GOOD)  # as before there was such a key
    check_trained({**GOOD, "multi_label": True}, "last.pt")
    assert is_multi_label({**GOOD, "multi_label": True})
    with pytest.raises(InputError, match=r"'multi_label' .* must be whether videos have several"):
        check_trained({**GOOD, "multi_label": 1}, "last.pt")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("epoch", -1, "'epoch' in the checkpoint must be the number of finished epochs, got a int"),
        ("epoch", True, "must be the number of finished epochs, got a bool"),
        ("epoch", 10**100, "must be the number of finished epochs, got a int"),
        ("batch", None, "must be the number of finished batches of the next epoch, got a NoneType"),
        ("totals", 3, "must be the totals of these batches or None, got a int"),
        ("best", "0.5", "must be the best score or None, got a str"),
        ("unreadable", {"a": 3}, "messages by the names of unreadable .*, got a dict of int"),
        ("optimizer", [torch.zeros(1)], "must be the state of the optimizer, got a list of 1"),
        ("schedule", None, "must be the state of the learning rate, got a NoneType"),
    ],
)  # fmt: skip
def test_anything_else_is_named_with_what_was_expected(key, value, message):
    with pytest.raises(InputError, match=rf"^last\.pt: .*{message}"):
        check_resumable({**GOOD, key: value}, "last.pt")
    with pytest.raises(InputError, match=rf"last\.pt: the checkpoint has no '{key}', expected"):
        check_resumable({name: part for name, part in GOOD.items() if name != key}, "last.pt")
