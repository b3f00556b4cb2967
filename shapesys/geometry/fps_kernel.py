# mypy: ignore-errors
# ruff: noqa: UP018, RUF046
"""The compiled loop of bucketed farthest point sampling. In warp's language ``int(0)`` declares a variable."""

from shapesys.geometry.warp_runtime import wp

# Fused multiply-adds would round differently from numpy and torch, and with them the order.
wp.set_module_options({"fuse_fp": False, "enable_backward": False})


@wp.func
def _squared(offset: wp.vec3):
    return offset[0] * offset[0] + offset[1] * offset[1] + offset[2] * offset[2]


@wp.func
def _box_gap(low: wp.vec3, high: wp.vec3, point: wp.vec3):
    """Squared distance from a point to a box, rounded like `_squared`, so never above that of a point inside."""
    below, above = low - point, point - high
    x = wp.max(wp.max(below[0], above[0]), 0.0)
    y = wp.max(wp.max(below[1], above[1]), 0.0)
    z = wp.max(wp.max(below[2], above[2]), 0.0)
    return x * x + y * y + z * z


@wp.kernel
def bound_buckets(
    points: wp.array2d(dtype=wp.vec3),
    starts: wp.array(dtype=wp.int32),
    low: wp.array2d(dtype=wp.vec3),
    high: wp.array2d(dtype=wp.vec3),
):
    """Corners of the box around the points of each bucket."""
    cloud, bucket = wp.tid()
    least = points[cloud, starts[bucket]]
    most = least
    for j in range(starts[bucket], starts[bucket + 1]):
        least = wp.min(least, points[cloud, j])
        most = wp.max(most, points[cloud, j])
    low[cloud, bucket] = least
    high[cloud, bucket] = most


@wp.kernel
def sample_farthest(
    points: wp.array2d(dtype=wp.vec3),
    order: wp.array2d(dtype=wp.int32),
    starts: wp.array(dtype=wp.int32),
    low: wp.array2d(dtype=wp.vec3),
    high: wp.array2d(dtype=wp.vec3),
    first: wp.array(dtype=wp.int32),
    squared: wp.array2d(dtype=wp.float32),
    farthest: wp.array2d(dtype=wp.int32),
    radius: wp.array2d(dtype=wp.float32),
    waiting: wp.array3d(dtype=wp.vec3),
    waiting_count: wp.array2d(dtype=wp.int32),
    chosen: wp.array2d(dtype=wp.int32),
):
    """One thread samples one cloud; see `fps` for the idea and the arrays."""
    cloud = wp.tid()
    at = first[cloud]
    for step in range(chosen.shape[1]):
        centre = points[cloud, at]
        chosen[cloud, step] = order[cloud, at]
        squared[cloud, at] = -1.0
        best = float(-2.0)
        next_at = int(0)
        for bucket in range(starts.shape[0] - 1):
            reach = radius[cloud, bucket]
            owner = at >= starts[bucket] and at < starts[bucket + 1]
            if owner or _box_gap(low[cloud, bucket], high[cloud, bucket], centre) < reach:
                count = waiting_count[cloud, bucket]
                waiting[cloud, bucket, count] = centre
                count += 1
                changes = owner or _squared(points[cloud, farthest[cloud, bucket]] - centre) < reach
                if changes or count == waiting.shape[2]:
                    reach = float(-2.0)
                    top = starts[bucket]
                    for j in range(starts[bucket], starts[bucket + 1]):
                        nearest = squared[cloud, j]
                        for k in range(count):
                            nearest = wp.min(nearest, _squared(points[cloud, j] - waiting[cloud, bucket, k]))
                        squared[cloud, j] = nearest
                        if nearest > reach or (nearest == reach and order[cloud, j] < order[cloud, top]):
                            reach = nearest
                            top = j
                    radius[cloud, bucket] = reach
                    farthest[cloud, bucket] = top
                    count = int(0)
                waiting_count[cloud, bucket] = count
            top = farthest[cloud, bucket]
            if reach > best or (reach == best and order[cloud, top] < order[cloud, next_at]):
                best = reach
                next_at = top
        at = next_at
