"""What the base install can do, and how each missing extra is named."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from stn_action.extras import EXTRAS, MissingExtraError, missing_extra, needs_extra

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "stn_action").rglob("*.py"))
IMPORT_NAMES = {"opencv-python": "cv2", "huggingface-hub": "huggingface_hub"}
COLORS = "python:tests.person.scene:ColorDetector"
BLOCK = """
import sys
from importlib.machinery import PathFinder


class Present(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            return None
        return super().find_spec(name, path, target)

    @staticmethod
    def find_distributions(*context):
        found = PathFinder.find_distributions(*context)
        names = {absent}
        return (one for one in found if one.name.lower().replace("-", "_") not in names)


sys.meta_path[:] = [Present if one is PathFinder else one for one in sys.meta_path]
"""
BASE = """
import stn_action, torch
from stn_action import SpatialTransformer, plug
from stn_action.training.optim import clip_gradients, parameter_groups

assert SpatialTransformer(channels=4, size=(3, 3))(torch.rand(2, 4, 8, 8)).shape == (2, 4, 3, 3)
layers = torch.nn.Conv3d(3, 8, 3), torch.nn.AdaptiveAvgPool3d(1), torch.nn.Flatten()
model = plug(torch.nn.Sequential(*layers), "0", heads=2, num_classes=5)
assert model(torch.zeros(1, 3, 4, 32, 32)).logits.shape == (1, 5)
parameter_groups(model, lr=0.1, relative_lr=1e-3, weight_decay=0)

later = []
for name in stn_action.__all__:
    try:
        getattr(stn_action, name)
    except ImportError as error:
        assert isinstance(error, stn_action.InputError), error
        later.append(f"{name}: {error}")
assert later == LATER, later

from stn_action.models.backbones.backbone_table import BACKBONES, build_backbone

for name in ("timm/resnet18", "pytorchvideo/x3d_xs", "hf/videomae_small"):
    try:
        build_backbone(name)
    except stn_action.InputError as error:
        print(error)

sys.argv = ["tools/train.py", "configs/sample_st.yaml"]
from tools.train import main
print(main())
"""
LATER = [
    f"{name}: stn_action.{name}: cv2 is not installed: pip install 'stn_action[video]'"
    for name in ("Predictor", "TrainResult", "train")
]
TOLD = [
    "model.backbone timm/resnet18: timm is not installed: pip install 'stn_action[hub]'",
    "model.backbone pytorchvideo/x3d_xs: pytorchvideo is not installed: "
    "pip install 'stn_action[hub]'",
    "model.backbone hf/...: transformers is not installed: pip install 'stn_action[hf]'",
    "2",
]


def without(blocked: set[str]) -> str:
    """Code after which Python finds neither these libraries nor their metadata."""
    absent = {"opencv_python" if name == "cv2" else name for name in blocked}
    return BLOCK.format(blocked=blocked, absent=absent)


def test_the_base_install_has_heads_and_names_the_extra_of_all_else():
    program = without(set(EXTRAS)) + BASE.replace("LATER", repr(LATER))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == TOLD
    assert done.stderr == "error: cv2 is not installed: pip install 'stn_action[video]'\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("extras", "command"),
    [
        ({"video"}, ["predict", "--checkpoint", "{run}/last.pt", "{data}/test/left/0.mp4"]),
        ({"video"}, ["visualize", "--checkpoint", "{run}/last.pt", "test", "--out", "{out}"]),
        ({"video"}, ["check_videos", "{data}", "--out", "{out}/manifest.tsv"]),
        ({"video", "train"}, ["preview", "{run}/config.yaml", "--out", "{out}"]),
        ({"video", "train"}, ["train", "{run}/config.yaml", "train.output_dir={out}/run"]),
        ({"video", "train"}, ["evaluate", "--checkpoint", "{run}/last.pt", "--out", "{out}"]),
        ({"video", "people", "download"}, ["detect_people", "{data}", "--out", "{out}/p.sqlite",
                                           "--detector", COLORS]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "+".join(sorted(value)),
)  # fmt: skip
def test_a_tool_needs_no_more_than_its_extras(extras, command, tiny_run, tiny_data, tmp_path):
    """`supervision`, of the extra people, brings what the extra download names."""
    blocked = {library for library, extra in EXTRAS.items() if extra not in extras}
    tool, *given = command
    places = {"run": tiny_run.folder, "data": tiny_data, "out": tmp_path}
    arguments = [argument.format(**places) for argument in given]
    program = f"""{without(blocked)}
from tools.{tool} import main
raise SystemExit(main({arguments!r}))"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_table_of_extras_is_that_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {
        IMPORT_NAMES.get(package, package): extra
        for extra, lines in project["optional-dependencies"].items()
        if extra not in ("all", "dev")
        for line in lines
        if not (package := line.split(">")[0].split("=")[0]).startswith("stn_action")
    }
    assert declared == EXTRAS
    extras = project["optional-dependencies"]
    assert extras["dev"][0] == "stn_action[all]"
    named = set(extras["all"][0].removeprefix("stn_action[").removesuffix("]").split(","))
    assert named | {"video", "hf"} == set(EXTRAS.values())  # those two come with others


def test_imports_inside_functions_name_their_extra():
    """Imports at the top of a file are named where a public name or a tool asks for the file."""
    found = {path.stem: lines for path in FILES if (lines := bare_imports(path))}
    assert found == {}


def bare_imports(path: Path) -> list[int]:
    """Lines of a file that import a library of an extra in a function, without naming it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = {
        id(inner)
        for block in ast.walk(tree)
        if isinstance(block, ast.With) and "needs_extra" in ast.dump(block.items[0])
        for inner in ast.walk(block)
    }
    return [
        node.lineno
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if libraries(node) & EXTRAS.keys() and id(node) not in guarded
    ]


def libraries(node: ast.AST) -> set[str]:
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    return {name.partition(".")[0] for name in names}


def test_only_a_library_that_is_not_there_is_a_missing_extra():
    error = ModuleNotFoundError("No module named 'av.x'", name="av.x")
    assert missing_extra(error) == "av is not installed: pip install 'stn_action[video]'"
    assert missing_extra(ModuleNotFoundError("x", name="numpy")) is None
    assert missing_extra(ImportError("libGL.so.1", name="cv2")) is None
    with pytest.raises(MissingExtraError, match=r"^decoding: av is not"), needs_extra("decoding"):
        raise error
    with pytest.raises(ModuleNotFoundError, match=r"^ours$"), needs_extra("decoding"):
        raise ModuleNotFoundError("ours", name="stn_action.nothing")
