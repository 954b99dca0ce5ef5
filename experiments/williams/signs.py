"""Beside the sheet: what the negative entries of the data mean."""

import numpy as np

from experiments.study import Arrays, Section


def sections(arrays: Arrays) -> list[Section]:
    question = "Beside the sheet: a part of the data is negative. What does that mean for the model?"
    return [Section(question, negative_entries(arrays))]


def rms(A) -> float:
    return float(np.sqrt(np.mean(A**2)))


def negative_entries(arrays: Arrays) -> str:
    X, model = arrays["X"], arrays["U"] @ arrays["V"].T
    negative = X < 0
    if not negative.any():
        return "None of these data is negative."
    lost = np.sum(np.minimum(X, 0) ** 2) / np.sum((X - model) ** 2)
    size, residual = rms(X[negative]), rms(X - model)
    if size <= 1.1 * residual:
        verdict = "they can be noise around small nonnegative values, for which the model is right"
    else:
        verdict = (
            "they are larger than what is left of the rest: noise alone would not make them, and the model misses them"
        )
    return (
        f"{negative.sum()} of {X.size} entries ({negative.mean():.0%}) are negative, down to {X.min():.3f}, and by "
        f"their size {verdict}: their root mean square is {size:.3f}, that of the whole residual {residual:.3f}. UVᵀ "
        "≥ 0 cannot reach them; the least that they add to the squared error is their own squares, which are "
        f"{lost:.0%} of it at r = {arrays['rank']}. Least squares may be fitted to them as they are. Clipping them "
        "would shift the noise, and the KL and other divergences, with the logarithm of X or a variance that grows "
        "with it, are not defined for them."
    )
