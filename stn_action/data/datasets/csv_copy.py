"""A list of videos, written anew for files that are called by the videos' names."""

import csv
import io
from pathlib import Path

from stn_action.data.datasets.csv_file import list_csv

HEADER = ("path", "label", "split", "group")


def list_of_copies(file: Path) -> str:
    """Return a list of the same videos whose files are `<name>.mp4` beside the list.

    Names, labels, parts and groups stay; a slice is a file of its own, without start and end. Rows
    are in the order of the parts.

    Args:
        file: as `list_csv` takes it.

    Raises:
        InputError: as `list_csv`.
    """
    listing = list_csv(file)
    classes = [name.replace(";", "\\;") for name in listing.classes]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for part, videos in (("train", listing.train), ("val", listing.val), ("test", listing.test)):
        for video in videos:
            label = ";".join(classes[label] for label in video.labels)
            writer.writerow([f"{video.name}.mp4", label, part, video.group])
    return text.getvalue()
