"""Words of a command line: files and folders, or settings.

One rule for all tools: a word that names an existing file or folder is that, even if there is a `=`
in it; otherwise `key=value` whose key is in a section of the configuration is a setting.
"""

import difflib
from collections.abc import Sequence
from pathlib import Path

from stn_action.config.renamed_keys import RENAMED
from stn_action.config.schema import Config
from stn_action.config.sections import dotted_names
from stn_action.disk.regular_file import path_of_text
from stn_action.errors import InputError


def is_setting(word: str) -> bool:
    """Return whether a word is `key=value` with a key of the configuration, and no file."""
    key, equals, _ = word.partition("=")
    section, _, _ = key.strip().partition(".")
    return bool(equals) and section in Config.model_fields and not _exists(word)


def files_and_settings(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate files, folders and parts of a data set from settings.

    Returns:
        The files in order, `~` expanded; the settings in order.

    Raises:
        InputError: a word with `=` is neither a file nor a setting.

    >>> files_and_settings(["test", "optim.lr=0.1"])
    (['test'], ['optim.lr=0.1'])
    """
    settings = [word for word in words if is_setting(word)]
    files = [_file(word) for word in words if word not in settings]
    return files, settings


def one_file_and_settings(words: Sequence[str], what: str) -> tuple[str, list[str]]:
    """Return the one file or folder among words, and the settings.

    Args:
        words: of the command line.
        what: the file, for the message: "CONFIG".

    Raises:
        InputError: as `files_and_settings`, or it is not one file.
    """
    files, settings = files_and_settings(words)
    if len(files) != 1:
        raise InputError(f"expected one {what}, got {', '.join(files) or 'settings alone'}")
    return files[0], settings


def split_checkpoints(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate checkpoints from the CONFIG and settings that follow them on the command line."""
    after = [word for word in words[1:] if word.endswith((".yaml", ".yml")) or is_setting(word)]
    return [words[0], *(word for word in words[1:] if word not in after)], after


def _file(word: str) -> str:
    if _exists(word) or "://" in word:  # URLs have `=` in them, too
        return word
    key, equals, _ = word.partition("=")
    if equals:
        key = key.strip()
        known = [*dotted_names(Config), *RENAMED]
        last = key.rpartition(".")[2]
        near = [dotted for dotted in known if dotted.rpartition(".")[2] == last and last]
        near = near[:1] or difflib.get_close_matches(key[:100], known, n=1)
        asks = f"; did you mean {near[0]}?" if near else ""
        raise InputError(
            f"{word}: there is no such file, and {key[:100]!r} is no setting of the sections "
            f"{', '.join(Config.model_fields)}{asks}"
        )
    try:
        return str(path_of_text(word)) if word.startswith("~") else word
    except ValueError as error:
        raise InputError(f"{word}: {error}") from None


def _exists(word: str) -> bool:
    try:
        return Path(word).exists()
    except (OSError, ValueError):  # too long for a name, or with NUL
        return False
