"""Mixup and cutmix of clips by known weights, and their targets."""

import pytest
import torch

from stn_action.batch import Batch
from stn_action.training.mixing import Mixing


def batch_of(target: torch.Tensor, clips: int = 2) -> Batch:
    """Clips of one level each, 0, 100, 200 ... in 3 frames of 8 x 10."""
    clip = (torch.arange(clips, dtype=torch.uint8) * 100)[:, None, None, None, None]
    numbers = torch.arange(clips)
    frames = torch.zeros(clips, 3, dtype=torch.int64)
    boxes, extents = torch.rand(clips, 3, 4), torch.rand(clips, 3, 2, 4)
    return Batch(clip.repeat(1, 3, 3, 8, 10), target, numbers, numbers, frames, boxes, extents, [])


@pytest.fixture
def weight(monkeypatch):
    """The weight 0.75 of a clip itself, whatever the distribution."""
    monkeypatch.setattr(
        torch.distributions.Beta, "sample", lambda self, shape=(): torch.tensor([0.75])
    )


def test_mixup_is_the_weighted_mean_of_two_clips_and_of_their_classes(weight):
    batch = batch_of(torch.tensor([2, 0]))
    mixed = Mixing(num_classes=3, mixup=0.8)(batch)
    assert type(mixed.clip) is torch.Tensor
    assert mixed.clip.dtype == torch.uint8
    assert mixed.clip[0].unique().tolist() == [25]  # 0.75 * 0 + 0.25 * 100
    assert mixed.clip[1].unique().tolist() == [75]
    assert mixed.target.tolist() == [[0.25, 0.0, 0.75], [0.75, 0.0, 0.25]]
    assert torch.equal(mixed.boxes, batch.boxes)
    assert batch.clip.unique().tolist() == [0, 100]


def test_cutmix_puts_the_same_rectangle_of_another_clip_into_all_frames(weight):
    torch.manual_seed(1)
    mixed = Mixing(num_classes=2, cutmix=1.0)(batch_of(torch.tensor([0, 1])))
    foreign = mixed.clip == torch.tensor([100, 0])[:, None, None, None, None]
    assert torch.equal(foreign, foreign[:1, :1, :1].expand_as(foreign))
    area = foreign[0, 0, 0]
    rows, columns = area.any(1).sum(), area.any(0).sum()
    assert area.sum() == rows * columns > 0
    share = float(area.double().mean())
    assert mixed.target[0].tolist() == pytest.approx([1 - share, share])
    assert mixed.target[1].tolist() == pytest.approx([share, 1 - share])


def test_repeated_views_are_mixed_with_another_video(weight):
    batch = batch_of(torch.tensor([0, 0, 1, 1]), clips=4)  # of levels 0, 100, 200 and 44
    batch = batch._replace(video=torch.tensor([0, 0, 1, 1]), view=torch.tensor([0, 1, 0, 1]))
    mixed = Mixing(num_classes=2, mixup=0.8)(batch)
    assert mixed.video.tolist() == [0, 1, 0, 1]
    assert mixed.view.tolist() == [0, 0, 1, 1]
    assert mixed.target.tolist() == [[0.75, 0.25], [0.25, 0.75]] * 2


def test_several_labels_are_mixed_one_by_one(weight):
    labels = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    mixed = Mixing(num_classes=3, mixup=0.8)(batch_of(labels))
    assert mixed.target.tolist() == [[0.75, 1.0, 0.0], [0.25, 1.0, 0.0]]


def test_probabilities_choose_between_mixup_cutmix_and_neither():
    def kinds(**settings: float) -> set[str]:
        mixing, found = Mixing(num_classes=3, mixup=1.0, cutmix=1.0, **settings), set()
        for seed in range(20):
            torch.manual_seed(seed)
            mixed = mixing(batch_of(torch.tensor([0, 1, 2]), clips=3))
            levels = set(mixed.clip.unique().tolist())
            found.add("none" if mixed.target.ndim == 1 else "cut" if levels <= LEVELS else "mix")
        return found

    assert kinds() == {"mix", "cut"}
    assert kinds(mixup_switch_prob=0.0) == {"mix"}
    assert kinds(mixup_switch_prob=1.0) == {"cut"}
    assert kinds(mixup_prob=0.0) == {"none"}
    assert kinds(mixup_prob=0.5) == {"mix", "cut", "none"}


LEVELS = {0, 100, 200}


def test_the_draws_of_a_batch_depend_on_its_seed_alone():
    mixing, results = Mixing(num_classes=2, mixup=0.4, cutmix=1.0), []
    for before in (0, 3):
        torch.manual_seed(before)
        torch.rand(before + 1)
        torch.manual_seed(7)
        results.append(mixing(batch_of(torch.tensor([0, 1]))))
    assert torch.equal(results[0].clip, results[1].clip)
    assert torch.equal(results[0].target, results[1].target)


def test_what_cannot_be_mixed_is_refused():
    positions = torch.tensor([[0, 1], [1, 1]])
    with pytest.raises(ValueError, match="targets of several positions cannot be mixed"):
        Mixing(num_classes=2, mixup=1.0)(batch_of(positions))
    with pytest.raises(ValueError, match=r"mixup must be above 0, got 0"):
        Mixing(num_classes=2, mixup=0.0)
    with pytest.raises(ValueError, match=r"mixup_prob must be in \[0, 1\], got 2"):
        Mixing(num_classes=2, mixup=1.0, mixup_prob=2.0)
