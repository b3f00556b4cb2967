"""SSN: superpixel sampling networks (Jampani et al., ECCV 2018), as DPGNet's sections 4.1 and 4.2 build on them.

The idea in five lines. SLIC groups pixels by k-means around a grid of centres, in colour and position. Its hard
assignment stops gradients; a softmax over the nine centres around a pixel lets them through. So a network can learn
the features that are grouped: the loss sends people's segments from pixels to superpixels and back, and asks how much
of them survives. A second term keeps superpixels compact. At test, SLIC runs on the learned features.

Legend: B patches of h x w pixels; K superpixels; C = 5 + 15 features of a pixel.

What the papers leave open or disagree on, and our choice:
- iterations: the published code updates the centres once less than it associates pixels; `counting` has both;
- candidates outside the image: published code adds a large distance, which leaves artefacts at borders; they get no
  mass here;
- compactness: the published loss is a sum of scaled, a well-known port's a mean of unscaled squared distances, hundreds
  of times smaller; `compactness_reduction` names which;
- position scale in training: the rule of the test; the published code, and with it the presets of the papers, trains
  with 0.25, about twice as much;
- training steps: 500,000 (`paper`) by a port's account of the paper, 1,000,000 at most in the published code, 15,000 in
  DPGNet's repetition (`dpgnet`);
- segments beyond the fiftieth of a patch: published code gives them no channel and keeps their pixels in the loss,
  which no prediction can satisfy; here they are left out, and the smallest segments are those beyond;
- the number of superpixels is that of the grid, below the one asked for; results give both;
- images smaller than a patch are enlarged to it;
- small connected pieces join the neighbour with the longest common border.
"""

from __future__ import annotations

from shapesys.families.base import Family, Need, SuperpixelPrediction, TrainingData, Traits
from shapesys.families.ssn.config import SSNConfig, SSNInference
from shapesys.families.ssn.inference import infer
from shapesys.families.ssn.objective import SSNObjective
from shapesys.families.ssn.patch import sample
from shapesys.families.ssn.presets import DPGNET, PAPER, TINY

MEAN_SUM_RATIO = 2_500
"""The published loss over the mean of unscaled distances: 201 x 201 pixels x 0.25^2."""


def build(config: SSNConfig, data: TrainingData) -> SSNObjective:
    """Fresh weights; nothing depends on the data."""
    return SSNObjective(config)


def warnings(config: SSNConfig) -> list[str]:
    """Values that are known to mislead."""
    if config.compactness_reduction == "mean" and 0 < config.compactness_weight <= 1e-4:
        return [
            f"compactness_weight = {config.compactness_weight:g} with the reduction 'mean' is up to {MEAN_SUM_RATIO} "
            "times weaker than the published loss, whose reduction is 'caffe_sum'"
        ]
    return []


FAMILY = Family(
    name="ssn",
    summary="superpixels by differentiable SLIC on learned pixel features (ECCV 2018; DPGNet, section 4.2)",
    config=SSNConfig,
    presets={"tiny": TINY, "paper": PAPER, "dpgnet": DPGNET},
    needs=(Need("superpixels", ("image", "annotations")),),
    traits=Traits(judged_by=("statistics/asa",), higher_is_better=True),
    build=build,
    inference=SSNInference,
    infer=infer,
    predicts=SuperpixelPrediction,
    sample=sample,
    warnings=warnings,
)
