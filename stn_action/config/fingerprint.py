"""Fingerprints of what a result was made from, and the differences between them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from stn_action.checksum import path_checksum
from stn_action.config.schema import Config, to_dict
from stn_action.config.sections import default_at
from stn_action.disk.atomic_file import write_file
from stn_action.disk.json_file import read_json
from stn_action.errors import InputError
from stn_action.user_code import code_file

HARMLESS = (
    "train.output_dir", "train.cache_folder", "train.save_interval", "data.num_workers",
)  # fmt: skip
"""Settings that may differ between the parts of one run: no number depends on them."""
WITH_CONTENT = (
    "data.people", "data.manifest", "data.regions", "model.weights",
    "model.focus.localization_weights",
)  # fmt: skip
"""Settings that may name a file or folder whose content changes results."""
DATA_ROOT = "data.root"
"""A list of videos, whose content counts, or a folder of them, which is not read."""
BACKBONES = ("model.backbone", "model.focus.glimpse_backbone")
"""A name; or `hf/` and a folder whose config.json counts; or `python:` and a file that counts."""
KEYS = ("settings", "digests", "extra")
FINGERPRINT_FILE = "fingerprint.json"
"""Its name in a run folder and beside other results."""


@dataclass(frozen=True)
class Differences:
    """Differences between two fingerprints; false if there are none."""

    lines: tuple[str, ...]
    """One for each difference, as in `optim.lr was 0.1, is 0.2`."""

    def __bool__(self) -> bool:
        return bool(self.lines)

    def __str__(self) -> str:
        """Return the first difference and the number of others, for a message."""
        first, *others = self.lines or ("no difference",)
        return f"{first} (and {len(others)} more)" if others else first


@dataclass(frozen=True)
class Fingerprint:
    """Settings and files that a result depends on, in plain JSON types."""

    settings: Mapping[str, Any]
    """By dotted key."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Checksums of the files and folders that settings name, by the setting's dotted key."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else it depends on, e.g. a digest of the list of videos."""

    @classmethod
    def of(
        cls,
        config: Config,
        *,
        keys: Sequence[str] | None = None,
        without: Sequence[str] = HARMLESS,
        extra: Mapping[str, Any] | None = None,
    ) -> Self:
        """Return the fingerprint of a configuration and of the files that it names.

        Args:
            config: the experiment.
            keys: dotted names of the settings and sections that count; None: all of them.
            without: dotted names of those that do not count.
            extra: what else counts, nested or flat, in plain JSON types.

        Raises:
            OSError: a file cannot be read.
        """
        settings = {
            key: value
            for key, value in flatten(to_dict(config)).items()
            if (keys is None or is_within(key, keys)) and not is_within(key, without)
        }
        named = {key: settings[key] for key in WITH_CONTENT if settings.get(key) is not None}
        digests = {key: path_checksum(path) for key, path in named.items() if Path(path).exists()}
        if Path(settings.get(DATA_ROOT, "")).is_file():
            digests[DATA_ROOT] = path_checksum(settings[DATA_ROOT])
        for key in BACKBONES:
            name = settings.get(key) or ""
            file = code_file(name) or Path(name.removeprefix("hf/"), "config.json")
            if file.is_file():
                digests[key] = path_checksum(file)
        return cls(settings, digests, flatten(extra or {}))

    def compare(self, now: "Fingerprint") -> Differences:
        """Return how a later fingerprint differs from this one.

        A setting that this one lacks is newer than it; it had what is its default now.
        """
        newer = now.settings.keys() - self.settings.keys()
        before = {**{key: default_at(key.split("."), Config) for key in newer}, **self.settings}
        lines = [*_changed(before, now.settings), *_changed(self.extra, now.extra)]
        for key in sorted(self.digests.keys() & now.digests.keys()):
            if self.digests[key] != now.digests[key] and self.settings[key] == now.settings[key]:
                lines.append(f"the content of {key} ({now.settings[key]}) has changed")
        for key in sorted(self.digests.keys() ^ now.digests.keys()):
            if self.settings.get(key) == now.settings.get(key):
                state = "gone" if key in self.digests else "new"
                lines.append(f"the file or folder of {key} ({now.settings[key]}) is {state}")
        return Differences(tuple(lines))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, as `from_dict` takes them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Build the fingerprint from the result of `to_dict`."""
        return cls(content["settings"], content["digests"], content["extra"])

    @property
    def digest(self) -> str:
        """A short name of all of it: 32 hexadecimal digits."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def save(self, folder: Path) -> None:
        """Write `fingerprint.json` into a folder, atomically."""
        write_file(folder / FINGERPRINT_FILE, json.dumps(self.to_dict(), indent=1))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the `fingerprint.json` of a folder.

        Raises:
            FileNotFoundError: there is none.
            InputError: it is damaged.
        """
        path = folder / FINGERPRINT_FILE
        path.stat()
        remedy = "what was made with it cannot be compared: start again in another folder"
        content = read_json(path, remedy=remedy)
        parts = [content.get(key) for key in KEYS] if isinstance(content, dict) else [None]
        if not all(isinstance(part, dict) for part in parts):
            raise InputError(f"{path}: damaged: expected {', '.join(KEYS)}; {remedy}")
        return cls.from_dict(content)


def flatten(tree: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return nested settings by dotted key.

    >>> flatten({"data": {"fold": 1}})
    {'data.fold': 1}
    """
    settings = {}
    for key, value in tree.items():
        name = f"{path}.{key}" if path else key
        settings |= flatten(value, name) if isinstance(value, Mapping) else {name: value}
    return settings


def is_within(key: str, sections: Sequence[str]) -> bool:
    """Return whether a dotted key is one of some keys or is in one of some sections.

    >>> is_within("data.crop.size", ["data.crop"]), is_within("data.crops", ["data.crop"])
    (True, False)
    """
    return any(key == section or key.startswith(f"{section}.") for section in sections)


def _changed(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [
        f"{key} was {was.get(key)!r}, is {now.get(key)!r}"
        for key in sorted(was.keys() | now.keys())
        if was.get(key) != now.get(key)
    ]
