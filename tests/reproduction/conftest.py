"""What the tests of this folder share: modules beside them, and saliency maps made once."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from saliency_support import asked, every_split

from shapesys.reproduction.recipe import Request


@pytest.fixture(scope="session")
def first_maps(saliency_store: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of runs after PCA, PCSM and ISSN made all their maps of a seed; to be left as it is."""
    root = tmp_path_factory.mktemp("maps") / "runs"
    for item in every_split(asked(saliency_store, str(root))):
        item.perform()
    return root


@pytest.fixture
def made(saliency_store: str, first_maps: Path, tmp_path: Path) -> Request:
    """A request whose maps are there already, in a folder of its own."""
    root = shutil.copytree(first_maps, tmp_path / "runs")
    return asked(saliency_store, str(root))
