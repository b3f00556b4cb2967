"""Follows the networks of a set while they train elsewhere: one progress line for all, and a tracked run for each.

Workers write histories and statuses; this process alone talks to the tracker, so that any number of networks may train
at a time whatever its store allows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from shapesys.cli.background import BackgroundTracker
from shapesys.cli.progress import Progress
from shapesys.cli.training_run import describe_run, scalars
from shapesys.tracking.open import open_tracker
from shapesys.tracking.tracker import DataSet, Outcome, RunDescription
from shapesys.training.config import TrainJob, changed_from_preset
from shapesys.training.history import Follower
from shapesys.training.network_set import Network, last_step
from shapesys.training.provenance import tags
from shapesys.training.run_dir import RunDirectory, read_json

LOOK_SECONDS = 0.5
"""Histories are read this often."""


@dataclass
class _Followed:
    """A network that this command trains, and how far it is."""

    network: Network
    steps: int
    follower: Follower
    step: int
    tracker: BackgroundTracker | None = None


@dataclass
class SetWatch:
    """Tells the progress line and the tracker of a set.

    Attributes:
        directory: of the set.
        job: that all networks share.
        facts: the command's provenance.
        kind: of `shapesys.tracking.open`.
        line: counts steps of all networks.
        count: of the set's networks, those that were finished before included.
    """

    directory: RunDirectory
    job: TrainJob
    facts: Mapping[str, Any]
    kind: str
    line: Progress
    count: int
    _open: dict[str, _Followed] = field(default_factory=dict)
    _done: int = 0
    _total: int = 0
    _ended: int = 0
    _failed: int = 0
    _parent_id: str = ""
    _told: tuple[int, ...] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._parent = open_tracker(self.directory, self.kind)

    def start(self, before: int) -> None:
        """Open the set's tracked run, whose id is needed before the first network's.

        Args:
            before: networks that were finished already.
        """
        self._ended = before
        named = {"family": self.job.family, "preset": self.job.preset}
        description = RunDescription(
            name=self.directory.name,
            experiment=self.job.family,
            params=named | changed_from_preset(self.job),
            tags=named | {"kind": "set"} | tags(self.facts),
            note=self._note(),
            data=DataSet(Path(self.job.data.store).name, self.facts["data_digest"] or "", self.job.data.store),
        )
        self._parent_id = self._parent.start(description)
        self._parent.artifacts([self.directory.set_file])

    def expect(self, network: Network, steps: int) -> None:
        """A network will train to this step."""
        begun = last_step(network.run)
        self._open[network.category] = _Followed(network, steps, Follower(network.run.history, begun), begun)
        self._total += steps
        self._done += begun

    def ended(self, network: Network, outcome: Outcome) -> None:
        """A network's training is over."""
        with self._lock:
            followed = self._open.pop(network.category)
            self._follow(followed)
            self._begin(followed)
            # What a failure leaves undone is no longer to come.
            self._total -= followed.steps - followed.step
            self._ended += 1
            self._failed += outcome == "failed"
            assert followed.tracker is not None
            followed.tracker.finish(outcome)
            self._tell()

    @contextmanager
    def following(self) -> Iterator[None]:
        """Look at the histories now and then, in a thread of its own, for the length of a ``with`` block."""
        over = threading.Event()

        def look() -> None:
            while not over.wait(LOOK_SECONDS):
                self._look()

        thread = threading.Thread(target=look, name="set-watch", daemon=True)
        self._tell()
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def finish(self, outcome: Outcome, why: str) -> None:
        """Close what has not ended, as interrupted, then the set's own run."""
        for followed in self._open.values():
            if _is_running(followed.network.run):
                self._begin(followed)
                self._follow(followed)
                followed.network.run.update_status(state="interrupted", error=None)
            if followed.tracker is not None:
                followed.tracker.finish("interrupted")
        self._open = {}
        self._parent.tags({"ended": why})
        self._parent.finish(outcome)

    def _look(self) -> None:
        with self._lock:
            for followed in self._open.values():
                if _is_running(followed.network.run):
                    self._begin(followed)
                    self._follow(followed)
            self._tell()

    def _begin(self, followed: _Followed) -> None:
        """Open the network's tracked run, a child of the set's."""
        if followed.tracker is not None:
            return
        run, job = followed.network.run, followed.network.job
        followed.tracker = BackgroundTracker(open_tracker(run, self.kind))
        described = describe_run(job, run, read_json(run.provenance))
        own = {**described.tags, "set": self.directory.name}
        name = f"{self.directory.name}/{run.name}"
        followed.tracker.start(replace(described, name=name, tags=own, parent=self._parent_id or None))
        followed.tracker.artifacts([run.config, run.provenance])

    def _follow(self, followed: _Followed) -> None:
        for record in followed.follower.fresh():
            self._begin(followed)
            assert followed.tracker is not None
            followed.tracker.metrics(dict(scalars(record)), int(record["step"]))
            self._done += int(record["step"]) - followed.step
            followed.step = int(record["step"])

    def _tell(self) -> None:
        training = sum(followed.tracker is not None for followed in self._open.values())
        now = (self._done, self._total, self._ended, training)
        if now == self._told:
            return
        self._told = now
        failed = {"failed": self._failed} if self._failed else {}
        self.line(self._done, self._total, networks=f"{self._ended}/{self.count}", training=training, **failed)

    def _note(self) -> str:
        """What the set is, and how to do it again, in Markdown."""
        return (
            f"**{self.job.family}**, preset *{self.job.preset}*: one network for each of {self.count} categories of "
            f"`{self.job.data.store}`.\n\n"
            f"Again, or to go on: `{self.facts['command']}`\n\n"
            f"Folder of the runs: `{self.directory.path}`."
        )


def _is_running(run: RunDirectory) -> bool:
    return run.status.exists() and read_json(run.status).get("state") == "running"
