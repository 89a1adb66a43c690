"""Cross-entropies with weights of the classes and with less loss of what is classified well.

Letters: N rows, C classes.
"""

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss


def cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    label_smoothing: float = 0.0,
    class_weights: Tensor | None = None,
    focal_gamma: float | None = None,
) -> Tensor:
    """Return the mean cross-entropy () of rows that have one class each.

    With weights the sum is divided by the number of rows, not by the sum of their weights as
    `F.cross_entropy` does it: the loss of a batch is then the mean over its parts, in several
    processes too. The focal loss (Lin et al. 2017, arXiv 1708.02002, eq. 4) of a target of
    probabilities t is the sum over classes of -t (1 - p)^gamma log p: eq. 4 for a single class.

    Args:
        logits: (N, C) float32.
        target: (N,) int64, or (N, C) float32 of sum 1.
        label_smoothing: share of the target that is spread over all classes.
        class_weights: (C,) factors of the terms of each class; None: 1.
        focal_gamma: how much less well classified rows count; None: they count like the others.
    """
    if focal_gamma is None:
        if class_weights is None:
            return F.cross_entropy(logits, target, label_smoothing=label_smoothing)
        losses = F.cross_entropy(
            logits, target, class_weights, label_smoothing=label_smoothing, reduction="none"
        )
        return losses.mean()
    classes = logits.shape[1]
    if not target.is_floating_point():
        target = F.one_hot(target, classes)
    target = (1 - label_smoothing) * target + label_smoothing / classes
    logs = logits.log_softmax(1)
    # At 0 the gradient of a power below 1 would be infinite.
    others = (-logs.expm1()).clamp(min=torch.finfo(logs.dtype).tiny)
    terms = target * others**focal_gamma * logs  # (N, C)
    return -(terms if class_weights is None else terms * class_weights).sum(1).mean()


def binary_cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    label_smoothing: float = 0.0,
    class_weights: Tensor | None = None,
    focal_gamma: float | None = None,
) -> Tensor:
    """Return the mean binary cross-entropy () of rows that may have several classes.

    Args:
        logits: (N, C) float32.
        target: (N, C) float32 in [0, 1].
        label_smoothing: each value is moved by half of it toward the other one.
        class_weights: (C,) factors of the losses of labels that are there; None: 1.
        focal_gamma: as of `cross_entropy`, by torchvision, without its weight alpha.
    """
    target = (1 - label_smoothing) * target + label_smoothing / 2
    if focal_gamma is None:
        return F.binary_cross_entropy_with_logits(logits, target, pos_weight=class_weights)
    losses = sigmoid_focal_loss(logits, target, alpha=-1, gamma=focal_gamma)  # (N, C)
    if class_weights is not None:
        losses = losses * (1 + target * (class_weights - 1))
    return losses.mean()


def balanced_weights(targets: Tensor, num_classes: int) -> Tensor:
    """Return weights (C,) by which all classes of some training videos count alike.

    Of single classes those of scikit-learn's `balanced`, N / (C n) of a class with n of the N
    videos, so that their mean over videos is 1; of several labels (N - n) / n, as PyTorch proposes
    for `pos_weight`. A class without any video has the weight 1.

    Args:
        targets: (N,) int64, or (N, C) float32 of 0 and 1.
        num_classes: C.
    """
    counts = class_counts(targets, num_classes)
    if targets.ndim == 1:
        weights = len(targets) / (num_classes * counts)
    else:
        weights = (len(targets) - counts) / counts
    return torch.where(counts > 0, weights, 1.0)


def class_counts(targets: Tensor, num_classes: int) -> Tensor:
    """Return how many videos each class has, (C,) float64; targets as of `balanced_weights`."""
    if targets.ndim == 1:
        return targets.bincount(minlength=num_classes).double()
    return targets.sum(0, dtype=torch.float64)
