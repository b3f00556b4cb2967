"""What experiments leave in their folders for others, and whether it may be used.

    <experiment>/
      undone               while it works, and where it failed: all beside it is of an earlier experiment then
      <file>               what it leaves
      <file>.facts.json    what that file depends on, as plain data; written after it

Experiments work `at_work`, leave files by `Kept.keep`, and `check_kept` before they use those of others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapesys.errors import ShapesysError
from shapesys.samples.filesystem import Folder
from shapesys.training.run_dir import read_json, write_json

_UNDONE, _FACTS = "undone", ".facts.json"


@contextmanager
def at_work(*folders: Path) -> Iterator[None]:
    """Keep others out of the folders of an experiment, and mark them until it is done; where it fails, they stay so.

    Raises:
        ShapesysError: another process works in one of them.
    """
    own = dict.fromkeys(folders)
    with ExitStack() as locks:
        for folder in own:
            locks.enter_context(Folder(str(folder)).exclusive())
        for folder in own:
            (folder / _UNDONE).touch()
        yield
        for folder in own:
            (folder / _UNDONE).unlink()


@dataclass(frozen=True)
class Kept:
    """A file that an experiment leaves, and keeps as long as what it depends on is the same."""

    path: Path

    def is_current(self, facts: Mapping[str, Any]) -> bool:
        """Whether the file is there and depends on these facts.

        Args:
            facts: plain data.
        """
        if not (self.path.is_file() and self._facts.is_file()):
            return False
        held: Any = read_json(self._facts)
        return bool(held == json.loads(json.dumps(facts)))

    def keep(self, facts: Mapping[str, Any], make: Callable[[Path], object]) -> None:
        """Let `make` write the file, unless it is current."""
        if self.is_current(facts):
            return
        # Half a file must not pass for one that depends on what the last one did.
        self._facts.unlink(missing_ok=True)
        make(self.path)
        write_json(self._facts, facts)

    @property
    def _facts(self) -> Path:
        return self.path.with_name(self.path.name + _FACTS)


def check_kept(files: Iterable[Path], what: str) -> None:
    """Refuse to go on without files of other experiments, or with what is left of them before they failed.

    Args:
        what: the files are, for people.

    Raises:
        ShapesysError: names the experiments that failed.
    """
    lost = dict.fromkeys(file.parent.name for file in files if not file.is_file() or _is_undone(file.parent))
    if lost:
        raise ShapesysError(
            f"there are no {what} of {', '.join(lost)}, whose experiment failed; mend what it complains of, and the "
            "same command again does what is missing"
        )


def _is_undone(folder: Path) -> bool:
    return (folder / _UNDONE).exists()
