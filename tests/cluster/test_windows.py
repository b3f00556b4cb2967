"""Windows of a scene spread over actors."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from shapesys.errors import ShapesysError
from shapesys.fields.extraction import extract
from shapesys.fields.field import Box, FieldTraits
from shapesys.fields.windows import Asked, BlendedField, WindowLattice
from shapesys.geometry.mesh import Floats

pytest.importorskip("ray")
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

BOX = Box((-1.0, -0.7, -0.4), (1.0, 0.7, 0.4))
LATTICE = WindowLattice.over(BOX, 0.5, 0.1)


@dataclass(frozen=True)
class Balls:
    """A ball of a size that depends on the window; tells which process answered for which.

    Attributes:
        folder: of a file for each window that names the process.
        deadly: a window whose first process dies.
    """

    folder: Path
    deadly: int = -1

    def __call__(self, asked: Sequence[Asked]) -> list[Floats]:
        for one in asked:
            number = LATTICE.number(one.window)
            file = self.folder / f"{number}"
            if number == self.deadly and not file.exists():
                file.write_text(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)
            file.write_text(str(os.getpid()))
        return [
            np.float32(0.3 + 0.01 * (-1) ** sum(one.window))
            - np.linalg.norm(one.points + LATTICE.centre(one.window).astype(np.float32), axis=1)
            for one in asked
        ]


@dataclass(frozen=True)
class Broken:
    def __call__(self, asked: Sequence[Asked]) -> list[Floats]:
        raise ValueError("nothing to say")


def field(answer: object) -> BlendedField:
    traits = FieldTraits(0.0, BOX, negative_inside=False, is_distance=False)
    assert callable(answer)
    return BlendedField(LATTICE, np.arange(LATTICE.count), answer, -5.0, traits, np.empty((0, 3), np.float32))


def test_two_actors_give_the_mesh_of_one_process_even_when_one_dies(tmp_path: Path) -> None:
    from shapesys.on_ray.windows import spread

    here = tmp_path / "here"
    here.mkdir()
    alone = extract(field(Balls(here)), 48).mesh
    with spread(field(Balls(tmp_path, deadly=LATTICE.number((2, 1, 1)))), 2) as shared:
        together = extract(shared, 48).mesh
    np.testing.assert_array_equal(alone.vertices, together.vertices)
    np.testing.assert_array_equal(alone.faces, together.faces)
    processes = {file.read_text() for file in tmp_path.glob("[0-9]*")}
    assert len(processes) == 2
    assert str(os.getpid()) not in processes


def test_what_fails_in_an_actor_is_told(tmp_path: Path) -> None:
    from shapesys.on_ray.windows import spread

    with (
        spread(field(Broken()), 1) as shared,
        pytest.raises(ShapesysError, match="windows of the scene.*nothing to say"),
    ):
        shared.values(np.zeros((3, 3), np.float32))
