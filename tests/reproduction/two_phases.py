"""A recipe whose experiments need each other: what the first phase leaves, the second measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shapesys.errors import ShapesysError
from shapesys.reproduction.experiment import Experiment
from shapesys.reproduction.finding import Finding
from shapesys.reproduction.recipe import Data, Measure, Recipe, Request, Variant

REFUSED = "refused"
"""A file of the runs' folder with names of networks that cannot be made."""
MADE = "made.log"
"""A file of the runs' folder with a line for everything that was made anew."""


@dataclass(frozen=True)
class Network(Experiment):
    """Leaves a number; the longer it may train, the higher."""

    root: str
    seed: int
    epochs: int

    @property
    def file(self) -> Path:
        return Path(self.root) / self.name

    def describe(self) -> Mapping[str, str]:
        return {"trains": f"a number for {self.epochs} epochs"}

    def was_done(self) -> bool:
        return self.file.exists()

    def perform(self) -> list[Finding]:
        refused = Path(self.root) / REFUSED
        if refused.exists() and self.name in refused.read_text().split():
            raise ShapesysError(f"{self.name} refuses to train")
        made(self.file, str(self.seed + self.epochs))
        return []


@dataclass(frozen=True)
class Measurement(Experiment):
    """Multiplies the number."""

    network: Network
    variant: str
    factor: int

    def describe(self) -> Mapping[str, str]:
        return {"measured as": self.variant, "of": self.network.name}

    def perform(self) -> list[Finding]:
        network = self.network
        if not network.file.exists():
            raise ShapesysError(f"{self.name} needs {network.name}, which is not there")
        file = network.file.with_name(self.name)
        made(file, str(self.factor * int(network.file.read_text())))
        value = float(file.read_text())
        summary = {"overall": {"metrics": {"number": {"mean": value, "min": value - 1, "max": value + 1}}}}
        return [Finding(self.variant, network.seed, str(file), summary)]


def made(file: Path, text: str) -> None:
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        with (file.parent / MADE).open("a") as log:
            log.write(f"{file.name}\n")


@dataclass(frozen=True)
class Multiples(Recipe):
    """Networks of all recipes that share; measurements of its own."""

    def phases(self, request: Request) -> list[list[Experiment]]:
        epochs = int(request.changes.get("train.epochs", 10))
        networks = [Network(f"network-s{seed}", request.root, seed, epochs) for seed in request.seeds]
        measured = [
            Measurement(f"{self.name}-x{factor}-s{network.seed}", network, variant.label, factor)
            for factor, variant in enumerate(self.variants, start=1)
            for network in networks
        ]
        return [[*networks], [*measured]]


def multiples(name: str, *labels: str, shares: str = "") -> Multiples:
    """One variant for each label: once the network's number, twice, and so on."""
    toys = {"count": 3, "width": 32, "height": 32, "test_fraction": 0.4}
    return Multiples(
        name=name,
        title="multiples of a number",
        published_in="table 1",
        variants=[Variant(label, published={"mean": "11"} if label == "once" else {}) for label in labels],
        measures=(
            Measure("mean", "number"),
            Measure("least", "number", statistic="min"),
            Measure("most", "number", statistic="max"),
        ),
        data={
            "tiny": Data("toys", "toy_images", toys, differs="drawn, not photographed"),
            "many": Data("more-toys", "toy_images", toys | {"count": 4}),
            "paper": Data("photographs", "bsds500", brought="the folder BSDS500"),
        },
        seeds=2,
        shares=shares,
    )
