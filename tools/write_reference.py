"""Write configs/schema.json, docs/configuration.md and docs/data.md from what the code declares."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from stn_action.cli import ends_cleanly, tool_parser, user_path


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then write."""
    parser = tool_parser(__file__, __doc__)
    parser.add_argument(
        "--root",
        type=user_path,
        default=Path(),
        help="folder of configs/ and docs/ (default: .)",
    )
    options = parser.parse_args(arguments)

    from stn_action.config.reference import SCHEMA_NAME, config_json_schema, config_markdown
    from stn_action.data.datasets.source_page import sources_markdown
    from stn_action.disk.atomic_file import write_file

    schema = options.root / "configs" / SCHEMA_NAME
    write_file(schema, json.dumps(config_json_schema(), indent=1) + "\n")
    page = options.root / "docs/configuration.md"
    write_file(page, config_markdown())
    data_page = options.root / "docs/data.md"
    write_file(data_page, sources_markdown())
    print(f"written: {schema}, {page}, {data_page}")


if __name__ == "__main__":
    sys.exit(main())
