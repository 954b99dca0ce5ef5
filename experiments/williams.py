"""The scree, similarity and heatmap exercises of A. H. Williams, as one study."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np

import jnmf
from experiments import data
from experiments.study import Arrays, Section, Table
from jnmf import Factors

TITLE = "Homework: how many components?"
SOURCE = "A. H. Williams, exercises on nonnegative matrix factorisation: scree plot, similarity plot, sorted heatmaps"


@dataclass(frozen=True)
class Settings:
    ranks: tuple[int, ...] = tuple(range(1, 11))
    num_restarts: int = 20
    num_iters: int = 30  # exact alternations, as the exercise asks
    holdouts: int = 8
    rank: int = 3  # of the sorted heatmaps, and one of `ranks`
    seed: int = 0


FULL = Settings(num_restarts=50, holdouts=20)
TINY = Settings(ranks=(2, 3, 4), num_restarts=3, num_iters=5, holdouts=2)


def compute(settings: Settings, progress: bool = False) -> Arrays:
    """The data, a sweep of them and of the same with shuffled columns, the SVD line, similarities, cross-validation."""
    if settings.rank not in settings.ranks:
        raise ValueError(f"rank: expected one of the ranks {settings.ranks}, got {settings.rank}")
    X, note = data.or_stand_in(data.williams_matrix, data.signed_rank_3)
    ranks, key = settings.ranks, settings.seed
    study = {"num_restarts": settings.num_restarts, "algorithm": jnmf.ANLS(), "num_iters": settings.num_iters}
    fits = jnmf.sweep(X, ranks, key=key, progress=progress, **study)
    shuffled = jnmf.sweep(jnmf.shuffle_columns(X), ranks, key=key, progress=progress, **study)
    alike = jnmf.sweep_similarity(fits)
    held_out = jnmf.cross_validate(X, ranks, num_restarts=settings.holdouts, key=key, progress=progress)
    W, H = fits.best(settings.rank)
    rows, columns = jnmf.clusters(Factors(W, H))
    arrays = {
        "X": X,
        "ranks": fits.ranks,
        "rank": settings.rank,
        "svd": jnmf.svd_rmse(X, ranks),
        "row_clusters": rows,
        "column_clusters": columns,
        "W": W,
        "H": H,
        "notes": [note] if note else [],
    }
    for name, sweep in (("fits", fits), ("shuffled", shuffled)):
        arrays |= {f"{name}.{key}": getattr(sweep, key) for key in ("loss", "rmse", "status")}
    arrays |= {f"similarity.{key}": value for key, value in alike._asdict().items()}
    arrays |= {f"held_out.{key}": value for key, value in held_out._asdict().items()}
    return {key: np.asarray(value) for key, value in arrays.items()}


def grouped(arrays: Arrays, prefix: str) -> Any:
    """The arrays PREFIX.name as attributes, with the ranks."""
    names = {key.removeprefix(f"{prefix}."): a for key, a in arrays.items() if key.startswith(f"{prefix}.")}
    return SimpleNamespace(**{"ranks": arrays["ranks"]} | names)


def plot(arrays: Arrays) -> dict[str, Any]:
    fits, shuffled = grouped(arrays, "fits"), grouped(arrays, "shuffled")
    return {
        "scree": jnmf.plot.scree(fits, svd=arrays["svd"], baseline=shuffled).figure,
        "similarity": jnmf.plot.similarity(grouped(arrays, "similarity")).figure,
        "cross_validation": jnmf.plot.cross_validation(grouped(arrays, "held_out")).figure,
        "heatmaps": jnmf.plot.heatmaps(arrays["X"], Factors(jnp.asarray(arrays["W"]), jnp.asarray(arrays["H"]))),
    }


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section("How does the error fall with the rank?", scree(arrays), ("scree",), (errors(arrays),)),
        Section("Is the error sensitive to the start?", sensitivity(arrays)),
        Section("Is NMF or the SVD favoured on this plot, and can NMF ever win?", against_svd(arrays)),
        Section("Do the restarts find the same components?", similarity(arrays), ("similarity",)),
        Section("How many components, then?", chosen(arrays), ("cross_validation",)),
        Section("What do the data look like, sorted by component?", blocks(arrays), ("heatmaps",)),
        Section("A part of the data is negative. What does that mean for the model?", negative_entries(arrays)),
    ]


def elbow(arrays: Arrays) -> int:
    """The rank after which the best error falls least compared with the fall before it."""
    best = arrays["fits.rmse"].min(axis=1)
    falls = -np.diff(best)
    if len(falls) < 2:
        return int(arrays["ranks"][0])
    ratios = falls[:-1] / np.maximum(falls[1:], 1e-3 * falls.max())
    return int(arrays["ranks"][np.argmax(ratios) + 1])


def errors(arrays: Arrays) -> Table:
    rows = []
    for i, rank in enumerate(arrays["ranks"]):
        rmse, shuffled = arrays["fits.rmse"][i], arrays["shuffled.rmse"][i]
        alike = [np.median(arrays[f"similarity.{key}"][i]) for key in ("W_to_best", "H_to_best")]
        numbers = (rmse.min(), rmse.max(), arrays["svd"][i], shuffled.min(), *alike)
        rows.append((str(rank), *(f"{x:.6f}" for x in numbers[:4]), *(f"{x:.3f}" for x in numbers[4:])))
    columns = ("rank", "RMSE, best", "worst", "truncated SVD", "shuffled, best", "similarity of W", "of H")
    return Table(columns, rows, "RMSE over the restarts, and the median similarity of a restart to the best one")


def scree(arrays: Arrays) -> str:
    best, ranks = arrays["fits.rmse"].min(axis=1), arrays["ranks"]
    ends = f"from {best[0]:.4f} at rank {ranks[0]} to {best[-1]:.4f} at rank {ranks[-1]}"
    return (
        f"The RMSE sqrt(mean((X − W H)²)) of the best of {arrays['fits.rmse'].shape[1]} restarts falls {ends}. The "
        f"elbow, where the fall breaks off, is at rank {elbow(arrays)}: further components take away little more than "
        "they do in data whose columns were shuffled each by itself (the second line), where there is nothing to find."
    )


def sensitivity(arrays: Arrays) -> str:
    rmse = arrays["fits.rmse"]
    spread = (rmse.max(axis=1) - rmse.min(axis=1)) / rmse.min(axis=1)
    widest, ranks = int(np.argmax(spread)), arrays["ranks"]
    at = int(np.flatnonzero(ranks == arrays["rank"])[0])
    near = np.mean(rmse[at] <= 1.001 * rmse[at].min())
    return (
        f"{'Hardly' if near > 0.8 else 'Yes'}: at rank {ranks[at]}, {near:.0%} of the restarts end within "
        f"0.1 % of the best; the worst is {spread[at]:.1%} above it. " + "The spread is largest at rank "
        f"{ranks[widest]}, {spread[widest]:.1%}. The same error does not mean the same components: see the similarity."
    )


def against_svd(arrays: Arrays) -> str:
    ratio = arrays["fits.rmse"].min(axis=1) / arrays["svd"] - 1
    lower = np.sum(arrays["fits.rmse"].min(axis=1) < arrays["svd"] * (1 - 1e-12))
    return (
        "The SVD. It gives the best of all matrices of a rank (Eckart and Young), and W H is one of them, so that no "
        "NMF can lie below its line, with any start or algorithm; the plot compares a constrained problem with the "
        f"same problem without the constraint. The best NMF is {ratio.min():.2%} to {ratio.max():.2%} above it; "
        f"restarts below the line: {lower}. What NMF gives for that is components that can be read: they only add."
    )


def similarity(arrays: Arrays) -> str:
    ranks, W = arrays["ranks"], np.median(arrays["similarity.W_to_best"], axis=1)
    H = np.median(arrays["similarity.H_to_best"], axis=1)
    stable = [str(r) for r, w, h in zip(ranks, W, H, strict=True) if min(w, h) > 0.99]
    lowest = int(np.argmin(np.minimum(W, H)))
    return (
        "The score is the mean cosine of the columns under the best matching; 1 says that the restarts agree up to "
        f"order and scale. The median score to the best restart is above 0.99 for W and for H at rank "
        f"{', '.join(stable) or 'none'}; it is lowest at rank {ranks[lowest]}, {W[lowest]:.3f} for W and "
        f"{H[lowest]:.3f} for H. Beyond the rank of the data, the further components fit noise, and each start fits "
        "another part of it."
    )


def chosen(arrays: Arrays) -> str:
    cv = grouped(arrays, "held_out")
    agree = "the same as" if int(cv.rank) == elbow(arrays) else "not the same as"
    test = np.nanmean(cv.test, axis=1)
    return (
        f"Cross-validation leaves out a tenth of the entries, fits the rest and predicts what was left out: the error "
        f"is least at rank {cv.rank} ({test.min():.4f}), and within one standard error of that at rank {cv.rank_1se}. "
        f"That is {agree} the elbow, {elbow(arrays)}. The error of the fitted entries falls on; that of the others "
        "rises again once components fit noise, so that there is a minimum to choose and not a bend to judge by eye."
    )


def blocks(arrays: Arrays) -> str:
    sizes = [", ".join(map(str, sorted(np.bincount(arrays[key])))) for key in ("row_clusters", "column_clusters")]
    return (
        f"Each row and column is put with the component of its largest loading (unit-norm components), and within a "
        f"cluster by its strength. At rank {arrays['rank']} the rows form blocks of {sizes[0]} and the columns of "
        f"{sizes[1]}; in the raw order, nothing is to be seen."
    )


def rms(A) -> float:
    return float(np.sqrt(np.mean(A**2)))


def negative_entries(arrays: Arrays) -> str:
    X, WH = arrays["X"], arrays["W"] @ arrays["H"]
    negative = X < 0
    if not negative.any():
        return "None of these data is negative."
    lost = np.sum(np.minimum(X, 0) ** 2) / np.sum((X - WH) ** 2)
    return (
        f"{negative.sum()} of {X.size} entries ({negative.mean():.0%}) are negative, down to {X.min():.3f}. W H ≥ 0 "
        "cannot reach them: the least that they add to the squared error is their own squares, which are "
        f"{lost:.0%} of it at rank {arrays['rank']}. The model is still right if they are noise around small "
        f"nonnegative values. Their size says so: their root mean square is {rms(X[negative]):.3f}, "
        f"that of the whole residual {rms(X - WH):.3f}. Least squares may be fitted to them as "
        "they are; clipping them would shift the noise, and KL and the other divergences, with the logarithm of X or a "
        "variance that grows with it, are not defined for them."
    )
