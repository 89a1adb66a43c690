"""The sources of public data sets, one row each; rows of sets that are not in `DATASETS` are idle.

Addresses are those of the official pages, of torchvision's data sets or, for Kinetics, of CVDF.
The MD5 digest of HMDB51's lists is torchvision's; the other publishers give none. Sizes are what
the servers sent to others who published them (UCF101, J-HMDB, UT-Interaction) or round figures of
theirs (Kinetics-400, Something-Something, Diving48). Nothing was fetched to confirm them. Terms are
as the official page states them where it could be read (HMDB51), else as others report them.
"""

from dataclasses import replace

from stn_action.data.datasets.detection_sources import DETECTION_SOURCES
from stn_action.data.datasets.image_sources import IMAGE_SOURCES
from stn_action.data.datasets.indoor_sources import INDOOR_SOURCES
from stn_action.data.datasets.source_record import NOT_STATED, DataSource, SourceFile
from stn_action.errors import InputError

_UCF = "https://www.crcv.ucf.edu/data/UCF101"
_HMDB = "https://serre-lab.clps.brown.edu/wp-content/uploads/2013/10"
_JHMDB = "https://files.is.tue.mpg.de/jhmdb"
_UT = "https://cvrc.ece.utexas.edu/SDHA2010/videos/competition_1"
_WEIZMANN = "http://www.wisdom.weizmann.ac.il/~vision/VideoAnalysis/Demos/SpaceTimeActions/DB"
_DIVING = "http://www.svcl.ucsd.edu/projects/resound"
_FINEGYM = "https://sdolivia.github.io/FineGym/resources/dataset/"
_KTH = "https://www.csc.kth.se/cvap/actions"
_KINETICS = "https://s3.amazonaws.com/kinetics"
_QUALCOMM = "https://www.qualcomm.com/developer/software/something-something-v-2-dataset"

_WEIZMANN_CLASSES = (
    "bend", "jack", "jump", "pjump", "run", "side", "skip", "walk", "wave1", "wave2",
)  # fmt: skip
_KTH_CLASSES = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")


def _kinetics_files(release: str, prefix: str) -> tuple[SourceFile, ...]:
    base = f"{_KINETICS}/{release}"
    lists = (
        SourceFile(f"{base}/annotations/{part}.csv", "annotations", packed=False)
        for part in ("train", "val")
    )
    archives = (
        SourceFile(f"{base}/{part}/{prefix}_{part}_path.txt", part, lists_archives=True)
        for part in ("train", "val")
    )
    return (*lists, *archives)


_KINETICS_400 = DataSource(
    "kinetics400",
    "Kinetics-400",
    "https://github.com/cvdfoundation/kinetics-dataset",
    year=2017,
    videos=266_440,
    classes=400,
    terms="lists CC BY 4.0; the videos are YouTube's, of their uploaders",
    files=(
        *_kinetics_files("400", "k400"),
        SourceFile(f"{_KINETICS}/400/replacement_for_corrupted_k400.tgz", "replacement"),
    ),
    size="about 400 GB",
    remarks=(
        "262 archives of about 1.5 GB, each fetched and unpacked in turn; `--delete-archives` "
        "halves the room on the disk. Videos that the copy lacks are left out and counted."
    ),
)
_SOMETHING_V2 = DataSource(
    "something_v2",
    "Something-Something V2",
    _QUALCOMM,
    year=2017,
    videos=193_690,
    classes=174,
    terms="Qualcomm's license, for research",
    needs_account=True,
    by_hand=(
        f"register at {_QUALCOMM}, accept the license, get both archives of videos and the one of "
        "labels, and unpack them as 20bn-something-something-v2/<id>.webm and labels/*.json of "
        "data.root"
    ),
    size="about 20 GB",
    remarks="The test list (27,157 videos) has no labels and is not counted.",
)

_ROWS = (
    DataSource(
        "ucf101",
        "UCF101",
        "https://www.crcv.ucf.edu/data/UCF101.php",
        year=2012,
        videos=13_320,
        classes=101,
        terms=NOT_STATED,
        files=(
            SourceFile(f"{_UCF}/UCF101.rar", size=6_932_971_618),
            SourceFile(
                f"{_UCF}/UCF101TrainTestSplits-RecognitionTask.zip", "ucfTrainTestlist", flat=True
            ),
        ),
        size="6.9 GB",
        remarks=(
            "`unrar` or `bsdtar` has to be installed. The certificate of this server was refused "
            "at times; certificates are always checked here, so get the files in a browser then."
        ),
    ),
    DataSource(
        "hmdb51",
        "HMDB51",
        "https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/",
        year=2011,
        videos=5_100,
        classes=51,
        terms="CC BY 4.0",
        files=(
            SourceFile(f"{_HMDB}/hmdb51_org.rar", "hmdb51_org"),
            SourceFile(
                f"{_HMDB}/test_train_splits.rar",
                "testTrainMulti_7030_splits",
                md5="15e67781e70dcfbdce2d7dbb9b3344b5",
                flat=True,
            ),
        ),
        size="about 2 GB",
        remarks=(
            "`unrar` or `bsdtar` has to be installed; the archive holds one for each class, which "
            "are unpacked, too. Of its 6766 clips each split uses 5100. The server was out of "
            "reach at times."
        ),
    ),
    DataSource(
        "jhmdb",
        "J-HMDB-21",
        "http://jhmdb.is.tue.mpg.de",
        year=2013,
        videos=928,
        classes=21,
        terms="none found; cut from HMDB51 (CC BY 4.0)",
        files=(
            SourceFile(f"{_JHMDB}/JHMDB_video.zip", size=185_602_053),
            SourceFile(f"{_JHMDB}/splits.zip", "splits", size=43_785, flat=True),
        ),
    ),
    DataSource(
        "ut_interaction",
        "UT-Interaction, segmented",
        "https://cvrc.ece.utexas.edu/SDHA2010/Human_Interaction.html",
        year=2010,
        videos=60,
        classes=6,
        terms="none found; a citation is asked for",
        files=(
            SourceFile(f"{_UT}/ut-interaction_segmented_set1.zip", size=13_265_124, flat=True),
            SourceFile(
                f"{_UT}/ut-interaction_segmented_set2.zip",
                size=16_423_456,
                flat=True,
                default=False,
            ),
        ),
        remarks=(
            "This is set 1; set 2 needs a folder of its own and "
            "`--files ut-interaction_segmented_set2.zip`."
        ),
    ),
    DataSource(
        "weizmann",
        "Weizmann, Actions as Space-Time Shapes",
        "https://www.wisdom.weizmann.ac.il/~vision/SpaceTimeActions.html",
        year=2007,
        videos=90,
        classes=10,
        terms=NOT_STATED,
        files=tuple(
            SourceFile(
                f"{_WEIZMANN}/{name}.zip",
                f"videos/{name}",
                flat=True,
                left_out=(f"lena_{name}2.avi",),
            )
            for name in _WEIZMANN_CLASSES
        ),
        remarks=(
            "Of lena's two clips of run, skip and walk the second one is left packed, so that the "
            "90 clips remain that are used as a rule."
        ),
    ),
    *IMAGE_SOURCES,
    *INDOOR_SOURCES,
    *DETECTION_SOURCES,
    _KINETICS_400,
    replace(
        _KINETICS_400,
        name="kinetics600",
        title="Kinetics-600",
        year=2018,
        videos=None,
        classes=600,
        files=_kinetics_files("600", "k600"),
        size="",
        remarks="CVDF calls its lists `train.csv` and `val.csv` of this release incomplete.",
    ),
    replace(
        _KINETICS_400,
        name="kinetics700",
        title="Kinetics-700 (2020)",
        year=2020,
        videos=None,
        classes=700,
        files=_kinetics_files("700_2020", "k700_2020"),
        size="",
        remarks="Its training videos contain most of Kinetics-400's validation videos.",
    ),
    replace(
        _SOMETHING_V2,
        name="something_v1",
        title="Something-Something V1",
        videos=97_539,
        terms="no longer published",
        needs_account=False,
        by_hand=(
            "version 1 is no longer published; who has it puts the folders of frames and the three "
            "lists as 20bn-something-something-v1/<id>/ and something-something-v1-*.csv into "
            "data.root"
        ),
        size="",
        remarks="The test list (10,960 videos) has no labels and is not counted.",
    ),
    _SOMETHING_V2,
    DataSource(
        "diving48",
        "Diving48 (V2)",
        f"{_DIVING}/dataset.html",
        year=2018,
        videos=16_997,
        classes=48,
        terms=NOT_STATED,
        files=(
            SourceFile(f"{_DIVING}/Diving48_rgb.tar.gz"),
            *(
                SourceFile(f"{_DIVING}/Diving48_{name}.json", packed=False)
                for name in ("V2_train", "V2_test", "vocab")
            ),
        ),
        size="about 10 GB",
    ),
    DataSource(
        "finegym99",
        "FineGym99, elements of gymnastics",
        "https://sdolivia.github.io/FineGym/",
        year=2020,
        videos=None,
        classes=99,
        terms="annotations CC BY-NC 4.0; the videos are YouTube's, of their uploaders",
        by_hand=(
            f"get gym99_train_element_v1.1.txt, gym99_val_element.txt, gym99_categories.txt and "
            f"finegym_annotation_info_v1.1.json from {_FINEGYM} into annotations/ of data.root, "
            "and the videos that they name from YouTube into videos/<id>.mp4, or elements of them "
            "that were cut already into subactions/<video>_E_<start>_<end>_A_<start>_<end>.mp4"
        ),
        remarks="Elements whose video is gone from YouTube are left out and counted.",
    ),
    DataSource(
        "kth",
        "KTH actions",
        f"{_KTH}/",
        year=2004,
        videos=599,
        classes=6,
        terms="non-commercial use",
        files=(
            *(SourceFile(f"{_KTH}/{name}.zip", name, flat=True) for name in _KTH_CLASSES),
            SourceFile(f"{_KTH}/00sequences.txt", packed=False),
        ),
        remarks="The list cuts its videos into 2391 sequences.",
    ),
    DataSource(
        "haa500",
        "HAA500 (v1.1)",
        "https://github.com/a6o/HAA500",
        year=2021,
        videos=10_000,
        classes=500,
        terms="MIT license of the repository; the videos are YouTube's, of their uploaders",
        by_hand=(
            "follow the link to v1.1 (raw, video) on https://github.com/a6o/HAA500 and unpack it "
            "as video/<class>/<class>_<000-019>.mp4 of data.root"
        ),
    ),
    DataSource(
        "arid",
        "ARID, actions in the dark",
        "https://xuyu0010.github.io/arid.html",
        year=2020,
        videos=None,
        classes=11,
        terms="unknown",
        by_hand="follow the links to the archives on https://xuyu0010.github.io/arid.html",
    ),
)
SOURCES = {source.name: source for source in _ROWS}
"""The rows by the names that `DATASETS` has, or may have."""


def find_source(name: str) -> DataSource:
    """Return the source of a data set.

    Raises:
        InputError: none is known.
    """
    if name not in SOURCES:
        raise InputError(f"there is no source of {name!r}; expected one of {', '.join(SOURCES)}")
    return SOURCES[name]
