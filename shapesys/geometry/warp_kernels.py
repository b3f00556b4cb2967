"""Kernels of the distance and sign core: one source, compiled for CPU and for CUDA by warp.

Imported lazily, by `shapesys.geometry.warp_tree` alone, because warp is an optional dependency.
"""

# mypy: ignore-errors
# Kernel annotations are warp's types, which mypy cannot read; warp itself reads them as objects,
# so they must not become strings: no `from __future__ import annotations` here.
from shapesys.geometry.warp_runtime import wp

UNBOUNDED = wp.constant(1.0e12)


@wp.func_native("return mesh_query_winding_number(mesh, point, accuracy);")
def winding_number(mesh: wp.uint64, point: wp.vec3, accuracy: float) -> float:
    """The value that `wp.mesh_query_point_sign_winding_number` thresholds (Barill et al. 2018, second order)."""
    ...


@wp.func
def refined_winding_number(mesh: wp.uint64, point: wp.vec3) -> float:
    """Accuracy 1 is 4 times cheaper than 2 and only ambiguous near one half: redo those alone."""
    value = winding_number(mesh, point, 1.0)
    if wp.abs(wp.abs(value) - 0.5) < 0.25:
        value = winding_number(mesh, point, 2.0)
    return value


@wp.func
def corner(vertices: wp.array(dtype=wp.vec3), index: int, origin: wp.vec3) -> wp.vec3d:
    """A vertex relative to `origin`, in float64."""
    vertex = vertices[index]
    return wp.vec3d(
        wp.float64(vertex[0]) - wp.float64(origin[0]),
        wp.float64(vertex[1]) - wp.float64(origin[1]),
        wp.float64(vertex[2]) - wp.float64(origin[2]),
    )


@wp.func
def closest_on_segment(a: wp.vec3d, b: wp.vec3d) -> wp.vec3d:
    """The point of segment ab that is closest to the origin."""
    along = b - a
    squared = wp.dot(along, along)
    share = wp.float64(0.0)
    if squared > wp.float64(0.0):
        share = wp.clamp(-wp.dot(a, along) / squared, wp.float64(0.0), wp.float64(1.0))
    return a + along * share


@wp.func
def closest_on_triangle(a: wp.vec3d, b: wp.vec3d, c: wp.vec3d) -> wp.vec3d:
    """The point of triangle abc that is closest to the origin: the foot on its plane, else the best of its sides."""
    normal = wp.cross(b - a, c - a)
    squared = wp.dot(normal, normal)
    zero = wp.float64(0.0)
    if squared > zero:
        foot = normal * (wp.dot(a, normal) / squared)
        past_ab = wp.dot(wp.cross(b - a, foot - a), normal)
        past_bc = wp.dot(wp.cross(c - b, foot - b), normal)
        past_ca = wp.dot(wp.cross(a - c, foot - c), normal)
        if past_ab >= zero and past_bc >= zero and past_ca >= zero:
            return foot
    best = closest_on_segment(a, b)
    other = closest_on_segment(b, c)
    if wp.dot(other, other) < wp.dot(best, best):
        best = other
    other = closest_on_segment(c, a)
    if wp.dot(other, other) < wp.dot(best, best):
        best = other
    return best


@wp.kernel(enable_backward=False)
def closest_points(
    mesh: wp.uint64,
    vertices: wp.array(dtype=wp.vec3),
    corners: wp.array(dtype=int),
    points: wp.array(dtype=wp.vec3),
    block: int,
    closest: wp.array(dtype=wp.vec3),
    distances: wp.array(dtype=float),
    faces: wp.array(dtype=int),
):
    """Closest surface point of each query. A thread walks `block` Morton neighbours; each bounds the next."""
    start = wp.tid() * block
    found = wp.vec3(UNBOUNDED, 0.0, 0.0)
    for i in range(start, wp.min(start + block, points.shape[0])):
        point = points[i]
        # A closest point of a neighbour is a point of the surface, so it bounds the search; the slack is for rounding.
        bound = wp.length(found - point) * 1.0001 + 1.0e-6
        query = wp.mesh_query_point_no_sign(mesh, point, bound)
        if not query.result:
            query = wp.mesh_query_point_no_sign(mesh, point, UNBOUNDED)
        # In float32 the foot on a long thin face wanders along it; on the one face found, float64 is cheap.
        first = query.face * 3
        offset = closest_on_triangle(
            corner(vertices, corners[first], point),
            corner(vertices, corners[first + 1], point),
            corner(vertices, corners[first + 2], point),
        )
        found = point + wp.vec3(float(offset[0]), float(offset[1]), float(offset[2]))
        closest[i] = found
        distances[i] = float(wp.length(offset))
        faces[i] = query.face


@wp.kernel(enable_backward=False)
def winding_numbers(mesh: wp.uint64, points: wp.array(dtype=wp.vec3), values: wp.array(dtype=float)):
    """Generalised winding number at each point."""
    i = wp.tid()
    values[i] = refined_winding_number(mesh, points[i])


@wp.kernel(enable_backward=False)
def propagated_winding_numbers(
    mesh: wp.uint64,
    points: wp.array(dtype=wp.vec3),
    distances: wp.array(dtype=float),
    block: int,
    reach: int,
    values: wp.array(dtype=float),
):
    """The same on a closed surface, where the number is constant in every ball that the surface does not enter.

    Two points share it when one lies in the other's empty ball, so most points copy from one of the `reach`
    Morton neighbours before them.
    """
    start = wp.tid() * block
    for i in range(start, wp.min(start + block, points.shape[0])):
        point = points[i]
        empty = distances[i]
        # None yet; written as a sum because warp would freeze a literal for the loop below.
        source = start - 1
        j = i - 1
        while j >= wp.max(start, i - reach):
            if wp.length(points[j] - point) < 0.999 * wp.max(empty, distances[j]):
                source = j
                j = start
            j -= 1
        if source >= start:
            values[i] = values[source]
        else:
            values[i] = refined_winding_number(mesh, point)


@wp.kernel(enable_backward=False)
def escaping_rays(
    mesh: wp.uint64,
    origins: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    escapes: wp.array(dtype=wp.uint8),
):
    """1 where a ray leaves the shape without meeting a face."""
    i = wp.tid()
    hit = wp.mesh_query_ray_anyhit(mesh, origins[i], directions[i], UNBOUNDED)
    escapes[i] = wp.where(hit, wp.uint8(0), wp.uint8(1))
