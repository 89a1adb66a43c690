"""HMDB51 with its official three splits (Kuehne et al. 2011)."""

from pathlib import Path

from stn_action.data.datasets.class_splits import ClassSplits
from stn_action.data.listing import Listing

VIDEOS = ("hmdb51_org", "videos")
LISTS = ("testTrainMulti_7030_splits", "splits")
REMEDY = (
    "get hmdb51_org.rar and test_train_splits.rar from "
    "https://serre.lab.brown.edu/hmdb51.html, unpack the archives of the classes into "
    f"{VIDEOS[0]}/<class> of data.root and the lists into {LISTS[0]}"
)
_LAYOUT = ClassSplits("hmdb51", VIDEOS, LISTS, REMEDY, unused=("0",))


def list_hmdb51(root: str | Path, fold: int) -> Listing:
    """List the clips of one official split of HMDB51: 70 to train on and 30 to test on of a class.

    The clips are in class folders in `hmdb51_org` or `videos` of `root`, or in `root`, the lists
    in `testTrainMulti_7030_splits` or `splits`; see `ClassSplits`. A split leaves 1666 of the 6766
    clips out, marked 0.

    No clips of a class from one source video are torn apart by the official lists (0 of 2023, 2006
    and 2000 such groups of the three splits); of the 1352, 1333 and 1335 source videos 133, 149
    and 144 give clips of several classes, some to train on and some to test on, so that a group is
    a source video and a class.

    Args:
        root: the folder of the data set.
        fold: number of the split: 1, 2 or 3.

    Raises:
        InputError: the folder or the lists are missing, a list is malformed, or a class or a clip
            on the disk is in no list.
    """
    return _LAYOUT.list_split(root, fold)
