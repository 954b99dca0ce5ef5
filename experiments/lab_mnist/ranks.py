"""The rank: reconstruction against interpretability."""

from itertools import pairwise
from typing import Any

import numpy as np

import jnmf
from experiments.figures import panels
from experiments.lab_mnist import Given, Settings, sorted_by_ink
from experiments.lab_mnist.measures import found_again, hoyer_of, starts_alike
from experiments.lab_mnist.shared import PART, show
from experiments.study import Arrays, Section, Table
from experiments.words import paragraphs
from jnmf.plot import BLUE, GREEN, GREY, ORANGE

NUM_EXAMPLES = 8  # components drawn for a rank


def compute(settings: Settings, given: Given) -> Arrays:
    """ranks (R,), rank_error (R, S); rank_bound, rank_pca, the errors of SVD and PCA, and of the best fit rank_hoyer,
    rank_spread, rank_zeros, rank_used, rank_alike (R,); rank_nested (R − 1,): how well the components of a rank are
    found again at the next; examples (R, 8, m). bound, hoyer, pca_hoyer (r,): at the rank of the study.
    """
    digits, sweep, widest = given.digits, given.sweep, given.widest
    X, ranks = digits.X, sweep.ranks.tolist()
    best = [np.asarray(sorted_by_ink(sweep.best(rank)).W) for rank in ranks]
    own, of_pca, *of_best = hoyer_of([given.W, given.pca.components.T, *best])
    energy = np.cumsum(np.sum((widest.components @ (X - widest.mean[:, None])) ** 2, axis=1))
    left = np.sum((X - widest.mean[:, None]) ** 2) - energy[np.array(ranks) - 1]
    to_relative = np.sqrt(X.size) / np.linalg.norm(X)
    bounds = np.asarray(jnmf.svd_rmse(X, ranks)) * to_relative
    return {
        "ranks": np.array(ranks),
        "rank_error": sweep.rmse * to_relative,
        "rank_bound": bounds,
        "rank_pca": np.sqrt(np.maximum(left, 0)) / np.linalg.norm(X),
        "rank_hoyer": np.array([values.mean() for values in of_best]),
        "rank_spread": np.array([np.nanmean(digits.spread(A)) for A in best]),
        "rank_zeros": np.array([np.mean(A == 0) for A in best]),
        "rank_used": np.array([np.count_nonzero(sweep.best(rank).H, axis=0).mean() for rank in ranks]),
        "rank_alike": np.array([starts_alike(np.asarray(members.W)) for members in sweep.members]),
        "rank_nested": np.array([found_again(*pair) for pair in pairwise(best)]),
        "examples": np.array([some_columns(A).T for A in best]),
        "bound": bounds[ranks.index(settings.rank)],
        "hoyer": own,
        "pca_hoyer": of_pca,
    }


def some_columns(W) -> np.ndarray:
    """(m, 8): columns of W (m, r) at even steps from the first to the last; blank ones where there are fewer."""
    places = np.unique(np.linspace(0, W.shape[1] - 1, NUM_EXAMPLES).round().astype(int))
    return np.pad(W[:, places], ((0, 0), (0, NUM_EXAMPLES - len(places))))


def plot(arrays: Arrays) -> dict[str, Any]:
    return {"ranks": plot_ranks(arrays), "examples": plot_examples(arrays)}


def plot_ranks(arrays: Arrays):
    ranks = arrays["ranks"]
    figure, (errors, sparsity, width) = panels(10, 3.4, columns=3)
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
    figure, grid = panels(0.95 * NUM_EXAMPLES + 1, 1.0 * len(examples), len(examples), NUM_EXAMPLES, squeeze=False)
    for rank, axes, images in zip(arrays["ranks"], grid, examples, strict=True):
        axes[0].set_ylabel(f"$r$ = {rank}")
        for ax, image in zip(axes, images, strict=True):
            if image.any():
                drawn = show(ax, image / image.max(), arrays, vmax=1)
            else:
                ax.set_axis_off()
    figure.colorbar(drawn, ax=grid, label="entry of $W$, largest 1", shrink=0.6)
    return figure


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section(
            "What is the trade-off between reconstruction and interpretability as the rank grows?",
            trade(arrays),
            ("ranks", "examples"),
            (rank_table(arrays),),
        )
    ]


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
