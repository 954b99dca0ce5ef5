"""Components that many restarts agree on: outliers left out, the others clustered, the median of each cluster."""

from typing import Literal, NamedTuple

import numpy as np

from jnmf import checks, door
from jnmf.algorithm import Algorithm, Combinator
from jnmf.algorithms import HALS
from jnmf.exposures import exposures
from jnmf.factors import Factors
from jnmf.results import Status, saved
from jnmf.types import HasMembers, Integer, Mask, MatrixLike, Number

INSTALL = "run pip install 'jnmf[experiments]'"
NUM_STARTS = 10  # of k-means


@saved
class ConsensusComponents(NamedTuple):
    """What S restarts of rank r agree on: see `consensus_components`.

    factors: W (m, r) and H (r, n); density and labels (S, r), of each component of each restart; silhouette, a number.
    """

    factors: Factors
    density: np.ndarray
    labels: np.ndarray
    silhouette: float

    @property
    def kept(self) -> np.ndarray:
        """(S, r): which components are not outliers."""
        return self.labels >= 0


def consensus_components(
    X: MatrixLike,
    sweep: HasMembers,
    rank: Integer,
    algorithm: Algorithm | Combinator | None = None,
    *,
    threshold: Number = 0.5,
    neighbours: Number = 0.3,
    axis: Literal[0, 1] = 0,
    key: int = 0,
    mask: Mask = None,
) -> ConsensusComponents:
    r"""The consensus components ("programs") of the restarts of a rank (Kotliar et al. 2019, consensus NMF).

    X (m, n): what was swept. sweep: `ranks`, `loss`, `status`, `members`, as of `sweep`, with S restarts of `rank`.
    axis: which axis of X has the samples. 0: its rows, and the components are the rows of H; 1: its columns, and the
        components are the columns of W. Below they are rows of H.
    algorithm: that of the sweep, for its loss and the penalties of the exposures (default: Frobenius, none).

    1. All S r components u are taken at Euclidean length 1.
    2. The local density of each is its mean distance ‖u − v‖₂ to its round(neighbours · S) nearest others (at least
       one): a component that most restarts find has that many close to it. Where it is above `threshold` the component
       is an outlier, and so is one that is zero or of a restart that diverged. Unit vectors ≥ 0 are at most √2 apart: a
       threshold of 2 keeps all.
    3. k-means, the best of ten starts from `key`, puts the others into r clusters.
    4. H has the medians of the clusters, entry by entry, divided by their sums, the largest cluster first; W is
       `transform(X, H)`, with the loss and penalties of the algorithm.

    labels (S, r): the cluster of each component, which is a row of H, or −1. density (S, r): NaN where there is none.
    silhouette: the mean silhouette width of the clusters (Rousseeuw 1987) by Euclidean distance, the stability by which
    Kotliar et al. compare ranks; 0 where it is not defined, as at rank 1.

    Kotliar, Veres, Nagy, Tabrizi, Hodis, Melton and Sabeti 2019, "Identifying gene expression programs of cell-type
    identity and cellular activity with single-cell RNA-Seq", eLife 8, methods. Raises ValueError for a rank that was
    not swept, fewer than r components left, and as `transform` does; ImportError where scikit-learn is missing.

    >>> sweep = jnmf.sweep(X, [1, 2], num_restarts=3, max_iters=50)
    >>> sorted(jnmf.consensus_components(X, sweep, 2).factors.H.round(1).tolist())
    [[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 0.0, 0.0]]
    """
    checks.axis(axis)
    for name, value in (("threshold", threshold), ("neighbours", neighbours)):
        checks.number(value, name)
    entered, algorithm = door.enter(X, mask), HALS() if algorithm is None else algorithm
    checks.algorithm(algorithm)
    found = np.flatnonzero(np.asarray(sweep.ranks) == rank)
    if not found.size:
        raise ValueError(f"rank: expected one of {', '.join(map(str, np.asarray(sweep.ranks)))}, got {rank!r}")
    i = int(found[0])
    factors = sweep.members[i]
    finite = ~np.isnan(np.asarray(sweep.loss[i])) & (np.asarray(sweep.status[i]) != Status.NONFINITE)
    components = np.asarray(factors.H if axis == 0 else np.swapaxes(factors.W, 1, 2), float)
    S, r, length = components.shape
    if length != entered.X.shape[1 - axis]:
        raise ValueError(
            f"sweep: expected one of X {entered.X.shape}, whose components along axis {axis} have "
            f"{entered.X.shape[1 - axis]} entries, got {length}"
        )
    units = _unit_rows(np.where(finite[:, None, None], components, 0).reshape(S * r, length))
    there = np.flatnonzero(units.any(axis=1))
    density = np.full(S * r, np.nan)
    density[there] = local_density(units[there], max(1, round(float(neighbours) * S)))
    kept = np.flatnonzero(density <= threshold)
    if kept.size < r:
        raise ValueError(
            f"threshold: expected at least {r} components that are no outliers, got {kept.size} of {S * r} with a "
            f"density of at most {threshold:g}; raise it, or take more restarts or a lower rank"
        )
    of_kept, silhouette = _clustered(units[kept], r, key)
    labels = np.full(S * r, -1)
    labels[kept] = of_kept
    medians = np.stack([np.median(units[labels == k], axis=0) for k in range(r)])
    total = medians.sum(axis=1, keepdims=True)
    medians = np.divide(medians, total, out=medians, where=total > 0).astype(entered.X.dtype)
    made = exposures(axis, entered.X, medians if axis == 0 else medians.T, algorithm)
    as_given = Factors(*(np.asarray(A).astype(entered.dtype) for A in made))  # pyright: ignore[reportArgumentType]
    return ConsensusComponents(as_given, density.reshape(S, r), labels.reshape(S, r), silhouette)


def _unit_rows(A):
    """At Euclidean length 1; a zero row stays zero."""
    largest = A.max(axis=1, keepdims=True)
    A = np.divide(A, largest, out=np.zeros_like(A), where=largest > 0)  # its squares stay in range
    length = np.linalg.norm(A, axis=1, keepdims=True)
    return np.divide(A, length, out=np.zeros_like(A), where=length > 0)


def local_density(units, number: int):
    """(k,): the mean distance of each unit row (k, n) to the `number` nearest others, at most all of them."""
    number = min(number, len(units) - 1)
    if number < 1:
        return np.full(len(units), np.inf)  # alone: no other restart has it
    squares = np.maximum(2 - 2 * units @ units.T, 0)
    np.fill_diagonal(squares, np.inf)
    nearest = np.partition(squares, number - 1, axis=1)[:, :number]
    return np.sqrt(nearest).mean(axis=1)


def _clustered(units, r: int, key: int):
    """The clusters, numbered from the largest to the smallest, and their mean silhouette width."""
    try:
        from sklearn.cluster import KMeans
        from sklearn.metrics import silhouette_score
    except ImportError as error:
        raise ImportError(f"consensus_components: expected scikit-learn to be installed; {INSTALL}") from error
    checks.count(key, "key", 0)
    different = len(np.unique(units, axis=0))
    if different < r:
        raise ValueError(f"sweep: expected at least {r} different components, got {different}; take a lower rank")
    labels = KMeans(r, n_init=NUM_STARTS, random_state=int(key) % 2**32).fit_predict(units)  # pyright: ignore[reportArgumentType]
    order = np.argsort(-np.bincount(labels, minlength=r), kind="stable")
    labels = np.argsort(order)[labels]
    several = 1 < len(np.unique(labels)) < len(units)
    return labels, float(silhouette_score(units, labels)) if several else 0.0
