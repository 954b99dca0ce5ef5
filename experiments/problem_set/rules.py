"""The rules of problem 1 for W, held against the runs of ALS and against the minimum as it is printed."""

from typing import Any

import numpy as np

from experiments.problem_set import Settings, relative
from experiments.study import Table

FORMS = ("l1", "l2")  # of the penalty: J = ΣW and J = ‖W‖²
INVERTIBLE = 1e6  # the largest condition number for which a formula with an inverse is compared


def as_printed(X, settings: Settings) -> dict[str, Any]:
    """The minimiser in W of ‖A − WH‖ + αR(W), the norm not squared, by BFGS, and how far the rule is from it.

    printed_deviation (2, 2): of both forms, with α in the rule and with α‖A − WH‖. Some rows of A are enough; W has no
    constraint here, and the rule none of its projection.
    """
    from scipy import optimize

    draw = np.random.default_rng(settings.seed)
    bright = np.argsort(-X.sum(axis=1))[:8]
    A, deviations = X[bright, :20], []
    H = draw.random((2, A.shape[1]))
    start = np.linalg.lstsq(H.T, A.T, rcond=None)[0].T
    for form in FORMS:
        # As large that at the start the penalty is a third of the misfit.
        alpha = np.linalg.norm(A - start @ H) / 3 / (np.abs(start).sum() if form == "l1" else np.sum(start**2))

        def objective(w, form=form, alpha=alpha):
            W = w.reshape(start.shape)
            rest = W @ H - A
            size = np.linalg.norm(rest)
            penalty, slope = (np.sum(W), np.ones_like(W)) if form == "l1" else (np.sum(W**2), 2 * W)
            return size + alpha * penalty, (rest @ H.T / size + alpha * slope).ravel()

        found: Any = optimize.minimize(objective, start.ravel(), jac=True, method="BFGS", options={"gtol": 1e-10})
        W = found.x.reshape(start.shape)
        size = np.linalg.norm(A - W @ H)
        deviations.append([relative(unprojected(A, H, alpha * by, form), W) for by in (1.0, size)])
    return {"printed_deviation": deviations}


def unprojected(X, H, alpha, form: str, factor=2):
    """(XHᵀ − α𝟏)(HHᵀ)⁻¹ or XHᵀ(HHᵀ + 2αI)⁻¹."""
    if form == "l1":
        return np.linalg.solve(H @ H.T, H @ X.T - alpha).T
    return np.linalg.solve(H @ H.T + factor * alpha * np.eye(len(H)), H @ X.T).T


def regularized_rule(X, H, alpha, form: str, factor=2):
    """The rule as the problem states it: [(XHᵀ − α𝟏)(HHᵀ)⁻¹]₊ or [XHᵀ(HHᵀ + 2αI)⁻¹]₊."""
    return np.maximum(unprojected(X, H, alpha, form, factor), 0)


def rule_deviations(X, W, H, alphas) -> dict[str, Any]:
    """How far the last W of each run of ALS is from the rule for its H; NaN where the matrix has no inverse."""
    deviation, without_2 = np.full((2, *W.shape[:2]), np.nan)
    for place in np.ndindex(W.shape[:2]):
        form, alpha = FORMS[place[0]], alphas[place[1]]
        H_alive = H[place][H[place].any(axis=1)]
        gram = H_alive @ H_alive.T + (2 * alpha * np.eye(len(H_alive)) if form == "l2" else 0)
        if not len(H_alive) or not W[place].any() or np.linalg.cond(gram) > INVERTIBLE:
            continue
        W_alive = W[place][:, H[place].any(axis=1)]
        deviation[place] = relative(regularized_rule(X, H_alive, alpha, form), W_alive)
        without_2[place] = relative(regularized_rule(X, H_alive, alpha, form, factor=1), W_alive)
    return {"rule_deviation": deviation, "rule_deviation_without_2": without_2[FORMS.index("l2")]}


DICTIONARY = Table(
    ("objective", "rule for W", "in the library"),
    [
        ("½‖A − WH‖² + α ΣW", "[(AHᵀ − α𝟏)(HHᵀ)⁻¹]₊", "jnmf.ALS(l1_W=α)"),
        ("½‖A − WH‖² + α‖W‖²", "[AHᵀ(HHᵀ + 2αI)⁻¹]₊", "jnmf.ALS(l2_W=2 * α)"),
        ("½‖A − WH‖² + ½α‖W‖²", "[AHᵀ(HHᵀ + αI)⁻¹]₊", "jnmf.ALS(l2_W=α)"),
        ("‖A − WH‖² + α ΣW", "[(AHᵀ − ½α𝟏)(HHᵀ)⁻¹]₊", "jnmf.ALS(l1_W=α / 2)"),
        ("‖A − WH‖² + α‖W‖²", "[AHᵀ(HHᵀ + αI)⁻¹]₊", "jnmf.ALS(l2_W=α)"),
        ("‖A − WH‖ + α ΣW, as printed", "[(AHᵀ − α‖A − WH‖𝟏)(HHᵀ)⁻¹]₊", "α‖A − WH‖ changes with W"),
        ("‖A − WH‖ + α‖W‖², as printed", "[AHᵀ(HHᵀ + 2α‖A − WH‖I)⁻¹]₊", "α‖A − WH‖ changes with W"),
    ],
    "Objectives and the rules that they give: where the factor 2 goes",
)
