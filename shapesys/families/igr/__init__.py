"""IGR: implicit geometric regularisation (Gropp et al., ICML 2020, arXiv 2002.10099).

The idea in five lines. Of a scan, only points on the surface are known, perhaps with normals. A field f that is 0 there
and whose gradient is the normal there could be anything elsewhere; the eikonal term (|grad f| - 1)^2 at points around
it makes it a signed distance. No distance is ever computed, and nothing but the eikonal term is asked for where nothing
was seen: among all fields that fit, gradient descent finds one that is smooth. The network starts as a sphere.

Legend: B shapes, N points on the surface of each, M = N + N/8 points off it, D latent dimensions.

What differs from the released code, and our choices:
- first field: of small presets the distance to a sphere, rescaled so that narrow networks start as one, too;
- codes: their prior is |z|^2 in place of |z|, as that of every family here;
- points on the surface are stretches of stored samples in random order, which training reads one after the other;
- without normals (`normal_weight = 0`) only the first sphere tells inside from outside: expect worse than of `digs`.

The gradient is propagated with the layers (`shapesys.nets.spatial_derivatives`), not taken by autograd twice.
"""

from __future__ import annotations

from shapesys.families.base import Family, Need, Traits
from shapesys.families.fields.autodecoder import LATENT, infer, known
from shapesys.families.igr.config import IGRConfig, IGRInference
from shapesys.families.igr.inference import observe_cloud, observe_points
from shapesys.families.igr.objective import build
from shapesys.families.igr.presets import PRESETS

FAMILY = Family(
    name="igr",
    summary="signed fields from surface points with normals or without, of slope 1 (IGR, arXiv 2002.10099)",
    config=IGRConfig,
    presets=PRESETS,
    needs=(Need("udf", ("surface",)),),
    traits=Traits(per_shape_codes=True, gradient_at_evaluation=True),
    build=build,
    inference=IGRInference,
    infer=infer,
    known=known,
    latent=LATENT,
    columns=lambda config: config.columns,
    one_network_each=lambda config: config.latent_dim == 0,
    observe_cloud=observe_cloud,
    observe_points=observe_points,
    unsigned=lambda config: config.sampler(),
)
