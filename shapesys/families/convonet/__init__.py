"""ConvONet: convolutional occupancy networks (Peng et al., ECCV 2020, arXiv 2003.04618), and their sign-agnostic
optimisation at test time, SA-ConvONet (Tang et al., ICCV 2021, arXiv 2105.03582).

The idea in five lines. A PointNet whose points tell each other what is in their cell turns a noisy cloud into features
on planes, in a grid, or both; U-Nets spread them. A query's probability of being inside is decoded from its position
and the features there. At test time a copy of the network is optimised for the one cloud that is seen: by an unsigned
cross entropy, which asks the surface to be where the points are, and keeps the signs that training gave.

Legend: B shapes, N queries per shape, M points of a cloud, T cells of all maps, C channels.

What differs from the released code, and our choices:
- scatter: by torch alone and in one order, so that on a CPU the same seed gives the same weights;
- batches at test time: released ones repeat the cloud for each set of queries; here it is encoded once for all sets;
- level: released settings evaluate at several (0.4, 0.45, 0.5 of objects and rooms, 0.2, 0.25, 0.3 of crops); here at
  the last or the middle one, and at any by `level`;
- `start` and `as_trained`, for small networks, are ours and off in the published schedules: the surface that signs are
  taken from, and as many points seen as in training;
- `in_cells`: places in cells count from the window's own grid; released ones from the scene's origin, wherever a
  crop's grid begins;
- windows at test time: displaced queries that leave what a window answers for are reflected into it;
- early stop: `plateau`, off unless asked for;
- windows in training: about surface points; released ones are anywhere in the box, and those without queries fail;
- clouds that leave the cube are clamped to its walls in silence there; here, all but a few outliers are an error.
"""

from __future__ import annotations

from shapesys.families.base import Family, Need, Traits
from shapesys.families.convonet.config import ConvONetConfig, ConvONetInference
from shapesys.families.convonet.inference import infer
from shapesys.families.convonet.objective import build
from shapesys.families.convonet.presets import PRESETS
from shapesys.families.fields.occupancy import check_surface, observe_points

FAMILY = Family(
    name="convonet",
    summary="occupancy from noisy clouds by convolutions (ConvONet), optimised at test time (SA-ConvONet)",
    config=ConvONetConfig,
    presets=PRESETS,
    needs=(Need("inside", ("points", "inside", "surface")),),
    observes=Need("cloud", ("points",)),
    traits=Traits(gradient_at_evaluation=True, judged_by=("statistics/iou",), higher_is_better=True),
    build=build,
    check=check_surface,
    inference=ConvONetInference,
    infer=infer,
    observe_points=observe_points,
    sees_windows=lambda config: config.core > 0,
    optimises_networks=lambda config: config.schedule is not None,
)
