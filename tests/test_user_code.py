"""Functions of the user's own code, named by settings."""

import pytest

from stn_action.errors import InputError
from stn_action.user_code import code_file, names_code, user_object, user_result


def test_a_name_of_a_module_and_of_a_file_gives_the_same(tmp_path, monkeypatch):
    (tmp_path / "mine_of_test.py").write_text("def make():\n    return 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert user_object("python:mine_of_test:make", "x")() == 7
    assert user_object(f"python:{tmp_path}/mine_of_test.py:make", "x")() == 7
    monkeypatch.chdir(tmp_path)
    assert user_object("python:mine_of_test.py:make", "x")() == 7


def test_a_changed_file_is_read_again(tmp_path):
    file = tmp_path / "mine.py"
    for number in (1, 22):
        file.write_text(f"make = lambda: {number}\n")
        assert user_object(f"python:{file}:make", "x")() == number


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("small3d", "model.backbone small3d: expected python:MODULE:NAME"),
        ("python:math", "expected python:MODULE:NAME"),
        ("python:nowhere_at_all:x", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("python:math:nothing", "math has no function or class 'nothing'"),
        ("python:math:pi", "math has no function or class 'pi'"),
        ("python:absent.py:x", r"there is no file absent.py \(paths start from "),
    ],
)
def test_what_cannot_be_imported_is_named(name, message):
    with pytest.raises(InputError, match=message):
        user_object(name, "model.backbone")


def test_an_error_in_the_code_is_named_with_its_line(tmp_path):
    file = tmp_path / "broken.py"
    file.write_text("import math\n\ndef make():\n    return 1 / 0\n")
    make = user_object(f"python:{file}:make", "x")
    with pytest.raises(InputError, match=rf"x: ZeroDivisionError: .* \({file}, line 4\)"):
        user_result(make, "x")
    file.write_text("x = [\n")
    with pytest.raises(InputError, match=r"SyntaxError: .*broken.py, line 1"):
        user_object(f"python:{file}:make", "x")


def test_code_is_told_from_names_of_trunks():
    assert names_code("python:a:b")
    assert not names_code("timm/resnet18")
    assert not names_code(None)
    assert str(code_file("python:dir/a.py:b")) == "dir/a.py"
    assert code_file("python:a.b:c") is code_file("hf/python.py") is None
