"""The best algorithm of part 1 on the digits: the rank, and the curve."""

from typing import Any

import numpy as np
from matplotlib.ticker import PercentFormatter

from experiments.figures import panels
from experiments.lab_mnist import ALGORITHM_NAME, Given, Settings
from experiments.lab_mnist.shared import PART
from experiments.measures import relative_error
from experiments.study import Arrays, Section
from experiments.words import counted, paragraphs
from jnmf.plot import BLUE, GREY


def compute(settings: Settings, given: Given) -> Arrays:
    """start_error, error (num_iters,): of the start and the iterations, relative to ‖X‖."""
    X, fit = given.digits.X, given.fit
    return {
        "start_error": np.array(relative_error(X, np.asarray(given.start.W @ given.start.H))),
        "error": np.sqrt(2 * np.asarray(fit.trace.loss)[: int(fit.num_iters)]) / np.linalg.norm(X),
    }


def plot(arrays: Arrays) -> dict[str, Any]:
    error, bound = np.concatenate([[arrays["start_error"]], arrays["error"]]), float(arrays["bound"])
    figure, (left, right) = panels(9, 3.4, columns=2)
    left.plot(error, color=BLUE, linewidth=1.5, label=ALGORITHM_NAME)
    left.axhline(bound, color=GREY, linestyle=":", label="truncated SVD")
    left.set(xlabel="iteration", ylabel=r"relative error $\Vert X - WH\Vert\ /\ \Vert X\Vert$", ylim=(0, None))
    right.plot(np.arange(1, len(error)), error[1:] / bound - 1, color=BLUE, linewidth=1.5)
    right.set(xscale="log", xlabel="iteration", ylabel="error above that of the SVD", ylim=(0, None))
    right.xaxis.set_major_formatter("{x:g}")
    right.yaxis.set_major_formatter(PercentFormatter(1))
    for ax in (left, right):
        ax.grid(alpha=0.3)
    left.legend()
    return {"convergence": figure}


def sections(arrays: Arrays) -> list[Section]:
    question = "The best algorithm of part 1 on the digits: at which rank, and how does it converge?"
    return [Section(question, convergence(arrays), ("convergence",))]


def convergence(arrays: Arrays) -> str:
    error, start, bound, r = arrays["error"], float(arrays["start_error"]), float(arrays["bound"]), arrays["W"].shape[1]
    path = np.concatenate([[start], error])
    rises = int(np.sum(np.diff(path) > 0))
    most = int(np.argmax(path <= start - 0.9 * (start - path[-1])))
    late = max(1, len(error) // 10)
    return paragraphs(
        rank_reason(arrays),
        f"With {ALGORITHM_NAME}, which parts 1 and 3 hold against the other methods, the relative error ‖X − WH‖ / ‖X‖ "
        f"goes from {start:.3f} at the random start to {error[-1]:.4f} after {counted(len(error), 'iteration')}. No "
        f"matrix of rank {r} has an error below that of the truncated SVD, {bound:.4f}; NMF ends "
        f"{error[-1] / bound - 1:.0%} above it. Nine tenths of the fall take {counted(most, 'iteration')}; the last "
        f"{counted(late, 'iteration')} lower the error by {1 - path[-1] / path[-1 - late]:.2%}. The error "
        f"{f'rises in {rises} of them' if rises else 'never rises'}.",
    )


def rank_reason(arrays: Arrays) -> str:
    """Why this rank: it is, or is not, the lowest at which the mean component is a part."""
    r, ranks, whole = arrays["W"].shape[1], arrays["ranks"], float(arrays["whole_spread"])
    parts = ranks[arrays["rank_spread"] < PART * whole]
    rule = (
        f"the lowest of the ranks {', '.join(map(str, ranks))} whose components are parts, in the mean less than "
        f"{PART:.0%} as wide as an image"
    )
    if len(parts) and parts[0] == r:
        later = ranks[ranks > r]
        falls = len(later) and np.all(np.diff(arrays["rank_spread"][ranks >= r]) < 0)
        more = f"; more components make smaller parts (below, up to r = {later[-1]})" if falls else ""
        return f"The rank is {r}: {rule}{more}."
    found = f"would be {parts[0]}" if len(parts) else "does not exist here"
    return f"The rank is {r}, set by hand. By the rule that is used below, {rule}, it {found}."
