"""The page of a reproduction: pictures of one image stand together, by the number of superpixels."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image

from shapesys.report.reproduction import build_reproduction_page
from shapesys.reproduction.finding import Finding
from shapesys.reproduction.registry import load
from shapesys.reproduction.ssn import outlined
from shapesys.reproduction.table import table_of


def test_pictures_say_how_many_superpixels_were_asked_for_and_stand_by_size(tmp_path: Path) -> None:
    recipe = load("ssn.toy")
    names = ("image__a.1000.png", "image__a.50.png", "image__b.1000.png", "image__b.50.png")
    for at, name in enumerate(names):
        Image.new("RGB", (16, 16), (60 * at, 0, 0)).save(tmp_path / name)
    pictures = tuple(outlined(tmp_path / name) for name in (*names, "image__b.99.png"))
    summary = {"overall": {"metrics": {}}}
    finding = Finding(recipe.variants[0].label, 0, "own", summary, pictures)
    page = build_reproduction_page(recipe, table_of(recipe, [finding]), [finding], (), tmp_path / "page.html")
    said = re.findall(r"<figcaption[^>]*>([^<]*)", page.read_text(encoding="utf-8"))
    assert said == [f"{count} superpixels asked for" for count in (50, 1000, 50, 1000)]
