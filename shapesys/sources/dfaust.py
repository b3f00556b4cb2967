"""Dynamic FAUST (Bogo et al., CVPR 2017): raw scans of moving people, in the splits that SAL and its successors use.

``scans/<human>/<pose>/<frame>.ply``, such as ``scans/50002/jumping_jacks/jumping_jacks.005567.ply``: triangles as the
scanner meshed them, in metres, with holes and without a consistent orientation. Registrations of the body model, one
file per frame under the same names, are the shapes that the scans show.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import ClassVar

from pydantic import model_validator

from shapesys.config.base import Config, setting
from shapesys.errors import ShapeRejected, ShapesysError
from shapesys.geometry.formats.geometry import Limits
from shapesys.geometry.io import parse_mesh, read_bytes
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.scan import Scan
from shapesys.geometry.validation import clean
from shapesys.sources.base import Census, ShapeRef, Skipped, Source, Split, digest_of
from shapesys.sources.dfaust_splits import Frame, count_note, parse_frames
from shapesys.sources.files import safe
from shapesys.sources.root import Root
from shapesys.sources.splits import hash_split

CATEGORY = "human"
"""One category for all, since one model is trained on all of them; who does what is in the names."""

_SCAN_ENDINGS = (".ply",)
_REGISTRATION_ENDINGS = (".ply", ".obj", ".off")


class DFaustSettings(Config):
    """Settings of the source `dfaust`. The split files say which scans there are to be."""

    root: str = setting(help="folder of the scans, or the one above it: a local path or an fsspec URL")
    split_train: str = setting("", help="SAL's JSON file of the training scans, by its path or under the root")
    split_test: str = setting("", help="the same of the test scans")
    registrations: str = setting(
        "", help="folder of one registered mesh per scan, <human>/<pose>/<frame>.obj, .ply or .off; none where empty"
    )
    val_fraction: float = setting(0.0, ge=0.0, lt=1.0, help="share of the training sequences held out to validate")
    split_seed: int = setting(0, help="changes which sequences the fraction holds out")
    max_megabytes: int = setting(1024, ge=1, help="larger files are rejected unread")
    max_faces: int = setting(20_000_000, ge=1, help="meshes with more faces or vertices are rejected")

    @model_validator(mode="after")
    def _some_split(self) -> DFaustSettings:
        if not self.split_train and not self.split_test:
            raise ValueError(
                "split_train or split_test is needed: the files that say which of the 40,000 scans to take, such as "
                "train_all_every5.json and test_all_every5.json of SAL"
            )
        return self

    @property
    def limits(self) -> Limits:
        return Limits(self.max_megabytes << 20, self.max_faces, self.max_faces)


class DFaustSource(Source):
    """Dynamic FAUST: raw scans as meshes, and with registrations as scans whose shape is known.

    Either way, the distances that are learned from are those to the raw triangles, as in SAL.
    """

    name: ClassVar[str] = "dfaust"
    Settings: ClassVar[type[DFaustSettings]] = DFaustSettings

    def __init__(self, settings: DFaustSettings) -> None:
        self.settings = settings
        self.root = Root(settings.root)
        self.registrations = Root(settings.registrations) if settings.registrations else None
        # What can be made of the scans depends on whether their shapes are known, and so on the settings.
        self.gives = Scan if settings.registrations else Mesh  # type: ignore[misc]

    def census(self) -> Census:
        listed = self._listed()
        scans = _index(self.root.paths(), _SCAN_ENDINGS)
        if not scans.keys() & listed.keys():
            raise ShapesysError(
                f"none of the {len(listed)} listed scans is under '{self.settings.root}': expected "
                f"scans/<human>/<pose>/<frame>.ply, e.g. {'/'.join(next(iter(listed)))}.ply"
            )
        registered = _index(self.registrations.paths(), _REGISTRATION_ENDINGS) if self.registrations else None
        entries = [self._entry(frame, split, scans, registered) for frame, split in listed.items()]
        skipped = [entry for entry in entries if isinstance(entry, Skipped)]
        return Census.of(
            [entry for entry in entries if isinstance(entry, ShapeRef)], skipped, self._notes(listed, len(skipped))
        )

    def load(self, ref: ShapeRef) -> Mesh | Scan:
        """The scan in metres, cleaned of repeated vertices and faces, and where known the shape it shows.

        Raises:
            ShapeRejected: one of them cannot be read or is unusable.
        """
        scan = self._mesh(self.root, ref.locator["files"][0])
        if self.registrations is None:
            return scan
        return Scan(scan, self._mesh(self.registrations, ref.locator["registration"]))

    def digest(self, ref: ShapeRef) -> str:
        """SHA-256 over names and bytes of the scan and of its registration."""
        files = [(self.root, ref.locator["files"][0])]
        if self.registrations is not None:
            files.append((self.registrations, ref.locator["registration"]))
        limits = self.settings.limits
        return digest_of(*(part for root, path in files for part in (path, root.read(path, limits))))

    def _entry(
        self, frame: Frame, split: Split, scans: dict[Frame, str], registered: dict[Frame, str] | None
    ) -> ShapeRef | Skipped:
        shape = f"{CATEGORY}/{safe(frame.label)}"
        if frame not in scans:
            return Skipped(shape, "split", "in a split file, not under the root")
        locator: dict[str, object] = {"files": [scans[frame]]}
        if registered is not None:
            if frame not in registered:
                return Skipped(shape, "census", "no registration of this scan")
            locator["registration"] = registered[frame]
        return ShapeRef(shape, CATEGORY, split, self.name, locator)

    def _listed(self) -> dict[Frame, Split]:
        """Every frame of the split files, with its split.

        Raises:
            ShapesysError: a file cannot be read, or one frame is in both.
        """
        settings = self.settings
        train, test = self._frames(settings.split_train), self._frames(settings.split_test)
        for frame in train:
            if frame in test:
                raise ShapesysError(
                    f"'{'/'.join(frame)}' is in both '{settings.split_train}' and '{settings.split_test}'; "
                    "give two files of one pair"
                )
        return {**{frame: self._train_or_val(frame) for frame in train}, **dict.fromkeys(test, "test")}

    def _train_or_val(self, frame: Frame) -> Split:
        # By sequence, since a frame and the next one are nearly the same shape.
        sequence = f"{frame.human}/{frame.pose}"
        return hash_split(sequence, self.settings.val_fraction, 0.0, self.settings.split_seed)

    def _frames(self, name: str) -> dict[Frame, None]:
        if not name:
            return {}
        try:
            data = read_bytes(Path(name)) if Path(name).is_file() else self.root.read(name, Limits())
        except ShapeRejected as problem:
            raise ShapesysError(f"split file '{name}', as given and under the root: {problem.reason}") from None
        return dict.fromkeys(parse_frames(data, name))

    def _notes(self, listed: dict[Frame, Split], missing: int) -> list[str]:
        tests = sum(split == "test" for split in listed.values())
        settings = self.settings
        counts = count_note(
            len(listed) - tests if settings.split_train else None, tests if settings.split_test else None
        )
        left_out = f"{missing} of {len(listed)} listed scans left out, for want of their files" if missing else None
        return [note for note in (counts, left_out) if note]

    def _mesh(self, root: Root, path: str) -> Mesh:
        limits = self.settings.limits
        return clean(parse_mesh(root.read(path, limits), path, limits, root.fetch_beside(path, limits))).mesh


def _index(paths: Iterable[str], endings: tuple[str, ...]) -> dict[Frame, str]:
    """Frame -> path of the files ``.../<human>/<pose>/<frame><ending>``; of several, the one in a folder ``scans``.

    Else it is the one nearest to the root: registrations may lie beside the scans under the same names.
    """
    found: dict[Frame, str] = {}
    for path in sorted(paths, key=lambda path: ("scans" not in path.split("/"), path.count("/"), path)):
        place = PurePosixPath(path)
        if len(place.parts) >= 3 and place.suffix.lower() in endings:
            # Frames have a dot in their names, so only the ending may go.
            found.setdefault(Frame(place.parts[-3], place.parts[-2], place.stem), path)
    return found
