"""Lecture: its three algorithms exactly as printed, and what the scaling that it leaves half done changes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

import jnmf
from experiments import data
from experiments.study import Arrays, Section, Table, compiled, tracked
from jnmf import Factors, losses, nonnegative_least_squares, solvers
from jnmf.numerics import divide
from jnmf.plot import BLUE, GREEN, GREY, ORANGE

TITLE = "Lecture: ANLS and both multiplicative algorithms on handwritten digits"
SOURCE = (
    "lecture: alternating nonnegative least squares, multiplicative updates for the Frobenius norm and for the entropy "
    "divergence, on the MNIST test images at k = 9 and 81"
)


@dataclass(frozen=True)
class Settings:
    num_images: int = 1000
    ranks: tuple[int, ...] = (9, 81)
    tol: float = 0.01  # the lecture's τ
    max_iters: tuple[int, ...] = (15, 200, 200)  # the lecture's maxit, one for each of METHODS
    seed: int = 0


FULL = Settings(num_images=10000, max_iters=(500, 1000, 1000))
TINY = Settings(num_images=150, ranks=(4, 16), max_iters=(4, 150, 150))


# The algorithms


def least_squares(X, W, H):
    """argmin ‖X − WH‖ over H ≥ 0."""
    return nonnegative_least_squares.exact(H, W.T @ W, W.T @ X)


def update_I(X, W, H):
    """(WᵀX) ./ (WᵀXᶜ) .* H with Xᶜ = WH."""
    return solvers.multiplicative(H, W.T @ W, W.T @ X)


def update_II_H(X, W, H):
    """(Σ_i X_iν/Xᶜ_iν W_iμ) H_μν: without a denominator, since the columns of W sum to 1."""
    return (W.T @ divide(X, W @ H)) * H


def update_II_W(X, W, H):
    """(1/Σ_j H_νj)(Σ_j X_μj/Xᶜ_μj H_νj) W_μν."""
    return divide(divide(X, W @ H) @ H.T, jnp.sum(H, axis=1)[None, :]) * W


class Method(NamedTuple):
    name: str
    update_H: Callable[..., Array]  # (X, W, H) -> H
    update_W: Callable[..., Array]  # (X, W, H) -> W
    norm: str  # what the columns of W are scaled to, as `jnmf.normalize` calls it
    loss: Callable[..., Array]  # what it lowers
    from_W: bool  # H is found from W alone: there is no H⁰, and no δ before t > 0


def transposed(update):
    return lambda X, W, H: update(X.T, H.T, W.T).T


METHODS = (
    Method("ANLS", least_squares, transposed(least_squares), "max", losses.frobenius, True),
    Method("algorithm I", update_I, transposed(update_I), "max", losses.frobenius, False),
    Method("algorithm II", update_II_H, update_II_W, "l1", losses.kl, False),
)
NAMES = tuple(method.name for method in METHODS)
ANLS, ONE, TWO = range(3)
EXAMPLE, PARTS = 1, 6  # the image that is taken apart, and how many of its parts are drawn
PLATEAU = 1.1  # times the last loss: where δ dips at a loss above it, the dip is told as a false end
VISIBLE = 0.1  # of its largest pixel: what counts to the support of a feature
ACTIVE = 0.01  # of the brightness of an image: a feature that adds as much is counted as used in it
ALIKE = 0.01  # a smaller difference of two sparsities, or of two losses relative to one of them, is none


class Run(NamedTuple):
    """The pair after the last scaling, the H that goes with this W, and the history, NaN after the last iteration."""

    factors: Factors
    compensated_H: Array
    num_iters: Array
    delta: Array  # ∞ where the lecture computes none
    loss: Array  # before each scaling


@partial(jax.jit, static_argnames=("method", "max_iters"))
def alternate(X, start: Factors, method: int, compensate, tol, max_iters: int) -> Run:
    """The lecture's algorithm: H from W, W from this H, the columns of W scaled, while δ > tol and t < max_iters.

    X (m, n), start W (m, k), H (k, n); the columns of W⁰ are scaled first. 0/0 is read as 0. The lecture leaves H as
    it is when W is scaled; with `compensate` its rows are multiplied by what the columns were divided by.
    """
    _, update_H, update_W, norm, loss, from_W = METHODS[method]

    def iterate(run):
        W, H = run.factors
        H = update_H(X, W, H)
        W = update_W(X, W, H)
        scaled = jnmf.normalize(Factors(W, H), norm)
        new = Factors(scaled.W, jnp.where(compensate, scaled.H, H))
        t = run.num_iters
        delta = jnp.where(from_W & (t == 0), jnp.inf, relative_changes(run.factors, new))
        return Run(new, scaled.H, t + 1, run.delta.at[t].set(delta), run.loss.at[t].set(loss(X, *scaled)))

    def unfinished(run):
        last = jnp.where(run.num_iters > 0, run.delta[run.num_iters - 1], jnp.inf)
        return (last > tol) & (run.num_iters < max_iters)

    nan = jnp.full(max_iters, jnp.nan, X.dtype)
    start = Factors(jnmf.normalize(start, norm).W, start.H)
    return lax.while_loop(unfinished, iterate, Run(start, start.H, jnp.array(0), nan, nan))


def relative_changes(old: Factors, new: Factors):
    """The lecture's δ = ‖W⁺ − W‖/‖W‖ + ‖H⁺ − H‖/‖H‖. `jnmf.relative_change` has H compensated."""
    norm = jnp.linalg.norm
    return sum(divide(norm(b - a), norm(a)) for a, b in zip(old, new, strict=True))


def first_undefined(X, start: Factors, method: int, num_iters: int = 3) -> int:
    """The t at which a formula as printed, with 0/0 left undefined, makes a factor NaN; −1 if it does not."""
    W, H = map(np.asarray, start)
    with np.errstate(divide="ignore", invalid="ignore"):
        W = W / (W.max(axis=0) if method == ONE else W.sum(axis=0))
        for t in range(num_iters):
            if method == ONE:
                H = (W.T @ X) / (W.T @ W @ H) * H
                W = (X @ H.T) / (W @ (H @ H.T)) * W
            else:
                H = (W.T @ (X / (W @ H))) * H
                W = ((X / (W @ H)) @ H.T) / H.sum(axis=1) * W
            if np.isnan(W).any() or np.isnan(H).any():
                return t
            W = W / (W.max(axis=0) if method == ONE else W.sum(axis=0))
    return -1


# The numbers


def compute(settings: Settings, progress: bool = False) -> Arrays:
    """What `examine` finds, (K, A, …) over the K ranks and the A = 3 METHODS, and of each rank k:

    features_k (A, m, k), the W as printed. alike (K,): the mean cosine of the features of the algorithms I and II,
    paired. parts (K, m, 2 + PARTS): an image, W h by ANLS, and the largest parts of this sum of W_:k h_k. svd (K,):
    ½‖X − Z‖² of the best Z of that rank. undefined (2,): of I and II, `first_undefined`; blank: the pixels that are 0
    in all images. asymmetry (2,): D(1‖2) and D(2‖1) of numbers. sheared (2, 2), new_H (2, 2): see `not_unique`.
    """
    if len(settings.max_iters) != len(METHODS):
        raise ValueError(f"max_iters: expected one for each of {', '.join(NAMES)}, got {settings.max_iters}")
    images = data.or_stand_in(data.mnist_test, data.digits)
    X, labels = images.X[:, : settings.num_images], np.asarray(images.labels)[: settings.num_images]
    digits = np.stack([X[:, labels == digit].mean(axis=1) for digit in np.unique(labels)], axis=1)
    ranks, note = ranks_for(X.shape, settings.ranks)

    pairs = [(k, method) for k in ranks for method in range(len(METHODS))]
    starts = {k: jnmf.init.random(settings.seed, X, k) for k in ranks}
    programs = compiled(
        [(alternate, (X, starts[k], i, False, settings.tol, settings.max_iters[i]), {}) for k, i in pairs]
    )
    done = [
        both_ways(program, X, starts[k], settings)
        for (k, _), program in tracked(zip(pairs, programs, strict=True), "ranks × algorithms", progress)
    ]
    found = [examine(X, *both, digits, max(settings.max_iters)) for both in done]
    stacked = {name: np.stack([one[name] for one in found]) for name in found[0]}
    by_rank = [done[i : i + len(METHODS)] for i in range(0, len(done), len(METHODS))]
    features = [np.stack([printed.factors.W for printed, _ in of_rank]) for of_rank in by_rank]
    return {
        **{name: array.reshape(len(ranks), len(METHODS), *array.shape[1:]) for name, array in stacked.items()},
        **{f"features_{k}": of_rank for k, of_rank in zip(ranks, features, strict=True)},
        **not_unique(),
        "alike": np.array([jnmf.similarity(of_rank[ONE], of_rank[TWO]) for of_rank in features]),
        "parts": np.stack([taken_apart(X, of_rank[ANLS][1].factors) for of_rank in by_rank]),
        "ranks": np.array(ranks),
        "tol": np.array(settings.tol),
        "svd": np.asarray(jnmf.svd_rmse(X, ranks)) ** 2 * X.size / 2,
        "undefined": np.array([first_undefined(X, starts[ranks[0]], method) for method in (ONE, TWO)]),
        "blank": np.array(np.sum(~X.any(axis=1))),
        "asymmetry": np.array([losses.kl(*np.reshape([a, b, 1.0], (3, 1, 1))) for a, b in ((1, 2), (2, 1))]),
        "X_shape": np.array(X.shape),
        "image_shape": np.array(images.shape),
        "order": np.array(images.order),
        "notes": np.array([text for text in (images.note, note) if text], dtype=str),
    }


def ranks_for(shape: tuple[int, int], ranks: tuple[int, ...]) -> tuple[list[int], str]:
    """The ranks in increasing order, each below min(shape), as the lecture asks, and a note where one was not."""
    bound = min(shape)
    too_large = sorted(rank for rank in ranks if rank >= bound)
    if not too_large:
        return sorted(ranks), ""
    kept = sorted(set(ranks) - set(too_large))
    instead = int(np.sqrt(bound / 2)) ** 2  # a square number, for a square of tiles
    taken = [instead] if instead > max(kept, default=0) else []
    if not kept + taken:
        raise ValueError(f"ranks: expected some below min(m, n) = {bound}, got {ranks}")
    told = f"k = {', '.join(map(str, too_large))} is not below min(n, p) = {bound}, as the lecture asks"
    return kept + taken, told + (f"; k = {instead} is taken in its place." if taken else ", and is left out.")


def both_ways(program, X, start: Factors, settings: Settings) -> tuple[Run, Run]:
    """The run as printed and the one with H compensated; `program` is `alternate`, compiled."""
    printed, compensated = (jax.device_get(program(X, start, compensate, settings.tol)) for compensate in (False, True))
    return printed, compensated


def not_unique() -> Arrays:
    """The lecture's example at its smallest: W = H = I, and an L with positive entries: L and L⁻¹H."""
    L = np.array([[2.0, 1.0], [1.0, 2.0]])
    return {"new_W": L, "new_H": np.linalg.inv(L)}


def examine(X, printed: Run, compensated: Run, digits, longest: int) -> Arrays:
    """The numbers of one algorithm at one rank. Axes of 2 are for the printed and the compensated run.

    num_iters (2,), delta and loss (2, longest). frobenius and kl (3,): the losses of the printed pair as it is
    returned, of the same pair before its last scaling, and of the compensated pair. last_scale (2,): the least and the
    largest number that the last printed scaling divided by. The rest is of the printed run: see `traits`.
    """
    W, H = printed.factors
    before = Factors(W, printed.compensated_H)
    pairs = (printed.factors, before, compensated.factors)
    padded = lambda history: np.pad(history, (0, longest - len(history)), constant_values=np.nan)
    used = H.sum(axis=1) > 0
    scale = before.H.sum(axis=1)[used] / H.sum(axis=1)[used]
    return {
        "num_iters": np.array([run.num_iters for run in (printed, compensated)]),
        "delta": np.array([padded(run.delta) for run in (printed, compensated)]),
        "loss": np.array([padded(run.loss) for run in (printed, compensated)]),
        "frobenius": np.array([losses.frobenius(X, *pair) for pair in pairs]),
        "kl": np.array([losses.kl(X, *pair) for pair in pairs]),
        "last_scale": np.array([scale.min(), scale.max()]),
        **traits(before, digits),
    }


def traits(factors: Factors, digits) -> dict[str, Any]:
    """What the features are like, the columns of W (m, k): means over those that are not zero.

    sparsity: Hoyer's. support: the part of the pixels above a tenth of the feature's largest. resemblance: the cosine
    with the mean image of the digit that it is most like, among `digits` (m, D). active: the mean over the images of
    the number of components that add at least a hundredth of the image's light. dead: the number of zero columns.
    """
    W, H = factors
    live = W[:, W.max(axis=0) > 0]
    unit = lambda A: A / np.linalg.norm(A, axis=0)
    light = W.sum(axis=0)[:, None] * H
    return {
        "sparsity": np.mean(jnmf.hoyer_sparsity(live, axis=0)),
        "support": np.mean(live > VISIBLE * live.max(axis=0)),
        "resemblance": np.mean(np.max(unit(digits).T @ unit(live), axis=0)),
        "active": np.mean(np.sum(light > ACTIVE * light.sum(axis=0), axis=0)),
        "dead": np.array(W.shape[1] - live.shape[1]),
    }


def taken_apart(X, factors: Factors) -> np.ndarray:
    """(m, 2 + PARTS): the image EXAMPLE, what the factors make of it, and the largest parts of this, by their light."""
    W, H = factors
    parts = W * H[:, EXAMPLE]
    largest = np.argsort(-parts.sum(axis=0))[:PARTS]
    missing = PARTS - len(largest)
    return np.column_stack([X[:, EXAMPLE], parts.sum(axis=1), np.pad(parts[:, largest], ((0, 0), (0, missing)))])


# Figures


def plot(arrays: Arrays) -> dict[str, Any]:
    return {
        "delta": draw_delta(arrays),
        **{f"features-{k}": draw_features(arrays, k) for k in arrays["ranks"]},
        "parts": draw_parts(arrays),
        "scaling": draw_scaling(arrays),
    }


STYLES = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, "-.", "^"))  # of METHODS


def draw_delta(arrays: Arrays):
    """The history of δ as the lecture computes it; a mark and a number where a run ends."""
    figure, panels = curves_by_rank(arrays, arrays["delta"][:, :, 0])
    for ax in panels:
        ax.axhline(arrays["tol"], color=GREY, linewidth=1, linestyle=(0, (1, 1)), label=f"τ = {arrays['tol']:g}")
        ax.set(yscale="log", xlabel="iteration $t + 1$")
    panels[0].set_ylabel(r"relative change $\delta$ of $W$ plus that of $H$")
    panels[0].legend(fontsize="small")
    return figure


def draw_scaling(arrays: Arrays):
    """How far the loss as printed is above that of the compensated run, while both run."""
    figure, panels = curves_by_rank(arrays, 100 * loss_gap(arrays))
    for ax in panels:
        ax.axhline(0, color=GREY, linewidth=0.8)
        ax.set_xlabel("iteration $t + 1$")
    panels[0].set_ylabel("loss as printed above\nthat with $H$ compensated, in %")
    panels[0].legend(fontsize="small")
    return figure


def curves_by_rank(arrays: Arrays, values):
    """A panel for each rank, and in it a curve for each algorithm against the iteration: values (K, A, iterations)."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(4.2 * len(values), 3.6), layout="constrained")
    panels = figure.subplots(1, len(values), sharey=True, squeeze=False)[0]
    for ax, k, curves in zip(panels, arrays["ranks"], values, strict=True):
        for name, curve, (color, dash, marker) in zip(NAMES, curves, STYLES, strict=True):
            shown = np.flatnonzero(np.isfinite(curve))
            if not shown.size:
                continue
            style = {"color": color, "linestyle": dash, "marker": marker, "linewidth": 1.4, "markersize": 6}
            ax.plot(shown + 1, curve[shown], markevery=[len(shown) - 1], label=name, **style)
            end = (shown[-1] + 1, curve[shown[-1]])
            ax.annotate(f"{end[0]}", end, xytext=(4, 5), textcoords="offset points", fontsize="small", color=color)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_title(f"k = {k}")
        ax.grid(alpha=0.3)
        ax.margins(x=0.1, y=0.08)
    return figure, panels


def draw_features(arrays: Arrays, k: int):
    """The columns of W of each algorithm as images, dark on white, each from 0 to its own largest entry."""
    from matplotlib.figure import Figure

    across = int(np.ceil(np.sqrt(k)))
    figure = Figure(figsize=(9.5, 3.6), layout="constrained")
    panels: Any = figure.subplots(1, len(METHODS))
    for ax, name, W in zip(panels, NAMES, arrays[f"features_{k}"], strict=True):
        largest = W.max(axis=0)
        sheet = tiles(divide_columns(W, largest), arrays["image_shape"], str(arrays["order"]))
        drawn = ax.imshow(sheet, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
        height, width = arrays["image_shape"]
        for line in range(1, sheet.shape[0] // height):
            ax.axhline(line * height - 0.5, color=BLUE, linewidth=0.6)
        for line in range(1, across):
            ax.axvline(line * width - 0.5, color=BLUE, linewidth=0.6)
        for dead in np.flatnonzero(largest == 0):
            center = (dead % across + 0.5) * width - 0.5, (dead // across + 0.5) * height - 0.5
            ax.plot(*center, marker="x", color=ORANGE, markersize=30 / across, linewidth=2)
        rows = np.arange(sheet.shape[0] // height)
        ax.set(title=name, xticks=[], yticks=(rows + 0.5) * height - 0.5)
        ax.set_yticklabels([str(row * across + 1) for row in rows], fontsize="x-small")
        ax.tick_params(length=0)
    panels[0].set_ylabel("number of the first column of $W$ in the row", fontsize="small")
    figure.colorbar(drawn, ax=panels, shrink=0.7, ticks=[0, 1], label="entry of the column\n(1: its largest)")
    return figure


def divide_columns(W, by) -> np.ndarray:
    return np.divide(W, by, out=np.zeros_like(W), where=by > 0)


def tiles(W, shape, order) -> np.ndarray:
    """The columns of W (m, k) as images on a sheet with about √k a row; what is left over is 0."""
    across = int(np.ceil(np.sqrt(W.shape[1])))
    down, (height, width) = -(-W.shape[1] // across), shape
    sheet = np.zeros((down, height, across, width))
    for k, column in enumerate(W.T):
        sheet[k // across, :, k % across] = column.reshape(shape, order=order)
    return sheet.reshape(down * height, across * width)


def draw_parts(arrays: Arrays):
    """An image, what ANLS makes of it, and the largest parts that it makes it of: a row for each rank."""
    titles = []
    for k, images in zip(arrays["ranks"], arrays["parts"], strict=True):
        share = images.sum(axis=0) / images[:, 1].sum()
        titles += [f"image\n(k = {k})", "$Wh$", *(f"part {i + 1}:\n{part:.0%}" for i, part in enumerate(share[2:]))]
    figure = jnmf.plot.components(
        np.hstack(list(arrays["parts"])),
        tuple(arrays["image_shape"].tolist()),
        order=str(arrays["order"]),
        num_columns=2 + PARTS,
        titles=titles,
        cmap="gray_r",
    )
    figure.axes[-1].set_ylabel("brightness")
    return figure


# Answers


def sections(arrays: Arrays) -> list[Section]:
    first, last = arrays["ranks"][[0, -1]]
    features = tuple(f"features-{k}" for k in arrays["ranks"])
    return [
        Section(
            "1. Setting. Is the factorisation unique, and how near can it come to X?",
            on_setting(arrays),
            tables=(bound_table(arrays),),
        ),
        Section(
            "2 to 4. Where do the formulas come from, and what is special about the entropy divergence?",
            on_formulas(arrays),
            tables=(FORMULAS,),
        ),
        Section(
            f"5. How does the relative change δ fall at k = {' and '.join(map(str, arrays['ranks']))}?",
            on_delta(arrays),
            ("delta",),
            (runs_table(arrays),),
        ),
        Section("5. What do the columns of W look like as images?", on_features(arrays), features),
        Section(
            f"5. Does NMF give a summary of the data at k = {first}, and building blocks at k = {last}?",
            on_building_blocks(arrays),
            ("parts",),
            (traits_table(arrays),),
        ),
        Section(
            "Beside the sheet: how do the features and losses of the entropy divergence differ from those of the "
            "Frobenius norm?",
            on_entropy(arrays),
            tables=(losses_table(arrays),),
        ),
        Section(
            "Beside the sheet: W is scaled and H is not. What does that change?",
            on_scaling(arrays),
            ("scaling",),
            (scaling_table(arrays),),
        ),
    ]


def on_setting(arrays: Arrays) -> str:
    L, inverse, ranks = arrays["new_W"], arrays["new_H"], arrays["ranks"]
    written = lambda A: "[" + "; ".join(" ".join(f"{a:.3g}" for a in row) for row in A) + "]"
    above = arrays["frobenius"][:, :, 1].min(axis=1) / arrays["svd"] - 1
    told = [f"{gap:.0%} above it at k = {k}" for gap, k in zip(above, ranks, strict=True)]
    return (
        "It is not unique, but the lecture's example does not show it. It takes an L with positive entries and calls "
        "W L and L⁻¹H a new NMF. For k ≥ 2 no such L has an inverse without negative entries, so L⁻¹H can be negative. "
        f"The smallest case: W = H = I, k = 2, L = {written(L)}; then L⁻¹H = {written(inverse)}, with the least entry "
        f"{inverse.min():.3g}. What serves all W and H is an L with one positive entry in each row and column: order "
        "and scale. For particular factors more is possible: if H > 0, then L = I + t e_a e_bᵀ gives another NMF of "
        "the same product for each 0 ≤ t ≤ min_j H_aj/H_bj (statement 13, proofs/non_uniqueness.py).\n\n"
        "No W H of rank k comes nearer to X in the Frobenius norm than the truncated SVD: ‖X − U_kΣ_kV_kᵀ‖ ≤ ‖X − WH‖ "
        f"(statement 12, proofs/low_rank_approximation.py). Here ½‖X − WH‖² of the best of the three "
        f"algorithms, as far as they ran, is {joined(told)}. So NMF is for where nonnegative features matter more than "
        "accuracy, as the lecture says."
    )


def bound_table(arrays: Arrays) -> Table:
    rows = [
        (str(k), f"{arrays['svd'][i]:.6g}", *(f"{loss:.6g}" for loss in arrays["frobenius"][i, :, 1]))
        for i, k in enumerate(arrays["ranks"])
    ]
    columns = ("k", "truncated SVD", *NAMES)
    return Table(columns, rows, "½‖X − Z‖² of the best Z of rank k and of W H (algorithm II minimises another loss).")


FORMULAS = Table(
    ("what the lecture uses", "last line of the derivation", "statement"),
    [
        ("best approximation of rank k", "‖X − U_kΣ_kV_kᵀ‖ ≤ ‖X − WH‖", "12, low_rank_approximation.py"),
        ("H by p least squares problems", "‖X − WH‖² = Σ_j ‖X_:j − W H_:j‖²", "6, separability.py"),
        ("W by n least squares problems", "‖X − WH‖² = Σ_i ‖X_i: − W_i: H‖²", "6, separability.py"),
        ("when H ≥ 0 is the minimiser", "H ≥ 0, G = WᵀWH − WᵀX ≥ 0, H ⊙ G = 0", "7, nnls_optimality.py"),
        ("f in W = e^ξ", "∂f/∂ξ = W ⊙ (WHHᵀ − XHᵀ)", "8, logarithmic_coordinates.py"),
        ("f in H = e^ζ", "∂f/∂ζ = H ⊙ (WᵀWH − WᵀX)", "8, logarithmic_coordinates.py"),
        ("algorithm I", "H⁺ = H ⊙ WᵀX ⊘ WᵀXᶜ, W⁺ = W ⊙ XHᵀ ⊘ XᶜHᵀ", "8, logarithmic_coordinates.py"),
        ("theorem: D ≥ 0, 0 only for A = B", "D(A‖B) ≥ Σ (A − B)² / 2 max(A, B)", "10, kl_divergence.py"),
        ("g in W = e^ξ", "∂g/∂ξ_μν = Σ_j (1 − X_μj/Xᶜ_μj) W_μν H_νj", "9, logarithmic_coordinates.py"),
        ("g in H = e^ζ", "∂g/∂ζ_μν = Σ_i (1 − X_iν/Xᶜ_iν) W_iμ H_μν", "9, logarithmic_coordinates.py"),
        ("algorithm II", "H⁺_μν = (Σ_i W_iμ X_iν/Xᶜ_iν) H_μν / Σ_i W_iμ", "9, logarithmic_coordinates.py"),
        ("why both lower their loss", "D(X, WH⁺) ≤ majoriser at H⁺ ≤ D(X, WH)", "11, monotone_descent.py"),
        ("scaling the columns of W", "(W L⁻¹)(L H) = W H, with H scaled too", "14, scaling.py"),
    ],
    "Each is derived step by step, and checked, in the file of proofs/. Xᶜ = WH.",
)


def on_formulas(arrays: Arrays) -> str:
    (m, _), (one, two) = arrays["X_shape"], arrays["asymmetry"]
    undefined = {name: t for name, t in zip(NAMES[ONE:], arrays["undefined"].tolist(), strict=True) if t >= 0}
    text = (
        "The table gives the last line of each derivation and where it is. The entropy divergence is no distance: "
        f"D(A‖B) ≠ D(B‖A) in general. The numbers 1 and 2 show it: D(1‖2) = 1 − log 2 = {one:.4f}, D(2‖1) = 2 log 2 − "
        f"1 = {two:.4f}. Nonnegative it is, and 0 only for A = B (statement 10).\n\n"
        "Two things in the print need a word. In the last line of ∂g/∂ξ the sum runs over j, not i: i = μ is fixed. "
        "And the updates divide by entries of W H that can be 0. "
    )
    if undefined:
        when = [f"{name} (at t = {t})" for name, t in undefined.items()]
        text += (
            f"{arrays['blank']} of the {m} pixels are 0 in all of these images. Their rows of W become 0 in the first "
            f"iteration, the next division is 0/0, and as printed {joined(when)} would have factors that are not "
            "numbers. Read as 0, the quotient leaves these rows at 0, which is right, and that is how the algorithms "
            "run here."
        )
    else:
        text += "With these images that does not happen in the first iterations; a quotient 0/0 is read as 0."
    return text


def on_delta(arrays: Arrays) -> str:
    (m, p), tol = arrays["X_shape"], arrays["tol"]
    smaller = "" if p >= FULL.num_images else f" (in the lecture, and here with --full, p = {FULL.num_images})"
    paragraphs = []
    for i, k in enumerate(arrays["ranks"]):
        ends = []
        for method, name in enumerate(NAMES):
            delta = history(arrays, "delta", i, method)
            how = "reaches τ" if delta[-1] <= tol else f"is ended by maxit with δ = {delta[-1]:.2g}"
            ends.append(f"{name} {how} after {len(delta)} iterations")
        paragraphs.append(f"At k = {k} {joined(ends)}.")
    paragraphs[0] = f"The lecture's test, with τ = {tol:g}: {paragraphs[0][0].lower()}{paragraphs[0][1:]}"
    paragraphs.append(
        f"X has p = {p} images of n = {m} pixels in its columns{smaller}. δ is the relative change of W plus that of "
        "H. ANLS has none in its first iteration, where there is no H⁰. All three start from the same random numbers; "
        "ANLS and algorithm I scale the columns of W to maximum 1, also those of W⁰, algorithm II to sum 1."
    )
    found = {run: dip(arrays, *run) for run in np.ndindex(len(arrays["ranks"]), len(METHODS))}
    early = {run: dipped for run, dipped in found.items() if dipped and dipped.loss_ratio > PLATEAU}
    if early:
        names = dict.fromkeys(NAMES[method] for _, method in sorted(early, key=lambda run: run[1]))
        lowest = min(dipped.delta for dipped in early.values())
        ratio = max(dipped.loss_ratio for dipped in early.values())
        paragraphs.append(
            f"δ does not only fall: with {joined(names)} it dips early, to {lowest:.2g} at the least, and rises again. "
            f"The loss in a dip is up to {ratio:.2g} times the last one, so a τ above the dip would have stopped there."
        )
    paragraphs.append(on_quality(arrays))
    return "\n\n".join(paragraphs)


def on_quality(arrays: Arrays) -> str:
    """Whether the same τ means the same loss: only of runs that τ ended."""
    loss, told, unsaid = arrays["frobenius"][:, :, 1], [], []
    for i, k in enumerate(arrays["ranks"]):
        if any(history(arrays, "delta", i, method)[-1] > arrays["tol"] for method in (ANLS, ONE)):
            unsaid.append(f"k = {k}")
        elif abs(loss[i, ONE] / loss[i, ANLS] - 1) <= ALIKE:
            told.append(f"within {ALIKE:.0%} of each other at k = {k}")
        else:
            told.append(f"{compared(loss[i, ONE], loss[i, ANLS])} for algorithm I at k = {k}")
    text = ""
    if told:
        text = f"Where τ ended both ANLS and algorithm I, their losses ½‖X − WH‖² are {joined(told)}."
    if unsaid:
        text += f"{' ' if text else ''}At {joined(unsaid)} maxit ended one of ANLS and algorithm I, so that their "
        text += "losses do not say what the same τ means."
    return text


def history(arrays: Arrays, field: str, i: int, method: int) -> np.ndarray:
    """delta or loss of a run as printed, as many entries as it has iterations."""
    return arrays[field][i, method, 0, : arrays["num_iters"][i, method, 0]]


class Dip(NamedTuple):
    """Where δ is lowest before its largest rise: the iteration, δ, and the loss over the last loss."""

    iteration: int
    delta: float
    loss_ratio: float


def dip(arrays: Arrays, i: int, method: int) -> Dip | None:
    """None if δ never rises by half."""
    delta, loss = history(arrays, "delta", i, method), history(arrays, "loss", i, method)
    known = np.flatnonzero(np.isfinite(delta))
    if not known.size:
        return None
    delta = delta[known]
    high = int(np.argmax(delta / np.minimum.accumulate(delta)))
    low = int(np.argmin(delta[: high + 1]))
    if delta[high] < 1.5 * delta[low]:
        return None
    return Dip(int(known[low]) + 1, float(delta[low]), float(loss[known[low]] / loss[-1]))


def runs_table(arrays: Arrays) -> Table:
    rows = []
    for i, method, *names in runs(arrays):
        delta, dipped = history(arrays, "delta", i, method), dip(arrays, i, method)
        end = "τ" if delta[-1] <= arrays["tol"] else "maxit"
        found = (f"{dipped.delta:.3g}", str(dipped.iteration), f"{dipped.loss_ratio:.2f}") if dipped else ("–",) * 3
        rows.append((*names, str(len(delta)), f"{delta[-1]:.4g}", end, *found))
    columns = (
        "k",
        "algorithm",
        "iterations",
        "last δ",
        "ended by",
        "δ in a dip",
        "at iteration",
        "loss there / last",
    )
    return Table(columns, rows)


def on_features(arrays: Arrays) -> str:
    text = "The figures show them, each drawn from 0 (white) to its own largest entry (black), numbered row by row."
    for i, k in enumerate(arrays["ranks"]):
        text += f" At k = {k} a column is seen on {span(arrays['support'][i], '.0%')} of the pixels."
        dead = [f"{count} with {name}" for count, name in zip(arrays["dead"][i], NAMES, strict=True) if count]
        text += f" The tiles with a cross are columns that have become zero: {joined(dead)}." if dead else ""
    return text + " (Counted are pixels above a tenth of the column's largest; means over the columns.)"


# What speaks for building blocks at the last rank: which way each trait goes, how it is written, and what it is.
TRAITS = {
    "support": (-1, ".0%", "the part of the pixels that a feature covers"),
    "sparsity": (1, ".2f", "the Hoyer sparsity of a feature"),
    "resemblance": (-1, ".2f", "the cosine of a feature with the mean image of the digit that it is most like"),
    "active": (1, ".1f", "the number of features that an image uses"),
}


def on_building_blocks(arrays: Arrays) -> str:
    first, last = arrays["ranks"][[0, -1]]
    told = [
        f"{what} is {span(arrays[trait][0], form)} at k = {first}"
        + (f" and {span(arrays[trait][-1], form)} at k = {last}" if last != first else "")
        for trait, (_, form, what) in TRAITS.items()
    ]
    against = [
        f"{trait} with {name}"
        for trait, (sign, *_) in TRAITS.items()
        for method, name in enumerate(NAMES)
        if not sign * (arrays[trait][-1, method] - arrays[trait][0, method]) > 0
    ]
    if first == last:
        text = "With one k there is nothing to compare it with."
    elif against:
        text = f"Not in all respects: these do not change as building blocks would have it: {joined(against)}."
    else:
        text = (
            f"Yes, by all four measures and with all three algorithms. At k = {first} the features are larger and "
            f"more like a whole digit. At k = {last} each is a smaller part, and an image uses more of them."
        )
    return (
        f"{text}\n\nIn numbers, from the least to the largest of the three algorithms: {'; '.join(told)}. An image "
        f"uses a feature that adds at least {ACTIVE:.0%} of its brightness.\n\n"
        "The figure takes one image apart: the image, what ANLS makes of it, and the largest parts of this, each with "
        "its share of the brightness."
    )


def traits_table(arrays: Arrays) -> Table:
    rows = []
    for i, method, *names in runs(arrays):
        told = (f"{arrays[trait][i, method]:{form}}" for trait, (_, form, _) in TRAITS.items())
        rows.append((*names, *told, str(arrays["dead"][i, method])))
    columns = ("k", "algorithm", "covers", "Hoyer sparsity", "cosine with a digit", "used in an image", "zero columns")
    return Table(columns, rows, "Means over the columns of W that are not zero, and over the images.")


def on_entropy(arrays: Arrays) -> str:
    paragraphs = []
    for i, k in enumerate(arrays["ranks"]):
        sparsity, support = arrays["sparsity"][i], arrays["support"][i]
        frobenius, kl = arrays["frobenius"][i, :, 1], arrays["kl"][i, :, 1]
        difference = sparsity[TWO] - sparsity[ONE]
        verdict = (
            "about as sparse as" if abs(difference) <= ALIKE else f"{'more' if difference > 0 else 'less'} sparse than"
        )
        paragraphs.append(
            f"At k = {k}, from this start, the features of algorithm II are {verdict} those of algorithm I: Hoyer "
            f"sparsity {sparsity[TWO]:.3f} and {sparsity[ONE]:.3f}, and they cover {support[TWO]:.1%} and "
            f"{support[ONE]:.1%} of the pixels. Paired with the most alike, features of the two have a mean cosine of "
            f"{arrays['alike'][i]:.2f}. The loss ½‖X − WH‖² of algorithm II is "
            f"{compared(frobenius[TWO], frobenius[ONE])} that of algorithm I, whose divergence is "
            f"{compared(kl[ONE], kl[TWO])} that of algorithm II."
        )
    infinite = np.isinf(arrays["kl"][:, :, 1])
    if infinite[:, ANLS].any() and not infinite[:, [ONE, TWO]].any():
        paragraphs.append(
            f"The divergence of ANLS is infinite at k = {joined(map(str, arrays['ranks'][infinite[:, ANLS]]))}: its "
            "factors have exact zeros, and where W H is 0 and X is not, X log(X / W H) is infinite. With "
            "multiplicative updates entries come near to 0, and the divergence stays finite."
        )
    return "\n\n".join(paragraphs)


def losses_table(arrays: Arrays) -> Table:
    rows = [
        (*names, *(f"{arrays[loss][i, method, 1]:.6g}".replace("inf", "∞") for loss in ("frobenius", "kl")))
        for i, method, *names in runs(arrays)
    ]
    columns = ("k", "algorithm", "½‖X − WH‖²", "entropy divergence")
    return Table(columns, rows, "Both losses at the end, before the last scaling.")


def loss_gap(arrays: Arrays) -> np.ndarray:
    """(K, A, iterations): printed / compensated − 1 of the losses before the scaling; NaN once one has ended."""
    return arrays["loss"][:, :, 0] / arrays["loss"][:, :, 1] - 1


def own_loss(arrays: Arrays) -> np.ndarray:
    """(K, A, 3): the loss that each algorithm lowers, as in `examine`."""
    return np.where(np.arange(len(METHODS))[:, None] == TWO, arrays["kl"], arrays["frobenius"])


def last_common_gap(arrays: Arrays, i: int, method: int) -> tuple[int, float]:
    """The last iteration that both runs have, and how far the loss as printed is above the other there."""
    t = int(arrays["num_iters"][i, method].min())
    return t, float(loss_gap(arrays)[i, method, t - 1])


def on_scaling(arrays: Arrays) -> str:
    gap = np.nanmax(np.abs(loss_gap(arrays)), axis=(0, 2))
    returned, before, _ = np.moveaxis(own_loss(arrays), 2, 0)
    rises = np.sum(np.diff(arrays["loss"][:, [ONE, TWO], 0]) > 0, axis=(0, 2))
    wrong = returned / before - 1
    spans = [f"{span(100 * wrong[:, a], '.3g')} % for {name}" for a, name in enumerate(NAMES)]
    told = []
    for i, k in enumerate(arrays["ranks"]):
        for a in (ONE, TWO):
            t, at_end = last_common_gap(arrays, i, a)
            side = "above" if at_end > 0 else "below"
            told.append(f"{NAMES[a]} at k = {k}: {abs(at_end):.2%} {side}, after {t} iterations of both")
    fell = [
        f"{'rose ' + str(count) + ' times' if count else 'never rose'} with {NAMES[a]}"
        for a, count in zip((ONE, TWO), rises, strict=True)
    ]
    return (
        "The pair that the lecture returns is not the fit that it found: dividing a column of W by its scale leaves "
        "W H as it was only if the row of H is multiplied by it, and the lecture leaves H. The loss of the returned "
        f"pair is above that before the last scaling by {joined(spans)}. The smallest case has X and W of one column: "
        "X = (1, 1, 1, 1)ᵀ, W⁰ = (½, ½, 1, ½)ᵀ. ANLS and algorithm I find an exact fit, and the scaling turns it into "
        "one with the loss 18/49 (statement 14, proofs/scaling.py). Algorithm II, with sums, has nothing to repair at "
        "k = 1, and keeps ΣWH = ΣX at every k.\n\n"
        "What follows differs. ANLS finds H anew from W, in whatever scale: its losses before the scaling "
        + ("are the same with H compensated" if gap[ANLS] < 1e-9 else f"differ by up to {gap[ANLS]:.1e} of their value")
        + ". The multiplicative updates start from the H that they have: the row of H of the column that was divided "
        "by most comes out too small, that of the column divided by least too large, and they take another path. The "
        "figure compares the losses before the scaling, as printed, with those of a run that compensates H. At the "
        f"last iteration that both have: {'; '.join(told)}. While both run they differ by up to {gap[ONE]:.1%} with "
        f"algorithm I and {gap[TWO]:.1%} with algorithm II.\n\n"
        "That the loss falls is proved for the compensated runs only. As printed, the loss before the scaling "
        f"{joined(fell)}. Both ways have the same fixed points, where nothing is left to scale."
    )


def scaling_table(arrays: Arrays) -> Table:
    own = own_loss(arrays)
    rows = [
        (*names, *map(str, arrays["num_iters"][i, method]), *(f"{value:.6g}" for value in own[i, method]))
        for i, method, *names in runs(arrays)
    ]
    columns = ("k", "algorithm", "iterations", "with H compensated", "loss as returned", "before last scaling")
    return Table(
        (*columns, "with H compensated"), rows, "The loss that each algorithm lowers, at the end of both runs."
    )


def runs(arrays: Arrays) -> list[tuple[int, int, str, str]]:
    """The index of each rank and algorithm, and what a table calls them."""
    return [(i, a, str(k), name) for i, k in enumerate(arrays["ranks"]) for a, name in enumerate(NAMES)]


def compared(value, reference) -> str:
    """How far a loss is from another, so that "that of …" can follow."""
    change = value / reference - 1
    return f"{abs(change):.1%} {'above' if change > 0 else 'below'}"


def span(values, form: str) -> str:
    """The least and the largest, or the one text that they share."""
    return " to ".join(dict.fromkeys(f"{value:{form}}" for value in (np.min(values), np.max(values))))


def joined(texts) -> str:
    """a, b and c."""
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last
