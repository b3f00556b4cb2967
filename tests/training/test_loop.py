from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from support import AnalyticStore, MakeRun

from shapesys.errors import ShapesysError
from shapesys.training import checkpoint, history
from shapesys.training.context import LocalContext
from shapesys.training.loop import TrainingDiverged, scheduled_rate, train

CPU = torch.device("cpu")


def losses(path: object) -> list[float]:
    return [record["loss"]["total"] for record in history.read(path)]  # type: ignore[arg-type]


def weights(run: object) -> dict[str, torch.Tensor]:
    newest = checkpoint.latest(run.checkpoints)  # type: ignore[attr-defined]
    assert newest is not None
    return dict(checkpoint.restore(newest)[0].state_dict())


def test_training_lowers_the_loss_and_ends_with_a_checkpoint(make_run: MakeRun) -> None:
    job, run = make_run(
        train__epochs=150, train__log_steps=10, train__lr_step_epochs=0, model__dropout=0.0, model__saliency_weight=0.0
    )
    result = train(job, run, LocalContext(CPU))
    curve = [record["statistics"]["clamped_error"] for record in history.read(run.history)]
    assert curve[-1] < 0.5 * curve[0]
    assert result.steps == 300
    assert result.checkpoint.endswith("step_00000300")
    assert len(list(run.checkpoints.iterdir())) == job.train.keep_checkpoints


def test_an_interrupted_run_ends_like_an_uninterrupted_one(make_run: MakeRun) -> None:
    job, whole = make_run("whole")
    train(job, whole, LocalContext(CPU))

    _, cut = make_run("cut")

    def stop_at_step_7(record: dict[str, object]) -> None:
        if record["step"] == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(job, cut, LocalContext(CPU), on_log=stop_at_step_7)
    newest = checkpoint.latest(cut.checkpoints)
    assert newest is not None
    assert newest.step == 4
    train(job, cut, LocalContext(CPU))

    assert losses(cut.history) == losses(whole.history)
    for name, value in weights(whole).items():
        torch.testing.assert_close(weights(cut)[name], value, rtol=0, atol=0, msg=name)


def test_a_finished_run_is_left_alone(make_run: MakeRun) -> None:
    job, run = make_run()
    train(job, run, LocalContext(CPU))
    before = run.history.read_text()
    assert train(job, run, LocalContext(CPU)).steps == 12
    assert run.history.read_text() == before


def test_accumulated_micro_batches_give_the_same_run(make_run: MakeRun) -> None:
    job, run = make_run("one")
    train(job, run, LocalContext(CPU))
    split_job, split = make_run("three", train__accumulate=3)
    train(split_job, split, LocalContext(CPU))
    np.testing.assert_allclose(losses(split.history), losses(run.history), rtol=1e-4)


def test_a_compiled_objective_gives_the_same_run(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_without_a_compiler = partial(torch.compile, backend="aot_eager")
    monkeypatch.setattr(torch, "compile", compile_without_a_compiler)
    job, plain = make_run("plain", model__dropout=0.0)
    train(job, plain, LocalContext(CPU))
    compiled_job, compiled = make_run("compiled", model__dropout=0.0, train__compile=True, train__accumulate=3)
    train(compiled_job, compiled, LocalContext(CPU))
    np.testing.assert_allclose(losses(compiled.history), losses(plain.history), rtol=1e-4)
    assert checkpoint.latest(compiled.checkpoints) is not None
    assert weights(compiled).keys() == weights(plain).keys()


def test_a_diverging_run_stops_before_the_checkpoint_is_poisoned(make_run: MakeRun) -> None:
    job, run = make_run(train__learning_rate=1e30, train__epochs=20)
    with pytest.raises(TrainingDiverged, match="last checkpoint is untouched"):
        train(job, run, LocalContext(CPU))
    for saved in run.checkpoints.glob("step_*"):
        objective, _, _ = checkpoint.restore(checkpoint.Checkpoint(saved))
        assert all(bool(value.isfinite().all()) for value in objective.state_dict().values())
    assert (run.path / "nonfinite_rank0.json").exists()


def test_a_loss_that_is_not_finite_stops_the_run_even_where_its_gradient_is(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """|clamp(f) - clamp(nan)| is NaN, but its gradient, a sign, is zero."""
    read = AnalyticStore.read_chunk

    def damaged(self: AnalyticStore, *args: Any) -> dict[str, np.ndarray]:
        columns = read(self, *args)
        if "distance" in columns:
            columns["distance"][0, 0] = np.nan
        return columns

    monkeypatch.setattr(AnalyticStore, "read_chunk", damaged)
    job, run = make_run(model__saliency_weight=0.0, model__clamp_gradient="published")
    with pytest.raises(TrainingDiverged):
        train(job, run, LocalContext(CPU))


def test_bfloat16_autocast_trains(make_run: MakeRun) -> None:
    job, run = make_run(train__precision="bfloat16", train__epochs=20)
    train(job, run, LocalContext(CPU))
    curve = losses(run.history)
    assert np.isfinite(curve).all()
    assert curve[-1] < curve[0]


def test_gradient_clipping_bounds_the_step(make_run: MakeRun) -> None:
    job, run = make_run(train__gradient_clip=1e-9, train__epochs=1, model__dropout=0.0)
    free_job, free = make_run("free", train__epochs=1, model__dropout=0.0)
    train(job, run, LocalContext(CPU))
    train(free_job, free, LocalContext(CPU))
    assert losses(run.history)[0] == losses(free.history)[0]
    assert losses(run.history)[1] != losses(free.history)[1]


def test_the_rate_halves_as_published(make_run: MakeRun) -> None:
    job, run = make_run()
    assert [scheduled_rate(job.train, 1.0, epoch) for epoch in (0, 3, 4, 8)] == [1, 1, 0.5, 0.25]
    train(job, run, LocalContext(CPU))
    rates = [record["lr"]["network"] for record in history.read(run.history)]
    assert rates[0] == job.train.learning_rate
    assert rates[-1] == 0.5 * job.train.learning_rate


@pytest.mark.parametrize("schedule", ["step", "cosine"])
def test_no_schedule_raises_a_rate_that_starts_below_the_floor(make_run: MakeRun, schedule: str) -> None:
    job, _ = make_run(**{"train.schedule": schedule, "train.lr_floor": 1e-3, "train.lr_step_epochs": 1})
    assert [scheduled_rate(job.train, 1e-4, epoch) for epoch in range(4)] == pytest.approx([1e-4] * 4)
    assert scheduled_rate(job.train, 1e-2, job.train.epochs) == pytest.approx(1e-3)


def test_the_checkpoint_holds_ids_beside_codes_and_refuses_other_shapes(make_run: MakeRun) -> None:
    job, run = make_run()
    train(job, run, LocalContext(CPU))
    newest = checkpoint.latest(run.checkpoints)
    assert newest is not None
    objective, restored_job, ids = checkpoint.restore(newest)
    assert restored_job == job
    assert ids == [f"sphere/{index:03d}" for index in range(6)]
    with pytest.raises(ShapesysError, match="1 missing, e"):
        newest.load_into(objective, ids[1:])
    with pytest.raises(ShapesysError, match="holds codes of 6 shapes"):
        newest.load_into(objective, list(reversed(ids)))


def test_a_damaged_checkpoint_is_named(make_run: MakeRun) -> None:
    job, run = make_run()
    train(job, run, LocalContext(CPU))
    newest = checkpoint.latest(run.checkpoints)
    assert newest is not None
    (newest.path / "model.safetensors").write_bytes(b"not a tensor file")
    with pytest.raises(ShapesysError, match=r"model.safetensors cannot be read"):
        checkpoint.restore(newest)
    (newest.path / "state.pt").write_bytes(b"\x80\x04broken")
    with pytest.raises(ShapesysError, match=r"state.pt cannot be read"):
        newest.optimiser_state()
