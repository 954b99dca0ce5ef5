"""Problem 3: the multiplicative rule as gradient descent, with step sizes of its own."""

from typing import Any

import jax
import numpy as np
from jax import lax

import jnmf
from experiments.figures import blank
from experiments.problem_set import ROUNDING, Given, Settings, checks, losses_of, proved, recorded, relative
from experiments.study import Arrays, Section
from jnmf import losses
from jnmf.plot import BLUE, ORANGE

BINS = np.linspace(-3, 3, 61)  # of log₁₀ of a step size in units of 1/L


def compute(settings: Settings, given: Given) -> dict[str, Any]:
    X = given.X
    start = jnmf.init.random(settings.seed, X, settings.rank)
    Ws, Hs = (np.asarray(A) for A in recorded(X, start, jnmf.MU(), settings.num_iters))
    loss, steps, after = (np.asarray(A) for A in gradient_steps(X, Ws, Hs))
    lipschitz = np.linalg.norm(Ws.mT @ Ws, 2, axis=(1, 2))  # L of the gradient in H
    in_units = steps * lipschitz[:, None, None]
    with np.errstate(divide="ignore"):
        logarithm = np.log10(in_units).reshape(len(steps), -1)
    projected = recorded(X, start, jnmf.PGD(), settings.num_iters)
    return {
        "step_histogram": [np.histogram(row, BINS)[0] / row.size for row in logarithm],
        "step_quantiles": np.quantile(in_units, (0.1, 0.5, 0.9), axis=(1, 2)),
        "step_below_bins": np.mean(logarithm < BINS[0], axis=1),
        "step_above_one": np.mean(in_units > 1, axis=(1, 2)),
        "step_above_two": np.mean(in_units > 2, axis=(1, 2)),
        # Of each column of H the largest and the smallest step.
        "step_column_largest": in_units.max(axis=1),
        "step_column_smallest": in_units.min(axis=1),
        "step_deviation": [relative(a, b) for a, b in zip(after[:-1], Hs[1:], strict=True)],
        "MU.loss": loss,
        "PGD.loss": losses_of(X, projected),
    }


@jax.jit
def gradient_steps(X, Ws, Hs):
    """For each pair of factors of a sequence: F(H), the step sizes ε = H ⊘ (WᵀWH), and H − ε ⊙ ∇F(H) by autodiff."""

    def of_pair(pair):
        W, H = pair
        step_size = H / (W.T @ W @ H)
        loss, gradient = jax.value_and_grad(losses.frobenius, argnums=2)(X, W, H)
        return loss, step_size, H - step_size * gradient

    return lax.map(of_pair, (Ws, Hs))


def plot(arrays: Arrays) -> dict[str, Any]:
    return {"step_sizes": draw_steps(arrays)}


def draw_steps(arrays: Arrays) -> Any:
    from matplotlib.colors import PowerNorm

    figure = blank(7.2, 6)
    top, bottom = figure.subplots(2, 1, height_ratios=(1.6, 1))
    histogram, quantiles = np.asarray(arrays["step_histogram"]), arrays["step_quantiles"]
    iterations = np.arange(len(histogram))
    style = {"cmap": "gray_r", "norm": PowerNorm(0.5, 0, histogram.max())}  # so that the few small steps show
    mesh = top.pcolormesh(np.append(iterations, len(histogram)) - 0.5, BINS, histogram.T, **style)
    figure.colorbar(mesh, ax=top, label="fraction of the entries of $H$", pad=0.01)
    for values, label, dash in zip(quantiles, ("10 %", "median", "90 %"), (":", "-", "--"), strict=True):
        with np.errstate(divide="ignore"):
            top.plot(iterations, np.log10(values), color=ORANGE, linestyle=dash, label=label)
    top.axhline(0, color=BLUE, linestyle="-.", label="$1/L$, projected gradient")
    top.set(ylabel=r"$\log_{10}(\varepsilon_{ij}\,L)$", ylim=(BINS[0], BINS[-1]))
    top.legend(fontsize=8, loc="upper left", ncols=2)
    for name, color, dash, label in (
        ("MU", ORANGE, "-", "MU: step sizes of their own"),
        ("PGD", BLUE, "-.", "projected gradient: $1/L$ for all"),
    ):
        bottom.plot(arrays[f"{name}.loss"], color=color, linestyle=dash, label=label)
    bottom.set(xlabel="iteration", ylabel=r"$\frac{1}{2}\|A - WH\|^2$", yscale="log")
    bottom.grid(alpha=0.3, which="both")
    bottom.legend(fontsize=8)
    top.set_xlim(-0.5, len(histogram) - 0.5)
    bottom.set_xlim(-0.5, len(histogram) - 0.5)
    return figure


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section(
            "Problem 3. The multiplicative rule as gradient descent: with which step sizes?",
            gradient(arrays),
            ("step_sizes",),
            (
                checks(
                    (
                        "H of jnmf.MU from H − ε ⊙ ∇F(H), the gradient by autodiff, relative to its largest entry",
                        arrays["step_deviation"],
                    )
                ),
            ),
        )
    ]


def gradient(arrays: Arrays) -> str:
    largest, smallest = arrays["step_column_largest"], arrays["step_column_smallest"]
    between = np.sum((largest >= 1 - ROUNDING) & (smallest <= 1 + ROUNDING))
    over, double, below = (arrays[key] for key in ("step_above_one", "step_above_two", "step_below_bins"))
    mu, pgd, last = arrays["MU.loss"][-1], arrays["PGD.loss"][-1], len(over) - 1
    lower, median = "MU" if mu < pgd else "projected gradient", arrays["step_quantiles"][1]
    return (
        "With ε_ij = H_ij/(WᵀWH)_ij, one for each entry: in (3.2) the term −ε_ij(WᵀWH)_ij then cancels H_ij, and what "
        f"remains is (3.1), in which no entry can become negative. {proved(17)}\n\n"
        "The figure shows how the step sizes for H are distributed in each iteration, in units of the 1/L that "
        f"projected gradient takes for all entries, L = ‖WᵀW‖₂. At the start {over[0]:.0%} of them are above 1/L, "
        f"after {last} iterations {over[-1]:.0%}, and {double[-1]:.0%} are above 2/L, where a common step size would "
        f"no longer be safe. The median goes from {median[0]:.2g}/L to {median[-1]:.2g}/L, and {below[-1]:.0%} of the "
        "steps end below a thousandth of 1/L: ε_ij is in proportion to H_ij, so that an entry near 0 hardly moves. The "
        "mean of the 1/ε_ij of a column with the weights v_i H_ij is L, v ≥ 0 the leading eigenvector of WᵀW: so 1/L "
        f"lies between the smallest and the largest step of a column. It does in {between} of {largest.size} columns "
        "of all iterations.\n\n"
        f"From the same start and after {last} iterations, ½‖A − WH‖² is {mu:.1f} for MU and {pgd:.1f} for projected "
        f"gradient; {lower} is lower."
    )
