# mypy: ignore-errors
"""The compiled loop behind `shapesys.nets.svm`: a dual active-set method (Goldfarb and Idnani, Math. Programming 1983)
for the dual of a support vector machine, and the adjoint of its optimality conditions.

It starts at the minimum without any constraint, adds the equality, and then one violated bound after the other, while
bounds whose multiplier would turn negative leave. A bound's normal is a unit vector, which makes each step O(N^2). The
number of steps depends on how many bounds hold at the solution and hardly on conditioning. At the end the free
variables are solved for once more, from a fresh factorisation, so that errors of many updates do not stay.

Legend: N variables, F of them free (between their bounds); the quadratic form is Q = y y' o K.
"""

from __future__ import annotations

import numpy as np

from shapesys.nets.compiled import compiled
from shapesys.nets.svm import SvmStatus

FREE, AT_ZERO, AT_BOX = 0, 1, 2
VIOLATED = 1e-12
"""How far beyond its bound, as a share of the box, a variable counts as there."""
SNAPPED = 1e-9
"""Distance from a bound, as a share of the box, within which a variable is taken to be there. Where many bounds meet,
the last of them depend on the others, and rounding alone tells whether they hold."""
DEPENDENT = 1e-14
"""Share of a normal's squared length that is left outside of the active ones, below which it depends on them."""
NOTHING = 1e-150
"""What is smaller vanishes when it is squared: Gaussians of far points are that small."""
ROUNDS = 50
"""Steps per variable before it gives up; a tenth of it was never seen."""
EQUALITY = -1
FINISHED = -2

KINK, NO_FREE, ONE_SIDED, FAILED = map(int, (SvmStatus.KINK, SvmStatus.NO_FREE, SvmStatus.ONE_SIDED, SvmStatus.FAILED))
KINK_WITHIN = 1e-6
"""Distance, of a variable as a share of the box or of a multiplier, to where another bound would hold, below which the
solution counts as not smooth."""


@compiled
def factorise(form, size, lower):
    """Cholesky factor of the leading (size, size) part; whether it is positive definite."""
    for i in range(size):
        for j in range(i + 1):
            rest = form[i, j]
            for m in range(j):
                rest -= lower[i, m] * lower[j, m]
            if i > j:
                lower[i, j] = rest / lower[j, j]
            elif rest > 0.0:
                lower[i, i] = np.sqrt(rest)
            else:
                return False
    return True


@compiled
def solve_factorised(lower, size, x):
    """x <- (L L')^-1 x."""
    for i in range(size):
        rest = x[i]
        for m in range(i):
            rest -= lower[i, m] * x[m]
        x[i] = rest / lower[i, i]
    for i in range(size - 1, -1, -1):
        x[i] /= lower[i, i]
        for m in range(i):
            x[m] -= lower[i, m] * x[i]


@compiled
def invert_lower(lower, inverse):
    """Rows of L^-1. They are the columns of the J of the method, J J' = Q^-1."""
    size = len(lower)
    for i in range(size):
        for c in range(size):
            inverse[i, c] = 0.0
        for m in range(i):
            factor = lower[i, m]
            for c in range(m + 1):
                inverse[i, c] -= factor * inverse[m, c]
        for c in range(i):
            inverse[i, c] /= lower[i, i]
        inverse[i, i] = 1.0 / lower[i, i]


@compiled
def rotate(matrix, row, start, stop, cosine, sine):
    """Turn a row and the next one in their plane, between two columns."""
    for c in range(start, stop):
        first, second = matrix[row, c], matrix[row + 1, c]
        matrix[row, c] = cosine * first + sine * second
        matrix[row + 1, c] = cosine * second - sine * first


@compiled
def most_violated(x, box, state):
    """The free variable that is farthest beyond its bounds, the sign of that bound's normal, and by how much."""
    found, sign, worst = FINISHED, 1.0, -VIOLATED * box
    for i in range(len(x)):
        if state[i] == FREE:
            if x[i] < worst:
                found, sign, worst = i, 1.0, x[i]
            if box - x[i] < worst:
                found, sign, worst = i, -1.0, box - x[i]
    return found, sign, worst


@compiled
def add_constraint(rows, triangle, d, count):
    """Rotate what is left of d beyond the active ones into one entry, and make d a column of the triangle."""
    for a in range(len(d) - 1, count, -1):
        if abs(d[a]) > NOTHING:
            length = np.sqrt(d[a - 1] * d[a - 1] + d[a] * d[a])
            cosine, sine = d[a - 1] / length, d[a] / length
            d[a - 1] = length
            rotate(rows, a - 1, 0, len(d), cosine, sine)
    for a in range(count + 1):
        triangle[a, count] = d[a]


@compiled
def drop_constraint(rows, triangle, multipliers, active, leaving, count):
    """Take a column out of the triangle, and make it a triangle again."""
    for a in range(leaving, count - 1):
        active[a] = active[a + 1]
        multipliers[a] = multipliers[a + 1]
        for c in range(a + 2):
            triangle[c, a] = triangle[c, a + 1]
    for a in range(leaving, count - 1):
        length = np.sqrt(triangle[a, a] * triangle[a, a] + triangle[a + 1, a] * triangle[a + 1, a])
        cosine, sine = triangle[a, a] / length, triangle[a + 1, a] / length
        triangle[a, a] = length
        triangle[a + 1, a] = 0.0
        rotate(triangle, a, a + 1, count - 1, cosine, sine)
        rotate(rows, a, 0, len(rows), cosine, sine)


@compiled
def find_active(form, labels, box, x, state, rows, triangle):
    """Minimise 1/2 x'Qx - sum(x) with y'x = 0 and 0 <= x <= box; returns whether it ended.

    Args:
        form: (N, N) Q, positive definite.
        labels: (N,) +1 and -1, both of them present.
        x: (N,) becomes the solution, up to errors of the updates.
        state: (N,) becomes which bound holds each.
        rows, triangle: (N, N) space to work in.
    """
    size = len(x)
    multipliers, d, step, rise = np.empty(size + 1), np.empty(size), np.empty(size), np.empty(size)
    active = np.empty(size + 1, np.int64)
    if not factorise(form, size, triangle):
        return False
    invert_lower(triangle, rows)
    x[:] = 1.0
    solve_factorised(triangle, size, x)
    state[:] = FREE
    count, entering, height = 0, EQUALITY, 0.0
    violation = 0.0
    for i in range(size):
        violation += labels[i] * x[i]
    sign = -1.0 if violation > 0.0 else 1.0
    violation = -abs(violation)
    for _ in range(ROUNDS * size):
        whole = 0.0
        for a in range(size):
            d[a] = 0.0
            if entering == EQUALITY:
                for c in range(size):
                    d[a] += rows[a, c] * labels[c]
                d[a] *= sign
            else:
                d[a] = sign * rows[a, entering]
            whole += d[a] * d[a]
        left = 0.0
        step[:] = 0.0
        for a in range(count, size):
            left += d[a] * d[a]
            for c in range(size):
                step[c] += d[a] * rows[a, c]
        for a in range(count - 1, -1, -1):
            rest = d[a]
            for c in range(a + 1, count):
                rest -= triangle[a, c] * rise[c]
            rise[a] = rest / triangle[a, a]
        leaving, shortest = -1, np.inf
        for a in range(1, count):  # The equality, which is the first, stays.
            if rise[a] > 0.0 and multipliers[a] < shortest * rise[a]:
                leaving, shortest = a, multipliers[a] / rise[a]
        full = -violation / left if left > DEPENDENT * whole else np.inf
        length = min(shortest, full)
        if length == np.inf:
            # There is a solution, so that what depends on the others violates its bound by rounding alone.
            return -violation < SNAPPED * box
        for a in range(count):
            multipliers[a] -= length * rise[a]
        height += length
        if full < np.inf:
            for c in range(size):
                x[c] += length * step[c]
        if full <= shortest:
            add_constraint(rows, triangle, d, count)
            multipliers[count], active[count] = height, entering
            if entering != EQUALITY:
                state[entering] = AT_ZERO if sign > 0.0 else AT_BOX
            count += 1
            entering, sign, violation = most_violated(x, box, state)
            height = 0.0
            if entering == FINISHED:
                return True
        else:
            state[active[leaving]] = FREE
            drop_constraint(rows, triangle, multipliers, active, leaving, count)
            count -= 1
            violation = x[entering] if sign > 0.0 else box - x[entering]
    return False


@compiled
def gather_free(form, labels, state, part, signs, places):
    """Rows, columns and labels of the free variables, in front; how many they are."""
    count = 0
    for i in range(len(state)):
        if state[i] == FREE:
            places[count] = i
            signs[count] = labels[i]
            for j in range(count + 1):
                part[count, j] = form[i, places[j]]
            count += 1
    return count


@compiled
def solve_free(lower, count, signs, right, total):
    """Solve [Q_FF y; y' 0] [v; b] = [right; total], of which `right` becomes v; returns b."""
    turned = signs[:count].copy()
    solve_factorised(lower, count, turned)
    solve_factorised(lower, count, right)
    against, own = 0.0, 0.0
    for a in range(count):
        against += signs[a] * right[a]
        own += signs[a] * turned[a]
    found = (against - total) / own
    for a in range(count):
        right[a] -= found * turned[a]
    return found


@compiled
def bias_between(form, labels, x, state):
    """Where no variable is free: the two that bound the bias from below and above, and those bounds."""
    low, high, at_low, at_high = -np.inf, np.inf, -1, -1
    for i in range(len(x)):
        rest = 1.0
        for j in range(len(x)):
            rest -= form[i, j] * x[j]
        # y b >= rest at zero, y b <= rest at the box.
        if (state[i] == AT_ZERO) == (labels[i] > 0.0):
            if labels[i] * rest > low:
                low, at_low = labels[i] * rest, i
        elif labels[i] * rest < high:
            high, at_high = labels[i] * rest, i
    return low, high, at_low, at_high


@compiled
def solve_usual(form, labels, box, x, state, rows, triangle):
    """Solution, states and bias of a problem with both labels, and whether it came to an end."""
    size = len(x)
    signs, right, places = np.empty(size), np.empty(size), np.empty(size, np.int64)
    ended = find_active(form, labels, box, x, state, rows, triangle)
    for i in range(size):
        if state[i] == FREE and x[i] < SNAPPED * box:
            state[i] = AT_ZERO
        elif state[i] == FREE and box - x[i] < SNAPPED * box:
            state[i] = AT_BOX
        if state[i] != FREE:
            x[i] = 0.0 if state[i] == AT_ZERO else box
    count = gather_free(form, labels, state, rows, signs, places)
    if count == 0:
        low, high, _, _ = bias_between(form, labels, x, state)
        return 0.5 * (low + high), ended
    ended = factorise(rows, count, triangle) and ended
    total = 0.0
    for j in range(size):
        if state[j] == AT_BOX:
            total -= labels[j] * box
    for a in range(count):
        right[a] = 1.0
        for j in range(size):
            if state[j] == AT_BOX:
                right[a] -= form[places[a], j] * box
    bias = solve_free(triangle, count, signs, right, total)
    for a in range(count):
        x[places[a]] = min(max(right[a], 0.0), box)
    return bias, ended


@compiled
def residual_of(form, labels, box, x, state, bias):
    """The largest violation of an optimality condition; and the smallest distance to where another bound would hold, of
    variables as a share of the box; and how many variables are free."""
    worst, sure, balance, free = 0.0, np.inf, 0.0, 0
    for i in range(len(x)):
        slope = labels[i] * bias - 1.0
        for j in range(len(x)):
            slope += form[i, j] * x[j]
        balance += labels[i] * x[i]
        if state[i] == FREE:
            free += 1
            worst = max(worst, abs(slope))
            sure = min(sure, min(x[i], box - x[i]) / box)
        elif state[i] == AT_ZERO:
            worst, sure = max(worst, -slope), min(sure, slope)
        else:
            worst, sure = max(worst, slope), min(sure, -slope)
    return max(worst, abs(balance)), sure, free


@compiled
def all_finite(form):
    """Whether no number is NaN or infinite."""
    for i in range(len(form)):
        for j in range(len(form)):
            if not np.isfinite(form[i, j]):
                return False
    return True


@compiled
def solve_one(form, labels, box, x, state, rows, triangle):
    """Solution and states of any problem; returns its bias, status and residual."""
    if not all_finite(form):
        x[:] = np.nan
        return np.nan, FAILED, np.nan
    if np.abs(labels.sum()) == len(labels):
        x[:] = 0.0
        state[:] = AT_ZERO
        return labels[0], ONE_SIDED, 0.0
    bias, ended = solve_usual(form, labels, box, x, state, rows, triangle)
    if not ended:
        x[:] = np.nan
        return np.nan, FAILED, np.nan
    residual, sure, free = residual_of(form, labels, box, x, state, bias)
    return bias, (KINK if sure < KINK_WITHIN else 0) + (NO_FREE if free == 0 else 0), residual


@compiled
def solve_all(box, forms, labels, x, state, bias, status, residual):
    """Every problem by itself: forms (B, N, N), labels (B, N), and what is found about each."""
    size = x.shape[1]
    rows, triangle = np.empty((size, size)), np.empty((size, size))
    for k in range(len(x)):
        bias[k], status[k], residual[k] = solve_one(forms[k], labels[k], box, x[k], state[k], rows, triangle)


@compiled
def adjoint_all(forms, labels, x, state, status, on_x, on_bias, found):
    """Gradients on the forms (B, N, N), of those on the solutions (B, N) and biases (B,).

    With M = [Q_FF y_F; y_F' 0] the solution moves by M^-1 [-(dQ x)_F; 0], so that the gradient on Q_ij is -w_i x_j with
    M [w; v] = the gradients on x_F and on the bias. It is shared between Q_ij and Q_ji.
    """
    size = x.shape[1]
    part, lower = np.empty((size, size)), np.empty((size, size))
    signs, weights, places = np.empty(size), np.empty(size), np.empty(size + 2, np.int64)
    for k in range(len(x)):
        found[k] = np.nan if status[k] & FAILED else 0.0
        if status[k] & (FAILED | ONE_SIDED):
            continue
        count = gather_free(forms[k], labels[k], state[k], part, signs, places)
        if count == 0:
            # Either bound of the bias is y (1 - (Q x)) of one variable, and the variables do not move.
            _, _, places[0], places[1] = bias_between(forms[k], labels[k], x[k], state[k])
            count = 2
            for a in range(count):
                weights[a] = 0.5 * labels[k, places[a]] * on_bias[k]
        else:
            for a in range(count):
                weights[a] = on_x[k, places[a]]
            factorise(part, count, lower)
            solve_free(lower, count, signs, weights, on_bias[k])
        for a in range(count):
            for j in range(size):
                half = 0.5 * weights[a] * x[k, j]
                found[k, places[a], j] -= half
                found[k, j, places[a]] -= half
