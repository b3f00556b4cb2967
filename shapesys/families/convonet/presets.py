"""Presets of ConvONet, and where each of their values comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shapesys.families.base import Preset
from shapesys.families.fields.presets import SMALL, SMALL_SCHEDULE

_CODE = "ConvONet's released settings"
_OBJECTS: Mapping[str, Any] = {
    "model.side": 1.1,
    "model.planes": 3,
    "model.plane_resolution": 64,
    "model.plane_depth": 4,
    "model.input_points": 3000,
    "model.input_noise": 0.005,
    "train.epochs": 313,
    "train.shapes_per_step": 32,
    "train.points_per_shape": 2048,
    "train.learning_rate": 1e-4,
    "train.checkpoint_epochs": 10,
    "train.select": "best",
    "train.validate_epochs": 10,
}
_ORIGINS = dict.fromkeys(_OBJECTS, _CODE) | {
    "train.epochs": "300,000 steps of 959 per pass over ShapeNet, as readers report; the released loop has no end",
    "train.checkpoint_epochs": "10,000 steps of ShapeNet, as released",
    "train.validate_epochs": "10,000 steps of ShapeNet, as released",
}
_TRAINING_ROOMS, _STEPS, _EVERY = 3750, 300_000, 5_000
_ROOM_ORIGINS = _ORIGINS | {
    "train.epochs": "300,000 steps of 3,750 rooms, as readers report of objects; the released loop has no end",
    "train.checkpoint_epochs": "our choice: some 5,000 steps",
    "train.validate_epochs": "our choice: some 5,000 steps",
}


def _preset(
    summary: str, base: Mapping[str, Any], origins: Mapping[str, str], ours: Mapping[str, str] = {}, **model: Any
) -> Preset:
    """A released configuration that differs from another in these settings of the model, but for what is ours."""
    changed = {f"model.{name}": value for name, value in model.items()}
    return Preset(summary, {**base, **changed}, {**dict.fromkeys(changed, _CODE), **origins, **ours})


def _rooms(batch: int, **training: Any) -> Mapping[str, Any]:
    """Rooms, some in each step."""
    epochs = {"epochs": _STEPS, "checkpoint_epochs": _EVERY, "validate_epochs": _EVERY}
    schedule = {f"train.{name}": round(steps * batch / _TRAINING_ROOMS) for name, steps in epochs.items()}
    return {**_OBJECTS, "model.input_points": 10_000, "train.shapes_per_step": batch, **schedule, **training}


PAPER = Preset(
    "objects: three planes of 64 x 64, 1.98 M parameters; a GPU, and shapes in the frame unit_cube", _OBJECTS, _ORIGINS
)
PLANE = _preset("objects: one plane of 64 x 64, the ground's", _OBJECTS, _ORIGINS, planes=1)
GRID32 = _preset(
    "objects: a grid of 32^3, 1.07 M parameters", _OBJECTS, _ORIGINS, planes=0, grid_resolution=32, grid_levels=3
)
ROOMS = _preset(
    "rooms: three planes of 128 x 128, 7.81 M parameters",
    _rooms(32),
    _ROOM_ORIGINS,
    plane_resolution=128,
    plane_depth=5,
)
ROOMS_GRID64 = _preset(
    "rooms: a grid of 64^3, 4.17 M parameters; what SA-ConvONet optimises for rooms",
    _rooms(6),
    _ROOM_ORIGINS,
    planes=0,
    grid_resolution=64,
    grid_levels=4,
)
ROOMS_COMBINED = _preset(
    "rooms: three planes of 128 x 128 and a grid of 32^3",
    _rooms(24),
    _ROOM_ORIGINS,
    plane_resolution=128,
    plane_depth=5,
    grid_resolution=32,
    grid_levels=3,
)
WINDOWS = _preset(
    "scenes of any size: windows of 88^3 cells, 0.44 of a room wide, that answer for 25^3 of them",
    _rooms(2, **{"train.points_per_shape": 65_536}),
    _ROOM_ORIGINS,
    {
        "model.blend": "our choice; released crops meet in a step",
        "train.points_per_shape": "our choice: of so many, some 1,024 lie in a window",
    },
    side=0.44,
    core=0.125,
    blend=0.25,
    window_queries=1024,
    planes=0,
    grid_resolution=88,
    grid_levels=4,
    in_cells=True,
)

_SMALL: Mapping[str, Any] = {
    **_OBJECTS,
    "model.plane_filters": 16,
    "model.input_points": 1024,
    **SMALL_SCHEDULE,
}


def _small(summary: str, settings: Mapping[str, Any]) -> Preset:
    """What differs from the released settings for objects is ours."""
    ours = {name: SMALL for name, value in settings.items() if value != _OBJECTS.get(name)}
    return Preset(summary, settings, {**_ORIGINS, **ours})


SMALL_OBJECTS = _small(
    "objects on a CPU: three planes of 64 x 64 with half the filters, a quarter of an hour for some 300 shapes", _SMALL
)
_SMALL_ROOMS: Mapping[str, Any] = {
    **_SMALL,
    "model.planes": 0,
    "model.grid_resolution": 32,
    "model.grid_levels": 3,
    "model.grid_filters": 16,
    "model.input_points": 2500,
    "train.epochs": 30,
    "train.shapes_per_step": 4,
    "train.points_per_shape": 2048,
}
SMALL_ROOMS = _small("rooms on a CPU: a grid of 32^3 with half the filters", _SMALL_ROOMS)
_SMALL_WINDOWS: Mapping[str, Any] = {
    **_SMALL_ROOMS,
    "model.side": 0.55,
    "model.core": 0.25,
    "model.blend": 0.25,
    "model.window_queries": 1024,
    "model.grid_resolution": 16,
    "model.input_points": 2048,
    "train.shapes_per_step": 8,
    "train.points_per_shape": 8192,
    "train.epochs": 40,
}
SMALL_WINDOWS = _small("scenes of any size on a CPU: windows of 16^3 cells, half a room wide", _SMALL_WINDOWS)

_TINY: Mapping[str, Any] = {
    **_SMALL,
    "model.side": 2.2,
    "model.plane_resolution": 32,
    "model.plane_depth": 3,
    "model.plane_filters": 8,
    "model.channels": 16,
    "model.hidden": 16,
    "model.blocks": 3,
    "model.decoder_hidden": 16,
    "model.decoder_blocks": 3,
    "model.input_points": 512,
    "model.input_noise": 0.01,
    "train.epochs": 60,
    "train.shapes_per_step": 16,
    "train.points_per_shape": 512,
    "train.learning_rate": 3e-3,
    "train.schedule": "step",
    "train.lr_step_epochs": 25,
    "train.lr_factor": 0.3,
    "train.checkpoint_epochs": 25,
}
TINY = Preset(
    "a laptop in a minute: three planes of 32 x 32, shapes in the unit sphere or in the unit cube",
    _TINY,
    dict.fromkeys(_TINY, SMALL) | {"model.side": "our choice: the unit sphere with the published margin of a tenth"},
)

_TINY_WINDOWS: Mapping[str, Any] = {
    **_TINY,
    "model.side": 1.1,
    "model.core": 0.5,
    "model.window_queries": 256,
    "model.planes": 0,
    "model.grid_resolution": 16,
    "model.grid_levels": 2,
    "model.grid_filters": 8,
}
TINY_WINDOWS = Preset(
    "scenes of any size on a laptop in a minute: windows of 16^3 cells, half of the unit sphere's box wide",
    _TINY_WINDOWS,
    dict.fromkeys(_TINY_WINDOWS, SMALL),
)

PRESETS = {
    "tiny": TINY,
    "tiny_windows": TINY_WINDOWS,
    "small": SMALL_OBJECTS,
    "paper": PAPER,
    "plane": PLANE,
    "grid32": GRID32,
    "rooms": ROOMS,
    "rooms_grid64": ROOMS_GRID64,
    "rooms_combined": ROOMS_COMBINED,
    "small_rooms": SMALL_ROOMS,
    "windows": WINDOWS,
    "small_windows": SMALL_WINDOWS,
}
