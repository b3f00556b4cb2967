"""Recipes about saliency maps: what makes each method's maps, before anything is measured on them.

Every method's maps of a seed are made first, by experiments that all these recipes share: a network per category for
fields, one classifier of all categories for PCSM, nothing but geometry for PCA. What a recipe measures comes after.

A network that several of them need for different things is trained once too, under a name that they agree upon.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from shapesys.metrics.saliency import Scaling
from shapesys.reproduction.recipe import Recipe, Request, Scale, Variant
from shapesys.saliency.kinds import Kind

if TYPE_CHECKING:
    from shapesys.reproduction.experiment import Experiment

Known = Literal["oracle", "predicted"]
KNOWN: tuple[Known, ...] = ("oracle", "predicted")
ACCURACY = "oa/class"
LEFT_OUT = "shapes/without_map"
"""Shapes that a method has no map of, although it should; what is made of them is said where it is counted."""
TRAINING = "train"
"""The split whose maps classifiers learn by."""


def measure_name(count: int, known: Known) -> str:
    """Name of the accuracy by this many salient points, with the category of test shapes known in this way."""
    return f"{ACCURACY}.{known}.k{count}"


@dataclass(frozen=True)
class MapVariant(Variant):
    """A method that makes maps.

    Attributes:
        key: names its files; variants with the same key share them.
        kind: of the maps; None for a row that needs none.
        family: of what is trained; empty where nothing is.
        presets: scale -> preset of the family.
        changes: dotted path -> value, on top of the preset, at every scale.
        at_scale: scale -> further changes.
        group: heading under which the page shows its pictures.
        trained_as: key of the variant whose training is the same, and whose run it therefore is; itself where empty.
    """

    key: str = field(kw_only=True)
    kind: Kind | None = field(kw_only=True)
    family: str = field(default="", kw_only=True)
    presets: Mapping[Scale, str] = field(default_factory=dict, kw_only=True)
    changes: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    at_scale: Mapping[Scale, Mapping[str, Any]] = field(default_factory=dict, kw_only=True)
    group: str = field(default="", kw_only=True)
    trained_as: str = field(default="", kw_only=True)

    def run_name(self, seed: int) -> str:
        """Of its training, where that is about all categories."""
        return f"{self.trained_as or self.key}-s{seed}"

    def settings(self, scale: Scale) -> dict[str, Any]:
        """Changes to the preset at a scale."""
        return {**self.changes, **self.at_scale.get(scale, {})}


@dataclass(frozen=True)
class MapRecipe(Recipe):
    """Makes the maps of every variant, then what its kind measures on them.

    Attributes:
        variants: the methods.
        categories: name of the data -> its categories, each with a network of its own.
        measured: name of the data -> those of them that have a network and are measured; all where not named.
        map_settings: changes to `MapSettings`.
        map_settings_at: scale -> further changes.
        metric_settings: name of the data -> changes to `MapMetrics`.
    """

    variants: Sequence[MapVariant]
    categories: Mapping[str, tuple[str, ...]] = field(kw_only=True)
    measured: Mapping[str, tuple[str, ...]] = field(default_factory=dict, kw_only=True)
    map_settings: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    map_settings_at: Mapping[Scale, Mapping[str, Any]] = field(default_factory=dict, kw_only=True)
    metric_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, kw_only=True)

    def phases(self, request: Request) -> list[list[Experiment]]:
        # A list of recipes needs no network.
        from shapesys.reproduction.saliency_experiments import making

        return [list(making(self, request)), *self.measuring(request)]

    def makers(self) -> tuple[MapVariant, ...]:
        """The methods whose maps are made; of one that comes twice, once."""
        return tuple(self.variants)

    def measured_of(self, data: str) -> tuple[str, ...]:
        """The categories that are measured on some data."""
        return self.measured.get(data, self.categories[data])

    def splits(self, request: Request) -> tuple[str, ...]:
        """The splits of whose shapes maps are needed; where none, networks are trained and make none."""
        return (self.split,)

    @abstractmethod
    def measuring(self, request: Request) -> list[list[Experiment]]:
        """The phases after every method's maps are there."""


@dataclass(frozen=True)
class MapTable(MapRecipe):
    """SSR and d_sym of every method's maps.

    Attributes:
        pictured: test shapes of each category on the page.
        coloured: rescaling by which their maps are coloured.
    """

    pictured: int = 2
    coloured: Scaling = "rank"

    def measuring(self, request: Request) -> list[list[Experiment]]:
        from shapesys.reproduction.saliency_tables import measuring

        return [list(measuring(self, request))]


@dataclass(frozen=True)
class TopPoints(MapRecipe):
    """Classification of every shape by its most salient points.

    Attributes:
        classifier: a maker of maps whose word counts where the category of a test shape is predicted.
        judge: the classifier of salient points, trained anew for every method and number of points.
        judge_settings_at: scale -> changes to its training here.
        counts: scale -> numbers of points.
        all_points: points of the baseline that ranks none: the variant without a kind.
    """

    classifier: MapVariant = field(kw_only=True)
    judge: MapVariant = field(kw_only=True)
    judge_settings_at: Mapping[Scale, Mapping[str, Any]] = field(default_factory=dict, kw_only=True)
    counts: Mapping[Scale, tuple[int, ...]] = field(kw_only=True)
    all_points: int = field(default=1024, kw_only=True)

    def judge_at(self, scale: Scale) -> MapVariant:
        """The judge as it is trained here."""
        return replace(
            self.judge, changes={**self.judge.settings(scale), **self.judge_settings_at.get(scale, {})}, at_scale={}
        )

    def makers(self) -> tuple[MapVariant, ...]:
        return (self.classifier, *self.variants)

    def splits(self, request: Request) -> tuple[str, ...]:
        from shapesys.reproduction.saliency_ranking import ranked_splits

        return ranked_splits(self, request)

    def measuring(self, request: Request) -> list[list[Experiment]]:
        from shapesys.reproduction.saliency_points import classifying
        from shapesys.reproduction.saliency_ranking import ranking

        return [list(ranking(self, request)), list(classifying(self, request))]


@dataclass(frozen=True)
class WeighedGradients(MapRecipe):
    """Classifiers trained as usual, and with the gradients of their points' features weighed by saliency.

    Attributes:
        variants: classifiers, without a kind; those whose settings use maps are trained with them.
        weights: the method whose maps of training shapes weigh gradients.
    """

    weights: MapVariant = field(kw_only=True)

    def makers(self) -> tuple[MapVariant, ...]:
        return (self.weights,)

    def splits(self, request: Request) -> tuple[str, ...]:
        return (TRAINING,)

    def measuring(self, request: Request) -> list[list[Experiment]]:
        from shapesys.reproduction.saliency_gradients import classifying, collecting

        return [list(collecting(self, request)), list(classifying(self, request))]


@dataclass(frozen=True)
class Clusters(MapRecipe):
    """How far shapes cluster by category when only their most salient points are compared.

    Attributes:
        variants: the methods; one without a kind compares the first points of each cloud.
        count: points of each shape.
        parts: experiments that share a distance matrix.
        block: shapes along each side of a block of the matrix, of which every part measures as many as the others.
    """

    count: int = field(default=10, kw_only=True)
    parts: int = field(default=4, kw_only=True)
    block: int = field(default=32, kw_only=True)

    def measuring(self, request: Request) -> list[list[Experiment]]:
        from shapesys.reproduction.saliency_clusters import clustering, distances

        return [list(distances(self, request)), list(clustering(self, request))]


@dataclass(frozen=True)
class CutVariant(MapVariant):
    """A method of fields, and where its surfaces are cut in two.

    Attributes:
        cut_at: saliency from which on a surface belongs to the category-salient part, or share of the surface below it.
        cut_by: which of both.
    """

    cut_at: float = field(kw_only=True)
    cut_by: Literal["saliency", "area"] = field(kw_only=True)


@dataclass(frozen=True)
class SalientParts(MapRecipe):
    """Reconstructed surfaces, cut into category-salient and instance-specific parts.

    Attributes:
        variants: methods and cuts; of one method, the surfaces are made once.
        shapes: of the split, of each category.
        resolution: scale -> cells along the box of a surface.
    """

    variants: Sequence[CutVariant]
    shapes: int = field(default=3, kw_only=True)
    resolution: Mapping[Scale, int] = field(kw_only=True)

    def splits(self, request: Request) -> tuple[str, ...]:
        return ()

    def measuring(self, request: Request) -> list[list[Experiment]]:
        from shapesys.reproduction.saliency_parts import cutting, reconstructing

        return [list(reconstructing(self, request)), list(cutting(self, request))]
