from stn_action.geometry.transform_choices import SAMPLERS, TRANSFORM_NAMES, TrainableSampler
from stn_action.geometry.transforms import TRANSFORMS


def test_the_names_of_the_families_are_those_of_the_table():
    assert tuple(TRANSFORMS) == TRANSFORM_NAMES


def test_all_samplers_but_nearest_can_be_trained():
    assert set(SAMPLERS) == {*TrainableSampler.__args__, "nearest"}
