"""Problem 5: k-means as a semi-orthogonal factorisation."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jnmf
from experiments.figures import blank, show_image
from experiments.problem_set import Given, Settings, checks, proved
from experiments.study import Arrays, Section
from jnmf import Factors, losses
from jnmf.plot import BLACK, BLUE, GREY, ORANGE


def compute(settings: Settings, given: Given) -> dict[str, Any]:
    """k-means of the images, the rows of A, for each number of clusters; G, M; and the NMF that descends from there."""
    X = given.X
    from sklearn import cluster

    KMeans: Any = cluster.KMeans
    A = X.T
    numbers, most = settings.num_clusters, max(settings.num_clusters)
    inertia, objectives, orthogonality, least, starts = [], [], [], [], []
    for k in numbers:
        found = KMeans(k, n_init=3, random_state=settings.seed).fit(A)
        F = (found.labels_[:, None] == np.arange(k)).astype(float)
        G = F / np.sqrt(F.sum(axis=0))
        M = G.T @ A
        inertia.append(found.inertia_)
        objectives.append(2 * losses.frobenius(A, G, M))
        orthogonality.append(np.abs(G.T @ G - np.eye(k)).max())
        least.append((G.min(), M.min()))
        starts.append((np.pad(G, ((0, 0), (0, most - k))), np.pad(M, ((0, most - k), (0, 0)))))

    # All ranks in one program: components that are zero stay zero.
    stacked = Factors(*(jnp.asarray(np.stack(parts)) for parts in zip(*starts, strict=True)))
    run = lambda A, start: jnmf.run(A, start, jnmf.HALS(), num_iters=settings.num_iters)[0]
    W, H = (np.asarray(B) for B in jax.jit(jax.vmap(run, in_axes=(None, 0)))(A, stacked))
    k = numbers[-1]
    G, M = starts[-1][0][:, :k], starts[-1][1][:k]
    return {
        "num_clusters": numbers,
        "inertia": inertia,
        "k_means_objective": objectives,
        "orthogonality_deviation": orthogonality,
        "least_entry": least,
        "nmf_objective": np.linalg.norm(A - W @ H, axis=(1, 2)) ** 2,
        "svd_objective": np.asarray(jnmf.svd_rmse(A, numbers)) ** 2 * A.size,
        "G": G,
        "nmf_W": jnmf.normalize(Factors(jnp.asarray(W[-1, :, :k]), jnp.asarray(H[-1, :k])), norm="l2").W,
        "means": G.max(axis=0)[:, None] * M,  # G_ic = 1/√n_c and M_c = √n_c μ_c
        "cluster_labels": G.argmax(axis=1),
    }


def plot(arrays: Arrays) -> dict[str, Any]:
    return {"clusters": draw_clusters(arrays)}


def draw_clusters(arrays: Arrays) -> Any:
    numbers, shape, order = arrays["num_clusters"], arrays["shape"], str(arrays["order"])
    labels, k = arrays["cluster_labels"], arrays["means"].shape[0]
    figure = blank(7.2, 5.4)
    top, bottom = figure.subfigures(2, 1, height_ratios=(2.6, 1 + 0.6 * (k > 10)))
    curve, hard, soft = top.subplots(1, 3, width_ratios=(1.6, 1, 1))
    curve.plot(numbers, arrays["inertia"], color=BLUE, label="k-means")
    exact = {"color": BLACK, "marker": "x", "linestyle": "none"}
    curve.plot(numbers, arrays["k_means_objective"], **exact, label=r"$\|A - GM\|^2$")
    curve.plot(numbers, arrays["nmf_objective"], color=ORANGE, marker="^", linestyle="--", label="NMF from there")
    curve.plot(numbers, arrays["svd_objective"], color=GREY, linestyle=":", label="truncated SVD")
    curve.set(xlabel="clusters, components $k$", ylabel=r"squared error, in the unit of $A^2$", ylim=(0, None))
    curve.xaxis.get_major_locator().set_params(integer=True)
    curve.grid(alpha=0.3)
    curve.legend(fontsize=8, loc="lower left")
    rows, largest = np.argsort(labels, kind="stable"), max(arrays["G"].max(), arrays["nmf_W"].max())
    for ax, matrix, title in ((hard, arrays["G"], "$G$ of k-means"), (soft, arrays["nmf_W"], "$W$ of the NMF")):
        style = {"cmap": "gray_r", "aspect": "auto", "interpolation": "nearest"}
        drawn = ax.imshow(matrix[rows], vmin=0, vmax=largest, **style)
        ax.set(title=title, xlabel="component", xticks=[])
    hard.set_ylabel("image, sorted by cluster")
    soft.set_yticks([])
    top.colorbar(drawn, ax=[hard, soft], label="entry, columns of length one", pad=0.02)
    columns = min(k, 10)
    for c, ax in enumerate(bottom.subplots(-(-k // columns), columns, squeeze=False).flat):
        if c >= k:
            ax.set_axis_off()
            continue
        drawn = show_image(ax, arrays["means"][c], shape, order, vmin=0, vmax=1)
        ax.set_title(f"{np.sum(labels == c)}", fontsize=8)
    bottom.suptitle("cluster means, and how many images they have", fontsize="medium")
    bottom.colorbar(drawn, ax=bottom.axes, label="intensity", pad=0.01)
    return figure


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section(
            "Problem 5. k-means as a semi-orthogonal NMF: which G and M, and are all matrices nonnegative?",
            k_means(arrays),
            ("clusters",),
            (
                checks(
                    (
                        "‖A − GM‖² from the objective of scikit-learn's k-means, relative",
                        np.abs(arrays["k_means_objective"] / arrays["inertia"] - 1),
                    ),
                    ("GᵀG from I", arrays["orthogonality_deviation"]),
                ),
            ),
        )
    ]


def k_means(arrays: Arrays) -> str:
    objective, nmf = arrays["k_means_objective"], arrays["nmf_objective"]
    k, several = arrays["num_clusters"][-1], np.mean((arrays["nmf_W"] > 1e-3 * arrays["nmf_W"].max()).sum(axis=1) > 1)
    digits, labels = arrays["digits"], arrays["cluster_labels"]
    commonest = [np.bincount(digits[labels == c]).max() for c in np.unique(labels)] if digits.min() >= 0 else []
    rate = np.sum(commonest) / labels.size
    purity = f" {rate:.0%} of the images show the commonest digit of their cluster." if commonest else ""
    least_G, least_M = np.min(arrays["least_entry"], axis=0)
    sign = "both are nonnegative" if min(least_G, least_M) >= 0 else "not both are nonnegative"
    return (
        "G_ic = 1/√n_c for the n_c members i of cluster c, 0 else, and M = GᵀA. Row i of GM is then the mean of the "
        "cluster of row a_i, so that (5.1) is ‖A − GM‖². The columns of G have no row in common and length 1: GᵀG = I. "
        "All matrices stay nonnegative: G by its definition, and M = GᵀA as a product of nonnegative matrices, for "
        f"A ≥ 0. {proved(19)}\n\n"
        f"A holds {arrays['num_images']} images in its rows. The least entry of G is {least_G:.3g} and that of M is "
        f"{least_M:.3g} over all k: {sign}. Upper left: the objective of scikit-learn's k-means, and ‖A − GM‖² from "
        "its labels (crosses). Beside it: G has one nonzero entry in each row; its columns are blocks. NMF drops "
        f"GᵀG = I: started at G, M, it goes from {objective[-1]:.5g} to {nmf[-1]:.5g} at k = {k}, and {several:.0%} of "
        "the images then have more than one component above a thousandth of the largest entry. No factorisation of "
        f"this rank can be below the truncated SVD, {arrays['svd_objective'][-1]:.5g}. Below: the cluster means, which "
        f"are the rows of M divided by √n_c.{purity}"
    )
