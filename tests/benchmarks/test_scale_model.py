"""The model of time, storage and money: its units, what it grows with, and its command."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import scale_model
from scale_model import Assumptions, estimate

COSTS: dict[str, Any] = {
    "prepare_cpu_s": 3.6,
    "store_bytes": {"sdf": 3e6, "cloud": 1e6},
    "files_per_part": 21,
    "latent_dim": 250,
    "train_flops_per_query": 1e7,
    "forward_flops_per_query": 3e6,
    "infer_queries": 6_000_000,
    "evaluate_queries": 1_000_000,
    "evaluate_cpu_s": 36.0,
    "result_bytes": 2e6,
}
PLAIN = Assumptions(nodes=2, cpus=10, gpus=1, efficiency=1.0, gpu_tflops=10.0, months=1.0, test_share=0.5)


def test_units_follow_a_calculation_by_hand() -> None:
    found = estimate(10_000, COSTS, PLAIN)
    prepare, train, evaluate = found.stages
    assert (prepare.cpu_hours, prepare.hours, prepare.dollars) == pytest.approx((10.0, 0.5, 0.4))
    # 10,000 shapes x 500 x 16,384 queries x 10 MFLOP at 10 TFLOP/s on each of two GPUs.
    network = 10_000 * 500 * 16_384 * 1e7 / 1e13 / 2 / 3600
    codes = 500 * 208 * (8 * 1e7 / 2e12 + 2 * 1e7 / 50e9) / 3600
    assert train.hours == pytest.approx(network + codes)
    assert found.code_share == pytest.approx(codes / train.hours)
    assert train.dollars == pytest.approx(2 * train.hours * 2.5)
    # 5,000 shapes x 63 TFLOP; 36 s on a core each.
    assert evaluate.gpu_hours == pytest.approx(5_000 * 6.3 / 3600)
    assert (evaluate.cpu_hours, evaluate.hours) == pytest.approx((50.0, max(2.5, evaluate.gpu_hours / 2)))
    assert (found.store_tb, found.results_tb) == pytest.approx((0.04, 0.01))
    assert (found.objects, found.code_gb) == pytest.approx((313 * 21, 0.04))
    assert found.storage_dollars == pytest.approx(0.05 * 23 + 313 * 21 / 1e6 * 5)
    assert found.dollars == pytest.approx(sum(stage.dollars for stage in found.stages) + found.storage_dollars)


def test_more_shapes_cost_more_and_more_machines_less_time() -> None:
    some, more, most = (estimate(count, COSTS, PLAIN) for count in (10_000, 1_000_000, 10_000_000))
    for less, greater in ((some, more), (more, most)):
        assert greater.dollars > less.dollars
        assert greater.store_tb > less.store_tb
        assert greater.objects > less.objects
        assert greater.code_share > less.code_share
        assert all(a.hours < b.hours for a, b in zip(less.stages, greater.stages, strict=True))
    spread = estimate(1_000_000, COSTS, replace(PLAIN, nodes=4))
    assert all(a.hours > b.hours for a, b in zip(more.stages, spread.stages, strict=True))
    assert spread.stages[0].dollars == pytest.approx(more.stages[0].dollars)


def test_what_does_not_shrink_with_more_machines() -> None:
    """Steps, and with them the traffic of codes, depend on the batch alone."""
    few, many = (estimate(10_000_000, COSTS, replace(PLAIN, nodes=nodes)) for nodes in (100, 1000))
    assert many.stages[1].hours > 0.95 * few.stages[1].hours
    larger = estimate(10_000_000, COSTS, replace(PLAIN, nodes=100, batch=480))
    assert larger.stages[1].hours < 0.2 * few.stages[1].hours


def test_the_command_prints_a_table_of_the_measured_costs(capsys: pytest.CaptureFixture[str]) -> None:
    assert scale_model.main(["--shapes", "10000", "1000000", "--gpu-hour", "0", "--cpu-hour", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| shapes | 10,000 | 1,000,000 |"
    assert lines[1] == "|---|---|---|"
    cells = {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in lines[2:]}
    assert cells["prepare: dollars" if "prepare: dollars" in cells else "storage: dollars"] != ["0", "0"]
    assert cells["all: dollars"] == cells["storage: dollars"]
    assert float(cells["store, TB"][1]) == pytest.approx(100 * float(cells["store, TB"][0]), rel=0.02)
