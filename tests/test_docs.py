"""What the pages in docs/ show works as it stands there."""

import re
import shlex
from pathlib import Path
from typing import get_args

import pytest
from torch.distributed.run import get_args_parser

from stn_action.config.schema import load_config
from stn_action.config.train_schema import TrainConfig
from stn_action.data.datasets.dataset_table import DATASETS
from stn_action.geometry.theta import AFFINE
from stn_action.geometry.transforms import TRANSFORMS, build_transform
from stn_action.person.detectors.detr import DETR_LAYOUTS
from stn_action.person.tracker import TRACKERS
from stn_action.training.training_choices import BatchNorm

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGE = (DOCS / "transforms.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
ROWS = {
    cells[0].split("`")[1]: cells
    for line in re.findall(r"^\| \[(.*)\|$", PAGE, re.MULTILINE)
    for cells in [[cell.strip() for cell in line.split("|")]]
}


@pytest.mark.parametrize("block", BLOCKS)
def test_the_python_examples_run_and_give_the_shapes_they_tell(block):
    names: dict[str, object] = {}
    exec(compile(block, "transforms.md", "exec"), names)
    for value, shape in re.findall(r"^([\w.]+)(?: = .*)?  # \(([\d, ]+)\)$", block, re.MULTILINE):
        assert list(eval(value, names).shape) == [int(size) for size in shape.split(",")], value


def test_every_example_tells_some_shape():
    assert len(BLOCKS) == 4
    assert all(re.search(r"  # \([\d, ]+\)$", block, re.MULTILINE) for block in BLOCKS)


def test_the_table_is_that_of_the_families():
    assert list(ROWS) == list(TRANSFORMS)
    for name, family in TRANSFORMS.items():
        _, title, parameters, shape, _, closed, samplers = ROWS[name]
        assert title == f"`{family.__name__}`"
        assert int(parameters) == family.num_parameters
        assert shape == "×".join(str(size) for size in family.theta_shape)
        assert ("closed" in closed) == (name not in ("translation", "tps"))
        assert samplers == ("all" if family.axis_aligned else "grid, nearest")
        assert not family.axis_aligned or family.theta_shape == AFFINE
        assert f"\n## {name}\n" in PAGE


def test_the_bounds_are_those_of_the_families():
    family = build_transform("similarity", 2)
    told = re.search(r"`start_scale` is (.*), `min_scale` (.*), `max_scale` (.*), as shares", PAGE)
    assert told is not None
    assert [float(number) for number in told.groups()] == [
        family.scale, family.min_scale, family.max_scale,
    ]  # fmt: skip


PROCESSES = (DOCS / "processes.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", re.findall(r"^torchrun (.+)$", PROCESSES, re.MULTILINE))
def test_torchrun_and_the_tools_understand_the_commands(command):
    words = shlex.split(command)
    options = get_args_parser().parse_args(words)
    assert options.training_script in words
    source = (ROOT / options.training_script).read_text(encoding="utf-8")
    assert "@ends_processes_cleanly" in source
    arguments = options.training_script_args
    for option in (argument for argument in arguments if argument.startswith("--")):
        assert f'"{option}"' in source, f"{options.training_script} has no {option}"
    if arguments[0].endswith(".yaml"):
        settings = [argument for argument in arguments if "=" in argument]
        load_config(ROOT / arguments[0], settings)


def test_the_settings_that_the_page_of_processes_names_exist():
    for key, values in re.findall(r"`train\.(\w+)(?:=(\w+))?`", PROCESSES):
        assert key in TrainConfig.model_fields
        assert not values or values in get_args(BatchNorm)


PAPER = (DOCS / "paper.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", re.findall(r"^python (tools/.+)$", PAPER, re.MULTILINE))
def test_the_commands_of_the_paper_page_name_tools_options_and_settings_that_exist(command):
    tool, *arguments = shlex.split(command)
    if tool == "tools/benchmark.py":  # a benchmark parses its own options
        tool = f"benchmarks/{arguments[0]}.py"
    source = (ROOT / tool).read_text(encoding="utf-8")
    for option in (argument for argument in arguments if argument.startswith("--")):
        assert f'"{option}"' in source, f"{tool} has no {option}"
    if arguments[0].endswith(".yaml"):
        load_config(ROOT / arguments[0], [argument for argument in arguments if "=" in argument])


OWN_VIDEOS = (DOCS / "own_videos.md").read_text(encoding="utf-8")


def test_the_list_of_own_videos_is_read_and_split(tmp_path):
    (block,) = re.findall(r"```csv\n(.*?)```", OWN_VIDEOS, re.DOTALL)
    (tmp_path / "videos.csv").write_text(block, encoding="utf-8")
    fold = DATASETS["csv"].read(tmp_path / "videos.csv", 1, folds="groups")
    assert fold.classes == ("kick, high", "wave")
    assert fold.test.names() == ["clips/ann_1", "clips/ann_2#t=0.5,2"]
    assert fold.train.names()[2:] == ["clips/eve 1#t=1", "clips/eve 1#t=,1"]
    for name in (fold.name, fold.test[1].name):
        assert f"`{name}`" in OWN_VIDEOS


@pytest.mark.parametrize(
    "command", re.findall(r"^python tools/train.py (.+)$", OWN_VIDEOS, re.MULTILINE)
)
def test_the_commands_for_own_videos_name_settings_that_exist(command):
    config, *settings = shlex.split(command)
    assert load_config(ROOT / config, settings).data.folds is not None


def test_images_are_small():
    sizes = [path.stat().st_size for path in DOCS.glob("transforms_*.png")]
    assert len(sizes) == len(TRANSFORMS)
    assert max(sizes) < 35_000
    assert sum(sizes) < 220_000


DATA = (DOCS / "data.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", sorted(set(re.findall(r"python (tools/[^#`\n]+)", DATA))))
def test_the_commands_of_the_data_page_name_tools_options_and_sets_that_exist(command):
    tool, *arguments = shlex.split(command)
    source = (ROOT / tool).read_text(encoding="utf-8")
    for option in (argument for argument in arguments if argument.startswith("--")):
        assert f'"{option}"' in source, f"{tool} has no {option}"
    if arguments and not arguments[0].startswith("--"):
        assert f"| `{arguments[0]}` |" in DATA


PEOPLE = (DOCS / "people.md").read_text(encoding="utf-8")


def test_the_page_about_people_names_all_layouts_and_trackers():
    for layout in DETR_LAYOUTS:
        row = re.search(rf"^\| {layout.name}\b.*$", PEOPLE, re.MULTILINE)
        assert row is not None
        assert all(f"`{name}`" in row[0] for name in (*layout.inputs, *layout.outputs))
    assert sorted(
        re.findall(r"^\| `([a-z]+)`(?: \(default\))? \|", PEOPLE, re.MULTILINE)
    ) == sorted(TRACKERS)
