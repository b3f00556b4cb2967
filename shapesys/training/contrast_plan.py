"""Which shapes a step reads where half of them must be of one category: the category of interest against all others.

ISSN-CSL (arXiv 2012.07290, section 3.2) samples instances of the category and of others equally in every mini-batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from shapesys.errors import ShapesysError, UsageError, unknown_name
from shapesys.training.plan import TrainPlan, shuffled

_INTEREST, _OTHERS = 1, 2


@dataclass(frozen=True)
class ContrastPlan(TrainPlan):
    """A plan whose every step is half of the category of interest, by construction.

    An epoch is a pass over the category of interest. The other shapes are read pass after pass, at their own pace, each
    pass in an order of its own, so that every one of them is read before any is read again. A step holds the
    category's shapes first: workers, who take every n-th shape, get halves that are equal to within one shape.

    Attributes:
        interest: rows of the category of interest.
        others: rows of all other categories.
    """

    interest: tuple[int, ...]
    others: tuple[int, ...]

    @property
    def half(self) -> int:
        """Shapes of each half of a step: of the smaller side all, where there are fewer than asked for."""
        return max(1, min(self.shapes_per_step // 2, len(self.interest), len(self.others)))

    @property
    def batch(self) -> int:
        return 2 * self.half

    @property
    def steps_per_epoch(self) -> int:
        return len(self.interest) // self.half

    def shapes(self, step: int) -> np.ndarray:
        """Shape indices of a global step: the half of interest, then the others."""
        epoch, within = divmod(step, self.steps_per_epoch)
        order = shuffled(self.seed, epoch, len(self.interest), _INTEREST)
        chosen = order[within * self.half : (within + 1) * self.half]
        return np.concatenate([np.asarray(self.interest)[chosen], self._others(step)])

    def _others(self, step: int) -> np.ndarray:
        """The next shapes of a sequence of passes over the others; a step may end one pass and begin the next."""
        places = np.arange(step * self.half, (step + 1) * self.half)
        passes, within = np.divmod(places, len(self.others))
        rows = [
            shuffled(self.seed, int(one), len(self.others), _OTHERS)[within[passes == one]] for one in np.unique(passes)
        ]
        return np.asarray(self.others)[np.concatenate(rows)]


def contrasting(plan: TrainPlan, categories: Sequence[str], interest: str) -> ContrastPlan:
    """The same plan with halves.

    Args:
        categories: of every training shape, in the order of the run's shape list.
        interest: the category of interest.

    Raises:
        UsageError: no category is named, or none of that name is trained on.
        ShapesysError: there is nothing to contrast it with.
    """
    known = sorted(set(categories))
    if not interest:
        raise UsageError(
            "this family tells one category from all others; name it with --interest, one of: " + ", ".join(known)
        )
    if interest not in known:
        raise unknown_name("category among the training shapes", interest, known)
    if known == [interest]:
        raise ShapesysError(
            f"there is nothing to tell '{interest}' from: every training shape is one; name more categories with "
            "--categories, or prepare some"
        )
    rows = tuple(row for row, category in enumerate(categories) if category == interest)
    others = tuple(row for row, category in enumerate(categories) if category != interest)
    return ContrastPlan(**asdict(plan), interest=rows, others=others)
