"""Imports point downwards only, and the core loads neither Ray nor MLflow nor matplotlib."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import shapesys

PACKAGE = Path(shapesys.__file__).parent
TIERS = [
    {"errors"},
    {"config", "geometry"},
    {"fields", "nets", "metrics"},
    {"samples", "sources"},
    {"families"},
    {"training"},
    {"evaluation"},
    {"saliency"},
    {"tuning", "reproduction", "laboratory"},
    {"tracking"},
    {"on_ray"},
    {"report"},
    {"cli"},
]
HEIGHT = {name: height for height, tier in enumerate(TIERS) for name in tier}
OUTSIDE = {"ray": "on_ray/", "mlflow": "tracking/mlflow.py"}
"""Packages that one place alone may import."""

FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """(module, line) of every import statement, those inside functions included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            yield node.module, node.lineno
            if node.module == "shapesys":
                yield from ((f"shapesys.{alias.name}", node.lineno) for alias in node.names)


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_part_of_the_package_has_a_tier() -> None:
    parts = {part_of(path) for path in FILES} - {"__init__"}
    assert len(parts) > 8
    assert parts <= HEIGHT.keys(), f"give {parts - HEIGHT.keys()} a place in TIERS"


def test_imports_never_point_upwards() -> None:
    upward = [
        f"{path.relative_to(PACKAGE)}:{line} imports {module}"
        for path in FILES
        if part_of(path) != "__init__"
        for module, line in imports(path)
        if module.startswith("shapesys.") and HEIGHT[module.split(".")[1]] > HEIGHT[part_of(path)]
    ]
    assert not upward, "\n".join(upward)


@pytest.mark.parametrize("package", OUTSIDE)
def test_only_one_place_imports(package: str) -> None:
    places = [
        f"{path.relative_to(PACKAGE).as_posix()}:{line}"
        for path in FILES
        for module, line in imports(path)
        if module.split(".")[0] == package
    ]
    assert places, f"nothing imports {package}"
    assert all(place.startswith(OUTSIDE[package]) for place in places), places


def test_core_loads_neither_ray_nor_mlflow_nor_matplotlib() -> None:
    core = {name for name, height in HEIGHT.items() if height <= HEIGHT["training"]}
    modules = [dotted(path) for path in FILES if part_of(path) in core]
    assert len(modules) > 40
    assert loaded_by(modules, "ray", "mlflow", "matplotlib", "jinja2") == []


def test_training_and_evaluation_of_prepared_shapes_need_no_extra() -> None:
    modules = [
        "shapesys.families.issn",
        "shapesys.families.dpgnet",
        "shapesys.families.ssn",
        "shapesys.training.loop",
        "shapesys.samples.store",
        "shapesys.fields.extraction",
    ]
    assert loaded_by(modules, "ray", "mlflow", "matplotlib", "jinja2", "warp", "igl", "mcubes", "s3fs", "h5py") == []


def dotted(path: Path) -> str:
    return ".".join(("shapesys", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


def loaded_by(modules: list[str], *packages: str) -> list[str]:
    """Which of `packages` a fresh interpreter holds after importing `modules`."""
    code = f"import importlib, sys\n[importlib.import_module(name) for name in {modules!r}]\n"
    code += f"print(*sorted({set(packages)!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()
