"""PyTorch's files: what is loaded, and what is refused before PyTorch sees it."""

import contextlib
import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from stn_action.errors import InputError
from stn_action.torch_file import TorchFileError, load_torch_file

NESTED = b"\x80\x02}K\x01" + b"\x85" * 1_000_000 + b"K\x01s."
"""A million tuples inside each other as a key: `hash` overflows the C stack."""
NESTED_BY_MEMO = b"\x80\x02}K\x01" + b"\x85q\x01h\x01" * 1000 + b"K\x01s."
MEMORY = b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R."
SYSTEM = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R."


def saved(content, **kind) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **kind)
    return buffer.getvalue()


def with_pickle(path: Path, body: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    """An archive of PyTorch with another pickle in it."""
    with (
        zipfile.ZipFile(io.BytesIO(saved({"a": torch.zeros(2)}))) as source,
        zipfile.ZipFile(path, "w", compression) as target,
    ):
        for name in source.namelist():
            target.writestr(name, body if name.endswith("data.pkl") else source.read(name))
    return path


@pytest.mark.parametrize("kind", [{}, {"_use_new_zipfile_serialization": False}])
def test_what_a_network_and_an_optimizer_hold_is_loaded(tmp_path, kind):
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.rand(4, 2)).sum().backward()
    optimizer.step()
    content = {
        "network": network.state_dict(), "optimizer": optimizer.state_dict(),
        "half": torch.zeros(2).bfloat16(), "bool": torch.ones(2, dtype=torch.bool),
        "parameter": nn.Parameter(torch.ones(2)), "plain": OrderedDict(a=(1, [None, True, "x"])),
        "size": torch.Size([1, 2]), "dtype": torch.float16, "device": torch.device("cpu"),
    }  # fmt: skip
    (tmp_path / "a.pt").write_bytes(saved(content, **kind))
    loaded = load_torch_file(tmp_path / "a.pt")
    torch.testing.assert_close(loaded["network"], content["network"])
    torch.testing.assert_close(loaded["optimizer"], content["optimizer"])
    assert {key: loaded[key] for key in ("plain", "size", "dtype", "device")} == {
        key: content[key] for key in ("plain", "size", "dtype", "device")
    }


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (NESTED, "more than 50 tuples are inside each other"),
        (NESTED_BY_MEMO, "more than 50 tuples are inside each other"),
        (MEMORY, "it asks for builtins.bytearray, which tensors, numbers and text do not need"),
        (SYSTEM, "it asks for os.system"),
        (b"\x80\x02\x85.", "it is damaged, or no file that PyTorch writes"),
        (b"", "it is damaged"),
        (pickle.dumps({"a": {1, 2}}, 4), "it is damaged"),
    ],
)
def test_a_pickle_that_would_do_harm_is_refused(tmp_path, body, reason):
    with pytest.raises(TorchFileError, match=reason):
        load_torch_file(with_pickle(tmp_path / "a.pt", body))
    (tmp_path / "old.pt").write_bytes(body)
    with pytest.raises(TorchFileError, match=reason):
        load_torch_file(tmp_path / "old.pt")


def test_an_archive_that_would_fill_the_memory_is_refused(tmp_path):
    path = with_pickle(tmp_path / "a.pt", bytes(10_000_000), zipfile.ZIP_DEFLATED)
    with pytest.raises(TorchFileError, match="an archive of more bytes than it has"):
        load_torch_file(path)


def test_what_is_no_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"it is a folder, expected a regular file"):
        load_torch_file(tmp_path)
    with pytest.raises(InputError, match=r"it is a device, expected a regular file"):
        load_torch_file(Path("/dev/zero"))


CONTENT = saved({"network": {"w": torch.arange(6.0)}, "classes": ["a"], "config": {"x": (1, 2)}})


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(CONTENT) - 1), st.integers(0, 255)), max_size=6))
def test_any_damage_is_loaded_or_refused_with_a_reason(tmp_path_factory, changes):
    data = bytearray(CONTENT)
    for place, value in changes:
        data[place] = value
    path = tmp_path_factory.mktemp("torch") / "a.pt"
    path.write_bytes(data)
    with contextlib.suppress(TorchFileError):
        load_torch_file(path)
