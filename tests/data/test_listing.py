"""The checks of every list of videos, and validation videos taken out of the training ones."""

import math
from collections import Counter
from pathlib import Path

import pytest

from stn_action.data.listing import (
    Listing,
    hold_out_groups,
    require_folder,
    require_separate_groups,
    require_videos,
)
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError

GROUPS = {"a": (0, 0), "b": (1,), "c": (0, 1, 1), "d": (0, 1), "e": (2,)}
"""The groups of nine videos, and the labels of their videos."""


def listing_of(
    groups: dict[str, tuple], num_classes: int | None = None, positions: int = 1
) -> Listing:
    train = VideoTable(
        (
            Video(f"{group}{number}", Path(f"{group}{number}.mp4"), label, group)
            for group, labels in groups.items()
            for number, label in enumerate(labels)
        ),
        num_classes=num_classes,
        positions=positions,
    )
    classes = tuple("xyz")
    return Listing("toy", classes, train, VideoTable(), VideoTable(), num_classes is not None)


class TestTheChecksOfEveryList:
    def test_a_list_naming_absent_files_gives_their_number_and_first_names(self, tmp_path):
        (tmp_path / "a.mp4").touch()
        videos = VideoTable(Video(name, tmp_path / f"{name}.mp4", 0, name) for name in "abcdef")
        message = (
            "5 of 6 listed videos are missing: b.mp4, c.mp4, d.mp4 and 2 more; looked in here; "
            "get them"
        )
        with pytest.raises(InputError, match=message):
            require_videos(videos, looked_in="here", remedy="get them")
        require_videos(videos[:1], looked_in="here", remedy="get them")

    def test_a_file_is_no_folder(self, tmp_path):
        (tmp_path / "a.mp4").touch()
        with pytest.raises(InputError, match=r"list: the folder .*a.mp4 is a file, not a folder"):
            require_folder(tmp_path / "a.mp4", what="list", remedy="go")

    def test_a_torn_group_is_named(self, tmp_path):
        videos = VideoTable(Video(name, tmp_path, 0, f"place {name}") for name in "abc")
        one, other = videos[:1], videos[1:]
        require_separate_groups({"training": one, "val": VideoTable(), "test": other}, what="list")
        message = r"list: 1 groups are in the training and in the test list \(place b\)"
        with pytest.raises(InputError, match=message):
            require_separate_groups({"training": videos[:2], "test": other}, what="list")
        with pytest.raises(InputError, match=r"in the val and in the test list \(place b, place c"):
            require_separate_groups({"training": one, "val": other, "test": other}, what="list")


class TestHoldingOutGroups:
    @pytest.mark.parametrize("share", [0.01, 0.25, 0.4, 0.6])
    @pytest.mark.parametrize("seed", range(8))
    def test_whole_groups_are_moved_until_the_share_is_reached(self, share, seed):
        listing = listing_of(GROUPS)
        held = hold_out_groups(listing, share, seed=seed)
        require_separate_groups({"train": held.train, "val": held.val}, what="toy")
        assert sorted(held.train.names() + held.val.names()) == sorted(listing.train.names())
        assert set(held.train.targets.tolist()) == {0, 1, 2}
        largest = max(Counter(held.val.groups()).values())
        assert len(held.val) - largest < math.ceil(9 * share)  # no group more than needed
        assert "e" not in held.val.groups()  # the only video of its class

    def test_a_hand_computed_choice(self):
        # torch.randperm(5, generator=torch.Generator().manual_seed(s)): [4, 0, 1, 3, 2] of s = 0,
        # [0, 4, 2, 3, 1] of s = 1; 0.4 of nine videos are four
        listing = listing_of(GROUPS)
        held = hold_out_groups(listing, 0.4, seed=0)  # e stays, a, b, d
        assert held.val.names() == ["a0", "a1", "b0", "d0", "d1"]
        assert held.train.names() == ["c0", "c1", "c2", "e0"]
        assert hold_out_groups(listing, 0.11, seed=0).val.names() == ["a0", "a1"]
        held = hold_out_groups(listing, 0.4, seed=1)  # a, e stays, c
        assert held.val.names() == ["a0", "a1", "c0", "c1", "c2"]

    def test_every_label_of_a_video_counts(self):
        groups = {"a": ((0, 1), (2,)), "b": ((0,), (1,)), "c": ((0, 1, 2),)}
        for seed in range(6):
            held = hold_out_groups(listing_of(groups, 3), 0.9, seed=seed)
            assert held.train.targets.sum(0).min() >= 1
            assert held.val.num_classes == 3

    def test_a_class_counts_at_any_position(self):
        """The digit z stands in one number only, at another place than the other digits."""
        groups = {"a": ((0, 1), (1, 0)), "b": ((1, 1),), "c": ((0, 2),), "d": ((0, 0),)}
        listing = listing_of(groups, positions=2)
        for seed in range(6):
            held = hold_out_groups(listing, 0.4, seed=seed)
            assert "c" not in held.val.groups()
            assert held.val.positions == held.train.positions == held.positions == 2
            assert set(held.train.targets.flatten().tolist()) == {0, 1, 2}

    def test_a_part_that_would_take_the_last_video_of_a_class_is_refused(self):
        message = r"data.val_share=0.2: no group of the 3 training videos of toy can be held out"
        with pytest.raises(InputError, match=message):
            hold_out_groups(listing_of({"a": (0, 0), "b": (1,)}), 0.2, seed=0)


def test_the_scores_of_a_network_are_those_of_each_class_at_each_position():
    assert (listing_of(GROUPS).positions, listing_of(GROUPS).num_outputs) == (1, 3)
    listing = listing_of({"a": ((0, 2), (1, 1))}, positions=2)
    assert (listing.positions, listing.num_outputs) == (2, 6)
    assert [listing.label_text(video) for video in listing.train] == ["xz", "yy"]
    several = listing_of({"a": ((0, 2), ())}, 3)
    assert [several.label_text(video) for video in several.train] == ["x; z", "no label"]
    assert listing_of(GROUPS).label_text(listing_of(GROUPS).train[2]) == "y"
