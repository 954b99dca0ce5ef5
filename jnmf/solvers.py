"""Solvers for the half-problem of the Frobenius loss. None of them sees X.

With W fixed, ½‖X − WH‖² + l1 ΣH + ½ l2 ‖H‖² is, up to a constant, the quadratic

    q(H) = ½⟨H, G H⟩ − ⟨C, H⟩,      G = WᵀW + l2·I  (r, r),      C = WᵀX − l1  (r, n),

with gradient G H − C. A solver is a pure function (H, G, C) -> H that lowers q over H ≥ 0 (`least_squares` may not).
W is updated by the same solver on the transposed problem Xᵀ ≈ HᵀWᵀ. All arrays have one floating dtype, which the
result keeps. A component with a zero row and column in G and a zero row in C and H stays zero under each of them.

The exact minimiser is `jnmf.nonnegative_least_squares.exact`.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_batching import sequential_vmap

from jnmf.numerics import divide, inner, project_nonnegative
from jnmf.types import AnyArray, Number


def ridge(G: Array, l2: Number) -> Array:
    """G + l2·I."""
    return G + l2 * jnp.eye(G.shape[0], dtype=G.dtype)


def multiplicative(H: AnyArray, G: AnyArray, C: AnyArray, l1: Number = 0.0) -> Array:
    """H ⊙ [C]₊ ⊘ (G H + l1): the gradient step with step size H ⊘ (G H + l1), element by element.

    It minimises a quadratic that lies above q + l1 ΣH and touches it at H, for G ≥ 0 entrywise (Lee and Seung 2001,
    eq. 4; with l1 Hoyer 2002, "Non-negative sparse coding"). A penalty is passed apart from C: taken from C it
    would make an entry 0, for good, wherever C is below it in some early iteration, and the objective would end above
    its minimum. An entry that is 0 stays 0. Where the denominator is 0 the entry has no effect and becomes 0.

    >>> G, C = np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([[3.0], [0.0]])
    >>> jnmf.solvers.multiplicative(np.ones((2, 1)), G, C).tolist()
    [[1.0], [0.0]]
    """
    return divide(H * project_nonnegative(C), G @ H + l1)


def difference(old: AnyArray, new: AnyArray, G: AnyArray, C: AnyArray) -> Array:
    """q(new) − q(old), a scalar, without the cancellation of the two: ⟨G (old + new)/2 − C, new − old⟩.

    Between two points a quadratic rises by its gradient halfway times the move (`proofs.difference_of_quadratics`). The
    rounding is that of a gradient times the move, and vanishes with the move; q(new) and q(old) by themselves are
    each off by eps·½‖X‖², more than all there is to gain near an exact fit.
    """
    return inner(G @ (0.5 * (old + new)) - C, new - old)


def hals(
    H: AnyArray, G: AnyArray, C: AnyArray, project: Callable[..., Array] = lambda row, k: project_nonnegative(row)
) -> Array:
    """One sweep over the rows, each set to the exact minimiser of q in that row: [(C_k − Σ_{j≠k} G_kj H_j) / G_kk]₊.

    Cichocki, Zdunek and Amari 2007; Gillis and Glineur 2012a, eq. 2.5. A row with G_kk = 0 (its column of W is zero)
    has no effect on the fit and is left as it is, so that it can come back; an l1 penalty makes it 0.
    project(row, k): onto another interval in each entry of the k-th row, in which the minimum then is.

    >>> G, C = np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([[3.0], [0.0]])
    >>> jnmf.solvers.hals(np.zeros((2, 1)), G, C).tolist()
    [[1.5], [0.0]]
    """
    d = jnp.diag(G)[:, None]
    # The row less its own term is C_k/G_kk − A_k H, with A_kk = 0. Where G_kk = 0, A_k = −e_k and C_k ≤ 0.
    A = divide(G, d) - jnp.eye(len(G), dtype=G.dtype)
    D = jnp.where(d > 0, divide(C, d), jnp.where(C < 0, -jnp.inf, 0))
    return lax.fori_loop(0, len(G), lambda k, H: H.at[k].set(project(D[k] - A[k] @ H, k)), H)


def least_squares(
    H: AnyArray | None, G: AnyArray, C: AnyArray, project: Callable[..., Array] = project_nonnegative
) -> Array:
    """[G⁻¹C]₊: the unconstrained minimiser of q, projected (projected ALS; Berry et al. 2007, section 3.3).

    G⁻¹ is the pseudo-inverse, so a rank-deficient G gives the minimum-norm solution, as `lstsq` does. Since G holds
    squares, directions of W below sqrt(r·eps) of its largest singular value count as absent.

    >>> G, C = np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([[3.0], [0.0]])
    >>> jnmf.solvers.least_squares(None, G, C).round(3).tolist()
    [[2.0], [0.0]]
    """
    del H
    # In units of its largest entry G is the same for every scale of X; a zero component must not come back by rounding.
    diagonal = jnp.diag(G)
    unit = jnp.max(diagonal)
    pseudo_inverse = partial(jnp.linalg.pinv, rtol=G.shape[0] * jnp.finfo(G.dtype).eps, hermitian=True)
    inverse = one_by_one(pseudo_inverse)(divide(G, unit))
    return project(jnp.where(diagonal[:, None] > 0, inverse @ divide(C, unit), 0))


SQUARINGS = 26  # r^(2⁻²⁶) is 1 to the digits of float32, and to 1e-7 at r = 1000


def spectral_norm(G: AnyArray) -> Array:
    """‖G‖₂ of a symmetric positive semidefinite G (r, r), a scalar, from above: (tr G^p)^{1/p} with p = 2^SQUARINGS.

    tr G^p = Σ λ_i^p lies between λ₁^p and r λ₁^p. G and each square are divided by their trace t_j, so that nothing
    leaves the range of the dtype: ‖G‖₂ = t₀ exp(½ log t₁ + ¼ log t₂ + …). Products alone: see `one_by_one`.
    """

    def square(_, carry):
        G, log_norm, share = carry
        G = G @ G
        t = jnp.trace(G)
        return divide(G, t), log_norm + share * jnp.log(jnp.where(t > 0, t, 1)), share / 2

    t = jnp.trace(G)
    start = divide(G, t), jnp.zeros((), G.dtype), jnp.full((), 0.5, G.dtype)
    return t * jnp.exp(lax.fori_loop(0, SQUARINGS, square, start)[1])


def side_by_side() -> bool:
    """Whether devices of a CPU run at the same time, as in a sweep."""
    return jax.default_backend() == "cpu" and not jax.sharding.get_abstract_mesh().empty


def one_by_one(call: Callable[..., Array]) -> Callable[..., Array]:
    """A call of LAPACK which under `vmap` is made for one member after the other where devices run `side_by_side`.

    Two batches of such calls, on two devices of a CPU, have been seen to deadlock: both ask for
    threads of the one pool in which they run.
    """
    return sequential_vmap(call) if side_by_side() else call


class Backtracking(NamedTuple):
    """The step size is searched for again at each half-step."""


BACKTRACKING = Backtracking()


def projected_gradient(
    H: AnyArray,
    G: AnyArray,
    C: AnyArray,
    step_size: Number | Backtracking | None = None,
    project: Callable[..., Array] = project_nonnegative,
) -> Array:
    """[H − η (G H − C)]₊ with step size η (Lin 2007, eq. 8).

    `step_size` None: η = 1/‖G‖₂, the Lipschitz constant of the gradient, with which q never rises. A number: that η.
    BACKTRACKING: Armijo's rule along the projection arc, see `backtracking_step`.

    >>> G, C = np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([[3.0], [0.0]])
    >>> jnmf.solvers.projected_gradient(np.zeros((2, 1)), G, C, step_size=0.5).tolist()
    [[1.5], [0.0]]
    """
    gradient = G @ H - C
    if step_size is None:
        step_size = divide(1, spectral_norm(G))
    elif isinstance(step_size, Backtracking):
        step_size = backtracking_step(H, G, gradient, project=project)
    return project(H - step_size * gradient)


def backtracking_step(
    H: AnyArray,
    G: AnyArray,
    gradient: AnyArray,
    sufficient_decrease: float = 0.01,
    project: Callable[..., Array] = project_nonnegative,
) -> Array:
    """The first of η₀, η₀/2, η₀/4, … with q(H⁺) − q(H) ≤ σ⟨∇q, H⁺ − H⟩ (Lin 2007, eq. 13; σ = 0.01, η₀ = 1/max G_kk).

    ‖G‖₂ ≤ tr G ≤ r·max G_kk and every η ≤ 1/‖G‖₂ passes, so at most log₂ r halvings are needed: a loop of fixed
    length, which keeps the step differentiable in reverse. q is a quadratic, so q(H⁺) − q(H) = ⟨∇q, D⟩ + ½⟨D, G D⟩.
    """

    def halve_if_needed(_, step_size):
        D = project(H - step_size * gradient) - H
        linear = inner(gradient, D)
        enough = (1 - sufficient_decrease) * linear + 0.5 * inner(D, G @ D) <= 0
        return jnp.where(enough, step_size, step_size / 2)

    return lax.fori_loop(0, math.ceil(math.log2(H.shape[0])), halve_if_needed, divide(1, jnp.max(jnp.diag(G))))
