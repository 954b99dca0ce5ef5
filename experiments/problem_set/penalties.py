"""Problem 1: regularised ALS, and what its penalties do."""

from typing import Any

import jax
import numpy as np

import jnmf
from experiments.figures import blank, show_image
from experiments.problem_set import Given, Settings, checks, proved
from experiments.problem_set.rules import DICTIONARY, FORMS, INVERTIBLE, as_printed, rule_deviations
from experiments.study import Arrays, Section, Table
from jnmf import Factors
from jnmf.plot import BLUE, GREY, ORANGE

METHODS = ("ALS", "HALS")
GONE = 1e-6  # a component whose ‖w‖‖h‖ is below this times ‖X‖ has left the model
PENALTIES = {"l1": r"l1: $\alpha\,(\sum W + \sum H)$", "l2": r"l2: $\alpha\,(\|W\|^2 + \|H\|^2)$"}
STYLES = {"ALS": {"color": BLUE, "marker": "o"}, "HALS": {"color": ORANGE, "marker": "^", "linestyle": "--"}}


def compute(settings: Settings, given: Given) -> dict[str, Any]:
    """Paths over α of both forms of the penalty, for ALS and, on the same objectives, HALS: one program for each.

    Both factors carry the penalty. One on W alone could be escaped: W/c and cH have the same product.
    """
    X = given.X
    start = jnmf.init.random(settings.seed, X, settings.rank)
    sigma = np.linalg.norm(X, 2)
    alphas = np.append(0, 0.5 * sigma * np.geomspace(1e-3, 2, settings.num_alphas))
    l1 = np.stack([alphas, 0 * alphas])
    l2 = np.stack([0 * alphas, 2 * alphas])  # α‖W‖² is ½ l2 ‖W‖² with l2 = 2α

    @jax.jit
    def path(X, start, algorithms):
        def last(algorithm):
            factors, trace = jnmf.run(X, start, algorithm, num_iters=settings.num_iters)
            return *factors, trace.delta[-1]

        return jax.vmap(jax.vmap(last))(algorithms)

    arrays: dict[str, Any] = {"alphas": alphas, "alpha_of_zero": 0.5 * sigma}
    for algorithm in (jnmf.ALS, jnmf.HALS):
        W, H, delta = (np.asarray(A) for A in path(X, start, algorithm(l1_W=l1, l1_H=l1, l2_W=l2, l2_H=l2)))
        alive = np.linalg.norm(W, axis=2) * np.linalg.norm(H, axis=3) > GONE * np.linalg.norm(X)
        sparsity = np.asarray(jnmf.hoyer_sparsity(W, axis=2))
        arrays |= {
            f"{algorithm.__name__}.error": np.linalg.norm(X - W @ H, axis=(2, 3)) / np.linalg.norm(X),
            f"{algorithm.__name__}.alive": alive.sum(axis=2),
            f"{algorithm.__name__}.sparsity": np.where(alive, sparsity, np.nan),  # of each column of W
            f"{algorithm.__name__}.delta": delta,
        }
        if algorithm is jnmf.ALS:
            arrays |= rule_deviations(X, W, H, alphas) | shown_parts(W, H, arrays["ALS.alive"])
    return arrays | as_printed(X, settings)


def shown_parts(W, H, num_alive) -> dict[str, Any]:
    """W of ALS, columns of maximum 1: without a penalty, with the largest that leaves all components, and between."""
    last = [int(np.flatnonzero(alive == alive[0])[-1]) for alive in num_alive]
    shown = np.array([(0, (end + 1) // 2, end) for end in last])
    form = np.arange(len(shown))[:, None]
    parts = jax.jit(jax.vmap(jax.vmap(jnmf.normalize)))(Factors(W[form, shown], H[form, shown])).W
    return {"shown_alphas": shown, "parts": parts}


def plot(arrays: Arrays) -> dict[str, Any]:
    return {"penalty_paths": draw_paths(arrays), "penalty_parts": draw_parts(arrays)}


def mean_sparsity(arrays: Arrays, method: str) -> np.ndarray:
    """(2, α): the mean over the components that are left; NaN where none is."""
    sparsity = arrays[f"{method}.sparsity"]
    left = np.isfinite(sparsity).sum(axis=2)
    return np.divide(np.nansum(sparsity, axis=2), left, out=np.full(left.shape, np.nan), where=left > 0)


def draw_paths(arrays: Arrays) -> Any:
    alphas = arrays["alphas"]
    rows = {
        "relative error": lambda method: arrays[f"{method}.error"],
        "sparsity of $W$,\nmean of columns": lambda method: mean_sparsity(arrays, method),
        "components left": lambda method: arrays[f"{method}.alive"],
    }
    figure = blank(7.2, 6.2)
    grid = figure.subplots(3, 2, sharex=True, sharey="row")
    for axes, (label, values) in zip(grid, rows.items(), strict=True):
        axes[0].set_ylabel(label)
        for i, ax in enumerate(axes):
            for method, style in STYLES.items():
                curve = values(method)[i]
                ax.plot(alphas[1:], curve[1:], **{"markersize": 4, "label": method, **style})
                ax.axhline(curve[0], color=style["color"], linestyle=":", linewidth=1, label=f"{method}, α = 0")
            if i == 1:
                ax.axvline(arrays["alpha_of_zero"], color=GREY, linewidth=0.8, label=r"$\alpha = \sigma_1/2$")
            ax.set_xscale("log")
            ax.grid(alpha=0.3)
    for ax, form in zip(grid[0], FORMS, strict=True):
        ax.set_title(PENALTIES[form], fontsize="medium")
    for ax in grid[2]:
        ax.set_xlabel(r"penalty $\alpha$")
    grid[0, 1].legend(fontsize=8, loc="upper left")
    return figure


def draw_parts(arrays: Arrays) -> Any:
    parts, shown, alphas = arrays["parts"], arrays["shown_alphas"], arrays["alphas"]
    shape, order, num_parts = arrays["shape"], str(arrays["order"]), parts.shape[-1]
    figure = blank(7.2, 1.5 + 4.6 * 9 / max(num_parts, 9))
    for block, form, images, places in zip(figure.subfigures(2, 1), FORMS, parts, shown, strict=True):
        block.suptitle(PENALTIES[form], fontsize="medium")
        for axes, W, place in zip(block.subplots(len(places), num_parts), images, places, strict=True):
            axes[0].set_ylabel(f"α = {alphas[place]:.2g}", fontsize=8)
            for ax, w in zip(axes, W.T, strict=True):
                drawn = show_image(ax, w, shape, order, vmin=0, vmax=1)
        block.colorbar(drawn, ax=block.axes, label="entry of $W$, largest is 1", pad=0.01)
    return figure


def sections(arrays: Arrays) -> list[Section]:
    deviation = arrays["rule_deviation"]
    return [
        Section(
            "Problem 1. Regularised ALS: which rules for W follow for a) ‖W‖² and b) ΣW?",
            regularised(arrays),
            ("penalty_paths", "penalty_parts"),
            (
                DICTIONARY,
                path_table(arrays),
                checks(
                    (
                        f"the last W of ALS, {np.isfinite(deviation).sum()} runs, from the rule for its H",
                        deviation[np.isfinite(deviation)],
                    )
                ),
            ),
        )
    ]


def path_table(arrays: Arrays) -> Table:
    sparsity = mean_sparsity(arrays, "ALS")
    cell = lambda value: "none left" if np.isnan(value) else f"{value:.3f}"
    rows = [
        (f"{alpha:.3g}", *(text for i in (0, 1) for text in (f"{arrays['ALS.error'][i, j]:.3f}", cell(sparsity[i, j]))))
        for j, alpha in enumerate(arrays["alphas"])
    ]
    return Table(("α", "l1: error", "sparsity of W", "l2: error", "sparsity of W"), rows, "The paths of ALS")


def path_in_words(arrays: Arrays, i: int) -> str:
    """What happens along one path of ALS, from the numbers."""
    alphas, error, left = arrays["alphas"], arrays["ALS.error"][i], arrays["ALS.alive"][i]
    sparsity = mean_sparsity(arrays, "ALS")[i]
    most, least, best = np.nanargmax(sparsity), np.nanargmin(sparsity), np.argmin(error)
    at = lambda j: f"α = {alphas[j]:.2g}" if j else "no penalty"
    empty = np.flatnonzero(left == 0)
    end = f"no component is left from α = {alphas[empty[0]]:.2g} on" if len(empty) else "components are left at the end"
    return (
        f"the relative error ‖A − WH‖/‖A‖ is {error[0]:.3f} without a penalty and least, {error[best]:.3f}, with "
        f"{at(best)}; the mean sparsity of the columns of W is {sparsity[0]:.3f} without a penalty, largest, "
        f"{sparsity[most]:.3f}, with {at(most)} and smallest, {sparsity[least]:.3f}, with {at(least)}; {end}"
    )


def mean_cosine(W) -> float:
    """The mean cosine of the angle between two different columns."""
    directions = W / np.linalg.norm(W, axis=0)
    return float(np.mean((directions.T @ directions)[~np.eye(W.shape[1], dtype=bool)]))


def regularised(arrays: Arrays) -> str:
    num_alphas, deviation = len(arrays["alphas"]), arrays["rule_deviation"]
    compared = np.isfinite(deviation)
    above = np.sum(arrays["ALS.error"] > arrays["HALS.error"] * (1 + 1e-6), axis=1)
    moving = np.sum(arrays["ALS.delta"] > 1e-2)
    most = {method: np.nanmax(mean_sparsity(arrays, method)[0]) for method in METHODS}
    l1, l2 = (path_in_words(arrays, i) for i in (0, 1))
    l1_cosines, l2_cosines = (", ".join(f"{mean_cosine(W):.2f}" for W in parts) for parts in arrays["parts"])
    plain, scaled = np.max(arrays["printed_deviation"], axis=0)
    return (
        "a) W ← [AHᵀ(HHᵀ + 2αI)⁻¹]₊; b) W ← [(AHᵀ − α𝟏)(HHᵀ)⁻¹]₊, both beside ½‖A − WH‖². At a stationary point the "
        "gradient (WH − A)Hᵀ of ½‖A − WH‖² and αΦ_W add up to 0, which is (1.2) before the projection. a) Φ_W = 2W: "
        "the term 2αW moves to the left and into the inverse. b) Φ_W = 𝟏: (1.2) is solved for W as it stands. "
        f"{proved(15)} (It has c‖A − WH‖² + a₁ΣW + a₂‖W‖².)\n\n"
        "As printed, (1.1) has ‖A − WH‖ without a square, and (1.2) is not its rule: the gradient of the norm is "
        "(WH − A)Hᵀ/‖A − WH‖, so that α‖A − WH‖ must stand for α. The smallest case: A = 3, H = 1, R = W² and "
        "α = ½. |3 − W| + ½W² is least at W = 1; (1.2) gives 3/2, and with α‖A − WH‖ = 1 instead of α, 1. Here, "
        f"with the minimum found by BFGS, the rule with α is off by up to {plain:.1%}, that with α‖A − WH‖ by "
        f"{scaled:.0e}. The table has this case, and the squared ones.\n\n"
        "The assumption of b), that the columns of W are normalised, is not needed for the rule. It is needed for the "
        "penalty to have a meaning: W/c and cH have the same product, so without it ΣW is made as small as one likes "
        "at no cost. With columns of length 1, Σ_i w_ik = √I − (√I − 1) sparsity(w_k) for I rows (statement 15): the "
        "penalty then asks for the sparsity of problem 2. (With columns of sum 1 it would be the constant K.) Below, "
        "both factors carry the penalty instead, which closes the same way out.\n\n"
        f"What the penalties do: the paths have {num_alphas} values of α for each form, on {arrays['num_images']} "
        "images, from one start.\n\n"
        f"ΣW + ΣH (left column): {l1}.\n\n"
        f"‖W‖² + ‖H‖² (right column): {l2}. For α ≥ σ₁/2 = {arrays['alpha_of_zero']:.3g} (grey line; σ₁ is the largest "
        "singular value of A) the best W H is 0: what it gains, ⟨A, WH⟩ ≤ σ₁‖W‖‖H‖ ≤ ½σ₁(‖W‖² + ‖H‖²), does not pay "
        "for the penalty.\n\n"
        "The second figure shows the W of ALS without a penalty, with the largest α that leaves all components, and "
        f"between. The mean cosine of two components is, in this order, {l1_cosines} for the sum and {l2_cosines} for "
        "the square: it is 1 where all have become alike.\n\n"
        "The dashed lines are HALS on the same objectives, which minimises row by row. ALS ends with the larger error "
        f"at {above[0]} of {num_alphas} values for the sum and at {above[1]} for the square, and {moving} of its "
        f"{deviation.size} runs still move by more than 1% in the last iteration. With the sum the mean sparsity of W "
        f"reaches {most['ALS']:.3f} with ALS and {most['HALS']:.3f} with HALS. The rule solves first and cuts off "
        "negative entries afterwards, so it need not minimise the objective that it comes from.\n\n"
        f"In {deviation.size - compared.sum()} of the {deviation.size} runs of ALS the rule was not compared, because "
        "all components are gone or the condition number of the matrix is above "
        f"{INVERTIBLE:,.0f}. With α instead of 2α the rule for ‖W‖² would be off by up to "
        f"{np.nanmax(arrays['rule_deviation_without_2']):.0%}."
    )
