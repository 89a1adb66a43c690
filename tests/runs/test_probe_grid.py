"""The grid of a probe, its arms, and the videos of each cell."""

import doctest
from collections import Counter
from pathlib import Path

import pytest

from stn_action.data.listing import Listing
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError
from stn_action.runs import probe_grid
from stn_action.runs.probe_grid import (
    ARMS_OF_PROBE,
    cells_of,
    config_of_cell,
    parse_arms,
    settings_of,
    split_of_cell,
)
from tests.tiny import tiny_config


def listing_of(num_groups: int, held_out: int, per_group: int = 2) -> Listing:
    videos = [
        Video(f"{group:02}/{clip}", Path("x"), clip % 2, f"{group:02}")
        for group in range(num_groups)
        for clip in range(per_group)
    ]
    train = VideoTable(video for video in videos if int(video.group) != held_out)
    test = VideoTable(video for video in videos if int(video.group) == held_out)
    return Listing("x", ("a", "b"), train, VideoTable(), test)


def test_examples():
    assert doctest.testmod(probe_grid).failed == 0


def test_only_windows_that_learn_have_a_relative_rate():
    settings = settings_of(parse_arms(list(ARMS_OF_PROBE)), [1e-3], [1e-3, 1e-4])
    labels = [setting.label for setting in settings]
    assert labels == [
        "mean", "tiles", "max", "foreground", "saliency", "attention", "windows 1e-3",
        "windows 1e-4",
    ]  # fmt: skip
    rates = {setting.label: setting.relative_lr for setting in settings}
    assert (rates["tiles"], rates["attention"], rates["windows 1e-4"]) == (0.0, None, 1e-4)


def test_a_variant_takes_the_rates_of_the_grid_unless_it_has_its_own():
    texts = ["apart:readout=windows,diversity_loss=1", "slow:optim.relative_lr=1e-5,heads=2"]
    arms = parse_arms([], [*texts, "half:readout=saliency,saliency_share=[0.5,0.6],heads=2"])
    labels = [setting.label for setting in settings_of(arms, [1e-3, 1e-2], [1e-3, 1e-4])]
    assert labels == ["apart 1e-3", "apart 1e-4"] * 2 + ["slow 1e-5"] * 2 + ["half"] * 2
    assert arms[2].overrides == (
        "model.focus.readout=saliency", "model.focus.saliency_share=[0.5,0.6]",
        "model.focus.heads=2",
    )  # fmt: skip


def test_the_configuration_of_a_cell_is_that_of_its_arm_rates_and_seed(tmp_path):
    base = tiny_config(tmp_path)
    arm = parse_arms([], ["apart:diversity_loss=0.5,train.epochs=9"])
    setting = settings_of(arm, [2e-3], [1e-4])[0]
    config = config_of_cell(base, setting, 7)
    assert config.model.focus is not None
    assert config.model.focus.diversity_loss == 0.5
    optim, train = config.optim, config.train
    assert (optim.lr, optim.relative_lr, train.seed, train.epochs) == (2e-3, 1e-4, 7, 9)


def test_a_grid_is_all_settings_seeds_and_folds():
    settings = settings_of(parse_arms(["mean", "windows"]), [1e-3], [1e-3, 1e-4])
    cells = cells_of(settings, [0, 1], [3, 4], "test")
    assert len(cells) == len({cell.key for cell in cells}) == 3 * 2 * 2
    assert [cell.fold for cell in cells[:4]] == [3, 4, 3, 4]
    for nothing in ([], [0], [3]), (settings, [], [3]), (settings, [0], []):
        with pytest.raises(InputError, match=r"the grid has no cell: .*give --readouts"):
            cells_of(*nothing, "test")


@pytest.mark.parametrize(
    ("readouts", "variants", "message"),
    [
        (["mean", "windos"], [], r"--readouts: there is no 'windos', expected of mean, tiles"),
        (["mean", "mean"], [], r"mean is given twice"),
        (["mean"], ["mean:heads=2"], r"mean is given twice"),
        ([], ["windows"], r"--variant 'windows': expected NAME:key=value,\.\.\. as in"),
        ([], ["a b:heads=2"], r"--variant 'a b:heads=2': expected NAME"),
        ([], ["a:heads"], r"--variant 'a:heads': expected NAME"),
    ],
)
def test_wrong_arms_are_refused(readouts, variants, message):
    with pytest.raises(InputError, match=message):
        parse_arms(readouts, variants)


def groups_of(videos: VideoTable) -> list[str]:
    return sorted(set(videos.groups()))


def test_the_next_group_in_turn_is_held_out_inside():
    inner = [
        groups_of(split_of_cell(listing_of(4, fold), "inner", per_class=None, seed=0)[1])
        for fold in range(4)
    ]
    assert inner == [["01"], ["02"], ["03"], ["00"]]
    train, test = split_of_cell(listing_of(4, 2), "inner", per_class=None, seed=0)
    assert groups_of(train) == ["00", "01"]
    assert groups_of(test) == ["03"]
    train, test = split_of_cell(listing_of(4, 2), "test", per_class=None, seed=0)
    assert (groups_of(train), groups_of(test)) == (["00", "01", "03"], ["02"])


def test_of_many_groups_each_fifth_is_held_out_inside():
    train, test = split_of_cell(listing_of(23, 4), "inner", per_class=None, seed=0)
    assert groups_of(test) == ["02", "05", "10", "15", "20"]  # from 05 on, around
    assert len(groups_of(train)) == 22 - 5
    assert not set(groups_of(train)) & {*groups_of(test), "04"}


def test_a_single_training_group_cannot_be_held_out():
    with pytest.raises(InputError, match=r"x: all training videos are of one group.*--on inner"):
        split_of_cell(listing_of(2, 0), "inner", per_class=None, seed=0)


def test_so_many_videos_of_each_class_are_drawn_by_seed():
    listing = listing_of(9, 0, per_group=4)
    draws = {}
    for count in (1, 2, 5, 99):
        train, test = split_of_cell(listing, "test", per_class=count, seed=3)
        assert Counter(train.targets.tolist()) == {0: min(count, 16), 1: min(count, 16)}
        assert test.names() == listing.test.names()
        draws[count] = set(train.names())
        assert train.names() == [one for one in listing.train.names() if one in draws[count]]
    assert draws[1] < draws[2] < draws[5] < draws[99]
    other = split_of_cell(listing, "test", per_class=2, seed=4)[0]
    assert set(other.names()) != draws[2]
