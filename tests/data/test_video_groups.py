"""Groups and equal names of tables."""

from pathlib import Path

import pytest

from stn_action.data.video_groups import may_repeat, numbered_groups
from stn_action.data.video_table import Video, VideoTable


def table(*groups: str) -> VideoTable:
    return VideoTable(
        Video(f"{place}", Path("x.mp4"), 0, group) for place, group in enumerate(groups)
    )


def test_groups_are_numbered_in_the_order_of_their_names():
    names, places = numbered_groups(table("ö", "b", "", "b", "\udcff", "a"))
    assert names == ["", "a", "b", "ö", "\udcff"]
    assert places.tolist() == [3, 2, 0, 2, 4, 1]
    names, places = numbered_groups(VideoTable())
    assert (names, places.tolist()) == ([], [])


@pytest.mark.parametrize(
    ("tables", "within", "between"),
    [
        ([], False, False),
        ([("a", "b", "c")], False, False),
        ([("a", "b", "a"), ("c",)], True, False),
        ([("a", "b"), (), ("c", "b")], False, True),
    ],
)
def test_repeated_texts_are_noticed(tables, within, between):
    made = [table(*groups) for groups in tables]
    assert may_repeat(made, "group", within=True) == within
    assert may_repeat(made, "group", within=False) == between
