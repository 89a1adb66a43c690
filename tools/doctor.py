"""Check the installation: python tools/doctor.py.

Prints a line for each part: ok, missing (with the extra that brings it) or broken. It looks at
versions, the GPU, readers (each decodes a generated clip), detectors and the tracker, and takes a
step of training. The exit status is 1 if something is broken; what is missing may not be needed.
"""

import sys
from collections.abc import Sequence

from stn_action.cli import ends_cleanly, tool_parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; the exit status is 1 if something is broken."""
    broken: list[str] = []
    return ends_cleanly(lambda given: broken.extend(check(given)))(arguments) or int(bool(broken))


def check(arguments: Sequence[str] | None) -> list[str]:
    """Parse arguments, then check; return the names of what is broken."""
    parser = tool_parser(__file__, __doc__)
    parser.parse_args(arguments)

    from stn_action.runs.doctor import examine

    broken = []
    for finding in examine():
        print(finding, flush=True)
        if finding.state == "broken":
            broken.append(finding.name)
    print(f"broken: {', '.join(broken)}" if broken else "nothing is broken")
    return broken


if __name__ == "__main__":
    sys.exit(main())
