"""A scheduler that is not there: `srun` and `scontrol` that run what a job asks for on this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "cluster" / "slurm" / "shapesys.sbatch"
SETTINGS = SCRIPT.with_name("shapesys.env")

# Like the real one: starts a task per node, hands SIGTERM on to all of them, returns the highest exit code.
SRUN = """#!/usr/bin/env bash
echo "srun $*" | head -n 1 >>"$STUB_LOG"
while [[ $1 == -* ]]; do shift; done
tasks=() ended=''
trap 'ended=1; kill -TERM "${tasks[@]}" 2>/dev/null' TERM
index=0
for node in $STUB_NODES; do
    SLURM_NODEID=$index SLURMD_NODENAME=$node "$@" &
    tasks+=($!)
    [[ -z $ended ]] || kill -TERM $! # whoever asked to end did so before this task began
    index=$((index + 1))
done
worst=0
for task in "${tasks[@]}"; do
    while kill -0 "$task" 2>/dev/null; do
        wait "$task"
        code=$?
    done
    ((code > worst)) && worst=$code
done
exit "$worst"
"""
SCONTROL = '#!/usr/bin/env bash\necho "scontrol $*" >>"$STUB_LOG"\n'


@dataclass(frozen=True)
class Scheduler:
    """One allocation: its nodes, the folder that they share, and what was asked of the scheduler."""

    folder: Path
    temporary: Path
    environment: dict[str, str]
    log: Path

    def start(self, *words: object) -> subprocess.Popen[str]:
        """Run the job script with `words`, as the first node of the allocation would."""
        return subprocess.Popen(
            ["bash", SCRIPT, *map(str, words)],
            env=self.environment, cwd=self.folder, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def asked(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@contextmanager
def scheduler(folder: Path, nodes: list[str], venv: Path, **settings: str) -> Iterator[Scheduler]:
    """An allocation of `nodes` in which the environment `venv` lies on shared storage."""
    programs = folder / "programs"
    programs.mkdir()
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        make_program(programs / name, text)
    temporary = Path(tempfile.mkdtemp(prefix="slurm", dir="/tmp"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "SLURM_"))} | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_NUM_NODES": str(len(nodes)),
        "SLURM_CPUS_PER_TASK": "4",
        "SLURM_SUBMIT_DIR": str(folder),
        "SHAPESYS_ENV": str(SETTINGS),
        "SHAPESYS_VENV": str(venv),
        "SHAPESYS_TMP": str(temporary),
        "STUB_NODES": " ".join(nodes),
        "STUB_LOG": str(folder / "asked.log"),
    }
    try:
        yield Scheduler(folder, temporary, environment | settings, folder / "asked.log")
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def make_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def finish(job: subprocess.Popen[str], limit: float) -> tuple[int, str]:
    """The exit code of a job and what it printed; its whole process group is ended where it takes longer."""
    try:
        output, _ = job.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)
        output, _ = job.communicate()
        raise AssertionError(f"the job did not end within {limit:g} s:\n{output}") from None
    return job.returncode, output


def wait_until(ready: Callable[[], bool], limit: float = 20.0) -> None:
    ends = time.monotonic() + limit
    while not ready():
        assert time.monotonic() < ends, f"nothing happened within {limit:g} s"
        time.sleep(0.05)
