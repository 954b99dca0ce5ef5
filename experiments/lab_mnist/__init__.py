"""Lab, part 2: what NMF sees in handwritten digits, and what PCA sees.

X is the transpose of the lab's V_mnist, an image in each column, X ≈ W H: so W holds the basis images and H the
coefficients, which the library updates first, as the lab does (there they are called W).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jnmf
from experiments import data
from experiments.lab_mnist import measures
from experiments.study import Arrays, computed, notes, together
from jnmf import Factors

TITLE = "Lab, part 2: what NMF sees in digits, beside PCA"
SOURCE = "lab, part 2: MNIST, the basis, images built up from it, the rank, NMF against PCA"

ALGORITHM, ALGORITHM_NAME = jnmf.HALS(inner=3), "HALS with three sweeps"  # parts 1 and 3 hold it against the others
STAND_IN_FITTED = 1000  # of the images that stand in, so many are there to fit, the others are unseen


@dataclass(frozen=True)
class Settings:
    num_images: int = 1000  # fitted: the first of the training set
    num_unseen: int = 500  # at most so many, drawn from the test set
    rank: int = 49
    num_iters: int = 120  # of every fit, at each of the ranks
    given: tuple[int, ...] = (0, 1, 2)  # fitted images to draw
    num_random: int = 3  # unseen images to draw
    ranks: tuple[int, ...] = (5, 10, 25, 49, 100)
    num_restarts: int = 2  # of each of these ranks
    seed: int = 0

    def ranks_below(self, bound: int) -> list[int]:
        """`rank` and those of `ranks` that can be compared with the SVD, exact at `bound`, in increasing order."""
        if not 1 <= self.rank < bound:
            raise ValueError(f"rank: expected 1 to {bound - 1}, got {self.rank}")
        below = sorted({rank for rank in (self.rank, *self.ranks) if rank < bound})
        if len(below) < 2:
            raise ValueError(f"ranks: expected at least two below {bound}, got {self.ranks}")
        return below


FULL = Settings(
    num_unseen=2000,
    num_iters=500,
    ranks=(5, 10, 16, 20, 25, 40, 49, 64, 81, 100),
    num_restarts=5,
)
TINY = Settings(num_images=150, num_unseen=40, rank=4, num_iters=30, given=(0, 1), num_random=1, ranks=(2, 3))


class Given(NamedTuple):
    """What the questions share: the images, a sweep over the ranks, and at the rank of the study the best of its starts
    with its fit, components W (m, r) that sum to 1, the most ink first, and H (r, n) for them, `weights` (r, n + l),
    the best H for that W, also of the unseen images, and PCA."""

    digits: "Digits"
    sweep: jnmf.Sweep
    start: Factors
    fit: jnmf.Fit
    W: np.ndarray
    H: np.ndarray
    weights: np.ndarray
    pca: "pca.PCA"
    widest: "pca.PCA"  # of the largest rank
    seconds: tuple[float, float]  # of NMF and PCA


def compute(settings: Settings, progress: bool = False) -> Arrays:
    """Over m pixels, n fitted images, r = rank, K images drawn (the given, then unseen ones), R ranks, S restarts."""
    digits = choose(settings)
    ranks = settings.ranks_below(min(digits.X.shape))
    sweep = jnmf.sweep(
        digits.X,
        ranks,
        num_restarts=settings.num_restarts,
        algorithm=ALGORITHM,
        key=settings.seed,
        num_iters=settings.num_iters,
        progress=progress,
    )
    # The best of the restarts once more, with its curve and its time.
    best = int(sweep.loss[ranks.index(settings.rank)].argmin())
    key = jax.random.split(jax.random.key(settings.seed), settings.num_restarts)[best]
    start = jnmf.init.random(key, digits.X, settings.rank)
    rows, columns = np.any(digits.X, axis=1)[:, None], np.any(digits.X, axis=0)[None]
    start = Factors(start.W * rows, start.H * columns)  # 0 where X has nothing but 0, as in `fit`
    fit, nmf_seconds = fit_and_time(digits.X, start, settings)
    W, H = (np.asarray(A) for A in sorted_by_ink(fit.factors))
    # The best weights for this W, of the fitted and of the unseen images, in one program.
    weights = np.asarray(jnmf.transform(digits.all.T, W.T)).T
    widest = pca.fit_pca(digits.X, max(ranks))  # first, so that the next is timed warm
    own, pca_seconds = timed(lambda: pca.fit_pca(digits.X, settings.rank))
    given = Given(digits, sweep, start, fit, W, H, weights, own, widest, (nmf_seconds, pca_seconds))
    return {"notes": notes(digits.note), **computed(QUESTIONS, settings, given)}


class Digits(NamedTuple):
    """`all` (m, n + l): n images to fit, then l unseen ones. `columns`: their places in the set they come from."""

    all: np.ndarray
    n: int
    columns: np.ndarray
    labels: np.ndarray
    shown: np.ndarray
    shape: tuple[int, int]
    order: Any
    note: str

    @property
    def X(self) -> np.ndarray:
        """The images to fit."""
        return self.all[:, : self.n]

    def spread(self, W) -> np.ndarray:
        return measures.spread(W, self.shape, self.order)


def choose(settings: Settings) -> Digits:
    """The images of the study."""
    fitted, unseen = images()
    n, num_unseen = settings.num_images, min(settings.num_unseen, unseen.X.shape[1])
    if not 2 <= n <= fitted.X.shape[1]:
        raise ValueError(f"num_images: expected 2 to {fitted.X.shape[1]}, got {n}")
    if not 1 <= settings.num_random <= num_unseen:
        raise ValueError(
            f"num_random: expected 1 to {num_unseen}, the number of unseen images, got {settings.num_random}"
        )
    if not settings.given or not 0 <= min(settings.given) <= max(settings.given) < n:
        raise ValueError(f"given: expected at least one image from 0 to {n - 1}, got {settings.given}")
    if settings.num_restarts < 2:
        raise ValueError(f"num_restarts: expected at least 2, to compare them, got {settings.num_restarts}")
    drawn = np.random.default_rng(settings.seed).choice(unseen.X.shape[1], num_unseen, replace=False)
    return Digits(
        np.hstack([fitted.X[:, :n], unseen.X[:, drawn]]),
        n,
        np.concatenate([np.arange(n), drawn]),
        np.concatenate([labels_of(fitted)[:n], labels_of(unseen)[drawn]]),
        np.array([*settings.given, *range(n, n + settings.num_random)]),
        fitted.shape,
        fitted.order,
        fitted.note,
    )


def images() -> tuple[data.Images, data.Images]:
    """The images to fit and others: MNIST's training and test set, or two parts of what stands in for both."""
    fitted, unseen = (data.or_stand_in(load, data.digits) for load in (data.mnist_train, data.mnist_test))
    if not (fitted.note or unseen.note):
        return fitted, unseen
    stand_in = fitted if fitted.note else unseen
    parts = (slice(None, STAND_IN_FITTED), slice(STAND_IN_FITTED, None))
    first, rest = (stand_in._replace(X=stand_in.X[:, p], labels=labels_of(stand_in)[p]) for p in parts)
    return first, rest


def labels_of(images: data.Images) -> np.ndarray:
    """The digit of each image, which these data sets have."""
    assert images.labels is not None
    return images.labels


def fit_and_time(X, start: Factors, settings: Settings) -> tuple[jnmf.Fit, float]:
    """The fit, and the seconds it takes once compiled."""
    fit = lambda X, start: jnmf.fit(X, None, ALGORITHM, init=start, tol=0, max_iters=settings.num_iters)
    X = jnp.asarray(X)
    compiled = jax.jit(fit).lower(X, start).compile()
    return timed(lambda: jax.block_until_ready(compiled(X, start)))


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """What the call returns, and the seconds it took."""
    begin = time.perf_counter()
    result = call()
    return result, time.perf_counter() - begin


@jax.jit
def sorted_by_ink(factors: Factors) -> Factors:
    """Columns of W that sum to 1, so that H_kj is the ink that component k puts into image j; the most ink first."""
    W, H = jnmf.normalize(factors, norm="l1")
    places = jnp.argsort(-jnp.sum(H, axis=1))
    return Factors(W[:, places], H[places])


# The questions use what stands above.
from experiments.lab_mnist import (  # noqa: E402
    activity,
    basis,
    build_up,
    convergence,
    cost,
    interpretation,
    lower_error,
    pca,
    ranks,
    rows,
)

QUESTIONS = (rows, convergence, basis, activity, build_up, ranks, pca, interpretation, lower_error, cost)
plot, sections = together(QUESTIONS)
