"""A tracker draws one section of charts for all before the last slash of a metric's name."""

from __future__ import annotations

from shapesys.tracking.names import history_name, measured_name, optimised_name


def test_an_evaluation_has_one_section_and_each_category_another() -> None:
    assert measured_name("test", "chamfer/onet.chamfer_l1") == "test/chamfer.onet.chamfer_l1"
    assert measured_name("test", "chamfer@deepsdf") == "test/chamfer.deepsdf"
    assert measured_name("test", "fscore/le0.01:unit_cube", "mug") == "test/mug/fscore.le0.01:unit_cube"


def test_optimisation_at_test_time_has_a_section_of_each_split() -> None:
    assert optimised_name("test", "loss") == "test/optimisation/loss"
    assert optimised_name("val", "loss/data") == "val/optimisation/loss.data"


def test_what_tells_of_speed_has_its_section() -> None:
    assert history_name("samples_per_second") == "speed/samples_per_second"
    assert history_name("wait_share") == "speed/wait_share"
    assert history_name("loss/total") == "loss/total"
    assert history_name("epoch") == "epoch"
