"""SAL: sign-agnostic learning of shapes from raw data (Atzmon and Lipman, CVPR 2020, arXiv 1911.10414), with saliency.

The idea in five lines. Scans and most meshes have no trustworthy inside, but the distance h to them needs none. A
signed field f with |f| = h is learned by tau(f, h) = ||f| - h|, which cannot tell f from -f. The network starts as a
sphere, negative inside, and descends to the signed solution next to it. A new scan needs no normals: its code is found
from unsigned distances. With `saliency_weight`, a second head weights tau by a saliency, as ISSN does signed errors.

Legend: B shapes, N query points per shape, D latent dimensions.

Three ways to many shapes or one: a PointNet reads the code off the scan, as released for D-FAUST (`encoder`); each
training scan has a code of its own; or each scan is a network (`latent_dim` 0). `loss` has h as the distance (l2), as 0
and 1 (l0), and the errors that do know the sign of f, which find no inside: an ablation.

What differs from the published network, and our choices:
- trained codes: prior and start are those of SALD's released autodecoder, but for its bound on their length;
- first field: of small presets the distance to a sphere, rescaled so that narrow networks start as one too;
- LightSAL (arXiv 2103.14273), whose layers are not published, is SAL at half of every width: preset `lightsal`;
- centre and scale: as prepared, every shape in its unit sphere unless told otherwise (`prepare --frame`);
- saliency: ours, with the loss l2. The optimum for an error L is min(1, lambda / L) as in ISSN, but errors here have no
  clamp, so lambda is to be chosen by the error that training reaches.

What to expect. tau is as small for any field that changes its sign at only some of the surfaces, so walls thinner than
what the network resolves tend to become sheets: solid shapes come out well long before thin ones. Where a field has no
zero crossing at all, the statistic `inside` of training is 0 and extraction reports an empty surface with its reason.
"""

from __future__ import annotations

from shapesys.families.base import Family, Need, Traits
from shapesys.families.fields.autodecoder import LATENT, infer, known
from shapesys.families.fields.saliency import attributes, check
from shapesys.families.sal.config import SALConfig, SALInference
from shapesys.families.sal.inference import observe_points
from shapesys.families.sal.objective import build
from shapesys.families.sal.presets import PRESETS

FAMILY = Family(
    name="sal",
    summary="signed fields from raw scans and open meshes, without signs (SAL, arXiv 1911.10414), saliency optional",
    config=SALConfig,
    presets=PRESETS,
    needs=(Need("udf", ("points", "distance")),),
    traits=Traits(per_shape_codes=True, gradient_at_evaluation=True),
    build=build,
    inference=SALInference,
    infer=infer,
    known=known,
    latent=LATENT,
    columns=lambda config: config.columns,
    one_network_each=lambda config: config.latent_dim == 0,
    attributes=attributes,
    observe_points=observe_points,
    unsigned=lambda config: config.sampler(),
    check=check,
)
