"""The lists beside AVA: names of actions (pbtxt) and timestamps that are excluded (csv)."""

import re
from pathlib import Path

from stn_action.errors import InputError
from stn_action.person.formats.gather import number, whole
from stn_action.person.formats.text_files import csv_rows, read_text

_ENTRY = re.compile(r"(\w+)\s*\{([^{}]*)\}\s*")
_FIELD = re.compile(r'(\w+)\s*:\s*("(?:[^"\\]|\\.)*"|\w+)\s*')


def read_ava_actions(path: str | Path) -> dict[int, str]:
    """Read `ava_action_list_v2.2.pbtxt` or its subset `..._for_activitynet_2019.pbtxt`.

    Returns:
        Names by id, in the order of the file. Ids of the subset have gaps.

    Raises:
        InputError: the file is malformed, or an id or a name is there twice.
    """
    text = read_text(path)
    actions: dict[int, str] = {}
    place = len(text) - len(text.lstrip())
    while place < len(text):
        where = f"{path}, line {text.count(chr(10), 0, place) + 1}"
        entry = _ENTRY.match(text, place)
        if entry is None or entry[1] not in ("label", "item"):
            raise InputError(f"{where}: an entry label {{ name: ... label_id: ... }} is expected")
        key, name = _action(entry[2], where)
        if key in actions or name in actions.values():
            raise InputError(f"{where}: the action {key} or the name {name!r} is there twice")
        actions[key] = name
        place = entry.end()
    if not actions:
        raise InputError(f"{path}: there is no action in it")
    return actions


def read_ava_excluded(path: str | Path) -> set[tuple[str, float]]:
    """Read `ava_*_excluded_timestamps_v2.2.csv`: videos and seconds, without a header.

    Raises:
        InputError: the file is malformed. An empty one is not: nothing is excluded.
    """
    excluded = set()
    for where, cells in csv_rows(path):
        if len(cells) != 2 or not cells[0]:
            raise InputError(f"{where}: two cells video_id,timestamp expected, got {len(cells)}")
        excluded.add((cells[0], number(cells[1], where, "the timestamp")))
    return excluded


def _action(body: str, where: str) -> tuple[int, str]:
    body = body.strip()
    fields = dict(_FIELD.findall(body))
    name, key = fields.get("name", ""), fields.get("label_id", fields.get("id"))
    if _FIELD.sub("", body) or len(name) < 3 or not name.startswith('"') or key is None:
        raise InputError(f"{where}: an entry needs a name in quotes and a label_id or id")
    return whole(key, where, "label_id", first=1), name[1:-1].replace('\\"', '"')
