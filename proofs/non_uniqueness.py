r"""A factorisation is never unique: an invertible matrix and its inverse fit between the factors.

Source: lecture, non-uniqueness of the factorisation.

Statement 13.  Let X = WH with W (m, r), H (r, n), and let L (r, r) be invertible. Then

$$ (W L)(L^{-1} H) = W H . $$

(a) The new factors are nonnegative exactly if W L ≥ 0 and L⁻¹H ≥ 0: a condition on L, W and H together.
(b) L serves *all* nonnegative W and H if and only if L ≥ 0 and L⁻¹ ≥ 0, and this holds if and only if L is monomial:
    one positive entry in each row and each column, the rest zero. That is a permutation of the components times a
    positive scaling.
    So an L with all entries positive, the lecture's example, serves all W and H for r = 1 only: for r ≥ 2 its inverse
    has a negative entry, and with W = H = I, L⁻¹H = L⁻¹ is not nonnegative. The smallest case has r = 2.
(c) Other L serve particular factors. L = I + t e_a e_bᵀ with a ≠ b, t > 0 does exactly if

$$ t \le \min \{ H_{aj} / H_{bj} : H_{bj} > 0 \}, $$

    so a factorisation of rank r ≥ 2 with a positive H (or, transposed, a positive W) is never unique up to order and
    scale.
(d) If W and H have rank r, there is no other freedom: each W′H′ = WH of the same r is W′ = WL, H′ = L⁻¹H for one L.

Derivation.
1. Matrix products may be bracketed as one likes: (WL)(L⁻¹H) = W(LL⁻¹)H = WIH = WH. For (a) nothing remains to be shown.
2. (b), first part. If L ≥ 0 and L⁻¹ ≥ 0, then the entries of WL and L⁻¹H are sums of products of nonnegative numbers.
   Conversely, take a W ≥ 0 with the row e_aᵀ (the a-th unit vector): that row of WL is row a of L, which must be ≥ 0.
   Take an H ≥ 0 with the column e_b: that column of L⁻¹H is column b of L⁻¹, which must be ≥ 0. This for all a and b.
3. (b), second part. Let L ≥ 0 and M = L⁻¹ ≥ 0, and suppose row a of L had two positive entries, L_ab and L_ac. For each
   column k ≠ a, (LM)_ak = Σ_l L_al M_lk = 0. All terms are ≥ 0, so each is 0, and so M_bk = 0 and M_ck = 0. Then rows
   b and c of M are zero outside column a: one is a multiple of the other, and M is not invertible, a contradiction. So
   a row of L has at most one positive entry. It has at least one, because an invertible L has no zero row. And they lie
   in different columns, because two rows that are multiples of each other would make L singular. So L is monomial.
   Conversely, if L has L_{a,π(a)} = d_a and zeros elsewhere, then the matrix with M_{π(a),a} = 1/d_a and zeros
   elsewhere has LM = I, so it is L⁻¹, and it is ≥ 0. An L > 0 with r ≥ 2 has two positive entries in a row, so it is
   not monomial, and L⁻¹ ≥ 0 fails. For r = 2 it can be read off:

   $$ L = \begin{pmatrix} a & b \\ c & d \end{pmatrix}, \qquad
      L^{-1} = \frac{1}{ad - bc} \begin{pmatrix} d & -b \\ -c & a \end{pmatrix} : $$

   with a, b, c, d > 0 it has entries of both signs.
4. (c) e_a e_bᵀ has a single entry, 1 at (a, b), and (e_a e_bᵀ)(e_a e_bᵀ) = e_a (e_bᵀe_a) e_bᵀ = 0 for a ≠ b. So
   (I + t e_a e_bᵀ)(I − t e_a e_bᵀ) = I: this is the inverse. WL adds t times column a of W to column b and stays ≥ 0.
   L⁻¹H subtracts t times row b of H from row a: H_aj − t H_bj ≥ 0 for all j is the condition. If H > 0, the minimum is
   over positive numbers, so there is a t > 0. This L, with 1 and t in row a, is not monomial; by (d), at rank r no
   monomial matrix gives the same new factors.
5. (d) H has independent rows, so HHᵀ is invertible (HHᵀv = 0 gives ‖Hᵀv‖² = vᵀHHᵀv = 0, so Hᵀv = 0, so v = 0). Multiply
   WH = W′H′ by Hᵀ(HHᵀ)⁻¹ from the right: W = W′M with M = H′Hᵀ(HHᵀ)⁻¹. W has rank r, so W′ and the (r, r) matrix M
   have it too, and M is invertible. W′H′ = WH = W′MH, so W′(H′ − MH) = 0, and since the columns of W′ are independent,
   H′ = MH. So L = M⁻¹. It is the only one, since W′ = WL determines L if the columns of W are independent. ∎

What it teaches.  Two runs may only be compared after order and scale are taken out, and even then two equally good
answers can differ: (c). Uniqueness up to order and scale needs zeros in the factors.
"""

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from jnmf import losses
from proofs.kernel import Statement, chain, deviation, exact_chain, fractions, holds
from proofs.strategies import positive, problems, real

EXACT = np.vectorize(lambda a: Fraction(a), otypes=[object])


def inverse(L):
    """L⁻¹ by Gauss–Jordan elimination with row exchanges, exact for fractions. Raises ZeroDivisionError if singular."""
    r = len(L)
    A = np.concatenate([EXACT(L), EXACT(np.eye(r))], axis=1)
    for k in range(r):
        pivot = k + int(np.argmax(np.abs(A[k:, k])))
        A[[k, pivot]] = A[[pivot, k]]
        A[k] = A[k] / A[k, k]
        for other in range(r):
            if other != k:
                A[other] = A[other] - A[other, k] * A[k]
    return A[:, r:]


def monomial(L):
    return bool(np.all(np.sum(L > 0, axis=0) == 1) and np.all(np.sum(L > 0, axis=1) == 1) and np.all(L >= 0))


@st.composite
def with_a_matrix(draw, matrices):
    """(X, W, H, L): positive factors and an invertible L, both as floats that are exact fractions."""
    X, W, H = draw(problems(factors=positive))
    return X, W, H, draw(invertible(W.shape[1], matrices))


@st.composite
def invertible(draw, r, matrices):
    """A matrix as drawn, plus the first of 0, I, 2 I, … that makes it invertible: at most r of them do not."""
    L = draw(matrices((r, r)))
    while True:
        try:
            inverse(L)
        except ZeroDivisionError:
            L = L + np.eye(r)
        else:
            return L


@st.composite
def monomials(draw, shape):
    r = shape[0]
    return np.eye(r)[draw(st.permutations(range(r)))] * draw(positive((r, 1)))


def sparse(shape):
    """Nonnegative and mostly zero; some are monomial."""
    entries = st.lists(st.sampled_from((0.0, 0.0, 0.5, 1.0)), min_size=shape[0] ** 2, max_size=shape[0] ** 2)
    return st.one_of(entries.map(lambda entries: np.reshape(entries, shape)), monomials(shape))


# The identity, exactly and in the library's loss.


def entry_by_entry(X, W, H, L):
    return np.array([[sum(a * b for a, b in zip(row, column, strict=True)) for column in H.T] for row in W])


def inserted(X, W, H, L):
    return W @ (L @ inverse(L)) @ H


def bracketed_anew(X, W, H, L):
    return (W @ L) @ (inverse(L) @ H)


EXACT_CONTROLS = {
    "the transpose for the inverse": lambda X, W, H, L: (W @ L) @ (L.T @ H),
    "the inverse on the wrong side": lambda X, W, H, L: (W @ inverse(L)) @ (inverse(L) @ H),
    "H left as it was": lambda X, W, H, L: (W @ L) @ H,
}


def loss_of_the_product(X, W, H, L):
    return 0.5 * np.sum((X - W @ H) ** 2)


def loss_of_the_new_product(X, W, H, L):
    return 0.5 * np.sum((X - np.asarray(bracketed_anew(X, fractions(W), fractions(H), L), float)) ** 2)


def library(X, W, H, L):
    return losses.frobenius(X, np.asarray(EXACT(W) @ EXACT(L), float), np.asarray(inverse(L) @ EXACT(H), float))


LOSS_CONTROLS = {
    "only W changed": lambda X, W, H, L: losses.frobenius(X, W @ L, H),
    "only H changed": lambda X, W, H, L: losses.frobenius(X, W, np.asarray(inverse(L) @ EXACT(H), float)),
}


# When the new factors are nonnegative. All in fractions, where a sign is a fact: a deviation is 0 or what is negative.


def negative_part(A):
    return float(max(0, -np.min(A)))


def always_nonnegative(X, W, H, L):
    W, H, L = map(fractions, (W, H, L))
    return {
        "W L ≥ 0 for a monomial L": negative_part(W @ L),
        "L⁻¹H ≥ 0 for a monomial L": negative_part(inverse(L) @ H),
        "L⁻¹ is monomial as well": float(not monomial(inverse(L))),
    }


def only_monomials(X, W, H, L):
    L = fractions(L)
    return {"L, L⁻¹ ≥ 0 if and only if L monomial": float((negative_part(inverse(L)) == 0) != monomial(L))}


def positive_ones(X, W, H, L):
    """The lecture's example at W = H = I: L > 0 and its inverse."""
    size = len(L)
    return {
        "L⁻¹ has a negative entry if L > 0": float(size > 1 and negative_part(inverse(L)) == 0),
        "for r = 1 it has none": negative_part(inverse(L[:1, :1])),
        "the product is the same": deviation(fractions(np.eye(size)) @ L @ inverse(L), fractions(np.eye(size))),
    }


def shear(H, t):
    return fractions(np.eye(len(H))) + t * fractions(np.outer(np.eye(len(H))[0], np.eye(len(H))[1]))


def sheared(X, W, H, factor: int | Fraction = 1):
    """L = I + t e₁e₂ᵀ with `factor` times the largest t that is allowed."""
    W, H = fractions(W), fractions(H)
    L = shear(H, factor * min(H[0] / H[1]))
    new_W, new_H = W @ L, inverse(L) @ H
    return {
        "the inverse is I − t e₁e₂ᵀ": deviation(inverse(L), 2 * fractions(np.eye(len(H))) - L),
        "the same product": deviation(new_W @ new_H, W @ H),
        "W L ≥ 0 for the shear": negative_part(new_W),
        "L⁻¹H ≥ 0 for the shear": negative_part(new_H),
        "the largest t leaves a zero": float(np.min(new_H[0])),
        "the shear is not monomial": float(monomial(L)),
    }


def recovered(X, W, H, L):
    """L from H and L⁻¹H alone, by step 5 of the derivation."""
    new_H = inverse(L) @ H
    return inverse(new_H @ H.T @ inverse(H @ H.T))


def as_drawn(X, W, H, L):
    return L


SHEAR_CONTROLS = {
    "a larger t": lambda X, W, H: sheared(X, W, H, factor=Fraction(9, 8))["L⁻¹H ≥ 0 for the shear"],
    "a negative t of that size": lambda X, W, H: sheared(X, W, H, factor=-20)["W L ≥ 0 for the shear"],
    "half of t leaves a zero": lambda X, W, H: sheared(X, W, H, factor=Fraction(1, 2))["the largest t leaves a zero"],
}


def with_independent_rows(problem):
    """Add 4 I to the first r columns of H: they are then diagonally dominant, and so the rows are independent."""
    X, W, H, L = problem
    return X, W, H + 4 * np.eye(*H.shape), L


STATEMENTS = (
    Statement(
        13,
        "Non-uniqueness: (WL)(L⁻¹H) = WH, nonnegative for all W, H exactly if L is monomial",
        "lecture, non-uniqueness of the factorisation",
        (
            exact_chain(with_a_matrix(real), (entry_by_entry, inserted, bracketed_anew), EXACT_CONTROLS),
            chain(with_a_matrix(real), (loss_of_the_product, loss_of_the_new_product, library), LOSS_CONTROLS),
            holds(
                with_a_matrix(monomials),
                always_nonnegative,
                {
                    "a sum of two monomials": lambda X, W, H, L: max(
                        always_nonnegative(X, W, H, L + np.eye(len(L))).values()
                    ),
                    "Lᵀ = L⁻¹": lambda X, W, H, L: deviation(L.T, np.asarray(inverse(L), float)),
                },
            ),
            holds(
                with_a_matrix(sparse),
                only_monomials,
                {
                    "L ≥ 0 alone is enough": lambda X, W, H, L: negative_part(inverse(L)),
                    "L⁻¹ ≥ 0 means L diagonal": lambda X, W, H, L: float(
                        negative_part(inverse(L)) == 0 and np.any(L * (1 - np.eye(len(L))) != 0)
                    ),
                },
                kind="iff",
            ),
            holds(
                with_a_matrix(positive).map(lambda drawn: tuple(map(fractions, drawn))),
                positive_ones,
                {
                    "the lecture's example: L⁻¹ ≥ 0 for L > 0": lambda X, W, H, L: negative_part(inverse(L)),
                    "L⁻¹ ≤ 0": lambda X, W, H, L: negative_part(-inverse(L)),
                },
            ),
            holds(problems(factors=positive), sheared, SHEAR_CONTROLS),
            exact_chain(
                with_a_matrix(real).map(with_independent_rows),
                (as_drawn, recovered),
                {
                    "the inverse of L": lambda X, W, H, L: inverse(L),
                    "the Gram matrix forgotten": lambda X, W, H, L: inverse(inverse(L) @ H @ H.T),
                },
            ),
        ),
    ),
)
