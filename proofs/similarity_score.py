r"""The similarity score of two factors: what it does not depend on, its range, and when it is 1.

Source: A. H. Williams, exercises on nonnegative matrix factorisation: scree plot and similarity.

Statement.  For U, V (m, r) let ū_k = u_k/‖u_k‖ and v̄_l be the unit columns (a zero column stays zero), and

$$ s(U, V) = \max_p \frac1r \sum_k \bar u_k^\top \bar v_{p(k)} \qquad\text{over all permutations } p. $$

(a) s stays the same when the columns of U or V are permuted or multiplied by positive numbers. (b) s ≤ 1, and s ≥ 0 if
U and V are nonnegative. (c) s = 1 if and only if no column is zero and V is U up to the order and positive scales of
its columns. (d) The assignment solver finds the maximum.

Derivation.
1. (a) For c > 0, c u_k has the norm c‖u_k‖ and the same unit column; so the cosines stay. A permutation of the columns
   of V changes p to another permutation, and the maximum runs over all of them; the same for U, where in addition the
   terms of the sum change places.
2. Let no column be zero. Multiply out the squared distance of two unit vectors:

   $$ \|\bar u - \bar v\|^2 = \|\bar u\|^2 - 2 \bar u^\top \bar v + \|\bar v\|^2 = 2 - 2 \bar u^\top \bar v. $$

   Solved for the cosine and averaged over k, with the largest mean where the distances are smallest:

   $$ s(U, V) = 1 - \min_p \frac1{2r} \sum_k \|\bar u_k - \bar v_{p(k)}\|^2 . $$

3. (b) So s ≤ 1. If a column is zero, the r cosines of a permutation have at least one 0 among them, and the others are
   at most 1 by the same formula: s ≤ (r − 1)/r. For nonnegative U and V each product ūᵀv̄ is a sum of numbers ≥ 0.
4. (c) If a column is zero, s < 1 by step 3. Else, by step 2, s = 1 exactly if the sum of squares is 0 for some p, that
   is ū_k = v̄_p(k) for every k; multiplied by ‖v_p(k)‖, that is v_p(k) = (‖v_p(k)‖/‖u_k‖) u_k: a positive multiple.
5. (d) The sum of cosines over a permutation is an assignment problem, for which the Hungarian algorithm finds the
   maximum in about r³ steps instead of r! trials. This is checked against all r! of them, up to r = 6. ∎

What it teaches.  The score compares parts, not products: two fits with the same loss can have a low score, which says
that the data do not determine the parts. In a scree plot it is what tells ranks with the same fit apart.
"""

from itertools import permutations

import numpy as np
from hypothesis import strategies as st

from jnmf.similarity import match, similarity
from proofs.kernel import Statement, chain, deviation, excess, holds
from proofs.strategies import nonnegative, positive

SHAPES = ((4, 3), (5, 6))  # (m, r)
GAP = 1e-9  # further than this below 1 is the score of different columns of eighths


@st.composite
def pairs(draw, matrices):
    """(U, V, p, c): two factors, half of the time the same up to order and scale; a permutation and scales."""
    m, r = draw(st.sampled_from(SHAPES))
    U, V = draw(matrices((m, r))), draw(matrices((m, r)))
    p, q = (np.array(draw(st.permutations(range(r)))) for _ in range(2))
    c, d = draw(positive((r,))), draw(positive((r,)))
    return U, draw(st.sampled_from((V, (U * d)[:, q]))), p, c


def orders(r):
    return np.array(list(permutations(range(r))))


def unit_columns(A):
    norms = np.sqrt((A * A).sum(axis=0))
    return A / np.where(norms > 0, norms, 1)


def means(C):
    """The mean of C[k, p[k]] over k, for each permutation p."""
    r = len(C)
    return C[np.arange(r), orders(r)].mean(axis=1)


def cosines(U, V):
    return unit_columns(U).T @ unit_columns(V)


# The score, for columns that are not zero.


def by_distances(U, V, p, c, two=2):
    U, V = unit_columns(U), unit_columns(V)
    distances = [((U - V[:, order]) ** 2).sum() for order in orders(U.shape[1])]
    return 1 - min(distances) / (two * U.shape[1])


def best_mean_cosine(U, V, p, c):
    return means(cosines(U, V)).max()


def library(U, V, p, c):
    return similarity(U, V)


# The permutation, for any columns.


def best_of_all(U, V, p, c):
    return means(cosines(U, V)).max()


def library_match(U, V, p, c, matching=match):
    return cosines(U, V[:, np.asarray(matching(U, V))]).diagonal().mean()


def greedy(U, V):
    """Each column of U in turn takes the nearest that is left."""
    C, taken = cosines(U, V), []
    for row in C:
        taken.append(max(set(range(len(C))) - set(taken), key=lambda column: row[column]))
    return taken


# The properties.


def agree(U, V):
    """Whether V is U up to order and positive scales and has no zero column; exact, as the entries are eighths."""
    proportional = lambda u, v: u.any() and v.any() and np.array_equal(np.outer(u, v), np.outer(v, u))
    P = np.array([[float(proportional(u, v)) for v in V.T] for u in U.T])
    return means(P).max() == 1


def properties(U, V, p, c, score=similarity):
    s = float(score(U, V))
    same = agree(U, V)
    changes = (U * c, V), (U, V * c), (U[:, p], V), (U, V[:, p])
    return {
        "order and scale do not matter": max(abs(float(score(*changed)) - s) for changed in changes),
        "0 ≤ s ≤ 1": max(excess(s, 0, 1), excess(1, s, 1)),
        "s = 1 if the columns agree": deviation(s, 1) if same else 0,
        "the columns agree if s = 1": float(s > 1 - GAP and not same),
    }


def wrong(score):
    return lambda *args: max(properties(*args, score=score).values())


SCORE_CONTROLS = {
    "1/r for 1/2r": lambda *args: by_distances(*args, two=1),
    "columns not scaled to unit length": lambda U, V, p, c: means(U.T @ V).max(),
    "no matching": lambda U, V, p, c: cosines(U, V).diagonal().mean(),
    "the smallest mean": lambda U, V, p, c: means(cosines(U, V)).min(),
}
MATCH_CONTROLS = {
    "the inverse permutation": lambda *args: library_match(*args, matching=lambda U, V: np.argsort(match(U, V))),
    "each column in turn takes the nearest": lambda *args: library_match(*args, matching=greedy),
}
PROPERTY_CONTROLS = {
    "columns not scaled to unit length": wrong(lambda U, V: means(U.T @ V).max()),
    "no matching": wrong(lambda U, V: cosines(U, V).diagonal().mean()),
    "the sum for the mean": wrong(lambda U, V: similarity(U, V) * U.shape[1]),
}

INPUTS = pairs(nonnegative)

STATEMENTS = (
    Statement(
        22,
        "The similarity score ignores order and scale, is in [0, 1], 1 iff the factors agree",
        "Williams' exercises, scree and similarity",
        (
            chain(pairs(positive), (by_distances, best_mean_cosine, library), SCORE_CONTROLS),
            chain(INPUTS, (best_of_all, library_match), MATCH_CONTROLS),
            holds(INPUTS, properties, PROPERTY_CONTROLS, kind="iff"),
        ),
    ),
)
