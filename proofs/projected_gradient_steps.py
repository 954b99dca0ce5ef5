r"""A projected gradient step of size 1/L does not raise the objective; one above 2/L can.

Source: lab, objective and gradients; Lin 2007.

Statement.  Let F(H) = ½‖X − WH‖² + l1 ΣH + ½ l2 ‖H‖², with gradient ∇F(H) = G H − C (statement 2), and let L = ‖G‖₂ > 0
be the largest eigenvalue of G. For H, H' ≥ 0 let

$$ Q(H', H) = F(H) + \langle \nabla F(H), H' - H \rangle + \tfrac{L}{2} \|H' - H\|^2. $$

(a) Q(H', H) ≥ F(H'), with equality at H' = H. (b) Among H' ≥ 0 the minimiser of Q is H⁺ = [H − ∇F(H)/L]₊. (c) So
F(H⁺) ≤ F(H). (d) With a step η > 2/L in place of 1/L the objective can rise.

Derivation.
1. Let Z = H' − H. Put H + Z into F and multiply out. The terms without Z are F(H), those linear in Z are ⟨∇F(H), Z⟩,
   and the rest is ½‖WZ‖² + ½ l2 ‖Z‖² = ½⟨Z, G Z⟩:

   $$ F(H') = F(H) + \langle \nabla F(H), Z \rangle + \tfrac12 \langle Z, G Z \rangle. $$

2. (a) G is symmetric, so it has orthonormal eigenvectors v_i with eigenvalues λ_i ≤ L. Write a column of Z as
   z = Σ c_i v_i. Then ⟨z, G z⟩ = Σ λ_i c_i² ≤ L Σ c_i² = L‖z‖². Add the columns: ⟨Z, G Z⟩ ≤ L‖Z‖², which turns step 1
   into F(H') ≤ Q(H', H). For H' = H both are F(H).
3. (b) Complete the square in each entry: g z + (L/2) z² = (L/2)(z + g/L)² − g²/(2L). With z = h' − h,

   $$ Q(H', H) = \tfrac{L}{2} \bigl\| H' - (H - \nabla F(H)/L) \bigr\|^2 + \text{a constant without } H'. $$

   This is a sum over the entries of squared distances. The number h' ≥ 0 nearest to a number a is a if a ≥ 0 and 0 if
   not, that is [a]₊. Hence H⁺.
4. (c) F(H⁺) ≤ Q(H⁺, H) by (a); Q(H⁺, H) ≤ Q(H, H) by (b), since H is one of the H' ≥ 0; and Q(H, H) = F(H).
5. (d) Take l1 = l2 = 0 and X = WH*, so that ∇F(H) = G(H − H*). Let G v = L v, ‖v‖ = 1, and start at
   H = H* + t v 1ᵀ, every column moved by t v. Then ∇F(H) = t L v 1ᵀ and

   $$ H - \eta \nabla F(H) = H^* + (1 - \eta L)\, t\, v 1^\top. $$

   If no entry of it is negative (H* > 0 and t small), the projection changes nothing. F(H) = ½‖W(H − H*)‖² is quadratic
   in t, so the step multiplies it by (1 − ηL)². For ηL > 2 this is more than 1. ∎

What it teaches.  1/L is a safe step because the parabola of curvature L lies above F everywhere. The bound counts the
steepest direction only: where F is flatter, a step chosen by line search may be longer.
"""

from collections.abc import Callable

import jax
import numpy as np
from hypothesis import strategies as st

from jnmf import losses, solvers
from jnmf.factors import Factors
from jnmf.objective import Objective, penalty
from jnmf.solvers import ridge
from proofs.kernel import Statement, bound, chain, excess, holds
from proofs.strategies import positive, problems


def normal_equations(X, W, l1, l2):
    return W.T @ W + l2 * np.eye(W.shape[1]), W.T @ X - l1


def cost(H, X, W, l1, l2):
    return ((X - W @ H) ** 2).sum() / 2 + l1 * H.sum() + l2 * (H * H).sum() / 2


def lipschitz(X, W, l1, l2):
    return np.linalg.norm(normal_equations(X, W, l1, l2)[0], 2)


def parabola(curvature):
    """The majoriser Q with `curvature(X, W, l1, l2)` for L."""

    def Q(new, old, X, W, l1, l2):
        G, C = normal_equations(X, W, l1, l2)
        Z, L = new - old, curvature(X, W, l1, l2)
        return cost(old, X, W, l1, l2) + ((G @ old - C) * Z).sum() + L / 2 * (Z * Z).sum()

    return Q


majoriser = parabola(lipschitz)


@jax.jit
def library(H, X, W, l1, l2):
    return solvers.projected_gradient(H, ridge(W.T @ W, l2), W.T @ X - l1)


def step_of_size(factor, curvature=lipschitz):
    """The projected gradient step with η = factor / curvature."""

    def step(H, X, W, l1, l2):
        G, C = normal_equations(X, W, l1, l2)
        return np.maximum(H - factor / curvature(X, W, l1, l2) * (G @ H - C), 0)

    return step


# (b) The step itself, as the change H⁺ − H.


@jax.jit
def derivatives(H, X, W, l1, l2):
    def F(H):
        return losses.frobenius(X, W, H) + penalty(Factors(W, H), Objective(l1_H=l1, l2_H=l2))

    return jax.grad(F)(H), jax.hessian(F)(H)


def change_by_autodiff(H, X, W, l1, l2):
    gradient, hessian = map(np.asarray, derivatives(H, X, W, l1, l2))
    return np.maximum(H - gradient / np.linalg.eigvalsh(hessian.reshape(H.size, H.size)).max(), 0) - H


def change_written_out(H, X, W, l1, l2):
    return step_of_size(1)(H, X, W, l1, l2) - H


def change_by_the_library(H, X, W, l1, l2):
    return library(H, X, W, l1, l2) - H


# (c) Descent.


def descent(H, X, W, l1, l2, step: Callable = library):
    return {"F(H⁺) ≤ F(H)": excess(cost(H, X, W, l1, l2), cost(np.asarray(step(H, X, W, l1, l2)), X, W, l1, l2))}


# (d) Too long a step, of size multiple / L, from H* moved along the steepest direction.


def along_the_steepest_direction(W, best):
    L, v = (a[..., -1] for a in np.linalg.eigh(W.T @ W))
    return L, best + best.min() / 4 * np.abs(v)[:, None]  # v has no entries of opposite sign: WᵀW > 0


library_step = jax.jit(solvers.projected_gradient)


def loss_after_the_step(W, best, multiple):
    X, (L, H) = W @ best, along_the_steepest_direction(W, best)
    return losses.frobenius(X, W, np.maximum(H - multiple / L * derivatives(H, X, W, 0.0, 0.0)[0], 0))


def predicted_loss(W, best, multiple):
    _, H = along_the_steepest_direction(W, best)
    return (1 - multiple) ** 2 * losses.frobenius(W @ best, W, H)


def library_loss(W, best, multiple):
    X, (L, H) = W @ best, along_the_steepest_direction(W, best)
    return losses.frobenius(X, W, library_step(H, W.T @ W, W.T @ X, multiple / L))


def rise(W, best, multiple):
    _, H = along_the_steepest_direction(W, best)
    return {"the loss doubles": excess(library_loss(W, best, multiple), 2 * losses.frobenius(W @ best, W, H))}


def largest_diagonal_entry(X, W, l1, l2):
    return np.max(np.diag(normal_equations(X, W, l1, l2)[0]))


BOUND_CONTROLS = {
    "L/2 for L": (parabola(lambda *args: lipschitz(*args) / 2), step_of_size(2)),
    "max G_kk for L": (parabola(largest_diagonal_entry), step_of_size(1, largest_diagonal_entry)),
    "half the step": (majoriser, step_of_size(0.5)),
    "the gradient with the sign flipped": (majoriser, step_of_size(-1)),
}
CHANGE_CONTROLS = {
    "half the step": lambda H, *data: step_of_size(0.5)(H, *data) - H,
    "the gradient without l1": lambda H, X, W, l1, l2: change_written_out(H, X, W, 0, l2),
    "the largest diagonal entry for L": lambda H, *data: step_of_size(1, largest_diagonal_entry)(H, *data) - H,
}
DESCENT_CONTROLS = {
    "a step 3/L": lambda *args: max(descent(*args, step=step_of_size(3)).values()),
    "the gradient with the sign flipped": lambda *args: max(descent(*args, step=step_of_size(-1)).values()),
}
GROWTH_CONTROLS = {
    "the factor without its square": lambda W, best, multiple: predicted_loss(W, best, multiple) / (1 - multiple),
    "the loss without its ½ in the step": lambda W, best, multiple: predicted_loss(W, best, 2 * multiple),
}
RISE_CONTROLS = {
    "a step of 1/L does it too": lambda W, best, multiple: max(rise(W, best, 1).values()),
    "a step above 2/L lowers the loss": lambda W, best, multiple: excess(
        losses.frobenius(W @ best, W, along_the_steepest_direction(W, best)[1]), library_loss(W, best, multiple)
    ),
}


@st.composite
def pairs(draw):
    """(new, old, X, W, l1, l2)"""
    X, W, H, l1, l2 = draw(problems(X=positive, factors=positive, num_penalties=2))
    return draw(positive(H.shape)), H, X, W, l1, l2


@st.composite
def steps(draw, multiples):
    """(W, H*, ηL)"""
    _, W, H = draw(problems(factors=positive))
    return W, H, draw(st.sampled_from(multiples))


POINTS = pairs().map(lambda args: args[1:])

STATEMENTS = (
    Statement(
        5,
        "A projected gradient step of size 1/L does not raise the objective; one above 2/L can",
        "lab, objective and gradients",
        (
            bound(pairs(), cost, majoriser, library, BOUND_CONTROLS),
            chain(POINTS, (change_by_autodiff, change_written_out, change_by_the_library), CHANGE_CONTROLS),
            holds(POINTS, descent, DESCENT_CONTROLS),
            chain(steps((0.5, 1.5, 2.5, 3.0)), (loss_after_the_step, predicted_loss, library_loss), GROWTH_CONTROLS),
            holds(steps((2.5, 3.0)), rise, RISE_CONTROLS),
        ),
    ),
)
