"""CUB-200-2011: photos of 200 kinds of birds with one official split (Wah et al. 2011)."""

from collections.abc import Mapping
from pathlib import Path

from stn_action.data.datasets.named_files import subfolder
from stn_action.data.listing import Listing, require_folder
from stn_action.data.video_table import Video, VideoTable
from stn_action.disk.numbered_lines import (
    NumberedLine,
    read_numbered_lines,
    require_same_numbers,
)
from stn_action.errors import InputError
from stn_action.person.formats.cub import IMAGES, image_name, read_image_names

FOLDER, PHOTOS = "CUB_200_2011", "images"
CLASSES, LABELS, SPLIT = "classes.txt", "image_class_labels.txt", "train_test_split.txt"
REMEDY = (
    "get CUB_200_2011.tgz from https://www.vision.caltech.edu/datasets/cub_200_2011/ and unpack it "
    f"in data.root; it holds {IMAGES}, {CLASSES}, {LABELS}, {SPLIT} and {PHOTOS}/"
)


def list_cub200(root: str | Path, fold: int = 1) -> Listing:
    """List the images of the official split; each is a group of its own.

    The lists are `images.txt` (`<id> <class folder>/<file>`), `classes.txt` (`<class> <class
    folder>`), `image_class_labels.txt` (`<id> <class>`) and `train_test_split.txt` (`<id> <1 to
    train on, 0 to test on>`), the images are in `images/`.

    Args:
        root: the folder of the lists, or that of `CUB_200_2011`.
        fold: 1; there is one.

    Raises:
        InputError: the folder or a list is missing, a list is malformed, or two do not fit.
    """
    del fold
    root = require_folder(root, what="cub200", remedy=REMEDY)
    folder = subfolder(root, FOLDER)
    try:
        images = read_image_names(folder / IMAGES)
        labels = _read(folder / LABELS, "<id> <class>")
        split = _read(folder / SPLIT, "<id> <1 or 0>")
        classes = _read_classes(folder / CLASSES)
    except InputError as error:
        raise InputError(f"{error}; {REMEDY}") from None
    require_same_numbers({folder / IMAGES: images, folder / LABELS: labels, folder / SPLIT: split})
    train, test = [], []
    for number, image in images.items():
        label = _label_of(image, labels[number], classes)
        name, path = image_name(image), folder / PHOTOS / image.text
        (train if _is_trained_on(split[number]) else test).append(Video(name, path, label, name))
    return Listing(
        "cub200",
        classes,
        train=VideoTable(train),
        val=VideoTable(),
        test=VideoTable(test),
        unit="images",
        subject="bird",
    )


def _read(path: Path, expected: str) -> Mapping[int, NumberedLine]:
    return read_numbered_lines(path, what="list", expected=expected)


def _read_classes(path: Path) -> tuple[str, ...]:
    lines = _read(path, "<class> <class folder>")
    for place, (number, line) in enumerate(lines.items(), start=1):
        if number != place:
            raise InputError(f"{line.where}: expected the class {place}, got {number}")
    return tuple(line.text for line in lines.values())


def _label_of(image: NumberedLine, line: NumberedLine, classes: tuple[str, ...]) -> int:
    """Return the index of an image's class, which must be that of its folder."""
    digits = line.text
    number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0
    if not 1 <= number <= len(classes):
        raise InputError(
            f"{line.where}: the class must be 1 to {len(classes)}, as in {CLASSES}, got {digits!r}"
        )
    folder = image.text.partition("/")[0]
    if folder != classes[number - 1]:
        raise InputError(
            f"{line.where}: the class {number} is {classes[number - 1]}, but the image is in the "
            f"folder {folder} ({image.where}); are both files of one data set?"
        )
    return number - 1


def _is_trained_on(line: NumberedLine) -> bool:
    if line.text not in ("0", "1"):
        raise InputError(f"{line.where}: expected 1 (training) or 0 (test), got {line.text!r}")
    return line.text == "1"
