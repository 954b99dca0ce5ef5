"""Lecture: the three algorithms exactly as stated, and what the scaling that it leaves half done changes."""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

import jnmf
from experiments import data
from experiments.study import Arrays, Section, Table, tracked
from jnmf import Factors, losses, multiplicative, nonnegative_least_squares, solvers
from jnmf.losses import divide

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
    max_iters: tuple[int, ...] = (10, 100, 100)  # the lecture's maxit, one for each of METHODS
    seed: int = 0


FULL = Settings(num_images=10000, max_iters=(500, 500, 500))
TINY = Settings(num_images=150, ranks=(4, 16), max_iters=(4, 60, 60))

METHODS = ("ANLS", "MU Frobenius", "MU entropy")
ANLS, MU, ENTROPY = range(3)
# The half-step (X, W, H) -> H of each, and the loss that it lowers.
HALF_STEPS = (
    lambda X, W, H: nonnegative_least_squares.exact(H, W.T @ W, W.T @ X),
    lambda X, W, H: solvers.multiplicative(H, W.T @ W, W.T @ X),
    partial(multiplicative.half_step, beta=1),
)
LOSSES = (losses.frobenius, losses.frobenius, losses.kl)
EXAMPLE, PARTS = 1, 6  # the image that is taken apart, and how many of its parts are drawn
PLATEAU = 1.1  # times the last loss: where δ dips at a loss above it, the dip is told as a false end
VISIBLE = 0.1  # of its largest pixel: what counts to the support of a feature
ACTIVE = 0.01  # of the light of an image: a component that adds as much is active in it


class Run(NamedTuple):
    """The pair after the last scaling, the H that goes with this W, and the history, NaN after the last iteration."""

    factors: Factors
    compensated_H: Array
    num_iters: Array
    delta: Array
    loss: Array  # before each scaling


@partial(jax.jit, static_argnames=("method", "max_iters"))
def alternate(X, start: Factors, method: int, compensate, tol, max_iters: int) -> Run:
    """The lecture's algorithm: H from W, W from this H, the columns of W divided by their maxima, until δ < tol.

    X (m, n), start W (m, k), H (k, n). The lecture leaves H as it is when W is scaled; with `compensate` its rows are
    multiplied by what the columns were divided by.
    """
    half_step, loss = HALF_STEPS[method], LOSSES[method]

    def iterate(run):
        W, H = run.factors
        H = half_step(X, W, H)
        W = half_step(X.T, H.T, W.T).T
        scaled = jnmf.normalize(Factors(W, H))
        new = Factors(scaled.W, jnp.where(compensate, scaled.H, H))
        t, delta = run.num_iters, larger_change(run.factors, new)
        return Run(new, scaled.H, t + 1, run.delta.at[t].set(delta), run.loss.at[t].set(loss(X, *scaled)))

    def unfinished(run):
        return (run.num_iters < max_iters) & ~(run.delta[run.num_iters - 1] < tol)

    nan = jnp.full(max_iters, jnp.nan, X.dtype)
    return lax.while_loop(unfinished, iterate, Run(start, start.H, jnp.array(0), nan, nan))


def larger_change(old: Factors, new: Factors):
    """The lecture's δ = max(‖W⁺ − W‖/‖W‖, ‖H⁺ − H‖/‖H‖). `jnmf.relative_change` adds the two."""
    norm = jnp.linalg.norm
    return jnp.maximum(*(divide(norm(b - a), norm(a)) for a, b in zip(old, new, strict=True)))


def compute(settings: Settings, progress: bool = False) -> Arrays:
    """What `examine` finds, (K, A, …) over the K ranks and the A = 3 METHODS, and of each rank k:

    features_k (A, m, k), the literal W. alike (K,): the mean cosine of the features of MU Frobenius and MU entropy,
    paired. parts (K, m, 2 + PARTS): an image, W h by ANLS, and the largest parts of this sum of W_:k h_k.
    """
    if len(settings.max_iters) != len(METHODS):
        raise ValueError(f"max_iters: expected one for each of {', '.join(METHODS)}, got {settings.max_iters}")
    images = data.or_stand_in(data.mnist_test, data.digits)
    X, labels = images.X[:, : settings.num_images], np.asarray(images.labels)[: settings.num_images]
    digits = np.stack([X[:, labels == digit].mean(axis=1) for digit in np.unique(labels)], axis=1)

    ranks, num_methods = sorted(settings.ranks), len(METHODS)
    pairs = [(k, method) for k in ranks for method in range(num_methods)]
    done = [both_ways(X, k, method, settings) for k, method in tracked(pairs, "ranks × algorithms", progress)]
    found = [examine(X, *both, digits, max(settings.max_iters)) for both in done]
    stacked = {name: np.stack([one[name] for one in found]) for name in found[0]}
    by_rank = [done[i : i + num_methods] for i in range(0, len(done), num_methods)]
    features = [np.stack([literal.factors.W for literal, _ in of_rank]) for of_rank in by_rank]
    return {
        **{name: array.reshape(len(ranks), num_methods, *array.shape[1:]) for name, array in stacked.items()},
        **{f"features_{k}": of_rank for k, of_rank in zip(ranks, features, strict=True)},
        "alike": np.array([jnmf.similarity(of_rank[MU], of_rank[ENTROPY]) for of_rank in features]),
        "parts": np.stack([taken_apart(X, of_rank[ANLS][1].factors) for of_rank in by_rank]),
        "ranks": np.array(ranks),
        "tol": np.array(settings.tol),
        "X_shape": np.array(X.shape),
        "image_shape": np.array(images.shape),
        "order": np.array(images.order),
        "notes": np.array([images.note] if images.note else [], dtype=str),
    }


def both_ways(X, k: int, method: int, settings: Settings) -> tuple[Run, Run]:
    """The literal run and the one with H compensated, from the same random start."""
    start = jnmf.init.random(settings.seed, X, k)
    literal, compensated = (
        jax.device_get(alternate(X, start, method, compensate, settings.tol, settings.max_iters[method]))
        for compensate in (False, True)
    )
    return literal, compensated


def examine(X, literal: Run, compensated: Run, digits, longest: int) -> Arrays:
    """The numbers of one algorithm at one rank. Axes of 2 are for the literal and the compensated run.

    num_iters (2,), delta and loss (2, longest). frobenius and kl (3,): the losses of the literal pair as it is
    returned, of the same pair before its last scaling, and of the compensated pair. last_scale (2,): the least and the
    largest number that the last literal scaling divided by. The rest is of the literal run: see `traits`.
    """
    W, H = literal.factors
    before = Factors(W, literal.compensated_H)
    pairs = (literal.factors, before, compensated.factors)
    padded = lambda history: np.pad(history, (0, longest - len(history)), constant_values=np.nan)
    used = H.sum(axis=1) > 0
    scale = before.H.sum(axis=1)[used] / H.sum(axis=1)[used]
    return {
        "num_iters": np.array([run.num_iters for run in (literal, compensated)]),
        "delta": np.array([padded(run.delta) for run in (literal, compensated)]),
        "loss": np.array([padded(run.loss) for run in (literal, compensated)]),
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


def draw_delta(arrays: Arrays):
    """The history of δ in the literal runs."""
    figure, panels = curves_by_rank(arrays, arrays["delta"][:, :, 0])
    for ax in panels:
        ax.axhline(arrays["tol"], color="0.4", linewidth=1, linestyle=(0, (1, 1)), label=f"τ = {arrays['tol']:g}")
        ax.set_ylabel("δ, larger relative change of W and H")
        ax.legend(fontsize="small")
    return figure


def draw_scaling(arrays: Arrays):
    """How far the loss of the literal run is above that of the compensated one, while both run."""
    figure, panels = curves_by_rank(arrays, 100 * loss_gap(arrays))
    for ax in panels:
        ax.set(yscale="linear", ylabel="loss, literal above compensated, in %")
    return figure


def curves_by_rank(arrays: Arrays, values):
    """A panel for each rank, and in it a curve for each algorithm against the iteration: values (K, A, iterations)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5 * len(values), 3.5), layout="constrained")
    panels = figure.subplots(1, len(values), sharey=True, squeeze=False)[0]
    for ax, k, curves in zip(panels, arrays["ranks"], values, strict=True):
        traces = {name: jnmf.Trace(curve, curve, curve) for name, curve in zip(METHODS, curves, strict=True)}
        jnmf.plot.convergence(traces, ax=ax)
        ax.set_title(f"k = {k}")
    return figure, panels


def draw_features(arrays: Arrays, k: int):
    """The columns of the literal W as images, side by side for the algorithms."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 3.2), layout="constrained")
    panels: Any = figure.subplots(1, len(METHODS))
    for ax, name, W in zip(panels, METHODS, arrays[f"features_{k}"], strict=True):
        sheet = tiles(W, arrays["image_shape"], str(arrays["order"]))
        drawn = ax.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set(title=name, xticks=[], yticks=[])
    figure.colorbar(drawn, ax=panels, label="entry of W")
    return figure


def tiles(W, shape, order) -> np.ndarray:
    """The columns of W (m, k) as images on a sheet with about √k a row, bright lines between them."""
    across = int(np.ceil(np.sqrt(W.shape[1])))
    down, (height, width) = -(-W.shape[1] // across), shape
    sheet = np.ones((down, height + 1, across, width + 1))
    for k, column in enumerate(W.T):
        sheet[k // across, :height, k % across, :width] = column.reshape(shape, order=order)
    return sheet.reshape(down * (height + 1), across * (width + 1))[:-1, :-1]


def draw_parts(arrays: Arrays):
    """An image, what ANLS makes of it, and the largest parts that it makes it of: a row for each rank."""
    titles = []
    for k, images in zip(arrays["ranks"], arrays["parts"], strict=True):
        light = images.sum(axis=0) / images[:, 1].sum()
        titles += ["image", f"$Wh$, k = {k}", *(f"{share:.0%}" for share in light[2:])]
    figure = jnmf.plot.components(
        np.hstack(list(arrays["parts"])),
        tuple(arrays["image_shape"].tolist()),
        order=str(arrays["order"]),
        num_columns=2 + PARTS,
        titles=titles,
    )
    figure.axes[-1].set_ylabel("pixel")
    return figure


# Answers


def sections(arrays: Arrays) -> list[Section]:
    first, last = arrays["ranks"][[0, -1]]
    features = tuple(f"features-{k}" for k in arrays["ranks"])
    return [
        Section("How does δ fall, for each algorithm and each k?", on_delta(arrays), ("delta",), (runs_table(arrays),)),
        Section("What do the features, the columns of W, look like as images?", on_features(arrays), features),
        Section(
            f"Are there summaries of digits at k = {first}, and building blocks at k = {last}?",
            on_building_blocks(arrays),
            ("parts",),
            (traits_table(arrays),),
        ),
        Section(
            "The entropy divergence beside the Frobenius norm: what are its features, its sparsity, its losses?",
            on_entropy(arrays),
            tables=(losses_table(arrays),),
        ),
        Section(
            "What changes when H is compensated for the scaling of W?",
            on_scaling(arrays),
            ("scaling",),
            (scaling_table(arrays),),
        ),
    ]


def on_delta(arrays: Arrays) -> str:
    (m, n), tol = arrays["X_shape"], arrays["tol"]
    paragraphs = [
        f"X has {n} columns, each an image of {m} pixels. The three algorithms start from the same random W and H. An "
        "iteration finds H from W, then W from the new H, then divides the columns of W by their maxima and leaves H "
        f"as it is. It ends when δ, the larger of the relative changes of W and H, is below τ = {tol:g}, or at maxit."
    ]
    for i, k in enumerate(arrays["ranks"]):
        ends = []
        for method, name in enumerate(METHODS):
            delta = history(arrays, "delta", i, method)
            how = "reaches τ" if delta[-1] < tol else f"is ended by maxit, with δ = {delta[-1]:.2g},"
            ends.append(f"{name} {how} after {len(delta)} iterations")
        paragraphs.append(f"At k = {k}: {'; '.join(ends)}.")
    found = {run: dip(arrays, *run) for run in np.ndindex(len(arrays["ranks"]), len(METHODS))}
    early = {run: dipped for run, dipped in found.items() if dipped and dipped.loss_ratio > PLATEAU}
    if early:
        names = dict.fromkeys(METHODS[method] for _, method in sorted(early, key=lambda run: run[1]))
        lowest = min(dipped.delta for dipped in early.values())
        ratio = max(dipped.loss_ratio for dipped in early.values())
        paragraphs.append(
            f"A small δ need not mean that the end is near. With {joined(names)} it dips on a plateau at the start, "
            f"to {lowest:.2g} at the least, and rises again as the features take shape. The loss in a dip is up to "
            f"{ratio:.2g} times the last one. A τ above the dip would have stopped there."
        )
    ratios = arrays["frobenius"][:, MU, 1] / arrays["frobenius"][:, ANLS, 1]
    told = [f"{ratio:.2f} at k = {k}" for ratio, k in zip(ratios, arrays["ranks"], strict=True)]
    paragraphs.append(
        "Nor does the same τ mean the same quality: one algorithm takes smaller steps than another. "
        f"At their ends, the loss of MU Frobenius over that of ANLS is {joined(told)}."
    )
    return "\n\n".join(paragraphs)


def history(arrays: Arrays, field: str, i: int, method: int) -> np.ndarray:
    """delta or loss of a literal run, as many entries as it has iterations."""
    return arrays[field][i, method, 0, : arrays["num_iters"][i, method, 0]]


class Dip(NamedTuple):
    """Where δ is lowest before its largest rise: the iteration, δ, and the loss over the last loss."""

    iteration: int
    delta: float
    loss_ratio: float


def dip(arrays: Arrays, i: int, method: int) -> Dip | None:
    """None if δ never rises by half."""
    delta, loss = history(arrays, "delta", i, method), history(arrays, "loss", i, method)
    high = int(np.argmax(delta / np.minimum.accumulate(delta)))
    low = int(np.argmin(delta[: high + 1]))
    if delta[high] < 1.5 * delta[low]:
        return None
    return Dip(low + 1, float(delta[low]), float(loss[low] / loss[-1]))


def runs_table(arrays: Arrays) -> Table:
    rows = []
    for i, method, *names in runs(arrays):
        delta, dipped = history(arrays, "delta", i, method), dip(arrays, i, method)
        end = "τ" if delta[-1] < arrays["tol"] else "maxit"
        found = (f"{dipped.delta:.3g}", str(dipped.iteration), f"{dipped.loss_ratio:.2f}") if dipped else ("–",) * 3
        rows.append((*names, str(len(delta)), f"{delta[-1]:.3g}", end, *found))
    columns = (
        "k",
        "algorithm",
        "iterations",
        "last δ",
        "ended by",
        "δ in the dip",
        "at iteration",
        "loss there / last",
    )
    return Table(columns, rows)


def on_features(arrays: Arrays) -> str:
    text = "Each tile is a column of W, bright where its entry is large. All columns have maximum 1."
    for i, k in enumerate(arrays["ranks"]):
        text += f" At k = {k} a feature is seen on {span(arrays['support'][i], '.0%')} of the pixels."
        dead = [f"{count} of {name}" for count, name in zip(arrays["dead"][i], METHODS, strict=True) if count]
        text += f" The dark tiles are dead, zero columns of W: {joined(dead)}." if dead else ""
    return text + " A pixel counts where it is above a tenth of the feature's largest."


# What speaks for building blocks at the last rank: which way each trait goes, and how it is written.
TRAITS = {"support": (-1, ".0%"), "sparsity": (1, ".2f"), "resemblance": (-1, ".2f"), "active": (1, ".1f")}


def on_building_blocks(arrays: Arrays) -> str:
    first, last = arrays["ranks"][[0, -1]]
    text = ""
    for i, k in {0: first, len(arrays["ranks"]) - 1: last}.items():
        support, sparsity, resemblance, active = (span(arrays[t][i], form) for t, (_, form) in TRAITS.items())
        text += (
            f"At k = {k} a feature covers {support} of the pixels, has a Hoyer sparsity of {sparsity} and a cosine of "
            f"{resemblance} with the mean image of the digit that it is most like. An image has {active} active "
            "components, those that add at least 1 % of its light. "
        )
    against = [
        f"{trait} with {name}"
        for trait, (sign, _) in TRAITS.items()
        for method, name in enumerate(METHODS)
        if not sign * (arrays[trait][-1, method] - arrays[trait][0, method]) > 0
    ]
    if first == last:
        text += "With one k there is nothing to compare it with."
    elif against:
        text += f"Not all of this speaks for building blocks at k = {last}: {joined(against)} does not."
    else:
        text += (
            f"All four, with all three algorithms, say the same. At k = {first} there are few large features, near to "
            f"whole digits or to what some digits share. At k = {last} each is a smaller part, and more of them make "
            "an image."
        )
    return (
        f"{text}\n\nThe figure takes one image apart: the image, what ANLS makes of it, and the largest parts of this, "
        "with the part of the light that each adds."
    )


def traits_table(arrays: Arrays) -> Table:
    rows = []
    for i, method, *names in runs(arrays):
        told = (f"{arrays[trait][i, method]:{form}}" for trait, (_, form) in TRAITS.items())
        rows.append((*names, *told, str(arrays["dead"][i, method])))
    columns = ("k", "algorithm", "support", "Hoyer sparsity", "cosine with a digit", "active in an image", "dead")
    return Table(columns, rows, "The literal runs: means over the features that are not dead, and over the images.")


def on_entropy(arrays: Arrays) -> str:
    paragraphs = []
    for i, k in enumerate(arrays["ranks"]):
        sparsity, support = arrays["sparsity"][i], arrays["support"][i]
        frobenius, kl = arrays["frobenius"][i, :, 1], arrays["kl"][i, :, 1]
        paragraphs.append(
            f"At k = {k} the features of MU entropy, in the figure above, are "
            f"{'sparser' if sparsity[ENTROPY] > sparsity[MU] else 'not sparser'} than those of MU Frobenius: Hoyer "
            f"sparsity {sparsity[ENTROPY]:.3f} and {sparsity[MU]:.3f}, support {support[ENTROPY]:.1%} and "
            f"{support[MU]:.1%} of the pixels. Paired with the most alike, features of the two have a mean cosine of "
            f"{arrays['alike'][i]:.2f}. The Frobenius loss of MU entropy is "
            f"{compared(frobenius[ENTROPY], frobenius[MU])} that of MU Frobenius, whose divergence is "
            f"{compared(kl[MU], kl[ENTROPY])} that of MU entropy."
        )
    infinite = np.isinf(arrays["kl"][:, :, 1])
    if infinite[:, ANLS].any() and not infinite[:, [MU, ENTROPY]].any():
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
    return Table(columns, rows, "Both losses of the literal runs, before their last scaling.")


def loss_gap(arrays: Arrays) -> np.ndarray:
    """(K, A, iterations): literal / compensated − 1 of the losses before the scaling; NaN once one has ended."""
    return arrays["loss"][:, :, 0] / arrays["loss"][:, :, 1] - 1


def own_loss(arrays: Arrays) -> np.ndarray:
    """(K, A, 3): the loss that each algorithm lowers, as in `examine`."""
    return np.where(np.arange(len(METHODS))[:, None] == ENTROPY, arrays["kl"], arrays["frobenius"])


def on_scaling(arrays: Arrays) -> str:
    gap = np.nanmax(np.abs(loss_gap(arrays)), axis=(0, 2))
    returned, before, compensated = np.moveaxis(own_loss(arrays), 2, 0)
    rises = int(np.sum(np.diff(arrays["loss"][:, [MU, ENTROPY], 0]) > 0))
    scales = arrays["last_scale"][:, [MU, ENTROPY]]

    noticed = f"the losses before the scaling differ by up to {gap[ANLS]:.1e} of their value"
    if gap[ANLS] == 0:
        noticed = "the losses before the scaling are the same in both runs, to the last digit"
    ends = []
    for i, k in enumerate(arrays["ranks"]):
        told = [f"{METHODS[a]} ends {compared(before[i, a], compensated[i, a])} it" for a in (MU, ENTROPY)]
        ends.append(f"at k = {k} {joined(told)}")
    return (
        "Dividing a column of W by its maximum leaves W H as it was only if the row of H is multiplied by it. The "
        "lecture does not do that. The figure compares the loss before each scaling in such a literal run with that in "
        "a run that compensates H. Statement 14 of the proofs says what to expect.\n\n"
        f"ANLS finds H anew from W, in whatever scale: {noticed}. Only the last pair is wrong. As it is returned, its "
        f"loss is {span(returned[:, ANLS] / before[:, ANLS] - 1, '.2%')} above what it was before the last scaling.\n\n"
        "The multiplicative updates start from the H that they have, and take another path. While both runs last, "
        f"their losses differ by up to {gap[MU]:.1%} with MU Frobenius and {gap[ENTROPY]:.1%} with MU entropy. Taken "
        f"from the last loss of the compensated run, {'; '.join(ends)}.\n\n"
        "That the loss falls is proved for the compensated runs only. In the literal ones the loss before the scaling "
        f"{f'rose {rises} times' if rises else 'never rose here'}. Both have the same fixed points, where all maxima "
        f"are 1 and nothing is left to scale. The last maxima were {scales.min():.3f} to {scales.max():.3f} with the "
        "multiplicative updates."
    )


def scaling_table(arrays: Arrays) -> Table:
    own = own_loss(arrays)
    rows = [
        (*names, *map(str, arrays["num_iters"][i, method]), *(f"{value:.6g}" for value in own[i, method]))
        for i, method, *names in runs(arrays)
    ]
    columns = ("k", "algorithm", "iterations", "compensated", "loss as returned", "before last scaling", "compensated")
    return Table(columns, rows, "Literal and compensated runs, and the loss that each algorithm lowers.")


def runs(arrays: Arrays) -> list[tuple[int, int, str, str]]:
    """The index of each rank and algorithm, and what a table calls them."""
    return [(i, a, str(k), name) for i, k in enumerate(arrays["ranks"]) for a, name in enumerate(METHODS)]


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
