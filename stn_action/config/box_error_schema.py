"""The `data.crop.box_error` section of a configuration: errors of person boxes, some by name."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator
from pydantic.config import JsonDict

from stn_action.config.types import Number, Probability, Section, Whole

_Margin = Annotated[Number, Field(gt=-0.5, le=5)]


class BoxErrorConfig(Section):
    """Errors of the person boxes, drawn once for each video, the same in training and tests.

    `none`, `mild`, `strong`, or the settings of this section. The draws depend on `seed` and the
    name of the video alone. All people of a video have its error, each in units of their own box
    and the same in every frame, before data.tubes.select (a union is that of the wrong boxes) and
    before data.crop.looseness. Wrong boxes may reach beyond the frame: data.crop.beyond applies.
    Predictions of single videos use boxes as they are.
    """

    NAMED: ClassVar[Mapping[str, dict[str, Any] | None]] = {
        "none": None,
        "mild": {"looseness": [-0.1, 0.15], "shift": 0.1, "cut": 0.5, "seed": 0},
        "strong": {"looseness": [0.0, 1.5], "shift": 0.5, "cut": 0.2, "seed": 0},
    }
    """The settings that a name stands for.

    `mild` fits what YOLOX-nano's boxes of low score (0.05 to 0.25) are like on the test clips of
    J-HMDB's split 1, see "What a detector's boxes are like" in docs/results.md. `strong` is worse
    than any detector: the scale and the place of the person in the crop are unknown.
    """

    looseness: tuple[_Margin, _Margin] = (0.0, 0.0)
    """Smallest and largest share of the person's box that is added on each side; negative: taken
    away."""
    shift: Annotated[Number, Field(ge=0, le=5)] = 0.0
    """The box moves by up to this share of the person's width and height."""
    cut: Probability = 0.0
    """Probability that one side is cut off: it is inside the person's box by up to half of it. A
    quarter of the person's width and of the height stays inside the box, whatever the error."""
    seed: Whole = 0
    """Random seed of the draws; train.seed does not change them."""

    @classmethod
    def expanded(cls, value: Any) -> Any:
        """Return the settings that a name stands for."""
        return cls.NAMED.get(value, value) if isinstance(value, str) else value

    @field_validator("looseness")
    @classmethod
    def _in_order(cls, looseness: tuple[float, float]) -> tuple[float, float]:
        if looseness[0] > looseness[1]:
            raise ValueError("expected [smallest, largest]")
        return looseness

    def describe(self) -> str:
        """Return the name of these errors, with a seed that is not 0; else all settings."""
        seed = f", seed {self.seed}" if self.seed else ""
        for name, settings in self.NAMED.items():
            if settings and BoxErrorConfig(**{**settings, "seed": self.seed}) == self:
                return f"{name}{seed}"
        low, high = self.looseness
        return f"looseness {low:g} to {high:g}, shift {self.shift:g}, cut {self.cut:g}{seed}"


def allow_names(schema: JsonDict) -> None:
    """Add the names of box errors to the JSON schema of a setting that is a `BoxErrorConfig`."""
    choices = schema["anyOf"]
    assert isinstance(choices, list)
    choices.insert(0, {"enum": [*BoxErrorConfig.NAMED], "type": "string"})
