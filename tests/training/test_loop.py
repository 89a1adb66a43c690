import itertools
import time

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from stn_action.data.global_batches import GlobalBatches
from stn_action.distributed import seed_batch
from stn_action.models.plug import plug
from stn_action.training.checkpoint import (
    load_checkpoint,
    restore_training_state,
    save_checkpoint,
    training_state,
)
from stn_action.training.epoch_totals import EpochTotals
from stn_action.training.log import RunLog
from stn_action.training.loop import train_one_epoch
from stn_action.training.monitor import HeadMonitor
from stn_action.training.objective import ClassificationLoss
from stn_action.training.optim import (
    Clipping,
    build_optimizer,
    parameter_groups,
    warmup_cosine,
)
from stn_action.training.step import OptimizerStep, TrainingError


class Run:
    """A network with all that trains it; built the same way each time."""

    def __init__(
        self,
        network,
        strategy,
        name="sgd",
        relative_lr=1e-2,
        lr=0.05,
        total_steps=8,
        accumulation=1,
    ):
        groups = parameter_groups(network, lr=lr, relative_lr=relative_lr, weight_decay=1e-3)
        optimizer = build_optimizer(name, groups)
        self.schedule = warmup_cosine(optimizer, warmup_steps=1, total_steps=total_steps)
        self.network, self.optimizer = strategy.prepare(network, optimizer)
        self.strategy, self.accumulation = strategy, accumulation
        self.monitor = HeadMonitor()

    def epoch(self, batches, *, clipping=None, loss=None, after_step=(), **kwargs):
        step = OptimizerStep(
            self.optimizer, self.schedule, self.strategy, clipping or Clipping(None, None),
            self.accumulation,
        )  # fmt: skip
        loss = loss or ClassificationLoss(label_smoothing=0.1)
        self.monitor.reset()
        after_step = [self.monitor, *after_step]
        return train_one_epoch(self.network, batches, loss, step, after_step=after_step, **kwargs)

    @property
    def state(self):
        return self.network, self.optimizer, self.schedule, self.strategy


class Shuffled:
    """Batches of a data set as a DataLoader of real videos makes them."""

    def __init__(self, clips, num_videos=12):
        self.rows = clips(num_videos)

    def __len__(self):
        return len(self.rows.target)

    def __getitem__(self, index):
        return index

    def collate(self, indices):
        rows = {name: column[indices] for name, column in self.rows.tensors().items()}
        return self.rows._replace(**rows)

    def loader(self, batch_size, epoch=1):
        batches = GlobalBatches(len(self), batch_size, seed=0)
        batches.set_epoch(epoch)
        return DataLoader(self, batch_sampler=batches, collate_fn=self.collate)


def assert_same(one: nn.Module, other: nn.Module) -> None:
    for (name, a), b in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_an_epoch_gives_the_means_over_clips(looking_network, clips, strategy):
    network = looking_network().eval()
    network.dropout.p = 0.0
    batches = [clips(4), clips(2, first_video=4)]
    run = Run(network, strategy, lr=0.0, relative_lr=0.0)
    stats = run.epoch(batches, loss=ClassificationLoss())
    losses, right = [], 0
    for batch in batches:  # lr 0: only the statistics of batch norm change
        logits = network(batch.clip).logits
        losses.append(len(batch.target) * nn.functional.cross_entropy(logits, batch.target).item())
        right += int((logits.argmax(1) == batch.target).sum())
    assert stats.steps == 2
    assert stats.loss == pytest.approx(sum(losses) / 6, rel=1e-5)
    assert stats.accuracy == pytest.approx(right / 6)


def test_training_learns_and_moves_the_head(looking_network, clips, strategy):
    run = Run(looking_network(gain=30.0), strategy, total_steps=60, lr=0.1)
    batches = [clips(6)]
    first = run.epoch(batches).loss
    for _ in range(50):
        stats = run.epoch(batches)
    assert stats.loss < first - 0.2
    report = run.monitor.compute()
    assert report.heads[0].displacement > 0.001
    assert report.localization_grad_norm == pytest.approx(stats.localization_grad_norm)


def test_the_schedule_steps_once_per_optimizer_step(looking_network, clips, strategy):
    run = Run(looking_network(), strategy, total_steps=8)
    run.epoch([clips(2)] * 8)
    assert run.schedule.last_epoch == 8
    assert run.optimizer.param_groups[0]["lr"] == 0.0


def test_accumulated_batches_make_one_step_of_a_large_batch(looking_network, clips, strategy):
    def trained(batch_size, accumulation_steps):
        torch.manual_seed(0)
        network = looking_network().eval()
        network.dropout.p, network.norm.momentum = 0.0, 0.0
        network.norm = nn.Identity()  # batch norm would see other batches
        run = Run(network, strategy, accumulation=accumulation_steps)
        data = clips(12)
        batches = (data.rows(slice(i, i + batch_size)) for i in range(0, 12, batch_size))
        return run.epoch(batches, clipping=Clipping(1.0, 1.0)), network

    whole, parts = trained(6, 1), trained(2, 3)
    assert whole[0].steps == parts[0].steps == 2
    for a, b in zip(whole[1].parameters(), parts[1].parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_an_unfinished_accumulation_steps_at_the_end_of_the_epoch(looking_network, clips, strategy):
    run = Run(looking_network(), strategy, accumulation=2)
    loader = Shuffled(clips, 10).loader(2)
    assert run.epoch(loader).steps == 3
    assert run.epoch(loader).steps == 3


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_resumed_run_is_the_uninterrupted_one(name, looking_network, clips, strategy, tmp_path):
    def run_of(seed):
        torch.manual_seed(seed)
        return Run(looking_network(), strategy, name)

    data = Shuffled(clips)

    def epoch(run, number):
        seeding = [lambda batch: seed_batch(0, epoch=number, batch=batch)]
        batches = data.loader(4, number)
        return run.epoch(batches, clipping=Clipping(1.0, 0.1), before_batch=seeding)

    straight = run_of(0)
    first = epoch(straight, 1)
    save_checkpoint(tmp_path / "last.pt", training_state(*straight.state))
    second = epoch(straight, 2)
    assert first.loss != second.loss

    resumed = run_of(1)
    torch.rand(100)
    restore_training_state(load_checkpoint(tmp_path / "last.pt"), *resumed.state)
    again = epoch(resumed, 2)
    assert (again.loss, again.accuracy) == (second.loss, second.accuracy)
    assert_same(resumed.network, straight.network)
    assert resumed.schedule.get_last_lr() == straight.schedule.get_last_lr()


def test_an_epoch_that_is_resumed_goes_on_with_its_totals(looking_network, clips, strategy):
    batches = [clips(4, failures=[(7, "a.avi: empty")]), clips(2, first_video=4), clips(3)]

    def seeded(batch: int) -> None:
        seed_batch(0, epoch=1, batch=batch)

    def start() -> Run:
        torch.manual_seed(0)
        return Run(looking_network(), strategy)

    straight = start()
    whole = straight.epoch(batches, before_batch=[seeded])
    run, totals, resumed = start(), EpochTotals(), EpochTotals()
    run.epoch(batches[:1], before_batch=[seeded], totals=totals)
    resumed.load_state_dict(totals.state_dict(strategy), strategy)
    numbers = []
    parts = run.epoch(
        batches[1:], before_batch=[seeded], totals=resumed,
        after_step=[lambda record: numbers.append(record.batch)],
    )  # fmt: skip
    assert numbers == [2, 3]
    for name in ("loss", "accuracy", "steps", "localization_grad_norm", "failures"):
        assert getattr(parts, name) == getattr(whole, name), name
    assert_same(run.network, straight.network)


def test_an_epoch_that_lacks_no_batch_gives_its_totals(looking_network, clips, strategy):
    run, totals = Run(looking_network(), strategy), EpochTotals()
    whole = run.epoch([clips(4)], totals=totals)
    again = run.epoch([], totals=totals)
    assert (again.loss, again.accuracy, again.steps) == (whole.loss, whole.accuracy, 1)


def test_a_step_ends_where_no_gradient_waits(looking_network, clips, strategy):
    run, records = Run(looking_network(), strategy, accumulation=2), []
    run.epoch([clips(2)] * 3, after_step=[records.append])
    assert [record.ends_step for record in records] == [False, True, True]
    assert [record.localization_grad_norm is not None for record in records] == [False, True, True]


def test_a_frozen_arm_keeps_its_head_while_the_rest_learns(looking_network, clips, strategy):
    network = looking_network()
    start = network.localization.weight.clone()
    run = Run(network, strategy, relative_lr=0.0)
    before = network.classifier.weight.clone()
    run.epoch([clips(4)] * 3)
    assert torch.equal(network.localization.weight, start)
    assert not torch.equal(network.classifier.weight, before)


def test_gradients_are_clipped_before_the_step(looking_network, clips, strategy):
    network = looking_network()
    network.classifier.weight.data.mul_(1000)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    run = Run(network, strategy, lr=1.0, relative_lr=1.0)
    run.schedule.base_lrs = [0.0 for _ in run.schedule.base_lrs]
    for group in run.optimizer.param_groups:
        group |= {"lr": 1.0, "weight_decay": 0.0}
    stats = run.epoch([clips(4)], clipping=Clipping(0.5, 0.02))
    moved = {name: (p - before[name]).norm() ** 2 for name, p in network.named_parameters()}
    head = moved.pop("localization.weight").sqrt()
    assert stats.localization_grad_norm > 0.02  # as it was before clipping
    torch.testing.assert_close(head, torch.tensor(0.02 * 10), rtol=1e-3, atol=0)
    torch.testing.assert_close(sum(moved.values()).sqrt(), torch.tensor(0.5), rtol=1e-3, atol=0)


def test_a_loss_that_is_no_number_ends_training_with_the_step(looking_network, clips, strategy):
    network = looking_network()
    run = Run(network, strategy)
    losses = itertools.chain([1.0], itertools.repeat(float("nan")))

    def loss(prediction, label):
        return prediction.logits.mean() * next(losses)

    with pytest.raises(TrainingError, match=r"the loss is nan at batch 2 .* Use a smaller lr"):
        run.epoch([clips(2)] * 3, loss=loss)
    assert all(p.isfinite().all() for p in network.parameters())


def test_a_gradient_that_is_no_number_does_not_reach_the_weights(looking_network, clips, strategy):
    network = looking_network()
    run = Run(network, strategy)

    def loss(prediction, label):  # the derivative of sqrt at 0 is infinite
        return (prediction.logits.mean() * 0).abs().sqrt()

    with pytest.raises(TrainingError, match=r"the gradient norm is (nan|inf) at batch 1"):
        run.epoch([clips(2)], loss=loss)
    assert all(p.isfinite().all() for p in network.parameters())


def test_an_empty_batch_ends_training(looking_network, clips, strategy):
    run = Run(looking_network(), strategy)
    with pytest.raises(TrainingError, match="batch 1 of the epoch holds no clip: too many videos"):
        run.epoch([clips(0, failures=[(3, "a.avi: empty")])])


def test_failures_are_returned_and_each_batch_is_recorded(looking_network, clips, strategy):
    run, records = Run(looking_network(), strategy), []
    batches = [clips(2, failures=[(7, "a.avi: empty")]), clips(2)]
    stats = run.epoch(batches, after_step=[records.append])
    assert stats.failures == [(7, "a.avi: empty")]
    assert [record.batch for record in records] == [1, 2]
    assert (records[-1].loss, records[-1].accuracy) == (stats.loss, stats.accuracy)
    assert records[0].prediction.logits.shape == (2, 3)
    norms = [record.localization_grad_norm for record in records]
    assert stats.localization_grad_norm == pytest.approx(sum(norms) / 2)


def test_transforms_change_the_batch_in_order(looking_network, clips, strategy):
    """As mixup does: the target becomes a row of probabilities."""
    run, seen = Run(looking_network(), strategy), []

    def with_probabilities(batch):
        target = nn.functional.one_hot(batch.target, 3).float()
        return batch._replace(clip=batch.clip.float(), target=0.8 * target + 0.1)

    def recorded(batch):
        seen.append(batch)
        return batch

    stats = run.epoch([clips(4)], transforms=[with_probabilities, recorded])
    assert seen[0].clip.dtype == torch.float32
    assert seen[0].target.shape == (4, 3)
    assert 0 <= stats.accuracy <= 1


def test_the_accuracy_counts_the_largest_of_several_targets(looking_network, clips, strategy):
    network = looking_network()
    network.norm, network.dropout.p = nn.Identity(), 0.0
    run = Run(network, strategy, lr=0.0, relative_lr=0.0)

    def nothing_to_learn(prediction, target):
        return prediction.logits.mean() * 0

    batch = clips(4)
    everything = batch._replace(target=torch.ones(4, 3))
    assert run.epoch([everything], loss=nothing_to_learn).accuracy == 1
    predicted = network(batch.clip).logits.argmax(1)
    target = nn.functional.one_hot(predicted, 3).float()
    target[0] = target[0].roll(1)  # one of four is wrong
    assert run.epoch([batch._replace(target=target)], loss=nothing_to_learn).accuracy == 0.75
    target[1] = 0  # one has no label
    assert run.epoch([batch._replace(target=target)], loss=nothing_to_learn).accuracy == 0.5


def test_a_clip_is_right_where_all_positions_are(looking_network, clips, strategy):
    network = looking_network(num_classes=6)
    network.norm, network.dropout.p = nn.Identity(), 0.0
    batch = clips(4)
    digits = network(batch.clip).logits.reshape(4, 3, 2).argmax(2)
    digits[0, 1] = 1 - digits[0, 1]  # one of twelve is wrong, in one of four clips
    run = Run(network, strategy, lr=0.0, relative_lr=0.0)
    assert run.epoch([batch._replace(target=digits)]).accuracy == 0.75


def test_waiting_for_data_is_measured(looking_network, clips, strategy):
    def slow():
        for _ in range(2):
            time.sleep(0.2)
            yield clips(2)

    waiting = Run(looking_network(), strategy).epoch(slow())
    assert waiting.data_wait_share * waiting.seconds >= 0.4
    assert waiting.data_wait_share < 1


def test_the_real_network_trains_freezes_and_is_logged(clips, strategy, tmp_path):
    """One epoch through the project's own network, with heads that move and with frozen ones."""
    states = []
    for relative_lr in (1e-2, 0.0):
        trunk = nn.Sequential(
            nn.Conv3d(3, 6, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool3d(1),
            nn.Flatten(),
            nn.Linear(6, 5),
        )
        network = plug(
            trunk, at="1", heads=2, num_classes=3, gain=30.0, example=torch.zeros(1, 3, 2, 8, 8),
            mean=[128.0] * 3, std=[64.0] * 3,
        )  # fmt: skip
        run = Run(network, strategy, relative_lr=relative_lr)
        run.monitor.frozen_on_purpose = relative_lr == 0
        stats = run.epoch([clips(4)] * 4, clipping=Clipping(5.0, 0.1))
        report = run.monitor.compute()
        with RunLog(tmp_path, tensorboard=False) as log:
            log.write("train", 1, {"loss": stats.loss, **report.numbers()})
        states.append([head.displacement > 0 for head in report.heads])
        assert len(report.heads) == 2
    assert states == [[True, True], [False, False]]
    assert {head.state for head in report.heads} == {"frozen on purpose"}
