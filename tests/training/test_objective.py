import pytest
import torch

from stn_action.errors import InputError
from stn_action.models.prediction import Prediction
from stn_action.training.objective import ClassificationLoss

LOGITS = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]]))
LABEL = torch.tensor([0, 2])


def test_the_loss_is_the_mean_cross_entropy():
    loss = ClassificationLoss()(Prediction(LOGITS, (), None), LABEL)
    expected = -(torch.tensor(0.5).log() + torch.tensor(0.1).log()) / 2
    torch.testing.assert_close(loss, expected)


def test_label_smoothing_spreads_its_share_over_all_classes():
    loss = ClassificationLoss(label_smoothing=0.3)(Prediction(LOGITS, (), None), LABEL)
    target = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])
    torch.testing.assert_close(loss, -(target * LOGITS).sum(1).mean())


def test_each_branch_has_the_same_part_in_the_auxiliary_loss():
    branches = torch.stack([LOGITS, LOGITS.flip(1), LOGITS * 2], 1)  # (2, 3, 3)
    prediction = Prediction(LOGITS, (), branches)
    plain = ClassificationLoss(branch_loss=0)
    each = [plain(Prediction(branches[:, k], (), None), LABEL) for k in range(3)]
    expected = plain(prediction, LABEL) + 0.5 * sum(each) / 3
    torch.testing.assert_close(ClassificationLoss(branch_loss=0.5)(prediction, LABEL), expected)
    assert plain(prediction, LABEL) == plain(Prediction(LOGITS, (), None), LABEL)


def test_logits_of_half_precision_give_a_float32_loss():
    loss = ClassificationLoss(branch_loss=1.0)(
        Prediction(LOGITS.bfloat16(), (), LOGITS[:, None].bfloat16()), LABEL
    )
    assert loss.dtype == torch.float32


def test_the_random_branch_and_the_heads_have_their_part():
    focus = object()
    prediction = Prediction(LOGITS, (focus, focus), None, LOGITS.flip(1))  # pyright: ignore
    seen = []

    def head_loss(one):
        seen.append(one)
        return torch.tensor(0.25)

    plain = ClassificationLoss()
    expected = plain(prediction, LABEL) + 0.5 * plain(Prediction(LOGITS.flip(1), (), None), LABEL)
    loss = ClassificationLoss(random_glimpse_loss=0.5, head_losses=(head_loss,))(prediction, LABEL)
    torch.testing.assert_close(loss, expected + 2 * 0.25)
    assert seen == [focus, focus]


def test_probabilities_of_one_label_are_targets_too():
    """As mixup makes them: the loss is the mean of the losses of the mixed labels."""
    branches = torch.stack([LOGITS, LOGITS.flip(1)], 1)
    prediction = Prediction(LOGITS, (), branches)
    loss, other = ClassificationLoss(branch_loss=0.5), LABEL.flip(0)
    rows = [torch.nn.functional.one_hot(labels, 3).float() for labels in (LABEL, other)]
    mixed = loss(prediction, 0.3 * rows[0] + 0.7 * rows[1])
    torch.testing.assert_close(mixed, 0.3 * loss(prediction, LABEL) + 0.7 * loss(prediction, other))


def test_several_labels_are_learned_apart():
    rows = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    loss = ClassificationLoss(multi_label=True)(Prediction(LOGITS, (), None), rows)
    p = LOGITS.sigmoid()
    expected = -torch.where(rows == 1, p, 1 - p).log().mean()
    torch.testing.assert_close(loss, expected)
    smooth = ClassificationLoss(label_smoothing=0.2, multi_label=True)
    expected = -(0.9 * torch.where(rows == 1, p, 1 - p).log())
    expected = (expected - 0.1 * torch.where(rows == 1, 1 - p, p).log()).mean()
    torch.testing.assert_close(smooth(Prediction(LOGITS, (), None), rows), expected)


def test_the_loss_of_positions_is_the_sum_of_their_cross_entropies():
    logits = torch.cat([LOGITS, LOGITS.flip(1), 2 * LOGITS], 1)  # (2, 3 * 3)
    target = torch.tensor([[0, 2, 1], [1, 0, 2]])
    single = ClassificationLoss(label_smoothing=0.2)
    each = [
        single(Prediction(logits[:, 3 * place : 3 * place + 3], (), None), target[:, place])
        for place in range(3)
    ]
    torch.testing.assert_close(single(Prediction(logits, (), None), target), sum(each))
    branches = torch.stack([logits, -logits], 1)  # (2, 2, 9)
    of_branches = sum(single(Prediction(part, (), None), target) for part in (logits, -logits)) / 2
    both = ClassificationLoss(label_smoothing=0.2, branch_loss=0.5)
    torch.testing.assert_close(
        both(Prediction(logits, (), branches), target), sum(each) + 0.5 * of_branches
    )


def test_settings_out_of_range_are_named():
    with pytest.raises(InputError, match=r"label_smoothing must be in \[0, 1\), got 1.0"):
        ClassificationLoss(label_smoothing=1.0)
    with pytest.raises(InputError, match="branch_loss must be at least 0"):
        ClassificationLoss(branch_loss=-0.1)
    with pytest.raises(InputError, match="random_glimpse_loss must be at least 0"):
        ClassificationLoss(random_glimpse_loss=-0.1)
