"""Pages of runs that predict labels or superpixels: numbers of the set, confusion, clouds, pictures, curves."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from recognition_support import NAMES, classified_run, parted_run, segmented_run
from report_support import Outline, embedded
from rich.console import Console

from shapesys.geometry.colormap import LABEL_COLOURS
from shapesys.geometry.io import parse_geometry
from shapesys.report.cloud_gallery import MISTAKES, PARTS, predicted_view, shape_data
from shapesys.report.compare import compare
from shapesys.report.compare_data import comparison_data
from shapesys.report.compare_tables import comparison_tables
from shapesys.report.load import KeptCloud, load_run
from shapesys.report.page import build_comparison, build_page
from shapesys.report.picture_gallery import curves
from shapesys.report.summary import all_lines, metric_lines, whole_set_lines
from shapesys.report.tables import summary_table
from shapesys.samples.vocabulary import Vocabulary
from shapesys.training.run_dir import RunDirectory, read_json

ODDS = [("chair/1", 0.1), ("chair/2", 0.7), ("mug/1", 0.9), ("mug/2", 0.95)]
SHARES = [("chair/1", 1.0), ("chair/2", 0.5), ("mug/1", 0.8), ("mug/2", 0.9)]


def page_of(*runs: RunDirectory) -> str:
    return build_page(list(runs), runs[0].path.parent / "page.html").read_text(encoding="utf-8")


def text_of(page: str) -> str:
    return " ".join(" ".join(Outline(page).words).split())


def unpacked(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=kind)


def test_classes_show_numbers_of_the_set_their_confusion_and_the_mistakes(tmp_path: Path) -> None:
    page = page_of(classified_run(tmp_path, "own", ODDS))
    text = text_of(page)
    assert "0.750 overall accuracy (OA) ↑" in text
    assert "0.750 mean-class accuracy (mAcc) ↑" in text
    assert 'title="true chair, predicted mug: 1 of 2"' in page
    assert "chair mug 1 of 2 50%" in text.partition("Most frequent mistakes")[2]
    assert "Every part" not in text


def test_classified_clouds_say_what_they_were_taken_for_the_worst_mistake_last(tmp_path: Path) -> None:
    data = embedded(page_of(classified_run(tmp_path, "own", ODDS)))
    assert data["metric"] == "cross_entropy/class"
    assert data["colourings"] == []
    labels = {shape["id"]: shape["views"][0]["label"] for shape in data["shapes"]}
    assert labels["chair/2"] == "true chair, predicted mug (0.70)"
    assert labels["mug/2"] == "mug (0.95)"
    assert data["shapes"][-1]["id"] == "chair/2"
    assert data["shapes"][-1]["kind"] == "worst"


def test_clouds_come_back_within_the_rounding_in_the_colours_of_their_parts(tmp_path: Path) -> None:
    run = parted_run(tmp_path, "own", SHARES)
    data = embedded(page_of(run))
    shape = next(shape for shape in data["shapes"] if shape["id"] == "mug/1")
    kept = parse_geometry(run.evaluation("test").cloud("mug/1").read_bytes(), "a.ply")
    first = NAMES.first_part("mug")
    for side, labels in (("truth", kept.attributes["truth"]), ("prediction", kept.attributes["label"])):
        cloud = shape[side]
        lattice = unpacked(cloud["positions"], "<u2").reshape(-1, 3)
        np.testing.assert_allclose(
            np.array(shape["origin"]) + shape["step"] * lattice, kept.vertices, atol=shape["step"]
        )
        assert unpacked(cloud["attributes"][PARTS], "u1").tolist() == (labels - first).tolist()
        wrong = kept.attributes["truth"] != kept.attributes["label"]
        assert unpacked(cloud["attributes"][MISTAKES], "u1").tolist() == wrong.tolist()
        assert cloud["pointCount"] == 60
        assert 0 < cloud["radius"] < 0.5
    assert [part["name"] for part in shape["legend"]] == ["body", "handle"]
    tables = {colouring["name"]: colouring["table"] for colouring in data["colourings"]}
    assert tables[PARTS][:6] == LABEL_COLOURS[:2].ravel().tolist()
    red, green, blue = tables[MISTAKES][3:6]
    assert red > 2 * max(green, blue)


def test_the_legend_explains_grey_only_where_it_is_shown() -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (60, 3))
    true = np.full(60, NAMES.first_part("mug"))
    of_a_chair = np.where(np.arange(60) < 3, NAMES.first_part("chair"), true)
    for predicted, names in ((true, ["body", "handle"]), (of_a_chair, ["body", "handle", "none of these"])):
        view = predicted_view("prediction", "", KeptCloud(points, predicted, true), "mug", NAMES)
        shape = shape_data({"shape_id": "mug/1"}, "best", "best", "", [view], NAMES.parts_of("mug"))
        assert [part["name"] for part in shape["legend"]] == names


def test_numbers_that_have_no_floor_show_no_column_of_floors(tmp_path: Path) -> None:
    runs = [classified_run(tmp_path, name, ODDS) for name in ("base", "new")]
    assert ">floor<" not in page_of(runs[0])
    comparison = compare([load_run(run) for run in runs])
    assert ">floor<" not in build_comparison(comparison, tmp_path / "both.html").read_text(encoding="utf-8")
    console = Console(width=140, file=io.StringIO())
    console.print(*comparison_tables(comparison))
    assert "floor" not in console.file.getvalue()  # type: ignore[attr-defined]


def test_every_part_of_the_set_is_listed(tmp_path: Path) -> None:
    text = text_of(page_of(parted_run(tmp_path, "own", SHARES)))
    after = text.partition("Every part Over the points of all shapes together.")[2]
    assert "chair seat 60 0.750" in after
    assert "chair legs 0 – –" in after  # noqa: RUF001
    assert "instance mIoU" in text
    assert "mean over all shapes; a shape's IoU is the mean over its category's parts" in text


def test_names_of_categories_and_parts_are_text(tmp_path: Path) -> None:
    hostile = "</script><img src=x onerror=alert(1)>"
    names = Vocabulary(("chair", "mug"), {"chair": ("seat", hostile), "mug": (hostile, "handle")})
    outline = Outline(page_of(parted_run(tmp_path, "own", SHARES, names)))
    assert "img" not in {tag for tag, _ in outline.tags}
    assert any(hostile in word for word in outline.words)


def test_the_terminal_shows_the_set_first(tmp_path: Path) -> None:
    summary = read_json(classified_run(tmp_path, "own", ODDS).evaluation("test").summary)
    console = Console(width=140, file=io.StringIO())
    console.print(summary_table(summary))
    lines = [line for line in console.file.getvalue().splitlines() if "│" in line]  # type: ignore[attr-defined]
    assert "overall accuracy (OA)" in lines[0]
    assert "0.750" in lines[0]
    assert "accuracy top1" in lines[2]
    assert [line.name for line in whole_set_lines(summary)] == ["oa/class", "macc/class"]
    assert {line.name for line in all_lines(summary)} > {line.name for line in metric_lines(summary)}


def test_runs_that_label_are_compared_in_numbers_of_the_set_and_side_by_side(tmp_path: Path) -> None:
    better = [(shape, min(1.0, share + 0.2)) for shape, share in SHARES]
    runs = [load_run(parted_run(tmp_path, name, shares)) for name, shares in (("base", SHARES), ("new", better))]
    comparison = compare(runs)
    data = comparison_data(comparison)["splits"]["test"]
    assert data["ranked_by"] == "iou/part.restricted"
    found = {metric.line.name: metric for metric in comparison.splits[0].metrics}
    instance = found["miou/instance.restricted"]
    assert instance.best == {1}
    assert instance.differences == (None,)
    means = [cell.mean for cell in instance.cells if cell is not None]
    assert means == pytest.approx([cell.mean for cell in found["iou/part.restricted"].cells if cell is not None])
    page = build_comparison(comparison, tmp_path / "both.html").read_text(encoding="utf-8")
    shapes = embedded(page, "shapes-both-0")["shapes"]
    assert [view["label"] for view in shapes[0]["views"]] == ["ground truth", "base", "new"]
    assert {shape["id"] for shape in shapes} >= {"chair/2"}
    scatter = embedded(page, "scatter-0")
    assert not any(metric["name"].startswith("miou") for metric in scatter["metrics"])


def test_runs_that_classify_are_compared_in_what_they_say(tmp_path: Path) -> None:
    other = [(shape, 1 - share) for shape, share in ODDS]
    comparison = compare([load_run(classified_run(tmp_path, name, odds)) for name, odds in (("a", ODDS), ("b", other))])
    page = build_comparison(comparison, tmp_path / "both.html").read_text(encoding="utf-8")
    shape = next(one for one in embedded(page, "shapes-both-0")["shapes"] if one["id"] == "mug/2")
    assert [view["label"] for view in shape["views"]] == ["a: mug (0.95)", "b: true mug, predicted chair (0.95)"]


def test_more_shapes_in_one_run_leave_the_numbers_of_the_set_unranked(tmp_path: Path) -> None:
    runs = [load_run(classified_run(tmp_path, name, odds)) for name, odds in (("a", ODDS), ("b", ODDS[:2]))]
    [split] = compare(runs).splits
    assert all(not metric.best for metric in split.metrics)


def test_superpixels_are_pictures_beside_the_truth(tmp_path: Path) -> None:
    page = page_of(segmented_run(tmp_path, "own"))
    text = text_of(page)
    assert "Ranked by asa/mean.k2." in text
    assert "8 superpixels, 8 asked for" in text
    pictures = [attributes for tag, attributes in Outline(page).tags if tag == "img"]
    assert len(pictures) == 9
    for picture in pictures:
        kind, _, data = str(picture["src"]).partition(";base64,")
        assert kind == "data:image/jpeg"
        assert Image.open(io.BytesIO(base64.b64decode(data))).size == (48, 32)
    assert "application/json" not in page, "nothing in 3D"


def test_scores_are_drawn_over_the_actual_number_of_superpixels(tmp_path: Path) -> None:
    [evaluation] = load_run(segmented_run(tmp_path, "own", (2, 6, 12))).evaluations
    charts = curves(evaluation, metric_lines(evaluation.summary))
    assert [chart.title for chart in charts] == [
        "achievable segmentation accuracy", "boundary recall", "undersegmentation error",
    ]  # fmt: skip
    asa = charts[0].curves[0]
    assert asa.name == "mean"
    metrics = evaluation.summary["overall"]["metrics"]
    assert asa.steps.tolist() == [metrics[f"superpixels/k{k}"]["mean"] for k in (2, 6, 12)]
    assert asa.values.tolist() == [metrics[f"asa/mean.k{k}"]["mean"] for k in (2, 6, 12)]
    [single] = load_run(segmented_run(tmp_path, "single", (4,))).evaluations
    assert curves(single, metric_lines(single.summary)) == []


def test_counts_stand_by_size(tmp_path: Path) -> None:
    summary = read_json(segmented_run(tmp_path, "own", (8, 16, 2)).evaluation("test").summary)
    names = [line.name for line in metric_lines(summary) if line.metric == "asa"]
    assert names == ["asa/mean.k2", "asa/mean.k8", "asa/mean.k16"]


def test_missing_clouds_and_pictures_leave_the_tables(tmp_path: Path) -> None:
    run = parted_run(tmp_path, "own", SHARES)
    for cloud in (run.evaluation("test").path / "clouds").iterdir():
        cloud.unlink()
    assert "Every part" in text_of(page_of(run))
    images = segmented_run(tmp_path, "images")
    for picture in (images.evaluation("test").path / "pictures").iterdir():
        picture.write_bytes(b"")
    assert "<img" not in page_of(images)


def test_a_damaged_cloud_is_left_out(tmp_path: Path) -> None:
    run = parted_run(tmp_path, "own", SHARES)
    run.evaluation("test").cloud("mug/1").write_bytes(b"ply")
    data: dict[str, Any] = embedded(page_of(run))
    assert "mug/1" not in json.dumps([shape["id"] for shape in data["shapes"]])
