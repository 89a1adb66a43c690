"""Rows of video transformers of Hugging Face, and models of its hub or of a folder."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from stn_action.errors import InputError
from stn_action.extras import needs_extra
from stn_action.models.backbones.backbone_spec import IMAGENET, MIDDLE, BackboneSpec
from stn_action.models.backbones.token_trunks import TokenTrunk, token_sizes, token_trunk
from stn_action.models.backbones.trunk_weights import load_weights
from stn_action.models.model_choices import PublishedWeights, Temporal
from stn_action.weights import short_reason

HUB = "https://huggingface.co/"
CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Files of a repository; older ones have the second alone."""
CLASSIFIER = "classifier."
NOT_OF_TRUNK = (
    CLASSIFIER, "pooler.", "predictor.", "decoder.", "encoder_to_decoder.", "mask_token",
)  # fmt: skip
"""Tensors of files that a trunk does without: of classifiers and of the pre-training."""
LARGEST_CONFIG = 2**22
"""Bytes of a config.json."""
CENTERED = (127.5,) * 3, (127.5,) * 3
"""Mean and standard deviation of ViViT, for pixels from -1 to 1."""


@dataclass(frozen=True)
class _Family:
    """Models of one `model_type`: classes of the library, and clips of the published weights."""

    config: str
    model: str
    stride: int
    mean_and_std: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET


_FAMILIES = {
    "videomae": _Family("VideoMAEConfig", "VideoMAEForVideoClassification", 4),
    "vivit": _Family("VivitConfig", "VivitForVideoClassification", 2, CENTERED),
    "timesformer": _Family("TimesformerConfig", "TimesformerForVideoClassification", 32, MIDDLE),
    "vjepa2": _Family("VJEPA2Config", "VJEPA2Model", 8),  # four frames a second
}


@dataclass(frozen=True)
class _PublishedModel:
    """A model with published weights: its repository and the numbers of its configuration."""

    family: str
    repository: str
    frames: int
    side: int
    layers: int
    numbers: Mapping[str, Any]
    stride: int | None = None
    published: PublishedWeights = "kinetics400"


def _videomae(size: str, width: int, layers: int, heads: int) -> _PublishedModel:
    numbers = {
        "image_size": 224, "num_frames": 16, "patch_size": 16, "tubelet_size": 2,
        "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads,
        "intermediate_size": 4 * width, "layer_norm_eps": 1e-12, "use_mean_pooling": True,
        "qv_bias": True, "num_labels": 400,
    }  # fmt: skip
    repository = f"MCG-NJU/videomae-{size}-finetuned-kinetics"
    return _PublishedModel("videomae", repository, 16, 224, layers, numbers)


def _timesformer(size: str, frames: int, side: int, stride: int) -> _PublishedModel:
    numbers = {
        "image_size": side, "num_frames": frames, "patch_size": 16, "hidden_size": 768,
        "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
        "layer_norm_eps": 1e-6, "attention_type": "divided_space_time", "num_labels": 400,
    }  # fmt: skip
    repository = f"facebook/timesformer-{size}-finetuned-k400"
    return _PublishedModel("timesformer", repository, frames, side, 12, numbers, stride)


def _vjepa2(
    size: str, width: int, layers: int, heads: int, side: int = 256, mlp_ratio: float = 4.0
) -> _PublishedModel:
    numbers = {
        "crop_size": side, "frames_per_clip": 64, "patch_size": 16, "tubelet_size": 2,
        "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads,
        "mlp_ratio": mlp_ratio, "layer_norm_eps": 1e-6,
    }  # fmt: skip
    repository = f"facebook/vjepa2-{size}-fpc64-{side}"
    return _PublishedModel(
        "vjepa2", repository, 64, side, layers, numbers, published="pretrained"
    )  # fmt: skip


_VIVIT = {
    "image_size": 224, "num_frames": 32, "tubelet_size": [2, 16, 16], "hidden_size": 768,
    "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
    "hidden_act": "gelu_fast", "layer_norm_eps": 1e-6, "num_labels": 400,
}  # fmt: skip
_MODELS = {
    "videomae_small": _videomae("small", 384, 12, 6),
    "videomae_base": _videomae("base", 768, 12, 12),
    "videomae_large": _videomae("large", 1024, 24, 16),
    "vivit_b_16x2": _PublishedModel(
        "vivit", "google/vivit-b-16x2-kinetics400", 32, 224, 12, _VIVIT
    ),
    "timesformer_base": _timesformer("base", 8, 224, 32),
    "timesformer_hr": _timesformer("hr", 16, 448, 16),
    "vjepa2_vitl": _vjepa2("vitl", 1024, 24, 16),
    "vjepa2_vith": _vjepa2("vith", 1280, 32, 16),
    "vjepa2_vitg": _vjepa2("vitg", 1408, 40, 22, mlp_ratio=48 / 11),
    "vjepa2_vitg_384": _vjepa2("vitg", 1408, 40, 22, 384, 48 / 11),
}


def huggingface_specs() -> list[BackboneSpec]:
    """Return the rows of published models; the library is not imported."""
    return [
        BackboneSpec(
            name=f"hf/{name}", builder=partial(_build_published, name),
            published=(model.published,), num_frames=model.frames,
            stride=model.stride or _FAMILIES[model.family].stride,
            size_hw=(model.side, model.side), stages=_stages(model.family, model.layers),
            **_of_family(model.family),
        )
        for name, model in _MODELS.items()
    ]  # fmt: skip


def huggingface_spec(model: str) -> BackboneSpec:
    """Return the row of a model in a folder, or of a repository of the hub.

    Args:
        model: a folder with a config.json, or "<owner>/<model>", whose config.json is downloaded.

    Raises:
        InputError: there is no such folder or repository, or it holds a model of another kind.
    """
    where = f"model.backbone hf/{model}"
    path = Path(model) / CONFIG
    in_folder = path.exists()
    if not in_folder:
        if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", model):
            raise InputError(
                f"{where}: no file {path}; expected hf/<folder> with the model's {CONFIG}, "
                f"hf/<owner>/<model> of {HUB}, or one of "
                f"{', '.join(f'hf/{name}' for name in _MODELS)}"
            )
        remedy = f"put that file and {WEIGHTS[0]} into a folder, set model.backbone=hf/FOLDER"
        path = _downloaded(
            model, (CONFIG,), where, f"{remedy} and model.weights=FOLDER/{WEIGHTS[0]}"
        )
    numbers = _read_config(path, where)
    family = str(numbers.pop("model_type", None))
    if family not in _FAMILIES:
        raise InputError(
            f"{where}: {path} is of a model of type {family!r}; expected {', '.join(_FAMILIES)}"
        )
    config = _configuration(family, numbers, f"{where}: {path}")
    T, H, W = token_sizes(config)[0]
    return BackboneSpec(
        name=f"hf/{model}", builder=partial(_build_other, family, numbers, model, str(path)),
        published=() if in_folder else ("pretrained",), num_frames=T,
        stride=_FAMILIES[family].stride, size_hw=(H, W),
        stages=_stages(family, config.num_hidden_layers), **_of_family(family),
    )  # fmt: skip


def build_token_trunk(
    family: str, numbers: Mapping[str, Any], where: str = "model.backbone"
) -> TokenTrunk:
    """Build a trunk with random weights.

    Args:
        family: videomae, vivit, timesformer or vjepa2.
        numbers: of the library's configuration class; what is left out is as there.
        where: the numbers are from, for the message.

    Raises:
        InputError: transformers is not installed, or the numbers describe no model.
    """
    config = _configuration(family, numbers, where)
    try:
        return token_trunk(getattr(_library(), _FAMILIES[family].model)(config))
    except (ValueError, TypeError, RuntimeError, ZeroDivisionError) as error:
        raise InputError(f"{where}: no {family} model: {short_reason(error)}") from None


def _build_published(name: str, weights: str | None, temporal: Temporal) -> nn.Module:
    model = _MODELS[name]
    file = _weights_file(weights, model.published, model.repository)
    return _with_weights(build_token_trunk(model.family, model.numbers), file)


def _build_other(
    family: str, numbers: Mapping[str, Any], model: str, where: str, weights: str | None,
    temporal: Temporal,
) -> nn.Module:  # fmt: skip
    file = _weights_file(weights, "pretrained", model)
    return _with_weights(build_token_trunk(family, numbers, where), file)


def _weights_file(weights: str | None, published: PublishedWeights, repository: str) -> str | None:
    """Return the file of weights, of a repository if its published ones are asked for."""
    if weights != published:
        return weights
    remedy = "set model.weights to that file, or to none"
    return str(_downloaded(repository, WEIGHTS, f"model.weights={weights}", remedy))


def _with_weights(trunk: TokenTrunk, file: str | None) -> TokenTrunk:
    if file is not None:
        load_weights(trunk, file, optional=NOT_OF_TRUNK)
    return trunk


def _of_family(family: str) -> dict[str, Any]:
    """Return what the rows of a family share."""
    mean, std = _FAMILIES[family].mean_and_std
    any_length = family == "vjepa2"
    classifier = "" if family == "vjepa2" else CLASSIFIER
    return {
        "mean": mean, "std": std, "fixed_clip": True, "any_length": any_length,
        "classifier": classifier,
    }  # fmt: skip


def _stages(family: str, layers: int) -> tuple[str, ...]:
    """Return the layers at the ends of four parts of a model that are equally long."""
    path = "layers" if family == "vivit" else "encoder.layer"
    ends = sorted({max(1, round(layers * part / 4)) for part in range(1, 5)})
    return tuple(f"{path}.{end - 1}" for end in ends)


def _library() -> Any:
    with needs_extra("model.backbone hf/..."):
        import transformers

    return transformers


def _configuration(family: str, numbers: Mapping[str, Any], where: str) -> Any:
    """Return a configuration of the library."""
    library = _library()
    with needs_extra(where):
        from huggingface_hub.errors import StrictDataclassError

    try:
        config = getattr(library, _FAMILIES[family].config).from_dict(dict(numbers))
        token_sizes(config)
    except (StrictDataclassError, ValueError, TypeError) as error:
        raise InputError(f"{where}: no {family} model: {short_reason(error)}") from None
    return config


def _read_config(path: Path, where: str) -> dict[str, Any]:
    """Return the content of a config.json.

    Raises:
        InputError: it cannot be read.
    """
    try:
        if not path.is_file() or path.stat().st_size > LARGEST_CONFIG:
            raise InputError(f"{where}: {path} is no file of at most {LARGEST_CONFIG} bytes")
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{where}: {path} cannot be read: {short_reason(error)}") from None
    if not isinstance(content, dict):
        raise InputError(f"{where}: {path} holds no settings by name")
    return content


def _downloaded(repository: str, names: tuple[str, ...], where: str, otherwise: str) -> Path:
    """Return the first of these files that a repository has, from the hub's cache or downloaded.

    Raises:
        InputError: there is none, or it could not be downloaded.
    """
    with needs_extra(where):
        from huggingface_hub import hf_hub_download, try_to_load_from_cache
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    for name in names:
        cached = try_to_load_from_cache(repository, name)
        if isinstance(cached, str):
            return Path(cached)
    reason = "there is none"
    for name in names:
        try:
            return Path(hf_hub_download(repository, name))
        except LocalEntryNotFoundError as error:
            reason = short_reason(error)
            break
        except EntryNotFoundError:
            continue
        except Exception as error:  # noqa: BLE001  (hub and network errors of many kinds)
            reason = short_reason(error)
            break
    raise InputError(
        f"{where}: {' or '.join(names)} of {HUB}{repository} could not be downloaded ({reason}). "
        f"Get it on a machine with a network: {otherwise}"
    )
