"""Get a public data set: python tools/prepare_data.py NAME --root FOLDER.

Prints what it needs, from where and on what terms, downloads what may be had without an account,
unpacks it and checks it against the official lists. The same command continues. The exit status is
0 if everything is there, 1 if something is missing, 2 after a mistake.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from stn_action.cli import ends_cleanly, tool_parser, user_path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; the exit status is 1 if something is missing."""
    complete: list[bool] = []
    return ends_cleanly(lambda given: complete.append(prepare(given)))(arguments) or int(
        not all(complete)
    )


def prepare(arguments: Sequence[str] | None) -> bool:
    """Parse arguments, then prepare; return whether everything is there."""
    parser = tool_parser(__file__, __doc__)
    parser.add_argument("name", nargs="?", metavar="NAME", help="data set, as in --list")
    parser.add_argument("--root", type=user_path, help="its folder (default: data/NAME)")
    parser.add_argument("--list", action="store_true", help="print a table of the data sets")
    parser.add_argument("--check", action="store_true", help="check alone, without a network")
    parser.add_argument("--files", nargs="+", default=[], help="fetch these instead of the usual")
    parser.add_argument(
        "--delete-archives", action="store_true", help="delete archives once they are unpacked"
    )
    options = parser.parse_args(arguments)
    if not options.list and options.name is None:
        parser.error("give the NAME of a data set, or --list")

    from stn_action.data.datasets.source_page import known_sources, source_table

    if options.list:
        print(source_table(known_sources()), end="")
        return True
    names = [source.name for source in known_sources()]
    if options.name not in names:
        parser.error(f"no source of {options.name!r} is known; expected {', '.join(names)}")

    from stn_action.jobs.prepare_data import prepare_data

    root = options.root or Path("data") / options.name
    flags = {"check_only": options.check, "delete_archives": options.delete_archives}
    return prepare_data(options.name, root, files=options.files, **flags)


if __name__ == "__main__":
    sys.exit(main())
