"""How far the components and the exposures of a fit would have come out otherwise: the bootstrap, in a few programs."""

from collections.abc import Callable
from functools import partial, singledispatch
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnmf import checks, door, loops
from jnmf import init as inits
from jnmf import matrix as kinds
from jnmf.algorithm import Algorithm, Combinator
from jnmf.batches import Study, Watch, checked, members, stopping, with_all
from jnmf.exposures import exposures
from jnmf.factors import Factors
from jnmf.matrix.masked import Masked
from jnmf.matrix.rescaled import rescaled
from jnmf.matrix.scaled import in_unit
from jnmf.matrix.sparse import Sparse
from jnmf.matrix.stored import Stored
from jnmf.numerics import divide
from jnmf.pytree import Pytree
from jnmf.results import Status, saved
from jnmf.similarity import pairing
from jnmf.terms import together
from jnmf.types import FactorsLike, Integer, Key, Mask, MatrixLike, Number, Path

RAISED = 0.1  # of the mean of a component: replicates start from the fit raised by it, so that none is stuck at a zero
LARGEST_COUNT = 2**30


class Interval(NamedTuple):
    """For each entry of W (m, r) and H (r, n) the ends of an interval."""

    low: Factors
    high: Factors


@saved
class Bootstrap(NamedTuple):
    """The fit of all the data, and that of each of B replicates, with components in the order of the fit's.

    factors: W (m, r) and H (r, n) of the fit; replicates: W (B, m, r) and H (B, r, n). The components, rows of H for
    axis 0 and columns of W for axis 1, sum to 1. cosine (B, r): of each component with that of the fit. status (B,).
    What diverged, or was not reached, is NaN.
    """

    factors: Factors
    replicates: Factors
    cosine: np.ndarray
    status: np.ndarray
    axis: int

    def interval(self, level: float = 0.95) -> Interval:
        """The percentile interval of each entry: its quantiles (1 − level)/2 and (1 + level)/2 over the replicates.

        Replicates that are NaN do not count. Efron and Tibshirani 1993, "An introduction to the bootstrap", chapter 13.
        Raises ValueError for a level that is not between 0 and 1, and where no replicate is finite.
        """
        if not 0 < float(level) < 1:
            raise ValueError(f"level: expected a number between 0 and 1, got {level!r}")
        finite = np.atleast_1d(np.isfinite(self.cosine).all(axis=1))
        if not finite.any():
            raise ValueError(f"bootstrap: expected a finite replicate, got none of {len(finite)}")
        ends = (1 - level) / 2, (1 + level) / 2
        low_and_high = [np.quantile(np.asarray(A, float)[finite], ends, axis=0) for A in self.replicates]
        return Interval(*(Factors(W, H) for W, H in zip(*low_and_high, strict=True)))  # pyright: ignore[reportArgumentType]


RESAMPLES = ("samples", "poisson")


def bootstrap(
    X: MatrixLike,
    rank: Integer | None = None,
    algorithm: Algorithm | Combinator | None = None,
    *,
    num_replicates: int = 100,
    resample: Literal["samples", "poisson"] = "samples",
    axis: Literal[0, 1] = 0,
    init: FactorsLike | None = None,
    key: Key = 0,
    tol: Number | None = None,
    max_iters: Integer | None = None,
    mask: Mask = None,
    batch_size: int | None = None,
    progress: bool = False,
    callback: Callable[[Bootstrap], Any] | None = None,
    checkpoint: Path | None = None,
) -> Bootstrap:
    """Refit X ≈ W H to `num_replicates` resamples of the data; pair their components with those of the fit.

    axis: which axis of X (m, n) has the samples. 0: its rows; the components are the rows of H, the exposures are W.
        1: its columns; the components are the columns of W, the exposures are H. Their scale is free, and they are
        divided by their sums, which the exposures take over.
    resample: "samples" draws as many samples as there are, with replacement. One that is drawn w times counts with
        weight w in the fit of the components, and no copy of X is made: for a loss of degree p, d(cx, cz) = cᵖ d(x, z),
        it is the sample times w^(1/p) (`proofs.resampled_rows`); where p ≤ 0, and for losses without a degree, an array
        of weights. The exposures are those of all samples on the components of the replicate (`transform`).
        "poisson" redraws each entry of X, a count, from the Poisson distribution with that count as its mean, and so
        shows the noise of the counts alone: the parametric bootstrap of mutational signatures (Islam et al. 2022,
        SigProfilerExtractor). Entries that are 0 stay 0.
    init: the fit of all data, a `Fit` or Factors, instead of one by `fit(X, rank, …)`; the rank may then be left out.
        Replicates start from it, a tenth of the mean of each component added: they look for the same minimum, and the
        intervals show the effect of the data, not of the starts (for that see `sweep_similarity`).
    algorithm, key, tol, max_iters, mask: as in `fit`; batch_size, progress, callback, checkpoint: as in `sweep`.

    The components of a replicate are paired with those of the fit by `pairing`. A cosine far below 1 says that one was
    not found again, and its intervals then mix several components. Where an interval leaves out the value of the
    fit, the fit may have stopped short of where the replicates went: use a smaller tol and more iterations.
    Efron 1979, "Bootstrap methods: another look at the jackknife".

    Raises as `sweep` does; for an X that is read in blocks; where "poisson" gets entries that are not counts; and where
    "samples" meets a penalty on the exposures for which a sample of weight w is not one in another scale: l1 is for
    p = 1 (KL), l2 for p = 2 (Frobenius).

    >>> found = jnmf.bootstrap(X, 2, num_replicates=3, max_iters=50)
    >>> found.replicates.H.shape, found.interval(0.9).low.H.shape
    ((3, 2, 4), (2, 4))
    """
    checks.choice(resample, "resample", RESAMPLES)
    checks.axis(axis)
    checks.count(num_replicates, "num_replicates", 1)
    start_key, draw_key, study_key = jax.random.split(inits.as_key(key), 3)
    if init is not None and rank is None:
        rank = door.pair(init, "init ").W.shape[1]
    entered, (rank,), algorithm = checked(X, mask, [rank], algorithm, num_replicates)
    kinds.expect_in_memory(entered.X, "bootstrap: expected an X")
    kinds.expect_one_device(entered.X, "bootstrap: expected an X")
    keys = jax.random.split(draw_key, num_replicates)
    if resample == "poisson":
        _check_counts(entered)
        entered, own, study = entered._replace(X=Counts(entered.X)), keys, POISSON
    else:
        own, study = _drawn(entered, keys, axis, algorithm)
    if init is None:
        init = loops.fit(X, rank, algorithm, key=start_key, tol=tol, max_iters=max_iters, mask=mask, resumable=False)
    found = door.factors(init, entered.X.shape, rank)
    raised = lambda A, along: A + RAISED * jnp.mean(A, axis=along, keepdims=True)
    near = Near(W=raised(found.W, 0), H=raised(found.H, 1))
    shape = entered.X.shape

    def collected(members):
        return _collected(with_all(members, [rank], num_replicates, shape), found, rank, num_replicates, axis, entered)

    told = {"call": f"bootstrap, {resample}, axis {axis}", "keys of the samples": keys}
    watch = Watch(progress, callback, checkpoint, told, collected)
    start_keys, stop = jax.random.split(study_key, num_replicates), stopping(None, tol, max_iters)
    result = collected(members(entered, own, study, [rank], start_keys, algorithm, near, stop, batch_size, watch))
    diverged = int(np.sum(result.status == Status.NONFINITE))
    if diverged:
        checks.warn(f"{diverged} of {num_replicates} replicates are not finite, and do not count; see `status`")
    return result


class Near(Pytree):
    """An init that starts every replicate at the same factors."""

    W: Any = None
    H: Any = None
    is_traceable: ClassVar[Any] = True

    def __call__(self, key, X, rank: int) -> Factors:
        return Factors(self.W, self.H)


# Samples, drawn with replacement


def _drawn(entered: door.Entered, keys, axis: int, algorithm):
    """What the replicates draw: for each (m,) and (n,), scales or weights of the rows and columns; and the study."""
    (m, n), degree, dtype = entered.X.shape, algorithm.loss.degree, entered.X.dtype
    degree = 0.0 if degree is None else float(degree)
    as_scales = degree > 0
    _check_penalties(algorithm, "WH"[axis], degree)
    size, other = (m, n)[axis], (n, m)[axis]
    times = np.asarray(_times_drawn(keys, size), float)
    drawn = jnp.asarray(times ** (1 / degree) if as_scales else times, dtype)
    ones = jnp.ones((len(keys), other), dtype)
    return ((drawn, ones) if axis == 0 else (ones, drawn)), (SCALED if as_scales else WEIGHTED)[axis]


@partial(jax.jit, static_argnames="size")
def _times_drawn(keys, size: int):
    """(B, size): how often each of `size` samples is drawn, the multinomial distribution."""
    one = lambda key: jnp.bincount(jax.random.randint(key, (size,), 0, size), length=size)
    return jax.vmap(one)(keys)


def _check_penalties(algorithm, side: str, degree: float) -> None:
    if together.listed(getattr(algorithm, f"on_{side}")):
        raise ValueError(
            f"on_{side}: expected no terms on the exposures of samples that are drawn again; put them on the "
            'components, or resample="poisson"'
        )
    for name, of in (("l1", 1), ("l2", 2)):
        if np.any(np.asarray(getattr(algorithm, f"{name}_{side}")) != 0) and degree != of:
            raise ValueError(
                f"{name}_{side}: for {algorithm.loss!r} expected no such penalty on the exposures, which a sample that "
                'is drawn twice would not have twice; leave it out, penalise the components, or resample="poisson"'
            )


def _scaled(X, own):
    return rescaled(X, *own)


def _weighted(X, own):
    rows, columns = own
    return Masked(X, rows[:, None] * columns[None, :])


def _exposures(axis: int, X, own, factors: Factors, algorithm):
    """Those of all samples, on the components of a replicate."""
    return exposures(axis, X, factors[1 - axis], algorithm)[axis]


def _studies(view) -> tuple[Study, Study]:
    """For samples along axis 0 and along axis 1. The scores are factors, which have the root of the unit of X."""
    return tuple(Study(view, partial(_exposures, axis), _root) for axis in (0, 1))  # pyright: ignore[reportReturnType]


def _root(algorithm) -> float:
    return 0.5


SCALED, WEIGHTED = _studies(_scaled), _studies(_weighted)


# Counts, drawn anew


class Counts(NamedTuple):
    """root² X, where X has counts, which are drawn before they are put into a unit."""

    X: Any
    root: Any = None

    @property
    def shape(self):
        return self.X.shape

    @property
    def dtype(self):
        return self.X.dtype


in_unit.register(Counts, lambda X, root, of_weights=1.0: X._replace(root=(root, of_weights)))
kinds.is_completed.register(Counts, lambda X: kinds.is_completed(X.X))
kinds.most_weight.register(Counts, lambda X: kinds.most_weight(X.X))
kinds.size.register(Counts, lambda X: kinds.size(X.X))


def _recounted(X: Counts, key):
    drawn = poisson(X.X, key)
    if X.root is None:
        return drawn
    return in_unit(drawn, *X.root) if kinds.is_completed(drawn) else in_unit(drawn, X.root[0])


@singledispatch
def poisson(X, key) -> Any:
    """Each entry drawn from the Poisson distribution of that mean."""
    return _counted(kinds.entries(X)[0], key)


def _counted(means, key):
    return jax.random.poisson(key, means).astype(means.dtype)


@poisson.register
def _(X: Sparse, key):
    """One draw for each stored entry, in both orders."""
    values = _counted(X.by_row.values, key)
    by_column = jnp.argsort(X.by_row.columns, stable=True)  # the entries are in the order of their rows
    return Sparse(X.by_row._replace(values=values), X.by_column._replace(values=values[by_column]))


poisson.register(Masked, lambda X, key: X._replace(X=poisson(X.X, key)))
poisson.register(Stored, lambda X, key: X._replace(X=poisson(X.X, key)))

POISSON = Study(_recounted, lambda X, own, factors, algorithm: (), lambda algorithm: 0)


def _check_counts(entered: door.Entered) -> None:
    if entered.least is None or entered.most is None:
        raise ValueError("bootstrap: expected an X with values, got one inside of jit or vmap")
    if entered.least < 0 or entered.most > LARGEST_COUNT:
        raise ValueError(
            'resample: "poisson" expects counts from 0 to 2**30, got entries from '
            f"{entered.least:g} to {entered.most:g}"
        )
    rows, _ = _broken(entered.X)
    if np.any(rows):
        raise ValueError(
            'resample: "poisson" expects counts, whole numbers, got others, the first in row '
            f'{int(np.argmax(rows))}; pass the counts themselves, or resample="samples"'
        )


@jax.jit
def _broken(X):
    return kinds.occupied(X, lambda x: x != jnp.round(x))


# What came of it


def _collected(found: dict, fitted: Factors, rank: int, num_replicates: int, axis: int, entered) -> Bootstrap:
    each = [found[rank, s] for s in range(num_replicates)]
    status, dtype = np.array([member.status for member in each]), np.dtype(entered.X.dtype)
    both = [[np.asarray(member.factors[i], dtype) for member in each] for i in (0, 1)]
    if not isinstance(each[0].scores, tuple):  # the exposures of all samples; a number where they were not reached
        shape = both[axis][0].shape
        both[axis] = [np.broadcast_to(np.asarray(member.scores, dtype), shape) for member in each]
    W, H = map(np.stack, both)
    lost = (status == Status.NONFINITE) | ~np.isfinite(W).all(axis=(1, 2)) | ~np.isfinite(H).all(axis=(1, 2))
    known = Factors(*(jnp.asarray(np.where(lost[:, None, None], 0, A)) for A in (W, H)))
    fitted, known, cosine = jax.device_get(_paired(fitted, known, axis))
    given = lambda A: A.astype(entered.dtype)
    W, H = (np.where(lost[:, None, None], np.nan, A) for A in known)
    cosine = np.where(lost[:, None], np.nan, cosine)
    fitted, replicates, cosine = jax.tree.map(given, (fitted, known._replace(W=W, H=H), cosine))
    return Bootstrap(fitted, replicates, cosine, status, axis)


@partial(jax.jit, static_argnames="axis")
def _paired(fitted: Factors, replicates: Factors, axis: int):
    """The fit, the replicates in its order, components at sum 1, and the cosines."""
    fitted = _at_sum_one(fitted, axis)
    components = (lambda factors: factors.H.T) if axis == 0 else (lambda factors: factors.W)

    def one(replicate):
        found = pairing(components(fitted), components(replicate))
        return _at_sum_one(Factors(replicate.W[:, found.match], replicate.H[found.match]), axis), found.cosine

    return fitted, *jax.vmap(one)(replicates)


def _at_sum_one(factors: Factors, axis: int) -> Factors:
    W, H = factors
    total = jnp.sum(H, axis=1) if axis == 0 else jnp.sum(W, axis=0)
    kept = jnp.where(total > 0, total, 1)
    up, down = (lambda A, d: A * d), (lambda A, d: divide(A, d))
    of_W, of_H = (up, down) if axis == 0 else (down, up)
    return Factors(of_W(W, kept[None, :]), of_H(H, kept[:, None]))
