r"""The least-squares solutions: where the gradient is zero, the loss is lowest, and signs are free.

Source: lab, objective and gradients (where X is called V).

Statement.  Let F(W, H) = ½‖X − WH‖². Without a constraint on signs, and where the inverses exist,

$$ H^* = (W^\top W)^{-1} W^\top X \quad (W \text{ fixed}), \qquad
   W^* = X H^\top (H H^\top)^{-1} \quad (H \text{ fixed}) $$

are (a) the only stationary points of F in H and in W, (b) its minimisers, and (c) they can have negative entries, even
for nonnegative X, W and H.

Derivation.
1. (a) By statement 2, ∇_H F = WᵀWH − WᵀX. It is zero exactly when the normal equations WᵀW H = WᵀX hold; where WᵀW has
   an inverse, multiplying by it gives H* and nothing else.
2. The second derivatives: ∂F/∂H_ab = Σ_k (WᵀW)_ak H_kb − (WᵀX)_ab, whose derivative in H_cd is (WᵀW)_ac if b = d and 0
   if not. With the entries of H read row by row, the Hessian is the Kronecker product WᵀW ⊗ I. For any direction Z,

   $$ \sum_{abcd} Z_{ab}\,\frac{\partial^2 F}{\partial H_{ab}\,\partial H_{cd}}\,Z_{cd}
      = \sum_{abc} Z_{ab} (W^\top W)_{ac} Z_{cb} = \operatorname{tr} Z^\top W^\top W Z = \|WZ\|^2 \ge 0. $$

   Taking Z to be an eigenvector shows that no eigenvalue is negative: F is convex in H.
3. (b) Let H be any matrix and Z = H − H*. Then X − WH = (X − WH*) − WZ. Squaring, with R = X − WH*,

   $$ F(W, H) = \tfrac12\|R\|^2 - \operatorname{tr} Z^\top W^\top R + \tfrac12\|WZ\|^2. $$

   WᵀR = WᵀX − WᵀWH* = 0 by step 1, so F(W, H) = F(W, H*) + ½‖W(H − H*)‖²: no H has a lower loss. Only H = H* has the
   same loss, because WZ = 0 gives WᵀWZ = 0 and so Z = 0.
4. The same on Xᵀ ≈ HᵀWᵀ gives (W*)ᵀ = (HHᵀ)⁻¹HXᵀ; its transpose is W*, as HHᵀ is symmetric.
5. (c) An example with two components is enough:

   $$ W = \begin{pmatrix} 1 & 1 \\ 0 & 1 \end{pmatrix}, \quad X = \begin{pmatrix} 0 \\ 1 \end{pmatrix}, \quad
      H^* = W^{-1} X = \begin{pmatrix} -1 \\ 1 \end{pmatrix}. $$

   [H*]₊ = (0, 1)ᵀ leaves the residual (−1, 0)ᵀ and the loss ½. But (0, ½)ᵀ leaves (−½, ½)ᵀ and the loss ¼. ∎

Where WᵀW has no inverse, the pseudo-inverse W⁺ gives one solution of the normal equations, W⁺X = (WᵀW)⁺WᵀX, and step 3
shows that each solution is a minimiser: it used only WᵀR = 0.

What it teaches.  Projected ALS computes [H*]₊. By (c) that is the nearest nonnegative matrix to H*, not the nonnegative
matrix of lowest loss: its loss can rise. The latter is found by nonnegative least squares (statement 7).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from jnmf import losses, solvers
from proofs.kernel import Statement, central_difference, chain, deviation, exact_chain, excess, holds
from proofs.strategies import full_rank, problems, real


def solve(A, B):
    """A⁻¹B by Gauss–Jordan elimination, for numbers and for fractions."""
    r, M = len(A), np.hstack([A, B])
    for k in range(r):
        pivot = max(range(k, r), key=lambda i: abs(M[i, k]))
        M[[k, pivot]] = M[[pivot, k]]
        M[k] = M[k] / M[k, k]
        for i in range(r):
            if i != k:
                M[i] = M[i] - M[i, k] * M[k]
    return M[:, r:]


def entries(W, H):
    """All entries of a matrix like W and one like H: what a link returns."""
    return np.concatenate([np.ravel(W), np.ravel(H)])


def loss(X, W, H):
    return ((X - W @ H) ** 2).sum() / 2


# (a) The stationary points.


@jax.jit
def derivatives(X, W, H):
    gradients = jax.grad(losses.frobenius, argnums=(1, 2))(X, W, H)
    return gradients, tuple(jax.hessian(losses.frobenius, argnums=factor)(X, W, H) for factor in (1, 2))


def hessian_in_H(X, W, H):
    return np.asarray(derivatives(X, W, H)[1][1]).reshape(H.size, H.size)


def newton_step(X, W, H):
    """One step from (W, H), in each alone: the gradient is linear, so that it is 0 where the step ends."""

    def step(A, gradient, hessian):
        return A.ravel() - np.linalg.solve(hessian.reshape(A.size, A.size), gradient.ravel())

    (grad_W, grad_H), (hessian_W, hessian_H) = derivatives(X, W, H)
    return entries(step(W, grad_W, hessian_W), step(H, grad_H, hessian_H))


def normal_equations(X, W, H):
    return entries(solve(H @ H.T, H @ X.T).T, solve(W.T @ W, W.T @ X))


def pseudo_inverse(X, W, H):
    return entries(X @ np.linalg.pinv(H), np.linalg.pinv(W) @ X)


@jax.jit
def projected(X, W, H):
    in_W = solvers.least_squares(W.T, H @ H.T, H @ X.T).T
    in_H = solvers.least_squares(H, W.T @ W, W.T @ X)
    return jnp.concatenate([in_W.ravel(), in_H.ravel()])


def library(X, W, H):
    """The library projects. For −X the solution is −H*, and [H*]₊ − [−H*]₊ = H* tells its signs as well."""
    return projected(X, W, H) - projected(-X, W, H)


def gradient_at_the_solutions(X, W, H, factor=1):
    W_best, H_best = factor * solve(H @ H.T, H @ X.T).T, factor * solve(W.T @ W, W.T @ X)
    grad_W = central_difference(lambda W: loss(X, W, H), W_best)
    return entries(grad_W, central_difference(lambda H: loss(X, W, H), H_best))


def zero(X, W, H):
    return entries(0 * W, 0 * H)


def library_properties(X, W, H, library: Callable = library, projected: Callable = projected):
    repeated = np.hstack([W[:, :-1], W[:, :1]])  # WᵀW has no inverse
    solution = library(X, repeated, H)[W.size :].reshape(H.shape)
    return {
        "the library projects": deviation(projected(X, W, H), np.maximum(pseudo_inverse(X, W, H), 0)),
        "without an inverse the gradient is 0 too": deviation(repeated.T @ repeated @ solution, repeated.T @ X),
    }


# (b) The minimisers.


def convexity(X, W, H, hessian=hessian_in_H):
    at_H = losses.frobenius.grad_H(X, W, H)
    units = np.eye(H.size).reshape(H.size, *H.shape)
    changes = [np.ravel(losses.frobenius.grad_H(X, W, H + E) - at_H) for E in units]
    eigenvalues = np.linalg.eigvalsh(hessian(X, W, H))
    return {
        "the Hessian is WᵀW ⊗ I": deviation(hessian(X, W, H), np.kron(W.T @ W, np.eye(H.shape[1]))),
        "the change of the library's gradient": deviation(hessian(X, W, H), changes),
        "no eigenvalue is negative": excess(eigenvalues, 0, np.max(np.abs(eigenvalues))),
    }


def loss_anywhere(X, W, H):
    return loss(X, W, H) * np.array([1, 1])


def completed_squares(X, W, H, factor=1):
    W_best, H_best = solve(H @ H.T, H @ X.T).T, solve(W.T @ W, W.T @ X)
    square_W, square_H = (((W - W_best) @ H) ** 2).sum() / 2, ((W @ (H - H_best)) ** 2).sum() / 2
    return np.array([loss(X, W_best, H) + factor * square_W, loss(X, W, H_best) + factor * square_H])


def library_loss(X, W, H):
    return np.full(2, losses.frobenius(X, W, H))


# (c) Negative entries.


def example(X, W, nonnegative):
    solution = solve(W.T @ W, W.T @ X)
    projection = projected(X, W, nonnegative)[W.size :].reshape(2, 1)
    return {
        "H* = (−1, 1)": deviation(solution, [[-1], [1]]),
        "the library projects it to (0, 1)": deviation(projection, [[0], [1]]),
        "of loss ½": deviation(losses.frobenius(X, W, projection), 0.5),
        "(0, ½) has the loss ¼": deviation(losses.frobenius(X, W, nonnegative), 0.25),
    }


CONTROLS = {
    "without the inverse": lambda X, W, H: entries(X @ H.T, W.T @ X),
    "the Gram matrices of W and H exchanged": lambda X, W, H: entries(
        solve(W.T @ W, H @ X.T).T, solve(H @ H.T, W.T @ X)
    ),
}
EXACT_CONTROLS = {
    "twice the solutions": lambda X, W, H: gradient_at_the_solutions(X, W, H, factor=2),
    "the solutions with the sign flipped": lambda X, W, H: gradient_at_the_solutions(X, W, H, factor=-1),
}
PROPERTY_CONTROLS = {
    "no projection": lambda *args: max(library_properties(*args, projected=library).values()),
    "a factor 2": lambda *args: max(library_properties(*args, library=lambda *a: 2 * library(*a)).values()),
}
CONVEXITY_CONTROLS = {
    "the sign flipped": lambda *args: max(convexity(*args, hessian=lambda *a: -hessian_in_H(*a)).values()),
    "I ⊗ WᵀW: H read column by column": lambda X, W, H: max(
        convexity(X, W, H, hessian=lambda X, W, H: np.kron(np.eye(H.shape[1]), W.T @ W)).values()
    ),
}
SQUARE_CONTROLS = {
    "the square without its ½": lambda X, W, H: completed_squares(X, W, H, factor=2),
    "the square subtracted": lambda X, W, H: completed_squares(X, W, H, factor=-1),
}
EXAMPLE_CONTROLS = {
    "a nonnegative problem has a nonnegative solution": lambda X, W, H: excess(solve(W.T @ W, W.T @ X), 0),
    "no nonnegative matrix has a lower loss than the projection": lambda X, W, H: excess(
        losses.frobenius(X, W, H), losses.frobenius(X, W, projected(X, W, H)[W.size :].reshape(2, 1))
    ),
}

INPUTS = problems(X=real, factors=full_rank)
EXAMPLE = np.array([[0.0], [1.0]]), np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[0.0], [0.5]])

STATEMENTS = (
    Statement(
        3,
        "(WᵀW)⁻¹WᵀX and XHᵀ(HHᵀ)⁻¹ are stationary, are minimisers and can be negative",
        "lab, objective and gradients",
        (
            chain(INPUTS, (newton_step, normal_equations, pseudo_inverse, library), CONTROLS),
            exact_chain(INPUTS, (gradient_at_the_solutions, zero), EXACT_CONTROLS),
            holds(INPUTS, library_properties, PROPERTY_CONTROLS),
            holds(INPUTS, convexity, CONVEXITY_CONTROLS),
            chain(INPUTS, (loss_anywhere, completed_squares, library_loss), SQUARE_CONTROLS),
            exact_chain(INPUTS, (loss_anywhere, completed_squares), SQUARE_CONTROLS),
            holds(st.just(EXAMPLE), example, EXAMPLE_CONTROLS),
        ),
    ),
)
