"""The sources of data sets, and the page for readers that is written from them."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from stn_action.data.datasets.dataset_table import DATASETS
from stn_action.data.datasets.source_page import HEADER, known_sources, source_table
from stn_action.data.datasets.source_record import SourceFile, format_bytes
from stn_action.data.datasets.source_table import SOURCES, find_source
from stn_action.disk.archive import SUFFIXES
from stn_action.errors import InputError

OTHER_COUNTS = {
    "svhn": "the class of an empty position is one of the code, not of the data set",
    "kth": "its samples are parts of the videos",
    "ucf101_24": "its samples are tubes in the videos",
}
PARTS = SourceFile("https://a.org/400/train/paths.txt", "train", lists_archives=True)


def test_every_public_data_set_has_a_source():
    assert {spec.name for spec in DATASETS.values()} - {
        "folders",
        "csv",
        "sample",
    } <= SOURCES.keys()
    assert [source.name for source in known_sources()] == [
        name for name in DATASETS if name in SOURCES
    ]


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_a_source_can_be_acted_on(source):
    assert bool(source.files) != bool(source.by_hand)
    assert all((source.title, source.terms, urlsplit(source.homepage).netloc))
    assert 1990 < source.year < 2030
    places = [file.place(Path("data")) for file in source.files]
    assert len(set(places)) == len(places)
    assert bool(source.select_files([])) == bool(source.files)
    for file in source.files:
        assert urlsplit(file.url).scheme in ("http", "https")
        assert file.md5 is None or len(bytes.fromhex(file.md5)) == 16
        assert not file.packed or file.lists_archives or file.name.endswith(SUFFIXES)
        assert ".." not in file.into


def test_the_numbers_are_those_of_the_official_lists():
    compared = 0
    for source in known_sources():
        counts = next(iter(DATASETS[source.name].official.values()))
        if source.name not in OTHER_COUNTS and counts.train and source.videos:
            assert (source.classes, source.videos) == (
                counts.classes, counts.train + counts.val + counts.test,
            )  # fmt: skip
            compared += 1
    assert compared >= 6


def test_the_table_has_a_row_for_each_source():
    heading, rule, *rows = source_table(SOURCES.values()).splitlines()
    assert heading.count("|") == rule.count("|") == len(HEADER) + 1
    assert len(rows) == len(SOURCES)
    assert all(row.count("|") == heading.count("|") for row in rows)
    assert "| `svhn` | 46,470 | 10 | 680 MB | non-commercial use only |" in "\n".join(rows)
    assert "| `arid` | unknown | 11 | unknown |" in "\n".join(rows)


def test_files_are_chosen_by_name():
    source = find_source("svhn")
    assert [file.name for file in source.select_files([])] == ["train.tar.gz", "test.tar.gz"]
    assert [file.name for file in source.select_files(["extra.tar.gz"])] == ["extra.tar.gz"]
    with pytest.raises(InputError, match=r"--files of svhn: there is no x; expected train.tar.gz"):
        source.select_files(["x"])
    with pytest.raises(InputError, match="expected none, it has to be fetched by hand"):
        find_source("arid").select_files(["x"])
    with pytest.raises(InputError, match=r"no source of 'folders'; expected one of ucf101, hmdb51"):
        find_source("folders")


def test_a_list_of_archives_names_files_of_its_own_server():
    text = "https://a.org/400/train/part_0.tar.gz\r\n\nhttps://a.org/400/train/part_1.tar.gz\n"
    files = PARTS.listed(text)
    assert [file.place(Path("data")) for file in files] == [
        Path("data/downloads/train/part_0.tar.gz"), Path("data/downloads/train/part_1.tar.gz"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("https://b.org/part_0.tar.gz", "expected addresses of archives on a.org, got 'https://b"),
        ("file:///etc/passwd", "on a.org, got 'file:///etc/passwd'"),
        ("https://a.org/", "on a.org, got 'https://a.org/'"),
        ("https://a.org/%2e%2e", r"on a.org, got 'https://a.org/%2e%2e'"),
        ("https://a.org/1/a.zip\nhttps://a.org/2/a.zip", "got the same name twice"),
        (" \n", "expected addresses of different archives, got none"),
    ],
)
def test_other_lists_of_archives_are_refused(text, message):
    with pytest.raises(InputError, match=message):
        PARTS.listed(text)


def test_sizes_are_rounded():
    numbers = (999, 9_949, 9_950, 44_000, 996_000, 6_932_971_618, 5 * 10**15)
    assert [format_bytes(number) for number in numbers] == [
        "999 B", "9.9 kB", "10 kB", "44 kB", "1000 kB", "6.9 GB", "5000 TB",
    ]  # fmt: skip
