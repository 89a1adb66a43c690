"""SVHN, format 1: photos of house numbers (Netzer et al. 2011), a class at each of 5 positions."""

from pathlib import Path

from stn_action.batch import NO_CLASS
from stn_action.data.listing import Listing, require_folder
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError
from stn_action.person.formats.digit_struct import (
    DIGIT_STRUCT,
    NUMBER_PARTS,
    HouseNumber,
    read_digit_struct,
)

POSITIONS = 5
CLASSES = (*map(str, range(10)), NO_CLASS)
NOTHING = CLASSES.index(NO_CLASS)
REMEDY = (
    "get train.tar.gz, test.tar.gz and, to train on it too, extra.tar.gz (format 1, full numbers) "
    "from http://ufldl.stanford.edu/housenumbers/ and unpack them in data.root; each holds images "
    f"and {DIGIT_STRUCT}"
)


def list_svhn(root: str | Path, fold: int = 1) -> Listing:
    """List the images; each is a group of its own.

    A number is its digits, and nothing at the positions behind them. Numbers of more than five
    digits are left out and counted, as five positions cannot express them. Reading takes about
    half a millisecond per image.

    Args:
        root: the folder of `train/`, `test/` and, if it is to be trained on, `extra/`.
        fold: 1; there is one.

    Raises:
        InputError: a folder or a `digitStruct.mat` is missing or malformed, or h5py is not
            installed.
    """
    del fold
    root = require_folder(root, what="svhn", remedy=REMEDY)
    left_out = {"train": 0, "test": 0}
    videos: dict[str, list[Video]] = {"train": [], "test": []}
    has_extra = (root / "extra").is_dir()
    for part in NUMBER_PARTS:
        if part == "extra" and not has_extra:
            continue
        folder = require_folder(root / part, what="svhn", remedy=REMEDY)
        if not (folder / DIGIT_STRUCT).is_file():
            raise InputError(f"svhn: there is no {DIGIT_STRUCT} in {folder}; {REMEDY}")
        listed = "test" if part == "test" else "train"
        for number in read_digit_struct(folder / DIGIT_STRUCT, with_boxes=False):
            if len(number.digits) > POSITIONS:
                left_out[listed] += 1
            else:
                videos[listed].append(_video(folder, number))
    train, val, test = (
        VideoTable(of_part, positions=POSITIONS)
        for of_part in (videos["train"], (), videos["test"])
    )
    return Listing(
        "svhn with extra" if has_extra else "svhn",
        CLASSES,
        train=train,
        val=val,
        test=test,
        unit="images",
        subject="number",
        left_out=left_out,
        left_out_kind=f"numbers of more than {POSITIONS} digits",
    )


def _video(folder: Path, number: HouseNumber) -> Video:
    target = (*number.digits, *[NOTHING] * (POSITIONS - len(number.digits)))
    return Video(number.name, folder / number.file, target, number.name)
