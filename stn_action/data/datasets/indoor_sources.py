"""The sources of sets that were recorded in laboratories and homes.

Pages, numbers and layouts are those that the authors' pages and repositories give, in part as
others quote them. Nothing was fetched to confirm them.
"""

from dataclasses import replace

from stn_action.data.datasets.source_record import NOT_STATED, DataSource

_UTD_MHAD = "https://personal.utdallas.edu/~kehtar/UTD-MHAD.html"
_ROSE_LAB = "https://rose1.ntu.edu.sg/dataset/actionRecognition/"

_NTU60 = DataSource(
    "ntu60_xsub",
    "NTU RGB+D, cross-subject",
    _ROSE_LAB,
    year=2016,
    videos=56_880,
    classes=60,
    terms="academic research, after registration",
    needs_account=True,
    by_hand=(
        f"ask for access at {_ROSE_LAB}, get the archives of RGB videos and unpack them as "
        "nturgb+d_rgb/*_rgb.avi of data.root"
    ),
    remarks="Videos of 1920x1080: `tools/reencode_videos.py` makes them smaller.",
)
_NTU120 = replace(
    _NTU60,
    name="ntu120_xsub",
    title="NTU RGB+D 120, cross-subject",
    year=2019,
    videos=114_480,
    classes=120,
    remarks=f"The videos of NTU RGB+D and those of its extension in one folder. {_NTU60.remarks}",
)
_INRIA = "https://project.inria.fr/toyotasmarthome/"
_SMARTHOME = DataSource(
    "smarthome_xsub",
    "Toyota Smarthome, trimmed, cross-subject",
    _INRIA,
    year=2019,
    videos=None,
    classes=31,
    terms="research, after registration",
    needs_account=True,
    by_hand=f"ask for access at {_INRIA} and unpack the trimmed videos as mp4/*.mp4 of data.root",
    remarks="About 16,000 clips; how many a protocol uses is not published.",
)

INDOOR_SOURCES = (
    DataSource(
        "utd_mhad",
        "UTD-MHAD, videos",
        _UTD_MHAD,
        year=2015,
        videos=861,
        classes=27,
        terms=NOT_STATED,
        by_hand=f"get RGB.zip from {_UTD_MHAD} and unpack it as RGB/*.avi of data.root",
    ),
    _NTU60,
    replace(_NTU60, name="ntu60_xview", title="NTU RGB+D, cross-view"),
    _NTU120,
    replace(_NTU120, name="ntu120_xset", title="NTU RGB+D 120, cross-setup"),
    _SMARTHOME,
    *(
        replace(
            _SMARTHOME,
            name=f"smarthome_xview{number}",
            title=f"Toyota Smarthome, trimmed, cross-view {number}",
            classes=19,
        )
        for number in (1, 2)
    ),
)
