from stn_action.models.model_choices import TEMPORALS, backbone_choices, is_backbone_name
from stn_action.models.temporal import TEMPORAL


def test_the_temporal_choices_are_those_of_the_table():
    assert set(TEMPORALS) == set(TEMPORAL)


def test_a_trunk_has_a_row_or_a_library():
    assert is_backbone_name("small3d")
    assert is_backbone_name("timm/resnet18")
    assert is_backbone_name("python:a.b:make")
    assert is_backbone_name("python:dir/a b.py:make")
    for name in ("python:", "python:a", "python::a", "python:a:", "python:a:b-c"):
        assert not is_backbone_name(name), name
    for name in ("timm/", "timm", "timm/ ", "small3d/big", "torchvision/r4d", "resnet18", ""):
        assert not is_backbone_name(name), name
    assert backbone_choices().endswith(
        ", timm/<model>, digits/<model>, svhn/<model>, hf/<model>, python:<module>:<function> or "
        "small3d"
    )
    assert "pytorchvideo/slow_r50, " in backbone_choices()
