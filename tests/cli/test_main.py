"""The command as a whole: help, exit codes, JSON, failures."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from shapesys.cli import main as cli_main
from shapesys.cli.failure import explain
from shapesys.cli.main import VERBS, cli
from shapesys.cli.output import Answer, plain, standard_out
from shapesys.cli.verb import verb
from shapesys.errors import ShapesysError, UsageError

HELP_SECONDS = 0.5


def invoke(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


def run_child(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shapesys.cli.main", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A verb 'list' that raises what the test gives it."""

    def install(error: BaseException) -> None:
        @verb(example="x")
        def command() -> Answer:
            raise error

        monkeypatch.setattr(cli_main, "import_module", lambda name: type("module", (), {"command": command}))

    return install


def test_help_names_every_verb() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    assert all(f"  {name} " in result.output for name in VERBS)


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_explains_itself(name: str) -> None:
    result = invoke(name, "--help")
    assert result.exit_code == 0, result.output
    assert f"Example:\n  shapesys {name}" in result.output
    assert "--json" in result.output
    assert "--debug" in result.output


@pytest.mark.parametrize("words", [[], *([name] for name in VERBS)])
def test_help_is_fast_and_loads_no_torch(words: list[str]) -> None:
    code = (
        "import sys\nfrom shapesys.cli.main import run\n"
        f"code = run({[*words, '--help']!r})\n"
        "assert code == 0\n"
        "print(*sorted({'torch', 'ray', 'mlflow', 'matplotlib', 'scipy'} & set(sys.modules)), file=sys.stderr)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert done.stderr.split() == []
    # Processor time, since wall-clock time on a busy machine says nothing about the command; twice it, for slow CPUs.
    assert after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime < 2 * HELP_SECONDS


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["trian"], "did you mean train?"),
        (["list", "familes"], "did you mean families"),
        (["train", "isn", "--store", "s"], "did you mean issn"),
        (["train", "issn", "--store", "s", "--preset", "tinny"], "did you mean tiny?"),
        (["train", "issn", "--latent-dim", "8"], "did you mean --model.latent-dim"),
        (["train", "issn", "--model.latent-dmi", "8"], "did you mean --model.latent-dim"),
        (["train", "issn", "--store", "s", "--model.latent-dim", "0"], "greater than or equal to 1"),
        (["train", "issn", "--model.latent-dim", "many"], "'many' is not a valid integer"),
        (["train", "issn"], "--store"),
        (["prepare", "--source", "foldr", "--store", "s"], "did you mean folder"),
        (["prepare", "--source", "procedural", "--store", "s", "--categories", "chiar"], "did you mean chair"),
        (["prepare", "--source", "procedural", "--store", "s", "--views", "cloudd"], "did you mean cloud?"),
        (["prepare", "--source", "folder", "--store", "s"], "root"),
        (["prepare", "--source", "procedural", "--store", "s", "--preset", "sall"], "did you mean sal"),
        (["prepare", "--source", "procedural", "--store", "s", "--preset", "sal", "--margin", "1.2"], "has a margin"),
        (["prepare", "--source", "procedural", "--store", "s", "--local", "--frame", "mean"], "--views meshes udf"),
        (["evaluate", "no-such-run"], "unknown run 'no-such-run'"),
        (["bench", "metrix"], "did you mean metrics"),
        (["prepare"], "--source"),
    ],
)
def test_bad_usage_names_the_nearest_and_exits_2(words: list[str], hint: str) -> None:
    result = invoke(*words)
    assert result.exit_code == 2, result.output
    assert hint in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_flags_stand_anywhere() -> None:
    spellings = [["list", "views", "--json"], ["--json", "list", "views"], ["list", "--json", "views"]]
    outputs = {invoke(*words).stdout for words in spellings}
    assert len(outputs) == 1
    assert json.loads(outputs.pop())["views"][0]["view"] == "shapes"


@pytest.mark.parametrize("what", ["families", "presets", "sources", "metrics", "views", "runs"])
def test_lists(what: str) -> None:
    shown, machine = invoke("list", what), invoke("list", what, "--json")
    assert shown.exit_code == machine.exit_code == 0
    rows = json.loads(machine.stdout)[what]
    assert rows or what == "runs"
    for row in rows:
        assert str(next(iter(row.values()))) in shown.output


def test_errors_of_ours_are_printed_alone(broken: Any) -> None:
    broken(ShapesysError("the reason [not markup]"))
    result = invoke("list")
    assert (result.exit_code, result.stderr, result.stdout) == (1, "the reason [not markup]\n", "")


def test_debug_adds_the_traceback(broken: Any) -> None:
    broken(ShapesysError("the reason"))
    assert "Traceback" in invoke("list", "--debug").stderr


def test_json_failures_are_json(broken: Any) -> None:
    broken(UsageError("wrong"))
    result = invoke("list", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout) == {"error": {"kind": "usage", "message": "wrong"}}


def test_an_unexpected_error_gives_one_line_with_the_place(broken: Any) -> None:
    broken(KeyError("absent"))
    result = invoke("list")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("unexpected KeyError: 'absent' at shapesys/cli/")
    assert "--debug" in result.stderr


def test_ctrl_c_exits_130(broken: Any) -> None:
    broken(KeyboardInterrupt())
    result = invoke("list")
    assert result.exit_code == 130
    assert "interrupted" in result.stderr


def test_sigterm_ends_like_ctrl_c() -> None:
    code = (
        "import os, signal, sys\nfrom shapesys.cli import main\n"
        "main._end_like_ctrl_c()\n"
        "try: os.kill(os.getpid(), signal.SIGTERM)\nexcept KeyboardInterrupt: sys.exit(130)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 130, done.stderr
    assert signal.getsignal(signal.SIGTERM) is not None


def test_a_full_disk_is_told_with_the_way_out() -> None:
    message, code = explain(OSError(errno.ENOSPC, "No space left on device", "runs/a/history.jsonl"))
    assert code == 1
    assert message.startswith("no space left to write runs/a/history.jsonl; free some space")
    assert explain(OSError(errno.EIO, "Input/output error"))[0].startswith("unexpected OSError")


def test_a_wrapped_error_of_ours_is_found() -> None:
    class WorkerError(Exception):
        cause = ShapesysError("the worker's reason")

    assert explain(WorkerError("wrapped in pages of traceback")) == ("the worker's reason", 1)
    chained = RuntimeError("outer")
    chained.__cause__ = UsageError("inner")
    assert explain(chained) == ("inner", 2)
    assert explain(click.Abort())[1] == 130


def test_nothing_but_the_answer_reaches_stdout_with_json() -> None:
    code = (
        "import os, sys\nfrom shapesys.cli.output import Answer, standard_out\n"
        "with standard_out(True) as out:\n"
        "    print('from python'); os.write(1, b'from C\\n'); os.system('echo from a child')\n"
        "    out.write(Answer({'a': 1}))\n"
        "print('after')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == '{\n  "a": 1\n}\nafter\n'
    assert all(text in done.stderr for text in ("from python", "from C", "from a child"))


def test_json_holds_plain_values_only() -> None:
    import numpy as np

    data = {"a": np.float32(0.5), 1: (np.int64(2), float("nan")), "p": os.path, "none": None}
    assert plain(data)["a"] == 0.5
    assert plain(data)["1"] == [2, None]
    assert isinstance(plain(data)["p"], str)


def test_the_console_script_runs() -> None:
    assert run_child("--version").stdout.startswith("shapesys, version ")
    done = run_child("list", "nothing")
    assert (done.returncode, done.stdout) == (2, "")


def test_standard_out_is_left_alone_for_people() -> None:
    with standard_out(False) as out:
        assert out.stream is sys.stdout


@pytest.mark.parametrize("words", [("list", "metrics"), ("list", "metrics", "--json"), ("train", "issn", "--help")])
def test_a_reader_that_leaves_is_no_failure(words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "shapesys.cli.main", *words]
    with os.fdopen(writer, "wb") as nobody:
        done = subprocess.run(command, stdout=nobody, stderr=subprocess.PIPE, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
