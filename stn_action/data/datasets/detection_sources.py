"""The sources of sets for action detection: their samples are people in videos.

Pages, numbers and layouts are those of the authors' pages and repositories. Nothing was fetched to
confirm them.
"""

from dataclasses import replace

from stn_action.data.datasets.source_record import NOT_STATED, DataSource

_AVA = "https://s3.amazonaws.com/ava-dataset"
_AVA_SOURCE = DataSource(
    "ava",
    "AVA v2.2, people at key frames",
    "https://github.com/cvdfoundation/ava-dataset",
    year=2018,
    videos=299,
    classes=60,
    terms="lists CC BY 4.0; the films are YouTube's, of their uploaders",
    by_hand=(
        f"unpack {_AVA}/annotations/ava_v2.2.zip as annotations/*.csv and *.pbtxt of data.root "
        f"and fetch each film that {_AVA}/annotations/ava_file_names_trainval_v2.1.txt names "
        f"from {_AVA}/trainval/<name> into videos/"
    ),
    remarks="Samples are the people of its key frames; boxes: `tools/convert_people.py`.",
)
_BOXES = "person_box_67091280_iou90/ava_detection_val_boxes_and_labels.csv"

DETECTION_SOURCES = (
    DataSource(
        "ucf101_24",
        "UCF101-24, tubes of people",
        "https://github.com/gurkirt/corrected-UCF101-Annots",
        year=2017,
        videos=3_194,
        classes=24,
        terms=NOT_STATED,
        by_hand=(
            "put pyannot.pkl of https://github.com/gurkirt/corrected-UCF101-Annots and "
            "testlist01.txt of UCF101's lists into annotations/ of data.root, and the videos of "
            "UCF101 into UCF-101/<class>/"
        ),
        remarks=(
            "Samples are the 4458 tubes of its videos; boxes: `tools/convert_people.py`. The "
            "videos are those of `ucf101`, whose folder may be linked."
        ),
    ),
    _AVA_SOURCE,
    *(
        replace(
            _AVA_SOURCE,
            name=f"ava_detected{percent}",
            title=f"AVA v2.2, tested on detected boxes of score 0.{percent // 10}",
            by_hand=(
                "get what `ava` needs, and ava_annotations.tar, to which slowfast/datasets/"
                f"DATASET.md of https://github.com/facebookresearch/SlowFast links; put {_BOXES} "
                "of it into annotations/"
            ),
            remarks=f"It may share the folder of `ava`. {_AVA_SOURCE.remarks}",
        )
        for percent in (80, 90)
    ),
)
