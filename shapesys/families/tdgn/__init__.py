"""TDGN: training data generating networks (Zhang and Wonka, ICLR 2022, arXiv 2010.08276).

The idea in five lines. A network turns one picture of a shape, or a noisy cloud, into features. From these another
writes a handful of points, half of them labelled inside and half outside, and the width of a Gaussian kernel. A third
bends space as the features say. A support vector machine is trained on the bent points: its decision boundary is the
surface. All of it is differentiable, the machine's training included, and learned by classifying points in space.

Legend: B shapes, N training points, M queries, C features.

What the paper leaves open, and our choices:
- the networks: residual blocks; their widths, depths and starts; space is bent by x + f(x), where f starts as 0;
- equation 6: cross entropy, summed over a shape's queries and averaged over shapes, as Occupancy Networks' code does;
- the scale of equation 6 is learned by its logarithm, from 5;
- the dual has a ridge of a millionth, so that points that coincide have a solution and a gradient;
- schedule: CvxNet's, which has the same data and backbone; see `presets`.
"""

from __future__ import annotations

from shapesys.families.base import Family, LatentSpace, Need, Traits
from shapesys.families.fields.occupancy import check_surface, observe_points
from shapesys.families.tdgn.config import TDGNConfig
from shapesys.families.tdgn.inference import TDGNInference, codes, decoded, infer
from shapesys.families.tdgn.objective import build
from shapesys.families.tdgn.presets import PRESETS

FAMILY = Family(
    name="tdgn",
    summary="a network writes the training set of a support vector machine, which is the shape (TDGN)",
    config=TDGNConfig,
    presets=PRESETS,
    needs=(Need("inside", ("points", "inside")),),
    columns=lambda config: () if config.picture else ("surface",),
    observes=Need("cloud", ("points",)),
    pictures=lambda config: config.picture,
    traits=Traits(judged_by=("statistics/iou",), higher_is_better=True),
    build=build,
    check=check_surface,
    inference=TDGNInference,
    infer=infer,
    latent=LatentSpace(found=codes, decoded=decoded),
    observe_points=observe_points,
)
