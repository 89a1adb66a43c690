"""Archives from elsewhere, unpacked within a folder and within bounds: all of one, or nothing."""

import json
import shutil
import stat
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from stn_action.disk.atomic_file import write_file
from stn_action.errors import InputError

MAX_EXPANSION, MAX_SLACK_BYTES = 20, 2**26
"""An archive of n bytes may hold `MAX_EXPANSION * n + MAX_SLACK_BYTES`: videos and images hardly
shrink, lists do, but are small."""
RAR_TOOLS = {
    "unrar": ("x", "-y", "-idq", "--", "{archive}", "{folder}/"),
    "bsdtar": ("-x", "-f", "{archive}", "-C", "{folder}"),
}
"""Programs that unpack RAR files, and their arguments."""
SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".rar")
REMEDY = "delete it and download it again"


def unpack_once(
    archive: Path, folder: Path, *, flat: bool = False, left_out: Sequence[str] = ()
) -> bool:
    """Unpack an archive, and archives in it, into a folder, unless that was done before.

    Everything is unpacked beside the archive first and moved when all of it is there; then
    `<archive>.unpacked` is written, which stays when the archive is deleted. What an interrupted
    call left is removed. Nothing outside of the folder is written; links, devices and encrypted
    members are refused, and so is more than the bound above. What RAR files hold is checked when
    it is unpacked, before it is moved.

    Args:
        archive: of one of `SUFFIXES`.
        folder: created if need be; files of the same names are replaced.
        flat: all files into the folder itself, whatever folders the archive has.
        left_out: names of files that are not wanted.

    Returns:
        Whether it was unpacked now.

    Raises:
        InputError: it is damaged, has such members, or no program for RAR files is installed.
    """
    if is_unpacked(archive):
        return False
    fresh = archive.with_name(f".{archive.name}.unpacking")
    if fresh.exists():
        shutil.rmtree(fresh)
    fresh.mkdir()
    try:
        allowed = MAX_EXPANSION * archive.stat().st_size + MAX_SLACK_BYTES
        _unpack(archive, fresh, allowed)
        for inner in sorted(path for path in fresh.rglob("*") if _suffix(path.name)):
            _unpack(inner, fresh, allowed)
            inner.unlink()
        number = _require_plain_files(archive, fresh, allowed, left_out)
        if flat:
            _flatten(archive, fresh)
        _merge(fresh, folder)
    finally:
        shutil.rmtree(fresh)
    note = {"bytes": archive.stat().st_size, "files": number}
    write_file(_note_of(archive), json.dumps(note) + "\n")
    return True


def is_unpacked(archive: Path) -> bool:
    """Return whether an archive was unpacked completely; it may be deleted, but not replaced."""
    try:
        size = json.loads(_note_of(archive).read_bytes())["bytes"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return not archive.exists() or archive.stat().st_size == size


def require_unpacker(archive: Path) -> None:
    """Check that an archive of this name can be unpacked, whether or not it is there yet.

    Raises:
        InputError: it is a RAR file, and no program for these is installed.
    """
    if _suffix(archive.name) == ".rar" and _rar_tool() is None:
        raise InputError(
            f"{archive}: RAR files are unpacked by unrar or bsdtar, none is installed: install one "
            "(Debian, Ubuntu: apt install unrar, or libarchive-tools for bsdtar; macOS has bsdtar) "
            "and give the same command again"
        )


def _note_of(archive: Path) -> Path:
    return archive.with_name(f"{archive.name}.unpacked")


def _unpack(archive: Path, folder: Path, allowed: int) -> None:
    match _suffix(archive.name):
        case ".zip":
            _unpack_zip(archive, folder, allowed)
        case ".rar":
            _unpack_rar(archive, folder)
        case "":
            raise InputError(f"{archive}: expected one of {', '.join(SUFFIXES)}")
        case _:
            _unpack_tar(archive, folder, allowed)


def _suffix(name: str) -> str:
    return next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")


def _unpack_zip(archive: Path, folder: Path, allowed: int) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            for member in members:
                _require_inside(archive, member.filename)
                if stat.S_ISLNK(member.external_attr >> 16):
                    raise _refused(archive, member.filename, "a link")
                if member.flag_bits & 1:
                    raise _refused(archive, member.filename, "encrypted")
            _require_bound(archive, sum(member.file_size for member in members), allowed)
            opened.extractall(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise InputError(f"{archive}: damaged, or no zip file ({error}); {REMEDY}") from None


def _unpack_tar(archive: Path, folder: Path, allowed: int) -> None:
    total = 0
    try:
        with tarfile.open(archive) as opened:
            for member in opened:
                _require_inside(archive, member.name)
                if not (member.isreg() or member.isdir()):
                    raise _refused(archive, member.name, "a link or a device")
                total += member.size
                _require_bound(archive, total, allowed)
                opened.extract(member, folder, filter="data")
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise InputError(f"{archive}: damaged, or no tar file ({error}); {REMEDY}") from None


def _rar_tool() -> str | None:
    return next((name for name in RAR_TOOLS if shutil.which(name)), None)


def _unpack_rar(archive: Path, folder: Path) -> None:
    require_unpacker(archive)
    name = _rar_tool()
    assert name is not None
    places = {"archive": archive.absolute(), "folder": folder.absolute()}
    command = [name, *(argument.format(**places) for argument in RAR_TOOLS[name])]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        text = (done.stderr or done.stdout).decode(errors="replace").split("\n")
        said = next((line.strip() for line in text if line.strip()), f"status {done.returncode}")
        raise InputError(f"{archive}: {name} cannot unpack it ({said}); {REMEDY}")


def _require_inside(archive: Path, member: str) -> None:
    path = PurePosixPath(member.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[:1]:
        raise _refused(archive, member, "outside of the folder it is unpacked in")


def _require_bound(archive: Path, total: int, allowed: int) -> None:
    if total > allowed:
        raise InputError(
            f"{archive}: it unpacks to {total} bytes or more, expected {allowed} at most for a "
            "file of its size; if it is what it should be, unpack it by hand"
        )


def _refused(archive: Path, member: str, what: str) -> InputError:
    return InputError(
        f"{archive}: its member {member!r} is {what}, so nothing was unpacked; {REMEDY}"
    )


def _require_plain_files(archive: Path, folder: Path, allowed: int, left_out: Sequence[str]) -> int:
    """Check what was unpacked and remove what is not wanted; return the number of files left."""
    total = number = 0
    for path in list(_files(archive, folder)):
        name = path.relative_to(folder)
        if path.name in left_out or path.name.startswith("._") or "__MACOSX" in name.parts:
            path.unlink()
            continue
        total, number = total + path.stat().st_size, number + 1
        _require_bound(archive, total, allowed)
    shutil.rmtree(folder / "__MACOSX", ignore_errors=True)
    return number


def _files(archive: Path, folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            yield path
        elif not stat.S_ISDIR(mode):
            raise _refused(archive, path.relative_to(folder).as_posix(), "a link or a device")


def _flatten(archive: Path, folder: Path) -> None:
    for path in list(_files(archive, folder)):
        target = folder / path.name
        if target.exists() and target != path:
            raise InputError(f"{archive}: it holds two files {path.name}; {REMEDY}")
        path.replace(target)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)


def _merge(folder: Path, into: Path) -> None:
    """Move what is in a folder into another one, in which there may be files already."""
    into.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.iterdir()):
        target = into / path.name
        if path.is_dir() and target.is_dir():
            _merge(path, target)
        else:
            path.replace(target)
