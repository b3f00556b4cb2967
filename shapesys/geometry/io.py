"""Mesh and point-cloud files in; nothing a file says is believed before it is checked.

A file that cannot be used raises `ShapeRejected` with a reason a person understands. Nothing is fetched from a
network, no texture or material is opened, no archive unpacked, and a file can point only into its own folder.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from shapesys.errors import ShapeRejected
from shapesys.geometry.formats.geometry import Fetch, Geometry, Limits
from shapesys.geometry.formats.gltf import read_glb, read_gltf
from shapesys.geometry.formats.obj import read_obj
from shapesys.geometry.formats.off import read_off
from shapesys.geometry.formats.ply import read_ply
from shapesys.geometry.formats.stl import read_stl
from shapesys.geometry.mesh import Mesh

MESH_SUFFIXES = (".obj", ".off", ".ply", ".stl", ".glb", ".gltf")
DEFAULT_LIMITS = Limits()

_ARCHIVES = frozenset({".zip", ".gz", ".bz2", ".xz", ".7z", ".tar", ".zst", ".zae", ".rar"})
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"

Reader = Callable[[bytes, Limits, Fetch], Geometry]
_READERS: dict[str, Reader] = {
    ".obj": lambda data, limits, fetch: read_obj(data, limits),
    ".off": lambda data, limits, fetch: read_off(data, limits),
    ".ply": lambda data, limits, fetch: read_ply(data, limits),
    ".stl": lambda data, limits, fetch: read_stl(data, limits),
    ".glb": read_glb,
    ".gltf": read_gltf,
}


def read_mesh(path: str | Path, limits: Limits = DEFAULT_LIMITS) -> Mesh:
    """Read a local OBJ, OFF, PLY, STL, GLB or glTF file as triangles, all objects and scene nodes in one frame.

    The mesh is as the file has it: `shapesys.geometry.validation.clean` joins equal vertices and drops what is
    degenerate.

    Raises:
        ShapeRejected: stage "read", the reason names what is wrong and what is accepted.
    """
    path = Path(path)
    check_suffix(path.name)
    return parse_mesh(read_bytes(path, limits), path.name, limits, beside(path, limits))


def parse_mesh(data: bytes, name: str, limits: Limits = DEFAULT_LIMITS, fetch: Fetch | None = None) -> Mesh:
    """The same from bytes; `name` gives the format by its ending, `fetch` reads files that stand beside it.

    Raises:
        ShapeRejected: stage "read".
    """
    geometry = parse_geometry(data, name, limits, fetch)
    if len(geometry.faces) == 0:
        points = len(geometry.vertices)
        cloud = f"no faces, only {points} points: a point cloud is not a mesh"
        raise ShapeRejected("read", cloud if points else "the file holds no geometry")
    lowest, highest = int(geometry.faces.min()), int(geometry.faces.max())
    if lowest < 0 or highest >= len(geometry.vertices):
        wrong, count = lowest if lowest < 0 else highest, len(geometry.vertices)
        raise ShapeRejected("read", f"vertex index {wrong} out of range, the file has {count} vertices")
    return Mesh(geometry.vertices, geometry.faces, dict(geometry.attributes))


def parse_geometry(data: bytes, name: str, limits: Limits = DEFAULT_LIMITS, fetch: Fetch | None = None) -> Geometry:
    """Vertices, faces, normals and attributes as the file states them, within the limits.

    Raises:
        ShapeRejected: stage "read"; whatever goes wrong inside a reader arrives here as this.
    """
    suffix = check_suffix(name)
    check_bytes(data, limits)
    try:
        geometry = _READERS[suffix](data, limits, fetch or _nothing_beside)
    except ShapeRejected:
        raise
    except KeyError as error:
        raise ShapeRejected("read", f"malformed {suffix[1:].upper()}: unknown or missing {error}") from None
    except Exception as error:
        raise ShapeRejected("read", f"malformed {suffix[1:].upper()}: {error}") from None
    limits.check("vertices", len(geometry.vertices))
    limits.check("faces", len(geometry.faces))
    return geometry


def check_suffix(name: str) -> str:
    """The lower-case ending of a file name, when it is an accepted mesh format.

    Raises:
        ShapeRejected: stage "read", with the accepted endings.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in _READERS:
        return suffix
    accepted = ", ".join(MESH_SUFFIXES)
    if suffix in _ARCHIVES:
        raise ShapeRejected("read", f"'{suffix}' is an archive; unpack it first (accepted: {accepted})")
    raise ShapeRejected("read", f"'{suffix or name}' is not an accepted mesh format (accepted: {accepted})")


def check_bytes(data: bytes, limits: Limits) -> None:
    """Refuse what is empty, too large or a git-lfs pointer.

    Raises:
        ShapeRejected: stage "read".
    """
    limits.check("bytes", len(data))
    if not data or data.isspace():
        raise ShapeRejected("read", "the file is empty")
    if data.startswith(_LFS_POINTER):
        raise ShapeRejected("read", "a git-lfs pointer, not the mesh itself; run 'git lfs pull' in its repository")


def read_bytes(path: Path, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """A regular local file within the size limit; pipes and devices are refused, since they could block for ever.

    Raises:
        ShapeRejected: stage "read".
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ShapeRejected("read", f"'{path.name}' is not a regular file")
        limits.check("bytes", status.st_size)
        return path.read_bytes()
    except OSError as error:
        raise ShapeRejected("read", f"cannot open '{path.name}': {error.strerror or error}") from None


def beside(path: Path, limits: Limits = DEFAULT_LIMITS) -> Fetch:
    """Reads files that a local file refers to, as long as they lie in its folder or below."""
    folder = path.parent.resolve()

    def fetch(name: str) -> bytes:
        target = (folder / safe_relative(name)).resolve()
        if not target.is_relative_to(folder):
            raise ShapeRejected("read", f"refers to '{name[:80]}', which lies outside its folder")
        return read_bytes(target, limits)

    return fetch


def safe_relative(name: str) -> str:
    """A reference inside a file as a relative path without schemes, absolute parts or steps upward.

    Raises:
        ShapeRejected: stage "read".
    """
    parts = urlsplit(name)
    path = PurePosixPath(unquote(parts.path))
    if parts.scheme or parts.netloc or path.is_absolute() or ".." in path.parts or "\0" in str(path) or not path.parts:
        raise ShapeRejected("read", f"refers to '{name[:80]}'; only files in its own folder are read")
    return str(path)


def _nothing_beside(name: str) -> bytes:
    raise ShapeRejected("read", f"refers to '{name[:80]}', but only the bytes of one file were given")
