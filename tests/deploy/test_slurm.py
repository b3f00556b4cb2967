"""The Slurm script, under a scheduler and with programs that only write down what they were asked."""

from __future__ import annotations

import re
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_stub import SCRIPT, SETTINGS, Scheduler, finish, make_program, scheduler, wait_until

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(shutil.which("bash") is None or sys.platform != "linux", reason="Slurm nodes run Linux"),
]

RAY = """#!/usr/bin/env bash
trap 'echo "$SLURMD_NODENAME ray ended" >>"$STUB_LOG"; exit 1' TERM
echo "$SLURMD_NODENAME ray $* mode=$RAY_AUTH_MODE token=$(stat -c %a "$RAY_AUTH_TOKEN_PATH")" >>"$STUB_LOG"
[[ $1 == start ]] || exit 0
for _ in {1..400}; do sleep 0.1; done
"""
PYTHON = """#!/usr/bin/env bash
[[ $1 == -c ]] && exec "$REAL_PYTHON" "$@"
cat >/dev/null
[[ -n ${STUB_MISSING_NODES:-} ]] && exit 1
until (($(grep -c " ray start" "$STUB_LOG") == SLURM_JOB_NUM_NODES)); do sleep 0.05; done
"""
SHAPESYS = """#!/usr/bin/env bash
trap 'echo "shapesys interrupted" >>"$STUB_LOG"; exit 130' TERM
echo "shapesys $* at $RAY_ADDRESS" >>"$STUB_LOG"
[[ $1 == train ]] || exit "${STUB_STATUS:-0}"
for _ in {1..400}; do sleep 0.1; done
"""


@pytest.fixture
def allocation(tmp_path: Path) -> Iterator[Scheduler]:
    programs = tmp_path / "venv" / "bin"
    programs.mkdir(parents=True)
    for name, text in (("ray", RAY), ("python", PYTHON), ("shapesys", SHAPESYS)):
        make_program(programs / name, text)
    with scheduler(tmp_path, ["n1", "n2", "n3"], programs.parent, REAL_PYTHON=sys.executable) as running:
        yield running
        assert not list(running.temporary.iterdir()), "a node left its temporary folder behind"
        assert not list(tmp_path.glob(".ray-token-*")), "the token outlived the job"


def test_each_node_gets_its_part_and_the_job_the_exit_code_of_the_verb(allocation: Scheduler) -> None:
    allocation.environment["STUB_STATUS"] = "7"
    allocation.environment["SLURM_MEM_PER_NODE"] = "10240"
    code, output = finish(allocation.start("prepare", "--source", "a b"), 60)
    assert code == 7, output
    asked = allocation.asked()
    (step,) = [line for line in asked if line.startswith("srun")]
    assert step.startswith("srun --nodes=3 --ntasks=3 --ntasks-per-node=1 --cpus-per-task=4 --kill-on-bad-exit=1")

    started = {line.split()[0]: line for line in asked if " ray start" in line}
    assert sorted(started) == ["n1", "n2", "n3"]
    host, port = re.search(
        r"--head --node-ip-address=(\S+) --port=(\d+) --dashboard-host=127.0.0.1", started["n1"]
    ).groups()  # type: ignore[union-attr]
    for node in ("n2", "n3"):
        assert f"ray start --address={host}:{port} --block" in started[node]
        assert "--head" not in started[node]
    for line in started.values():
        assert "--num-cpus=4" in line
        assert "--object-store-memory=2147483648" in line
        assert line.endswith("mode=token token=600")
    assert f"shapesys prepare --source a b at {host}:{port}" in asked
    assert sorted(line for line in asked if line.endswith("ended")) == [f"n{n} ray ended" for n in (1, 2, 3)]
    assert not [line for line in asked if line.startswith("scontrol")]


def test_the_time_limit_interrupts_the_verb_and_queues_the_job_again(allocation: Scheduler) -> None:
    job = allocation.start("train", "issn")
    wait_until(lambda: any(line.startswith("shapesys train") for line in allocation.asked()))
    job.send_signal(signal.SIGUSR1)
    code, output = finish(job, 30)
    assert code == 130
    assert "the time limit is near: queued again" in output
    asked = allocation.asked()
    interrupted = asked.index("shapesys interrupted")
    assert asked[-1] == "scontrol requeue 4711"
    assert interrupted < asked.index("n1 ray ended"), "Ray was ended under the verb"


def test_a_job_is_not_queued_again_for_ever(allocation: Scheduler) -> None:
    allocation.environment.update(SLURM_RESTART_COUNT="2", SHAPESYS_REQUEUES="2")
    job = allocation.start("train", "issn")
    wait_until(lambda: any(line.startswith("shapesys train") for line in allocation.asked()))
    job.send_signal(signal.SIGUSR1)
    assert finish(job, 30)[0] == 130
    assert "scontrol requeue 4711" not in allocation.asked()


def test_a_cancelled_job_cleans_up_and_stays_away(allocation: Scheduler) -> None:
    job = allocation.start("train", "issn")
    wait_until(lambda: any(line.startswith("shapesys train") for line in allocation.asked()))
    job.send_signal(signal.SIGTERM)
    code, output = finish(job, 30)
    assert code == 130
    assert "the same command resumes" in output
    asked = allocation.asked()
    assert "shapesys interrupted" in asked
    assert len([line for line in asked if line.endswith("ray ended")]) == 3
    assert not [line for line in asked if line.startswith("scontrol")]


def test_missing_nodes_fail_the_job_before_the_verb(allocation: Scheduler) -> None:
    allocation.environment["STUB_MISSING_NODES"] = "1"
    code, output = finish(allocation.start("train", "issn"), 30)
    assert code == 1
    assert "Ray did not start on all nodes" in output
    assert not [line for line in allocation.asked() if line.startswith("shapesys")]


@pytest.mark.parametrize(
    ("change", "words", "reason"),
    [
        ({}, [], "name a verb"),
        ({"SLURM_JOB_ID": ""}, ["train"], "submit this script with sbatch"),
        ({"SHAPESYS_ENV": "/nowhere.env"}, ["train"], "SHAPESYS_ENV"),
        ({"SHAPESYS_VENV": "/nowhere"}, ["train"], "SHAPESYS_VENV"),
        ({"SHAPESYS_WORK": "/nowhere"}, ["train"], "SHAPESYS_WORK"),
    ],
)
def test_bad_settings_are_named(allocation: Scheduler, change: dict[str, str], words: list[str], reason: str) -> None:
    allocation.environment.update(change)
    code, output = finish(allocation.start(*words), 30)
    assert code == 2
    assert reason in output
    assert allocation.asked() == []


def test_every_setting_in_the_file_is_used() -> None:
    declared = set(re.findall(r"^: \"\$\{(\w+):=", SETTINGS.read_text(), re.MULTILINE))
    assert len(declared) >= 6
    assert not [name for name in declared if name not in SCRIPT.read_text()]
