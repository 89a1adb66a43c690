"""SVHN, format 1: `digitStruct.mat`, the digits of house numbers in photos, with a box around each.

Convention: a MATLAB file of version 7.3, which is HDF5. `digitStruct/name` and `digitStruct/bbox`
are (N, 1) references, to the characters of a file's name and to a group of `left`, `top`, `width`,
`height` and `label`, of which each has a number per digit: the number itself, or (digits, 1)
references to numbers. Boxes are in pixels; left and top are taken as the edges of a box. Label 10
is the digit 0.
"""

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from stn_action.disk.regular_file import open_regular
from stn_action.errors import InputError
from stn_action.extras import needs_extra
from stn_action.person.formats.box_collector import BoxCollector, corners_from_xywh
from stn_action.person.video_people import VideoPeople

DIGIT_STRUCT = "digitStruct.mat"
NUMBER_PARTS = ("train", "extra", "test")
"""Folders of the data set; `extra` may be missing."""
ZERO = 10
"""Label of the digit 0."""
MAX_IMAGES = 2**20
MAX_NAME, MAX_DIGITS = 100, 100
"""Characters of a file's name, digits of a number."""
SIDES = ("left", "top", "width", "height")
_DAMAGED = (OSError, RuntimeError, LookupError, ValueError, TypeError, OverflowError)


class HouseNumber(NamedTuple):
    """The digits in one image."""

    name: str
    """Of the image in a listing, folder and file without suffix: `train/1`."""
    file: str
    """Name of the image in its folder: `1.png`."""
    digits: tuple[int, ...]
    """Each from 0 to 9, in reading order."""
    boxes: tuple[tuple[float, float, float, float], ...]
    """xyxy of each digit, in pixels; empty if they were not read."""
    where: str
    """`<digitStruct.mat>, image <n>`, the start of a message."""


def read_svhn(path: str | Path) -> Iterator[VideoPeople]:
    """Read one box per image, the smallest around all digits of its number.

    An image is a video of one frame, its number the person.

    Args:
        path: the folder of `train/`, `test/` and, where it is there, `extra/`; or one of them, or
            its `digitStruct.mat`.

    Yields:
        The images in the order of the files, named `train/1`.

    Raises:
        InputError: as `read_digit_struct`.
    """
    path = Path(path)
    folders = [path / part for part in NUMBER_PARTS if (path / part).is_dir()]
    files = [folder / DIGIT_STRUCT for folder in folders]
    if not files:
        files = [path / DIGIT_STRUCT if path.is_dir() else path]
    for number in chain.from_iterable(read_digit_struct(file) for file in files):
        left, top, right, bottom = zip(*number.boxes, strict=True)
        collected = BoxCollector(number.where)
        box = (min(left), min(top), max(right), max(bottom))
        collected.add(1, 0, box, where=number.where)
        yield collected.people(number.name, num_frames=1)


def read_digit_struct(path: Path, *, with_boxes: bool = True) -> Iterator[HouseNumber]:
    """Read the digits of all images.

    Args:
        path: a `digitStruct.mat`.
        with_boxes: whether to read boxes too, which takes most of the time.

    Raises:
        InputError: there is no such file, it has not the expected groups and fields, a label or a
            box is out of range, or h5py is not installed.
    """
    with needs_extra(f"{path}: a MATLAB file of version 7.3"):
        import h5py

    open_regular(path).close()
    try:
        opened = h5py.File(path, "r")
    except OSError as error:
        raise InputError(
            f"{path}: not a MATLAB file of version 7.3 (HDF5), or damaged ({error}); copy it again"
        ) from None
    with opened as file:
        reader = _Reader(file, path)
        found: dict[str, str] = {}
        for number in reader.numbers(with_boxes=with_boxes):
            if number.file in found:
                before = found[number.file].rpartition(", ")[2]
                raise InputError(f"{number.where}: {number.file} is the file of {before} already")
            found[number.file] = number.where
            yield number


class _Reader:
    """An open file, and messages with the image in which something is wrong."""

    def __init__(self, file: Any, path: Path) -> None:
        self.file, self.path = file, path
        self.folder = path.absolute().parent.name

    def numbers(self, *, with_boxes: bool) -> Iterator[HouseNumber]:
        names, groups = self._references("name"), self._references("bbox")
        if len(names) != len(groups):
            raise InputError(
                f"{self.path}: digitStruct has {len(names)} names and {len(groups)} groups of boxes"
            )
        for place, (name, group) in enumerate(zip(names, groups, strict=True), start=1):
            where = f"{self.path}, image {place}"
            try:
                yield self._number(name, group, where, with_boxes=with_boxes)
            except InputError:
                raise
            except _DAMAGED as error:
                raise InputError(f"{where}: it cannot be read: {error}") from None

    def _references(self, field: str) -> Any:
        """Return the references (N,) of a field of all images."""
        struct = self.file.get("digitStruct")
        dataset = struct.get(field) if hasattr(struct, "get") else None
        if dataset is None:
            raise InputError(
                f"{self.path}: expected the group digitStruct with the fields name and bbox, there "
                f"is no digitStruct/{field}; is it {DIGIT_STRUCT} of SVHN's format 1?"
            )
        shape = getattr(dataset, "shape", ())
        if len(shape) != 2 or shape[1] != 1 or not 1 <= shape[0] <= MAX_IMAGES:
            raise InputError(
                f"{self.path}: digitStruct/{field} must be (N, 1) references, N from 1 to "
                f"{MAX_IMAGES}, got shape {shape}"
            )
        return dataset[:, 0]

    def _number(self, name: Any, group: Any, where: str, *, with_boxes: bool) -> HouseNumber:
        file = self._file_name(name, where)
        where_file = f"{where} ({file})"
        fields = self.file[group]
        labels = self._values(fields, "label", where_file)
        for place, label in enumerate(labels, start=1):
            if label not in range(1, ZERO + 1):
                raise InputError(
                    f"{where_file}: the label of digit {place} must be 1 to {ZERO} ({ZERO} is the "
                    f"digit 0), got {label:g}"
                )
        digits = tuple(int(label) % ZERO for label in labels)
        boxes = ()
        if with_boxes:
            sides = [self._values(fields, side, where_file) for side in SIDES]
            if any(len(side) != len(digits) for side in sides):
                raise InputError(f"{where_file}: expected as many boxes as labels, {len(digits)}")
            boxes = tuple(
                corners_from_xywh(xywh, f"{where_file}, digit {place}")
                for place, xywh in enumerate(zip(*sides, strict=True), start=1)
            )
        name = f"{self.folder}/{file.removesuffix('.png')}"
        return HouseNumber(name, file, digits, boxes, where)

    def _file_name(self, reference: Any, where: str) -> str:
        codes = self.file[reference]
        name = "".join(map(chr, codes[()].ravel().tolist())) if codes.size <= MAX_NAME else "..."
        if not re.fullmatch(r"[0-9A-Za-z_-]+\.png", name):
            raise InputError(f"{where}: expected the name of an image like 1.png, got {name!r}")
        return name

    def _values(self, fields: Any, field: str, where: str) -> list[float]:
        """Return a field's number of each digit."""
        dataset = fields.get(field) if hasattr(fields, "get") else None
        if dataset is None:
            known = ", ".join((*SIDES, "label"))
            raise InputError(f"{where}: bbox has no field {field}, expected {known}")
        if not 1 <= dataset.size <= MAX_DIGITS:
            raise InputError(f"{where}: {field} must have 1 to {MAX_DIGITS} numbers")
        values = dataset[()].ravel()
        if dataset.dtype.kind == "O":
            values = [self.file[reference][()].ravel()[0] for reference in values]
        return [float(value) for value in values]
