"""CUB-200-2011: `bounding_boxes.txt`, one box around the bird of each image.

Convention: a line is `<image id> <x> <y> <width> <height>`, in pixels with fractions; `images.txt`
beside it has the names, lines of `<image id> <class folder>/<file>`. Whether the first pixel is 0
or 1 the data set does not tell; x and y are taken as the left and the top edge of the box.
"""

from pathlib import Path, PurePosixPath

from stn_action.disk.numbered_lines import (
    NumberedLine,
    read_numbered_lines,
    require_same_numbers,
)
from stn_action.errors import InputError
from stn_action.person.formats.box_collector import BoxCollector, corners_from_xywh, parse_number
from stn_action.person.formats.text_files import BOXES
from stn_action.person.video_people import VideoPeople

IMAGES, BOUNDING_BOXES = "images.txt", "bounding_boxes.txt"


def read_cub(path: str | Path) -> list[VideoPeople]:
    """Read the boxes; an image is a video of one frame, its bird the person.

    Args:
        path: `bounding_boxes.txt`, or the folder that holds it.

    Returns:
        One per image in the order of `images.txt`, named `<class folder>/<file>` without suffix.

    Raises:
        InputError: a file is missing or malformed, or an id is in one of them only.
    """
    path = Path(path)
    path = path / BOUNDING_BOXES if path.is_dir() else path
    expected = "<id> <x> <y> <width> <height>"
    lines = read_numbered_lines(path, what=BOXES, expected=expected)
    images = path.with_name(IMAGES)
    names = read_image_names(images)
    require_same_numbers({images: names, path: lines})
    people = []
    for number, name in names.items():
        where, cells = lines[number].where, lines[number].text.split()
        if len(cells) != 4:
            raise InputError(f"{where}: expected '{expected}', got {len(cells) + 1} cells")
        xywh = [parse_number(cell, where, "every cell") for cell in cells]
        collected = BoxCollector(path)
        collected.add(1, 0, corners_from_xywh(xywh, where), where=where)
        people.append(collected.people(image_name(name), num_frames=1))
    return people


def read_image_names(path: Path) -> dict[int, NumberedLine]:
    """Read `images.txt`: the paths of the images, `<class folder>/<file>`, by their ids.

    Raises:
        InputError: the file is missing or malformed, or has an id or an image twice.
    """
    expected = "<id> <class folder>/<file>"
    images = read_numbered_lines(path, what="list of images", expected=expected)
    lines: dict[str, str] = {}
    for number, image in images.items():
        parts = PurePosixPath(image.text).parts
        if len(parts) != 2 or {"/", ".."}.intersection(parts) or "\0" in image.text:
            raise InputError(f"{image.where}: expected '{expected}', got '{number} {image.text}'")
        name = image_name(image)
        if name in lines:
            raise InputError(f"{image.where}: the image {name} is in line {lines[name]} already")
        lines[name] = image.where.rpartition("line ")[2]
    return images


def image_name(image: NumberedLine) -> str:
    """Return the name of an image in a listing: `<class folder>/<file>` without suffix."""
    return PurePosixPath(image.text).with_suffix("").as_posix()
