"""What one half-step of each method does of what the exact solution would."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize

from experiments.lab_hals import ALGORITHMS, ASKED, SWEEPS, Raced, Runs, Settings, all_runs
from experiments.study import Arrays, Section, Table
from experiments.words import listed, paragraphs, span

HALF_STEPS = (*ASKED, *SWEEPS)  # whose single half-step is looked at


def compute(settings: Settings, given: list[Raced]) -> dict[str, Any]:
    """Of each problem: share (2, F), of what an exact half-step for W lowers the objective, the share that one
    half-step of each of HALF_STEPS does, from the first start, and from where MU ended from there; slack: ‖G‖₂ over the
    mean of G_kk at the first start, G = HHᵀ."""
    found = {}
    for name, X, start, end in given:
        found[f"{name}.share"] = np.array([shares(X, *factors) for factors in (start, end)])
        found[f"{name}.slack"] = slack(np.asarray(start.W))
    return found


def shares(X, W, H):
    """(F,): of what the exact minimiser over H ≥ 0 lowers the objective, the share that each half-step does.

    This H is the Wᵀ of the lab. The minimiser is that of SciPy.
    """
    exact = np.stack([optimize.nnls(np.asarray(W), x)[0] for x in np.asarray(X).T], axis=1)
    *each, most = lowered(X, W, H, exact)
    return np.array(each) / most


@jax.jit
def lowered(X, W, H, exact):
    """(F + 1,): by how much each half-step for H lowers the objective, and by how much `exact` would instead."""
    G, C = W.T @ W, W.T @ X
    q = lambda H: 0.5 * jnp.vdot(H, G @ H) - jnp.vdot(C, H)
    ends = [*(ALGORITHMS[label].solve(H, G, C) for label in HALF_STEPS), exact]
    return jnp.array([q(H) - q(end) for end in ends])


def slack(W) -> np.ndarray:
    """‖G‖₂ over the mean of G_kk, G = WᵀW: how much longer the step of a single row may be than one for all rows."""
    G = W.T @ W
    return np.array(np.linalg.norm(G, 2) / np.mean(np.diag(G)))


def sections(arrays: Arrays) -> list[Section]:
    question = "What does a half-step of HALS do, beside those of the others?"
    every = all_runs(arrays)
    return [Section(question, why(arrays, every), tables=(share_table(arrays, every),))]


def why(arrays: Arrays, every: list[Runs]) -> str:
    share = np.concatenate([arrays[f"{runs.name}.share"] for runs in every])
    of = lambda label: share[:, HALF_STEPS.index(label)]
    slacks = listed(f"{float(arrays[f'{runs.name}.slack']):.0f} ({runs.title})" for runs in every)
    return paragraphs(
        "The table looks at one half-step for W, with H fixed. What the exact solution lowers the objective counts as "
        f"100 %; below 0 it rises. One sweep of HALS does {span(of('HALS'), '.0%')} of it, a step of BCD with 1/L "
        f"{span(of('BCD (1/L)'), '.0%')}, one of MU {span(of('MU'), '.0%')}, ALS {span(of('ALS'), '.0%')}: at the "
        "first start, and where MU ended from there.",
        "HALS goes to the minimum, but for one column at a time: with all else fixed, the objective is a parabola in "
        "each entry of a column, all of the same curvature G_kk, G = HHᵀ. BCD moves all columns at once, by a step "
        f"that must suit them together, 1/‖G‖₂; at the start ‖G‖₂ is larger than the mean of G_kk by a factor of "
        f"{slacks}. MU multiplies, so that an entry that should be 0 only shrinks. ALS goes to the minimum without the "
        "constraint and cuts off what is negative. ANLS goes to the minimum with the constraint, for all columns at "
        "once.",
        " ".join(["What does it cost? The products with V are the same for all.", *(cost(arrays, every))]),
    )


def cost(arrays: Arrays, every: list[Runs]) -> list[str]:
    """A sentence for each problem."""
    sentences = []
    for runs in every:
        (m, n), r = arrays[f"{runs.name}.size"], int(arrays[f"{runs.name}.rank"])
        products, sweep = 4 * m * n * r, 2 * r * r * (m + n)
        ratio = runs.seconds[runs.of("HALS")] / runs.seconds[runs.of("MU")]
        sentences.append(
            f"On {runs.title} they take {products / 1e6:.1f} million operations, and a sweep over W and H "
            f"{sweep / 1e6:.1f} million, {sweep / products:.0%} of that; measured, an iteration of HALS takes "
            f"{span(ratio, '.2f')} times that of MU."
        )
    return sentences


def share_table(arrays: Arrays, every: list[Runs]) -> Table:
    columns = ("half-step", *(f"{runs.name}, {place}" for runs in every for place in ("start", "end of MU")))
    shares = np.concatenate([arrays[f"{runs.name}.share"] for runs in every]).T
    rows = [(label, *(f"{share:.1%}" for share in row)) for label, row in zip(HALF_STEPS, shares, strict=True)]
    return Table(columns, rows, "Of what the exact solution for W lowers the objective, the share of one half-step.")
