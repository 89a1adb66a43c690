import numpy as np
import pytest

from stress.damaged_files import KINDS, MATRICES, write_damaged
from stress.intact_files import FORMATS, IntactFiles
from stress.reader_agreement import compare_readers, decode, oriented


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    return IntactFiles(tmp_path_factory.mktemp("intact"))


def test_damage_depends_on_seed_and_number_alone(intact, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        for number in range(len(KINDS)):
            write_damaged(folder, intact, number, 5)
    names = sorted(path.name for path in one.iterdir())
    assert names == sorted(path.name for path in other.iterdir())
    for name in names:
        if (one / name).is_file():
            assert (one / name).read_bytes() == (other / name).read_bytes(), name


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: f"{form.name}{form.suffix}")
def test_intact_files_are_read_by_all_as_a_sequential_decode_gives_them(intact, form):
    found = compare_readers((intact.path(form), intact.path(form), None, False))
    assert (found.decoded.frames, found.decoded.oddities) == (20, [])
    assert found.faults == found.fresh_faults == []
    assert found.num_damaged == 0


def test_a_truncated_file_is_odd(intact, tmp_path):
    path = tmp_path / "cut.avi"
    data = intact.path(next(f for f in FORMATS if f.suffix == ".avi")).read_bytes()
    path.write_bytes(data[: 2 * len(data) // 3])
    found, images = decode(path)
    assert 0 < found.frames == len(images) < 20
    assert found.oddities


def test_matrices_turn_and_flip():
    image = np.arange(6).reshape(2, 3, 1)
    shown = [oriented(image, matrix)[..., 0].tolist() for matrix in MATRICES]
    assert shown == [
        [[0, 1, 2], [3, 4, 5]], [[5, 4, 3], [2, 1, 0]],
        [[3, 0], [4, 1], [5, 2]], [[2, 5], [1, 4], [0, 3]],
        [[2, 1, 0], [5, 4, 3]], [[3, 4, 5], [0, 1, 2]],
        [[0, 3], [1, 4], [2, 5]], [[5, 2], [4, 1], [3, 0]],
    ]  # fmt: skip
