"""A picture of what the generator makes, one row per category, coloured by part.

python -m shapesys.sources.procedural.sheet docs/images/contact_sheet.png
"""

from __future__ import annotations

import sys
from pathlib import Path

from shapesys.geometry.render import Image, contact_sheet, framing, part_colors, render, write_png
from shapesys.sources.procedural import CATEGORIES, generate

_VIEWS = {"airplane": (35.0, 30.0), "mug": (150.0, 20.0)}


def picture(category: str, seed: int, size: int = 120) -> Image:
    """One generated shape from the side that tells most, (size, size, 3)."""
    mesh = generate(category, seed)
    return render(mesh, framing(mesh, *_VIEWS.get(category, (35.0, 18.0))), (size, size), face_colors=part_colors(mesh))


def write_sheet(path: str | Path, columns: int = 8, size: int = 120, first_seed: int = 0) -> None:
    """Write a PNG of all categories, `columns` shapes of each in a row that begins with the category's name."""
    seeds = range(first_seed, first_seed + columns)
    images = [picture(category, seed, size) for category in CATEGORIES for seed in seeds]
    labels = [category if seed == first_seed else "" for category in CATEGORIES for seed in seeds]
    write_png(contact_sheet(images, columns, labels), path, colors=96)


if __name__ == "__main__":
    write_sheet(sys.argv[1] if len(sys.argv) > 1 else "contact_sheet.png")
