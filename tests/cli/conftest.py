"""A small store and a trained run, made once through the command line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[1] / "reproduction"))

from cli_support import TINY, invoke, prepare_words


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "store"
    result = invoke(*prepare_words(folder))
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="session")
def trained(store: Path) -> Path:
    result = invoke("train", "issn", "--store", store, "--run", "small", "--runs-root", store.parent / "runs", *TINY)
    assert result.exit_code == 0, result.output
    return store.parent / "runs" / "small"
