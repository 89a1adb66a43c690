"""Mixup and cutmix: clips of a batch mixed with each other, and their targets alike."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.tv_tensors import Video

from stn_action.batch import Batch, num_positions


@dataclass(frozen=True)
class Mixing:
    """Mixup (Zhang et al. 2017, arXiv 1710.09412) or cutmix (Yun et al. 2019, arXiv 1905.04899).

    A batch transform of `train_one_epoch`. Each batch is mixed in one way, all its clips by one
    weight, each with the clip before it; a rectangle of cutmix is the same in all frames. Draws are
    torchvision's, from the global generator. `boxes`, `extents` and all else of a clip stay those
    of the clip itself: heads of mixed clips may look at the other one.
    """

    num_classes: int
    mixup: float | None = None
    """Both parameters of the beta distribution of the weight; None: no mixup."""
    cutmix: float | None = None
    """As `mixup`, of the area that a clip keeps; None: no cutmix."""
    mixup_prob: float = 1.0
    """Probability that a batch is mixed."""
    mixup_switch_prob: float = 0.5
    """Probability of cutmix if there are both."""

    def __post_init__(self) -> None:
        for name in ("mixup", "cutmix"):
            alpha = getattr(self, name)
            if alpha is not None and not alpha > 0:
                raise ValueError(f"{name} must be above 0, got {alpha}")
        for name in ("mixup_prob", "mixup_switch_prob"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")

    def __call__(self, batch: Batch) -> Batch:
        """Mix the clips (B, 3, T, H, W) uint8 of a batch, and targets to (B, classes) float32.

        Raises:
            ValueError: the targets are of several positions.
        """
        if num_positions(batch.target) > 1:
            raise ValueError("targets of several positions cannot be mixed")
        applies, switch = torch.rand(2).tolist()
        if applies >= self.mixup_prob:
            return batch
        cuts = self.mixup is None or (self.cutmix is not None and switch < self.mixup_switch_prob)
        alpha = self.cutmix if cuts else self.mixup
        if alpha is None:
            return batch
        batch = _views_apart(batch)
        # Of a `Video` torchvision takes five dimensions; which of them is time does not matter.
        if cuts:
            mix = v2.CutMix(alpha=alpha, num_classes=self.num_classes)
            clip, target = mix(Video(batch.clip), batch.target)
        else:
            mix = v2.MixUp(alpha=alpha, num_classes=self.num_classes)
            clip, target = mix(Video(batch.clip.float()), batch.target)
            clip = clip.round().to(batch.clip.dtype)
        return batch._replace(clip=clip.as_subclass(Tensor), target=target)


def _views_apart(batch: Batch) -> Batch:
    """Return a batch ordered by the number of the view, so that neighbors are of two videos."""
    if int(batch.view.max()) == 0:
        return batch
    order = batch.view.argsort(stable=True)
    return batch._replace(**{name: one[order] for name, one in batch.tensors().items()})
