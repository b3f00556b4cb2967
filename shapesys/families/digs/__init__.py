"""DiGS: surfaces of unoriented point clouds, guided by divergence (Ben-Shabat et al., CVPR 2022, arXiv 2106.10811).

The idea in five lines. A field f that is 0 at a scan's points and has |grad f| = 1 elsewhere is a signed distance, and
normals are what usually tells its inside. Without them many fields will do, most of them wrinkled. The divergence of
grad f, which is small off the surface for the distance to a smooth one, is kept small at first and let go of later:
the surface comes out smooth, with all gradients to one side, and gets sharp. A network of sines that starts as a
sphere, negative inside, decides on which.

Legend: B shapes, N points on the surface of each, M = N points off it, D latent dimensions.

What differs from the released code, and our choices:
- codes: their prior is |z|^2 in place of |z|, as that of every family here;
- schedule: as released for single shapes, by the share of training that is done; the released shape space counts 100
  epochs of its 500;
- starts: see `shapesys.nets.sine_start`; with codes, too, the first sphere lies among the shapes; small presets start
  with 15 periods in place of 30, which need more points a step than they take;
- points on the surface are stretches of stored samples in random order, which training reads one after the other.

With oriented normals, the start `siren` and no divergence this is SIREN's loss (Sitzmann et al., NeurIPS 2020).

Gradient and Laplacian are propagated with the layers (`shapesys.nets.spatial_derivatives`), not taken by autograd two
and three times; once the divergence has no weight left, it is not computed.
"""

from __future__ import annotations

from shapesys.families.base import Family, Need, Traits
from shapesys.families.digs.config import DiGSConfig, warnings
from shapesys.families.digs.inference import observe_cloud, observe_points
from shapesys.families.digs.objective import build
from shapesys.families.digs.presets import PRESETS
from shapesys.families.fields.autodecoder import LATENT, infer, known
from shapesys.families.fields.codes import CodeSearch

FAMILY = Family(
    name="digs",
    summary="signed fields from surface points without normals, by their divergence (DiGS, arXiv 2106.10811)",
    config=DiGSConfig,
    presets=PRESETS,
    needs=(Need("udf", ("surface",)),),
    traits=Traits(per_shape_codes=True, gradient_at_evaluation=True),
    build=build,
    inference=CodeSearch,
    infer=infer,
    known=known,
    latent=LATENT,
    columns=lambda config: config.columns,
    one_network_each=lambda config: config.latent_dim == 0,
    observe_cloud=observe_cloud,
    observe_points=observe_points,
    warnings=warnings,
)
