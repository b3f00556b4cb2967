"""Folders that a node does not see; asking the driver's own node stands for asking others."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from shapesys.errors import ShapesysError

pytest.importorskip("ray")
pytestmark = pytest.mark.cluster


@pytest.fixture
def every_node(ray_cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from shapesys.on_ray import storage

    monkeypatch.setattr(storage, "_other_nodes", storage.alive_nodes)
    monkeypatch.setattr(storage, "PATIENCE_S", 0.0)


def test_a_mark_is_seen_and_goes_with_its_block(every_node: None, tmp_path: Path) -> None:
    from shapesys.on_ray.storage import marked, require_on_all_nodes, unseen

    (tmp_path / ".shared-of-a-killed-process").touch()
    with marked(tmp_path, "mount it") as witness:
        assert len(list(tmp_path.iterdir())) == 1
        require_on_all_nodes(unseen, (witness,))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", [None, b"of another disk"], ids=["nothing", "another file"])
def test_a_folder_of_the_same_name_is_not_the_same(every_node: None, tmp_path: Path, there: bytes | None) -> None:
    from shapesys.on_ray.storage import Witness, require_on_all_nodes, unseen

    file = tmp_path / "manifest.json"
    file.write_bytes(b"of the driver")
    witness = Witness.of(file, "mount it there too")
    file.unlink()
    if there:
        file.write_bytes(there)
    with pytest.raises(ShapesysError, match=rf"^node [\d.]+ does not see {tmp_path} as the .*; mount it there too$"):
        require_on_all_nodes(unseen, (witness,))


def test_a_node_without_the_package_is_named(every_node: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from shapesys.on_ray.storage import require_on_all_nodes

    (tmp_path / "only_the_driver_has_it.py").write_text("def complaint() -> None:\n    return None\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = pytest.importorskip("only_the_driver_has_it")
    with pytest.raises(ShapesysError, match=r"^node [\d.]+ cannot start work: .*'only_the_driver_has_it'; install .*"):
        require_on_all_nodes(module.complaint)
    del sys.modules["only_the_driver_has_it"]
