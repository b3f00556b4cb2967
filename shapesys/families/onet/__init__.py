"""ONet: occupancy networks (Mescheder et al., CVPR 2019, arXiv 1812.03828), from clouds of points or one picture.

The idea in five lines. A residual PointNet turns a noisy cloud into one code, or ResNet18 a picture. A query's
probability of being inside is decoded from its position alone, by residual blocks whose batch norms scale and shift
every channel as the code says. Whatever is known of a shape passes through that code: there are no features at places,
as ConvONet has them. That is what ConvONet and TDGN are measured against.

Legend: B shapes, N queries per shape, M points of a cloud, C channels of a code.

What differs from the released code, and our choices:
- latent variable: without, as in all released settings of reconstruction (z of 0 dimensions);
- batch norm: its statistics are those of all workers' queries;
- clouds: more points than the network is to see are thinned at random, by the shape's id, so that the same cloud gives
  the same surface; those that leave the cube of the field are an error, but for a few outliers.
"""

from __future__ import annotations

from shapesys.families.base import Family, Need, Traits
from shapesys.families.fields.occupancy import check_surface, observe_points
from shapesys.families.onet.config import ONetConfig, ONetInference
from shapesys.families.onet.inference import infer
from shapesys.families.onet.objective import build
from shapesys.families.onet.presets import PRESETS

FAMILY = Family(
    name="onet",
    summary="occupancy from noisy clouds or pictures by one code per shape (Occupancy Networks)",
    config=ONetConfig,
    presets=PRESETS,
    needs=(Need("inside", ("points", "inside")),),
    columns=lambda config: () if config.picture else ("surface",),
    pictures=lambda config: config.picture,
    observes=Need("cloud", ("points",)),
    traits=Traits(judged_by=("statistics/iou",), higher_is_better=True),
    build=build,
    check=check_surface,
    inference=ONetInference,
    infer=infer,
    observe_points=observe_points,
)
