"""Networks from configurations and checkpoints, and their description at the start of a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from stn_action.config.renamed_keys import settings_meant_by
from stn_action.config.schema import Config, config_from_dict
from stn_action.errors import InputError
from stn_action.models.backbones.backbone_table import backbone_spec, build_backbone
from stn_action.models.backbones.trunk_weights import note_weights
from stn_action.models.glimpse_hook import RandomWindows
from stn_action.models.input_size import described_thw
from stn_action.models.localization_weights import load_localization
from stn_action.models.network import FocusedNetwork
from stn_action.models.plug import plug
from stn_action.models.trunk_localization import TrunkLocalization
from stn_action.models.weight_layout import lay_out_trunk
from stn_action.training.checkpoint_content import check_weights, positions_in
from stn_action.training.optim import DEFAULT_GAIN
from stn_action.user_code import names_code
from stn_action.weights import read_state_dict

OWN_FILES = ("data.people", "data.manifest", "data.regions")
"""Settings of a checkpoint that name files of the machine where it was trained."""
BUILT_HERE = ("_loss", "_weights", "glimpse_backbone")
"""Ends of the settings of heads that are none of `plug`'s."""


def build_network(config: Config, num_outputs: int, *, with_weights: bool = True) -> FocusedNetwork:
    """Build the trunk with its heads.

    Args:
        config: the experiment.
        num_outputs: width of the classifier, see `Listing.num_outputs`.
        with_weights: whether to load `model.weights`; not when a checkpoint's follow.

    Raises:
        InputError: an unknown trunk, stage or weights.
    """
    model, focus = config.model, config.model.focus
    _check_clip(config)
    weights = model.weights if with_weights else None
    of_run = trunk_of_run(weights)
    backbone = build_backbone(
        model.backbone, weights=weights if of_run is None else None, temporal=model.temporal,
        temporal_shift=model.temporal_shift,
    )  # fmt: skip
    settings: dict[str, Any] = {"heads": 0}
    if focus is not None:
        settings = {
            **{name: value for name, value in focus if not name.endswith(BUILT_HERE)},
            "glimpse_trunk": _glimpse_trunk(config, with_weights),
            "gain": gain_of(config),
            "branch_classifiers": focus.branch_loss > 0,
            "random_windows": RandomWindows() if focus.random_glimpse_loss else None,
        }
    network = plug(
        backbone.trunk, num_classes=num_outputs, dropout=model.dropout, temporal=model.temporal,
        mean=backbone.spec.mean, std=backbone.spec.std, example=example_clip(config),
        features_from=model.features_from, **settings,
    )  # fmt: skip
    if of_run is not None:
        _load_state(
            network.trunk, of_run, f"model.weights={weights}: the trunk of this run is another one",
            "Set model.backbone, model.temporal and model.features_from as in the run",
        )  # fmt: skip
        note_weights(network.trunk, str(weights), len(of_run), "the trunk of a run")
        for localization in _localizations(network):
            if isinstance(localization, TrunkLocalization):
                localization.take_weights(network.trunk)
    if with_weights and focus is not None and focus.localization_weights is not None:
        _load_localizations(network, focus.localization_weights)
    if model.freeze_until is not None:
        network.freeze_until(model.freeze_until, example_clip(config))
    if model.freeze_batch_norm or config.train.batch_norm == "frozen":
        network.freeze_batch_norm(affine=model.freeze_batch_norm)
    if config.train.channels_last:
        lay_out_trunk(network.trunk, example_clip(config), "train.channels_last")
    return network


def _load_localizations(network: FocusedNetwork, path: str | Path) -> None:
    """Load the layers of all localization networks from a file; see `load_localization`.

    Raises:
        InputError: there are none, or the file does not fit.
    """
    localizations = _localizations(network)
    if not localizations:
        raise InputError(
            "model.focus.localization_weights: there are no windows whose localization network "
            "could have them; set it to null"
        )
    for localization in localizations:
        load_localization(localization, path)


def _localizations(network: FocusedNetwork) -> list[nn.Module]:
    """Return the localization networks of all placements of windows."""
    return [one.heads.localization for one in network.placements if one.heads is not None]


def _check_clip(config: Config) -> None:
    """Check that a trunk of clips of one length and size gets these.

    Raises:
        InputError: it does not; names the settings.
    """
    spec, focus = backbone_spec(config.model.backbone), config.model.focus
    if not spec.fixed_clip:
        return
    example = example_clip(config)
    seen = {"data.crop.size": (example.shape[3], example.shape[4])}
    if focus is not None and focus.glimpse == "zoom" and focus.look_size and focus.glimpse_size:
        seen = {"model.focus.look_size": focus.look_size}
        if focus.glimpse_backbone is None:
            seen["model.focus.glimpse_size"] = focus.glimpse_size
    needed = (example.shape[2] if spec.any_length else spec.num_frames, *spec.size_hw)
    for setting, (height, width) in seen.items():
        got = (example.shape[2], height, width)
        if got != needed:
            raise InputError(
                f"model.backbone {spec.name} takes clips of {described_thw(needed)} alone, the "
                f"size of its position embeddings; got {described_thw(got)}: set "
                f"data.clip.num_frames={needed[0]} and {setting}={needed[1]}"
            )


def _glimpse_trunk(config: Config, with_weights: bool) -> nn.Module | None:
    """Build the trunk of glimpses, if they have one of their own."""
    focus = config.model.focus
    if focus is None or focus.glimpse_backbone is None:
        return None
    weights = focus.glimpse_weights if with_weights else None
    built = build_backbone(focus.glimpse_backbone, weights=weights, temporal=config.model.temporal)
    return built.trunk


def trunk_of_run(weights: str | None) -> dict[str, Tensor] | None:
    """Return the trunk's tensors of a run's checkpoint, or None if `weights` are no such file.

    Raises:
        InputError: the file cannot be read.
    """
    if weights is None or Path(weights).suffix != ".pt" or not Path(weights).is_file():
        return None
    state = read_state_dict(weights, "model.weights")
    prefix = "trunk."
    found = {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }
    return found if found and "classifier.weight" in state else None


def _load_state(module: nn.Module, state: dict[str, Tensor], where: str, remedy: str) -> None:
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{where}: {reason}. {remedy}") from None


def network_from_checkpoint(
    content: dict[str, Any], config: Config, path: str | Path
) -> FocusedNetwork:
    """Return the network of a checkpoint with its weights, in eval mode.

    Raises:
        InputError: `config` describes another network, or weights are not finite.
    """
    num_outputs = len(content["classes"]) * positions_in(content)
    network = build_network(config, num_outputs, with_weights=False)
    _load_state(
        network, content["network"], f"{path}: the weights do not fit the configured model",
        "Leave model.* as the checkpoint has it",
    )  # fmt: skip
    check_weights(network.state_dict(), path)
    return network.eval()


def config_of_checkpoint(
    content: dict[str, Any], path: str | Path, overrides: Sequence[str] = (), *,
    own_files: bool = True, trust: bool = False,
) -> Config:  # fmt: skip
    """Return the configuration that a checkpoint carries, with overrides.

    Args:
        content: of the checkpoint, checked.
        path: the checkpoint, for messages.
        overrides: `key.sub=value`.
        own_files: whether to keep the paths of files that the checkpoint names besides the data
            set; False: only those of `overrides`.
        trust: as `refuse_code` takes it.

    Raises:
        InputError: a setting is wrong, or names code and is not trusted.
    """
    dropped = () if own_files else OWN_FILES
    config = config_from_dict(
        content["config"], str(path),
        [*settings_meant_by(content["config"]), *(f"{key}=null" for key in dropped), *overrides],
    )  # fmt: skip
    refuse_code(config, path, overrides, trust=trust)
    return config


def refuse_code(
    config: Config, path: str | Path, overrides: Sequence[str] = (), *, trust: bool
) -> None:
    """Refuse settings of a file that name code, which building the network would run.

    Args:
        config: of the file, with overrides.
        path: the file, for the message.
        overrides: `key.sub=value`; the code that these name was chosen by the user.
        trust: allow any code.

    Raises:
        InputError: it names code that is not trusted.
    """
    focus = config.model.focus
    named = (config.model.backbone, None if focus is None else focus.glimpse_backbone)
    chosen = [text.partition("=")[2].strip() for text in overrides]
    for name in named:
        if names_code(name) and not trust and name not in chosen:
            raise InputError(
                f"{path}: its network is built by code that is not in the file, {name}, and "
                "loading it would run that code on this machine; if you trust the checkpoint and "
                "this code, give --trust (in Python: trust=True)"
            )


def example_clip(config: Config) -> Tensor:
    """Return an empty clip (1, 3, T, H, W) of the configured size, to find out shapes with."""
    spec = backbone_spec(config.model.backbone)
    return spec.example_clip(config.data.clip.num_frames, config.data.crop.size)


def gain_of(config: Config) -> float:
    """Return the configured gain of the localization network, or the optimizer family's default."""
    gain = config.model.focus.gain if config.model.focus else "auto"
    return DEFAULT_GAIN[config.optim.name] if gain == "auto" else float(gain)
