"""Problem 4: ALS as Newton's method, truncated at 0."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import jnmf
from experiments.figures import blank
from experiments.problem_set import ROUNDING, Given, Settings, checks, losses_of, proved, recorded, relative
from experiments.study import Arrays, Section
from jnmf import Factors, losses
from jnmf.algorithm import Info
from jnmf.plot import BLACK, BLUE, GREEN, GREY, ORANGE

HESSIAN_COLUMNS = 5


class TruncatedNewton(jnmf.Algorithm):
    """Truncated Newton for both factors by turns, as an algorithm of the library: its state are the factors."""

    def init(self, X, factors: Factors) -> Factors:
        return factors

    def step(self, X, state: Factors):
        W, H = state
        H = truncated_newton(X, W, H)
        new = Factors(truncated_newton(X.T, H.T, W.T).T, H)
        return new, Info(losses.frobenius(X, *new), jnmf.kkt_residual(X, new))


def compute(settings: Settings, given: Given) -> dict[str, Any]:
    X = given.X
    start = jnmf.init.random(settings.seed, X, settings.rank)
    W, few, scales = np.asarray(start.W), X[:, :HESSIAN_COLUMNS], np.geomspace(0.01, 100, 9)
    draw = np.random.default_rng(settings.seed)
    starts = scales[:, None, None] * draw.uniform(-1, 1, (len(scales), settings.rank, few.shape[1]))
    ends, gradient_ends, als, hessian = (np.asarray(A) for A in one_step(few, W, starts))
    length = lambda A: np.linalg.norm(A - als, axis=(1, 2)) / np.linalg.norm(als)
    # Rounding is in proportion to the largest number that takes part.
    largest = np.maximum(np.abs(starts).max(axis=(1, 2)), als.max())

    newton_path, als_path = (
        [np.asarray(A) for A in recorded(X, start, algorithm, settings.newton_iters)]
        for algorithm in (TruncatedNewton(), jnmf.ALS())
    )
    return {
        "hessian": hessian,
        "hessian_deviation": relative(hessian, np.kron(np.eye(few.shape[1]), W.T @ W)),
        "distance_before": length(starts),
        "distance_after": length(ends),
        "distance_gradient": length(gradient_ends),
        "landing_deviation": np.abs(ends - als).max(axis=(1, 2)) / largest,
        "pseudo_inverse_deviation": relative(np.maximum(np.linalg.pinv(W) @ few, 0), als),
        "newton.loss": losses_of(X, newton_path),
        "ALS.loss": losses_of(X, als_path),
        "iterate_deviation": np.max(
            [[relative(*pair) for pair in zip(*two, strict=True)] for two in zip(newton_path, als_path, strict=True)],
            axis=0,
        ),
    } | plane(X, settings)


def vec(A):
    """The columns of A, one below the other."""
    return A.T.ravel()


def full_hessian(X, W, H):
    """∇²F(H) from autodiff as a matrix (rn, rn), whose rows and columns run as vec(H) does."""
    hessian = jax.hessian(losses.frobenius, argnums=2)(X, W, H)
    return hessian.transpose(1, 0, 3, 2).reshape(H.size, H.size)


@jax.jit
def one_step(X, W, starts):
    """From each H in `starts` one truncated Newton step and one projected gradient step; the ALS point; the Hessian."""
    G, C = W.T @ W, W.T @ X

    def newton(H):
        gradient = jax.grad(losses.frobenius, argnums=2)(X, W, H)
        return H - jnp.linalg.solve(full_hessian(X, W, H), vec(gradient)).reshape(H.shape[::-1]).T

    return (
        jnmf.project_nonnegative(lax.map(newton, starts)),
        lax.map(lambda H: jnmf.solvers.projected_gradient(H, G, C), starts),
        jnmf.solvers.least_squares(starts[0], G, C),
        full_hessian(X, W, starts[0]),
    )


def truncated_newton(X, W, H):
    """[H − (∇²F)⁻¹∇F]₊: ∇²F is WᵀW once for each column of H, so that the columns are solved together."""
    gradient = jax.grad(losses.frobenius, argnums=2)(X, W, H)
    return jnmf.project_nonnegative(H - jnp.linalg.solve(W.T @ W, gradient))


def plane(X, settings: Settings) -> dict[str, Any]:
    """The smallest example, to be drawn: the image x that is worst as a mixture w₁h₁ + w₂h₂ of the first two."""
    W = X[:, :2]
    G = W.T @ W
    minima = np.linalg.lstsq(W, X[:, 2:], rcond=None)[0]
    worst = int(np.argmin(minima.min(axis=0)))
    x, minimum = X[:, [2 + worst]], minima[:, worst]
    cut_off = -minimum.min()
    width = 4 * cut_off if cut_off > 0 else 0.5 * np.abs(minimum).max()
    angles = np.pi * np.array([0.05, 0.3, 0.5, 0.7, 0.95])
    starts = minimum[:, None] + 0.85 * width * np.array([np.cos(angles), np.sin(angles)])
    axes = minimum[:, None] + np.linspace(-width, width, 61)
    points = np.stack(np.meshgrid(*axes), axis=-1)  # a row for each h₂, a column for each h₁
    return {
        "plane_axes": axes,
        "plane_loss": 0.5 * ((x[:, 0] - points @ W.T) ** 2).sum(axis=2),
        "plane_starts": starts.T,
        "plane_ends": (starts - np.linalg.solve(G, G @ starts - W.T @ x)).T,
        "plane_truncated": np.maximum(minimum, 0),
        "plane_best": jnmf.nnls(W, x)[:, 0],
    }


def plot(arrays: Arrays) -> dict[str, Any]:
    return {"newton": draw_newton(arrays)}


def draw_newton(arrays: Arrays) -> Any:
    figure = blank(7.2, 6.4)
    (hessian, landing), (small, path) = figure.subplots(2, 2)
    drawn = hessian.imshow(arrays["hessian"], cmap="gray_r", interpolation="nearest")
    figure.colorbar(drawn, ax=hessian, label="entry")
    hessian.set(title=r"$\nabla^2 F$ by autodiff", xlabel=r"entry of vec $H$", ylabel=r"entry of vec $H$")

    before = arrays["distance_before"]
    for key, color, marker, label in (
        ("distance_gradient", ORANGE, "^", "projected gradient step"),
        ("distance_after", BLUE, "o", "truncated Newton step"),
    ):
        landing.plot(before, arrays[key], color=color, marker=marker, linestyle="none", label=label)
    landing.set(xscale="log", yscale="log", title=f"one step from {len(before)} starts")
    landing.set(xlabel="distance to the ALS point before", ylabel="and after the step")
    landing.legend(fontsize=8, loc="center right")
    landing.grid(alpha=0.3)

    axes, ends, truncated = arrays["plane_axes"], arrays["plane_ends"], arrays["plane_truncated"]
    small.contour(*axes, arrays["plane_loss"], levels=12, colors=GREY, linewidths=0.6)
    small.axhline(0, color=BLACK, linewidth=0.8)
    small.axvline(0, color=BLACK, linewidth=0.8)
    for start, end in zip(arrays["plane_starts"], ends, strict=True):
        small.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": BLUE})
    small.plot(*arrays["plane_starts"].T, "o", color=BLUE, markersize=4, label="starts")
    small.plot(*ends[0], "s", color=BLACK, markersize=6, label="Newton, from each")
    small.plot(*truncated, "X", color=ORANGE, markersize=8, label="truncated: ALS")
    small.plot(*arrays["plane_best"], "*", color=GREEN, markersize=11, label="best $h ≥ 0$")
    small.set(xlabel="$h_1$", ylabel="$h_2$", title="two components, one column")
    small.set(xlim=axes[0, [0, -1]], ylim=axes[1, [0, -1]])
    small.legend(fontsize=8, loc="lower left")

    path.plot(arrays["ALS.loss"], color=BLUE, linewidth=3, alpha=0.5, label="projected ALS")
    path.plot(arrays["newton.loss"], color=BLACK, linestyle=":", marker="x", label="truncated Newton")
    path.set(xlabel="iteration", ylabel=r"$\frac{1}{2}\|A - WH\|^2$", title="iterates overlaid", yscale="log")
    path.grid(alpha=0.3, which="both")
    path.legend(fontsize=8)
    return figure


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section(
            "Problem 4. ALS as Newton's method: is the truncated step H ← [W⁺A]₊?",
            newtons(arrays),
            ("newton",),
            (
                checks(
                    ("the Hessian by autodiff from I ⊗ WᵀW", arrays["hessian_deviation"]),
                    ("[W⁺A]₊, W⁺ by its singular values, from the library's step", arrays["pseudo_inverse_deviation"]),
                    (
                        "the end of a Newton step from the ALS point, relative to the largest number in it",
                        arrays["landing_deviation"],
                    ),
                    ("the factors of Newton and of ALS in all iterations", arrays["iterate_deviation"]),
                ),
            ),
        )
    ]


def newtons(arrays: Arrays) -> str:
    before, after, gradient_after = (arrays[f"distance_{key}"] for key in ("before", "after", "gradient"))
    rises, num_iters = int(np.sum(np.diff(arrays["ALS.loss"]) > 0)), len(arrays["ALS.loss"]) - 1
    overlaid = "cover each other" if arrays["iterate_deviation"].max() <= ROUNDING else "do not cover each other"
    truncated, best = arrays["plane_truncated"], arrays["plane_best"]
    apart = np.linalg.norm(truncated - best) / np.linalg.norm(best)
    ends = arrays["plane_ends"][0]
    example = (
        f"ends at h = ({ends[0]:.3f}, {ends[1]:.3f}), and is cut off to ({truncated[0]:.3f}, {truncated[1]:.3f}). The "
        f"best h ≥ 0 is ({best[0]:.3f}, {best[1]:.3f}), {apart:.0%} away: cut off is not minimised"
        if ends.min() < 0
        else f"ends at h = ({ends[0]:.3f}, {ends[1]:.3f}) ≥ 0, so nothing is cut off"
    )
    return (
        "Yes. F(H) = ½‖A − WH‖² is quadratic in H, and with the columns of H stacked its Hessian is I ⊗ WᵀW: one block "
        "WᵀW for each column (upper left in the figure). A Newton step from any H therefore ends at (WᵀW)⁻¹WᵀA. If "
        "WᵀW is invertible, (WᵀW)⁻¹Wᵀ is the pseudo-inverse W⁺. Truncated at 0, that is (4.2), H ← [W⁺A]₊. "
        f"{proved(18)}\n\n"
        f"Upper right: {len(before)} starts H of both signs, {before.min():.3g} to {before.max():.3g} times ‖H‖ of the "
        "ALS point away from it. One Newton step, with the gradient and the full Hessian by autodiff, ends within "
        f"{after.max():.0e}. One projected gradient step from the same starts ends {gradient_after.min():.3g} to "
        f"{gradient_after.max():.3g} away. Lower left: the smallest example, an image as a mixture of two others. "
        f"Newton {example}.\n\n"
        f"Lower right: truncated Newton and projected ALS for both factors by turns, {num_iters} iterations from one "
        f"start, {overlaid}. Truncating can raise the loss; here it rises in {rises} of these iterations."
    )
