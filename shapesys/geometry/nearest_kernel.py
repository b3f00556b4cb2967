# mypy: ignore-errors
# ruff: noqa: UP018, RUF046
"""The compiled search of `nearest_grid`. In warp's kernel language ``int(0)`` declares a variable that may change."""

from shapesys.geometry.warp_runtime import wp

# Fused multiply-adds would round differently from one processor to the next, and with them the ties.
wp.set_module_options({"fuse_fp": False, "enable_backward": False})


@wp.func
def _gap(cell: int, at: float, size: float):
    """Distance from a coordinate (in cells) to a cell's interval, a little short to absorb rounding."""
    return wp.max(wp.max(float(cell) - at, at - float(cell + 1)) - 1.0e-3, 0.0) * size


@wp.kernel
def nearest_kernel(
    points: wp.array(dtype=wp.vec3),
    order: wp.array(dtype=wp.int32),
    starts: wp.array(dtype=wp.int32),
    low: wp.vec3,
    size: float,
    sizes: wp.vec3i,
    queries: wp.array(dtype=wp.vec3),
    chunk: int,
    widest: int,
    distances: wp.array(dtype=wp.float32),
    rows: wp.array(dtype=wp.int32),
):
    thread = wp.tid()
    found = int(0)
    for i in range(thread * chunk, wp.min((thread + 1) * chunk, queries.shape[0])):
        query = queries[i]
        at = (query - low) * (1.0 / size)
        x = wp.clamp(int(wp.floor(at[0])), 0, sizes[0] - 1)
        y = wp.clamp(int(wp.floor(at[1])), 0, sizes[1] - 1)
        z = wp.clamp(int(wp.floor(at[2])), 0, sizes[2] - 1)
        offset = points[found] - query
        best = offset[0] * offset[0] + offset[1] * offset[1] + offset[2] * offset[2]
        # The own row first: its best lets most of the other rows be skipped.
        row = (z * sizes[1] + y) * sizes[0]
        for p in range(starts[row + wp.max(x - 1, 0)], starts[row + wp.min(x + 1, sizes[0] - 1) + 1]):
            offset = points[p] - query
            squared = offset[0] * offset[0] + offset[1] * offset[1] + offset[2] * offset[2]
            if squared < best or (squared == best and order[p] < order[found]):
                best = squared
                found = p
        block = int(1)
        searching = int(1)
        while searching == 1:
            first, last = wp.max(x - block, 0), wp.min(x + block, sizes[0] - 1)
            for k in range(wp.max(z - block, 0), wp.min(z + block, sizes[2] - 1) + 1):
                gap_z = _gap(k, at[2], size)
                if gap_z * gap_z <= best:
                    for j in range(wp.max(y - block, 0), wp.min(y + block, sizes[1] - 1) + 1):
                        gap_y = _gap(j, at[1], size)
                        if gap_z * gap_z + gap_y * gap_y <= best:
                            row = (k * sizes[1] + j) * sizes[0]
                            for p in range(starts[row + first], starts[row + last + 1]):
                                offset = points[p] - query
                                squared = offset[0] * offset[0] + offset[1] * offset[1] + offset[2] * offset[2]
                                if squared < best or (squared == best and order[p] < order[found]):
                                    best = squared
                                    found = p
            # Every point within the block's reach has been seen; the margin absorbs rounding.
            reach = 0.999 * float(block) * size
            if best <= reach * reach:
                searching = 0
            elif block >= widest:
                searching = 2
            else:
                needed = int(wp.min(wp.sqrt(best) / size, float(2 * block))) + 1
                block = wp.min(wp.max(block + 1, needed), widest)
        distances[i] = wp.sqrt(best)
        rows[i] = -1
        if searching == 0:
            rows[i] = order[found]
