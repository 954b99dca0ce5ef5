"""The components of PCA beside those of NMF."""

from typing import Any, NamedTuple

import numpy as np

from experiments.figures import blank, panels
from experiments.lab_mnist import Digits, Given, Settings
from experiments.lab_mnist.measures import found_again
from experiments.lab_mnist.shared import named, show
from experiments.measures import cancelled, relative_error
from experiments.study import Arrays, Section, Table
from experiments.words import paragraphs


class PCA(NamedTuple):
    components: np.ndarray  # (r, m)
    mean: np.ndarray  # (m,)


def fit_pca(X, rank: int) -> PCA:
    """The principal components of the columns of X; scikit-learn wants the images as rows."""
    from sklearn import decomposition

    found: Any = decomposition.PCA(rank, svd_solver="full").fit(X.T)
    return PCA(found.components_, found.mean_)


def compute(settings: Settings, given: Given) -> Arrays:
    """components (r, m), mean (m,), scores (r, K), pca_spread (r,); pca_nested, see `found_again`.
    errors (2, 2): rows NMF and PCA, columns fitted and unseen images. cancelled, used, seconds (2,): of both; see
    `cancelled`; the weights of an image that are not 0; of a fit.
    """
    digits, W, own, widest = given.digits, given.W, given.pca, given.widest
    scores = own.components @ (digits.all - own.mean[:, None])
    H = np.hstack([given.H, given.weights[:, digits.n :]])  # the fit's own, and those of the unseen images
    rebuilt = (W @ H, own.components.T @ scores + own.mean[:, None])
    return {
        "components": own.components,
        "mean": own.mean,
        "scores": scores[:, digits.shown],
        "pca_spread": digits.spread(np.abs(own.components.T)),
        "pca_nested": np.array(found_again(*sorted((own.components.T, widest.components.T), key=np.size))),
        "errors": np.array([errors(digits, Z) for Z in rebuilt]),
        "cancelled": np.array([cancelled(W, H), cancelled(own.components.T, scores)]),
        "used": np.array([np.count_nonzero(A, axis=0).mean() for A in (given.weights, scores)]),
        "seconds": np.array(given.seconds),
    }


def errors(digits: Digits, rebuilt) -> list[float]:
    """Of the fitted images and of the unseen ones."""
    n = digits.n
    return [relative_error(digits.X, rebuilt[:, :n]), relative_error(digits.all[:, n:], rebuilt[:, n:])]


def plot(arrays: Arrays) -> dict[str, Any]:
    return {"pca-components": plot_components(arrays), "pca-reconstructions": plot_reconstructions(arrays)}


def plot_components(arrays: Arrays):
    side = min(5, int(np.sqrt(arrays["W"].shape[1])))
    figure = blank(9.6, 4.6)
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
    figure, grid = panels(1.2 * x.shape[1] + 1.4, 4.3, 3, x.shape[1], squeeze=False)
    for axes, (name, images) in zip(grid, rows, strict=True):
        for j, ax in enumerate(axes):
            title = f"{named(arrays, j)}" if images is x else f"error {relative_error(x[:, j], images[:, j]):.3f}"
            drawn = show(ax, images[:, j], arrays, title, **scale)
        axes[0].set_ylabel(name)
    figure.colorbar(drawn, ax=grid, label="grey value, below 0 darker than the background", shrink=0.8)
    return figure


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section(
            "How do the components of PCA differ from those of NMF?",
            beside_pca(arrays),
            ("pca-components", "pca-reconstructions"),
            (method_table(arrays),),
        )
    ]


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


def rebuilt_by_pca(arrays: Arrays) -> np.ndarray:
    """(m, K)"""
    return arrays["components"].T @ arrays["scores"] + arrays["mean"][:, None]
