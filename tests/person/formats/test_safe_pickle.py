import os
import pickle
import random
import struct

import numpy as np
import pytest

from stn_action.errors import InputError
from stn_action.person.formats.pickled_numpy import PickledArray
from stn_action.person.formats.safe_pickle import load_plain_pickle

VALUES = {
    "whole": [0, 255, 65536, -1, 2**80],
    "numbers": (1.5, True, False, None),
    "text": "ü",
    "bytes": b"\x00\xff",
    "nested": {"a": [(), (1,), (1, 2, 3, 4), {}, []]},
    3: "a number as key",
}
ARRAYS = [
    np.arange(12, dtype=np.uint8).reshape(3, 4),
    np.asfortranarray(np.arange(12, dtype=np.int64).reshape(3, 4)),
    np.arange(6, dtype=">u2"),
    np.array([0.5, np.nan]),
    np.array([True, False]),
    np.array(["ab", "c"]),
    np.zeros((0, 4), np.float32),
]
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01bt"
DTYPE = b"cnumpy\ndtype\n(X\x02\x00\x00\x00u1\x89\x88tR"


class Calls:
    """Is pickled as the call of a function."""

    def __init__(self, function, *arguments, state=None):
        self.call = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.call


def stored(tmp_path, data: bytes):
    path = tmp_path / "boxes.pkl"
    path.write_bytes(data)
    return path


def loaded(tmp_path, value, protocol: int):
    return load_plain_pickle(stored(tmp_path, pickle.dumps(value, protocol)))


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_come_back(tmp_path, protocol):
    assert loaded(tmp_path, VALUES, protocol) == VALUES


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_and_scalars_of_numpy_come_back(tmp_path, protocol):
    for array in ARRAYS:
        back = loaded(tmp_path, {"a": array}, protocol)["a"]
        assert isinstance(back, PickledArray)
        assert back.values is not None
        np.testing.assert_array_equal(back.values, array)
        assert back.values.dtype == array.dtype
    for scalar in (np.uint8(200), np.float64(0.25), np.str_("Basketball/ü"), np.bool_(True)):
        back = loaded(tmp_path, scalar, protocol)
        assert back == scalar.item()
        assert type(back) is type(scalar.item())


def test_a_shared_value_stays_shared(tmp_path):
    shared = [1]
    back = loaded(tmp_path, [shared, shared], 2)
    assert back[0] is back[1]
    endless = []
    endless.append(endless)
    back = loaded(tmp_path, endless, 2)
    assert back[0] is back


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (os.system, ("touch ran",), rf"{os.name}\.system"),
        (eval, ("open('ran', 'w')",), r"(__builtin__|builtins)\.eval"),
        (getattr, (str, "format"), r"(__builtin__|builtins)\.getattr"),
        (np.load, ("ran",), r"numpy\.load"),
        (np.fromfile, ("ran",), r"numpy\.(_core\.multiarray\.)?fromfile"),
        (np.memmap, ("ran",), r"numpy\.(core\.memmap\.)?memmap"),
        (np.recarray, ((1,),), r"numpy\.(rec\.)?recarray"),
        (pickle.loads, (b"N.",), r"_?pickle\.loads"),
        (set, ([],), r"(__builtin__|builtins)\.set"),
    ],
)
def test_a_harmful_pickle_is_refused_and_nothing_runs(
    tmp_path, monkeypatch, protocol, function, arguments, name
):
    monkeypatch.chdir(tmp_path)
    nested = {"v": [{"annotations": [(Calls(function, *arguments),)]}]}
    for value in (Calls(function, *arguments), nested):
        with pytest.raises(InputError, match=rf"boxes\.pkl: the pickle asks for {name}; a file"):
            loaded(tmp_path, value, protocol)
    assert not (tmp_path / "ran").exists()


def test_a_chain_through_an_admitted_global_is_refused(tmp_path):
    dotted = b"\x80\x04\x8c\x05numpy\x94\x8c\x15ndarray.__class__.mro\x94\x93."
    with pytest.raises(InputError, match=r"asks for numpy\.ndarray\.__class__\.mro"):
        load_plain_pickle(stored(tmp_path, dotted))
    twisted = b"\x80\x04]\x94\x8c\x07ndarray\x94\x93."
    with pytest.raises(InputError, match=r"asks for list\.ndarray"):
        load_plain_pickle(stored(tmp_path, twisted))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"(S'touch ran'\nios\nsystem\n.", r"the pickle asks for os\.system"),
        (b"Punknown\n.", r"the pickle uses the operation PERSID"),
        (b"\x80\x02\x82\x01.", r"the pickle uses the operation EXT1"),
        (b"cnumpy\nndarray\n)\x81.", r"the pickle uses the operation NEWOBJ"),
        (b"(cnumpy\nndarray\nK\x01o.", r"the pickle uses the operation OBJ"),
        (b"\x80\x05\x97.", r"the pickle uses the operation NEXT_BUFFER"),
        (b"cnumpy\nndarray\n(K\x01\x85tR.", r"the pickle calls a ndarray"),
        (b"]K\x01\x85R.", r"the pickle calls a list"),
        (b"cnumpy\ndtype\n}b.", r"the pickle sets the state of a _Global"),
        (b"]}b.", r"the pickle sets the state of a list"),
        (b"cnumpy.core.multiarray\n_reconstruct\n(]K\x00\x85C\x01btR.", r"not numpy\.ndarray"),
        (b"cnumpy.core.multiarray\n_reconstruct\n(K\x01tR.", r"damaged one"),
        (b"cnumpy\ndtype\n(X\x02\x00\x00\x00O8\x89\x88tR.", r"'O8', neither numbers nor text"),
        (b"cnumpy\ndtype\n(]tR.", r"of list, neither numbers nor text"),
        (b"cnumpy\ndtype\n]R.", r"dtype is called with a list"),
        (b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00hextR.", r"encoded otherwise"),
        (DTYPE + b"(K\x03X\x01\x00\x00\x00|N(X\x01\x00\x00\x00at}tb.", r"an array of records"),
        (DTYPE + b"(K\x03X\x01\x00\x00\x00?NNNtb.", r"a byte order that is none"),
        (ARRAY + b"R(K\x01K\x02\x85" + DTYPE + b"\x89C\x01atb.", r"of \(2,\) out of 1 bytes"),
        (ARRAY + b"R(K\x01J\xff\xff\xff\xff\x85" + DTYPE + b"\x89C\x00tb.", r"shape is none"),
        (ARRAY + b"R(K\x01K\x01\x85" + DTYPE + b"\x89]tb.", r"whose content is a list"),
        (ARRAY + b"R(K\x01K\x01\x85N\x89C\x01atb.", r"an array without a type"),
        (ARRAY + b"RN" + b"b.", r"another version of numpy"),
        (b"c__builtin__\nbytes\n(I99999999999\ntR.", r"damaged one: .*0 positional arguments"),
        (b"K\x01K\x02a.", r"appended to a int"),
        (b"]K\x01K\x02s.", r"set in a list"),
        (b"}]K\x02s.", r"a key is a list"),
        (b"}))s.", r"a key is a tuple"),
        (b"(K\x01.", r"an open mark at its end"),
        (b"K\x01K\x02.", r"damaged one: too many values"),
        (b"h\x05.", r"damaged one: the value 5 was not there"),
        (b"0.", r"damaged one: pop from empty list"),
        (b"K\x01\x86.", r"a tuple of more values"),
        (b"N.junk", r"boxes\.pkl: 4 bytes follow the end of the pickle"),
        (b"N", r"damaged one: pickle exhausted before seeing STOP"),
        (b"\xffhello", r"damaged one: at position 0"),
        (b"B" + struct.pack("<I", 2**31 - 1) + b"a.", r"damaged one: expected 2147483647 bytes"),
        (b"", r"boxes\.pkl: the file is empty"),
    ],
)
def test_a_hostile_or_broken_pickle_is_refused(tmp_path, data, message):
    with pytest.raises(InputError, match=message):
        load_plain_pickle(stored(tmp_path, data))


DEEP = b"N" + b"\x85" * 50_000
"""Fifty thousand tuples in each other: their text and their hash overflow the stack."""
WIDE = b"]q\x00" + b"".join(b"0](" + b"h%c" % k * 10 + b"eq%c" % (k + 1) for k in range(40))
"""Forty lists, each ten times in the next: their text has 10**40 characters."""


@pytest.mark.parametrize("bomb", [DEEP, WIDE], ids=["deep", "wide"])
@pytest.mark.parametrize(
    ("start", "end"),
    [
        (b"\x80\x04", b"\x8c\x01a\x93."),
        (b"\x80\x04\x8c\x05numpy", b"\x93."),
        (b"}", b"Ns."),
        (b"cnumpy\ndtype\n(", b"tR."),
        (b"cnumpy\ndtype\n", b"R."),
        (b"cnumpy\ndtype\n(X\x02\x00\x00\x00u1\x89\x88tR", b"b."),
        (DTYPE + b"(K\x03", b"NNNtb."),
        (DTYPE + b"(K\x03X\x01\x00\x00\x00|", b"NNtb."),
        (b"c_codecs\nencode\n(", b"X\x06\x00\x00\x00latin1tR."),
        (b"c_codecs\nencode\n(X\x01\x00\x00\x00a", b"tR."),
        (b"c__builtin__\nbytes\n(", b"tR."),
        (b"cnumpy.core.multiarray\n_reconstruct\n(", b"K\x00\x85C\x01btR."),
        (b"cnumpy.core.multiarray\nscalar\n(", b"C\x01atR."),
        (b"cnumpy.core.multiarray\nscalar\n(" + DTYPE, b"tR."),
        (ARRAY + b"R(K\x01", DTYPE + b"\x89C\x01atb."),
        (ARRAY + b"R(K\x01K\x01\x85", b"\x89C\x01atb."),
        (ARRAY + b"R(K\x01K\x01\x85" + DTYPE + b"\x89", b"tb."),
        (b"", b")R."),
        (b"", b"}b."),
        (b"", b"Na."),
    ],
)
def test_a_bomb_is_refused_wherever_it_lies_and_the_message_is_short(tmp_path, start, end, bomb):
    path = stored(tmp_path, start + bomb + end)
    if (end, bomb) == (b"Na.", WIDE):
        assert load_plain_pickle(path)[-1] is None  # a list may be appended to
        return
    with pytest.raises(InputError, match=r"boxes\.pkl: ") as caught:
        load_plain_pickle(path)
    assert len(str(caught.value)) < len(str(path)) + 300


def test_a_bomb_that_is_only_a_value_is_read_and_freed(tmp_path):
    for bomb in (DEEP, WIDE):
        assert type(load_plain_pickle(stored(tmp_path, bomb + b"."))) in (tuple, list)


def test_long_text_of_a_file_is_cut_in_messages(tmp_path):
    name = b"a" * 100_000
    for data in (b"c" + name + b"\nb\n.", b"(i" + name + b"\nb\n.", b"I" + name + b"\n."):
        with pytest.raises(InputError, match=r"boxes\.pkl: .*aaa") as caught:
            load_plain_pickle(stored(tmp_path, data))
        assert len(str(caught.value)) < len(str(tmp_path)) + 300


def test_a_huge_memo_index_takes_no_memory(tmp_path):
    assert load_plain_pickle(stored(tmp_path, b"Nr\xff\xff\xff\xff.")) is None


def test_no_object_array_comes_through(tmp_path):
    harmful = np.array([Calls(os.system, "touch ran")], dtype=object)
    for protocol in range(6):
        with pytest.raises(InputError, match=r"neither numbers nor text|asks for \w+\.system"):
            loaded(tmp_path, harmful, protocol)


def test_damaged_bytes_never_end_in_another_error(tmp_path):
    whole = pickle.dumps({"a": ARRAYS, "b": VALUES, "c": np.float32(2)}, 2)
    chance = random.Random(0)
    refused = 0
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path = stored(tmp_path, bytes(data[: chance.choice([len(data), len(data) // 2])]))
        try:
            load_plain_pickle(path)
        except InputError as error:
            refused += 1
            assert str(path) in str(error)  # noqa: PT017
    assert refused > 100
