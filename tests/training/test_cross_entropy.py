"""Cross-entropies with weights and focus, against formulas written out."""

import pytest
import torch
from torch.nn import functional as F

from stn_action.training.cross_entropy import (
    balanced_weights,
    binary_cross_entropy,
    cross_entropy,
)

P = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
LOGITS = P.log()
LABEL = torch.tensor([0, 2])
ROWS = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
WEIGHTS = torch.tensor([0.5, 1.0, 3.0])


def test_weights_are_factors_of_a_mean_over_rows():
    loss = cross_entropy(LOGITS, LABEL, class_weights=WEIGHTS)
    torch.testing.assert_close(loss, -(0.5 * P[0, 0].log() + 3.0 * P[1, 2].log()) / 2)
    halves = [
        cross_entropy(LOGITS[i : i + 1], LABEL[i : i + 1], class_weights=WEIGHTS) for i in (0, 1)
    ]
    torch.testing.assert_close(loss, sum(halves) / 2)


def test_focal_loss_is_that_of_the_paper():
    loss = cross_entropy(LOGITS, LABEL, focal_gamma=2.0)
    expected = -(0.5**2 * P[0, 0].log() + 0.9**2 * P[1, 2].log()) / 2
    torch.testing.assert_close(loss, expected)
    weighted = cross_entropy(LOGITS, LABEL, focal_gamma=2.0, class_weights=WEIGHTS)
    expected = -(0.5 * 0.5**2 * P[0, 0].log() + 3.0 * 0.9**2 * P[1, 2].log()) / 2
    torch.testing.assert_close(weighted, expected)


def test_rows_that_are_certain_leave_gradients_finite():
    logits = torch.tensor([[200.0, 0.0], [0.0, 200.0]], requires_grad=True)
    cross_entropy(logits, torch.tensor([0, 0]), focal_gamma=0.5).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad[0].abs().max() == 0


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_without_focus_the_focal_loss_is_the_cross_entropy(smoothing, weights):
    for target in (LABEL, torch.tensor([[0.3, 0.7, 0.0], [0.0, 0.5, 0.5]])):
        both = [
            cross_entropy(
                LOGITS, target, label_smoothing=smoothing, class_weights=weights, focal_gamma=gamma
            )
            for gamma in (None, 0.0)
        ]
        torch.testing.assert_close(*both)


def test_several_labels_have_weights_where_they_are_present():
    loss = binary_cross_entropy(LOGITS, ROWS, class_weights=WEIGHTS)
    p = LOGITS.sigmoid()
    terms = -(WEIGHTS * ROWS * p.log() + (1 - ROWS) * (1 - p).log())
    torch.testing.assert_close(loss, terms.mean())
    focal = binary_cross_entropy(LOGITS, ROWS, class_weights=WEIGHTS, focal_gamma=2.0)
    terms = -(WEIGHTS * ROWS * (1 - p) ** 2 * p.log() + (1 - ROWS) * p**2 * (1 - p).log())
    torch.testing.assert_close(focal, terms.mean())
    smooth = binary_cross_entropy(LOGITS, ROWS, label_smoothing=0.2)
    expected = F.binary_cross_entropy_with_logits(LOGITS, 0.8 * ROWS + 0.1)
    torch.testing.assert_close(smooth, expected)


def test_balanced_weights_are_one_in_the_mean_over_videos():
    labels = torch.tensor([0, 0, 0, 2])
    weights = balanced_weights(labels, 3)
    # sklearn.utils.class_weight.compute_class_weight divides by the classes that are present
    assert weights.tolist() == pytest.approx([4 / 9, 1.0, 4 / 3])
    assert balanced_weights(torch.tensor([0, 0, 0, 1]), 2)[labels.clamp(max=1)].mean() == 1
    rows = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    assert balanced_weights(rows, 2).tolist() == pytest.approx([1 / 3, 1.0])
