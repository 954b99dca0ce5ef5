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
from jnmf.plot import BLUE, ORANGE

TITLE = "Homework: how many components?"
SOURCE = "A. H. Williams, exercises on nonnegative matrix factorisation: scree plot, similarity plot, sorted heatmaps"


@dataclass(frozen=True)
class Settings:
    ranks: tuple[int, ...] = tuple(range(1, 7))
    num_restarts: int = 20
    num_iters: int = 30  # exact alternations, as the exercise asks
    holdouts: int = 8
    rank: int = 3  # of the sorted heatmaps, and one of `ranks`
    seed: int = 0


FULL = Settings(ranks=tuple(range(1, 11)), num_restarts=50, holdouts=20)
TINY = Settings(ranks=(2, 3, 4), num_restarts=3, num_iters=5, holdouts=2)


def compute(settings: Settings, progress: bool = False) -> Arrays:
    """The data, a sweep of them and of the same with shuffled columns, the SVD line, similarities, cross-validation.

    The exercise updates U before V in X ≈ UVᵀ. `jnmf.ANLS` updates H before W in X ≈ W H: so it gets Xᵀ ≈ V Uᵀ, with V
    for W and Uᵀ for H. The arrays have U (m, r) and V (n, r).
    """
    if settings.rank not in settings.ranks:
        raise ValueError(f"rank: expected one of the ranks {settings.ranks}, got {settings.rank}")
    X, note = data.or_stand_in(data.williams_matrix, data.signed_rank_3)
    ranks, key = settings.ranks, settings.seed
    study = {"num_restarts": settings.num_restarts, "algorithm": jnmf.ANLS(), "num_iters": settings.num_iters}
    fits = jnmf.sweep(X.T, ranks, key=key, progress=progress, **study)
    shuffled = jnmf.sweep(jnmf.shuffle_columns(X).T, ranks, key=key, progress=progress, **study)
    alike = jnmf.sweep_similarity(fits)
    held_out = jnmf.cross_validate(X, ranks, num_restarts=settings.holdouts, key=key, progress=progress)
    V, U = fits.best(settings.rank).W, fits.best(settings.rank).H.T
    rows, columns = jnmf.clusters(Factors(U, V.T))
    arrays = {
        "X": X,
        "ranks": fits.ranks,
        "rank": settings.rank,
        "svd": jnmf.svd_rmse(X, ranks),
        "row_clusters": rows,
        "column_clusters": columns,
        "U": U,
        "V": V,
        "similarity.U_pairs": alike.H_pairs,
        "similarity.V_pairs": alike.W_pairs,
        "notes": [note] if note else [],
    }
    arrays["alive"] = [np.sum(np.any(np.asarray(members.H) > 0, axis=2), axis=1) for members in fits.members]
    for name, sweep in (("fits", fits), ("shuffled", shuffled)):
        arrays |= {f"{name}.{key}": getattr(sweep, key) for key in ("loss", "rmse", "status")}
    arrays |= {f"held_out.{key}": value for key, value in held_out._asdict().items()}
    return {key: np.asarray(value) for key, value in arrays.items()}


def grouped(arrays: Arrays, prefix: str) -> Any:
    """The arrays PREFIX.name as attributes, with the ranks."""
    names = {key.removeprefix(f"{prefix}."): a for key, a in arrays.items() if key.startswith(f"{prefix}.")}
    return SimpleNamespace(**{"ranks": arrays["ranks"]} | names)


def held_out_errors(arrays: Arrays) -> np.ndarray:
    """(R, folds): the RMSE of the entries that were left out."""
    return arrays["held_out.test"]


# Figures


def plot(arrays: Arrays) -> dict[str, Any]:
    pairs = SimpleNamespace(
        ranks=arrays["ranks"], W_pairs=arrays["similarity.U_pairs"], H_pairs=arrays["similarity.V_pairs"]
    )
    alike = jnmf.plot.similarity(pairs, names=("U", "V"))
    alike.set(xlabel="number of components $r$", xticks=arrays["ranks"])
    heatmaps = jnmf.plot.heatmaps(arrays["X"], Factors(jnp.asarray(arrays["U"]), jnp.asarray(arrays["V"].T)))
    for ax, order in zip(heatmaps.axes, ("", ", sorted"), strict=False):
        ax.set(xlabel=f"gene{order}", ylabel=f"sample{order}")
    return {
        "scree": draw_scree(arrays),
        "similarity": alike.figure,
        "cross_validation": draw_cross_validation(arrays),
        "heatmaps": heatmaps,
    }


def draw_scree(arrays: Arrays) -> Any:
    """The scree plot with the line of the SVD; what no common scale shows: how far each start is above that line; and
    what one component more takes away, beside the same in shuffled data."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 3.6), layout="constrained")
    scree, gap, falls = figure.subplots(1, 3)
    jnmf.plot.scree(grouped(arrays, "fits"), svd=arrays["svd"], ax=scree)
    scree.set_ylabel("RMSE")
    ranks, above = arrays["ranks"], 100 * (arrays["fits.rmse"] / arrays["svd"][:, None] - 1)
    gap.plot(np.repeat(ranks, above.shape[1]), above.ravel(), "o", color=BLUE, alpha=0.4, mew=0, label="each start")
    gap.plot(ranks, above.min(axis=1), color=BLUE, label="lowest of each $r$")
    gap.set(yscale="log", ylabel="NMF above the truncated SVD, %")
    gap.legend(fontsize="small")
    for name, color, dash, marker in (("fits", BLUE, "-", "o"), ("shuffled", ORANGE, "--", "s")):
        label = "the data" if name == "fits" else "columns shuffled"
        fall = -np.diff(arrays[f"{name}.rmse"].min(axis=1))
        falls.plot(ranks[1:], np.where(fall > 0, fall, np.nan), color=color, linestyle=dash, marker=marker, label=label)
    falls.set(yscale="log", ylabel="fall of the RMSE from the $r$ before")
    falls.legend(fontsize="small")
    for ax in (scree, gap, falls):
        ax.set(xlabel="number of components $r$", xticks=ranks)
        ax.grid(alpha=0.3)
    return figure


def draw_cross_validation(arrays: Arrays) -> Any:
    """The figure of the library, with the axis cut where single folds would set the scale."""
    test, train = held_out_errors(arrays), arrays["held_out.train"]
    ax = jnmf.plot.cross_validation(grouped(arrays, "held_out"))
    best, low = np.nanmin(np.nanmean(test, axis=1)), np.nanmin([test.min(), train.min()])
    top = 1.25 * best
    outside = int(np.sum(test > top))
    if outside:
        ax.set_ylim(low - 0.1 * (top - low), top)
        ax.set_title(f"{outside} of {test.size} test folds are above this range", fontsize="small")
    ax.set(xlabel="number of components $r$", xticks=arrays["ranks"], ylabel="RMSE of $UV^T$, in the unit of $X$")
    return ax.figure


# Answers


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section(
            "1 to 3. Scree plot: how does the RMSE fall with r, and is it sensitive to the start?",
            f"{sensitivity(arrays)}\n\n{scree(arrays)}",
            ("scree",),
            (errors(arrays),),
        ),
        Section(
            "4. Comparison with the truncated SVD: is the result favourable or unfavourable for NMF?",
            against_svd(arrays),
        ),
        Section(
            "5. Similarity plot: how alike are the U, and the V, of different starts?",
            similarity(arrays),
            ("similarity",),
        ),
        Section("6. Visualisation: do the sorted samples and genes reveal clusters?", blocks(arrays), ("heatmaps",)),
        Section("Beside the sheet: how many components, then?", chosen(arrays), ("cross_validation",)),
        Section(
            "Beside the sheet: a part of the data is negative. What does that mean for the model?",
            negative_entries(arrays),
        ),
    ]


def place(arrays: Arrays) -> int:
    """Where the chosen r stands among the ranks."""
    return int(np.flatnonzero(arrays["ranks"] == arrays["rank"])[0])


def elbow(arrays: Arrays) -> int:
    """The rank after which the best error falls least compared with the fall before it."""
    best = arrays["fits.rmse"].min(axis=1)
    falls = -np.diff(best)
    if len(falls) < 2:
        return int(arrays["ranks"][0])
    ratios = falls[:-1] / np.maximum(falls[1:], 1e-3 * falls.max())
    return int(arrays["ranks"][np.argmax(ratios) + 1])


def mean_pairs(pairs) -> np.ndarray:
    """(R,): the mean score of two different starts, from (R, S, S)."""
    one, other = np.triu_indices(pairs.shape[1], 1)
    if not one.size:
        return np.full(len(pairs), np.nan)
    return np.nanmean(pairs[:, one, other], axis=1)


def errors(arrays: Arrays) -> Table:
    alike = [mean_pairs(arrays[f"similarity.{name}_pairs"]) for name in ("U", "V")]
    rows = []
    for i, rank in enumerate(arrays["ranks"]):
        rmse = arrays["fits.rmse"][i]
        numbers = (rmse.min(), rmse.max(), arrays["svd"][i], arrays["shuffled.rmse"][i].min())
        above = f"{100 * (rmse.min() / arrays['svd'][i] - 1):.2f} %"
        rows.append((str(rank), *(f"{x:.6f}" for x in numbers), above, *(f"{x[i]:.3f}" for x in alike)))
    columns = ("r", "RMSE, best", "worst", "truncated SVD", "shuffled, best", "best above SVD", "alike: U", "V")
    return Table(columns, rows, "RMSE over the starts, and the mean similarity of two different starts.")


def scree(arrays: Arrays) -> str:
    best, ranks, at = arrays["fits.rmse"].min(axis=1), arrays["ranks"], elbow(arrays)
    text = (
        f"The RMSE √mean((X − UVᵀ)²) of the best of {arrays['fits.rmse'].shape[1]} starts, each with the fixed number "
        f"of ANLS iterations of the exercise, falls from {best[0]:.4f} at r = {ranks[0]} to {best[-1]:.4f} at "
        f"r = {ranks[-1]}. The fall breaks off most at r = {at}, the elbow."
    )
    later = int(np.flatnonzero(ranks == at)[0])
    falls, shuffled = (-np.diff(arrays[f"{name}.rmse"].min(axis=1))[later:] for name in ("fits", "shuffled"))
    if not len(falls):
        return text
    ratio = falls.max() / shuffled[np.argmax(falls)]
    text += (
        f" After it a further component takes away at most {falls.max():.4f}; in data whose columns were shuffled each "
        f"by itself, so that nothing is left to find, the same step takes away {shuffled[np.argmax(falls)]:.4f}"
    )
    verdict = "nothing that noise would not give" if ratio <= 1.1 else "more than noise would give"
    return f"{text}. By that measure the components after the elbow find {verdict}."


def near_best(rmse) -> np.ndarray:
    """Which starts end within a thousandth of the best."""
    return rmse <= 1.001 * rmse.min()


def sensitivity(arrays: Arrays) -> str:
    rmse, ranks, at = arrays["fits.rmse"], arrays["ranks"], place(arrays)
    spread = (rmse.max(axis=1) - rmse.min(axis=1)) / rmse.min(axis=1)
    near, starts = near_best(rmse[at]), rmse.shape[1]
    others = np.delete(spread, at)
    dead = int(np.sum(arrays["alive"][at][~near] < ranks[at]))
    if near.mean() < 0.95 and spread[at] > 0.02:
        verdict = "Yes" if near.mean() < 0.5 else "Yes, for some starts"
    else:
        verdict = "No" if spread.max() <= 0.02 else f"Not at r = {ranks[at]}"
    stuck = (
        ""
        if near.all()
        else f" Of the other {np.sum(~near)}, {dead or 'none'} {'have' if dead > 1 else 'has'} lost a component: a "
        "column of U became 0, and an exact alternation never takes it up again."
    )
    elsewhere = f" At the other r the worst is at most {others.max():.2%} above the best." if len(others) else ""
    return (
        f"{verdict}: at r = {ranks[at]} {near.sum()} of {starts} starts end within 0.1 % of the best RMSE, "
        f"{rmse[at].min():.6f}; the worst ends {spread[at]:.2%} above it.{stuck}{elsewhere} The same RMSE does not "
        "mean the same components: see the similarity. (As on the sheet, an iteration finds U from V, then V from U.)"
    )


def against_svd(arrays: Arrays) -> str:
    """Whether the gap counts is held against the spread of the starts, from the best to the worst."""
    rmse, svd, ranks, at = arrays["fits.rmse"], arrays["svd"], arrays["ranks"], place(arrays)
    best, starts = rmse.min(axis=1), rmse.shape[1]
    gap, spread, lower = best / svd - 1, rmse.max(axis=1) / best - 1, np.sum(best < svd * (1 - 1e-12))
    least, most = ranks[np.argmin(gap)], ranks[np.argmax(gap)]
    name = f"best of {starts} NMFs" if starts > 1 else "NMF"
    text = f"the RMSE of the {name} is {gap[at]:.2%} above that of the truncated SVD"
    apart = (
        f"the worst NMF {spread[at]:.2%} above the best, half of them at most {np.median(rmse[at]) / best[at] - 1:.2%}"
    )
    if gap[at] < 1e-6:
        verdict = f"Neither: at r = {ranks[at]} the best NMF and the truncated SVD have the same RMSE"
    elif starts == 1:
        verdict = f"Unfavourable: at r = {ranks[at]} {text}; one start has no spread to hold that against"
    elif gap[at] > spread[at]:
        verdict = f"Unfavourable, by more than the starts differ: at r = {ranks[at]} {text}, and {apart}"
    else:
        verdict = (
            f"Unfavourable, but within the spread of the starts: at r = {ranks[at]} {text}, and {apart}, so that an "
            "unlucky start costs more than the constraint"
        )
    within = ", ".join(str(r) for r, own, other in zip(ranks, gap, spread, strict=True) if own <= other)
    return (
        f"{verdict}. Over all r the gap is from {gap.min():.2%} (r = {least}) to {gap.max():.2%} (r = {most}), and "
        f"within the spread of the starts at {f'r = {within}' if within else 'no r'}.\n\n"
        "It could not be favourable: the truncated SVD is the best of all matrices of rank r (statement 12, "
        "proofs/low_rank_approximation.py: ‖X − U_rΣ_rV_rᵀ‖ ≤ ‖X − UVᵀ‖), and UVᵀ is one of them. Ranks whose best "
        f"start is below the line: {lower}. The gap is the price of components without negative entries, which can "
        "only add."
    )


def similarity(arrays: Arrays) -> str:
    ranks = arrays["ranks"]
    U, V = (mean_pairs(arrays[f"similarity.{name}_pairs"]) for name in ("U", "V"))
    if not np.isfinite(U).all():
        return "With one start there is no pair to compare."
    stable = [str(r) for r, u, v in zip(ranks, U, V, strict=True) if min(u, v) > 0.99]
    joined = ", ".join(stable)
    lowest = [f"{mean.min():.3f} for {name} at r = {ranks[mean.argmin()]}" for name, mean in (("U", U), ("V", V))]
    at = place(arrays)
    near = np.flatnonzero(near_best(arrays["fits.rmse"][at]))
    best = [mean_pairs(arrays[f"similarity.{name}_pairs"][at][None][:, near][:, :, near])[0] for name in ("U", "V")]
    of_the_best = (
        f", and the {len(near)} starts that end within 0.1 % of the best RMSE {best[0]:.4f} and {best[1]:.4f}"
        if 1 < len(near) < len(arrays["fits.rmse"][at])
        else ""
    )
    return (
        f"At r = {ranks[at]} two starts have a mean similarity of {U[at]:.4f} for U and {V[at]:.4f} for "
        f"V{of_the_best}. Both are above 0.99 at {f'r = {joined}' if stable else 'no r'}; the lowest are "
        f"{' and '.join(lowest)}. The score is the mean cosine of the "
        "columns under the best permutation, max_Π (1/r) tr(UᵀU′Π) with columns of length 1 (statement 22, "
        "proofs/similarity_score.py): 1 says that two starts agree up to order and scale. The average is over all "
        "pairs of two different starts."
    )


def chosen(arrays: Arrays) -> str:
    test, ranks = held_out_errors(arrays), arrays["ranks"]
    cv, mean, median = grouped(arrays, "held_out"), np.nanmean(test, axis=1), np.nanmedian(test, axis=1)
    best, by_median = int(np.flatnonzero(ranks == int(cv.rank))[0]), int(np.nanargmin(median))
    agree = "the same as" if int(cv.rank) == elbow(arrays) else "not the same as"
    if test.shape[1] > 1:
        error = np.nanstd(test[-1] - test[best], ddof=1) / np.sqrt(test.shape[1])
        rise = mean[-1] - mean[best]
        last = f"At r = {ranks[-1]} it is {rise:.4f} higher (standard error of the difference {error:.4f})"
        last += ": less than twice that, no sure rise." if rise <= 2 * error else ": it rises again."
    else:
        last = "With one fold there is no standard error."
    simpler = (
        f" The smallest r within one standard error of that is {cv.rank_1se}."
        if int(cv.rank_1se) != int(cv.rank)
        else ""
    )
    outlier = np.nanmax(test[best]) / median[best] - 1
    caution = (
        ""
        if by_median == best
        else f" The median over the folds is least at r = {ranks[by_median]} instead ({median[by_median]:.4f}): single "
        f"folds, the worst {outlier:.0%} above the median at r = {cv.rank}, move the mean."
    )
    return (
        f"Cross-validation says {cv.rank}, which is {agree} the elbow, {elbow(arrays)}. It leaves out a tenth of the "
        f"entries, fits the rest and predicts what was left out. The mean error of {test.shape[1]} folds is least at "
        f"r = {cv.rank}, {mean[best]:.4f}.{simpler}{caution} {last}"
    )


def neighbours(labels) -> float:
    """The share of neighbouring rows that are of one cluster."""
    return float(np.mean(labels[1:] == labels[:-1]))


def blocks(arrays: Arrays) -> str:
    labels = [arrays[key] for key in ("row_clusters", "column_clusters")]
    sizes = [", ".join(map(str, sorted(np.bincount(one)))) for one in labels]
    raw, sorted_ = (np.mean([neighbours(f(one)) for one in labels]) for f in (np.asarray, np.sort))
    chance = np.mean([np.sum((np.bincount(one) / one.size) ** 2) for one in labels])
    if raw > (chance + sorted_) / 2:
        verdict = "The raw order shows most of it already"
    elif raw > chance + 0.1 * (sorted_ - chance):
        verdict = "The raw order shows a part of it"
    else:
        verdict = "Yes. The raw order shows nothing of it"
    return (
        f"{verdict}: {raw:.0%} of neighbouring rows and columns are of one cluster there, {chance:.0%} would be by "
        f"chance, and {sorted_:.0%} are after sorting. At r = {arrays['rank']} the samples (rows) fall into clusters "
        f"of {sizes[0]} and the genes (columns) of {sizes[1]}. Each is put with the component of its largest loading, "
        "in units where components have length 1, and within a cluster by the strength of that loading."
    )


def rms(A) -> float:
    return float(np.sqrt(np.mean(A**2)))


def negative_entries(arrays: Arrays) -> str:
    X, model = arrays["X"], arrays["U"] @ arrays["V"].T
    negative = X < 0
    if not negative.any():
        return "None of these data is negative."
    lost = np.sum(np.minimum(X, 0) ** 2) / np.sum((X - model) ** 2)
    size, residual = rms(X[negative]), rms(X - model)
    if size <= 1.1 * residual:
        verdict = "they can be noise around small nonnegative values, for which the model is right"
    else:
        verdict = (
            "they are larger than what is left of the rest: noise alone would not make them, and the model misses them"
        )
    return (
        f"{negative.sum()} of {X.size} entries ({negative.mean():.0%}) are negative, down to {X.min():.3f}, and by "
        f"their size {verdict}: their root mean square is {size:.3f}, that of the whole residual {residual:.3f}. UVᵀ "
        "≥ 0 cannot reach them; the least that they add to the squared error is their own squares, which are "
        f"{lost:.0%} of it at r = {arrays['rank']}. Least squares may be fitted to them as they are. Clipping them "
        "would shift the noise, and the KL and other divergences, with the logarithm of X or a variance that grows "
        "with it, are not defined for them."
    )
