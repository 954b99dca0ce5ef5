r"""Hoyer's sparsity lies between 0, where all entries are alike, and 1, where a single one is nonzero.

Source: problem set, problem 2; Hoyer 2004.

Statement.  For x ∈ ℝⁿ, x ≠ 0, n ≥ 2, let

$$ s(x) = \frac{\sqrt n - \|x\|_1 / \|x\|_2}{\sqrt n - 1}. $$

Then 0 ≤ s(x) ≤ 1. s(x) = 1 if and only if exactly one entry of x is nonzero, and s(x) = 0 if and only if all entries
have the same absolute value.

Derivation.  Write a_i = |x_i| ≥ 0, so that ‖x‖₁ = Σ a_i and ‖x‖₂² = Σ a_i².
1. Multiply out the square of the sum, and separate the terms with equal indices from the others:

   $$ \|x\|_1^2 = \sum_i \sum_j a_i a_j = \|x\|_2^2 + \sum_{i \neq j} a_i a_j . $$

   No term of the last sum is negative. So ‖x‖₁ ≥ ‖x‖₂, with equality exactly if each product a_i a_j with i ≠ j is 0,
   which says that no two entries are nonzero. As x ≠ 0, that is: exactly one is.
2. Add up the squared differences of all pairs, and multiply out:

   $$ \tfrac12 \sum_i \sum_j (a_i - a_j)^2 = \tfrac12 \sum_i \sum_j (a_i^2 + a_j^2 - 2 a_i a_j)
      = \tfrac12 \bigl(n\|x\|_2^2 + n\|x\|_2^2 - 2\|x\|_1^2\bigr) = n \|x\|_2^2 - \|x\|_1^2 . $$

   The left side is a sum of squares. So ‖x‖₁ ≤ √n ‖x‖₂, with equality exactly if each a_i − a_j is 0.
3. By 1 and 2 the ratio q = ‖x‖₁/‖x‖₂ lies between 1 and √n. s = (√n − q)/(√n − 1) falls as q grows, because √n − 1 > 0:
   it is 1 exactly at q = 1, 0 exactly at q = √n, and between them otherwise. The cases of equality are those above. ∎

For x = 0 the ratio is 0/0 and for n = 1 s is; the library calls both 0.

What it teaches.  s measures nothing but the ratio of two norms, so it does not depend on the scale of x, nor on the
order and the signs of its entries.
"""

import math

import numpy as np
from hypothesis import strategies as st

from jnmf.sparsity import hoyer_sparsity
from proofs.kernel import Statement, chain, deviation, exact_chain, excess, holds
from proofs.strategies import positive, real

LENGTHS = (2, 4)
GAP = 1e-6  # further than this from 0 and 1 is every score of the vectors drawn that is not one of them


@st.composite
def vectors(draw):
    """Vectors other than 0: any, with one entry that is not 0, and with entries that differ in sign only."""
    n = draw(st.sampled_from(LENGTHS))
    kind = draw(st.sampled_from(("any", "single", "alike")))
    if kind == "any":
        return (draw(real((n,)).filter(np.any)),)
    size = draw(positive((1,)))
    signs = draw(st.lists(st.sampled_from((-1, 1)), min_size=n, max_size=n))
    x = size * signs
    if kind == "single":
        x[np.arange(n) != draw(st.integers(0, n - 1))] = 0
    return (x,)


# Steps 1 and 2, which are exact. Each link returns (‖x‖₁² − ‖x‖₂², n‖x‖₂² − ‖x‖₁²).


def squares_of_the_norms(x, magnitude=abs):
    l1, l2_squared = magnitude(x).sum(), (x * x).sum()
    return np.array([l1 * l1 - l2_squared, len(x) * l2_squared - l1 * l1])


def sums_over_pairs(x, half=2):
    a = abs(x)
    products = np.outer(a, a)
    differences = (a[:, None] - a[None, :]) ** 2
    return np.array([products.sum() - products.trace(), differences.sum() / half])


# The score through each of them. A link returns (s, 1 − s): deviations are then relative to at least ½.


def with_its_complement(x, ratio):
    s = (math.sqrt(len(x)) - ratio) / (math.sqrt(len(x)) - 1)
    return np.array([s, 1 - s])


def definition(x):
    return with_its_complement(x, math.fsum(map(abs, x)) / math.sqrt(math.fsum(value * value for value in x)))


def through_the_products(x):
    products, _ = sums_over_pairs(x)
    return with_its_complement(x, math.sqrt(1 + products / (x * x).sum()))


def through_the_differences(x):
    _, differences = sums_over_pairs(x)
    return with_its_complement(x, math.sqrt(len(x) - differences / (x * x).sum()))


def library(x):
    s = float(hoyer_sparsity(x))
    return np.array([s, 1 - s])


def range_and_ends(x, score=hoyer_sparsity):
    s = float(score(x))
    one, alike = np.count_nonzero(x) == 1, len(set(abs(x))) == 1
    return {
        "0 ≤ s ≤ 1": max(excess(s, 0, 1), excess(1, s, 1)),
        "s = 1 if one entry is nonzero": deviation(s, 1) if one else 0,
        "one entry is nonzero if s = 1": float(s > 1 - GAP and not one),
        "s = 0 if all are alike": abs(s) if alike else 0,
        "all are alike if s = 0": float(s < GAP and not alike),
    }


def wrong(score):
    return lambda x: max(range_and_ends(x, score).values())


def of_norms(x, n, numerator, denominator):
    return (math.sqrt(n) - numerator / denominator) / (math.sqrt(n) - 1)


CONTROLS = {
    "‖x‖₂² for ‖x‖₂": lambda x: with_its_complement(x, abs(x).sum() / (x * x).sum()),
    "the sum without absolute values": lambda x: with_its_complement(x, x.sum() / np.linalg.norm(x)),
    "not divided by √n − 1": lambda x: definition(x) * (math.sqrt(len(x)) - 1),
}
EXACT_CONTROLS = {
    "each pair of differences counted twice": lambda x: sums_over_pairs(x, half=1),
    "the sum without absolute values": lambda x: squares_of_the_norms(x, magnitude=lambda x: x),
}
END_CONTROLS = {
    "‖x‖₂² for ‖x‖₂": wrong(lambda x: of_norms(x, len(x), abs(x).sum(), (x * x).sum())),
    "the sum without absolute values": wrong(lambda x: of_norms(x, len(x), x.sum(), np.linalg.norm(x))),
    "1 − s": wrong(lambda x: 1 - hoyer_sparsity(x)),
    "the largest entry for ‖x‖₂": wrong(lambda x: of_norms(x, len(x), abs(x).sum(), abs(x).max())),
}

INPUTS = vectors()

STATEMENTS = (
    Statement(
        16,
        "Hoyer's sparsity is in [0, 1]: 1 iff one entry is nonzero, 0 iff all are alike",
        "problem set, problem 2",
        (
            exact_chain(INPUTS, (squares_of_the_norms, sums_over_pairs), EXACT_CONTROLS),
            chain(INPUTS, (definition, through_the_products, through_the_differences, library), CONTROLS),
            holds(INPUTS, range_and_ends, END_CONTROLS, kind="iff"),
        ),
    ),
)
