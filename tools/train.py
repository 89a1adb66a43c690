"""Train by a configuration: python tools/train.py configs/ucf101_st.yaml [key=value ...]."""

import sys
from collections.abc import Sequence

from stn_action.cli import add_words, ends_processes_cleanly, tool_parser
from stn_action.launch import is_main_process


@ends_processes_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then train; heavy imports wait until the arguments are valid."""
    parser = tool_parser(__file__, __doc__)
    add_words(parser, "CONFIG", "YAML file, see configs/")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run in train.output_dir"
    )
    parser.add_argument("--print-config", action="store_true", help="print all settings and exit")
    options = parser.parse_intermixed_args(arguments)

    from stn_action.config.command_line import one_file_and_settings
    from stn_action.config.schema import load_config, to_yaml

    config = load_config(*one_file_and_settings(options.words, "CONFIG"))
    if options.print_config:
        if is_main_process():
            print(to_yaml(config), end="")
        return
    from stn_action.runs.experiment import train_configured
    from stn_action.runs.folder import command_line

    train_configured(config, command=command_line(), resume=options.resume)


if __name__ == "__main__":
    sys.exit(main())
