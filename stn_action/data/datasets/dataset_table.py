"""The data sets by name, one row each."""

from functools import partial
from pathlib import Path

from stn_action.data.datasets import (
    arid,
    ava_detected,
    ava_v2,
    csv_file,
    cub200,
    diving48,
    finegym99,
    folders,
    haa500,
    hmdb51,
    jhmdb21,
    kinetics,
    kth,
    mnist,
    ntu_rgbd,
    sample,
    smarthome,
    something_something,
    svhn,
    ucf101,
    ucf101_tubes,
    ut_interaction,
    utd_mhad,
    weizmann,
)
from stn_action.data.datasets.dataset_spec import Counts, DatasetSpec
from stn_action.data.listing import Listing

DATASETS = {
    spec.name: spec
    for spec in (
        DatasetSpec(
            "ucf101",
            ucf101.list_ucf101,
            ucf101.REMEDY,
            folds=(1, 2, 3),
            official={
                "ucf101 split 1": Counts(101, 9537, 3783),
                "ucf101 split 2": Counts(101, 9586, 3734),
                "ucf101 split 3": Counts(101, 9624, 3696),
            },
            searched="{root}, {root}/UCF-101 and their class folders",
            list_folders=(ucf101.LISTS,),
            lists_beside=True,
        ),
        DatasetSpec(
            "ucf101_24",
            ucf101_tubes.list_ucf101_24,
            ucf101_tubes.REMEDY,
            official={"ucf101_24 split 1": Counts(24, 3_143, 1_315)},
            searched="{root}, {root}/UCF-101, {root}/rgb-images and their class folders",
            list_folders=ucf101_tubes.LIST_FOLDERS,
            of_tubes=True,
        ),
        DatasetSpec(
            "hmdb51",
            hmdb51.list_hmdb51,
            hmdb51.REMEDY,
            folds=(1, 2, 3),
            official={f"hmdb51 split {fold}": Counts(51, 3570, 1530) for fold in (1, 2, 3)},
            searched="{root}/hmdb51_org, {root}/videos or, without them, {root}, in their class "
            "folders",
        ),
        DatasetSpec(
            "jhmdb",
            jhmdb21.list_jhmdb,
            jhmdb21.REMEDY,
            folds=(1, 2, 3),
            official={
                "jhmdb split 1": Counts(21, 660, 268),
                "jhmdb split 2": Counts(21, 658, 270),
                "jhmdb split 3": Counts(21, 663, 265),
            },
            searched=f"{{root}}/{jhmdb21.VIDEOS} or, without it, {{root}}, in their class folders",
        ),
        *(
            DatasetSpec(
                name,
                list_videos,
                kinetics.REMEDY,
                official={f"{name} val": counts},
                files_may_be_missing=True,
                searched="{root}/train and {root}/val, or those of {root}/videos",
                list_folders=(kinetics.LISTS,),
            )
            for name, list_videos, counts in (
                ("kinetics400", kinetics.list_kinetics400, Counts(400, 246_534, 19_906)),
                ("kinetics600", kinetics.list_kinetics600, Counts(600)),
                ("kinetics700", kinetics.list_kinetics700, Counts(700)),
            )
        ),
        DatasetSpec(
            "something_v1",
            something_something.list_something_v1,
            something_something.REMEDY_V1,
            official={"something_v1 validation": Counts(174, 86_017, 11_522)},
            searched=f"{{root}}/{something_something.FRAMES_V1}",
            list_folders=something_something.LIST_FOLDERS[1:],
            mirrors_labels=True,
        ),
        DatasetSpec(
            "something_v2",
            something_something.list_something_v2,
            something_something.REMEDY_V2,
            official={"something_v2 validation": Counts(174, 168_913, 24_777)},
            searched=f"{{root}}/{something_something.VIDEOS_V2} or, without it, {{root}}",
            list_folders=something_something.LIST_FOLDERS[1:],
            mirrors_labels=True,
        ),
        DatasetSpec(
            "diving48",
            diving48.list_diving48,
            diving48.REMEDY,
            official={"diving48 v2": Counts(48, 15_027, 1_970)},
            searched="{root}/rgb or, without it, {root}/videos or {root}",
            list_folders=(diving48.LISTS,),
        ),
        DatasetSpec(
            "finegym99",
            finegym99.list_finegym99,
            finegym99.REMEDY,
            official={"finegym99 val": Counts(99)},
            files_may_be_missing=True,
            searched="{root}/subactions, {root}/events, {root}/videos and {root}",
            list_folders=(finegym99.LISTS,),
        ),
        DatasetSpec(
            "kth",
            kth.list_kth,
            kth.REMEDY,
            official={"kth": Counts(6, 760, 863, 768)},
            searched="{root} and its class folders",
        ),
        DatasetSpec(
            "arid",
            arid.list_arid,
            arid.REMEDY,
            folds=(1, 2, 3),
            official={
                "arid split 1": Counts(11, 2288, 823),
                "arid split 2": Counts(11, 2252, 859),
                "arid split 3": Counts(11, 2259, 852),
            },
            searched="{root}/data or, without it, {root}, in their class folders",
        ),
        DatasetSpec(
            "ut_interaction",
            ut_interaction.list_ut_interaction,
            ut_interaction.REMEDY,
            folds=tuple(range(1, ut_interaction.NUM_SEQUENCES + 1)),
            one_group_out=True,
            official={
                ut_interaction.listing_name(number, sequence): Counts(6, 60 - clips, clips)
                for number, clips_of in ut_interaction.CLIPS_OF_SEQUENCE.items()
                for sequence, clips in clips_of.items()
            },
        ),
        DatasetSpec(
            "weizmann",
            weizmann.list_weizmann,
            weizmann.REMEDY,
            folds=tuple(range(1, len(weizmann.PEOPLE) + 1)),
            one_group_out=True,
            official={
                f"weizmann, {person} held out": Counts(10, 80, 10) for person in weizmann.PEOPLE
            },
        ),
        DatasetSpec(
            "utd_mhad",
            utd_mhad.list_utd_mhad,
            utd_mhad.REMEDY,
            official={"utd_mhad": Counts(27, 431, 430)},
            searched=f"{{root}}/{utd_mhad.VIDEOS} or, without it, {{root}}",
            mirrors_labels=True,
        ),
        *(
            DatasetSpec(
                name,
                partial(ntu_rgbd.list_ntu_rgbd, name=name),
                ntu_rgbd.REMEDY,
                official={name: counts},
                lists_the_disk=True,
            )
            for name, counts in (
                ("ntu60_xsub", Counts(60, 40_320, 16_560)),
                ("ntu60_xview", Counts(60, 37_920, 18_960)),
                ("ntu120_xsub", Counts(120, 63_360, 51_120)),
                ("ntu120_xset", Counts(120, 54_720, 59_760)),
            )
        ),
        *(
            DatasetSpec(
                name,
                partial(smarthome.list_smarthome, name=name),
                smarthome.REMEDY,
                official={name: Counts(len(protocol.classes))},
                lists_the_disk=True,
            )
            for name, protocol in smarthome.PROTOCOLS.items()
        ),
        DatasetSpec(
            "haa500",
            haa500.list_haa500,
            haa500.REMEDY,
            official={"haa500": Counts(500, 8_000, 1_500, 500)},
            lists_the_disk=True,
        ),
        DatasetSpec(
            "cub200",
            cub200.list_cub200,
            cub200.REMEDY,
            official={"cub200": Counts(200, 5994, 5794)},
            searched=f"{{root}}/{cub200.FOLDER}/{cub200.PHOTOS} or {{root}}/{cub200.PHOTOS}",
        ),
        DatasetSpec(
            "svhn",
            svhn.list_svhn,
            svhn.REMEDY,
            official={
                "svhn": Counts(11, 33_402, 13_068),
                "svhn with extra": Counts(11, 33_402 + 202_353, 13_068),
            },
            searched="{root}/train, {root}/extra and {root}/test",
        ),
        DatasetSpec(
            "mnist",
            mnist.list_mnist,
            mnist.REMEDY,
            official={"mnist": Counts(10, 60_000, 10_000)},
        ),
        DatasetSpec(
            "mnist_addition",
            mnist.list_mnist_addition,
            mnist.REMEDY,
            official={"mnist addition": Counts(19, 60_000, 10_000)},
        ),
        DatasetSpec(
            "ava",
            ava_v2.list_ava,
            ava_v2.REMEDY,
            multi_label=True,
            official={"ava v2.2 val": Counts(60, 235, 64)},
            counted_groups="films",
            files_may_be_missing=True,
            searched=f"{{root}}/{ava_v2.CUT} and {{root}}/{ava_v2.FULL}",
            list_folders=(ava_v2.LISTS,),
            key_frames=ava_v2.read_key_frames,
        ),
        *(
            DatasetSpec(
                name,
                partial(ava_detected.list_ava_detected, min_score=score),
                ava_detected.REMEDY,
                multi_label=True,
                official={f"ava v2.2 val, detected boxes (score {score:g})": Counts(60, 235, 64)},
                counted_groups="films",
                files_may_be_missing=True,
                searched=f"{{root}}/{ava_v2.CUT} and {{root}}/{ava_v2.FULL}",
                key_frames=partial(ava_detected.read_detected_frames, min_score=score),
            )
            for name, score in (("ava_detected80", 0.8), ("ava_detected90", 0.9))
        ),
        DatasetSpec(
            "folders", folders.list_folders, folders.REMEDY, user_folds=True, lists_the_disk=True
        ),
        DatasetSpec(
            "csv",
            csv_file.list_csv,
            csv_file.REMEDY,
            multi_label=None,
            user_folds=True,
            searched="{root}'s folder",
        ),
        DatasetSpec("sample", sample.list_sample, folders.REMEDY, lists_the_disk=True),
    )
}
"""The rows by name. A new data set: a file that lists its videos, a row, its name in
`data/data_choices.py`, and a configuration."""


def load_dataset(
    name: str, root: str | Path, fold: int = 1, *, require_official: bool = True
) -> Listing:
    """Return the listing of a data set, checked against its official lists and the disk.

    Args:
        name: a key of `DATASETS`.
        root: see `DatasetSpec.read`.
        fold: see `DatasetSpec.read`.
        require_official: see `DatasetSpec.read`.

    Raises:
        InputError: as `DatasetSpec.read` and `DatasetSpec.keep_present`.
    """
    spec = DATASETS[name]
    return spec.keep_present(spec.read(root, fold, require_official=require_official), root)
