"""Fetch a public data set, unpack it and check it against its official lists."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console

from stn_action.data.datasets.dataset_table import DATASETS, DatasetSpec
from stn_action.data.datasets.source_record import DataSource, SourceFile, format_bytes
from stn_action.data.datasets.source_table import find_source
from stn_action.disk.archive import is_unpacked, require_unpacker, unpack_once
from stn_action.disk.download import download
from stn_action.disk.file_lock import FileLock
from stn_action.disk.regular_file import read_text_file
from stn_action.errors import InputError
from stn_action.jobs.dataset_check import FoldCheck, check_folds
from stn_action.progress import Progress

MEGABYTE = 1_000_000
MAX_ADDRESS_BYTES = 2**20
LOCK = ".prepare_data.lock"


def prepare_data(
    name: str,
    root: Path,
    *,
    files: Sequence[str] = (),
    check_only: bool = False,
    delete_archives: bool = False,
    announce: Callable[[str], None] = print,
    console: Console | None = None,
) -> bool:
    """Fetch and unpack what a data set lacks, and compare the disk with its official lists.

    Nothing is fetched if the lists are complete, unless files are named.

    Args:
        name: of a data set with a source.
        root: its folder.
        files: names of the files to fetch; none: those that are needed.
        check_only: fetch and unpack nothing.
        delete_archives: delete each archive when it is unpacked.
        announce: called with each line to print.
        console: where progress is shown; None: the standard error.

    Returns:
        Whether all official videos are there.

    Raises:
        InputError: there is no source of this name, the folder is missing (with `check_only`), or a
            file cannot be downloaded or unpacked.
    """
    source, spec = find_source(name), DATASETS[name]
    wanted = source.select_files(files)
    for line in _description(source, wanted):
        announce(line)
    if check_only and not root.is_dir():
        raise InputError(f"{root}: there is no such folder to check; give the one of {name}")
    outcomes = list(check_folds(spec, root)) if root.is_dir() else []
    fetched = False
    if not check_only and wanted and (files or not _is_complete(outcomes)):
        root.mkdir(parents=True, exist_ok=True)
        remedy = "wait until it ends, or choose another --root"
        with FileLock(root / LOCK, str(root), remedy):
            for file in wanted:
                fetched |= _fetch(file, root, announce, console, delete_archives)
    outcomes = list(check_folds(spec, root)) if fetched or not outcomes else outcomes
    for outcome in outcomes:
        announce(outcome.line())
    complete = _is_complete(outcomes)
    announce(
        f"complete: set data.root={root}" if complete else _next_step(source, spec, check_only)
    )
    return complete


def _description(source: DataSource, wanted: Sequence[SourceFile]) -> Iterator[str]:
    yield f"{source.title} ({source.year}): {source.homepage}"
    yield f"license or terms: {source.terms}; size: {source.size_text}"
    for file in wanted:
        size = "size unknown" if file.size is None else format_bytes(file.size)
        yield f"needs {file.url} ({size})"
    if source.by_hand:
        yield f"by hand: {source.by_hand}"
    if source.remarks:
        yield source.remarks


def _is_complete(outcomes: Sequence[FoldCheck]) -> bool:
    return bool(outcomes) and all(outcome.is_complete for outcome in outcomes)


def _next_step(source: DataSource, spec: DatasetSpec, check_only: bool) -> str:
    if source.by_hand:
        return f"incomplete: {source.by_hand}; then check again"
    if check_only:
        return "incomplete: give the same command without --check"
    left_out = "Missing videos are left out of runs and counted. " * spec.files_may_be_missing
    return (
        f"incomplete: {spec.remedy}. {left_out}Archives that were unpacked before are not "
        "unpacked again unless <archive>.unpacked beside them is deleted"
    )


def _fetch(
    file: SourceFile,
    root: Path,
    announce: Callable[[str], None],
    console: Console | None,
    delete_archives: bool,
) -> bool:
    """Download and unpack a file, or the archives that it lists; return whether this was needed."""
    place = file.place(root)
    if file.lists_archives:
        _download(file, place, console)
        text = read_text_file(place, max_bytes=MAX_ADDRESS_BYTES, what="list of addresses")
        archives = file.listed(text)
        fetched = [_fetch(one, root, announce, console, delete_archives) for one in archives]
        return any(fetched)
    if file.packed and is_unpacked(place):
        announce(f"{place.name}: unpacked before")
        return False
    if file.packed:
        require_unpacker(place)
    _download(file, place, console)
    if file.packed:
        unpack_once(place, root / file.into, flat=file.flat, left_out=file.left_out)
        announce(f"{place.name}: unpacked into {root / file.into}")
        if delete_archives:
            place.unlink()
    return True


def _download(file: SourceFile, place: Path, console: Console | None) -> None:
    total = None if file.size is None else file.size // MEGABYTE
    with Progress(f"downloading {file.name}", total, unit="MB", console=console) as progress:
        shown = 0

        def show(there: int) -> None:
            nonlocal shown
            progress.advance(there // MEGABYTE - shown)
            shown = there // MEGABYTE

        download(file.url, place, size=file.size, md5=file.md5, on_bytes=show)
