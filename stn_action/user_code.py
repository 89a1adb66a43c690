"""Code of the user that settings name: `MODULE:NAME`, or `FILE.py:NAME`."""

import importlib
import sys
import traceback
from collections.abc import Callable
from hashlib import blake2b
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from stn_action.errors import InputError

PREFIX = "python:"
"""Begins a setting that names code."""
FORM = "python:MODULE:NAME (a module that Python finds: PYTHONPATH) or python:FILE.py:NAME"


def names_code(text: object) -> bool:
    """Return whether a setting is of the form `python:MODULE:NAME`."""
    return isinstance(text, str) and text.startswith(PREFIX)


def code_file(text: object) -> Path | None:
    """Return the file that `python:FILE.py:NAME` names; None: it names a module, or no code."""
    module = str(text).removeprefix(PREFIX).rpartition(":")[0]
    return Path(module) if names_code(text) and module.endswith(".py") else None


def user_object(text: str, setting: str) -> Callable[..., Any]:
    """Import what a setting names; this runs the code of its module.

    Args:
        text: `python:MODULE:NAME` or `python:FILE.py:NAME`.
        setting: for messages: "model.backbone".

    Raises:
        InputError: it has another form, the module cannot be imported, or it has no such name.
    """
    where = f"{setting} {text}"
    module, _, name = text.removeprefix(PREFIX).rpartition(":")
    if not names_code(text) or not module or not name:
        raise InputError(f"{where}: expected {FORM}")
    found = user_result(lambda: _imported(module, where), where)
    if not callable(getattr(found, name, None)):
        raise InputError(f"{where}: {module} has no function or class {name!r}; expected {FORM}")
    return getattr(found, name)


def user_result(call: Callable[[], Any], where: str) -> Any:
    """Return what code of the user returns.

    Args:
        call: runs it.
        where: it was named, for the message.

    Raises:
        InputError: it raised an exception; names the last line of the code.
    """
    try:
        return call()
    except InputError:
        raise
    except Exception as error:  # code of the user: anything can happen
        raise InputError(f"{where}: {_reason(error)}") from error


def _imported(module: str, where: str) -> ModuleType:
    if not module.endswith(".py"):
        return importlib.import_module(module)
    file = Path(module)
    if not file.is_file():
        raise InputError(f"{where}: there is no file {file} (paths start from {Path.cwd()})")
    digest = blake2b(str(file.resolve()).encode(), digest_size=4).hexdigest()
    spec = spec_from_file_location(f"{file.stem}_{digest}", file)
    assert spec is not None
    assert spec.loader is not None
    found = module_from_spec(spec)
    sys.modules[spec.name] = found  # as dataclasses and pickle expect
    try:
        spec.loader.exec_module(found)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return found


def _reason(error: Exception) -> str:
    """Return the exception and the line that raised it, of the user's code if there is one."""
    files = __file__, importlib.__file__
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if one.filename not in files and not one.filename.startswith("<")]
    place = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}{place}"
