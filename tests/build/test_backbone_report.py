import json
import re
from pathlib import Path

import pytest

from stn_action.build.aligned_table import aligned_table
from stn_action.build.backbone_report import HEAD, BackboneReport, describe_backbone
from stn_action.config.schema import load_config
from stn_action.errors import InputError
from stn_action.models.backbones.backbone_table import backbone_spec
from stn_action.models.trunk_description import (
    FEWEST_CELLS,
    LOCAL,
    StageDescription,
    TrunkDescription,
)
from tools.describe import main

PAGE = (Path(__file__).parents[2] / "docs/trunk_stages.md").read_text(encoding="utf-8")


def test_a_trunk_is_described_at_its_own_clip_or_at_another():
    own = describe_backbone("small3d")
    assert own.trunk.clip_thw == (8, 96, 96)
    report = describe_backbone("small3d", ["data.crop.size=32", "data.clip.num_frames=4"])
    assert report.trunk.clip_thw == (4, 32, 32)
    first, head, *rows, behind, advice = report.lines()
    assert first.startswith("small3d on a clip of 4 x 32 x 32: 181,264 parameters, 0.01 GMACs")
    assert "weights random" in first
    assert head.split()[:3] == ["stage", "parameters", "GMACs"]
    assert [row.split()[0] for row in rows] == ["stem", "stage1", "stage2", "stage3"]
    assert rows[0].split()[-2:] == ["100%", "yes"]
    assert behind == "behind the stages: 0.00 GMACs"
    assert advice.startswith("heads can pay at stem, stage1, stage2")


def test_where_no_stage_is_a_map_that_is_told():
    stages = (StageDescription("early", 10, 0.5), StageDescription("late", 20, 0.5))
    report = BackboneReport("mine", None, TrunkDescription((1, 8, 8), stages, 30, 1.0))
    lines = report.lines()
    assert all(line.endswith("no map") for line in lines[2:-2])
    assert lines[-1].startswith("heads can pay at no stage")


def test_the_tool_prints_the_table_or_json(capsys):
    assert main(["small3d", "data.crop.size=32"]) == 0
    table = capsys.readouterr().out
    assert main(["small3d", "--json", "data.crop.size=32"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert f"{content['parameters']:,} parameters" in table
    assert [stage["path"] for stage in content["stages"]] == ["stem", "stage1", "stage2", "stage3"]
    assert content["stages"][0]["size_thw"] == [8, 16, 16]
    assert content["stages"][0]["heads_pay"] is True
    assert content["weights"] is None


def test_near_names_are_listed_for_an_unknown_trunk(capsys):
    for name, near in {
        "torchvision/r2plus1d_81": "torchvision/r2plus1d_18",
        "slow_r5": "pytorchvideo/slow_r50",
        "small": "small3d",
    }.items():
        with pytest.raises(InputError, match=rf"got '{name}'; near: .*{near}"):
            describe_backbone(name)
    with pytest.raises(InputError, match=r"timm has no model 'resnet51'; near: .*resnet"):
        describe_backbone("timm/resnet51")
    assert main(["small3d", "data.crop.sizes=3"]) == 2
    assert "unknown key; did you mean data.crop.size?" in capsys.readouterr().err


@pytest.mark.parametrize("command", re.findall(r"^python tools/describe.py (.+)$", PAGE, re.M))
def test_the_commands_of_the_page_name_trunks_and_settings_that_exist(command):
    name, *rest = (word for word in command.split() if word != "--json")
    backbone_spec(name)
    load_config(None, ["data.name=folders", "data.root=.", f"model.backbone={name}", *rest])


def test_the_page_explains_every_column():
    (printed,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert tuple(printed.splitlines()[1].split()) == HEAD
    explained = ", ".join(re.findall(r"^\| ([^|]+) \|", PAGE, re.MULTILINE)).split(", ")
    assert set(HEAD) - {"stage", "channels"} <= set(explained)
    assert f"{LOCAL:.0%}" == "67%"
    assert f"at least {FEWEST_CELLS} x {FEWEST_CELLS} cells" in PAGE


@pytest.mark.slow
def test_the_page_shows_what_the_tool_prints():
    (printed,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert describe_backbone("torchvision/r2plus1d_18").lines() == printed.splitlines()


def test_columns_of_a_table_are_aligned():
    lines = aligned_table(("a", "b", "c"), [("xx", "1", "z"), ("y", "100", "")], left=("a",))
    assert lines == ["a      b   c", "xx     1   z", "y    100"]
