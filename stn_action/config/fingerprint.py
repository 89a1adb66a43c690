"""Two configurations side by side: whether a run or a cache may be used again."""

from collections.abc import Sequence
from typing import Any

from stn_action.config.schema import Config, to_dict

HARMLESS = ("train.output_dir", "train.cache_folder", "data.num_workers")
"""Settings that may differ between the parts of one run: no number depends on them."""


def flat(tree: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Nested settings by dotted key.

    >>> flat({"data": {"fold": 1}})
    {'data.fold': 1}
    """
    settings = {}
    for key, value in tree.items():
        name = f"{path}.{key}" if path else key
        settings |= flat(value, name) if isinstance(value, dict) else {name: value}
    return settings


def differences(was: dict[str, Any], now: dict[str, Any], but: Sequence[str] = ()) -> list[str]:
    """A line for every dotted key that differs: its name, what it was and what it is."""
    old, new = flat(was), flat(now)
    keys = sorted(key for key in old.keys() | new.keys() if key not in but)
    return [
        f"{key} was {old.get(key)!r}, is {new.get(key)!r}"
        for key in keys
        if old.get(key) != new.get(key)
    ]


def changes(was: dict[str, Any], config: Config) -> str:
    """What is different in a configuration from the settings of a run; empty if nothing is."""
    found = differences(was, to_dict(config), but=HARMLESS)
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return found[0] + more if found else ""
