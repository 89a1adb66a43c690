"""The families of transforms by name."""

from dataclasses import fields

from stn_action.errors import InputError
from stn_action.geometry.family import Transform
from stn_action.geometry.warps import (
    Affine,
    Projective,
    Similarity,
    ThinPlateSpline,
    VolumetricAffine,
)
from stn_action.geometry.windows import AnisotropicAttention, Attention, Translation

TRANSFORMS: dict[str, type[Transform]] = {
    family.name: family
    for family in (
        Translation, Attention, AnisotropicAttention, Similarity, Affine, Projective,
        ThinPlateSpline, VolumetricAffine,
    )
}  # fmt: skip


def build_transform(name: str, num_heads: int, **settings: float | bool | None) -> Transform:
    """Build the family called `name` for `num_heads` windows.

    Args:
        name: translation, attention, anisotropic, similarity, affine, projective, tps, volumetric.
        num_heads: K.
        **settings: of the family: start_scale, min_scale, max_scale, bounded, ...

    Raises:
        InputError: there is no such family, or it has no such setting.
    """
    if name not in TRANSFORMS:
        raise InputError(f"transform must be one of {sorted(TRANSFORMS)}, got {name!r}")
    family = TRANSFORMS[name]
    known = {field.name for field in fields(family)} - {"num_heads"}
    if unknown := set(settings) - known:
        raise InputError(
            f"{name} has no setting {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}"
        )
    return family(num_heads, **settings)  # type: ignore[arg-type]
