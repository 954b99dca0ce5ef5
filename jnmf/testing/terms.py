"""`check_term`: what a term of `jnmf.terms` promises, by what it declares."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from jnmf import solvers
from jnmf.numerics import in_dtype
from jnmf.terms import together
from jnmf.terms.constraints import Constraint
from jnmf.terms.term import Term
from jnmf.testing import pytrees
from jnmf.testing.promises import far_apart, hold, lists, raised, written
from jnmf.types import DType


class Case:
    """A term, and factors H ≥ 0 on which it is tried: with zeros and without, near each other and far apart."""

    def __init__(self, term, shape: tuple[int, int], dtype):
        self.dtype, self.eps, self.shape = np.dtype(dtype), float(jnp.finfo(dtype).eps), shape
        self.loose, (self.term,) = self.eps**0.5, in_dtype(dtype, term)
        draw = np.random.default_rng(0)
        scales = 10.0 ** np.array([0, 0, -1, 1, -2, 2])
        drawn = draw.exponential(size=(6, *shape)) * (draw.random((6, *shape)) < 0.7) * scales[:, None, None]
        self.all_H = drawn.astype(dtype)
        self.others = np.concatenate([self.all_H[1:], np.abs(self.all_H[:1] * 1.01)]).astype(dtype)

    def value(self, H, term=None):
        return float(_value(self.term if term is None else term, H))

    def doubled(self):
        """The term in a unit of half the size."""
        lengths = {name: 2.0**power * getattr(self.term, name) for name, power in self.term.lengths.items()}
        return in_dtype(self.dtype, replace(self.term, **lengths))[0]

    def pair(self, H, term=None):
        """ΔG (r, r), ΔC (r, n)."""
        G, C = jax.device_get(_pair(self.term if term is None else term, H))
        return np.asarray(G, float), np.asarray(C, float)

    def quadratic(self, H, of):
        """½⟨H, ΔG H⟩ − ⟨ΔC, H⟩ with the pair at `of`."""
        (G, C), H = self.pair(of), np.asarray(H, float)
        return 0.5 * np.sum(H * (G @ H)) - np.sum(C * H)

    def size(self, *all_H):
        """What the rounding of a value is measured by."""
        sizes = [1e-30]
        for H in all_H:
            (G, C), H = self.pair(H), np.asarray(H, float)
            value = self.value(H.astype(self.dtype))
            sizes.append(float(abs(value) + np.sum(abs(H) * (abs(G) @ abs(H))) + np.sum(abs(C * H))))
        return max(sizes)


@jax.jit
def _value(term, H):
    return term.value(H)


@jax.jit
def _pair(term, H):
    G, C = term.pair(H)
    return jnp.diag(G) if jnp.ndim(G) == 1 else G, C + jnp.zeros_like(H)


_slope = jax.jit(lambda term, H: jax.grad(lambda H: term.value(H))(H))


def is_traced(case):
    """`value` gives a scalar, `pair` ΔG (r, r) or (r,) and a ΔC that is broadcast to (r, n), under `jit`, in H's dtype.

    Write them in jax.numpy, with jnp.where instead of `if`, and take sizes from H.
    """
    H = case.all_H[0]
    try:
        value, (G, C) = _value(case.term, H), _pair(case.term, H)
    except Exception as error:  # whatever the term raises
        return raised(error)
    if value.shape != () or (value.dtype, G.dtype, C.dtype) != (case.dtype,) * 3:
        return f"value {value.dtype} {value.shape}, ΔG {G.dtype}, ΔC {C.dtype} for {case.dtype}"
    return far_apart(G.shape, (len(H), len(H)), 0)


def the_pair_is_the_gradient(case):
    """∇T(H) = ΔG H − ΔC, which `gradient` gives, held against autodiff of `value`.

    Differentiate the value by hand: what multiplies H goes to ΔG, the rest with its sign changed to ΔC.
    """
    for H in case.all_H:
        G, C = case.pair(H)
        wanted, found = np.asarray(_slope(case.term, H), float), G @ H - C
        size = np.max(abs(G) @ H + abs(C), initial=1e-30)
        told = far_apart(found, wanted, case.loose, case.loose * size)
        told = told or far_apart(case.term.gradient(jnp.asarray(H)), wanted, case.loose, case.loose * size)
        if told:
            return f"{told}; {written(H=H)}"
    return None


def the_pair_lies_above(case):
    """T(H⁺) − T(H) is at most the rise of ½⟨H⁺, ΔG H⁺⟩ − ⟨ΔC, H⁺⟩, of the pair at H, and equal to it if `quadratic`.

    Take a larger ΔG, and put ΔG H on ΔC so that the gradient stays; or linearise what is concave.
    """
    for H, new in zip(case.all_H, case.others, strict=True):
        rise = case.value(new) - case.value(H)
        bound = case.quadratic(new, H) - case.quadratic(H, H)
        slack = 100 * case.eps * case.size(H, new)
        if rise > bound + slack or (case.term.quadratic and rise < bound - slack):
            return f"a rise of {rise:.9g} where the quadratic has {bound:.9g}; {written(H=H, new=new)}"
    return None


def its_rise_is_that_of_its_value(case):
    """rise(H, H⁺) = T(H⁺) − T(H).

    Leave it out, or write the difference so that nothing cancels.
    """
    for H, new in zip(case.all_H, case.others, strict=True):
        found, wanted = float(case.term.rise(H, new)), case.value(new) - case.value(H)
        told = far_apart(found, wanted, case.loose, 100 * case.eps * case.size(H, new))
        if told:
            return f"{told}; {written(H=H, new=new)}"
    return None


def it_declares_what_holds(case):
    """`convex`: ΔG is positive semidefinite; `nonnegative_gram`: ΔG ≥ 0; `quadratic`: the pair is the same for all H;
    `separable`: and for all columns.

    Declare less, or mend the pair: `separable` needs a ΔC (r, 1) or 0 that does not change with H.
    """
    first = case.pair(case.all_H[0])
    for H in case.all_H:
        G, C = case.pair(H)
        if case.term.convex and np.linalg.eigvalsh((G + G.T) / 2)[0] < -case.loose * np.max(abs(G)):
            return f"convex, but ΔG has the eigenvalue {np.linalg.eigvalsh(G)[0]:.9g}; {written(H=H)}"
        if case.term.nonnegative_gram and np.min(G) < 0:
            return f"nonnegative_gram, but ΔG has the entry {np.min(G):.9g}; {written(H=H)}"
        if case.term.quadratic and (far_apart(G, first[0], case.loose) or far_apart(C, first[1], case.loose)):
            return f"quadratic, but the pair changes with H; {written(H=H)}"
        if case.term.separable and (far_apart(C, C[:, :1] + 0 * C, 0) or not case.term.quadratic):
            return f"separable, but columns differ in ΔC; {written(H=H)}"
    return None


def padding_adds_nothing(case):
    """A component that is zero adds nothing to the value, and changes nothing of the pair of the others.

    Take what is of the components from H, as `jnp.ones(len(H))`, and a value that is 0 for a zero row.
    """
    for H in case.all_H:
        padded = np.vstack([H, np.zeros_like(H[:1])])
        try:
            case.term.check(*padded.shape)
        except ValueError:
            return None  # of a fixed number of components: no sweep pads it
        told = far_apart(case.value(padded), case.value(H), case.loose, 100 * case.eps * case.size(H))
        of_H, of_padded = case.pair(H), case.pair(padded)
        r = len(H)
        told = told or far_apart(of_padded[0][:r, :r], of_H[0], case.loose, case.loose * np.max(abs(of_H[0])))
        told = told or far_apart(of_padded[1][:r], of_H[1], case.loose, case.loose * np.max(abs(of_H[1])))
        if told:
            return f"{told}; {written(H=H)}"
    return None


def it_has_its_unit(case):
    """value(2 H) = 2^`degree` value(H), `lengths` in the unit of H as well, but for a degree of None.

    The degree is that in H of the value for weight 1; what is compared with H, as a target, has the length 1.
    """
    if case.term.degree is None:
        return None
    doubled = case.doubled()
    for H in case.all_H:
        told = far_apart(case.value(2 * H, doubled), 2.0**case.term.degree * case.value(H), case.loose, 1e-30)
        if told:
            return f"{told}; {written(H=H)}"
    return None


def a_half_step_descends(case):
    """With a half-problem of some data, a sweep of HALS on G + ΔG and C + ΔC does not raise the sum of the two.

    It follows from the promises on the pair, if the diagonal of ΔG is not negative.
    """
    draw = np.random.default_rng(1)
    r, n = case.shape
    for H in case.all_H:
        W, X = draw.random((9, r)) * np.max(H, initial=0.1), draw.random((9, n))
        G, C = (A.astype(case.dtype) for A in (W.T @ W, W.T @ X))
        new = np.asarray(_half_step(case.term, H, G, C))
        q = lambda H, G=G, C=C: 0.5 * np.sum(H * (G @ H)) - np.sum(C * H)
        before, after = q(H) + case.value(H), q(new) + case.value(new)
        slack = 300 * case.eps * (case.size(H, new) + np.sum(H * (G @ H)) + np.sum(abs(C * H)))
        if not after <= before + slack:
            return f"{after:.9g} after {before:.9g}; {written(H=H, G=G, C=C)}"
    return None


@jax.jit
def _half_step(term, H, G, C):
    return together.in_half_step(lambda H, G, C, l1, l2: solvers.hals(H, G, C - l1), term, False)(H, G, C, 0.0, 0.0)


def it_projects(case):
    """`project` gives the nearest point: ⟨H − P(H), Z − P(H)⟩ ≤ 0 for every Z of the set, and P(Z) = Z.

    Write down the set, and its projection from the literature.
    """
    for H, other in zip(case.all_H - case.others, case.others - 1.5 * case.all_H[::-1], strict=True):
        P, Z = (np.asarray(case.term.project(jnp.asarray(A)), float) for A in (H, other))
        slack = 100 * case.eps * (np.sum(H * H) + np.sum(Z * Z) + 1)
        if np.sum((H - P) * (Z - P)) > slack:
            return f"a nearer point than P(H) towards P(other); {written(H=H, other=other)}"
        again = np.asarray(case.term.project(jnp.asarray(P, case.dtype)), float)
        told = far_apart(again, P, case.loose, case.loose)
        if not told and case.term.entrywise:
            rows = [np.asarray(case.term.project(jnp.asarray(row), k)) for k, row in enumerate(H)]
            told = far_apart(rows, P, case.loose, case.loose)
        if told:
            return f"{told}; {written(H=H)}"
    return None


def its_set_has_its_unit(case):
    """With its `lengths` doubled, the point nearest to 2 H is 2 P(H), but for a degree of None.

    What is compared with entries of H, as the sum that they have, has the length 1.
    """
    if case.term.degree is None:
        return None
    doubled = case.doubled()
    for H in case.all_H - case.others:
        told = far_apart(doubled.project(jnp.asarray(2 * H)), 2 * case.term.project(jnp.asarray(H)), case.loose)
        if told:
            return f"{told}; {written(H=H)}"
    return None


def its_slope_vanishes_at_a_minimum(case):
    """`slope`(H, ∇) is 0 exactly where H = P(H − t∇): where no way down is left in the set; and it is a way down.

    It is the projection of ∇, with its sign, on the directions that do not leave the set at H.
    """
    for H, other in zip(case.all_H - case.others, case.others, strict=True):
        P = case.term.project(jnp.asarray(H))
        at_minimum = np.asarray(case.term.slope(P, (P - H) * 1.0), float)  # of ½‖Z − H‖² at its minimum over the set
        size = 1 + np.max(abs(H))
        if np.max(abs(at_minimum)) > case.loose * size:
            return f"{np.max(abs(at_minimum)):.3g} at the nearest point to H; {written(H=H)}"
        gradient = jnp.asarray(other - H[::-1])
        d = np.asarray(case.term.slope(P, gradient), float)
        moved = np.asarray(case.term.project(P - 1e-3 * gradient), float)
        can_move = np.max(abs(moved - P)) > case.loose * size
        if np.sum(d * gradient) < -case.loose * np.sum(d * d) or (can_move and not np.any(d)):
            return f"no way down, though there is one; {written(H=H, gradient=gradient)}"
    return None


PROMISES = (
    pytrees.is_a_pytree,
    pytrees.structure_is_comparable,
)
OF_TERMS = (
    is_traced,
    the_pair_is_the_gradient,
    the_pair_lies_above,
    its_rise_is_that_of_its_value,
    it_declares_what_holds,
    padding_adds_nothing,
    it_has_its_unit,
    a_half_step_descends,
)
OF_CONSTRAINTS = (it_projects, its_set_has_its_unit, its_slope_vanishes_at_a_minimum)


@lists(PROMISES + OF_TERMS + OF_CONSTRAINTS)
def check_term(term: Term, *, shape: tuple[int, int] = (3, 7), dtype: DType = "float32") -> None:
    """Whether a term of `jnmf.terms`, or a constraint, keeps its promises.

    shape: (r, n) of factors H that it is a term of, whose rows are the components. dtype: that to compute in.
    Raises TypeError for what is no Term, and AssertionError for the first promise that is broken.
    """
    if not isinstance(term, Term):
        raise TypeError(f"check_term: expected a Term such as terms.Ridge(0.1), got {term!r}")
    term.check(*shape)
    hold(PROMISES, repr(term), term)
    promises = OF_CONSTRAINTS if isinstance(term, Constraint) else OF_TERMS
    hold(promises, repr(term), Case(term, shape, dtype))
