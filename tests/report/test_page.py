"""The offline page: what it holds, that it needs nothing else, and that names cannot break out of it."""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from report_support import CHAMFER, Outline, embedded, evaluated_run, octahedron, trained_run

from shapesys.errors import ShapesysError, UsageError
from shapesys.geometry.mesh import Mesh
from shapesys.report.offline import script_json
from shapesys.report.page import build_page
from shapesys.report.select import Selection
from shapesys.training.run_dir import RunDirectory, write_json

HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"


def page_of(*runs: RunDirectory, selection: Selection | None = None) -> str:
    out = runs[0].path.parent / "page.html"
    return build_page(list(runs), out, selection).read_text(encoding="utf-8")


def unpacked(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=kind)


def decoded(mesh: dict[str, Any], shape: dict[str, Any]) -> np.ndarray:
    return np.array(shape["origin"]) + shape["step"] * unpacked(mesh["positions"], "<u2").reshape(-1, 3)


def test_nothing_is_fetched(tmp_path: Path) -> None:
    page = page_of(evaluated_run(tmp_path, steps=2))
    outline = Outline(page)
    for tag, attributes in outline.tags:
        loads = [attributes[name] for name in ("src", "href", "srcset", "data", "action") if name in attributes]
        assert all(target and target.startswith("#") for target in loads), (tag, loads)
    assert "link" not in {tag for tag, _ in outline.tags}
    styles = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert styles
    assert not any("@import" in style or re.search(r"url\((?!#)", style) for style in styles)
    policy = next(a["content"] for t, a in outline.tags if t == "meta" and a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_embedded_meshes_come_back_within_the_rounding(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = octahedron()
    moved = Mesh(truth.vertices + rng.normal(0, 0.05, (6, 3)), truth.faces, {"saliency": np.linspace(0, 1, 6)})
    page = page_of(evaluated_run(tmp_path, meshes={"chair/a": (truth, moved)}))
    data = embedded(page)
    (shape,) = data["shapes"]
    assert shape["id"] == "chair/a"
    for side, mesh in (("truth", truth), ("reconstruction", moved)):
        corners = decoded(shape[side], shape)[unpacked(shape[side]["faces"], "<u2").reshape(-1, 3)]
        np.testing.assert_allclose(corners, mesh.triangles, atol=shape["step"])
    levels = unpacked(shape["reconstruction"]["attributes"]["saliency"], "u1")
    assert levels.min() == 0
    assert levels.max() == 254
    assert [bar["name"] for bar in data["colourings"]] == ["saliency", "error"]
    assert all(len(bar["table"]) == 768 and len(bar["ticks"]) == 5 for bar in data["colourings"])


def test_an_error_that_was_not_written_is_computed(tmp_path: Path) -> None:
    page = page_of(evaluated_run(tmp_path, meshes={"chair/a": (octahedron(), octahedron(0.5))}))
    bar = next(bar for bar in embedded(page)["colourings"] if bar["name"] == "error")
    # From (1, 0, 0) the half-sized octahedron's nearest point is its own vertex (0.5, 0, 0).
    assert float(bar["ticks"][-1]) == pytest.approx(0.5, rel=0.05)


def test_best_median_and_worst_are_shown(tmp_path: Path) -> None:
    meshes = {f"chair/{at:04d}": (octahedron(), octahedron()) for at in range(9)}
    page = page_of(evaluated_run(tmp_path, meshes=meshes), selection=Selection(best=2, median=1, worst=2))
    shown = [(shape["kind"], shape["id"]) for shape in embedded(page)["shapes"]]
    assert shown == [
        ("best", "chair/0000"), ("best", "chair/0001"), ("median", "chair/0004"),
        ("worst", "chair/0007"), ("worst", "chair/0008"),
    ]  # fmt: skip
    by_iou = embedded(page_of(RunDirectory(tmp_path / "chairs"), selection=Selection("iou/uniform", 1, 0, 0)))
    assert [shape["id"] for shape in by_iou["shapes"]] == ["chair/0000"]
    with pytest.raises(UsageError, match="unknown metric 'iuo/uniform'"):
        page_of(RunDirectory(tmp_path / "chairs"), selection=Selection("iuo/uniform"))


def test_names_are_text_and_never_markup(tmp_path: Path) -> None:
    run = evaluated_run(tmp_path, meshes={"chair/a": (octahedron(), octahedron())})
    directory = run.evaluation("test")
    write_json(run.status, {"state": HOSTILE, "error": HOSTILE})
    write_json(run.provenance, {"command": HOSTILE})
    summary = json.loads(directory.summary.read_text())
    summary["categories"] = {HOSTILE: summary["categories"]["chair"], "b": summary["categories"]["chair"]}
    write_json(directory.summary, summary)
    outline = Outline(page_of(run))
    assert "img" not in {tag for tag, _ in outline.tags}
    assert not any(name.startswith("on") for _, attributes in outline.tags for name in attributes)
    assert not any("alert" in script for script in outline.scripts)
    assert sum(HOSTILE in word for word in outline.words) >= 4


def test_embedded_json_cannot_end_its_script() -> None:
    text = script_json({"id": HOSTILE})
    assert "<" not in text
    assert json.loads(text) == {"id": HOSTILE}


def test_a_run_that_has_only_trained_shows_its_curves(tmp_path: Path) -> None:
    page = page_of(trained_run(tmp_path))
    titles = re.findall(r'<svg [^>]*aria-label="([^"]*)"', page)
    assert titles == ["loss", "mean saliency", "learning rate", "samples per second", "time waiting for data"]
    assert "application/json" not in page
    assert "Results on" not in page


def test_a_bare_directory_gives_a_page_and_a_missing_one_an_error(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    assert "bare" in page_of(RunDirectory(tmp_path / "bare"))
    with pytest.raises(ShapesysError, match="does not exist"):
        page_of(RunDirectory(tmp_path / "gone"))
    with pytest.raises(ShapesysError, match="at least one run"):
        build_page([], tmp_path / "page.html")


def test_missing_meshes_leave_the_table(tmp_path: Path) -> None:
    run = evaluated_run(tmp_path, meshes={"chair/a": (None, octahedron()), "chair/b": (octahedron(), octahedron())})
    run.evaluation("test").prediction_mesh("chair/b").unlink()
    page = page_of(run)
    (shape,) = embedded(page)["shapes"]
    assert (shape["id"], shape["truth"]) == ("chair/a", None)
    assert "no ground truth mesh" in page
    assert '<th scope="row" class="left">chair/b</th>' in page


def test_counts_failures_floor_and_convention_are_visible(tmp_path: Path) -> None:
    text = " ".join(" ".join(Outline(page_of(evaluated_run(tmp_path))).words).split())
    assert "4 ok 0 empty 1 failed 0 missing" in text
    assert "out of memory" in text
    assert "0.0040" in text
    assert "Occupancy Networks eval.py" in text


def test_two_runs_are_compared(tmp_path: Path) -> None:
    first, second = evaluated_run(tmp_path, "first", steps=2), evaluated_run(tmp_path, "second", state="failed")
    config = json.loads(second.config.read_text())
    config["model"]["latent_dim"] = 64
    write_json(second.config, config)
    page = page_of(first, second)
    outline = " ".join(" ".join(Outline(page).words).split())
    assert "2 runs compared" in outline
    assert "model.latent_dim 32 64" in outline
    assert "train.learning_rate" not in outline.partition("Settings that differ")[2].partition("Curves")[0]
    assert embedded(page, "shapes-1-0")["metric"] == CHAMFER
    assert len(embedded(page, "shapes-0-0")["shapes"]) == 3


def test_runs_on_different_shapes_are_not_ranked(tmp_path: Path) -> None:
    first, second = evaluated_run(tmp_path, "first", steps=2), evaluated_run(tmp_path, "second", steps=2)
    rows = pq.read_table(second.evaluation("test").rows)
    place = rows.column_names.index(CHAMFER)
    rows = rows.set_column(place, CHAMFER, pc.multiply(rows[CHAMFER], 2.0))
    pq.write_table(rows, second.evaluation("test").rows)
    assert 'class="best"' in page_of(first, second)
    pq.write_table(rows.slice(1), second.evaluation("test").rows)
    page = page_of(first, second)
    assert 'class="best"' not in page
    assert "means over different shapes" in page
    assert "1 more in first" in page


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    run = evaluated_run(tmp_path, steps=2)
    assert page_of(run) == page_of(run)
