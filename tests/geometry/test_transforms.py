import pytest

from stn_action.errors import InputError
from stn_action.geometry.theta import AFFINE, PROJECTIVE, SPLINE, VOLUMETRIC
from stn_action.geometry.transforms import TRANSFORMS, build_transform

NUM_PARAMETERS = {
    "translation": 2,
    "attention": 3,
    "anisotropic": 4,
    "similarity": 4,
    "affine": 6,
    "projective": 8,
    "tps": 32,
    "volumetric": 12,
}
THETA_SHAPES = {"projective": PROJECTIVE, "tps": SPLINE, "volumetric": VOLUMETRIC}
every_family = pytest.mark.parametrize("name", TRANSFORMS)


@every_family
def test_each_family_has_its_parameters_and_its_kind_of_theta(name):
    family = TRANSFORMS[name]
    assert family.name == name
    assert family.num_parameters == NUM_PARAMETERS[name]
    assert family.theta_shape == THETA_SHAPES.get(name, AFFINE)


@every_family
def test_a_family_is_built_by_its_name(name):
    transform = build_transform(name, 3, start_scale=0.4, bounded=False)
    assert transform == TRANSFORMS[name](3, start_scale=0.4, bounded=False)


def test_an_unknown_family_is_refused_with_the_known_ones():
    message = (
        r"transform must be one of \['affine', 'anisotropic', 'attention', 'projective', "
        r"'similarity', 'tps', 'translation', 'volumetric'\], got 'afine'"
    )
    with pytest.raises(InputError, match=message):
        build_transform("afine", 1)


@every_family
def test_an_unknown_setting_is_refused_with_the_known_ones(name):
    message = rf"{name} has no setting scale, speed; it has bounded, .*max_scale, min_scale, .*"
    with pytest.raises(InputError, match=message):
        build_transform(name, 1, speed=1, scale=0.5, bounded=True)


def test_own_settings_of_a_family_are_known():
    assert build_transform("similarity", 1, max_angle=0.5).max_angle == 0.5
    assert build_transform("projective", 1, max_perspective=0.3).max_perspective == 0.3
    assert build_transform("volumetric", 1, start_time=0.6).start_time == 0.6
    with pytest.raises(InputError, match=r"affine has no setting max_angle; it has bounded, "):
        build_transform("affine", 1, max_angle=0.5)
