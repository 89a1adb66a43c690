"""The examples at the end of each tool's help: the tools' own parsers understand them."""

import argparse
import importlib
import shlex
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from stn_action.config.command_line import is_setting
from stn_action.config.schema import load_config
from stn_action.tool_examples import EXAMPLES

ROOT = Path(__file__).parents[1]
TOOLS = sorted(path.stem for path in (ROOT / "tools").glob("*.py"))
LINES = [(tool, line) for tool, lines in EXAMPLES.items() for line in lines]


class Parsed(BaseException):
    """The end of a tool once its arguments are read."""


@pytest.fixture
def parse_only(monkeypatch):
    """The tools' parsers end the program once they have read its arguments."""
    parser = argparse.ArgumentParser
    plain, mixed = parser.parse_args, parser.parse_known_intermixed_args

    def parse_args(self, arguments=None):
        raise Parsed(plain(self, arguments))

    def parse_intermixed_args(self, arguments=None):
        options, rest = mixed(self, arguments)
        assert not rest
        raise Parsed(options)

    monkeypatch.setattr(parser, "parse_args", parse_args)
    monkeypatch.setattr(parser, "parse_intermixed_args", parse_intermixed_args)


def test_every_tool_has_examples():
    assert sorted(EXAMPLES) == TOOLS
    assert all(1 <= len(lines) <= 3 for lines in EXAMPLES.values())


@pytest.mark.usefixtures("parse_only")
@pytest.mark.parametrize(("tool", "line"), LINES)
def test_a_tools_parser_understands_its_examples(tool, line, monkeypatch):
    monkeypatch.setattr(sys, "argv", [f"tools/{tool}.py"])
    with pytest.raises(Parsed, match=r"Namespace"):
        importlib.import_module(f"tools.{tool}").main(shlex.split(line))


@pytest.mark.parametrize(("tool", "line"), LINES)
def test_the_settings_of_examples_exist(tool, line):
    words = shlex.split(line)
    swept = {word for before, word in pairwise(words) if before == "--sweep"}
    settings = [word for word in words if is_setting(word) and word not in swept]
    configs = [word for word in words if (ROOT / word).is_file() and word.endswith(".yaml")]
    load_config(ROOT / (configs or ["configs/own_videos.yaml"])[0], settings)


@pytest.mark.parametrize(
    ("program", "start"),
    [("tools/train.py", "python tools/train.py"), ("stn-action train", "stn-action train")],
)
def test_examples_are_shown_as_the_tool_was_started(program, start, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [program])
    with pytest.raises(SystemExit, match=r"^0$"):
        importlib.import_module("tools.train").main(["--help"])
    assert f"examples:\n  {start} configs/ucf101_st.yaml\n" in capsys.readouterr().out
