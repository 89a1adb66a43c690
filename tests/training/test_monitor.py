import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from stn_action.geometry.cells import Cells
from stn_action.geometry.transforms import TRANSFORMS, build_transform
from stn_action.models.prediction import Focus
from stn_action.training.head_report import HeadReport
from stn_action.training.monitor import CELLS_AT_ONCE, HeadMonitor, HeadThresholds

CELLS = Cells.centered((4, 8, 8), (4, 16, 16))


def windows(centers: Tensor, scale: float = 0.5) -> Tensor:
    """Theta (B, K, S, 2, 3) of upright square windows at centers (B, K, S, 2)."""
    linear = (torch.eye(2) * scale).expand(*centers.shape, 2)
    return torch.cat([linear, centers[..., None]], -1)


def one_head(x: list[float], scale: float = 0.5, stage: str = "layer3") -> Focus:
    """One head, one clip for each x; it started in the middle, at scale 0.5."""
    centers = torch.tensor([[[[value, 0.0]]] for value in x])
    base = windows(torch.zeros(1, 1, 1, 2))[0, :, 0]
    return Focus(windows(centers, scale), base, stage, CELLS, min_scale=0.2)


def after(*batches: Focus, **kwargs) -> HeadMonitor:
    monitor = HeadMonitor(**kwargs)
    for batch in batches:
        monitor.update([batch])
    return monitor


def state_of(*batches: Focus, **kwargs) -> str:
    return after(*batches, **kwargs).compute().heads[0].state


def test_the_numbers_of_one_head_are_those_computed_by_hand():
    head = after(one_head([-0.3, 0.3, 0.9])).compute().heads[0]
    assert head.spread == pytest.approx(0.6 / 2)  # x: std of -0.3, 0.3, 0.9; y: 0
    assert head.displacement == pytest.approx(math.sqrt((0.09 + 0.09 + 0.81) / 6 / 3))
    assert head.in_bounds == pytest.approx((1 + 1 + 0.6) / 3)  # the last: 0.4 .. 1.4
    assert head.scale == pytest.approx(0.5)
    assert head.overlap == 0.0
    assert (head.stage, head.head, head.state) == ("layer3", 0, "moving")


def test_each_clip_counts_from_its_own_base():
    bases = windows(torch.tensor([[[-0.4, 0.1]], [[0.2, 0.3]]]))  # (2 clips, 1 head, 2, 3)
    still = Focus(bases[:, :, None], bases, "layer3", CELLS)
    assert state_of(still) == "frozen"
    moved = windows(torch.tensor([[[-0.1, 0.1]], [[-0.1, 0.3]]]))  # by 0.3 and -0.3 in x
    head = after(Focus(moved[:, :, None], bases, "layer3", CELLS)).compute().heads[0]
    assert head.displacement == pytest.approx(math.sqrt(0.09 / 6))
    assert head.spread == pytest.approx(math.sqrt(2 * 0.09) / 2)  # x: std of 0.3, -0.3; y: 0


def test_overlap_is_the_mean_iou_with_the_other_heads():
    """Unit windows at x = 0, 0.5 and 3: the first two share half of each, 1 / (1 + 1 - 0.5) / 2."""
    centers = torch.tensor([[[[0.0, 0.0]], [[0.5, 0.0]], [[3.0, 0.0]]]])
    focus = Focus(windows(centers), windows(centers)[0, :, 0], "layer3", CELLS)
    overlaps = [head.overlap for head in after(focus).compute().heads]
    assert overlaps == pytest.approx([1 / 6, 1 / 6, 0.0])


def test_the_window_of_a_turned_head_is_the_box_around_it():
    turn = torch.tensor([[[[[[0.0, -0.5, 0.75], [0.5, 0.0, 0.0]]]]]])[0]
    head = after(Focus(turn, turn[0, :, 0], "layer3", CELLS)).compute().heads[0]
    assert head.in_bounds == pytest.approx(0.75)
    assert head.scale == pytest.approx(0.5)


def test_every_time_step_is_a_window():
    centers = torch.tensor([[[[-0.2, 0.1], [0.2, 0.1]]]])  # one clip, two steps
    base = windows(torch.zeros(1, 1, 1, 2))[0, :, 0]
    head = after(Focus(windows(centers), base, "layer3", CELLS)).compute().heads[0]
    assert head.spread == pytest.approx(math.sqrt(0.08) / 2)


def test_a_head_that_stays_where_it_started_is_frozen():
    assert state_of(one_head([0.0, 0.001, 0.0])) == "frozen"


def test_a_head_that_is_not_trained_is_frozen_on_purpose_and_no_defect():
    monitor = after(one_head([0.0, 0.0]), frozen_on_purpose=True)
    report = monitor.compute()
    assert report.heads[0].state == "frozen on purpose"
    assert monitor.warnings(report, epoch=1) == []


def test_a_head_that_moved_to_one_place_for_all_ignores_its_input():
    assert state_of(one_head([0.3, 0.301, 0.3])) == "ignores its input"


def test_drifting_from_batch_to_batch_is_no_spread():
    drift = [one_head([x, x]) for x in (0.0, 0.1, 0.2, 0.3)]
    head = after(*drift).compute().heads[0]
    assert head.spread == pytest.approx(0.0, abs=1e-9)
    assert head.state == "ignores its input"


def test_a_head_at_its_smallest_scale_has_collapsed():
    assert state_of(one_head([-0.3, 0.3], scale=0.205)) == "collapsed"
    assert state_of(one_head([-0.3, 0.3], scale=0.22)) == "moving"


def test_a_head_that_mostly_looks_beside_the_map_has_escaped():
    assert state_of(one_head([1.2, 1.4])) == "escaped"
    assert state_of(one_head([0.7, 0.9])) == "moving"


def test_thresholds_are_arguments():
    slow = one_head([0.0, 0.004])
    assert state_of(slow) == "frozen"
    assert state_of(slow, thresholds=HeadThresholds(spread=0.001)) == "moving"


def test_batches_of_one_clip_have_no_spread_but_freezing_shows():
    report = after(one_head([0.0]), one_head([0.0])).compute()
    assert math.isnan(report.heads[0].spread)
    assert report.heads[0].state == "frozen"
    assert state_of(one_head([0.4]), one_head([-0.4])) == "moving"


def test_a_warning_says_what_which_head_since_when_and_what_to_try():
    monitor = after(one_head([0.3, 0.3]))
    report = monitor.compute()
    assert monitor.warnings(report, epoch=3)
    (line,) = monitor.warnings(report, epoch=4)
    assert line.startswith("head 0 at layer3 ignores its input: it moved by 0.12")
    assert "since epoch 3. Try a smaller relative_lr" in line


@pytest.mark.parametrize(
    ("focus", "words"),
    [
        (one_head([0.0, 0.0]), "is frozen: spread 0, displacement 0, since epoch 1. Try a larger"),
        (one_head([-0.3, 0.3], 0.2), "has collapsed: its mean scale 0.2 is at the floor 0.2"),
        (one_head([1.5, 1.4]), "has left the map: only 5% of its window is inside"),
    ],
)
def test_each_defect_has_its_words(focus, words):
    monitor = after(focus)
    assert words in monitor.warnings(monitor.compute(), epoch=1)[0]


def test_since_when_starts_anew_when_a_head_has_moved_in_between():
    monitor = HeadMonitor()
    lines = []
    for epoch, x in enumerate([0.0, 0.5, 0.0, 0.0], start=1):
        monitor.reset()
        monitor.update([one_head([-x, x])])
        lines.append(monitor.warnings(monitor.compute(), epoch=epoch))
    assert "since epoch 1" in lines[0][0]
    assert lines[1] == []
    assert "since epoch 3" in lines[3][0]


def test_a_resumed_run_knows_since_when():
    monitor = after(one_head([0.0, 0.0]))
    monitor.warnings(monitor.compute(), epoch=2)
    resumed = after(one_head([0.0, 0.0]))
    resumed.load_state_dict(monitor.state_dict())
    assert "since epoch 2" in resumed.warnings(resumed.compute(), epoch=7)[0]


def test_a_run_that_is_resumed_inside_an_epoch_knows_its_statistics():
    first, second = one_head([-0.5, 0.5]), one_head([0.1, 0.9])
    straight, stopped, resumed = HeadMonitor(), HeadMonitor(), HeadMonitor()
    for monitor in (straight, stopped):
        monitor.update([first], localization_grad_norm=0.1)
    resumed.load_state_dict(stopped.state_dict())
    for monitor in (straight, resumed):
        monitor.update([second], localization_grad_norm=0.3)
    assert resumed.compute() == straight.compute()
    assert resumed.compute().localization_grad_norm == pytest.approx(0.2)


def test_placements_are_told_apart():
    monitor = HeadMonitor()
    monitor.update([one_head([0.0, 0.0], stage="layer2"), one_head([-0.5, 0.5], stage="layer4")])
    heads = monitor.compute().heads
    assert [(head.stage, head.state) for head in heads] == [
        ("layer2", "frozen"),
        ("layer4", "moving"),
    ]


def test_reset_forgets_the_epoch_before():
    monitor = after(one_head([-0.5, 0.5]))
    monitor.reset()
    monitor.update([one_head([0.0, 0.0])])
    assert monitor.compute().heads[0].spread == 0.0


def test_the_gradient_norm_is_averaged_over_steps():
    monitor = HeadMonitor()
    monitor.update([one_head([0.0])], localization_grad_norm=1.0)
    monitor.update([one_head([0.0])])  # accumulated, no step
    monitor.update([one_head([0.0])], localization_grad_norm=4.0)
    assert monitor.compute().localization_grad_norm == 2.5
    assert monitor.compute().numbers()["heads/localization_grad_norm"] == 2.5


def test_flat_numbers_name_stage_and_head():
    numbers = after(one_head([-0.3, 0.3])).compute().numbers()
    assert numbers["heads/layer3.0/scale"] == pytest.approx(0.5)
    assert "heads/layer3.0/overlap" in numbers


def test_without_heads_there_is_nothing_to_say():
    report = HeadMonitor().compute()
    assert report.heads == ()
    assert report.numbers() == {}


@pytest.mark.parametrize(("own", "of_other"), [([-0.3, 0.1], [0.8]), ([-0.3, 0.1, 0.8], [])])
def test_two_shares_of_a_batch_give_what_the_batch_gives(own, of_other):
    """Each process adds the sums over its clips; of an empty share another clip stands in."""
    whole = after(one_head([-0.3, 0.1, 0.8]), one_head([0.2, 0.2]))
    seen: list[Tensor] = []
    other = HeadMonitor(reduce=lambda sums: seen.append(sums) or sums)
    other.update([one_head(of_other or own[:1])], counted=bool(of_other))
    other.update([one_head([0.2])])
    monitor = HeadMonitor(reduce=lambda sums: sums + seen.pop(0))
    monitor.update([one_head(own)])
    monitor.update([one_head([0.2])])
    (head,), (expected,) = monitor.compute().heads, whole.compute().heads
    assert head[2:-1] == pytest.approx(expected[2:-1], rel=1e-12)
    assert head.state == expected.state


def test_a_batch_with_gradients_keeps_no_graph():
    focus = one_head([-0.3, 0.3])
    focus.theta.requires_grad_()
    seen: list[Tensor] = []
    after(focus, reduce=lambda sums: seen.append(sums) or sums)
    assert not seen[0].requires_grad


def test_patience_holds_back_a_warning_until_the_state_has_lasted():
    monitor = HeadMonitor()
    for epoch, told in ((1, False), (2, False), (3, True)):
        monitor.reset()
        monitor.update([one_head([0.0, 0.001, 0.0])])
        lines = monitor.warnings(monitor.compute(), epoch=epoch, patience=2)
        assert bool(lines) == told


def test_a_state_that_lasts_has_one_line_until_it_is_asked_for_again():
    monitor, told = HeadMonitor(), []
    for epoch in (1, 2, 3, 4):
        monitor.reset()
        monitor.update([one_head([0.0, 0.001, 0.0])])
        report = monitor.compute()
        told.append(len(monitor.warnings(report, epoch=epoch, patience=1, repeat=False)))
    assert told == [0, 1, 0, 0]
    assert len(monitor.warnings(report, epoch=4)) == 1


def test_heads_of_one_state_share_a_line_and_a_word():
    theta = torch.cat([one_head([0.0, 0.0, 0.0]).theta] * 3, 1)  # (B, K, S, ...)
    theta[:, 1, :, 0, 2] = torch.tensor([-0.3, 0.0, 0.3])[:, None]
    one = one_head([0.0, 0.0, 0.0])
    monitor = after(replace(one, theta=theta, base=torch.cat([one.base] * 3)))
    report = monitor.compute()
    assert report.word == "frozen (2 of 3)"
    (line,) = monitor.warnings(report, epoch=1)
    assert line.startswith("head 0 at layer3 is frozen: ")
    assert "since epoch 1 (likewise head 2). Try a larger" in line
    assert report.states() == {
        "heads/layer3.0/state": "frozen", "heads/layer3.1/state": "moving",
        "heads/layer3.2/state": "frozen",
    }  # fmt: skip
    assert HeadReport((), math.nan).word == "none"
    assert HeadReport(report.heads[1:2], 1.0).word == "moving"


def family_focus(name: str, raw: Tensor, num_heads: int = 2) -> Focus:
    """The windows of a bounded family for raw numbers (B, K, P)."""
    transform = build_transform(name, num_heads, bounded=True)
    return Focus(transform.build(raw).unsqueeze(2), transform.base, "layer3", CELLS, 0.2)


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_heads_of_every_family_are_watched(name):
    num_parameters = TRANSFORMS[name].num_parameters
    still = after(family_focus(name, torch.zeros(6, 2, num_parameters))).compute().heads
    for head in still:
        assert head.state == "frozen"
        assert head.spread == pytest.approx(0.0, abs=1e-7)
        assert head.scale == pytest.approx(0.5, abs=1e-3)
        assert head.in_bounds == pytest.approx(1.0)
        assert head.overlap < 0.3
    moving = after(family_focus(name, torch.randn(6, 2, num_parameters))).compute().heads
    for head in moving:
        assert head.state == "moving"
        assert head.spread > 0.03
        assert head.displacement > 0.05
        assert 0.1 < head.scale < 1


def test_the_numbers_of_a_homography_are_those_computed_by_hand():
    """Corners (-1, +-1) and (1/3, +-1/3), of a trapezium of area 16/9; the center stays."""
    theta = torch.tensor([[0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.5, 0.0, 1.0]]).view(1, 1, 1, 3, 3)
    head = after(Focus(theta, torch.eye(3)[None], "layer3", CELLS)).compute().heads[0]
    assert head.scale == pytest.approx(2 / 3)
    assert head.in_bounds == pytest.approx(1.0)
    assert head.displacement == pytest.approx(math.sqrt(3 * 0.25 / 9))


def test_a_spline_counts_by_its_curve():
    """A window of half the map's side, 0.75 to one side: a quarter of it lies outside."""
    base = build_transform("tps", 1, bounded=False, start_scale=1.0).base
    theta = base / 2 + torch.tensor([0.75, 0.0])
    focus = Focus(torch.stack([theta, -theta])[:, :, None], base, "layer3", CELLS)
    head = after(focus).compute().heads[0]
    assert head.scale == pytest.approx(0.5)
    assert head.in_bounds == pytest.approx(0.75)
    assert head.spread == pytest.approx(math.sqrt(2 * 0.75**2) / 2)


def volume(x: float, time: float) -> Tensor:
    """Theta (1, 1, 3, 4) of a volume half as large as the map about (x, 0, time)."""
    theta = torch.tensor([[0.5, 0, 0, x], [0, 0.5, 0, 0], [0, 0, 0.5, time]])
    return theta.view(1, 1, 3, 4)


def test_the_center_of_a_volume_has_a_time():
    base = volume(0.0, 0.0)[0]
    theta = torch.stack([volume(0.0, -0.3), volume(0.0, 0.3)])
    head = after(Focus(theta, base, "layer3", CELLS)).compute().heads[0]
    assert head.spread == pytest.approx(math.sqrt(0.18) / 3)
    assert head.state == "moving"
    assert head.in_bounds == pytest.approx(1.0)


def test_a_volume_that_lies_after_the_clip_has_escaped():
    base = volume(0.0, 0.0)[0]
    theta = torch.stack([volume(-0.3, 1.1), volume(0.3, 1.3)])
    head = after(Focus(theta, base, "layer3", CELLS)).compute().heads[0]
    assert head.in_bounds == pytest.approx((0.4 + 0.2) / 2)
    assert head.state == "escaped"


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["affine", "projective", "tps", "volumetric"])
@pytest.mark.parametrize("frozen_on_purpose", [False, True])
def test_a_head_that_is_not_finite_is_reported_at_once(name, number, frozen_on_purpose):
    focus = family_focus(name, torch.randn(4, 2, TRANSFORMS[name].num_parameters))
    focus.theta[2, 1, 0, 0, 1] = number
    monitor = after(focus, frozen_on_purpose=frozen_on_purpose)
    report = monitor.compute()
    assert report.heads[0].state == ("frozen on purpose" if frozen_on_purpose else "moving")
    assert report.heads[1].state == "not finite"
    (line,) = monitor.warnings(report, epoch=1, patience=3)
    assert line.startswith("head 1 at layer3 is not finite: its theta holds NaN or infinity")
    assert "since epoch 1. Try an earlier checkpoint" in line


def attended(*maps: list[list[float]], **settings) -> Focus:
    """One head with the weights of one clip for each map."""
    weights = torch.tensor(maps)[:, None, None]
    return Focus(None, None, "layer3", CELLS, weights=weights, **settings)


def test_the_numbers_of_weights_are_those_computed_by_hand():
    """2 x 2 cells, centers at +-0.5: the mean places are (0.5, 0), (0, 0) and (-0.3, -0.1)."""
    maps = [[0.0, 0.5], [0.0, 0.5]], [[0.25, 0.25], [0.25, 0.25]], [[0.5, 0.1], [0.3, 0.1]]
    head = after(attended(*maps)).compute().heads[0]
    x = math.sqrt(((0.5 - 0.2 / 3) ** 2 + (0.2 / 3) ** 2 + (0.3 + 0.2 / 3) ** 2) / 2)
    y = math.sqrt(((0.1 / 3) ** 2 * 2 + (0.2 / 3) ** 2) / 2)
    assert head.spread == pytest.approx((x + y) / 2)
    assert head.displacement == pytest.approx(math.sqrt((0.25 + 0 + 0.09) / 3))
    assert (head.in_bounds, head.overlap) == (1, 0)
    entropy = -sum(p * math.log(p) for p in (0.5, 0.1, 0.3, 0.1))
    assert head.scale == pytest.approx((0.5**0.5 + 1 + (math.exp(entropy) / 4) ** 0.5) / 3)
    assert head.state == "moving"


def test_weights_overlap_by_the_mass_in_common():
    maps = torch.tensor([[[0.5, 0.5]], [[1.0, 0.0]], [[0.0, 1.0]]])[None, :, None]
    focus = Focus(None, None, "layer3", CELLS, weights=maps)
    overlaps = [head.overlap for head in after(focus).compute().heads]
    assert overlaps == pytest.approx([0.5, 0.25, 0.25])


def test_weights_that_are_equal_for_every_clip_ignore_them():
    maps = [[0.9, 0.1], [0.0, 0.0]]
    assert state_of(attended(maps, maps)) == "ignores its input"
    assert state_of(attended(maps, maps), frozen_on_purpose=True) == "frozen on purpose"
    assert state_of(attended([[math.nan, 0.0], [0.0, 0.0]])) == "not finite"


def test_windows_without_a_start_have_not_moved():
    theta = windows(torch.tensor([[[[0.3, 0.0]]], [[[-0.3, 0.0]]]]))
    head = after(Focus(theta, None, "layer3", CELLS)).compute().heads[0]
    assert (head.displacement, head.state) == (0, "moving")


def test_windows_with_a_start_for_each_clip_are_compared_with_it():
    theta = windows(torch.tensor([[[[0.3, 0.0]]], [[[-0.3, 0.0]]]]))
    base = theta[:, :, 0].clone()
    base[1, 0, 0, 2] += 0.6
    head = after(Focus(theta, base, "layer3", CELLS)).compute().heads[0]
    assert head.displacement == pytest.approx(math.sqrt(0.36 / 6 / 2))


def weights_of(number: int, size: int) -> Focus:
    """Two heads' weights of one to three clips of two steps, on a map of so many cells."""
    generator = torch.Generator().manual_seed(number)
    weights = torch.rand(1 + number % 3, 2, 2, 1, size, generator=generator)
    return Focus(None, None, "layer3", CELLS, weights=weights.softmax(-1).requires_grad_())


@pytest.mark.parametrize(
    "batch", [
        lambda n: one_head([math.sin(n + k) for k in range(1 + n % 3)]),
        lambda n: weights_of(n, 3),
        lambda n: weights_of(n, CELLS_AT_ONCE // 50),
    ], ids=["windows", "weights", "weights of large maps"],
)  # fmt: skip
def test_batches_that_are_summed_together_count_like_single_ones(batch):
    batches = [batch(number) for number in range(7 if batch(0).theta is None else 70)]
    alone = after(*batches, reduce=lambda sums: sums).compute().heads[0]
    together = after(*batches).compute().heads[0]
    for name in ("spread", "displacement", "in_bounds", "scale", "overlap"):
        assert getattr(together, name) == pytest.approx(getattr(alone, name), rel=1e-12)
