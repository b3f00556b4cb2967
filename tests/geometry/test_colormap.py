"""The colour map's ends, order and unknown values."""

from __future__ import annotations

import numpy as np
import pytest

from shapesys.geometry import colormap


def test_ends_and_clipping():
    colours = colormap.viridis(np.array([-9.0, 0.0, 1.0, 9.0]), 0.0, 1.0)
    np.testing.assert_array_equal(colours, colormap.VIRIDIS[[0, 0, 255, 255]])
    assert colours.dtype == np.uint8


def test_lightness_rises_with_value():
    lightness = colormap.VIRIDIS.astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness[::8]) > 0).all()


def test_equals_matplotlib():
    matplotlib = pytest.importorskip("matplotlib")
    reference = np.rint(np.array(matplotlib.colormaps["viridis"].colors) * 255)
    np.testing.assert_array_equal(colormap.VIRIDIS, reference)


def test_nan_is_grey_and_default_range_ignores_it():
    colours = colormap.viridis(np.array([2.0, np.nan, 4.0]))
    np.testing.assert_array_equal(colours, [colormap.VIRIDIS[0], colormap.UNKNOWN, colormap.VIRIDIS[255]])


def test_constant_values_take_the_first_colour():
    np.testing.assert_array_equal(colormap.viridis(np.full(3, 7.0)), colormap.VIRIDIS[[0, 0, 0]])


def test_labels_have_colours_of_their_own_and_start_over() -> None:
    table = colormap.LABEL_COLOURS
    assert len(np.unique(table, axis=0)) == len(table) == 20
    np.testing.assert_array_equal(colormap.label_colours(np.array([0, 20, 1])), table[[0, 0, 1]])
    np.testing.assert_array_equal(colormap.label_colours(np.array([-1])), colormap.UNKNOWN[None])
    apart = np.abs(table.astype(int) - colormap.UNKNOWN).max(axis=1)
    assert apart.min() > 40, "no label looks like none"
