r"""A graph, smoothness and the volume, each by a quadratic above it; and a positive ΔC in a multiplicative update.

Source: Cai, He, Han and Huang 2011 (graph), Leplat, Ang and Gillis 2019 (volume), Févotte and Idier 2011 (the powers).

Statement 40.  Each of the terms T below lies below a quadratic of the pair (ΔG, ΔC) at the current H̄, up to a constant,

$$ T(H) \le T(\bar H) + \big[ \tfrac12 \langle H, \Delta G H \rangle - \langle \Delta C, H \rangle \big]
   - \big[ \tfrac12 \langle \bar H, \Delta G \bar H \rangle - \langle \Delta C, \bar H \rangle \big], \tag{1} $$

and touches it at H̄ with its gradient ΔG H̄ − ΔC, so that what lowers the half-problem of G + ΔG, C + ΔC lowers the
objective:

- ½ ⟨H, Λ H L⟩, L symmetric, Λ ≥ 0 diagonal: ΔG = μΛ, ΔC = Λ (μH̄ − H̄L) with μ = max_i Σ_j |L_ij|. For the path, 4;
- ½ λ log det(I + H Hᵀ/δ): ΔG = λ Ȳ⁻¹, ΔC = 0 with Ȳ = H̄ H̄ᵀ + δI.

And for ΔG ≥ 0 entry by entry, the multiplicative update with ΔG H̄ + [−ΔC]₊ beside the penalties of statement 23 and
[ΔC]₊ added to its numerator N minimises a majoriser of D_β(X, WH) plus the quadratic.

Derivation, the graph.
1. Of a Laplacian L = D − S, Σ_ij S_ij (h_i − h_j)² = 2 Σ_i D_ii h_i² − 2 Σ_ij S_ij h_i h_j = 2 h L hᵀ: the term is
   ¼ Σ_k λ_k Σ_ij S_ij (H_ki − H_kj)².
2. With D = H − H̄, the right side of (1) less the left is ½ ⟨D, Λ D (μI − L)⟩: both are quadratics in H that touch at H̄
   with the same gradient, Λ H̄ L, and second derivatives Λ, by rows, of μI and of L.
3. Gershgorin, as a sum of squares. For a row d, Σ_i (Σ_j |L_ij|) d_i² − Σ_ij L_ij d_i d_j is
   ½ Σ_ij |L_ij| (d_i² + d_j²) − L_ij d_i d_j summed, by symmetry, that is ½ Σ_ij |L_ij| (d_i − sgn(L_ij) d_j)². So

   $$ d (\mu I - L) d^\top = \sum_i \Big( \mu - \sum_j |L_{ij}| \Big) d_i^2
      + \tfrac12 \sum_{ij} |L_{ij}| (d_i - \operatorname{sgn}(L_{ij})\, d_j)^2 \ge 0. $$

   The rows of a path have the sums 2, 4, …, 4, 2. ∎

Derivation, the volume.
4. It is ½ λ log det Y − ½ λ r log δ with Y = H Hᵀ + δI. Let θ_i > 0 be the eigenvalues of Ȳ⁻¹Y, which are those of the
   positive definite Ȳ^{−½} Y Ȳ^{−½}. log det Y − log det Ȳ = Σ log θ_i, and log θ ≤ θ − 1 gives
   Σ log θ_i ≤ Σ (θ_i − 1) = tr Ȳ⁻¹(Y − Ȳ) = ⟨H, Ȳ⁻¹H⟩ − ⟨H̄, Ȳ⁻¹H̄⟩. Times ½ λ, this is (1), off by
   ½ λ Σ (θ_i − 1 − log θ_i), which has a double zero at Y = Ȳ: the gradients agree. ∎

Derivation, the multiplicative update.  Write u = h/h̄ for an entry, I_s(u) = ∫_1^u v^s dv as in statement 23.
5. ½⟨H, ΔG H⟩ − ½⟨H̄, ΔG H̄⟩ ≤ Σ (ΔG H̄) H̄ I_1(u) by statement 11, step 1, for I_1 = (u² − 1)/2, and I_1 ≤ I_t for the
   exponent t ≥ 1 that statement 23 has with a ridge. So ΔG H̄ stands where l2 H̄ does.
6. Where ΔC < 0, −ΔC (h − h̄) = |ΔC| h̄ I_0(u) is an l1 penalty of its own for this entry.
7. Where c = ΔC > 0, −c (h − h̄) = −c h̄ I_0(u) ≤ −c h̄ I_q(u), since I_q ≤ I_0 for the q ≤ 0 of the part of statement 23
   that N multiplies: N + c stands in the place of N. For KL q = −1: −c h ≤ −c h̄ (1 + log(h/h̄)). Nothing else changes
   in steps 5 and 6 there. ∎

What it teaches.  Taken from the denominator, c could make it negative. In the numerator it only lengthens the step.
"""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from hypothesis import strategies as st

from jnmf import losses, multiplicative, terms
from proofs.beta_divergence_descent import integral, powers
from proofs.beta_divergence_descent import majoriser as of_the_loss
from proofs.kernel import Statement, bound, chain, exact_chain
from proofs.strategies import nonnegative, positive

M, N, R = 5, 4, 3
EDGES = nonnegative((N, N)).map(lambda A: np.triu(A, 1) + np.triu(A, 1).T)
GRAPHS = st.tuples(nonnegative((R, N)), nonnegative((R, N)), nonnegative((R, 1)), EDGES)


def laplacian(S):
    return np.diag(S.sum(axis=0)) - S


PATH = laplacian(np.eye(N, k=1, dtype=int) + np.eye(N, k=-1, dtype=int))


# The graph: its value, and how far the quadratic is above it


def by_differences(new, old, weight, S):
    squares = [S * (row[:, None] - row[None, :]) ** 2 for row in new]
    return np.asarray(sum(w * A.sum() for w, A in zip(weight[:, 0], squares, strict=True)) / 4)


def by_the_laplacian(new, old, weight, S):
    return (weight * new * (new @ laplacian(S))).sum() / 2 + 0 * weight.sum()


def difference(new, old, weight, S, most=lambda L: abs(L).sum(axis=1).max()):
    """The right side of (1) less the left, of the graph and of the path, from their definitions."""
    gaps = []
    for L, mu in ((laplacian(S), most(laplacian(S))), (PATH, 4)):
        value = lambda H, L=L: (weight * H * (H @ L)).sum() / 2
        C = weight * (mu * old - old @ L)
        quadratic = lambda H, mu=mu, C=C: (mu * weight * H * H).sum() / 2 - (C * H).sum()
        gaps.append(quadratic(new) - quadratic(old) - value(new) + value(old))
    return np.array(gaps)


def sum_of_squares(new, old, weight, S, sign=1):
    d, gaps = new - old, []
    for L, mu in ((laplacian(S), abs(laplacian(S)).sum(axis=1).max()), (PATH, 4)):
        signs = sign * ((L > 0) * 1 - (L < 0) * 1)
        pairs = abs(L) * (d[:, :, None] - signs * d[:, None, :]) ** 2
        rows = ((mu - abs(L).sum(axis=1)) * d**2).sum(axis=1) + pairs.sum(axis=(1, 2)) / 2
        gaps.append((weight[:, 0] * rows).sum() / 2)
    return np.array(gaps)


@jax.jit
def of_the_terms(new, old, weight, S):
    L = jnp.diag(jnp.sum(S, axis=0)) - S
    return jnp.array([gap(term, new, old) for term in (terms.Graph(L, weight[:, 0]), terms.Smooth(weight[:, 0]))])


def gap(term, new, old):
    G, C = term.pair(old)
    G = jnp.diag(G) if jnp.ndim(G) == 1 else G
    quadratic = lambda H: 0.5 * jnp.sum(H * (G @ H)) - jnp.sum(C * H)
    return quadratic(new) - quadratic(old) - term.value(new) + term.value(old)


def sizes(link):
    """Added to both sides: the gap is small beside the values that it is the difference of."""

    def with_size(new, old, weight, S):
        return link(new, old, weight, S) + (1 + weight.sum()) * (1 + S.sum()) * ((new**2).sum() + (old**2).sum())

    with_size.__name__ = link.__name__
    return with_size


GRAPH_CONTROLS = {
    "½ μ": lambda *args: difference(*args, most=lambda L: abs(L).sum(axis=1).max() / 2),
    "μ of the diagonal": lambda *args: difference(*args, most=lambda L: np.diag(L).max()),
    "sums where differences belong": lambda *args: sum_of_squares(*args, sign=-1),
}


# The volume

# Where both are 0 all links are 0 up to the rounding of logarithms, and so is what that is compared with.
VOLUMES = st.tuples(nonnegative((R, N)), nonnegative((R, N)), positive((1, 2))).filter(
    lambda drawn: drawn[0].any() or drawn[1].any()
)


@jax.jit
def volume(new, old, numbers):
    term = terms.MinimumVolume(numbers[0, 0], delta=numbers[0, 1])
    return jnp.append(term.pair(old)[0] @ old, gap(term, new, old)), jax.grad(term.value)(old)


def library(new, old, numbers):
    return volume(new, old, numbers)[0]


def autodiff_and_eigenvalues(new, old, numbers, excess=lambda t: t - 1 - np.log(t)):
    weight, delta = numbers[0]
    Y, Y_old = (H @ H.T + delta * np.eye(R) for H in (new, old))
    gap = 0.5 * weight * np.sum(excess(scipy.linalg.eigh(Y, Y_old, eigvals_only=True)))
    return np.append(volume(new, old, numbers)[1], gap)


def inverse_and_log_determinants(new, old, numbers, of_G=lambda weight, Y: weight * np.linalg.inv(Y)):
    weight, delta = numbers[0]
    Y, Y_old = (H @ H.T + delta * np.eye(R) for H in (new, old))
    G = of_G(weight, Y_old)
    rise = 0.5 * weight * (np.linalg.slogdet(Y)[1] - np.linalg.slogdet(Y_old)[1])
    return np.append(G @ old, 0.5 * np.sum(new * (G @ new)) - 0.5 * np.sum(old * (G @ old)) - rise)


# The multiplicative update, for β and the A of a target


@st.composite
def iterates(draw):
    H, old, X, W = (draw(positive(shape)) for shape in ((R, N), (R, N), (M, N), (M, R)))
    return H, old, X, W, draw(st.sampled_from((1.0, 1.5))), 4 * draw(nonnegative((2, N)))


def listed(A):
    return terms.Target(A, 2.0), terms.SumToOne(1.0, total=3.0), terms.Lasso(0.5), terms.Smooth(0.5)


def of_terms(H, A):
    """Their values, from the definitions."""
    sums, steps = H.sum(axis=0) - 3, np.diff(H, axis=1)
    return np.sum((H[:2] - A) ** 2) + 0.5 * np.sum(sums**2) + 0.5 * np.sum(H) + 0.25 * np.sum(steps**2)


def pair_of_terms(old, A):
    G = np.ones((R, R)) + np.diag([4.0, 4.0, 2.0])
    return G, np.vstack([2 * A, 0 * old[2:]]) + 3 - 0.5 + 0.5 * (4 * old - old @ PATH)


divergence = jax.jit(lambda loss, X, W, H: loss(X, W, H))


def objective(H, X, W, beta, A):
    return float(divergence(losses.BetaDivergence(beta=beta), X, W, H)) + of_terms(H, A)


def majoriser(H, old, X, W, beta, A, raised=0.0):
    G, C = pair_of_terms(old, A)
    u, (t, q) = H / old, powers(beta, 1.0)
    plus, minus = G @ old + np.maximum(-C, 0), np.maximum(C, 0)
    # l2 = tiny takes the exponents of statement 23 with a ridge, and adds nothing.
    loss = of_the_loss(H, old, X, W, beta, 0.0, np.finfo(float).tiny)
    return loss + of_terms(old, A) + np.sum(old * (plus * integral(t, u) - minus * integral(q + raised, u)))


half_step = jax.jit(lambda old, X, W, loss, A: multiplicative.half_step(X, W, old, loss, on=listed(A)))


def update(old, X, W, beta, A):
    return np.asarray(half_step(old, X, W, losses.BetaDivergence(beta=beta), A))


def squared_step(old, *problem):
    return old * (update(old, *problem) / old) ** 2


STATEMENTS = (
    Statement(
        40,
        "A graph, smoothness and the volume lie below a quadratic that touches them; MU takes ΔC in its numerator",
        "Cai, He, Han and Huang 2011; Leplat, Ang and Gillis 2019",
        (
            exact_chain(
                GRAPHS,
                (by_differences, by_the_laplacian),
                {"D + S": lambda new, old, weight, S: by_the_laplacian(new, old, weight, -S)},
            ),
            exact_chain(GRAPHS, (difference, sum_of_squares), GRAPH_CONTROLS),
            chain(
                GRAPHS,
                tuple(map(sizes, (difference, sum_of_squares, of_the_terms))),
                {name: sizes(control) for name, control in GRAPH_CONTROLS.items()},
            ),
            chain(
                VOLUMES,
                (autodiff_and_eigenvalues, inverse_and_log_determinants, library),
                {
                    "without the logarithm": lambda *args: autodiff_and_eigenvalues(*args, excess=lambda t: t - 1),
                    "the gradient's ½ in ΔG": lambda *args: inverse_and_log_determinants(
                        *args, of_G=lambda weight, Y: 0.5 * weight * np.linalg.inv(Y)
                    ),
                    "the diagonal of Ȳ⁻¹": lambda *args: inverse_and_log_determinants(
                        *args, of_G=lambda weight, Y: weight * np.diag(np.diag(np.linalg.inv(Y)))
                    ),
                },
            ),
            bound(
                iterates(),
                objective,
                majoriser,
                update,
                {
                    "ΔC with a larger power than N": (lambda *args: majoriser(*args, raised=2.0), update),
                    "no target in the numerator": (
                        majoriser,
                        lambda old, X, W, beta, A: update(old, X, W, beta, 0 * A),
                    ),
                    "the step twice": (majoriser, squared_step),
                },
            ),
        ),
    ),
)
