"""The terms of an algorithm together: what its objective, its half-steps and its door make of them.

`on` is what an algorithm has in `on_W` or `on_H`: a term, or a tuple of them. Without terms each of these functions
gives back what it was given, so that a program is the one that it was.
"""

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jnmf.numerics import project_nonnegative
from jnmf.terms.constraints import Constraint, Known, nonnegative_slope
from jnmf.terms.penalties import Lasso
from jnmf.terms.term import Term


def listed(on) -> tuple[Term, ...]:
    return tuple(on) if isinstance(on, tuple | list) else (on,)


def transposed(on) -> tuple[Term, ...]:
    """The terms on W as those of Wᵀ."""
    return tuple(term.T for term in listed(on))


def constraint(on) -> Constraint | None:
    return next((term for term in listed(on) if isinstance(term, Constraint)), None)


def penalties(on) -> list[Term]:
    return [term for term in listed(on) if not isinstance(term, Constraint)]


def value(on, H):
    """Σ T(H), a scalar; 0 without terms."""
    return sum((term.value(H) for term in penalties(on)), start=0.0)


def rise(on, old, new):
    """Σ T(new) − T(old)."""
    return sum((term.rise(old, new) for term in penalties(on)), start=0.0)


def pair(on, H, live):
    """ΔG (r, r) and ΔC (r, n) or (r, 1), without what would wake a component that is not `live` (r,)."""
    pairs = [term.pair(H) for term in penalties(on)]
    G = sum((G if jnp.ndim(G) == 2 else jnp.diag(G) for G, _ in pairs), start=jnp.zeros((len(H), len(H)), H.dtype))
    C = sum((C for _, C in pairs), start=jnp.zeros((len(H), 1), H.dtype))
    return jnp.where(live[:, None] & live[None, :], G, 0), jnp.where(live[:, None], C, 0)


def with_gradient(gradient, on, H, other):
    """∇ + Σ ∇T(H), where `other` (…, r) is the other factor."""
    if not penalties(on):
        return gradient
    live = jnp.any(other != 0, axis=0) | jnp.any(H != 0, axis=1)
    return gradient + jnp.where(live[:, None], sum(term.gradient(H) for term in penalties(on)), 0)


def slope(on, H, gradient):
    """The projected gradient on the set in which H lies."""
    within = constraint(on)
    return nonnegative_slope(H, gradient) if within is None else within.slope(H, gradient)


def project(on, H):
    """The nearest point to H where it may lie."""
    within = constraint(on)
    return project_nonnegative(H) if within is None else within.project(H)


def feasible(on, H):
    """A start that lies where it must."""
    within = constraint(on)
    return H if within is None else within.project(H)


def signed(on) -> bool:
    within = constraint(on)
    return within is not None and within.signed


def separable(on) -> bool:
    """Whether each column of H can be updated by itself, without knowing which it is."""
    return all(term.separable for term in listed(on))


def in_half_step(half_step, on, keeps_by_projection: bool):
    """half_step(H, G, C, l1, l2) on G + ΔG and C + ΔC, and within the constraint.

    What is negative of ΔC goes beside l1, since a multiplicative step must not take it from C. `keeps_by_projection`:
    known components may be put back after a step for all, which is right where each entry has a step of its own.
    """
    if not listed(on):
        return half_step
    within = constraint(on)
    if isinstance(within, Known) and within.mask is None and not keeps_by_projection:
        half_step = _of_the_rest(half_step, within.A)
    elif within is not None:
        half_step = _within(half_step, within, keeps_by_projection)
    if not penalties(on):
        return half_step

    def shifted(H, G, C, l1, l2):
        of_G, of_C = pair(on, H, (jnp.diag(G) > 0) | jnp.any(H != 0, axis=1))
        return half_step(H, G + of_G, C + jnp.maximum(of_C, 0), l1 + jnp.maximum(-of_C, 0), l2)

    return shifted


def _of_the_rest(half_step, A):
    k = len(A)

    def reduced(H, G, C, l1, l2):
        if k == len(H):
            return jnp.asarray(A, H.dtype)
        l1 = l1[k:] if jnp.ndim(l1) else l1
        rest = half_step(H[k:], G[k:, k:], C[k:] - G[k:, :k] @ A, l1, l2)
        return jnp.concatenate([jnp.asarray(A, H.dtype), rest])

    return reduced


def _within(half_step, within: Constraint, keeps_by_projection: bool):
    if keeps_by_projection:
        return lambda *args: within.project(half_step(*args))
    return lambda *args: half_step(*args, project=within.project)


def check_types(algorithm) -> None:
    """That there are terms in `on_W` and `on_H`, at most one constraint in each."""
    for name in ("on_W", "on_H"):
        on = listed(getattr(algorithm, name))
        for term in on:
            if not isinstance(term, Term):
                own = "one of your own is a subclass of terms.Term"
                hint = f"write {term.__name__}(…)" if isinstance(term, type) else own
                raise TypeError(f"{name}: expected terms such as terms.Ridge(0.1), got {term!r}; {hint}")
        if len(on) - len(penalties(on)) > 1:
            raise ValueError(f"{name}: expected at most one constraint, got {on!r}")
        l1 = getattr(algorithm, f"l1_{name[-1]}")
        summed = any(isinstance(term, Lasso) for term in on) or (not isinstance(l1, Tracer) and bool(np.any(l1)))
        if signed(on) and summed:
            raise ValueError(
                f"{name}: expected no l1 penalty on a factor of any sign, whose sum has no minimum, got {algorithm!r}; "
                "use terms.Ridge, or l2"
            )


def check_honoured(algorithm) -> None:
    """That the algorithm honours its terms, or a ValueError that says what does."""
    for name in ("on_W", "on_H"):
        for term in listed(getattr(algorithm, name)):
            why = _why_not(term, algorithm)
            if why:
                raise ValueError(f"{type(algorithm).__name__}({name}=terms.{type(term).__name__}(…)): {why}")


def _why_not(term, algorithm) -> str | None:
    if not algorithm.takes_terms:
        return "expected no terms, which its step does not take; use HALS, PGD, ANLS, ALS or MU, or declare takes_terms"
    if isinstance(term, Constraint):
        if isinstance(term, Known) and term.mask is None:
            return None
        if term.signed and algorithm.nonnegative_gram:
            return "expected a factor without negative entries; use HALS, PGD or ALS"
        if algorithm.projects or (algorithm.entrywise and term.entrywise):
            return None
        able = "PGD or ALS" if not term.entrywise else "HALS, PGD or ALS" if term.signed else "HALS, PGD, ALS or MU"
        return f"expected a constraint that its half-step keeps; use {able}"
    if algorithm.nonnegative_gram and not term.nonnegative_gram:
        return "expected a ΔG without negative entries; use HALS, PGD or, if it is convex, ANLS"
    if algorithm.definite and not term.convex:
        return "expected a ΔG that is positive semidefinite; use HALS or PGD"
    return None


def check_shapes(algorithm, shape, rank: int) -> None:
    """That the terms are those of factors W (m, r) and H (r, n)."""
    m, n = shape
    for term in listed(algorithm.on_H):
        term.check(rank, n)
    for term in transposed(algorithm.on_W):
        term.check(rank, m)
