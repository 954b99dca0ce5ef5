"""The impact of a wrong rank, too low and too high."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
from jax import lax

from experiments.figures import panels, plain
from experiments.lab_synthetic import ERROR, GREY, Given, Settings, starts_of, styled
from experiments.lab_synthetic.methods import (
    FLOOR,
    RANK,
    REFERENCE,
    members,
    on_host,
    random_starts,
    recovery,
    relative_error,
    run_W_first,
    svd_error,
)
from experiments.study import Arrays, Section, Table
from experiments.words import flowing, listed, span
from jnmf import ALS, HALS, MU, PGD, Factors

WITH_RANKS = {"ALS": ALS(), "BCD (1/L)": PGD(), "MU": MU(), "HALS (3 sweeps)": HALS(inner=3)}


def compute(settings: Settings, given: Given) -> Arrays:
    """Each of WITH_RANKS (M) at each rank (R) from each of S starts: error, recovery (M, R, S); chance, svd (R,),
    that of a random start and the error of the truncated SVD.

    All ranks run as the widest, with components at zero, which every method keeps there: one program for a method.
    """
    V, planted, width = given.V, given.planted, given.width
    wide = random_starts(given.keys[: settings.rank_restarts], V, rank=width)
    # The start of a rank is, up to its scale, the first components of that of a larger one.
    kept = np.arange(width) < np.array(settings.ranks)[:, None, None]  # (R, 1, r)
    scale = np.sqrt(width / np.array(settings.ranks))[:, None, None] * kept
    R, S = len(settings.ranks), settings.rank_restarts
    W = (np.asarray(wide.W)[None] * scale[:, :, None]).reshape(R * S, -1, width)
    H = (np.asarray(wide.H)[None] * scale[..., None]).reshape(R * S, width, -1)
    found = [run_all(V, on_host(W, H), algorithm, num_iters=settings.num_iters) for algorithm in WITH_RANKS.values()]
    pairs = [members(factors) for factors in found]
    return {
        "rank_methods": np.array(list(WITH_RANKS)),
        "rank_ranks": np.array(settings.ranks),
        "rank_error": np.array([[relative_error(V, one) for one in ends] for ends in pairs]).reshape(-1, R, S),
        "rank_recovery": np.array([[recovery(one.W, planted.W, width) for one in ends] for ends in pairs]).reshape(
            -1, R, S
        ),
        "rank_svd": svd_error(V, settings.ranks),
        "rank_chance": np.array([recovery(W[S * k], planted.W, width) for k in range(R)]),
    }


@partial(jax.jit, static_argnames="num_iters")
def run_all(V, starts: Factors, algorithm, *, num_iters: int) -> Factors:
    """The factors at the end from each of B starts, one after the other."""
    return lax.map(lambda start: run_W_first(V, start, algorithm, num_iters=num_iters)[0], starts)


def plot(arrays: Arrays) -> dict[str, Any]:
    return {"ranks": plot_ranks(SimpleNamespace(**arrays))}


def plot_ranks(a):
    figure, (left, right) = panels(9, 4, 1, 2)
    aside = np.linspace(-0.3, 0.3, len(a.rank_methods))
    for i, name in enumerate(a.rank_methods.tolist()):
        for axes, values in ((left, a.rank_error[i]), (right, a.rank_recovery[i])):
            middle, x = np.median(values, axis=1), a.rank_ranks + aside[i]
            bars = [middle - values.min(axis=1), values.max(axis=1) - middle]
            axes.errorbar(x, middle, bars, **styled(name), capsize=2, elinewidth=1)
    drawn = a.rank_svd > FLOOR
    left.plot(a.rank_ranks[drawn], a.rank_svd[drawn], color=GREY, linestyle=":", marker="_", label="truncated SVD")
    left.set(yscale="log", ylabel=ERROR)
    plain(left.yaxis)
    right.plot(a.rank_ranks, a.rank_chance, color=GREY, marker="+", linestyle="--", label="random start")
    right.plot(a.rank_ranks, np.minimum(a.rank_ranks, RANK) / RANK, color=GREY, linestyle=":", label="possible")
    right.set(ylabel="recovery of the planted $W_0$")
    for axes in (left, right):
        axes.axvline(RANK, color="0.85", linewidth=4, zorder=0)
        axes.set_xticks(a.rank_ranks, [str(r) for r in a.rank_ranks], fontsize=8)
        axes.set_xlabel("rank $r$ (bars: lowest and highest of the starts)")
        axes.grid(alpha=0.3)
    handles = {label: h for axes in (left, right) for h, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(
        handles=list(handles.values()), labels=list(handles), loc="outside lower center", ncols=4, frameon=False,
        fontsize=8,
    )  # fmt: skip
    return figure


def sections(arrays: Arrays) -> list[Section]:
    return [about_ranks(SimpleNamespace(**arrays))]


def about_ranks(a) -> Section:
    ranks, error, found = a.rank_ranks, np.median(a.rank_error, axis=2), np.median(a.rank_recovery, axis=2)
    methods = a.rank_methods.tolist()
    asked = [i for i, name in enumerate(methods) if name != REFERENCE]
    below, above = ranks < RANK, ranks > RANK
    first = [rank_verdict(a, asked, int(rank)) for rank in (ranks.min(), ranks.max()) if rank != RANK]
    parts = [f"{' '.join(first)} A difference counts where the {starts_of(a.rank_error.shape[2])} do not overlap."]
    if below.any():
        excess = error[asked][:, below] / a.rank_svd[below] - 1
        each = [f"{span(e, '.1%')} at r = {r}" for e, r in zip(excess.T, ranks[below], strict=True)]
        nearly = f"At r = {ranks[below][0]} nearly all of the error is due to the rank, and no method can remedy that."
        parts.append(f"""Too low: no matrix of rank r comes closer to V than the truncated SVD, whose error is
        {span(a.rank_svd[below])} at these ranks. The three methods end above it by {listed(each)}.
        {nearly if excess[:, 0].max() < 0.25 else ""} {missing_parts(a, asked)}""")
    if above.any():
        parts.append(
            f"""Too high: an exact factorisation {
                "exists" if a.rank_svd[ranks.argmax()] < FLOOR else "does not exist"
            } at r = {ranks.max()}. {extra_parts(a, asked)}"""
        )
    text = "\n\n".join(parts)
    bound = [f"{svd:.4f}" if svd > FLOOR else "0" for svd in a.rank_svd]
    errors = [(f"{r}", svd, *(f"{e:.4f}" for e in each)) for r, svd, each in zip(ranks, bound, error.T, strict=True)]
    recovery = [
        (f"{r}", *(f"{x:.2f}" for x in (*each, chance, min(r, RANK) / RANK)))
        for r, chance, each in zip(ranks, a.rank_chance, found.T, strict=True)
    ]
    of_errors = f"""The error, medians over {starts_of(a.rank_error.shape[2])}, others than above: those of all ranks
        begin with the same columns."""
    of_recovery = f"""Recovery: the mean cosine of the columns of W0 with their partners, medians over the same starts;
        a column without a partner counts 0, so r components reach at most r/{RANK}. With more columns to choose
        partners from chance grows, too: compare with a random start of the same rank."""
    tables = (
        Table(("rank", "SVD", *methods), errors, flowing(of_errors)),
        Table(("rank", *methods, "a random start", "possible"), recovery, flowing(of_recovery)),
    )
    question = f"What is the impact of a wrong rank, lower or higher than {RANK}?"
    return Section(question, flowing(text), ("ranks",), tables)


def rank_verdict(a, asked: list[int], rank: int) -> str:
    """What another rank than the planted one does to the error of each method; the starts decide."""
    place = lambda r: int(np.flatnonzero(a.rank_ranks == r)[0])
    told: dict[str, list[str]] = {"raises": [], "lowers": [], "does not clearly change": []}
    for i in asked:
        true, own = a.rank_error[i, place(RANK)], a.rank_error[i, place(rank)]
        kind = "raises" if own.min() > true.max() else "lowers" if own.max() < true.min() else "does not clearly change"
        told[kind].append(f"{a.rank_methods[i]} ({np.median(own):.3g} instead of {np.median(true):.3g})")
    texts = [f"{kind} the error of {listed(found)}" for kind, found in told.items() if found]
    return f"The rank {rank} instead of {RANK} {listed(texts)}."


def missing_parts(a, asked: list[int]) -> str:
    least = int(a.rank_ranks.argmin())
    gain = np.median(a.rank_recovery[asked, least], axis=-1) - a.rank_chance[least]
    hardly = ": hardly more" if gain.max() < 0.05 else ""
    return f"""At r = {a.rank_ranks[least]} the recovery of W0 is
        {span(np.median(a.rank_recovery[asked, least], axis=-1), ".2f")} of at most {a.rank_ranks[least] / RANK:.2f},
        where a random start of that rank has {a.rank_chance[least]:.2f}{hardly}."""


def extra_parts(a, asked: list[int]) -> str:
    true, most = int(np.flatnonzero(a.rank_ranks == RANK)[0]), int(a.rank_ranks.argmax())
    at_true, at_most = a.rank_recovery[asked, true], a.rank_recovery[asked, most]
    if np.all(at_most.max(axis=1) < at_true.min(axis=1)):
        verdict = "The planted parts are found less well than at the planted rank, by each of the three"
    elif np.all(at_most.min(axis=1) > at_true.max(axis=1)):
        verdict = "The planted parts are found better than at the planted rank, by each of the three"
    else:
        verdict = (
            "Whether the planted parts are found better or worse than at the planted rank, the starts do not decide"
        )
    return f"""{verdict}: recovery {span(np.median(at_most, axis=1), ".2f")} at r = {a.rank_ranks[most]} and
        {span(np.median(at_true, axis=1), ".2f")} at r = {RANK}."""
