"""How HALS is implemented, and that its objective cannot rise."""

import numpy as np

from experiments.lab_hals import SWEEPS, Runs, all_runs
from experiments.study import Arrays, Section
from experiments.words import paragraphs

RISE = 1e-12  # of ½‖V‖²: a larger increase of the objective is no rounding


def sections(arrays: Arrays) -> list[Section]:
    return [Section("How is HALS implemented?", implemented(all_runs(arrays)))]


def implemented(every: list[Runs]) -> str:
    rises = {label: sum(rise_count(runs, label) for runs in every) for label in SWEEPS}
    total = sum(rises.values())
    return paragraphs(
        "Column by column: with all else fixed, the best column k of W is [W_k + (V Hᵀ − W HHᵀ)_k / (HHᵀ)_kk]₊, and "
        "each column sees those before it; then the rows of H in the same way (Gillis, section 3.1.5). That this is "
        "the exact minimiser is statement 4 of `proofs/`. In the library it is `jnmf.HALS()`, a loop over "
        "`jnmf.solvers.hals`; `HALS(inner=3)` sweeps three times over the columns before it goes on to H.",
        f"So the objective cannot rise. In the runs below it rose in {total} iterations of HALS"
        + ("." if total == 0 else ", which cannot be right."),
    )


def rise_count(runs: Runs, label: str) -> int:
    """In how many iterations of all starts the objective rose by more than rounding."""
    error = runs.curve[runs.of(label), :, : runs.num_iters[runs.of(label)] + 1]
    return int(np.sum(error[:, 1:] > np.hypot(error[:, :-1], np.sqrt(RISE))))
