"""Time, storage and money for any number of shapes: costs measured per shape, and assumptions that can be changed.

python benchmarks/scale_model.py --shapes 10000 1000000 10000000
python benchmarks/scale_model.py --shapes 1000000 --nodes 4 --gpu-tflops 120 --help
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from shapesys.samples.parts import bucket_count

COSTS = Path(__file__).with_name("shape_costs.json")
CODE_COPIES = 4
"""A code in training: itself, its gradient, and Adam's two moments, float32 each."""
CODE_TRAFFIC = 8
"""Times that an optimiser step moves every code's bytes through memory: gradient zeroed and read; code and both moments
read and written."""


@dataclass(frozen=True)
class Assumptions:
    """What is assumed, not measured: the cluster, its speed, its prices, and how much is learnt.

    Attributes:
        nodes, cpus, gpus: machines, and cores and GPUs of each.
        efficiency: of many workers against one; `benchmarks/bench_core_scaling.py` measures it on two cores.
        gpu_tflops: what a GPU does with the network, in 10^12 operations a second.
        gpu_memory_tb_s: what it moves, in terabytes a second.
        network_gb_s: what a GPU exchanges with the others, in gigabytes a second.
        epochs, points, batch: of the training: passes, queries of a shape in each, shapes of a step.
        test_share: shapes that are evaluated, their codes optimised.
        cpu_hour, gpu_hour: dollars for an hour of a core and of a GPU.
        tb_month: dollars for keeping a terabyte for a month.
        months: that the store is kept.
        million_puts: dollars for writing a million objects.
    """

    nodes: int = 8
    cpus: int = 64
    gpus: int = 8
    efficiency: float = 0.85
    gpu_tflops: float = 60.0
    gpu_memory_tb_s: float = 2.0
    network_gb_s: float = 50.0
    epochs: int = 500
    points: int = 16_384
    batch: int = 48
    test_share: float = 0.2
    cpu_hour: float = 0.04
    gpu_hour: float = 2.5
    tb_month: float = 23.0
    months: float = 3.0
    million_puts: float = 5.0


@dataclass(frozen=True)
class Stage:
    """One stage: hours of all cores and of all GPUs together, hours on the clock, and dollars."""

    name: str
    cpu_hours: float
    gpu_hours: float
    hours: float
    dollars: float


@dataclass(frozen=True)
class Estimate:
    """What so many shapes cost.

    Attributes:
        stages: prepare, train, evaluate.
        store_tb, results_tb: of samples, and of evaluated shapes.
        objects: files of the store.
        code_gb: gigabytes that the codes take on every GPU while training.
        code_share: share of the training's hours that goes into codes alone.
        storage_dollars: for keeping and writing the store.
    """

    shapes: int
    stages: tuple[Stage, ...]
    store_tb: float
    results_tb: float
    objects: int
    code_gb: float
    code_share: float
    storage_dollars: float

    @property
    def dollars(self) -> float:
        return sum(stage.dollars for stage in self.stages) + self.storage_dollars


def estimate(shapes: int, costs: dict[str, Any], given: Assumptions) -> Estimate:
    """The whole of it for a number of shapes.

    Args:
        costs: as `shape_costs.py` measures them.
    """
    training, code_hours = _train(shapes, costs, given)
    stages = (_prepare(shapes, costs, given), training, _evaluate(shapes, costs, given))
    store_tb = shapes * sum(costs["store_bytes"].values()) / 1e12
    results_tb = shapes * given.test_share * costs["result_bytes"] / 1e12
    objects = bucket_count(shapes) * costs["files_per_part"]
    return Estimate(
        shapes=shapes,
        stages=stages,
        store_tb=store_tb,
        results_tb=results_tb,
        objects=objects,
        code_gb=shapes * costs["latent_dim"] * 4 * CODE_COPIES / 1e9,
        code_share=code_hours / training.hours,
        storage_dollars=(store_tb + results_tb) * given.tb_month * given.months + objects / 1e6 * given.million_puts,
    )


def _prepare(shapes: int, costs: dict[str, Any], given: Assumptions) -> Stage:
    cpu_hours = shapes * costs["prepare_cpu_s"] / 3600 / given.efficiency
    return Stage("prepare", cpu_hours, 0.0, cpu_hours / (given.nodes * given.cpus), cpu_hours * given.cpu_hour)


def _train(shapes: int, costs: dict[str, Any], given: Assumptions) -> tuple[Stage, float]:
    """The stage, and the hours on the clock of it that codes take.

    Every GPU holds every code, and a step moves them all: gradients of a dense embedding are exchanged, and Adam
    visits every row. This part does not shrink with more GPUs, and grows with the square of the shapes.
    """
    gpus = given.nodes * given.gpus
    queries = shapes * given.epochs * given.points
    network = queries * costs["train_flops_per_query"] / (given.gpu_tflops * 1e12) / gpus / given.efficiency / 3600
    code_bytes = shapes * costs["latent_dim"] * 4
    exchanged = 2 * code_bytes / (given.network_gb_s * 1e9) if gpus > 1 else 0.0
    steps = given.epochs * max(1, shapes // given.batch)
    codes = steps * (CODE_TRAFFIC * code_bytes / (given.gpu_memory_tb_s * 1e12) + exchanged) / 3600
    gpu_hours = (network + codes) * gpus
    return Stage("train", 0.0, gpu_hours, network + codes, gpu_hours * given.gpu_hour), codes


def _evaluate(shapes: int, costs: dict[str, Any], given: Assumptions) -> Stage:
    """Codes are optimised and surfaces extracted on GPUs while other cores score: the slower side sets the hours."""
    tested = shapes * given.test_share
    flops = costs["infer_queries"] * costs["train_flops_per_query"]
    flops += costs["evaluate_queries"] * costs["forward_flops_per_query"]
    gpu_hours = tested * flops / (given.gpu_tflops * 1e12) / 3600 / given.efficiency
    cpu_hours = tested * costs["evaluate_cpu_s"] / 3600 / given.efficiency
    hours = max(gpu_hours / (given.nodes * given.gpus), cpu_hours / (given.nodes * given.cpus))
    return Stage("evaluate", cpu_hours, gpu_hours, hours, gpu_hours * given.gpu_hour + cpu_hours * given.cpu_hour)


def table(estimates: Sequence[Estimate]) -> str:
    """Markdown: a row for each quantity, a column for each number of shapes."""
    columns = [f"{found.shapes:,}" for found in estimates]
    lines = ["| shapes | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, values in _quantities(estimates):
        lines.append(f"| {name} | " + " | ".join(_figure(value) for value in values) + " |")
    return "\n".join(lines)


def _quantities(estimates: Sequence[Estimate]) -> list[tuple[str, list[float]]]:
    rows: list[tuple[str, list[float]]] = []
    for number, name in enumerate(("prepare", "train", "evaluate")):
        stages = [found.stages[number] for found in estimates]
        rows += [
            (f"{name}: hours on the clock", [stage.hours for stage in stages]),
            (f"{name}: core hours", [stage.cpu_hours for stage in stages]),
            (f"{name}: GPU hours", [stage.gpu_hours for stage in stages]),
            (f"{name}: dollars", [stage.dollars for stage in stages]),
        ]
    rows = [row for row in rows if any(row[1])]
    return [
        *rows,
        ("training: share of the hours that codes take, %", [100 * found.code_share for found in estimates]),
        ("training: codes and Adam on each GPU, GB", [found.code_gb for found in estimates]),
        ("store, TB", [found.store_tb for found in estimates]),
        ("store, files or objects", [found.objects for found in estimates]),
        ("evaluated meshes and rows, TB", [found.results_tb for found in estimates]),
        ("storage: dollars", [found.storage_dollars for found in estimates]),
        ("all: dollars", [found.dollars for found in estimates]),
    ]


def _figure(value: float) -> str:
    """Three significant digits, in full."""
    return f"{float(f'{value:.3g}'):,.10g}"


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", type=int, nargs="+", default=[10_000, 1_000_000, 10_000_000])
    parser.add_argument("--costs", type=Path, default=COSTS, help="measured costs, from shape_costs.py")
    for assumed in fields(Assumptions):
        flag = f"--{assumed.name.replace('_', '-')}"
        parser.add_argument(flag, type=type(assumed.default), default=assumed.default, help="%(default)s if not given")
    options = vars(parser.parse_args(words))
    shapes, costs = options.pop("shapes"), json.loads(options.pop("costs").read_text(encoding="utf-8"))
    given = Assumptions(**options)
    sys.stdout.write(table([estimate(count, costs, given) for count in shapes]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
