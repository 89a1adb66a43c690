from itertools import chain

import pytest
import torch
from torch.utils.data import DataLoader

from stn_action.data.global_batches import GlobalBatches, Redraw, class_balanced_weights
from stn_action.errors import InputError


def epoch(epoch=1, *, first_batch=0, num_items=11, batch_size=4, seed=3, **process):
    batches = GlobalBatches(num_items, batch_size, seed=seed, **process)
    batches.set_epoch(epoch, first_batch)
    assert len(list(batches)) == len(batches)
    return list(batches)


def shared_epoch(num_processes, **settings):
    """The shares of all processes, put together batch by batch."""
    shares = [epoch(rank=r, num_processes=num_processes, **settings) for r in range(num_processes)]
    return [list(chain(*batch)) for batch in zip(*shares, strict=True)], shares


def test_an_epoch_holds_every_item_once():
    batches = epoch()
    assert [len(batch) for batch in batches] == [4, 4, 3]
    assert sorted(chain(*batches)) == list(range(11))


@pytest.mark.parametrize("num_processes", [2, 3, 5])
def test_processes_together_have_the_batches_of_one(num_processes):
    together, shares = shared_epoch(num_processes)
    assert together == epoch()
    sizes = [[len(batch) for batch in share] for share in shares]
    assert all(max(batch) - min(batch) <= 1 for batch in zip(*sizes, strict=True))


def test_a_share_of_the_last_batch_may_be_empty():
    together, (first, second) = shared_epoch(2, num_items=9)
    assert together == epoch(num_items=9)
    assert (len(first[-1]), len(second[-1])) == (1, 0)


def test_epoch_and_seed_alone_choose_the_order():
    assert epoch(1) == epoch(1)
    others = [epoch(2), epoch(1, seed=4), epoch(3, seed=1)]
    assert all(epoch(1) != other for other in others)


def test_an_epoch_goes_on_after_the_batches_that_are_done():
    assert epoch(2, first_batch=1) == epoch(2)[1:]
    assert epoch(2, first_batch=3) == []
    batches = GlobalBatches(11, 4, seed=3)
    batches.set_epoch(2, 2)
    assert (len(batches), batches.per_epoch) == (1, 3)
    batches.set_epoch(3)
    assert len(batches) == 3


def test_a_loader_gives_them_and_workers_see_the_next_epoch():
    batches = GlobalBatches(11, 4, seed=3)
    loader = DataLoader(range(11), batch_sampler=batches, num_workers=1, persistent_workers=True)
    for number in (1, 2):
        batches.set_epoch(number, first_batch=1)
        assert len(loader) == 2
        assert [batch.tolist() for batch in loader] == epoch(number, first_batch=1)


LABELS = torch.tensor([0] * 90 + [1] * 8 + [2] * 2)


def balanced_epoch(number=1, **settings):
    weights = class_balanced_weights(LABELS)
    return epoch(number, num_items=len(LABELS), batch_size=8, weights=weights, **settings)


def test_classes_are_equally_frequent_in_balanced_epochs():
    drawn = list(chain(*chain(*(balanced_epoch(number) for number in range(1, 31)))))
    items = [one.item if isinstance(one, Redraw) else one for one in drawn]
    assert len(items) == 30 * len(LABELS)
    shares = LABELS[items].bincount() / len(items)
    assert (shares - 1 / 3).abs().max() < 0.03


def test_an_item_that_is_drawn_again_tells_how_often_it_was_there():
    drawn = list(chain(*balanced_epoch()))
    seen: dict[int, int] = {}
    for one in drawn:
        item, number = one if isinstance(one, Redraw) else (one, 0)
        assert number == seen.get(item, 0)
        seen[item] = number + 1
    assert max(seen.values()) > 5


def test_balanced_epochs_are_shared_and_resumed_as_others():
    shares = [balanced_epoch(rank=rank, num_processes=3) for rank in range(3)]
    together = [list(chain(*batch)) for batch in zip(*shares, strict=True)]
    assert together == balanced_epoch() != balanced_epoch(2)
    assert balanced_epoch(first_batch=5) == balanced_epoch()[5:]


def test_weights_of_several_labels_are_those_of_the_rarest_one():
    rows = torch.tensor([[1.0, 0, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]])
    assert class_balanced_weights(rows).tolist() == [1 / 3, 1, 1 / 3, 1 / 2, 1 / 2]
    with pytest.raises(InputError, match=r"expected shuffled, .* at each of 2 positions"):
        class_balanced_weights(torch.tensor([[0, 1]]))


def test_wrong_numbers_are_refused():
    with pytest.raises(InputError, match="num_items must be at least 1, got 0"):
        GlobalBatches(0, 4, seed=0)
    with pytest.raises(InputError, match="batch_size must be at least 1, got 0"):
        GlobalBatches(4, 0, seed=0)
    with pytest.raises(ValueError, match=r"rank must be in \[0, 2\), got 2"):
        GlobalBatches(4, 2, seed=0, rank=2, num_processes=2)
    with pytest.raises(ValueError, match=r"first_batch must be in \[0, 2\], got 3"):
        GlobalBatches(4, 2, seed=0).set_epoch(1, 3)
