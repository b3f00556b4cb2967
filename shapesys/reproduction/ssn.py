"""Figures 6 and 3 of "Task-driven differentiable grouping for point cloud analysis": segmentation accuracy by the
number of superpixels, and the toy experiment; sections 4.1 and 4.2, which repeat SSN (arXiv 1807.10174).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shapesys.reproduction.finding import Picture
from shapesys.reproduction.recipe import Data, Measure, Scale
from shapesys.reproduction.trained import TrainedRecipe, TrainedVariant

COUNTS = (50, 100, 200, 300, 400, 600, 800, 1000)
_PRESETS: Mapping[Scale, str] = {"tiny": "tiny", "paper": "dpgnet"}
_METHODS = {"the initial grid": "grid", "SSN_pix: soft SLIC without a network": "pixels", "SSN, trained": "network"}
_PUBLISHED_AT_100 = {
    "SSN, trained": ".970",
}
"""From the table of LNSNet's README, on the test split."""


def _asked(method: str) -> dict[str, Any]:
    return {"method": method, "superpixels": COUNTS, "connect": False}


def outlined(path: Path) -> Picture:
    """A picture of an evaluation, ``<image>.<superpixels asked for>.png``: those of one image stand together."""
    image, _, count = path.stem.rpartition(".")
    return Picture(str(path), f"{count} superpixels asked for", (image, int(count)))


ASA = TrainedRecipe(
    name="ssn.asa",
    title="achievable segmentation accuracy, trained with 100 superpixels",
    published_in="figures 4 and 6 (BSDS500), and SSN's figure 5",
    variants=tuple(
        TrainedVariant(
            label,
            "ssn",
            _PRESETS,
            inference=_asked(method),
            published={"100": _PUBLISHED_AT_100[label]} if label in _PUBLISHED_AT_100 else {},
        )
        for label, method in _METHODS.items()
    ),
    measures=tuple(Measure(str(count), f"asa/mean.k{count}", digits=3, at=count) for count in COUNTS),
    data={
        "tiny": Data(
            "toy-images",
            "toy_images",
            {"count": 120},
            differs="made images of coloured boxes and circles; bring BSDS500 with --root for photographs",
        ),
        "paper": Data("bsds500", "bsds500", brought="the folder BSDS500, or one with images/ and groundTruth/"),
    },
    baseline="SSN_pix: soft SLIC without a network",
    axis="superpixels asked for",
    pictured=outlined,
    notes=(
        "mean over all annotators of an image; superpixels as they come out of soft SLIC, not made connected, which "
        "would raise their number by half (published curves include that step)",
        "published at 100: .970 with connected superpixels, read off LNSNet's comparison on the test split",
        "the grid holds the largest number of cells, columns times rows, that does not exceed what is asked for",
    ),
)

TOY = TrainedRecipe(
    name="ssn.toy",
    title="differentiable SLIC on pure colours, five iterations",
    published_in="figure 3 (pictures only): the oracle experiment works very well",
    variants=(
        TrainedVariant(
            "initial superpixels",
            "ssn",
            {"tiny": "tiny", "paper": "tiny"},
            {"train.epochs": 1},
            {"method": "grid", "superpixels": (100,), "connect": False},
        ),
        TrainedVariant(
            "after 5 iterations",
            "ssn",
            {"tiny": "tiny", "paper": "tiny"},
            {"train.epochs": 1},
            {"method": "pixels", "superpixels": (100,), "iterations": 5, "connect": False},
        ),
    ),
    measures=(
        Measure("ASA", "asa/mean.k100", digits=4),
        Measure("boundary recall", "boundary_recall/mean.k100", digits=4),
        Measure("superpixels", "superpixels/k100", digits=0),
    ),
    data=dict.fromkeys(("tiny", "paper"), Data("toy-images", "toy_images", {"count": 120})),
    baseline="initial superpixels",
    seeds=1,
    pictured=outlined,
    notes=("no network takes part: colours are the features, as in the paper; the short training is not used",),
)
