"""The heads in a configuration: `model.focus`."""

from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from stn_action.config.types import (
    Count,
    Heads,
    NameOrNone,
    NotNegative,
    OddCount,
    PathText,
    Positive,
    Section,
    Share,
    SizeHW,
    Switch,
    Text,
    Whole,
)
from stn_action.geometry.transform_choices import (
    AXIS_ALIGNED,
    Padding,
    TrainableSampler,
    TransformName,
)
from stn_action.models.model_choices import (
    BACKBONE_LIBRARIES,
    BACKBONES_BY_NAME,
    PYTHON,
    Glimpse,
    LocalizationName,
    LocalizationPadding,
    ReadoutName,
    Start,
    ThetaPer,
    WindowGradient,
    backbone_choices,
    is_backbone_name,
)


def _known_backbone(name: str) -> str:
    if not is_backbone_name(name):
        raise ValueError(f"expected one of {backbone_choices()}")
    return name


def _index_or_key(value: object) -> object:
    """Return the number that a text of digits means, as it is typed on the command line."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


OutputName = Annotated[Whole | Text, BeforeValidator(_index_or_key)]
BackboneName = Annotated[
    str,
    AfterValidator(_known_backbone),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(BACKBONES_BY_NAME)},
                {"type": "string", "pattern": f"^({'|'.join(BACKBONE_LIBRARIES)})/."},
                {"type": "string", "pattern": f"^{PYTHON}.+:[A-Za-z_][A-Za-z0-9_]*$"},
            ]
        }
    ),
]


class FocusConfig(Section):
    """The spatial transformer heads."""

    at: Text | tuple[Text, ...]
    """Stage of the trunk whose feature map the heads attend to, by module path; or a list of
    stages, which get heads of their own each, with the same settings."""
    output: OutputName | tuple[OutputName | None, ...] | None = None
    """Which of several maps that the stage returns, counted from 0 (in a dict its key): of SlowFast
    0 is the slow pathway, 1 the fast one. null: the stage returns one. Of several stages a list:
    both pathways are `at` with the stage twice and [0, 1]."""
    heads: Heads = 4
    """Number of heads at a stage: of windows, queries of attention or rectangles of saliency (the
    other read-outs have one description whatever it is); 0: none, the plain trunk."""
    readout: ReadoutName = "windows"
    """Reading of the map: windows (the heads), or to compare with attention (learned queries, a
    softmax over the cells), saliency (the smallest rectangles that hold a share of the activation),
    foreground (the mean of the cells inside the image and the person's box), max or mean over all
    cells. Settings that are of windows alone do not affect the others."""
    saliency_share: tuple[Share, Share] = (0.5, 0.9)
    """Read-out saliency: smallest and largest share of the activation in a rectangle; those of
    several heads are evenly spaced, that of a single one is in the middle."""
    transform: TransformName = "attention"
    """Family of the windows: translation (fixed scale), attention (scale and translation),
    anisotropic (one scale per axis), similarity (scale, rotation, translation), affine (six
    parameters), projective, tps (thin-plate spline), volumetric (affine in space and time)."""
    bounded: Switch = True
    """Keep windows inside the map and their scale within bounds; false: theta = start + output of
    the localization network."""
    glimpse: Glimpse | None = None
    """tail: glimpses pass through the rest of the trunk; pooled: glimpses are averaged; in_line:
    glimpses replace the map, those of several heads side by side in channels; zoom: the trunk sees
    the clip reduced, then the windows cut out of it at its full size. null: tail for windows,
    pooled for the other read-outs, of which saliency and attention can zoom, too."""
    look_size: SizeHW | None = None
    """Zoom: height and width of the clip that the trunk sees first, at most `data.crop.size`; one
    number for a square."""
    glimpse_size: SizeHW | None = None
    """Zoom: height and width of a glimpse in pixels; one number for a square."""
    window_gradient: WindowGradient = "pixels"
    """Zoom: what moves the windows: the pixels of their glimpses, or the means of the map in them,
    which get auxiliary classifiers (map; needs `branch_loss`)."""
    glimpse_backbone: BackboneName | None = None
    """Zoom: a trunk of its own for glimpses; null: the one that sees the clip first."""
    glimpse_weights: NameOrNone = None
    """Zoom: weights of `glimpse_backbone`: published ones, or a file; null: random ones."""
    theta_per: ThetaPer = "clip"
    """One window (of attention, one map of weights) per clip, or one per time step of the feature
    map."""
    gain: Positive | Literal["auto"] = "auto"
    """Gain of the equalized localization network; auto: the default of the optimizer."""
    theta_smoothing: OddCount = 1
    """One window per time step: number of steps over which it is averaged, odd; 1: no smoothing."""
    start: Start = "tiles"
    """Initial windows: tiles of the map, or of the foreground: the person's box in each clip (the
    image where there is no person); only with translation, attention and anisotropic."""
    localization: LocalizationName = "grid"
    """Localization network: grid (numbers from a small grid of features), heatmap (one heat map
    per head, whose mean and variance are the window; only with translation, attention and
    anisotropic), dense, convolutional or svhn (plain layers, as in the spatial transformer paper's
    experiments on digits and on house numbers, at a relative learning rate near 1), or trunk
    (copies of the trunk's stages behind `at`; with motion false)."""
    localization_padding: LocalizationPadding = "zeros"
    """Values outside the map in the localization network: zeros, or replicate, the nearest cell."""
    localization_weights: PathText | None = None
    """File with the initial weights of the localization network's layers but the last (a state
    dict, or a run's checkpoint in which they are part of a classifier); null: random ones."""
    localization_kernels: tuple[OddCount, ...] = (7, 5)
    """Sides of the localization network's convolutions behind the reduction, odd."""
    localization_channels: Count = 32
    """Channels of the localization network's hidden layers."""
    localization_grid: Count = 7
    """Localization grid: its height and width; 1: pooled globally, which loses where things are."""
    localization_size: SizeHW | None = None
    """Height and width that the map is reduced to for the localization network, at most its own;
    one number for a square. null: as it is. Large maps, such as the clip itself, are cheaper so."""
    localization_stages: tuple[Text, ...] = ()
    """Localization trunk: the stages that are copied, by module path, one behind the other."""
    localization_pretrained: Switch = True
    """Localization trunk: keep the weights of the stages; false: random ones."""
    start_scale: Share | None = None
    """Initial side of each window, as a share of the map's side; null: the family's default, which
    is 1 (the identity) for one unbounded window and 0.5 otherwise."""
    min_scale: Share = 0.2
    """Bounded windows: smallest side, as a share of the map's side."""
    max_scale: Share = 0.95
    """Bounded windows: largest side, as a share of the map's side."""
    detach: Switch = True
    """Stop the gradients of the localization network, or of attention's keys, before the trunk."""
    motion: Switch = True
    """Add the change of the map over time to the input of the localization network, or of
    attention's keys."""
    sampler: TrainableSampler = "auto"
    """Sampling of glimpses; auto: area for axis-aligned families, grid for all others."""
    padding: Padding = "zeros"
    """Values outside the map: zeros, or the nearest border pixel."""
    branch_loss: NotNegative = 1.0
    """Loss weight of the auxiliary classifiers, one per branch; 0: no auxiliary classifiers."""
    diversity_loss: NotNegative = 0.0
    """Loss weight of the overlap between heads; for windows."""
    in_bounds_loss: NotNegative = 0.0
    """Loss weight of the part of a window outside the map; for unbounded windows."""
    random_glimpse_loss: NotNegative = 0.0
    """Loss weight of an additional training branch with a random window; 0: no such branch."""

    @property
    def stages(self) -> tuple[str, ...]:
        """Return the stages that the heads attend to."""
        return (self.at,) if isinstance(self.at, str) else self.at

    @model_validator(mode="after")
    def _placements_fit(self) -> Self:
        outputs = self.output if isinstance(self.output, tuple) else [self.output]
        if not self.stages or (isinstance(self.output, tuple) and len(outputs) != len(self.stages)):
            raise ValueError(
                f"at {self.at}, output {self.output}: expected a stage, or a list of stages with "
                "as many outputs, if any"
            )
        if len(self.stages) == 1:
            return self
        if self.glimpse == "zoom" or self.random_glimpse_loss or self.localization == "trunk":
            raise ValueError(
                f"at {list(self.stages)}: glimpse zoom, random_glimpse_loss and localization trunk "
                "are of heads at one stage"
            )
        if self.glimpse == "in_line" and self.heads > 1:
            raise ValueError(f"at {list(self.stages)}: glimpse in_line: expected heads 1 at each")
        return self

    @field_validator("saliency_share")
    @classmethod
    def _share_in_order(cls, share: tuple[float, float]) -> tuple[float, float]:
        if share[0] > share[1]:
            raise ValueError("expected [smallest, largest]")
        return share

    @model_validator(mode="after")
    def _settings_of_the_readout(self) -> Self:
        if self.readout == "windows":
            return self
        if self.glimpse not in (None, "pooled", "zoom"):
            raise ValueError(
                f"model.focus.readout {self.readout}: expected model.focus.glimpse pooled, got "
                f"{self.glimpse}; only model.focus.readout windows has glimpses for the rest of "
                "the trunk"
            )
        if self.glimpse == "zoom" and self.readout not in ("saliency", "attention"):
            raise ValueError(
                f"model.focus.readout {self.readout} has no windows: expected windows, saliency or "
                "attention with model.focus.glimpse zoom"
            )
        for name in ("diversity_loss", "in_bounds_loss"):
            if getattr(self, name):
                raise ValueError(
                    f"model.focus.{name} is for windows: expected 0 with model.focus.readout "
                    f"{self.readout}, got {getattr(self, name):g}"
                )
        return self

    @model_validator(mode="after")
    def _in_line_has_a_head(self) -> Self:
        if self.glimpse == "in_line" and (self.heads < 1 or self.random_glimpse_loss):
            raise ValueError("glimpse in_line: expected heads 1 or more, random_glimpse_loss 0")
        return self

    @model_validator(mode="after")
    def _zoom_is_complete(self) -> Self:
        zoom = self.glimpse == "zoom"
        if zoom != (self.look_size is not None) or zoom != (self.glimpse_size is not None):
            raise ValueError(
                f"glimpse {self.glimpse}, look_size {self.look_size}, glimpse_size "
                f"{self.glimpse_size}: glimpse zoom needs both sizes, the others have none"
            )
        if not zoom and (self.glimpse_backbone or self.window_gradient != "pixels"):
            raise ValueError("glimpse_backbone and window_gradient map are of glimpse zoom alone")
        if zoom and (self.heads < 1 or self.random_glimpse_loss):
            raise ValueError("glimpse zoom: expected heads 1 or more, random_glimpse_loss 0")
        if self.window_gradient == "map" and not self.branch_loss:
            raise ValueError("window_gradient map: expected a branch_loss above 0, which it is")
        return self

    @model_validator(mode="after")
    def _copied_stages(self) -> Self:
        if (self.localization == "trunk") != bool(self.localization_stages):
            raise ValueError(
                f"localization {self.localization}, localization_stages "
                f"{list(self.localization_stages)}: expected stages with localization trunk, which "
                "copies them, and none with the others"
            )
        if self.localization == "trunk" and self.motion:
            raise ValueError(
                "localization trunk: expected motion false, as the copied stages take the map alone"
            )
        return self

    @model_validator(mode="after")
    def _smoothing_has_steps(self) -> Self:
        if self.theta_smoothing > 1 and self.theta_per != "step":
            raise ValueError(f"theta_smoothing {self.theta_smoothing}: expected theta_per step")
        return self

    @model_validator(mode="after")
    def _axis_aligned(self) -> Self:
        if self.transform in AXIS_ALIGNED:
            return self
        for name, value in {"localization": "heatmap", "start": "foreground"}.items():
            if getattr(self, name) == value:
                raise ValueError(
                    f"{name} {value}: expected transform {', '.join(AXIS_ALIGNED[:-1])} or "
                    f"{AXIS_ALIGNED[-1]}, got {self.transform}"
                )
        return self

    @model_validator(mode="after")
    def _scales_in_order(self) -> Self:
        start = 0.5 if self.start_scale is None else self.start_scale
        if self.bounded and not self.min_scale < start < self.max_scale:
            raise ValueError(
                "expected min_scale < start_scale < max_scale, got "
                f"{self.min_scale}, {start}, {self.max_scale}"
            )
        return self
