r"""k-means is a nonnegative factorisation with orthonormal columns.

Source: problem set, problem 5.

Statement.  Let the rows a_1, …, a_n of A (n, d) be divided into k clusters, none empty, with n_c members and mean μ_c
in cluster c. There are G (n, k) ≥ 0 with GᵀG = I and M (k, d) with

$$ \sum_{c} \sum_{i \in c} \|a_i - \mu_c\|^2 = \|A - G M\|^2 . $$

Namely G_ic = 1/√n_c for i in cluster c and 0 else, and M = GᵀA. If A ≥ 0, then M ≥ 0: all matrices are nonnegative.

Derivation.
1. Let F (n, k) be the indicator: F_ic = 1 if i is in cluster c, else 0. Each row of F has a single 1. So two columns
   have no 1 in the same row and their inner product is 0, and column c with itself has the inner product n_c:

   $$ F^\top F = \operatorname{diag}(n_1, \dots, n_k). $$

   No n_c is 0, because no cluster is empty: the inverse is diag(1/n_c), and G = F diag(1/√n_c) = F (FᵀF)^{−1/2}.
2. G ≥ 0, its entries being 0 or 1/√n_c. And GᵀG = diag(1/√n_c) FᵀF diag(1/√n_c) = diag(n_c/n_c) = I.
3. Row c of FᵀA is the sum of the members of cluster c; divided by n_c it is their mean. The means are therefore the
   rows of (FᵀF)⁻¹FᵀA, and row i of F times a matrix picks out the row of the cluster of i. So row i of

   $$ F (F^\top F)^{-1} F^\top A $$

   is the mean of the cluster of a_i, and the k-means objective is ‖A − F(FᵀF)⁻¹FᵀA‖²: the squared norm of a matrix is
   the sum of the squared norms of its rows.
4. F(FᵀF)⁻¹Fᵀ = F(FᵀF)^{−1/2} (F(FᵀF)^{−1/2})ᵀ = GGᵀ, because the diagonal matrix (FᵀF)^{−1/2} is its own transpose. So
   F(FᵀF)⁻¹FᵀA = G GᵀA = G M.
5. Multiplied out with GᵀG = I:
   ‖A − GM‖² = ‖A‖² − 2 tr AᵀGGᵀA + tr AᵀG(GᵀG)GᵀA = ‖A‖² − ‖GᵀA‖². The best clustering has the largest ‖GᵀA‖.
6. The entries of M = GᵀA are sums of products of entries of G ≥ 0 and of A; if A ≥ 0, they are ≥ 0. (M_c = √n_c μ_c,
   and the mean of nonnegative points is nonnegative.) An A with signs has an M with signs. ∎

What it teaches.  Nonnegative columns can only be orthogonal if no row has two nonzero entries: that is what makes the
clustering hard. An NMF drops the orthogonality and so lets a point belong to several clusters in part.
"""

import numpy as np
from hypothesis import strategies as st

from jnmf import losses
from proofs.kernel import Statement, chain, deviation, exact_chain, excess, holds
from proofs.strategies import real

SHAPES = ((4, 5), (6, 4))  # (n, d)


@st.composite
def clusterings(draw):
    """(A, F): points in the rows of A, and the indicator of up to three clusters, none of them empty."""
    n, d = draw(st.sampled_from(SHAPES))
    labels = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    return draw(real((n, d))), (np.array(labels)[:, None] == np.unique(labels)).astype(float)


def beside_the_scale(A, objective):
    """A link returns the objective beside ‖A‖², so that an objective of 0 is not compared with its own rounding."""
    return np.array([objective, (A * A).sum()])


def point_by_point(A, F):
    objective = 0
    for c in range(F.shape[1]):
        members = [a for a, inside in zip(A, F[:, c], strict=True) if inside == 1]
        mean = sum(members) / len(members)
        objective += sum(((a - mean) ** 2).sum() for a in members)
    return beside_the_scale(A, objective)


def means(A, F):
    return (F.T @ A) / F.sum(axis=0)[:, None]


def means_picked_out(A, F):
    return beside_the_scale(A, ((A - F @ means(A, F)) ** 2).sum())


def projection(A, F):
    P = F / F.sum(axis=0) @ F.T
    return beside_the_scale(A, ((A - P @ A) ** 2).sum())


def multiplied_out(A, F):
    P = F / F.sum(axis=0) @ F.T
    return beside_the_scale(A, (A * A).sum() - (A * (P @ A)).sum())


def factors(A, F):
    G = F / np.sqrt(F.sum(axis=0))
    return G, G.T @ A


def norm_of_M(A, F):
    _, M = factors(A, F)
    return beside_the_scale(A, (A * A).sum() - (M * M).sum())


def library(A, F, factors=factors, weight=2):
    """The library's loss has the factor ½."""
    return beside_the_scale(A, weight * float(losses.frobenius(A, *factors(A, F))))


def properties(A, F, factors=factors):
    G, M = factors(A, F)
    return {
        "GᵀG = I": deviation(G.T @ G, np.eye(G.shape[1])),
        "G ≥ 0": excess(G, 0),
        "M ≥ 0 if A ≥ 0": excess(factors(np.abs(A), F)[1], 0),
        "row i of GM is the mean of the cluster of i": deviation(G @ M, F @ means(A, F)),
    }


def unscaled(A, F):
    return F, F.T @ A


def scaled_by_the_size(A, F):
    G = F / F.sum(axis=0)
    return G, G.T @ A


def negative(A, F):
    G, M = factors(A, F)
    return -G, -M


CONTROLS = {
    "the indicator itself for G": lambda A, F: library(A, F, unscaled),
    "1/n for 1/√n": lambda A, F: library(A, F, scaled_by_the_size),
    "the means for M": lambda A, F: library(A, F, lambda A, F: (factors(A, F)[0], means(A, F))),
    "the loss with its ½": lambda A, F: library(A, F, weight=1),
}
EXACT_CONTROLS = {
    "sums for means": lambda A, F: beside_the_scale(A, ((A - F @ (F.T @ A)) ** 2).sum()),
    "one mean for all": lambda A, F: beside_the_scale(A, ((A - A.sum(axis=0) / len(A)) ** 2).sum()),
}
PROPERTY_CONTROLS = {
    "the indicator itself for G": lambda A, F: max(properties(A, F, unscaled).values()),
    "1/n for 1/√n": lambda A, F: max(properties(A, F, scaled_by_the_size).values()),
    "M ≥ 0 for every A": lambda A, F: excess(factors(A, F)[1], 0),
    "−G and −M": lambda A, F: max(properties(A, F, negative).values()),
}

INPUTS = clusterings()
DERIVATION = (point_by_point, means_picked_out, projection, multiplied_out)

STATEMENTS = (
    Statement(
        19,
        "The k-means objective is ‖A − GM‖² with G ≥ 0, GᵀG = I, M = GᵀA",
        "problem set, problem 5",
        (
            chain(INPUTS, (*DERIVATION, norm_of_M, library), CONTROLS),
            exact_chain(INPUTS, DERIVATION, EXACT_CONTROLS),
            holds(INPUTS, properties, PROPERTY_CONTROLS, kind="existence"),
        ),
    ),
)
