"""What the README and the pages it leads to show works as it stands there."""

import re
import shlex
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from stn_action.config.schema import load_config
from tests.tiny import tiny_settings, write_config

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    page: (ROOT / page).read_text(encoding="utf-8")
    for page in (
        "README.md",
        *(
            f"docs/{name}.md"
            for name in (
                "plug", "people", "videos", "training", "predict", "layouts", "looking", "timeline",
                "probe", "transforms",
            )
        ),
    )
}  # fmt: skip
COMMANDS = sorted(
    {
        line.split("#")[0].strip()
        for text in PAGES.values()
        for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
        if line.startswith("python tools/")
    }
)
LINKS = sorted(
    {
        (page, link)
        for page, text in PAGES.items()
        for link in re.findall(r"\]\(((?!http)[^)]+)\)", text)
    }
)


def run_examples(page: str) -> dict[str, object]:
    """Execute the Python blocks of a page, one after another; return the names they leave."""
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGES[page], re.DOTALL):
        exec(compile(block, page, "exec"), names)
    return names


@pytest.fixture
def beside_a_demo_run(tiny_run, tiny_data, tmp_path, monkeypatch):
    """A folder with the checkpoint that `make demo` writes, a video, and a configuration."""
    write_config(tmp_path / "MY_VIDEOS.yaml", tiny_settings(tiny_data))
    (tmp_path / "runs/demo/heads_seed0").mkdir(parents=True)
    shutil.copy(tiny_run.folder / "last.pt", tmp_path / "runs/demo/heads_seed0")
    shutil.copy(tiny_data / "test/left/0.mp4", tmp_path / "video.mp4")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("beside_a_demo_run")
def test_the_python_examples_of_the_readme_run_as_written():
    names = run_examples("README.md")
    assert names["scores"].shape == (8, 10)
    assert names["result"].checkpoint.exists()
    assert names["prediction"].logits.shape == (2, 101)
    assert names["prediction"].focus[0].theta.shape == (2, 4, 1, 2, 3)
    assert names["predictor"].predict("video.mp4").probabilities.shape == (3,)


def test_the_python_examples_of_heads_in_your_own_network_run_as_written():
    names = run_examples("docs/plug.md")
    assert names["prediction"].logits.shape == (2, 101)
    assert names["scores"].shape == (8, 10)
    assert names["network"](torch.rand(2, 3, 224, 224)).logits.shape == (2, 200)


@pytest.mark.usefixtures("beside_a_demo_run")
def test_the_python_example_of_a_prediction_runs_as_written():
    assert run_examples("docs/predict.md")["prediction"].probabilities.shape == (3,)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_names_a_tool_and_settings_that_exist(command):
    _, tool, *arguments = shlex.split(command)
    source = (ROOT / tool).read_text(encoding="utf-8")
    for option in (argument for argument in arguments if argument.startswith("--")):
        assert f'"{option}"' in source, f"{tool} has no {option}"
    configs = [argument for argument in arguments if argument.startswith("configs/")]
    if configs:
        overrides = [
            argument
            for before, argument in pairwise(arguments)
            if "=" in argument and before not in ("--sweep", "--reference", "--variant")
        ]
        load_config(ROOT / configs[0], overrides)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"^make (\w+)", README, re.MULTILINE))))
def test_every_make_target_exists(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_every_link_leads_to_a_file_and_a_heading(page, link):
    file, _, heading = link.partition("#")
    target = (ROOT / page).parent / file if file else ROOT / page
    assert target.exists()
    if heading:
        titles = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        anchors = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
        assert heading in anchors


def test_every_page_is_named_in_the_readme():
    unnamed = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    assert not unnamed - set(re.findall(r"\]\((docs/\w+\.md)", README))
