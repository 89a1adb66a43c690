"""The training loss of a configuration, and what is done to batches before it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from stn_action.config.schema import Config
from stn_action.data.listing import Listing
from stn_action.data.video_table import VideoTable
from stn_action.errors import InputError
from stn_action.models.prediction import Focus
from stn_action.training.cross_entropy import balanced_weights
from stn_action.training.loop import BatchTransform
from stn_action.training.mixing import Mixing
from stn_action.training.objective import ClassificationLoss
from stn_action.training.regularizers import DiversityLoss, InBoundsLoss

NAMES_SHOWN = 12
"""Classes that a message names."""


def build_objective(
    config: Config,
    videos: VideoTable | None = None,
    classes: Sequence[str] = (),
    *,
    multi_label: bool = False,
) -> ClassificationLoss:
    """Return the configured training loss; terms of the heads only where there are heads.

    Args:
        config: the experiment.
        videos: trained on, for the weights of the classes.
        classes: names, of each position.
        multi_label: whether a video may have several labels.

    Raises:
        InputError: classes are to be weighted, but videos have several positions, or the weights
            are of other classes.
    """
    focus, weights = config.model.focus, None
    if config.optim.class_weights is not None:
        assert videos is not None
        _require_one_position("optim.class_weights", videos)
        weights = _class_weights(config.optim.class_weights, videos, classes)
    plain = ClassificationLoss(
        config.optim.label_smoothing, multi_label=multi_label, class_weights=weights,
        focal_gamma=config.optim.focal_gamma,
    )  # fmt: skip
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
    _require_one_position(f"train.{train.mixes}", listing.train)
    mixing = Mixing(
        len(listing.classes), train.mixup, train.cutmix, train.mixup_prob, train.mixup_switch_prob
    )
    return (mixing,)


def _class_weights(
    given: str | Sequence[float] | Mapping[str, float], videos: VideoTable, classes: Sequence[str]
) -> tuple[float, ...]:
    """Return the factor of each class.

    Raises:
        InputError: they are of other classes.
    """
    if isinstance(given, str):
        return tuple(balanced_weights(videos.targets, len(classes)).tolist())
    if isinstance(given, Mapping):
        if unknown := [name for name in given if name not in classes]:
            raise InputError(
                f"optim.class_weights: there is no class {unknown[0]!r}, expected names among "
                f"{_named(classes)}"
            )
        return tuple(given.get(name, 1.0) for name in classes)
    if len(given) != len(classes):
        raise InputError(
            f"optim.class_weights: expected {len(classes)} factors, one for each class "
            f"({_named(classes)}), got {len(given)}"
        )
    return tuple(given)


def _named(classes: Sequence[str]) -> str:
    more = ", ..." if classes[NAMES_SHOWN:] else ""
    return ", ".join(classes[:NAMES_SHOWN]) + more


def _require_one_position(key: str, videos: VideoTable) -> None:
    if videos.positions > 1:
        raise InputError(
            f"{key}: expected null, as each video here has a class at each of {videos.positions} "
            "positions"
        )
