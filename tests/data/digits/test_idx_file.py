"""Reading idx files."""

import gzip
import struct

import pytest
import torch

from stn_action.data.digits import idx_file
from stn_action.data.digits.idx_file import read_idx, write_idx
from stn_action.errors import InputError

IMAGES = torch.arange(2 * 3 * 5, dtype=torch.uint8).view(2, 3, 5)
BYTES = struct.pack(">4B3I", 0, 0, 8, 3, 2, 3, 5) + bytes(range(30))


@pytest.mark.parametrize("name", ["images-idx3-ubyte", "images-idx3-ubyte.gz"])
def test_values_are_read_back_by_size_and_order(tmp_path, name):
    path = tmp_path / name
    write_idx(path, IMAGES)
    content = path.read_bytes()
    assert (gzip.decompress(content) if name.endswith(".gz") else content) == BYTES
    assert torch.equal(read_idx(path, num_dimensions=3), IMAGES)


def test_labels_have_one_dimension(tmp_path):
    labels = torch.tensor([3, 0, 9], dtype=torch.uint8)
    write_idx(tmp_path / "labels", labels)
    assert torch.equal(read_idx(tmp_path / "labels", num_dimensions=1), labels)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BYTES[:-1], "cut off: 45 bytes, but 2 x 3 x 5 values need 46; get the file again"),
        (BYTES + b"x", "longer than it tells: 47 bytes"),
        (BYTES[:9], "cut off: 9 bytes, its header alone has 16"),
        (b"", "must begin with the bytes 00 00 08 03 .* got none"),
        (b"\0\0\x08\x01" + BYTES[4:], "got 00 00 08 01; is this another file of the set"),
        (gzip.compress(BYTES), "got 1f 8b .*or not unzipped"),
        (struct.pack(">4B3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**31), "cut off: 16 bytes"),
    ],
    ids=["cut", "longer", "half a header", "empty", "labels", "zipped", "endless"],
)
def test_other_content_is_named(tmp_path, content, message):
    (tmp_path / "digits").write_bytes(content)
    with pytest.raises(InputError, match=f"digits: .*{message}"):
        read_idx(tmp_path / "digits", num_dimensions=3)


def test_damaged_and_endless_compression_is_named(tmp_path, monkeypatch):
    path = tmp_path / "digits.gz"
    path.write_bytes(b"no gzip")
    with pytest.raises(InputError, match="damaged: not unpacked by gzip"):
        read_idx(path, num_dimensions=3)
    path.write_bytes(gzip.compress(BYTES)[:-9])
    with pytest.raises(InputError, match="its gzip data has no end"):
        read_idx(path, num_dimensions=3)
    path.write_bytes(gzip.compress(bytes(1000)))
    monkeypatch.setattr(idx_file, "MAX_IDX_BYTES", 900)
    with pytest.raises(InputError, match="more than 900 bytes"):
        read_idx(path, num_dimensions=3)
    with pytest.raises(InputError, match="no such idx file"):
        read_idx(tmp_path / "missing", num_dimensions=3)
