"""SAL's split files of Dynamic FAUST: ``{"scans": {human: {pose: [frame, ...]}}}``, one file for each split."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from shapesys.errors import ShapesysError

PUBLISHED = {
    "train_all_every5 and test_all_every5": (6258, 2038),
    "the split by unseen humans": (6375, 1921),
    "train_pose_every5 and test_pose_every5": (7644, 652),
}
"""Scans for training and for the test in each pair of files that SAL was published with (Atzmon and Lipman, 2020)."""

LAYOUT = '{"scans": {"50002": {"jumping_jacks": ["jumping_jacks.005567", ...]}}}, as in SAL\'s confs/splits/dfaust'


class Frame(NamedTuple):
    """One scan of the data set: who, doing what, and the name of the file without its ending."""

    human: str
    pose: str
    name: str

    @property
    def label(self) -> str:
        """The three in one word; the pose once, since published file names begin with it."""
        whole = self.name.startswith(f"{self.pose}.")
        return f"{self.human}-{self.name}" if whole else f"{self.human}-{self.pose}-{self.name}"


def parse_frames(data: bytes, name: str) -> list[Frame]:
    """The frames that a split file lists, each once, in its order.

    Raises:
        ShapesysError: it is no JSON, or of another layout; says which and what is expected.
    """
    try:
        humans = _object(json.loads(data), "the file").get("scans", {})
        frames = [
            Frame(human, pose, _text(frame, f"'{human}/{pose}'"))
            for human, poses in _object(humans, "'scans'").items()
            for pose, listed in _object(poses, f"'{human}'").items()
            for frame in _list(listed, f"'{human}/{pose}'")
        ]
    except ValueError as error:
        raise ShapesysError(f"cannot read the split file '{name}': {error}; expected {LAYOUT}") from None
    if not frames:
        raise ShapesysError(f"the split file '{name}' lists no scan; expected {LAYOUT}")
    return list(dict.fromkeys(frames))


def count_note(train: int | None, test: int | None) -> str | None:
    """A remark where the numbers of scans listed are those of no published pair; None for a split without a file."""
    for official in PUBLISHED.values():
        if all(ours in (None, theirs) for ours, theirs in zip((train, test), official, strict=True)):
            return None
    listed = " and ".join(
        f"{count} {split}" for count, split in ((train, "training"), (test, "test")) if count is not None
    )
    known = ", ".join(f"{name} {trained}/{tested}" for name, (trained, tested) in PUBLISHED.items())
    return f"{listed} scans listed, which is none of SAL's published numbers ({known})"


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is {_in_short(value)}, not an object")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{what} is {_in_short(value)}, not a list")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{where} lists {_in_short(value)}, not a name")
    return value


def _in_short(value: Any) -> str:
    return json.dumps(value)[:40]
