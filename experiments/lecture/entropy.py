"""Beside the sheet: the entropy divergence and the Frobenius norm, their features and losses."""

import numpy as np

import jnmf
from experiments.lecture import ALIKE, Given, Settings, compared, runs
from experiments.lecture.algorithms import ANLS, ONE, TWO
from experiments.study import Arrays, Section, Table
from experiments.words import listed


def compute(settings: Settings, given: Given) -> Arrays:
    """alike (K,): the mean cosine of the features of the algorithms I and II, paired."""
    pairs = [[of_rank[method][0].factors.W for method in (ONE, TWO)] for of_rank in given.runs]
    return {"alike": np.array([jnmf.similarity(*pair) for pair in pairs])}


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section(
            "Beside the sheet: how do the features and losses of the entropy divergence differ from those of the "
            "Frobenius norm?",
            on_entropy(arrays),
            tables=(losses_table(arrays),),
        )
    ]


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
            f"The divergence of ANLS is infinite at k = {listed(map(str, arrays['ranks'][infinite[:, ANLS]]))}: its "
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
