r"""A sparse X: the loss and its gradients from the nonzeros, the product of an X of which some entries count.

Source: the sums are those of Lee and Seung 2001, eqs. 1 and 3; imputing as in statement 26.

Statement 33.  Let S be a set of places with x_ij = 0 off S, and Z = W H.

$$ \text{(a)} \quad \sum_{ij} d(x_{ij}, z_{ij}) = \sum_{S} \big( d(x_{ij}, z_{ij}) - d(0, z_{ij}) \big)
   + \sum_{ij} d(0, z_{ij}), \qquad
   \sum_{ij} d(0, z_{ij}) = \begin{cases} \tfrac12 \langle W^\top W, H H^\top \rangle & \beta = 2 \\
   (W^\top 1)^\top (H 1) & \beta = 1. \end{cases} $$

(b) For β = 1, Wᵀ(1 − X ⊘ Z) = (Wᵀ1) 1ᵀ − Wᵀ Q, with Q = X ⊘ Z on S and 0 off S.

(c) If only the entries of S count, then Wᵀ of X completed from Z is WᵀW H + Wᵀ R, R = X − Z on S and 0 off S.

(d) If all entries but those of a set L count, it is Wᵀ(X' + E): X' is X off L and 0 on L, E is Z on L and 0 off L.

Derivation.
1. A sum over all places is one over S and one over the rest. Off S x = 0: the rest is Σ d(0, z) over all places less
   that over S. This is (a).
2. d_2(0, z) = ½ z². Σ z² = ‖WH‖² = tr HᵀWᵀW H = ⟨WᵀW, HHᵀ⟩ (statement 1, step 4).
3. d_1(0, z) = z. Σ_ij Σ_k W_ik H_kj = Σ_k (Σ_i W_ik)(Σ_j H_kj).
4. Off S the quotient x / z is 0, so X ⊘ Z = Q, and Wᵀ(11ᵀ) = (Wᵀ1) 1ᵀ. This is (b).
5. Completed, the entry is x = z + (x − z) on S and z off S: the whole is Z + R, and Wᵀ Z = (WᵀW) H. This is (c).
6. Completed, the entry is x off L and z on L: X' + E. This is (d). ∎

What it teaches.  With K places in S, (a), (b) and (c) take K r operations and products of r × r, where Z itself takes
m n r. Other divergences have no such sum over the zeros: they take Z, in blocks.
"""

from functools import cache, partial, update_wrapper

import jax
import jax.numpy as jnp
import numpy as np

import jnmf
from jnmf import losses, matrix
from jnmf.matrix.held_out import Without
from jnmf.matrix.sparse import Sparse
from jnmf.matrix.stored import Stored
from proofs.kernel import Statement, chain, exact_chain
from proofs.strategies import positive, problems, real


@cache
def places(shape, seed: int = 0):
    """S, or with another seed L: booleans."""
    return np.random.default_rng(seed).random(shape) < 0.5


@cache
def pattern(shape, seed: int = 0) -> Sparse:
    return jnmf.sparse(places(shape, seed).astype(float))


def sparse(X) -> Sparse:
    """X on S, the same program for all X."""
    (A, B), X = pattern(X.shape), jnp.asarray(X)
    return Sparse(A._replace(values=X[A.rows, A.columns]), B._replace(values=X.T[B.rows, B.columns]))


def on_S(X):
    return np.where(places(X.shape), X, 0)


# (a)


def entry_by_entry(X, W, H, loss):
    return np.sum(loss.divergence(on_S(X), W @ H)) + size(X, W, H)


def on_the_places(X, W, H, loss):
    S, Z, x = places(X.shape), W @ H, on_S(X)
    beyond = np.where(S, loss.divergence(x, Z) - loss.divergence(0 * x, Z), 0)
    return np.sum(beyond) + loss.of_zeros(W, H) + size(X, W, H)


@partial(jax.jit, static_argnames="loss")
def library_divergence(X, W, H, loss):
    return loss(sparse(X), W, H)


def size(X, W, H):
    """Added on all sides: the loss can be small beside the sums that it is the difference of."""
    return np.sum(X**2) + np.sum((W @ H) ** 2)


def with_size(X, W, H, loss):
    return library_divergence(X, W, H, loss) + size(X, W, H)


def of_all_places(X, W, H):
    return ((on_S(X) - W @ H) ** 2).sum() / 2


def in_rationals(X, W, H):
    S, Z = places(X.shape), W @ H
    return ((X * X - 2 * X * Z) * S).sum() / 2 + ((W.T @ W) * (H @ H.T)).sum() / 2


# (b)


def by_autodiff(X, W, H):
    return jax.grad(lambda H: jnp.sum(losses.kl.divergence(on_S(X), W @ H)))(jnp.asarray(H))


def ones_less_quotients(X, W, H):
    return np.sum(W, axis=0)[:, None] - W.T @ (on_S(X) / (W @ H))


@jax.jit
def library_gradient(X, W, H):
    return losses.kl.grad_H(sparse(X), W, H)


# (c), (d)


def completed(X, W, H):
    return W.T @ np.where(places(X.shape), X, W @ H)


def with_residuals(X, W, H):
    return W.T @ W @ H + W.T @ ((X - W @ H) * places(X.shape))


@jax.jit
def library_stored(X, W, H):
    return matrix.product(Stored(sparse(X)), W, H)


def without(X, W, H):
    return W.T @ np.where(places(X.shape, 1), W @ H, on_S(X))


def with_what_is_left_out(X, W, H):
    L = places(X.shape, 1)
    return W.T @ (on_S(X) * ~L + (W @ H) * L)


@jax.jit
def library_without(X, W, H):
    A = sparse(jnp.where(places(X.shape, 1), 0, X))
    return matrix.product(Without(A, pattern(X.shape, 1)), W, H)


OF_ANY_SIGN, POSITIVE = problems(X=real, factors=real), problems(X=positive, factors=positive)


def divergences(inputs, loss):
    bind = lambda f: update_wrapper(partial(f, loss=loss), f)
    wrong = {
        "all zeros, on S too": lambda X, W, H: (
            np.sum(np.where(places(X.shape), loss.divergence(on_S(X), W @ H), 0)) + loss.of_zeros(W, H) + size(X, W, H)
        ),
        "the nonzeros alone": lambda X, W, H: on_the_places(X, W, H, loss) - loss.of_zeros(W, H),
    }
    return chain(inputs, tuple(map(bind, (entry_by_entry, on_the_places, with_size))), wrong)


STATEMENTS = (
    Statement(
        33,
        "A sparse X: divergence and gradients from its nonzeros, and the completed products",
        "Lee and Seung 2001, eqs. 1 and 3; statement 26",
        (
            divergences(OF_ANY_SIGN, losses.frobenius),
            divergences(POSITIVE, losses.kl),
            exact_chain(
                OF_ANY_SIGN,
                (of_all_places, in_rationals),
                {"−XZ for −2XZ": lambda X, W, H: in_rationals(X, W, H) + (X * (W @ H) * places(X.shape)).sum() / 2},
            ),
            chain(
                POSITIVE,
                (by_autodiff, ones_less_quotients, library_gradient),
                {"ones on S alone": lambda X, W, H: W.T @ (places(X.shape) - on_S(X) / (W @ H))},
            ),
            chain(
                OF_ANY_SIGN,
                (completed, with_residuals, library_stored),
                {"zeros in place of Z": lambda X, W, H: W.T @ on_S(X)},
            ),
            chain(
                OF_ANY_SIGN,
                (without, with_what_is_left_out, library_without),
                {"what is left out counted as 0": lambda X, W, H: W.T @ (on_S(X) * ~places(X.shape, 1))},
            ),
        ),
    ),
)
