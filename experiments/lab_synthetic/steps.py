"""Projected block coordinate descent: the step sizes for which it converges."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
from jax import lax

import jnmf
from experiments.figures import marks, panels, plain
from experiments.lab_synthetic import ERROR, GREY, Settings, starts_of
from experiments.lab_synthetic.methods import relative_error, rose, stack, trace_error
from experiments.study import Arrays, Section, Table
from experiments.words import flowing, span
from jnmf import Factors
from jnmf.losses import frobenius
from jnmf.plot import BLUE, GREEN, MARKERS, ORANGE

RATIOS = (1.0, 16.0, 1 / 16)  # of the step for W to that for H


def step_sizes(V, starts: list[Factors], settings: Settings) -> Arrays:
    """Projected block coordinate descent with fixed steps η_W and η_H, from B starts.

    Three wide grids of √(η_W η_H), a grid for each of RATIOS, and a fine one about the border of descent for η_W = η_H:
    W, H (P,), the two steps; ratio (P,); wide (P,) bool; error (B, P, iterations); rises, diverged, overflowed (B, P),
    where a run that ends above its start has diverged; first (B,), the error of the start; norm = ‖V‖₂; safe (B, 2):
    2/‖HHᵀ‖₂ and 2/‖WᵀW‖₂ at the start; best: the η = η_W = η_H of least error without a rise, in units of 1/‖V‖₂.
    """
    norm = float(np.linalg.norm(V, 2))
    stacked, first = stack(starts), np.array([relative_error(V, start) for start in starts])

    def tried(multiples, ratio) -> Arrays:
        steps = np.stack([multiples * np.sqrt(ratio), multiples / np.sqrt(ratio)], axis=1) / norm
        error = trace_error(V, np.asarray(bcd(V, stacked, steps, num_iters=settings.num_iters)))
        return {
            "W": steps[:, 0],
            "H": steps[:, 1],
            "ratio": np.full(len(multiples), ratio),
            "error": error,
            "diverged": ~(error[:, :, -1] < first[:, None]),
            "overflowed": ~np.isfinite(error[:, :, -1]),
            "rises": count_rises(error, first[:, None]),
        }

    wide = np.geomspace(2.0**-6, 2.0**3, settings.num_steps)
    grids = [tried(wide, ratio) for ratio in RATIOS]
    narrow = np.geomspace(*border(wide, grids[0]), settings.num_steps + 2)[1:-1]
    grids.append(tried(narrow, 1.0))
    joined = {
        name: np.concatenate([grid[name] for grid in grids], axis=min(grids[0][name].ndim - 1, 1)) for name in grids[0]
    }
    equal = np.flatnonzero((joined["ratio"] == 1) & steady(joined))
    final = joined["error"][:, equal, -1].mean(axis=0)
    best = joined["W"][equal[final.argmin()] if equal.size else joined["W"].argmin()]
    return {f"step_{name}": value for name, value in joined.items()} | {
        "step_wide": np.arange(len(joined["W"])) < len(RATIOS) * len(wide),
        "step_first": first,
        "step_norm": np.array(norm),
        "step_safe": np.array([[2 / np.linalg.norm(A, 2) ** 2 for A in (start.H, start.W)] for start in starts]),
        "step_best": np.array(best * norm),
    }


def steady(tried) -> np.ndarray:
    """(P,): whether no start saw the objective rise."""
    return ((tried["rises"] == 0) & ~tried["diverged"]).all(axis=0)


def border(multiples, tried) -> tuple[float, float]:
    """The last of the increasing multiples before the objective rises, the first at which every start diverges."""
    rising = np.flatnonzero(~steady(tried))
    lost = np.flatnonzero(tried["diverged"].all(axis=0))
    return multiples[max(rising[0] - 1, 0) if rising.size else -1], multiples[lost[0] if lost.size else -1]


@partial(jax.jit, static_argnames="num_iters")
def bcd(V, starts: Factors, steps, *, num_iters: int):
    """½‖V − W H‖² after each iteration, (B, P, iterations), from B starts with each of P pairs of steps, (P, 2).

    W ← [W − η_W ∇_W]₊, then H ← [H − η_H ∇_H]₊, with ∇_W = W HHᵀ − V Hᵀ and ∇_H = WᵀW H − WᵀV.
    """

    def one(start, steps):
        def iterate(factors, _):
            W, H = factors
            W = jnmf.project_nonnegative(W - steps[0] * (W @ (H @ H.T) - V @ H.T))
            H = jnmf.project_nonnegative(H - steps[1] * (W.T @ W @ H - W.T @ V))
            return Factors(W, H), frobenius(V, W, H)

        return lax.scan(iterate, start, length=num_iters)[1]

    return jax.vmap(jax.vmap(one, in_axes=(None, 0)), in_axes=(0, None))(starts, steps)


def count_rises(error, first):
    """In how many iterations the objective rose by more than rounding; `first` is the error of the start."""
    first = np.broadcast_to(np.asarray(first)[..., None], (*error.shape[:-1], 1))
    before = np.concatenate([first, error[..., :-1]], axis=-1)
    return np.sum(rose(before, error), axis=-1)


def plot(arrays: Arrays) -> dict[str, Any]:
    return {"steps": plot_steps(SimpleNamespace(**arrays))}


def plot_steps(a):
    from matplotlib import colormaps

    figure, (left, right) = panels(9, 4, 1, 2)
    error, ceiling = a.step_error[0], 3 * a.step_first.max()
    places = np.flatnonzero(a.step_wide & (a.step_ratio == 1))
    places = places[np.argsort(a.step_W[places])]
    shown = places[np.cumsum(a.step_diverged[0, places]) <= 1]  # one that diverges
    best = np.flatnonzero((a.step_ratio == 1) & np.isclose(a.step_W, a.step_best / a.step_norm))[:1]
    chosen = np.union1d(shown[::-1][:: max(1, round(len(shown) / 6))], best)
    chosen = chosen[np.argsort(a.step_W[chosen])]
    iterations = np.arange(1, error.shape[1] + 1)
    for i, k in enumerate(chosen):
        color = colormaps["cividis"](0.9 * i / max(len(chosen) - 1, 1))
        left.plot(
            iterations, np.minimum(error[k], 1e3 * ceiling), color=color, marker=MARKERS[i % len(MARKERS)],
            markersize=5, linewidth=1.3, markevery=marks(error.shape[1], i), label=f"{a.step_W[k]:.1e}",
        )  # fmt: skip
    left.set(xscale="log", yscale="log", xlabel="iteration", ylabel=ERROR, ylim=(None, ceiling))
    left.legend(frameon=False, fontsize=8, ncols=2, title=r"$\eta_W = \eta_H$", title_fontsize=8)

    last = a.step_error[:, :, -1]
    series = ((1.0, BLUE, "o", "-"), (max(RATIOS), ORANGE, "^", "--"), (min(RATIOS), GREEN, "s", "-."))
    mean = np.sqrt(a.step_W * a.step_H)
    for ratio, color, marker, dash in series:
        own = np.flatnonzero(a.step_ratio == ratio)
        own = own[np.argsort(mean[own])]
        name = {1.0: r"$\eta_W = \eta_H$", max(RATIOS): rf"$\eta_W = {max(RATIOS):g}\,\eta_H$"}
        label = name.get(ratio, rf"$\eta_H = {1 / min(RATIOS):g}\,\eta_W$")
        drawn = np.where(a.step_diverged[:, own], ceiling / 1.3, last[:, own])
        right.plot(mean[own], np.median(drawn, axis=0), color=color, linestyle=dash, linewidth=1, label=label)
        for s in range(len(drawn)):
            rises = (a.step_rises[s, own] > 0) | a.step_diverged[s, own]
            for chosen, face in ((rises, "white"), (~rises, color)):
                right.plot(
                    mean[own][chosen], drawn[s, chosen], color=color, marker=marker, markersize=5,
                    markerfacecolor=face, linestyle="none",
                )  # fmt: skip
    right.axvline(2 / float(a.step_norm), color=GREY, linestyle=":", linewidth=1, label=r"$2/\Vert V\Vert_2$")
    right.set(xscale="log", yscale="log", ylabel="last relative error", ylim=(None, ceiling))
    right.set_xlabel(r"$\sqrt{\eta_W \eta_H}$ (hollow: the objective rises; at the top: diverged)")
    right.legend(frameon=False, fontsize=8, loc="lower left")
    for axes in (left, right):
        plain(axes.yaxis)
        axes.grid(alpha=0.3)
    return figure


def sections(arrays: Arrays) -> list[Section]:
    return [about_steps(SimpleNamespace(**arrays))]


def about_steps(a) -> Section:
    last, count, number = a.step_error[:, :, -1], a.step_error.shape[0], a.step_error.shape[2]
    calm = ((a.step_rises == 0) & ~a.step_diverged).all(axis=0)
    lost = a.step_diverged.any(axis=0)
    equal = a.step_ratio == 1
    limit = 2 / float(a.step_norm)
    text = ""
    safe = reach(a, 1.0)
    if safe is not None:
        best = float(a.step_best / a.step_norm)
        at_best = last[:, equal & (a.step_W == best)].mean()
        low = equal & (a.step_W == a.step_W[equal].min())
        text += f"""
        With η_W = η_H = η it converges for η up to {safe[0]:.1e}: from every one of {starts_of(count)} the objective
        never rose, for any such η that was tried. Typical values are {best / 4:.1e} to {best:.1e}; the largest of
        these ends lowest, at {at_best:.3g} after {number} iterations, where the start has {a.step_first.mean():.3g}.
        Too small a step is only slow: {a.step_W[equal].min():.1e} ends at {last[:, low].mean():.3g}.
        """
    else:
        text += "With η_W = η_H none of the steps that were tried descends from every start.\n"
    text += f"""

        Where do these numbers come from? A step on W cannot raise the objective up to η_W = 1/‖HHᵀ‖₂ and can above
        2/‖HHᵀ‖₂, a step on H likewise with ‖WᵀW‖₂ (statement 5 of `proofs/`). At the starts
        2/‖HHᵀ‖₂ = {span(a.step_safe[:, 0], ".2e")} and 2/‖WᵀW‖₂ = {span(a.step_safe[:, 1], ".2e")}. Both norms change
        on the way. But ‖W‖₂‖H‖₂ ≥ ‖WH‖₂, so near a good fit both steps can be below their 2/‖ ‖₂ only if
        √(η_W η_H) ≤ 2/‖V‖₂ = {limit:.2e}, a number that needs no run.
        {beyond(a, limit)}
    """
    unequal = []
    for ratio in sorted(set(a.step_ratio.tolist()) - {1.0}, reverse=True):
        pair = reach(a, ratio)
        name = f"η_W = {ratio:g} η_H" if ratio > 1 else f"η_H = {1 / ratio:g} η_W"
        unequal.append(
            f"With {name} the objective never rose up to η_W = {pair[0]:.1e}, η_H = {pair[1]:.1e}."
            if pair
            else f"With {name} it rose at each of the steps."
        )
    text += f"""

        Different steps for W and H are possible, too. {" ".join(unequal)}
    """
    if lost.any():
        told = a.step_overflowed & a.step_diverged
        text += f"""

        Too large: a run that ends above its start has diverged. With η_W = η_H the smallest step to do so from some
        start is {span([a.step_W[equal & lost].min()], ".1e") if (equal & lost).any() else "not among those tried"}.
        Of all {a.step_diverged.sum()} runs that diverged {told.sum()} had overflowed after {number} iterations.
        """
        if np.any(np.isclose(last[a.step_diverged & ~told], 1, rtol=1e-9)):
            text += "An error of 1 means that the projection has set a whole factor to 0."
    rows = [
        (
            f"{a.step_W[k]:.2e}",
            f"{a.step_H[k]:.2e}",
            f"{np.sqrt(a.step_W[k] * a.step_H[k]) / limit:.3g}",
            span(a.step_rises[:, k], "d"),
            f"{a.step_diverged[:, k].sum()} of {count}",
            span(last[:, k]).replace("inf", "∞"),
        )
        for k in sorted(range(len(calm)), key=lambda k: (-a.step_ratio[k], a.step_W[k]))
    ]
    columns = ("η_W", "η_H", "√(η_W η_H) ‖V‖₂ / 2", "iterations that rise", "diverged", "last error")
    caption = f"Projected block coordinate descent with fixed steps, {number} iterations, {starts_of(count)}."
    question = "Projected block coordinate descent: for which step sizes η_W and η_H does it converge?"
    return Section(question, flowing(text), ("steps",), (Table(columns, rows, caption),))


def reach(a, ratio: float) -> tuple[float, float] | None:
    """The largest (η_W, η_H) of this ratio up to which the objective never rose, from any start; None if none."""
    places = np.flatnonzero(a.step_ratio == ratio)
    places = places[np.argsort(a.step_W[places])]
    calm = ((a.step_rises == 0) & ~a.step_diverged).all(axis=0)[places]
    number = len(calm) if calm.all() else int(np.argmin(calm))
    return (float(a.step_W[places[number - 1]]), float(a.step_H[places[number - 1]])) if number else None


def beyond(a, limit: float) -> str:
    """How the runs with larger steps than the limit ended, and those with smaller ones that never rose."""
    above = np.sqrt(a.step_W * a.step_H) > limit * (1 + 1e-9)
    ended, lost = a.step_diverged[:, above], int(a.step_diverged[:, above].sum())
    if not ended.size:
        return "No step above it was tried."
    return f"Of {ended.size} runs above it {lost if lost < ended.size else 'all'} diverged, whatever η_W / η_H."
