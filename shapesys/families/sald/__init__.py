"""SALD: sign-agnostic learning with derivatives (Atzmon and Lipman, ICLR 2021, arXiv 2006.05400).

The idea in five lines. SAL fits |f| to the distance h of a raw scan. Where scans are thin or end, a field can agree
with h at the samples and bend between them. SALD adds that the gradient of f, up to its sign, is that of h: the unit
direction away from the scan, which costs nothing where the closest point is known. Level sets come out evenly spaced,
and gaps are closed by little surface.

Legend: B shapes, N query points per shape, D latent dimensions.

The decoder is the released one: softplus with beta 100, weight norm on every layer, a start that is a sphere. Codes are
read off the scan by a PointNet (`encoder`), or trained per shape, both as released, but for the autodecoder's bound on
their length; without codes (`latent_dim` 0) each scan is a network.

Spatial gradients are propagated with the layers (`shapesys.nets.spatial_derivatives`), not taken by autograd twice.
"""

from __future__ import annotations

from shapesys.families.base import Family, Need, Traits
from shapesys.families.fields.autodecoder import LATENT, infer, known
from shapesys.families.sal.inference import observe_points
from shapesys.families.sald.config import SALDConfig, SALDInference
from shapesys.families.sald.objective import build
from shapesys.families.sald.presets import PRESETS

FAMILY = Family(
    name="sald",
    summary="signed fields from raw scans and open meshes, by distances and their derivatives (SALD, arXiv 2006.05400)",
    config=SALDConfig,
    presets=PRESETS,
    needs=(Need("udf", ("points", "distance", "direction")),),
    traits=Traits(per_shape_codes=True, gradient_at_evaluation=True),
    build=build,
    inference=SALDInference,
    infer=infer,
    known=known,
    latent=LATENT,
    columns=lambda config: config.columns,
    one_network_each=lambda config: config.latent_dim == 0,
    observe_points=observe_points,
    unsigned=lambda config: config.sampler(),
)
