r"""The nearest point of a simplex, and the nearest way down that does not leave it.

Source: Held, Wolfe and Crowder 1974.

Statement 43.  Let S = {z ≥ 0, Σ_k z_k = s}, s > 0. The point of S nearest to h is P(h) = [h − τ]₊ with the τ that
makes its sum s; with h sorted downwards, τ = τ_p = (h_1 + … + h_p − s)/p for the largest p with h_p > τ_p. And for z in
S, the derivative of P(z − t g) in t at 0, the steepest way down the slope g within S, is d_k = −g_k − σ where z_k > 0
and [−g_k − σ]₊ where z_k = 0, with the σ that makes Σ_k d_k = 0.

Derivation.
1. KKT of min ½‖z − h‖² over S: z_k − h_k + τ = μ_k with μ_k ≥ 0, z_k ≥ 0, μ_k z_k = 0. Where z_k > 0, z_k = h_k − τ;
   where z_k = 0, h_k − τ = −μ_k ≤ 0. Both are z_k = [h_k − τ]₊. The problem is strictly convex: z is unique.
2. The sum of [h_k − τ]₊ falls in τ, strictly while it is positive, from ∞ to 0: one τ makes it s. If p entries are
   above it, they are the first p, and their sum Σ_{k ≤ p} h_k − p τ = s gives τ.
3. Which p? From p τ_p = (p − 1) τ_{p−1} + h_p, h_p − τ_p = (p − 1)(h_p − τ_{p−1})/p:
   h_p is above τ_p exactly if it is above τ_{p−1}. Where it is not, h_{p+1} ≤ h_p ≤ τ_p, the mean of τ_{p−1} and h_p
   in parts, and so h_{p+1} ≤ τ_{p+1}: the p with h_p > τ_p are 1, …, p*. With τ = τ_{p*} the first p* entries are above
   it, and the others, since h_{p*+1} ≤ τ_{p*+1}, are not.
4. For small t, P(z − t g) = z + t d: entries with z_k > 0 stay positive, d_k = −g_k − σ with τ = t σ; those at 0 are
   [−t g_k − t σ]₊. Their sum must be s, that is Σ d_k = 0. P is piecewise linear, so for small t it is exact.
5. σ is found as in 3, with the entries where z_k > 0 taken first whatever they are, then the others from the largest
   −g_k on, as long as −g_k is above the mean so far. d is 0 exactly at a minimum over S: −g = σ − μ is KKT again. ∎

What it teaches.  A row that is 0 in all columns is a component that is not there: it takes no part, else the projection
would give it a share.
"""

from fractions import Fraction
from itertools import combinations
from typing import Any

import jax
import numpy as np
from hypothesis import strategies as st

from jnmf import terms
from proofs.kernel import Statement, chain, exact_chain
from proofs.strategies import positive, real

R, N = 4, 3
SMALL = Fraction(1, 2**12)


@st.composite
def points(draw):
    """H of any sign without zeros, and the sum."""
    return draw(real((R, N))) + 1 / 16, draw(positive((1, 1)))[0, 0]


@st.composite
def slopes(draw):
    """Columns that are one another, rolled: of one sum, with zeros, and no row of zeros; a slope, the sum."""
    column = draw(st.lists(st.integers(0, 8), min_size=R, max_size=R)) / np.array(8.0)
    column[draw(st.integers(0, R - 1))] += 1
    return np.stack([np.roll(column, j) for j in range(R)], axis=1), draw(real((R, R))), column.sum()


def columns(of):
    def link(*args):
        *matrices, total = args
        return np.array([of(*each, total) for each in zip(*(A.T for A in matrices), strict=True)]).T

    link.__name__ = of.__name__
    return link


def nearest(h, total):
    """Of all sets of entries to keep, the one that gives a point of S and the least distance."""
    best: Any = None
    for p in range(1, R + 1):
        for kept in map(list, combinations(range(R), p)):
            z = 0 * h
            z[kept] = h[kept] - (h[kept].sum() - total) / p
            distance = ((z - h) ** 2).sum()
            if min(z) >= 0 and (best is None or distance < best[0]):
                best = distance, z
    return best[1]


def last_above(h, total):
    falling = np.sort(h)[::-1]
    return max(p for p in range(1, R + 1) if falling[p - 1] > (falling[:p].sum() - total) / p)


def by_sorting(h, total, count=last_above):
    p = count(h, total)
    return np.maximum(h - (np.sort(h)[::-1][:p].sum() - total) / p, 0 * h)


@jax.jit
def library(H, total):
    return terms.Simplex(total=total).project(H)


def difference_quotient(z, g, total):
    """(P(z − t g) − z)/t for a small t, P by brute force."""
    return (nearest(z - SMALL * g, total) - z) / SMALL


def steepest(z, g, total, first=True):
    down = -g
    order = [*np.flatnonzero(z > 0), *sorted(np.flatnonzero(z == 0), key=lambda k: -down[k])]
    count = (z > 0).sum() if first else R
    level = down[order[:count]].sum() / count
    while count < R and down[order[count]] > level:
        count += 1
        level = down[order[:count]].sum() / count
    return np.where(z > 0, down - level, np.maximum(down - level, 0 * down))


@jax.jit
def library_slope(H, gradient, total):
    return -terms.Simplex(total=total).slope(H, gradient)


def float_quotient(*args):
    return columns(difference_quotient)(*map(as_fractions, args)).astype(float)


def as_fractions(A):
    return np.vectorize(Fraction, otypes=[object])(A) if np.ndim(A) else Fraction(float(A))


PROJECTION = {
    "scaled to the sum": columns(lambda h, total: np.maximum(h, 0 * h) * total / (abs(h).sum())),
    "all entries kept": columns(lambda h, total: by_sorting(h, total, count=lambda h, total: R)),
    "without the sum": columns(lambda h, total: by_sorting(h, 0 * total + 1)),
}
SLOPE = {
    "the mean of all entries": columns(lambda z, g, total: steepest(z, g, total, first=False)),
    "that of z ≥ 0 alone": columns(lambda z, g, total: np.where(z > 0, -g, np.maximum(-g, 0 * g))),
    "held at zero": columns(lambda z, g, total: np.where(z > 0, g[z > 0].sum() / (z > 0).sum() - g, 0 * g)),
}

STATEMENTS = (
    Statement(
        43,
        "The nearest point of a simplex is [h − τ]₊ with τ from the sorted entries, and the slope is its derivative",
        "Held, Wolfe and Crowder 1974",
        (
            exact_chain(points(), (columns(nearest), columns(by_sorting)), PROJECTION),
            chain(points(), (columns(by_sorting), library), PROJECTION),
            exact_chain(slopes(), (columns(difference_quotient), columns(steepest)), SLOPE),
            chain(slopes(), (float_quotient, columns(steepest), library_slope), SLOPE),
        ),
    ),
)
