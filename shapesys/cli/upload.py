"""What a job takes along to the cluster: the code, and the small files that its command line names, as one zip file."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

import shapesys
from shapesys.errors import UsageError
from shapesys.training import provenance

MEGABYTE = 1e6
LIMIT = 100e6
"""Most bytes of an upload: the head keeps it in memory and every node fetches it (Ray itself refuses 500 MiB)."""

INPUTS = "inputs"
"""Folder of the job that holds the files named on the command line."""

_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Entry:
    """One file of an upload: its name there and its bytes, in a file or made here."""

    name: str
    file: Path | None = None
    text: str = ""

    @property
    def size(self) -> int:
        return self.file.stat().st_size if self.file else len(self.text.encode())

    def read(self) -> bytes:
        return self.file.read_bytes() if self.file else self.text.encode()


@dataclass(frozen=True)
class Upload:
    """The files of a job, in the order of their names."""

    entries: tuple[Entry, ...]

    def sizes(self) -> list[tuple[str, int, int]]:
        """(top folder, files, bytes) of every folder at the top."""
        tops = sorted({entry.name.split("/")[0] for entry in self.entries})
        groups = [[e for e in self.entries if e.name.split("/")[0] == top] for top in tops]
        return [(top, len(group), sum(e.size for e in group)) for top, group in zip(tops, groups, strict=True)]

    def packed(self) -> bytes:
        """The zip file: equal bytes for equal content, so that a cluster that has it is not sent it again."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for entry in self.entries:
                info = zipfile.ZipInfo(entry.name, _EPOCH)
                info.external_attr = 0o644 << 16
                archive.writestr(info, entry.read(), zipfile.ZIP_DEFLATED)
        return buffer.getvalue()

    def digest(self) -> str:
        """SHA-256 of the files' names and content; what is only noted here of them does not count."""
        summed = hashlib.sha256()
        for entry in self.entries:
            if entry.file is None:
                continue
            summed.update(entry.name.encode() + b"\0" + hashlib.sha256(entry.read()).digest())
        return summed.hexdigest()


def collect(code: bool, inputs: dict[str, Path], more: tuple[str, ...] = ()) -> Upload:
    """The files to upload.

    Args:
        code: take the package along, with its search spaces.
        inputs: name below `INPUTS` -> local file.
        more: further folders of the checkout, e.g. 'benchmarks'.

    Raises:
        UsageError: they are larger than `LIMIT` together; names the largest.
    """
    entries = [Entry(f"{INPUTS}/{name}", file) for name, file in inputs.items()]
    if code:
        entries += [*_package(), *(entry for folder in more for entry in _folder(_checkout() / folder))]
    ordered = sorted(entries, key=lambda entry: entry.name)
    total = sum(entry.size for entry in ordered)
    if total > LIMIT:
        largest = max(ordered, key=lambda entry: entry.size)
        raise UsageError(
            f"{total / MEGABYTE:.0f} MB are too much to upload (at most {LIMIT / MEGABYTE:.0f} MB); the largest is "
            f"{largest.file or largest.name}: put it on storage that every node sees, and name that with --workdir"
        )
    return Upload(tuple(ordered))


def _package() -> Iterator[Entry]:
    yield from _folder(Path(shapesys.__file__).parent)
    spaces = util.find_spec("tune_spaces")
    for place in spaces.submodule_search_locations or [] if spaces else []:
        yield from _folder(Path(place))
    yield from _declaration()
    yield Entry(f"shapesys/training/{provenance.NOTED_CODE}", text=json.dumps(provenance.code()))


def _declaration() -> Iterator[Entry]:
    """What pip would have written: versions, requirements and entry points are looked up there."""
    try:
        installed = metadata.distribution("shapesys")
    except metadata.PackageNotFoundError:
        return
    folder = f"shapesys-{installed.version}.dist-info"
    yield Entry(f"{folder}/METADATA", text=installed.read_text("METADATA") or installed.read_text("PKG-INFO") or "")
    if points := installed.read_text("entry_points.txt"):
        yield Entry(f"{folder}/entry_points.txt", text=points)


def _folder(folder: Path) -> Iterator[Entry]:
    for file in sorted(folder.rglob("*")):
        relative = file.relative_to(folder.parent)
        if file.is_file() and file.suffix != ".pyc" and not _is_private(relative):
            yield Entry(relative.as_posix(), file)


def _is_private(relative: Path) -> bool:
    """Whether a file is a cache, or hidden: no code, and perhaps somebody's secret."""
    return any(part == "__pycache__" or part.startswith(".") for part in relative.parts)


def _checkout() -> Path:
    return Path(shapesys.__file__).parents[1]
