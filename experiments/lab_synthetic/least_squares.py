"""Least squares without a constraint: negative entries, and signs of instability."""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import jnmf
from experiments.figures import panels
from experiments.lab_synthetic import ERROR, GREY, Given, Settings, bounded, starts_of
from experiments.lab_synthetic.methods import (
    FLOOR,
    METHODS,
    RANK,
    REFERENCE,
    finite,
    relative_error,
    run_W_first,
    stack,
)
from experiments.study import Arrays, Section, Table
from experiments.words import flowing, span
from jnmf import Factors
from jnmf.plot import BLACK, BLUE, GREEN, ORANGE

PERTURBATION = 1e-3  # of ‖V‖, to see how far the factors move
LEAST_SQUARES = 10  # iterations of the unconstrained method, which needs few


def compute(settings: Settings, given: Given) -> Arrays:
    """Alternating `lstsq` at every noise level (A levels, B starts), against HALS from the same starts.

    negative, first_negative, least, most, condition (A, B, 2) of W and of H, after all iterations and after the first;
    cancelled (A, B): Σ |W||H| / ΣV; error (A, B, iterations); clipped, rescaled (A, B): the error with the negative
    entries at 0, and with the best scale on top; change, hals_change (A, B, 2): the relative change of W and of H for
    each unit of relative change of V.
    """
    draw = np.random.default_rng(settings.seed)
    rows, pictured = [], {}
    for matrix, own, runs in zip(given.matrices, given.starts, given.runs, strict=True):
        noise = draw.standard_normal(matrix.V.shape)
        disturbed = matrix.V + PERTURBATION * np.linalg.norm(matrix.V) / np.linalg.norm(noise) * noise
        own, runs = own[: settings.few_restarts], runs[: settings.few_restarts]
        few = stack(own)
        found, measures = unconstrained(matrix.V, few)
        moved, _ = unconstrained(disturbed, few)
        hals = stack([run[REFERENCE].factors for run in runs])
        hals_moved = stack(
            run_W_first(disturbed, start, METHODS[REFERENCE], num_iters=settings.num_iters)[0] for start in own
        )
        measures |= {"change": relative_change(found, moved), "hals_change": relative_change(hals, hals_moved)}
        rows.append(measures)
        if len(rows) - 1 == given.main:
            pictured = {"ls_W": found.W[0], "hals_W": hals.W[0]}
    arrays = {f"ls_{name}": np.array([row[name] for row in rows]) for name in rows[0]}
    return (
        arrays
        | {name: np.asarray(W) for name, W in pictured.items()}
        | {
            "planted_condition": np.array([np.linalg.cond(A) for A in given.planted]),
            "planted_most": np.array([A.max() for A in given.planted]),
        }
    )


@jax.jit
def unconstrained(V, starts: Factors):
    """LEAST_SQUARES times from each start: each factor to the least squares solution, of any sign, for the other.

    Returns the factors, and what is measured of them, see `least_squares`.
    """

    def one(start):
        def iterate(factors, _):
            W = jnp.linalg.lstsq(factors.H.T, V.T)[0].T
            H = jnp.linalg.lstsq(W, V)[0]
            negative = jnp.stack([jnp.mean(A < 0) for A in (W, H)])
            return Factors(W, H), (relative_error(V, (W, H)), negative)

        factors, (error, negative) = lax.scan(iterate, start, length=LEAST_SQUARES)
        clipped = Factors(*map(jnmf.project_nonnegative, factors))
        WH = clipped.W @ clipped.H
        scale = jnp.vdot(V, WH) / jnp.vdot(WH, WH)
        each = lambda measure: jnp.stack([measure(A) for A in factors])
        return factors, {
            "first_negative": negative[0],
            "negative": negative[-1],
            "least": each(jnp.min),
            "most": each(lambda A: jnp.max(jnp.abs(A))),
            "condition": each(jnp.linalg.cond),
            "cancelled": jnp.sum(jnp.abs(factors.W) @ jnp.abs(factors.H)) / jnp.sum(V),
            "error": error,
            "clipped": relative_error(V, clipped),
            "rescaled": relative_error(V, (scale * clipped.W, clipped.H)),
        }

    return jax.vmap(one)(starts)


def relative_change(old, new) -> np.ndarray:
    """(B, 2): of W and of H, for each unit of relative change in the data."""
    norm = lambda A: np.linalg.norm(finite(A), axis=(1, 2))
    return np.stack([norm(b - a) / norm(a) / PERTURBATION for a, b in zip(old, new, strict=True)], axis=-1)


def plot(arrays: Arrays) -> dict[str, Any]:
    return {"least_squares": plot_least_squares(SimpleNamespace(**arrays))}


def plot_least_squares(a):
    figure, (left, right) = panels(9, 3.6, 1, 2)
    found = {
        "planted W": (a.data_W, GREY, "-"),
        "least squares": (a.ls_W, BLUE, "-"),
        "HALS (3 sweeps)": (a.hals_W, ORANGE, "--"),
    }
    low, high = (edge([edge(W / W.std()) for W, _, _ in found.values()]) for edge in (np.min, np.max))
    bins = np.arange(np.floor(low), np.ceil(high) + 0.125, 0.25)  # with an edge at 0
    for label, (W, color, dash) in found.items():
        filled = (
            {"histtype": "stepfilled", "alpha": 0.4} if label == "planted W" else {"histtype": "step", "linewidth": 1.5}
        )
        left.hist((W / W.std()).ravel(), bins, color=color, linestyle=dash, label=label, **filled)
    left.axvline(0, color="black", linewidth=0.8)
    left.set(yscale="log", xlabel="entries of W, in units of their standard deviation", ylabel="number of entries")
    left.legend(frameon=False, fontsize=8)

    places = np.arange(len(a.levels))
    series = (
        ("clipped at the end", a.ls_clipped, BLUE, "v"),
        ("clipped and scaled", a.ls_rescaled, GREEN, "s"),
        ("least squares", a.ls_error[:, :, -1], BLACK, "x"),
    )
    for label, values, color, marker in series:
        shown = np.where(values > FLOOR, values, np.nan)  # rounding, where the fit is exact
        right.plot(places, np.median(shown, axis=1), color=color, marker=marker, linestyle="none", label=label)
    right.plot(places, a.rank_one, color=GREY, linestyle="--", label="SVD of rank 1")
    right.plot(
        places,
        np.where(a.bound > FLOOR, a.bound, np.nan),
        color=GREY,
        linestyle=":",
        marker="_",
        label=f"SVD of rank {RANK}",
    )
    right.set(yscale="log", ylabel=ERROR, xlabel="noise level (exact fits are not shown)")
    right.set_xticks(places, [f"{level:g}" for level in a.levels])
    right.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    return figure


def sections(arrays: Arrays) -> list[Section]:
    return [about_least_squares(SimpleNamespace(**arrays))]


def about_least_squares(a) -> Section:
    here = int(a.main)
    error, clipped, rescaled = (
        np.median(v) for v in (a.ls_error[here, :, -1], a.ls_clipped[here], a.ls_rescaled[here])
    )
    first, last = (np.median(v[here], axis=0) for v in (a.ls_first_negative, a.ls_negative))
    least, one_component = a.ls_least[here].min(axis=0), a.rank_one[here]
    some_negative = bool(np.all((a.ls_negative[here] > 0).any(axis=1)))
    signs = instability(a)
    held = [text for text, holds in signs if holds]
    text = f"""
        {"Yes: from every start the solutions have negative entries" if some_negative else "Not from every start"}. The
        first solution for W has {first[0]:.0%} negative entries and the first for H {first[1]:.0%}; after
        {LEAST_SQUARES} rounds of W and H it is {last[0]:.0%} and {last[1]:.0%} (medians of
        {starts_of(a.ls_error.shape[1])}), down to {least[0]:.3g} and {least[1]:.3g}, where the planted entries lie
        between 0 and {a.planted_most.max():.3g}. As an approximation W H has the error {error:.2g}; that of the
        truncated SVD of rank {RANK} is {bounded(a.bound[here])}.

        Unstable? Of {len(signs)} signs of it that are measured, {len(held) if held else "none"}
        {"holds" if len(held) == 1 else "hold"}. {" ".join(text for text, _ in signs)}

        Setting the negative entries to 0 at the end takes the error from {error:.2g} to {clipped:.3g}, and with the
        best common scale on top to {rescaled:.3g}, {"more" if rescaled > one_component else "less"} than the
        {one_component:.3g} of a single component. Projecting in each iteration is the next question.
    """
    rows = [
        (
            f"{level:g}",
            *(f"{np.median(a.ls_negative[i, :, k]):.0%}" for k in (0, 1)),
            *(f"{a.ls_least[i, :, k].min():.3g}" for k in (0, 1)),
            *(span(a.ls_condition[i, :, k]) for k in (0, 1)),
            f"{np.median(a.ls_cancelled[i]):.3g}",
            f"{np.median(a.ls_error[i, :, -1]):.2g}",
            f"{np.median(a.ls_clipped[i]):.3g}",
            f"{np.median(a.ls_rescaled[i]):.3g}",
        )
        for i, level in enumerate(a.levels)
    ]
    columns = (
        *("noise", "W < 0", "H < 0", "min W", "min H", "cond W", "cond H"),
        *("Σ|W||H| / ΣV", "error", "clipped", "clipped, scaled"),
    )
    caption = "Least squares without a constraint: medians over the starts, least entries, ranges of condition numbers."
    question = "Without a constraint, do the least squares solutions have negative entries, and are they unstable?"
    return Section(question, flowing(text), ("least_squares",), (Table(columns, rows, caption),))


def instability(a) -> list[tuple[str, bool]]:
    """Three signs of unstable factors, at the main noise level: a sentence, and whether the numbers show it."""
    here = int(a.main)
    least = (a.ls_condition[here] / a.planted_condition).max(axis=1).min()
    cancelled = a.ls_cancelled[here]
    worst, calm = (100 * PERTURBATION * v[here].max(axis=1) for v in (a.ls_change, a.ls_hals_change))
    apart = bool(worst.min() > calm.max())
    moved = (
        "more, from every start"
        if apart
        else "less, from every start"
        if worst.max() < calm.min()
        else "no clear difference between the starts"
    )
    return [
        (
            f"""Condition: from every start W or H has a condition number at least {least:.3g} times that of the
            planted factor ({a.planted_condition[0]:.3g} for W0, {a.planted_condition[1]:.3g} for H0).""",
            bool(least > 2),
        ),
        (
            f"""Cancellation: Σ|W||H| is {span(cancelled)} times ΣV; it is 1 where nothing cancels.""",
            bool(cancelled.min() > 2),
        ),
        (
            f"""Sensitivity: a random change of V by {PERTURBATION:.1%} of its norm moves the factor that moves most by
            {span(worst)} % of its norm, where the factors of {REFERENCE} from the same starts move by
            {span(calm)} %: {moved}.""",
            apart,
        ),
    ]
