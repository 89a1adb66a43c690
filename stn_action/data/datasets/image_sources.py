"""The sources of the sets of images.

The MD5 digest of CUB-200-2011 is CaltechDATA's, those of MNIST are torchvision's. Sizes are what
the servers sent to others who published them; nothing was fetched to confirm them. SVHN's terms
are those of its page.
"""

from dataclasses import replace

from stn_action.data.datasets.source_record import NOT_STATED, DataSource, SourceFile

_SVHN = "http://ufldl.stanford.edu/housenumbers"
_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"

_MNIST_SOURCE = DataSource(
    "mnist",
    "MNIST",
    "http://yann.lecun.com/exdb/mnist/",
    year=1998,
    videos=70_000,
    classes=10,
    terms="none found",
    files=tuple(
        SourceFile(f"{_MNIST}/{name}.gz", size=size, md5=md5, packed=False)
        for name, size, md5 in (
            ("train-images-idx3-ubyte", 9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
            ("train-labels-idx1-ubyte", 28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
            ("t10k-images-idx3-ubyte", 1_648_877, "9fb629c4189551a2d022fa330f9573f3"),
            ("t10k-labels-idx1-ubyte", 4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
        )
    ),
    remarks="The files come from the mirror that torchvision uses and stay compressed.",
)
IMAGE_SOURCES = (
    DataSource(
        "cub200",
        "CUB-200-2011, images of birds",
        "https://www.vision.caltech.edu/datasets/cub_200_2011/",
        year=2011,
        videos=11_788,
        classes=200,
        terms=NOT_STATED,
        files=(
            SourceFile(
                "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",
                size=1_150_585_339,
                md5="97eceeb196236b17998738112f37df78",
            ),
        ),
    ),
    DataSource(
        "svhn",
        "SVHN, house numbers (format 1)",
        f"{_SVHN}/",
        year=2011,
        videos=33_402 + 13_068,
        classes=10,
        terms="non-commercial use only",
        files=(
            SourceFile(f"{_SVHN}/train.tar.gz", size=404_141_560),
            SourceFile(f"{_SVHN}/test.tar.gz", size=276_555_967),
            SourceFile(f"{_SVHN}/extra.tar.gz", size=1_955_489_752, default=False),
        ),
        remarks=(
            "202,353 more images to train on: `--files train.tar.gz test.tar.gz extra.tar.gz`. "
            "Reading the labels needs `pip install 'stn_action[paper]'`."
        ),
    ),
    _MNIST_SOURCE,
    replace(_MNIST_SOURCE, name="mnist_addition", title="MNIST addition, pairs", classes=19),
)
