"""Lab, part 2: what NMF sees in handwritten digits, and what PCA sees.

X is the transpose of the lab's V_mnist, an image in each column, X ≈ W H: so W holds the basis images and H the
coefficients, which the library updates first, as the lab does (there they are called W).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jnmf
from experiments import data
from experiments.study import Arrays, Section, Table
from jnmf import Factors
from jnmf.plot import BLUE, GREEN, GREY, ORANGE

TITLE = "Lab, part 2: what NMF sees in digits, beside PCA"
SOURCE = "lab, part 2: MNIST, the basis, images built up from it, the rank, NMF against PCA"

ALGORITHM, ALGORITHM_NAME = jnmf.HALS(inner=3), "HALS with three sweeps"  # parts 1 and 3 hold it against the others
STAND_IN_FITTED = 1000  # of the images that stand in, so many are there to fit, the others are unseen
NUM_ACTIVE = 6  # components drawn for an image
NUM_EXAMPLES = 8  # components drawn for a rank
STEPS = (1, 2, 3, 5, 10)  # so many components are summed in the figure of the build-up
PART = 0.75  # a component is called a part where its spread is below this fraction of that of an image
STROKE = 1.6  # an image this many times as long as wide is called a stroke
BRIGHT = 0.4  # of the largest entry: what is fainter is not taken for the stroke, though far away it would turn it
ASIDE = 0.4  # of the spread along an axis: nearer to the middle is neither left nor right, up nor down
NUM_RELATED = 3  # of the most active components, related to the image


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


# The numbers


def compute(settings: Settings, progress: bool = False) -> Arrays:
    """m pixels, n fitted images, r = rank, K images drawn (the given, then unseen ones), R ranks, S restarts.

    notes; size (2,): m and n; shape (2,) of an image; order; label_counts (10,).
    zeros, blank: the share of the entries of X that are 0, and the number of pixels that are 0 in every image.
    whole_spread: the median `spread` of an image.
    centre (2,): the row and the column of the middle of all ink.
    drawn (m, K), columns (K,), labels (K,), fitted (K,) bool; weights (r, K): the images, and their H for the W below;
    nearest (K,): the digit whose mean fitted image is nearest.
    W (m, r), columns that sum to 1, most ink first; ink (r,), the share of each component; hoyer, spread (r,);
    features (r, 4), see `features`.
    start_error, error (num_iters,), bound: of the start, the iterations and the SVD of rank r, relative to ‖X‖.
    ranks (R,), rank_error (R, S), rank_bound, rank_pca, rank_hoyer, rank_spread, rank_zeros, rank_used, rank_alike
    (R,).
    rank_nested (R − 1,): how well the components of a rank are found again at the next; examples (R, 8, m).
    components (r, m), mean (m,), scores (r, K): PCA; pca_nested; pca_hoyer, pca_spread (r,).
    errors (2, 2): rows NMF and PCA, columns fitted and unseen images.
    cancelled, used, seconds (2,): of NMF and PCA: see `cancelled`; the weights of an image that are not 0; of a fit.
    """
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
    own = np.hstack([H, weights[:, digits.n :]])  # the fit's own, and those of the unseen images
    widest = fit_pca(digits.X, max(ranks))  # first, so that the next is timed warm
    pca, pca_seconds = timed(lambda: fit_pca(digits.X, settings.rank))
    scores = pca.components @ (digits.all - pca.mean[:, None])
    rebuilt = (W @ own, pca.components.T @ scores + pca.mean[:, None])
    arrays = {
        **of_the_data(digits),
        "W": W,
        "ink": H.sum(axis=1) / H.sum(),
        "spread": digits.spread(W),
        "features": features(W, digits.shape, digits.order),
        "weights": weights[:, digits.shown],
        "start_error": np.array(relative_error(digits.X, np.asarray(start.W @ start.H))),
        "error": np.sqrt(2 * np.asarray(fit.trace.loss)[: int(fit.num_iters)]) / np.linalg.norm(digits.X),
        "components": pca.components,
        "mean": pca.mean,
        "scores": scores[:, digits.shown],
        "pca_spread": digits.spread(np.abs(pca.components.T)),
        "errors": np.array([errors(digits, Z) for Z in rebuilt]),
        "cancelled": np.array([cancelled(W, own), cancelled(pca.components.T, scores)]),
        "used": np.array([np.count_nonzero(A, axis=0).mean() for A in (weights, scores)]),
        "seconds": np.array([nmf_seconds, pca_seconds]),
    }
    return arrays | by_rank(digits, sweep, W, pca, widest, settings)


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
        return spread(W, self.shape, self.order)


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


class PCA(NamedTuple):
    components: np.ndarray  # (r, m)
    mean: np.ndarray  # (m,)


def fit_pca(X, rank: int) -> PCA:
    """The principal components of the columns of X; scikit-learn wants the images as rows."""
    from sklearn import decomposition

    found: Any = decomposition.PCA(rank, svd_solver="full").fit(X.T)
    return PCA(found.components_, found.mean_)


def of_the_data(digits: Digits) -> Arrays:
    X, labels = digits.X, digits.labels[: digits.n]
    means = {label: X[:, labels == label].mean(axis=1) for label in np.unique(labels)}
    nearest = [min(means, key=lambda label: np.sum((x - means[label]) ** 2)) for x in digits.all[:, digits.shown].T]
    return {
        "notes": np.array([digits.note] if digits.note else [], dtype=str),
        "size": np.array(X.shape),
        "shape": np.array(digits.shape),
        "order": np.array(digits.order),
        "label_counts": np.bincount(digits.labels[: digits.n], minlength=10),
        "zeros": np.mean(X == 0),
        "blank": np.sum(~np.any(X, axis=1)),
        "whole_spread": np.nanmedian(digits.spread(X)),
        "centre": features(X.sum(axis=1, keepdims=True), digits.shape, digits.order, 0.0)[0, :2],
        "nearest": np.array(nearest),
        "drawn": digits.all[:, digits.shown],
        "columns": digits.columns[digits.shown],
        "labels": digits.labels[digits.shown],
        "fitted": digits.shown < digits.n,
    }


def by_rank(digits: Digits, sweep: jnmf.Sweep, W, pca: PCA, widest: PCA, settings: Settings) -> Arrays:
    """Error, interpretability and uniqueness for each rank below the number of pixels; also of W and of PCA."""
    X, ranks = digits.X, sweep.ranks.tolist()
    best = [np.asarray(sorted_by_ink(sweep.best(rank)).W) for rank in ranks]
    bounds = np.asarray(jnmf.svd_rmse(X, dict.fromkeys([*ranks, settings.rank])))  # each rank once
    own, of_pca, *of_best = hoyer_of([W, pca.components.T, *best])
    energy = np.cumsum(np.sum((widest.components @ (X - widest.mean[:, None])) ** 2, axis=1))
    left = np.sum((X - widest.mean[:, None]) ** 2) - energy[np.array(ranks) - 1]
    to_relative = np.sqrt(X.size) / np.linalg.norm(X)
    return {
        "ranks": np.array(ranks),
        "rank_error": sweep.rmse * to_relative,
        "rank_bound": bounds[: len(ranks)] * to_relative,
        "rank_pca": np.sqrt(np.maximum(left, 0)) / np.linalg.norm(X),
        "rank_hoyer": np.array([values.mean() for values in of_best]),
        "rank_spread": np.array([np.nanmean(digits.spread(A)) for A in best]),
        "rank_zeros": np.array([np.mean(A == 0) for A in best]),
        "rank_used": np.array([np.count_nonzero(sweep.best(rank).H, axis=0).mean() for rank in ranks]),
        "rank_alike": np.array([starts_alike(np.asarray(members.W)) for members in sweep.members]),
        "rank_nested": np.array([found_again(*pair) for pair in pairwise(best)]),
        "pca_nested": np.array(found_again(*sorted((pca.components.T, widest.components.T), key=np.size))),
        "examples": np.array([some_columns(A).T for A in best]),
        "bound": (bounds * to_relative)[[*ranks, settings.rank].index(settings.rank)],
        "hoyer": own,
        "pca_hoyer": of_pca,
    }


@jax.jit
def sorted_by_ink(factors: Factors) -> Factors:
    """Columns of W that sum to 1, so that H_kj is the ink that component k puts into image j; the most ink first."""
    W, H = jnmf.normalize(factors, norm="l1")
    places = jnp.argsort(-jnp.sum(H, axis=1))
    return Factors(W[:, places], H[places])


def hoyer_of(matrices) -> list[np.ndarray]:
    """Hoyer's sparsity of the columns of each matrix (m, …), in one program for all."""
    every = np.asarray(jnmf.hoyer_sparsity(np.hstack(matrices), axis=0))
    return np.split(every, np.cumsum([A.shape[1] for A in matrices])[:-1])


def starts_alike(W) -> float:
    """How well the components of the first start are found again in those of the others; W (S, m, r)."""
    return float(np.mean([found_again(W[0], other) for other in W[1:]]))


def some_columns(W) -> np.ndarray:
    """(m, 8): columns of W (m, r) at even steps from the first to the last; blank ones where there are fewer."""
    places = np.unique(np.linspace(0, W.shape[1] - 1, NUM_EXAMPLES).round().astype(int))
    return np.pad(W[:, places], ((0, 0), (0, NUM_EXAMPLES - len(places))))


def relative_error(X, Z) -> float:
    """‖X − Z‖ / ‖X‖."""
    return float(np.linalg.norm(X - Z) / np.linalg.norm(X))


def errors(digits: Digits, rebuilt) -> list[float]:
    """Of the fitted images and of the unseen ones."""
    n = digits.n
    return [relative_error(digits.X, rebuilt[:, :n]), relative_error(digits.all[:, n:], rebuilt[:, n:])]


def spread(W, shape: tuple[int, int], order) -> np.ndarray:
    """How far the mass of each column of W (m, k) ≥ 0, an image, lies from its centre: (k,), in pixels.

    With p_i = w_i / Σ w and the place x_i of pixel i: the centre is c = Σ p_i x_i, the spread sqrt(Σ p_i ‖x_i − c‖²).
    0 for a single pixel; NaN for a blank image.
    """
    places = np.stack([axis.reshape(-1, order=order) for axis in np.indices(shape)])
    mass = W.sum(axis=0)
    p = np.divide(W, mass, out=np.full(W.shape, np.nan), where=mass > 0)
    squares = np.sum(places**2, axis=0) @ p - np.sum((places @ p) ** 2, axis=0)
    return np.sqrt(np.maximum(squares, 0))  # that of a single pixel may round below 0


def features(W, shape: tuple[int, int], order, bright: float = BRIGHT) -> np.ndarray:
    """Where the ink of each column of W (m, k) ≥ 0, an image, lies, and how: (k, 4); NaN for a blank image.

    Ink is what has at least `bright` of the largest entry of the column.
    Row and column of its centre; the length over the width, the square root of the ratio of the eigenvalues of the
    covariance of the ink; the direction of its length, the angle with the rows in degrees, from −90 to 90, positive
    where it rises to the right.
    """
    places = np.stack([axis.reshape(-1, order=order) for axis in np.indices(shape)]).astype(float)
    found = np.full((W.shape[1], 4), np.nan)
    for k in np.flatnonzero(W.sum(axis=0) > 0):
        ink = np.where(W[:, k] >= bright * W[:, k].max(), W[:, k], 0)
        p = ink / ink.sum()
        centre = places @ p
        about = places - centre[:, None]
        values, vectors = np.linalg.eigh((about * p) @ about.T + np.eye(2) / 12)  # a pixel has an extent, too
        down, right = vectors[:, 1]
        angle = (np.degrees(np.arctan2(-down, right)) + 90) % 180 - 90
        found[k] = *centre, np.sqrt(values[1] / values[0]), angle
    return found


def cancelled(W, H) -> float:
    """1 − Σ|WH| / Σ|W||H|: 0 where the terms of each entry have one sign, near 1 where they almost cancel."""
    return float(1 - np.abs(W @ H).sum() / (np.abs(W) @ np.abs(H)).sum())


def found_again(small, large) -> float:
    """The mean over the columns of `small` (m, k) of |cos| with the column of `large` (m, l) that is most like it."""
    small, large = (A / np.maximum(np.linalg.norm(A, axis=0), np.finfo(float).tiny) for A in (small, large))
    return float(np.mean(np.max(np.abs(small.T @ large), axis=1)))


def built_up(arrays: Arrays) -> list[np.ndarray]:
    """For each image drawn (r + 1, m): the sum of its k most active components, k = 0 … r."""
    W, H = arrays["W"], arrays["weights"]
    sums = [np.cumsum(W[:, order] * h[order], axis=1).T for h, order in zip(H.T, np.argsort(-H, axis=0).T, strict=True)]
    return [np.vstack([np.zeros(len(W)), each]) for each in sums]


def errors_of_build_up(arrays: Arrays) -> np.ndarray:
    """(K, r + 1): the relative error of each image with its k most active components, k = 0 … r."""
    pairs = zip(arrays["drawn"].T, built_up(arrays), strict=True)
    return np.array([np.linalg.norm(sums - x, axis=1) / np.linalg.norm(x) for x, sums in pairs])


# What they say


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section("What are the dimensions of V_mnist, and what is a row?", dimensions(arrays)),
        Section("Three rows as images: do they look like their labels?", pictures(arrays), ("digits",)),
        Section(
            "The best algorithm of part 1 on the digits: at which rank, and how does it converge?",
            convergence(arrays),
            ("convergence",),
        ),
        Section("Which patterns do the basis images show?", basis(arrays), ("components",)),
        Section(
            "Which components are most active in an image, and which features of the digit are they?",
            activity(arrays),
            ("active",),
            (active_table(arrays), feature_table(arrays)),
        ),
        Section("How do the components build an image up, one after the other?", build_up(arrays), ("built-up",)),
        Section(
            "What is the trade-off between reconstruction and interpretability as the rank grows?",
            trade(arrays),
            ("ranks", "examples"),
            (rank_table(arrays),),
        ),
        Section(
            "How do the components of PCA differ from those of NMF?",
            beside_pca(arrays),
            ("pca-components", "pca-reconstructions"),
            (method_table(arrays),),
        ),
        Section("Which of the two is easier for a human to interpret, and why?", interpretation(arrays)),
        Section("Must the lower error of PCA mean a better interpretation?", lower_error(arrays)),
        Section("What does each cost, and when would one use which?", when(arrays)),
    ]


def enumeration(texts: list[str]) -> str:
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def paragraphs(*texts: str) -> str:
    return "\n\n".join(texts)


def dimensions(arrays: Arrays) -> str:
    (m, n), (height, width) = arrays["size"], arrays["shape"]
    way = "row by row" if arrays["order"] == "C" else "column by column"
    counts = arrays["label_counts"]
    return paragraphs(
        f"V_mnist is {n} × {m}: each row is an image of {height} × {width} = {m} pixels, read {way}, and each column "
        "one pixel through all images. An entry is a grey value from 0 (background) to 1 (ink).",
        f"This page has the images as columns, in X = V_mnistᵀ, {m} × {n}. So X ≈ W H here is V_mnist ≈ HᵀWᵀ: a column "
        "of W is a basis image, and a column of H holds the coefficients of one image. The error is the same.",
        f"{arrays['zeros']:.1%} of the entries are 0, and {counted(arrays['blank'], 'pixel')} of {m} are 0 in every "
        f"image. There are from {counts.min()} to {counts.max()} images of a digit. The fit does not see the labels.",
    )


def pictures(arrays: Arrays) -> str:
    given = arrays["fitted"]
    labels, nearest = arrays["labels"][given], arrays["nearest"][given]
    pairs = zip(arrays["columns"][given], labels, nearest, strict=True)
    agree = int(np.sum(labels == nearest))
    number = f"{agree or 'None'} of the {len(labels)} images {'is' if agree == 1 else 'are'}"
    return (
        f"{number} nearest to the mean image of the digit that the label names; for the rest, judge by the figure. "
        "Counted from 0: "
        + "; ".join(f"image {j} is labelled {label}, and the nearest mean is that of {k}" for j, label, k in pairs)
        + ". White is ink."
    )


def convergence(arrays: Arrays) -> str:
    error, start, bound, r = arrays["error"], float(arrays["start_error"]), float(arrays["bound"]), arrays["W"].shape[1]
    path = np.concatenate([[start], error])
    rises = int(np.sum(np.diff(path) > 0))
    most = int(np.argmax(path <= start - 0.9 * (start - path[-1])))
    late = max(1, len(error) // 10)
    return paragraphs(
        rank_reason(arrays),
        f"With {ALGORITHM_NAME}, which parts 1 and 3 hold against the other methods, the relative error ‖X − WH‖ / ‖X‖ "
        f"goes from {start:.3f} at the random start to {error[-1]:.4f} after {counted(len(error), 'iteration')}. No "
        f"matrix of rank {r} has an error below that of the truncated SVD, {bound:.4f}; NMF ends "
        f"{error[-1] / bound - 1:.0%} above it. Nine tenths of the fall take {counted(most, 'iteration')}; the last "
        f"{counted(late, 'iteration')} lower the error by {1 - path[-1] / path[-1 - late]:.2%}. The error "
        f"{f'rises in {rises} of them' if rises else 'never rises'}.",
    )


def rank_reason(arrays: Arrays) -> str:
    """Why this rank: it is, or is not, the lowest at which the mean component is a part."""
    r, ranks, whole = arrays["W"].shape[1], arrays["ranks"], float(arrays["whole_spread"])
    parts = ranks[arrays["rank_spread"] < PART * whole]
    rule = (
        f"the lowest of the ranks {', '.join(map(str, ranks))} whose components are parts, in the mean less than "
        f"{PART:.0%} as wide as an image"
    )
    if len(parts) and parts[0] == r:
        later = ranks[ranks > r]
        falls = len(later) and np.all(np.diff(arrays["rank_spread"][ranks >= r]) < 0)
        more = f"; more components make smaller parts (below, up to r = {later[-1]})" if falls else ""
        return f"The rank is {r}: {rule}{more}."
    found = f"would be {parts[0]}" if len(parts) else "does not exist here"
    return f"The rank is {r}, set by hand. By the rule that is used below, {rule}, it {found}."


def basis(arrays: Arrays) -> str:
    W, ink, own, whole = arrays["W"], arrays["ink"], arrays["spread"], float(arrays["whole_spread"])
    parts = int(np.sum(own < PART * whole))
    kinds = [kind_of(feature) for feature in arrays["features"]]
    strokes = sum(kind != "spot" for kind in kinds)
    most = "Parts of digits, strokes and spots" if 2 * parts > len(ink) else "Shapes that are mostly as wide as a digit"
    return paragraphs(
        f"{most}: {parts} of the {len(ink)} components have less than {PART:.0%} of the spread of an image, "
        f"and {strokes} are at least {STROKE:g} times as long as wide where they are bright, that is, have at least "
        f"{BRIGHT:.0%} of their largest entry. The spread is the root mean square distance of "
        f"the ink from its centre: {np.nanmean(own):.1f} pixels in the mean, against {whole:.1f} for an image (the "
        f"median). {np.mean(W == 0):.0%} of the entries of W are exactly 0.",
        "Each column of W is drawn as an image, scaled so that its largest entry is 1. Number 1 puts the most ink into "
        f"the images ({ink[0]:.1%} of all), number {len(ink)} the least ({ink[-1]:.1%}). NMF itself has no order: this "
        "one is chosen for the figure.",
        "What favours parts is that W and H are nonnegative: nothing that was added can be taken away again, so a "
        "component that covers too much puts ink where an image has none.",
    )


def activity(arrays: Arrays) -> str:
    active, r = np.count_nonzero(arrays["weights"], axis=0), arrays["W"].shape[1]
    five = 100 * np.sort(shares(arrays), axis=0)[::-1][:5].sum(axis=0)
    related = [row for j in range(len(arrays["columns"])) for row in relate(arrays, j)]
    strokes = sum(one.kind != "spot" for one in related)
    on, others = np.mean([one.on for one in related]), np.nanmean(on_the_ink(arrays))
    return paragraphs(
        f"{'They lie' if on > others else 'They do not lie'} on the strokes of the digit more than other components: "
        f"{on:.0%} of the ink of the {NUM_RELATED} most active of each image is where the image has ink, in the mean, "
        f"and {others:.0%} of that of all components. Of these {len(related)} components {strokes} are strokes and "
        f"{len(related) - strokes} are spots; the second table says what each is and where it lies.",
        "The size of a weight means nothing by itself, since W can take the scale over. So the columns of W are made "
        "to sum to 1: then H_kj is the ink, the sum of grey values, that component k puts into image j. The "
        "percentages are its share of all the ink in W h. In the figure each component is drawn with its weight: the "
        "grey values that it adds.",
        "The unseen images are drawn at random from those that had no part in the fit. `jnmf.transform` finds their "
        "weights for the W of the fit, the exact solution of a nonnegative least squares problem, and those of the "
        f"fitted images too, to be fair. Of {r} components the images in the figure use {span(active, 'd')} (all "
        f"images: {arrays['used'][0]:.0f} in the mean); the five most active bring {span(five, '.0f')} % of the ink.",
    )


def build_up(arrays: Arrays) -> str:
    path, fitted = errors_of_build_up(arrays), arrays["fitted"]
    few = min(5, path.shape[1] - 1)
    falls = bool(np.all(np.diff(path, axis=1) <= 1e-9))
    return paragraphs(
        "The components are added in the order of their ink. The relative error of the images in the figure is "
        f"{span(path[:, 1], '.2f')} with one component, {span(path[:, few], '.2f')} with {few}, and with all it is "
        f"{span(path[fitted, -1], '.2f')} for the fitted and {span(path[~fitted, -1], '.2f')} for the unseen images. "
        "The picture only gets brighter: a stroke that is there stays there.",
        f"The error {'falls with each component' if falls else 'does not fall with every component'}, and with exact "
        "weights it must fall. Their residual is orthogonal to each component in use, so the squared error of a "
        "partial sum is that of the whole sum plus the square of what is still missing; and what is missing is a sum "
        "of nonnegative images, which gets smaller with each that is taken from it.",
    )


def trade(arrays: Arrays) -> str:
    ranks, error, bound = arrays["ranks"], arrays["rank_error"].min(axis=1), arrays["rank_bound"]
    hoyer, own, whole = arrays["rank_hoyer"], arrays["rank_spread"], float(arrays["whole_spread"])
    excess, parts = error / bound - 1, ranks[own < PART * whole]
    used = arrays["rank_used"]
    where = f"is first so at r = {parts[0]}" if len(parts) else "is so at none of these ranks"
    falls = "lower the error" if np.all(np.diff(error) < 0) else "do not lower the error at each step"
    smaller = "make the parts smaller" if own[-1] < own[0] else "do not make the parts smaller"
    return paragraphs(
        f"More components {falls} and {smaller}, and an image is a sum of more of them: from r = {ranks[0]} to "
        f"r = {ranks[-1]} the error goes from {error[0]:.3f} to {error[-1]:.3f}, the spread of a component from "
        f"{own[0]:.1f} to {own[-1]:.1f} pixels, and the number of components in an image from {used[0]:.1f} to "
        f"{used[-1]:.1f}.",
        f"Reconstruction. The bound of the SVD goes from {bound[0]:.3f} to {bound[-1]:.3f}; after as many iterations "
        f"at each rank NMF is {excess[0]:.1%} above it at first and {excess[-1]:.1%} at last. The step to "
        f"r = {ranks[1]} changes the error by {(error[1] - error[0]) / (ranks[1] - ranks[0]):+.4f} for each component "
        f"more, the last step by {(error[-1] - error[-2]) / (ranks[-1] - ranks[-2]):+.4f}.",
        "Interpretation. The mean Hoyer sparsity of a component (0: all pixels alike, 1: a single pixel) goes from "
        f"{hoyer[0]:.2f} to {hoyer[-1]:.2f}. If a part is what has less than {PART:.0%} of the spread of an image "
        f"({whole:.1f} pixels), the mean component {where}. A component as wide as an image is a blurred digit or "
        "several at once; the smaller the parts, the less each says by itself, and the more the coefficients have to "
        "say.",
        f"Each fit is the best of {arrays['rank_error'].shape[1]} random starts, of {len(arrays['error'])} iterations.",
    )


def beside_pca(arrays: Arrays) -> str:
    components, r = arrays["components"], arrays["W"].shape[1]
    one_sign = int(np.sum(np.all(components >= 0, axis=1) | np.all(components <= 0, axis=1)))
    (nmf, nmf_unseen), (pca, pca_unseen) = arrays["errors"]
    below = np.mean(rebuilt_by_pca(arrays) < 0)
    return paragraphs(
        "PCA writes an image as the mean image plus a sum of orthogonal components, with weights of either sign. In "
        f"the figure grey is 0, white is positive and black negative. {np.mean(components < 0):.0%} of the entries of "
        f"the components are negative; {one_sign} of {r} components have one sign only. The spread of |component| is "
        f"{np.mean(arrays['pca_spread']):.1f} pixels in the mean, that of the components of NMF "
        f"{np.nanmean(arrays['spread']):.1f}.",
        f"With {r} components the relative error on the fitted images is {nmf:.4f} for NMF and {pca:.4f} for PCA, on "
        f"the unseen ones {nmf_unseen:.4f} and {pca_unseen:.4f}. In the images that PCA rebuilds in the figure, "
        f"{below:.0%} of the pixels are below 0, darker than any background; in those of NMF none can be.",
    )


def measures(arrays: Arrays) -> dict[str, bool]:
    """By which measures the components of NMF are easier to interpret than those of PCA."""
    used, used_by_pca = arrays["used"]
    return {
        "sparsity": bool(np.mean(arrays["hoyer"]) > np.mean(arrays["pca_hoyer"])),
        "spread": bool(np.nanmean(arrays["spread"]) < np.mean(arrays["pca_spread"])),
        "number of components in an image": bool(used < used_by_pca),
    }


def lower_error(arrays: Arrays) -> str:
    r, bound = arrays["W"].shape[1], float(arrays["bound"])
    (nmf, nmf_unseen), (pca, pca_unseen) = arrays["errors"]
    below, above = arrays["rank_pca"] <= arrays["rank_bound"], arrays["rank_bound"][:, None] <= arrays["rank_error"]
    holds = bool(np.all(below) and np.all(above) and pca <= bound <= nmf)
    lower, higher = ("PCA", "NMF") if pca_unseen <= nmf_unseen else ("NMF", "PCA")
    ratio = max(nmf_unseen, pca_unseen) / min(nmf_unseen, pca_unseen) - 1
    for_nmf = [name for name, better in measures(arrays).items() if better]
    if pca < nmf and for_nmf:
        answer = (
            f"No. Here PCA has the lower error, {pca:.4f} against {nmf:.4f} at r = {r}, and NMF is ahead in "
            f"{enumeration(for_nmf)} (see the question before)."
        )
    else:
        answer = (
            f"These numbers are no example against it: the errors are {pca:.4f} (PCA) and {nmf:.4f} (NMF) at r = {r}, "
            f"and NMF is ahead in {'some' if for_nmf else 'none'} of the measures of the question before."
        )
    return paragraphs(
        f"{answer} The error measures how near W H is to X, and says nothing about what a single component shows.",
        "That the error of PCA is lower is no merit of its components. The truncated SVD has the least error of all "
        "matrices of rank r (Eckart and Young; statement 12 of `proofs/`), and W H is such a matrix, with a constraint "
        "more. PCA may use the mean image on top: a mean of 0 would give the SVD, and the best mean is at least as "
        f"good. So error of PCA ≤ error of the SVD ≤ error of NMF, here {pca:.4f}, {bound:.4f}, {nmf:.4f}. The order "
        f"{'holds' if holds else 'FAILS, which cannot be right,'} at each rank computed.",
        f"On unseen images nothing forces it. Here {lower} has the lower error, {min(nmf_unseen, pca_unseen):.4f} "
        f"against {max(nmf_unseen, pca_unseen):.4f} of {higher} ({ratio:.1%} more).",
    )


def interpretation(arrays: Arrays) -> str:
    (nmf, pca), (used, used_by_pca), r = arrays["cancelled"], arrays["used"], arrays["W"].shape[1]
    hoyer, pca_hoyer = np.mean(arrays["hoyer"]), np.mean(arrays["pca_hoyer"])
    own, pca_own = np.nanmean(arrays["spread"]), np.mean(arrays["pca_spread"])
    count = sum(measures(arrays).values())
    verdict = {
        3: "NMF, for its signs and by all three measures below.",
        0: "NMF for its signs alone: by the three measures below PCA is ahead.",
    }.get(count, f"NMF for its signs, and by {count} of the three measures below.")
    erased = " Most of what a component of PCA draws is erased by others." if pca > 0.5 else ""
    return paragraphs(
        verdict,
        "Signs. A component of NMF is itself an image: ink that is there or not, and a weight says how much of it. A "
        "component of PCA has ink and negative ink, and a weight of either sign swaps them: what it says about an "
        f"image depends on all the others. Of all that the components contribute to the pixels, {nmf:.0%} cancels in "
        f"NMF and {pca:.0%} in PCA.{erased}",
        f"Measures. The mean Hoyer sparsity of a component is {hoyer:.2f} with NMF and {pca_hoyer:.2f} with PCA, its "
        f"spread {own:.1f} and {pca_own:.1f} pixels, and an image uses {used:.0f} of {r} components with NMF and "
        f"{used_by_pca:.0f} with PCA.",
    )


def when(arrays: Arrays) -> str:
    ranks, alike, nested = arrays["ranks"], arrays["rank_alike"], arrays["rank_nested"]
    nmf_seconds, pca_seconds = arrays["seconds"]
    same = "the same again" if np.all(alike > 0.99) else "not the same again"
    return paragraphs(
        f"Cost. The fit of NMF took {nmf_seconds:.2f} s for {counted(len(arrays['error']), 'iteration')}, without the "
        f"compilation, and PCA {pca_seconds:.2f} s: a ratio of {nmf_seconds / pca_seconds:.1f}. That is this machine, "
        "one run, and PCA by a full SVD. An iteration of NMF costs two products with X, 4mnr operations, and how many "
        "iterations are enough is for the user to judge. Weights of a new image are one product with PCA, a "
        "nonnegative least squares problem with NMF.",
        "Uniqueness. PCA has one answer, up to signs, where the singular values differ. NMF depends on the start: two "
        f"starts give components that are {same}: those of the one are found again in the other with a mean cosine "
        f"between {alike.min():.2f} and {alike.max():.2f} over the ranks, though their errors differ by at most "
        f"{np.max(np.ptp(arrays['rank_error'], axis=1) / arrays['rank_error'].min(axis=1)):.1%}.",
        "Nesting. PCA of a lower rank is the beginning of PCA of a higher one (mean |cosine| "
        f"{float(arrays['pca_nested']):.4f}). NMF starts anew: the components of one rank are found again at the next "
        f"of the ranks {', '.join(map(str, ranks))} with a mean cosine of {span(nested, '.2f')}.",
        "Order. The components of PCA come by the variance they explain, so that one can stop anywhere. Those of NMF "
        "have no order; by ink is one of several.",
        "So: PCA for the least error, for compression, for uncorrelated coordinates, for a unique answer, and where "
        "the rank is still open. NMF where the data are amounts that add up and the parts are to be read, with several "
        "starts, and a rank that was chosen on purpose.",
    )


class Related(NamedTuple):
    """An active component k of an image: its share of the ink, what it is, where, how much of it is on the digit."""

    k: int
    share: float
    kind: str
    place: str
    on: float


def relate(arrays: Arrays, j: int) -> list[Related]:
    """The most active components of image j."""
    share, on = shares(arrays)[:, j], on_the_ink(arrays)[:, j]
    best = [k for k in np.argsort(-share)[:NUM_RELATED] if share[k] > 0]
    feature = arrays["features"]
    return [
        Related(int(k), float(share[k]), kind_of(feature[k]), place_of(arrays, feature[k]), float(on[k])) for k in best
    ]


def on_the_ink(arrays: Arrays) -> np.ndarray:
    """(r, K): the share of each component's ink on the pixels where the image has any; the columns of W sum to 1."""
    return arrays["W"].T @ (arrays["drawn"] > 0)


def kind_of(feature) -> str:
    """What `features` say of a component: a spot, or a stroke and its direction."""
    length, angle = feature[2:]
    if not length >= STROKE:
        return "spot"
    names = ("horizontal stroke", "stroke rising to the right", "vertical stroke", "stroke falling to the right")
    return names[round((angle % 180) / 45) % 4]


def place_of(arrays: Arrays, feature) -> str:
    """Where it lies, from the middle of all ink."""
    side = float(arrays["whole_spread"]) / np.sqrt(2)
    down, right = (feature[:2] - arrays["centre"]) / side
    vertical = "upper" if down < -ASIDE else "lower" if down > ASIDE else ""
    horizontal = "left" if right < -ASIDE else "right" if right > ASIDE else ""
    return " ".join(filter(None, (vertical, horizontal))) or "middle"


def feature_table(arrays: Arrays) -> Table:
    rows = [
        (
            named(arrays, j),
            str(arrays["labels"][j]),
            str(one.k + 1),
            f"{one.share:.0%}",
            one.kind,
            one.place,
            f"{one.on:.0%}",
        )
        for j in range(len(arrays["columns"]))
        for one in relate(arrays, j)
    ]
    columns = ("image", "digit", "component", "share of the ink", "what it is", "where", "on the ink of the image")
    caption = (
        f"A stroke is at least {STROKE:g} times as long as wide where it has at least {BRIGHT:.0%} of its largest "
        "entry, a spot is not; and where this is, from the middle of the ink of "
        "all images."
    )
    return Table(columns, rows, caption)


def active_table(arrays: Arrays) -> Table:
    path, rows = errors_of_build_up(arrays), []
    for j, share in enumerate(shares(arrays).T):
        best = [k for k in np.argsort(-share)[:5] if share[k] > 0]
        rows.append(
            (
                named(arrays, j),
                str(arrays["labels"][j]),
                str(np.count_nonzero(share)),
                ", ".join(f"{k + 1} ({share[k]:.0%})" for k in best),
                f"{path[j, -1]:.3f}",
            )
        )
    columns = ("image", "digit", "components in use", "most active (share of the ink)", "error")
    return Table(columns, rows, "Components are numbered as in the figure of the basis, by their ink in all images.")


def rank_table(arrays: Arrays) -> Table:
    names = ("rank_pca", "rank_bound", "rank_hoyer", "rank_spread", "rank_zeros", "rank_used", "rank_alike")
    rows = [
        (
            str(rank),
            f"{error:.4f}",
            f"{pca:.4f}",
            f"{bound:.4f}",
            f"{error / bound - 1:.1%}",
            f"{hoyer:.2f}",
            f"{own:.1f}",
            f"{zeros:.0%}",
            f"{used:.1f}",
            f"{alike:.2f}",
        )
        for rank, error, pca, bound, hoyer, own, zeros, used, alike in zip(
            arrays["ranks"], arrays["rank_error"].min(axis=1), *(arrays[name] for name in names), strict=True
        )
    ]
    columns = (
        "r",
        "NMF",
        "PCA",
        "SVD",
        "NMF above SVD",
        "Hoyer",
        "spread, px",
        "zeros in W",
        "in an image",
        "starts alike",
    )
    return Table(
        columns,
        rows,
        "Relative errors; means over the components; components in an image; starts alike (1: the same components).",
    )


def method_table(arrays: Arrays) -> Table:
    rows = [
        (name, *(f"{error:.4f}" for error in errors), f"{hoyer.mean():.2f}", f"{np.nanmean(own):.1f}", f"{used:.0f}")
        for name, errors, hoyer, own, used in zip(
            ("NMF", "PCA"),
            arrays["errors"],
            (arrays["hoyer"], arrays["pca_hoyer"]),
            (arrays["spread"], arrays["pca_spread"]),
            arrays["used"],
            strict=True,
        )
    ]
    columns = ("method", "error, fitted", "error, unseen", "Hoyer", "spread, px", "weights not 0")
    return Table(columns, rows, f"{arrays['W'].shape[1]} components each; PCA has the mean image besides.")


def shares(arrays: Arrays) -> np.ndarray:
    """(r, K): the share of each component in the ink of W h; 0 where there is none."""
    H = arrays["weights"]
    total = H.sum(axis=0)
    return np.divide(H, total, out=np.zeros(H.shape), where=total > 0)


def rebuilt_by_pca(arrays: Arrays) -> np.ndarray:
    """(m, K)"""
    return arrays["components"].T @ arrays["scores"] + arrays["mean"][:, None]


def named(arrays: Arrays, j: int) -> str:
    return f"{'fitted' if arrays['fitted'][j] else 'unseen'} {arrays['columns'][j]}"


def counted(number, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def span(values, kind: str) -> str:
    """The least and the greatest of the values, or the one where they are written alike."""
    low, high = format(np.min(values), kind), format(np.max(values), kind)
    return low if low == high else f"{low} to {high}"


# What they look like


def plot(arrays: Arrays) -> dict[str, Any]:
    return {
        "digits": plot_digits(arrays),
        "convergence": plot_convergence(arrays),
        "components": plot_components(arrays),
        "active": plot_active(arrays),
        "built-up": plot_build_up(arrays),
        "ranks": plot_ranks(arrays),
        "examples": plot_examples(arrays),
        "pca-components": plot_pca_components(arrays),
        "pca-reconstructions": plot_reconstructions(arrays),
    }


def new_figure(width: float, height: float):
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def show(ax, image, arrays: Arrays, title: str = "", **style):
    """One column as an image, on the scale of X unless told otherwise."""
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize="small")
    scale = {"vmin": 0, "vmax": arrays["drawn"].max(), "cmap": "gray", "interpolation": "nearest"}
    return ax.imshow(image.reshape(arrays["shape"], order=str(arrays["order"])), **(scale | style))


def plot_digits(arrays: Arrays):
    given = np.flatnonzero(arrays["fitted"])
    figure = new_figure(1.8 * len(given) + 0.8, 2.2)
    grid = figure.subplots(1, len(given), squeeze=False)[0]
    for ax, j in zip(grid, given, strict=True):
        drawn = show(ax, arrays["drawn"][:, j], arrays, f"image {arrays['columns'][j]}: digit {arrays['labels'][j]}")
    figure.colorbar(drawn, ax=grid, label="grey value")
    return figure


def plot_components(arrays: Arrays):
    W = arrays["W"] / np.maximum(arrays["W"].max(axis=0), np.finfo(float).tiny)
    num_columns = int(np.ceil(np.sqrt(1.5 * W.shape[1])))
    num_rows = -(-W.shape[1] // num_columns)
    figure = new_figure(0.95 * num_columns + 0.9, 1.12 * num_rows)
    grid = figure.subplots(num_rows, num_columns, squeeze=False)
    for ax in grid.flat[W.shape[1] :]:
        ax.set_axis_off()
    for k, (ax, w) in enumerate(zip(grid.flat, W.T, strict=False)):
        drawn = show(ax, w, arrays, str(k + 1), vmax=1)
    figure.colorbar(drawn, ax=grid, label="entry of $W$, largest 1", shrink=0.5, aspect=15)
    return figure


def plot_convergence(arrays: Arrays):
    from matplotlib.ticker import PercentFormatter

    error, bound = np.concatenate([[arrays["start_error"]], arrays["error"]]), float(arrays["bound"])
    figure = new_figure(9, 3.4)
    left, right = figure.subplots(1, 2)
    left.plot(error, color=BLUE, linewidth=1.5, label=ALGORITHM_NAME)
    left.axhline(bound, color=GREY, linestyle=":", label="truncated SVD")
    left.set(xlabel="iteration", ylabel=r"relative error $\Vert X - WH\Vert\ /\ \Vert X\Vert$", ylim=(0, None))
    right.plot(np.arange(1, len(error)), error[1:] / bound - 1, color=BLUE, linewidth=1.5)
    right.set(xscale="log", xlabel="iteration", ylabel="error above that of the SVD", ylim=(0, None))
    right.xaxis.set_major_formatter("{x:g}")
    right.yaxis.set_major_formatter(PercentFormatter(1))
    for ax in (left, right):
        ax.grid(alpha=0.3)
    left.legend()
    return figure


def image_grid(arrays: Arrays, num_columns: int):
    """A figure with a row for each image drawn, its name beside it, and the frames."""
    K = len(arrays["columns"])
    figure = new_figure(1.08 * num_columns + 0.9, 1.28 * K)
    grid = figure.subplots(K, num_columns, squeeze=False)
    for j, axes in enumerate(grid):
        axes[0].set_ylabel(f"{named(arrays, j)}\ndigit {arrays['labels'][j]}", fontsize="small")
    return figure, grid


def plot_active(arrays: Arrays):
    share, r = shares(arrays), arrays["W"].shape[1]
    count = min(NUM_ACTIVE, r)
    figure, grid = image_grid(arrays, count + 2)
    for j, axes in enumerate(grid):
        h = arrays["weights"][:, j]
        drawn = show(axes[0], arrays["drawn"][:, j], arrays, "image $x$")
        for ax, k in zip(axes[1:-1], np.argsort(-h)[:count], strict=True):
            show(ax, h[k] * arrays["W"][:, k], arrays, f"{k + 1}: {share[k, j]:.0%}")
        show(axes[-1], arrays["W"] @ h, arrays, f"all {r}: $Wh$")
    figure.colorbar(drawn, ax=grid, label="grey value", shrink=0.5)
    return figure


def plot_build_up(arrays: Arrays):
    path, r = errors_of_build_up(arrays), arrays["W"].shape[1]
    steps = [*(step for step in STEPS if step < r), r]
    figure, grid = image_grid(arrays, len(steps) + 1)
    for j, (axes, sums) in enumerate(zip(grid, built_up(arrays), strict=True)):
        for ax, step in zip(axes, steps, strict=False):
            drawn = show(ax, sums[step], arrays, f"{step}: error {path[j, step]:.2f}")
        show(axes[-1], arrays["drawn"][:, j], arrays, "image $x$")
    figure.colorbar(drawn, ax=grid, label="grey value", shrink=0.5)
    return figure


def plot_ranks(arrays: Arrays):
    ranks = arrays["ranks"]
    figure = new_figure(10, 3.4)
    errors, sparsity, width = figure.subplots(1, 3)
    best = arrays["rank_error"].min(axis=1)
    errors.plot(ranks, best, color=BLUE, marker="o", label="NMF")
    errors.plot(ranks, arrays["rank_bound"], color="0.75", linewidth=5, label="truncated SVD")
    errors.plot(ranks, arrays["rank_pca"], color=ORANGE, linestyle="--", marker="s", markersize=4, label="PCA")
    errors.set(ylabel="relative error", ylim=(0, None))
    errors.legend()
    sparsity.plot(ranks, arrays["rank_hoyer"], color=BLUE, marker="o", label="Hoyer sparsity")
    sparsity.plot(ranks, arrays["rank_zeros"], color=GREEN, linestyle="--", marker="^", label="share of zeros in $W$")
    sparsity.set(ylabel="sparsity of the components", ylim=(0, 1))
    sparsity.legend()
    width.plot(ranks, arrays["rank_spread"], color=BLUE, marker="o", label="a component (mean)")
    width.axhline(float(arrays["whole_spread"]), color=GREY, linestyle=":", label="an image (median)")
    width.set(ylabel="spread of the ink, pixels", ylim=(0, None))
    width.legend()
    for ax in (errors, sparsity, width):
        ax.set_xlabel("rank $r$")
        ax.grid(alpha=0.3)
    return figure


def plot_examples(arrays: Arrays):
    examples = arrays["examples"]
    figure = new_figure(0.95 * NUM_EXAMPLES + 1, 1.0 * len(examples))
    grid = figure.subplots(len(examples), NUM_EXAMPLES, squeeze=False)
    for rank, axes, images in zip(arrays["ranks"], grid, examples, strict=True):
        axes[0].set_ylabel(f"$r$ = {rank}")
        for ax, image in zip(axes, images, strict=True):
            if image.any():
                drawn = show(ax, image / image.max(), arrays, vmax=1)
            else:
                ax.set_axis_off()
    figure.colorbar(drawn, ax=grid, label="entry of $W$, largest 1", shrink=0.6)
    return figure


def plot_pca_components(arrays: Arrays):
    side = min(5, int(np.sqrt(arrays["W"].shape[1])))
    figure = new_figure(9.6, 4.6)
    W, components = arrays["W"].T[: side**2], arrays["components"][: side**2]
    halves = (
        ("NMF: the components with the most ink", [w / max(w.max(), np.finfo(float).tiny) for w in W], 0),
        ("PCA: the components with the most variance", [c / np.abs(c).max() for c in components], -1),
    )
    pair: Any = figure.subfigures(1, 2)
    for half, (title, images, least) in zip(pair, halves, strict=True):
        grid = half.subplots(side, side, squeeze=False)
        for ax, image in zip(grid.flat, images, strict=True):
            drawn = show(ax, image, arrays, vmin=least, vmax=1)
        half.suptitle(title, fontsize="medium")
        half.colorbar(drawn, ax=grid, label="entry, largest 1" if least == 0 else "entry, largest size 1", shrink=0.8)
    return figure


def plot_reconstructions(arrays: Arrays):
    x = arrays["drawn"]
    rows = (("image $x$", x), ("NMF", arrays["W"] @ arrays["weights"]), ("PCA", rebuilt_by_pca(arrays)))
    scale = {"vmin": min(images.min() for _, images in rows), "vmax": max(images.max() for _, images in rows)}
    figure = new_figure(1.2 * x.shape[1] + 1.4, 4.3)
    grid = figure.subplots(3, x.shape[1], squeeze=False)
    for axes, (name, images) in zip(grid, rows, strict=True):
        for j, ax in enumerate(axes):
            title = f"{named(arrays, j)}" if images is x else f"error {relative_error(x[:, j], images[:, j]):.3f}"
            drawn = show(ax, images[:, j], arrays, title, **scale)
        axes[0].set_ylabel(name)
    figure.colorbar(drawn, ax=grid, label="grey value, below 0 darker than the background", shrink=0.8)
    return figure
