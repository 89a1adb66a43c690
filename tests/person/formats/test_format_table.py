import pytest

from stn_action.errors import InputError
from stn_action.person.formats.format_table import FORMATS, find_format
from stn_action.person.video_people import VideoPeople
from tests.person.formats.made_people import assert_same, tube

ALONE = [name for name, kind in FORMATS.items() if kind.write is not None and name != "ava"]


@pytest.mark.parametrize("name", ALONE)
def test_a_format_is_chosen_by_its_name(tmp_path, name):
    made = [VideoPeople("deep/a", (tube([0, 3], [[0, 1, 2, 3], [4, 5, 6, 7.5]]),))]
    kind = find_format(name, to_write=True)
    assert kind.write is not None
    kind.write(tmp_path / "out", made)
    assert_same(kind.read(tmp_path / "out"), made)


def test_an_unknown_format_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"'voc' cannot be read; there are csv, tubes, mot, coco"):
        find_format("voc")
    with pytest.raises(InputError, match=r"'jhmdb' cannot be written; there are [a-z, ]*ava$"):
        find_format("jhmdb", to_write=True)


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "ava"])
def test_nothing_there_is_refused(tmp_path, name):
    with pytest.raises(InputError, match=r"nowhere"):
        list(find_format(name).read(tmp_path / "nowhere"))
