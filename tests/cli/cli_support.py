"""Small settings, and the command as a function."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from shapesys.cli.main import cli

TINY = ["--train.points-per-shape", "256", "--model.hidden", "16", "--model.latent-dim", "4", "--model.layers", "3"]
TINY += ["--model.skip-at", "2", "--train.epochs", "4", "--tracker", "none", "--local"]


def invoke(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def prepare_words(folder: Path) -> list[object]:
    source = ["--source", "procedural", "--categories", "bottle", "mug", "--count", 3, "--test-fraction", 0.4]
    small = ["--sdf.count", 512, "--sdf.chunk", 256, "--cloud.points", 1024, "--occupancy.points", 500]
    return ["prepare", *source, *small, "--store", folder, "--preset", "tiny", "--local"]
