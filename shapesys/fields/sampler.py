"""One door between extraction and a field: signs, counting, attributes and checks in one place."""

from __future__ import annotations

import numpy as np

from shapesys.errors import ShapesysError
from shapesys.fields.field import Field, JointField
from shapesys.fields.lattice import Keys, Lattice
from shapesys.geometry.mesh import Floats

JUST_OUTSIDE = 1e-9  # value of the box's own nodes where the surface is closed there: its vertices land on the box


class Sampler:
    """Evaluates a field at lattice nodes as signed values: negative inside, zero on the surface.

    Args:
        field: what to evaluate.
        close_at_box: declare the lattice's outermost nodes outside, which caps a surface that leaves the box.
        with_attributes: let full-precision columns carry the attributes of a `JointField`.
    """

    def __init__(self, field: Field, close_at_box: bool = False, with_attributes: bool = True) -> None:
        self.field = field
        self.close_at_box = close_at_box
        self.joint = field if with_attributes and isinstance(field, JointField) else None
        self.attribute_names: tuple[str, ...] = ()
        self.evaluated: dict[str, int] = {}
        self.lowest, self.highest = np.inf, -np.inf

    @property
    def points_evaluated(self) -> int:
        return sum(self.evaluated.values())

    def columns(self, lattice: Lattice, keys: Keys, precision: str = "float32") -> Floats:
        """(n, 1) signed values at nodes, or (n, 1 + A) with attributes in full precision.

        Raises:
            ShapesysError: the field returned a value that is not finite.
        """
        points = lattice.points(keys)
        self.evaluated[precision] = self.evaluated.get(precision, 0) + len(points)
        attributes: list[Floats] = []
        if self.joint is not None and precision == "float32":
            values, named = self.joint.values_and_attributes(points)
            self.attribute_names = tuple(named)
            attributes = [named[name] for name in self.attribute_names]
        else:
            values = self.field.values(points, precision)
        self._check(values, points)
        return np.stack([self._signed(values, lattice, keys), *attributes], axis=1)

    def _signed(self, values: Floats, lattice: Lattice, keys: Keys) -> Floats:
        traits = self.field.traits
        signed = (values - values.dtype.type(traits.level)) * values.dtype.type(1 if traits.negative_inside else -1)
        if self.close_at_box:
            indices = lattice.indices(keys)
            last = np.asarray(lattice.cells)[:, None]
            outermost = np.any((indices == 0) | (indices == last), axis=0)
            signed[outermost] = np.maximum(signed[outermost], JUST_OUTSIDE)
        return signed

    def _check(self, values: Floats, points: Floats) -> None:
        if not len(values):
            return
        broken = ~np.isfinite(values)
        if broken.any():
            raise ShapesysError(
                f"the field is not finite at {int(broken.sum())} of {len(values)} points, first at "
                f"{points[np.argmax(broken)].tolist()}; the network has probably diverged: use an earlier checkpoint"
            )
        self.lowest = min(self.lowest, float(values.min()))
        self.highest = max(self.highest, float(values.max()))
