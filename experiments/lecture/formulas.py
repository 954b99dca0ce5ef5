"""Sections 2 to 4: where the formulas are derived, and what the print leaves open."""

import numpy as np

from experiments.lecture import Given, Settings
from experiments.lecture.algorithms import NAMES, ONE, TWO
from experiments.study import Arrays, Section, Table
from experiments.words import listed
from jnmf import Factors, losses

FORMULAS = Table(
    ("what the lecture uses", "last line of the derivation", "statement"),
    [
        ("best approximation of rank k", "‖X − U_kΣ_kV_kᵀ‖ ≤ ‖X − WH‖", "12, low_rank_approximation.py"),
        ("H by p least squares problems", "‖X − WH‖² = Σ_j ‖X_:j − W H_:j‖²", "6, separability.py"),
        ("W by n least squares problems", "‖X − WH‖² = Σ_i ‖X_i: − W_i: H‖²", "6, separability.py"),
        ("when H ≥ 0 is the minimiser", "H ≥ 0, G = WᵀWH − WᵀX ≥ 0, H ⊙ G = 0", "7, nnls_optimality.py"),
        ("f in W = e^ξ", "∂f/∂ξ = W ⊙ (WHHᵀ − XHᵀ)", "8, logarithmic_coordinates.py"),
        ("f in H = e^ζ", "∂f/∂ζ = H ⊙ (WᵀWH − WᵀX)", "8, logarithmic_coordinates.py"),
        ("algorithm I", "H⁺ = H ⊙ WᵀX ⊘ WᵀXᶜ, W⁺ = W ⊙ XHᵀ ⊘ XᶜHᵀ", "8, logarithmic_coordinates.py"),
        ("theorem: D ≥ 0, 0 only for A = B", "D(A‖B) ≥ Σ (A − B)² / 2 max(A, B)", "10, kl_divergence.py"),
        ("g in W = e^ξ", "∂g/∂ξ_μν = Σ_j (1 − X_μj/Xᶜ_μj) W_μν H_νj", "9, logarithmic_coordinates.py"),
        ("g in H = e^ζ", "∂g/∂ζ_μν = Σ_i (1 − X_iν/Xᶜ_iν) W_iμ H_μν", "9, logarithmic_coordinates.py"),
        ("algorithm II", "H⁺_μν = (Σ_i W_iμ X_iν/Xᶜ_iν) H_μν / Σ_i W_iμ", "9, logarithmic_coordinates.py"),
        ("why both lower their loss", "D(X, WH⁺) ≤ majoriser at H⁺ ≤ D(X, WH)", "11, monotone_descent.py"),
        ("scaling the columns of W", "(W L⁻¹)(L H) = W H, with H scaled too", "14, scaling.py"),
    ],
    "Each is derived step by step, and checked, in the file of proofs/. Xᶜ = WH.",
)


def compute(settings: Settings, given: Given) -> Arrays:
    """undefined (2,): `first_undefined` of I and II; blank: the pixels that are 0 in all images; asymmetry (2,): D(1‖2)
    and D(2‖1) of numbers."""
    start = given.starts[given.ranks[0]]
    return {
        "undefined": np.array([first_undefined(given.X, start, method) for method in (ONE, TWO)]),
        "blank": np.array(np.sum(~given.X.any(axis=1))),
        "asymmetry": np.array([losses.kl(*np.reshape([a, b, 1.0], (3, 1, 1))) for a, b in ((1, 2), (2, 1))]),
    }


def first_undefined(X, start: Factors, method: int, num_iters: int = 3) -> int:
    """The t at which a formula as printed, with 0/0 left undefined, makes a factor NaN; −1 if it does not."""
    W, H = map(np.asarray, start)
    with np.errstate(divide="ignore", invalid="ignore"):
        W = W / (W.max(axis=0) if method == ONE else W.sum(axis=0))
        for t in range(num_iters):
            if method == ONE:
                H = (W.T @ X) / (W.T @ W @ H) * H
                W = (X @ H.T) / (W @ (H @ H.T)) * W
            else:
                H = (W.T @ (X / (W @ H))) * H
                W = ((X / (W @ H)) @ H.T) / H.sum(axis=1) * W
            if np.isnan(W).any() or np.isnan(H).any():
                return t
            W = W / (W.max(axis=0) if method == ONE else W.sum(axis=0))
    return -1


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section(
            "2 to 4. Where do the formulas come from, and what is special about the entropy divergence?",
            on_formulas(arrays),
            tables=(FORMULAS,),
        )
    ]


def on_formulas(arrays: Arrays) -> str:
    (m, _), (one, two) = arrays["X_shape"], arrays["asymmetry"]
    undefined = {name: t for name, t in zip(NAMES[ONE:], arrays["undefined"].tolist(), strict=True) if t >= 0}
    text = (
        "The table gives the last line of each derivation and where it is. The entropy divergence is no distance: "
        f"D(A‖B) ≠ D(B‖A) in general. The numbers 1 and 2 show it: D(1‖2) = 1 − log 2 = {one:.4f}, D(2‖1) = 2 log 2 − "
        f"1 = {two:.4f}. Nonnegative it is, and 0 only for A = B (statement 10).\n\n"
        "Two things in the print need a word. In the last line of ∂g/∂ξ the sum runs over j, not i: i = μ is fixed. "
        "And the updates divide by entries of W H that can be 0. "
    )
    if undefined:
        when = [f"{name} (at t = {t})" for name, t in undefined.items()]
        text += (
            f"{arrays['blank']} of the {m} pixels are 0 in all of these images. Their rows of W become 0 in the first "
            f"iteration, the next division is 0/0, and as printed {listed(when)} would have factors that are not "
            "numbers. Read as 0, the quotient leaves these rows at 0, which is right, and that is how the algorithms "
            "run here."
        )
    else:
        text += "With these images that does not happen in the first iterations; a quotient 0/0 is read as 0."
    return text
