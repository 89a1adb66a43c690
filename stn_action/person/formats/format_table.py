"""Formats of box files by name."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, cast

from stn_action.errors import InputError
from stn_action.person.formats.ava import read_ava, write_ava
from stn_action.person.formats.coco import read_coco, write_coco
from stn_action.person.formats.cub import read_cub
from stn_action.person.formats.digit_struct import read_svhn
from stn_action.person.formats.jhmdb import read_jhmdb
from stn_action.person.formats.jhmdb_masks import read_jhmdb_masks
from stn_action.person.formats.motchallenge import read_mot, write_mot
from stn_action.person.formats.plain_csv import (
    read_long_csv,
    read_tube_folder,
    write_long_csv,
    write_tube_folder,
)
from stn_action.person.formats.ucf101_24 import read_ucf101_24, read_ucf101_24_tubes
from stn_action.person.person_choices import BoxFormat
from stn_action.person.video_people import VideoPeople


class Format(NamedTuple):
    """One kind of box file."""

    read: Callable[..., Iterable[VideoPeople]]
    """Takes the path first, further arguments by keyword; may be lazy, with late errors."""
    write: Callable[..., None] | None
    """Takes the path and people; None: the format cannot be written."""
    what: str
    """What the path is, for help texts."""


FORMATS: dict[BoxFormat, Format] = {
    "csv": Format(read_long_csv, write_long_csv, "one file video,person,frame,x0,y0,x1,y1,score"),
    "tubes": Format(
        read_tube_folder, write_tube_folder, "a folder of <video>.csv, one person each"
    ),
    "mot": Format(read_mot, write_mot, "a folder of <video>/gt/gt.txt, or one such file"),
    "coco": Format(read_coco, write_coco, "a JSON file of COCO-VID"),
    "ava": Format(read_ava, write_ava, "AVA's csv; needs size, frame rate and start of the videos"),
    "ucf101_24": Format(read_ucf101_24, None, "pyannot.pkl of corrected-UCF101-Annots"),
    "ucf101_24_tubes": Format(read_ucf101_24_tubes, None, "the same, a sample for each tube"),
    "cub": Format(read_cub, None, "bounding_boxes.txt of CUB-200-2011, images.txt beside it"),
    "svhn": Format(read_svhn, None, "SVHN's folder of train/ and test/, or one digitStruct.mat"),
    "jhmdb": Format(read_jhmdb, None, "a zip of one text file per frame"),
    "jhmdb_masks": Format(read_jhmdb_masks, None, "a folder of <class>/<video>/puppet_mask.mat"),
}


def find_format(name: str, *, to_write: bool = False) -> Format:
    """Return a format by its name.

    Raises:
        InputError: there is no such format, or it cannot be written.
    """
    known = [key for key, value in FORMATS.items() if value.write is not None or not to_write]
    if name not in known:
        verb = "written" if to_write else "read"
        raise InputError(f"the format {name!r} cannot be {verb}; there are {', '.join(known)}")
    return FORMATS[cast(BoxFormat, name)]
