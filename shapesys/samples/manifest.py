"""What a store was made with: written at its creation, compared at every later run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from shapesys.errors import ShapesysError
from shapesys.samples.filesystem import Folder
from shapesys.samples.views import SCHEMA_VERSION

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """The store's own settings.

    Attributes:
        settings: everything that shapes the samples, as plain JSON data.
        views: names of the views it holds, sorted.
        chunks: chunked view -> (chunks per shape, samples per chunk).
        buckets: number of buckets that shapes are spread over; never changes.
        source: name and settings of the source that it was created from.
        schema: version of the views' columns.
    """

    settings: dict[str, Any]
    views: tuple[str, ...]
    chunks: dict[str, tuple[int, int]]
    buckets: int
    source: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA_VERSION

    @property
    def settings_digest(self) -> str:
        return settings_digest(self.settings)

    def save(self, folder: Folder) -> None:
        data = asdict(self) | {"settings_digest": self.settings_digest}
        folder.write(MANIFEST, (json.dumps(data, indent=2, sort_keys=True) + "\n").encode())

    @classmethod
    def load(cls, folder: Folder) -> Manifest:
        """The manifest of an existing store.

        Raises:
            ShapesysError: there is none, or this version cannot read it.
        """
        try:
            data = json.loads(folder.read(MANIFEST))
        except FileNotFoundError:
            raise ShapesysError(
                f"no sample store at {folder.url} (it has no {MANIFEST}); make one with: shapesys prepare --store ..."
            ) from None
        except ValueError as error:
            raise ShapesysError(f"{MANIFEST} of the store {folder.url} is not valid JSON ({error})") from None
        if data.get("schema") != SCHEMA_VERSION:
            raise ShapesysError(
                f"the store {folder.url} has schema version {data.get('schema')}, this version reads {SCHEMA_VERSION}; "
                "prepare it anew in another --store"
            )
        data.pop("settings_digest", None)
        chunks = {view: (count, size) for view, (count, size) in data["chunks"].items()}
        return cls(**data | {"views": tuple(data["views"]), "chunks": chunks})


def settings_digest(settings: dict[str, Any]) -> str:
    """Digest of settings, the same on every machine, for the shapes prepared under them."""
    canonical = json.dumps({"schema": SCHEMA_VERSION, **settings}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
