"""What an evaluation measures, how, and where it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import field_validator

from shapesys.config.base import Config, Precision, setting
from shapesys.fields.extraction import ExtractionSettings
from shapesys.metrics.conventions import Frame
from shapesys.metrics.gradient_settings import GradientSettings
from shapesys.metrics.recognition import PartArgmax
from shapesys.metrics.saliency import SaliencySettings, Scaling
from shapesys.metrics.surface_settings import SurfaceSettings, Threshold
from shapesys.training.config import absolute

Codes = Literal["auto", "trained", "optimised"]
SymmetryPlane = Literal["auto", "stored", "found", "each", "x", "y", "z", "none"]
PLANES_HELP = (
    "plane of d_sym, for which the paper picks one per category by hand: stored with each shape by its source; found, "
    "one per category, from its training clouds; each: found for each shape by itself, where a category's shapes face "
    "different ways; auto: stored where there is one, else found; or across an axis through the bounding box's centre"
)
Annotator = Literal["mean", "best", "first", "all"]
Undersegmentation = Literal["neubert_protzel", "levinshtein"]

OF_SURFACES = (
    *("codes", "resolution", "pruning_precision", "close_at_box", "observed_queries", "samples", "chamfer", "fscore"),
    *("fscore_strict", "saliency_points", "saliency_scaling", "symmetric_within", "symmetry_plane"),
    *("scan_chamfer", "fscore_sphere", "normals", "hausdorff", "largest_component", "remove_walls", "input_noise"),
    "image_view",
    *("gradient_points", "gradient_std", "gradient_step"),
)
OF_LABELS = ("accuracy_ranks", "part_argmax", "saliency")
OF_SUPERPIXELS = ("annotator", "boundary_share", "undersegmentation")
SETTINGS_OF: dict[str, tuple[str, ...]] = {
    "surfaces": OF_SURFACES,
    "labels": OF_LABELS,
    "superpixels": OF_SUPERPIXELS,
}
"""What a run predicts -> the settings that measure nothing else; all others hold for every run."""


UNSAID: dict[str, Any] = {"remove_walls": False, "input_noise": 0.0, "image_view": 0}
"""Settings that evaluations from before them say nothing of -> what these were made with. It is never recorded, so that
they are completed."""


@dataclass(frozen=True)
class PlaneSearch:
    """How planes are known.

    Attributes:
        choice: where they come from.
        within: largest gap to the mirror image of a shape that counts as symmetric, in units of the unit sphere.
    """

    choice: SymmetryPlane = "auto"
    within: float = 0.1


class EvaluateConfig(Config):
    """Settings that shape the numbers; results of other settings are never mixed."""

    split: str = setting("test", help="split to evaluate")
    categories: tuple[str, ...] = setting((), help="categories to evaluate; those trained on where empty")
    codes: Codes = setting(
        "auto", help="latent codes: trained (training shapes), optimised at test time, or auto: trained where known"
    )
    resolution: int = setting(256, help="cells along the box of the extracted surface", ge=8)
    pruning_precision: Precision = setting("float32", help="precision of coarse levels; the surface is float32 always")
    close_at_box: bool = setting(False, help="cap a surface where it leaves the field's box instead of leaving it open")
    observed_queries: int = setting(100_000, help="signed-distance queries shown to test-time optimisation", ge=100)
    largest_component: bool = setting(
        False,
        help="measure the connected component of largest area alone, as IGR does; how many there are and what share of "
        "the area the largest has is told either way (fact/components, fact/largest_area_share)",
    )
    samples: int | None = setting(
        100_000,
        help="surface samples per mesh for every surface metric; none: what each Chamfer convention's evaluator takes",
        ge=100,
    )
    chamfer: tuple[str, ...] = setting(
        ("onet.chamfer_l1", "onet.chamfer_l2", "deepsdf", "tdgn"),
        help="Chamfer conventions by name; those against the scan measure against the stored cloud",
    )
    scan_chamfer: tuple[str, ...] = setting(
        ("sald.recon_to_scan", "sald.scan_to_recon"),
        help="Chamfer conventions against the scan, of shapes of which nothing else is known",
    )
    fscore: tuple[float, ...] = setting((0.01, 0.02), help="F-score thresholds, in units of the bounding box's side")
    fscore_sphere: tuple[float, ...] = setting(
        (0.05,),
        help="F-score thresholds, in units of the unit sphere: of a wide one, 1 - precision is the share of the "
        "reconstruction's area that is spurious, 1 - recall the share of the true area that is missing",
    )
    input_noise: float = setting(
        0.0,
        help="standard deviation of noise on the clouds that networks are shown, a length of the frame, where stores "
        "hold clean ones",
        ge=0,
    )
    image_view: int = setting(
        0, help="which of a shape's stored pictures networks are shown that see one, counted from 0", ge=0
    )
    remove_walls: bool = setting(
        False,
        help="of rooms, y up: leave out faces that nobody can see, and what lies more than 0.007 beyond the box of "
        "what can be seen, as ConvONet does with the outer sides of walls",
    )
    fscore_strict: bool = setting(False, help="count distances below the threshold only, not those equal to it")
    normals: tuple[str, ...] = setting(
        ("onet",),
        help="normal consistency conventions: onet (|cos|), signed, majority (signed, after one flip of all normals if "
        "most are opposed: fields that came out inside out) or pytorch3d",
    )
    hausdorff: tuple[Frame, ...] = setting(("unit_sphere",), help="units of the Hausdorff distance")
    gradient_points: int = setting(
        2048,
        help="points near the true surface at which the field's gradient is compared with that of the true distance; "
        "each costs six queries of the field; 0: not measured",
        ge=0,
    )
    gradient_std: float = setting(0.05, help="standard deviation of these points about the true surface", gt=0)
    gradient_step: float = setting(
        1e-3, help="step of the central differences; points closer to the surface are left out", gt=0
    )
    saliency_points: int = setting(1024, help="surface points of SSR and d_sym: a prefix of the stored cloud", ge=2)
    saliency_scaling: Scaling = setting("min_max", help="rescaling of each saliency map before it is measured")
    symmetric_within: float = setting(0.1, help="largest gap to the mirror image of a symmetric shape", gt=0)
    symmetry_plane: SymmetryPlane = setting("auto", help=PLANES_HELP)
    accuracy_ranks: tuple[int, ...] = setting(
        (1,), help="ranks k of top-k accuracy: the true class is among the k that score highest"
    )
    part_argmax: PartArgmax = setting(
        "restricted",
        help="a point's part is the best of its shape's true category (restricted, as most tables have it), or of all "
        "categories (free)",
    )
    saliency: str = setting(
        "",
        help="file of saliency maps in place of those that the run was trained with, for networks that see a shape's "
        "most salient points alone",
    )
    annotator: Annotator = setting(
        "mean", help="of the scores against each person's segmentation: their mean, the best, the first, or all of them"
    )
    boundary_share: float = setting(
        0.0025, help="boundary recall accepts a boundary within this share of the image's diagonal", ge=0, lt=1
    )
    undersegmentation: Undersegmentation = setting(
        "neubert_protzel",
        help="undersegmentation error counts the smaller part of a superpixel that a segment cuts (neubert_protzel), "
        "or all of it that lies outside (levinshtein)",
    )
    seed: int = setting(0, help="seed of surface samples, of initial codes and of what inference draws", ge=0)
    inference: dict[str, Any] = setting({}, help="changes to the family's inference settings, by name")

    def surface(self) -> SurfaceSettings:
        in_cube = [Threshold(value, self.fscore_strict) for value in self.fscore]
        in_sphere = [Threshold(value, self.fscore_strict, "unit_sphere") for value in self.fscore_sphere]
        return SurfaceSettings(
            conventions=self.chamfer,
            scan_conventions=self.scan_chamfer,
            thresholds=(*in_cube, *in_sphere),
            normals=self.normals,
            hausdorff_frames=self.hausdorff,
            samples=self.samples,
            seed=self.seed,
        )

    def gradient(self, is_distance: bool) -> GradientSettings:
        """Of a field whose values are no distances, such as an occupancy, the gradient's length has no meaning.

        Raises:
            UsageError: the step is wider than the points lie from the surface.
        """
        conventions = ("sald", "angle") if is_distance else ("angle",)
        return GradientSettings(self.gradient_points, self.gradient_std, self.gradient_step, conventions, self.seed)

    @field_validator("saliency")
    @classmethod
    def _seen_from_anywhere(cls, path: str) -> str:
        return absolute(path) if path else path

    def planes(self) -> PlaneSearch:
        """How mirror planes are known."""
        return PlaneSearch(self.symmetry_plane, self.symmetric_within)

    def saliency_settings(self) -> SaliencySettings:
        """The settings of the saliency metrics."""
        return SaliencySettings(self.saliency_scaling, self.symmetric_within)

    def applying_to(self, predicts: str) -> dict[str, Any]:
        """The settings that a run reads which predicts ``surfaces``, ``labels`` or ``superpixels``, as plain data; but
        for the file of saliency maps, whose content counts and not its place."""
        foreign = {name for kind, names in SETTINGS_OF.items() if kind != predicts for name in names}
        data = self.model_dump(mode="json", exclude={*foreign, "saliency"})
        return {name: value for name, value in data.items() if name not in UNSAID or value != UNSAID[name]}

    def extraction(self) -> ExtractionSettings:
        return ExtractionSettings(pruning_precision=self.pruning_precision, close_at_box=self.close_at_box)


class EvaluateScale(Config):
    """Where an evaluation runs and what it keeps; changes no number, but for the rounding of sums over a batch."""

    num_actors: int = setting(2, help="actors that evaluate in parallel", ge=1)
    cpus_per_actor: float = setting(1.0, help="CPUs reserved per actor", gt=0)
    gpus_per_actor: float | None = setting(
        None, help="GPUs, or a share of one, reserved per actor; by default those of the cluster are shared out", ge=0
    )
    batch_shapes: int = setting(8, help="shapes whose codes are optimised together; fewer towards the end", ge=1)
    shape_limit_s: float = setting(600.0, help="seconds a shape may take before it counts as failed", gt=0)
    attempts: int = setting(
        3, help="actors a shape may cost (crashed or out of memory) before it counts as failed", ge=2
    )
    retry_failed: bool = setting(
        False, help="evaluate again the shapes that failed earlier; a new row replaces the failed one"
    )
    start_limit_s: float = setting(
        300.0, help="seconds to wait for an actor to start while none runs; more where a cluster grows slowly", gt=0
    )
    save_meshes: bool = setting(
        True,
        help="write every shape's meshes, cloud or picture, prediction and ground truth, and the curves of its "
        "optimisation at test time: the page draws them",
    )
