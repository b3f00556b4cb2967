"""ISSN: implicit surface saliency network (arXiv 2012.07290, sections 3.1, 4.2, 5.1 and appendix A.1).

The idea in five lines. Parts that all shapes of a category share are easier to regress than instance details. So a
DeepSDF network predicts, beside the signed distance f of every query point, a saliency s in (0, 1] that weights the
point's own error; -log s keeps it from vanishing. For an error L the optimum is s* = min(1, lambda / L): saliency is
high where the category makes the surface predictable. A strong prior on the code keeps details hard to fit.

Legend: B shapes, N query points per shape, D latent dimensions.

What the paper leaves open, and our choice:
- latent dimension: 256, DeepSDF's, on whose code the paper builds;
- place and activation of the saliency head: a second output of the last layer through a sigmoid, because log s needs
  s > 0 and the maps are reported in [0, 1];
- dropout and weight norm: DeepSDF's (0.2, on all hidden layers);
- initial saliency: lambda / (0.3 delta), its optimum for the error of an untrained network, by the head's bias;
- initial codes: N(0, 1/D), DeepSDF's;
- mean over shapes of beta |z|^2: once per shape, as equation 1 is written;
- a step that does not divide the shapes: shapes left over wait for the next epoch's permutation;
- test-time optimisation: DeepSDF's reconstruct.py (800 Adam iterations at 5e-3, a tenth of it from the middle on, 8,000
  queries each, codes from N(0, 0.01^2)), on the clamped distance error with the training prior beta; the paper
  optimises the code "with the SDF values" and names no weight on saliency;
- gradient beyond the clamp: none in equation 2; our own default lets it pull predictions back (`clamp_gradient`),
  with the same loss values, while the paper preset keeps equation 2 as written;
- perturbation of clouds: DeepSDF's near-surface variances 0.005 and 0.0005.
"""

from __future__ import annotations

from shapesys.families.base import Family, Need, Traits
from shapesys.families.fields.autodecoder import LATENT, infer, known
from shapesys.families.fields.saliency import attributes, check
from shapesys.families.issn.config import ISSNConfig, ISSNInference, warnings
from shapesys.families.issn.inference import observe_cloud
from shapesys.families.issn.objective import build
from shapesys.families.issn.presets import PAPER, TINY

FAMILY = Family(
    name="issn",
    summary="category-level shape saliency on a DeepSDF backbone (arXiv 2012.07290)",
    config=ISSNConfig,
    presets={"tiny": TINY, "paper": PAPER},
    needs=(Need("sdf", ("points", "distance")),),
    traits=Traits(per_shape_codes=True, gradient_at_evaluation=True),
    build=build,
    inference=ISSNInference,
    infer=infer,
    known=known,
    latent=LATENT,
    attributes=attributes,
    observe_cloud=observe_cloud,
    warnings=warnings,
    check=check,
)
