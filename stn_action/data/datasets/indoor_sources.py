"""The sources of sets that were recorded in laboratories and homes.

Pages, numbers and layouts are those that the authors' pages and repositories give, in part as
others quote them. Nothing was fetched to confirm them.
"""

from stn_action.data.datasets.source_record import NOT_STATED, DataSource

_UTD_MHAD = "https://personal.utdallas.edu/~kehtar/UTD-MHAD.html"

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
)
