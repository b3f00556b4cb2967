"""What one shape costs on one core of this machine, at the paper's settings: the measured half of scale_model.py.

python benchmarks/shape_costs.py --write     writes shape_costs.json beside this file
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from scale_jobs import FULL, QUICK, Size, Workplace
from torch.utils.flop_counter import FlopCounterMode

from shapesys.evaluation.evaluator import Evaluator
from shapesys.evaluation.plan import EvaluationPlan
from shapesys.families.issn.config import ISSNConfig, ISSNInference
from shapesys.families.issn.objective import ISSNObjective
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.shape import warm_up
from shapesys.samples.store import Store

COSTS = Path(__file__).with_name("shape_costs.json")


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {COSTS.name}")
    parser.add_argument("--quick", action="store_true", help="few small shapes, to try it")
    options = parser.parse_args(words)
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    measured = measure(QUICK, queries=256) if options.quick else measure(replace(FULL, count=4), queries=4096)
    text = json.dumps(measured, indent=2, sort_keys=True) + "\n"
    sys.stdout.write(text)
    if options.write:
        COSTS.write_text(text, encoding="utf-8")
    return 0


def measure(size: Size, queries: int) -> dict[str, Any]:
    """Costs of all stages as plain data; units in the names. `queries` of each shape in a training step."""
    with tempfile.TemporaryDirectory() as folder:
        place = Workplace(Path(folder), size)
        return preparation(place) | training(queries) | evaluation(place)


def preparation(place: Workplace) -> dict[str, Any]:
    """CPU seconds, and bytes by view, of a shape's samples."""
    warm_up()
    url, shapes = place.store("costs"), len(place.source.shapes())
    before = time.process_time()
    prepare_locally(place.source, url, place.size.settings, isolate=False)
    seconds = time.process_time() - before
    store = Store.open(url)
    bytes_of: Counter[str] = Counter()
    for path in Path(url).rglob("*.parquet"):
        bytes_of[path.relative_to(url).parts[0]] += path.stat().st_size
    return {
        "prepare_cpu_s": seconds / shapes,
        "prepare_shapes": shapes,
        "store_bytes": {view: size / shapes for view, size in sorted(bytes_of.items())},
        "files_per_part": sum(1 for _ in Path(url).rglob("*.parquet")) // len(store.parts),
    }


def training(points: int) -> dict[str, Any]:
    """Floating-point operations of the paper's network per query, and how many a core does in a second."""
    objective = ISSNObjective(ISSNConfig(clamp_gradient="published"), shapes=2)
    batch = {
        "shape_index": torch.arange(2),
        "noise_seed": torch.arange(2),
        "points": torch.rand(2, points, 3) - 0.5,
        "distance": torch.rand(2, points) - 0.5,
    }

    def step() -> None:
        objective.zero_grad(set_to_none=True)
        objective(batch).total().backward()

    queries = 2 * points
    with FlopCounterMode(display=False) as counter:
        step()
    seconds = statistics.median(_seconds(step) for _ in range(5))
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        objective(batch)
    return {
        "train_flops_per_query": counter.get_total_flops() / queries,
        "forward_flops_per_query": forward.get_total_flops() / queries,
        "train_queries_per_core_s": queries / seconds,
        "core_flops": counter.get_total_flops() / seconds,
        "network_parameters": sum(parameter.numel() for parameter in objective.decoder.parameters()),
        "latent_dim": objective.config.latent_dim,
    }


def _seconds(step: Any) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def evaluation(place: Workplace) -> dict[str, Any]:
    """What is left of an evaluated shape when the network's own work is taken off, and the queries it asked."""
    plan = EvaluationPlan.open(place.evaluation("evaluated"), place.evaluate_settings)
    evaluator = Evaluator.open(
        plan.checkpoint, plan.store.url, plan.settings, plan.directory, torch.device("cpu")
    )  # fmt: skip
    batches = list(plan.batches(8))
    evaluator.evaluate(batches[0][:1])
    started = time.process_time()
    rows = [row for batch in batches for row in evaluator.evaluate(batch).rows]
    seconds = time.process_time() - started
    plan.results.add(rows)
    plan.finish()
    network = sum(row["cost/extract_seconds"] + row["cost/infer_seconds"] for row in rows)
    kept = sum(path.stat().st_size for path in plan.directory.path.rglob("*") if path.is_file())
    inference = ISSNInference()
    return {
        "evaluate_cpu_s": max(0.0, seconds - network) / len(rows),
        "evaluate_all_s": seconds / len(rows),
        "evaluate_shapes": len(rows),
        "evaluate_queries": statistics.mean(row["cost/points_evaluated"] for row in rows),
        "infer_queries": inference.iterations * inference.points,
        "result_bytes": kept / len(rows),
    }


if __name__ == "__main__":
    sys.exit(main())
