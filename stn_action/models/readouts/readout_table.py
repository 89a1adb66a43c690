"""The read-outs by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stn_action.errors import InputError
from stn_action.geometry.transform_choices import Padding, Sampler, TransformName
from stn_action.geometry.transforms import build_transform
from stn_action.models.heads import FocusHeads
from stn_action.models.localization_table import LocalizationSettings
from stn_action.models.model_choices import (
    READOUTS,
    LocalizationName,
    ReadoutName,
    Start,
    ThetaPer,
)
from stn_action.models.readouts.attention_readout import AttentionReadout
from stn_action.models.readouts.foreground_readout import ForegroundReadout
from stn_action.models.readouts.plain_readouts import MaxReadout, MeanReadout
from stn_action.models.readouts.readout import Readout
from stn_action.models.readouts.saliency_readout import SALIENCY_SHARE, SaliencyReadout
from stn_action.models.readouts.window_readout import WindowReadout


@dataclass(frozen=True)
class ReadoutSettings:
    """The settings of all read-outs, as of `plug`; each takes those it has."""

    heads: int = 4
    """Windows, queries of attention, rectangles of saliency; the others have one description."""
    theta_per: ThetaPer = "clip"
    """Of windows, attention and saliency."""
    detach: bool = True
    """Of windows and attention."""
    motion: bool = True
    """Of windows and attention."""
    saliency_share: tuple[float, float] = SALIENCY_SHARE
    transform: TransformName = "attention"
    theta_smoothing: int = 1
    start: Start = "tiles"
    localization: LocalizationName | LocalizationSettings = "grid"
    localization_size: tuple[int, int] | None = None
    gain: float = 300.0
    sampler: Sampler = "auto"
    padding: Padding = "zeros"
    transform_settings: Mapping[str, float | bool | None] = field(default_factory=dict)


def build_readout(
    name: ReadoutName, channels: int, settings: ReadoutSettings | None = None
) -> Readout:
    """Build the read-out called `name` for maps of `channels` channels.

    Raises:
        InputError: there is no such read-out, or a setting is wrong for it.
    """
    check_readout(name)
    return READOUT_BUILDERS[name](channels, settings or ReadoutSettings())


def check_readout(name: str) -> None:
    """Raise an InputError that lists all read-outs unless `name` is one."""
    if name not in READOUTS:
        raise InputError(f"readout must be one of {', '.join(READOUTS)}, got {name!r}")


def _windows(channels: int, settings: ReadoutSettings) -> WindowReadout:
    family = build_transform(settings.transform, settings.heads, **settings.transform_settings)
    heads = FocusHeads(
        channels, family, theta_per=settings.theta_per, theta_smoothing=settings.theta_smoothing,
        start=settings.start, localization=settings.localization, gain=settings.gain,
        detach=settings.detach, motion=settings.motion,
        localization_size=settings.localization_size, sampler=settings.sampler,
        padding=settings.padding,
    )  # fmt: skip
    return WindowReadout(heads)


def _attention(channels: int, settings: ReadoutSettings) -> AttentionReadout:
    return AttentionReadout(
        channels, settings.heads, per=settings.theta_per, detach=settings.detach,
        motion=settings.motion,
    )  # fmt: skip


def _saliency(channels: int, settings: ReadoutSettings) -> SaliencyReadout:
    return SaliencyReadout(settings.heads, share=settings.saliency_share, per=settings.theta_per)


READOUT_BUILDERS: dict[ReadoutName, Callable[[int, ReadoutSettings], Readout]] = {
    "windows": _windows,
    "attention": _attention,
    "saliency": _saliency,
    "foreground": lambda channels, settings: ForegroundReadout(),
    "max": lambda channels, settings: MaxReadout(),
    "mean": lambda channels, settings: MeanReadout(),
}
