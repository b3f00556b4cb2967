"""Conventions differ exactly where their evaluators do."""

import re
from dataclasses import replace

import pytest

from shapesys.errors import UsageError
from shapesys.metrics.conventions import CONVENTIONS, convention, register


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("onet.chamfer_l1", 0.5 * (0.1 + 0.3)),
        ("convonet", 10 * 0.5 * (0.1 + 0.3)),
        ("tdgn", 10 * 0.5 * (0.1 + 0.3)),
        ("onet.chamfer_l2", 0.5 * (0.1 + 0.3)),
        ("onet_legacy.chamfer", 0.1 + 0.3),
        ("deepsdf", 0.1 + 0.3),
        ("cvxnet", 100 * (0.1 + 0.3)),
        ("pytorch3d", 0.1 + 0.3),
        ("sal.to_scan", 0.1),
        ("sald.recon_to_truth", 0.1),
        ("sald.truth_to_recon", 0.3),
        ("sald.recon_to_scan", 0.1),
        ("sald.scan_to_recon", 0.3),
        ("digs.srb", 0.5 * (0.1 + 0.3)),
        ("digs.srb.scan_to_recon", 0.3),
        ("digs.shapenet", 0.1 + 0.3),
    ],
)
def test_directions_combine_as_the_evaluator_does(name: str, expected: float) -> None:
    assert convention(name).value(0.1, 0.3) == pytest.approx(expected)


def test_squaring_and_counts_follow_the_sheets() -> None:
    unsquared = {name for name, known in CONVENTIONS.items() if not known.squared}
    assert {"onet.chamfer_l1", "convonet", "sa_convonet", "tdgn", "sald.recon_to_truth", "digs.srb"} <= unsquared
    assert {"sald.recon_to_scan", "sald.scan_to_recon", "digs.srb.scan_to_recon"} <= unsquared
    assert not {"onet.chamfer_l2", "onet_legacy.chamfer", "deepsdf", "cvxnet", "pytorch3d", "sal"} & unsquared
    assert not {"sal.to_scan", "digs.shapenet"} & unsquared
    assert (convention("deepsdf").count_predicted, convention("deepsdf").frame) == (30_000, "object")
    assert (convention("onet.chamfer_l1").count_true, convention("onet.chamfer_l1").frame) == (100_000, "unit_cube")


def test_what_is_measured_against_follows_the_name() -> None:
    scans = {name for name, known in CONVENTIONS.items() if known.against == "scan"}
    assert scans == {name for name in CONVENTIONS if "scan" in name}
    assert all(CONVENTIONS[name].combine in ("accuracy", "completeness") for name in scans)
    assert {name for name, known in CONVENTIONS.items() if known.hausdorff} == {"digs.srb", "digs.srb.scan_to_recon"}


def test_empty_constants_of_occupancy_networks() -> None:
    constants = {name: convention(name).value_if_empty for name in CONVENTIONS if name.startswith("onet")}
    assert constants == pytest.approx({"onet.chamfer_l1": 3**0.5, "onet.chamfer_l2": 3, "onet_legacy.chamfer": 6})
    assert convention("tdgn").value_if_empty == pytest.approx(10 * 3**0.5)
    assert convention("deepsdf").value_if_empty != convention("deepsdf").value_if_empty


def test_every_convention_is_documented_and_its_name_suits_mlflow() -> None:
    for name, known in CONVENTIONS.items():
        assert known.name == name
        assert re.fullmatch(r"[\w.:/ -]+", name)
        assert len(known.note) > 20
        assert known.describe()["squared"] is known.squared


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"did you mean onet\.chamfer_l"):
        convention("onet.chamfer_l3")


def test_own_conventions_register_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shapesys.metrics.conventions.CONVENTIONS", dict(CONVENTIONS))
    mine = replace(convention("deepsdf"), name="mine", multiplier=1000.0)
    assert register(mine) is convention("mine")
    assert register(mine) == mine
    with pytest.raises(UsageError, match="exists already"):
        register(replace(mine, multiplier=1.0))
    with pytest.raises(UsageError, match="did you mean sum"):
        register(replace(mine, name="other", combine="summ"))  # type: ignore[arg-type]
