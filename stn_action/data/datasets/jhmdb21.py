"""J-HMDB-21 in its official layout and with its official three splits (Jhuang et al. 2013)."""

from pathlib import Path

from stn_action.data.datasets.class_splits import ClassSplits
from stn_action.data.listing import Listing

VIDEOS, FRAMES, LISTS = "ReCompress_Videos", "Rename_Images", "splits"
REMEDY = (
    "get JHMDB_video.zip and splits.zip from http://jhmdb.is.tue.mpg.de and unpack both into "
    f"data.root, so that it holds {VIDEOS} and {LISTS}"
)
_LAYOUT = ClassSplits("jhmdb", (VIDEOS, FRAMES), (LISTS,), REMEDY)


def list_jhmdb(root: str | Path, fold: int) -> Listing:
    """List the clips of one official split of J-HMDB-21.

    The clips are in class folders in `root/ReCompress_Videos` or in `root`, or their frames in
    `root/Rename_Images/<class>/<clip>/`; the lists are in `root/splits`; see `ClassSplits`. The
    official splits keep the clips of a class from one video together, but not all scenes of a film.

    Args:
        root: the folder of the data set.
        fold: number of the split: 1, 2 or 3.

    Raises:
        InputError: the folder or the lists are missing, a list is malformed, or a class or a clip
            on the disk is in no list.
    """
    return _LAYOUT.list_split(root, fold)
