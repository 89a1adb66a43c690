"""The training loss of a configuration, and what is done to batches before it."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from stn_action.config.schema import Config
from stn_action.data.listing import Listing
from stn_action.errors import InputError
from stn_action.models.prediction import Focus
from stn_action.training.loop import BatchTransform
from stn_action.training.mixing import Mixing
from stn_action.training.objective import ClassificationLoss
from stn_action.training.regularizers import DiversityLoss, InBoundsLoss


def build_objective(config: Config, *, multi_label: bool = False) -> ClassificationLoss:
    """Return the configured training loss; terms of the heads only where there are heads."""
    focus = config.model.focus
    plain = ClassificationLoss(config.optim.label_smoothing, multi_label=multi_label)
    if focus is None:
        return replace(plain, branch_loss=0.0)
    plain = replace(plain, branch_loss=focus.branch_loss)
    if focus.heads == 0:
        return plain
    terms: list[Callable[[Focus], Tensor]] = []
    if focus.diversity_loss:
        terms.append(DiversityLoss(focus.diversity_loss))
    if focus.in_bounds_loss:
        terms.append(InBoundsLoss(focus.in_bounds_loss))
    return replace(plain, random_glimpse_loss=focus.random_glimpse_loss, head_losses=tuple(terms))


def batch_transforms(config: Config, listing: Listing) -> tuple[BatchTransform, ...]:
    """Return what is done to a batch on the device.

    Raises:
        InputError: videos have several classes, which are not mixed.
    """
    train = config.train
    if train.mixes is None:
        return ()
    if listing.positions > 1:
        raise InputError(
            f"train.{train.mixes}: expected null with {listing.name}, whose videos have a class at "
            f"each of {listing.positions} positions"
        )
    mixing = Mixing(
        len(listing.classes), train.mixup, train.cutmix, train.mixup_prob, train.mixup_switch_prob
    )
    return (mixing,)
