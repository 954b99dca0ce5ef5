"""Lab, part 3: HALS against the others, on the synthetic data and on digits, in iterations and in time."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import jnmf
from experiments import data
from experiments.study import Arrays, Section, Table, tracked
from jnmf.plot import COLORS, DASHES, MARKERS

TITLE = "Lab, part 3: HALS against the others"
SOURCE = "lab, part 3: HALS on the synthetic data and on MNIST, against the methods of part 1"

ALGORITHMS = {  # one line for a method: it then is in every figure, table and answer
    "MU": jnmf.MU(),
    "PGD (1/L)": jnmf.PGD(),
    "PGD (backtracking)": jnmf.PGD(step_size="backtracking"),
    "ALS": jnmf.ALS(),
    "HALS": jnmf.HALS(),
    "HALS (3 sweeps)": jnmf.HALS(inner=3),
    "HALS (5 sweeps)": jnmf.HALS(inner=5),
    "ANLS": jnmf.ANLS(),
    "HALS, accelerated": jnmf.Accelerated(jnmf.HALS()),
    "HALS, extrapolated": jnmf.Extrapolated(jnmf.Accelerated(jnmf.HALS())),
}
REFERENCE = "HALS (3 sweeps)"  # the one that the others are held against
SWEEPS = ("HALS", "HALS (3 sweeps)", "HALS (5 sweeps)")
HALF_STEPS = ("MU", "PGD (1/L)", "PGD (backtracking)", "ALS", *SWEEPS)  # whose single half-step is looked at
SYNTHETIC_RANK = 25  # of the planted factors
LEVELS = (0.05, 0.01)  # how far above the best error counts as near
REACHED = 1e-3  # an error counts as reached within this relative distance
LEAST_SHOWN = 1e-5  # of the error above the best, in the figures


@dataclass(frozen=True)
class Settings:
    noise_level: float = 0.1  # of the synthetic data
    synthetic_iters: int = 300
    digits_ranks: tuple[int, ...] = (25,)
    digits_iters: int = 80
    num_images: int = 1000
    exact_share: int = 8  # ANLS, whose iterations are dear, makes one for so many of the others
    num_starts: int = 3
    seed: int = 0


FULL = Settings(synthetic_iters=3000, digits_ranks=(25, 49), digits_iters=500, num_starts=5)
TINY = Settings(synthetic_iters=10, digits_ranks=(), exact_share=5, num_starts=2)


# The numbers


class Problem(NamedTuple):
    name: str  # of its arrays and of its figure
    title: str
    X: jax.Array
    rank: int
    num_iters: int


def compute(settings: Settings, progress: bool = False) -> Arrays:
    """A algorithms, S starts, N iterations at most, F half-steps.

    notes; problems (P,), their names, which the other arrays begin with:
    title; size (2,): m and n; rank; bound, the relative error of the SVD; labels (A,); num_iters (A,);
    curve (A, S, N + 1): the relative error of the start and after each iteration, NaN after the last;
    seconds (A, S) of the whole run, compiled before;
    share (2, F): of what an exact half-step for H lowers the objective, the share that one half-step of each of
        HALF_STEPS does; from the first start, and from where MU ended from there;
    slack: ‖G‖₂ over the mean of G_kk at the first start, G = WᵀW.
    """
    if settings.num_starts < 1:
        raise ValueError(f"num_starts: expected at least 1, got {settings.num_starts}")
    problems, notes = make_problems(settings)
    arrays = {"notes": np.array(notes, dtype=str), "problems": np.array([problem.name for problem in problems])}
    for problem in problems:
        arrays |= {f"{problem.name}.{key}": array for key, array in race(problem, settings, progress).items()}
    return arrays


def race(problem: Problem, settings: Settings, progress: bool) -> Arrays:
    """Every algorithm from every start."""
    name, title, X, rank, _ = problem
    key = jax.random.key(settings.seed)
    starts = [jnmf.init.random(jax.random.fold_in(key, s), X, rank) for s in range(settings.num_starts)]
    labels = list(ALGORITHMS)
    num_iters = [iterations(problem, label, settings) for label in labels]
    programs = [
        descend.lower(X, starts[0], ALGORITHMS[label], num_iters=n).compile()
        for label, n in tracked(zip(labels, num_iters, strict=True), f"{name}: compiling", progress)
    ]
    seconds = np.zeros((len(labels), len(starts)))
    loss = np.full((*seconds.shape, max(num_iters) + 1), np.nan)
    loss[:, :, 0] = [jnmf.losses.frobenius(X, *start) for start in starts]
    # The starts are the outer loop: what else the machine does meanwhile slows all methods down.
    runs = [(s, a) for s in range(len(starts)) for a in range(len(labels))]
    ends = {}  # of the first start
    for s, a in tracked(runs, name, progress):
        begin = time.perf_counter()
        found = jax.block_until_ready(programs[a](X, starts[s], ALGORITHMS[labels[a]]))
        seconds[a, s] = time.perf_counter() - begin
        loss[a, s, 1 : num_iters[a] + 1] = found.losses
        ends.setdefault(labels[a], found.factors)
    length = float(jnp.linalg.norm(X))
    return {
        "title": np.array(title),
        "size": np.array(X.shape),
        "rank": np.array(rank),
        "bound": np.asarray(jnmf.svd_rmse(X, [rank]))[0] * np.sqrt(X.size) / length,
        "labels": np.array(labels),
        "num_iters": np.array(num_iters),
        "curve": np.sqrt(2 * loss) / length,
        "seconds": seconds,
        "share": np.array([shares(X, *factors) for factors in (starts[0], ends["MU"])]),
        "slack": slack(np.asarray(starts[0].W)),
    }


class Descent(NamedTuple):
    losses: jax.Array
    factors: jnmf.Factors


@partial(jax.jit, static_argnames="num_iters")
def descend(X, start, algorithm, num_iters: int) -> Descent:
    """(num_iters,) ½‖X − WH‖² after each iteration, which costs no extra pass over X, and the last factors.

    What `jnmf.run` records besides, δ and the KKT residual, would be a part of the time.
    """

    def iterate(state, _):
        state, info = algorithm.step(X, state)
        return state, info.loss

    state, losses = lax.scan(iterate, algorithm.init(X, start), length=num_iters)
    return Descent(losses, algorithm.factors(state))


@jax.jit
def shares(X, W, H):
    """(F,): of what the exact minimiser over H ≥ 0 lowers the objective, the share that each half-step does."""
    G, C = W.T @ W, W.T @ X
    q = lambda H: 0.5 * jnp.vdot(H, G @ H) - jnp.vdot(C, H)
    lowered = lambda algorithm: q(H) - q(algorithm.solve(H, G, C))
    return jnp.array([lowered(ALGORITHMS[label]) for label in HALF_STEPS]) / lowered(jnmf.ANLS())


def slack(W) -> np.ndarray:
    """‖G‖₂ over the mean of G_kk, G = WᵀW: how much longer the step of a single row may be than one for all rows."""
    G = W.T @ W
    return np.array(np.linalg.norm(G, 2) / np.mean(np.diag(G)))


def make_problems(settings: Settings) -> tuple[list[Problem], list[str]]:
    """The data to factorise, and what the page must say about them."""
    V = data.generate_dataset_NMF(settings.noise_level).V
    title = f"the synthetic data with noise {settings.noise_level:g}"
    problems = [Problem("synthetic", title, jnp.asarray(V), SYNTHETIC_RANK, settings.synthetic_iters)]
    if not settings.digits_ranks:
        return problems, []
    images = data.or_stand_in(data.mnist_train, data.digits)
    if not 1 <= settings.num_images <= images.X.shape[1]:
        raise ValueError(f"num_images: expected 1 to {images.X.shape[1]}, got {settings.num_images}")
    X = images.X[:, : settings.num_images]
    for rank in settings.digits_ranks:
        problems.append(
            Problem(f"digits-{rank}", f"the digits at rank {rank}", jnp.asarray(X), rank, settings.digits_iters)
        )
    return problems, [images.note] if images.note else []


def iterations(problem: Problem, label: str, settings: Settings) -> int:
    share = settings.exact_share if isinstance(ALGORITHMS[label], jnmf.ANLS) else 1
    return max(1, problem.num_iters // share)


# What they say


class Runs(NamedTuple):
    """What the arrays say of one problem; A algorithms, N iterations at most."""

    name: str
    title: str
    labels: list[str]
    curve: np.ndarray  # (A, N + 1): the median of the starts
    num_iters: np.ndarray  # (A,)
    seconds: np.ndarray  # (A,) an iteration, the median of the starts
    best: float  # the lowest error of all runs

    def of(self, label: str) -> int:
        return self.labels.index(label)

    def last(self) -> np.ndarray:
        """(A,): the median error after the last iteration."""
        return self.curve[np.arange(len(self.labels)), self.num_iters]

    def reaches(self, a: int, level: float) -> float:
        """The first iteration at which the median error of algorithm a is at most `level`; NaN if there is none."""
        below = np.flatnonzero(self.curve[a] <= level)
        return float(below[0]) if len(below) else np.nan


def all_runs(arrays: Arrays) -> list[Runs]:
    return [runs_of(arrays, str(name)) for name in arrays["problems"]]


def runs_of(arrays: Arrays, name: str) -> Runs:
    of = lambda key: arrays[f"{name}.{key}"]
    num_iters = of("num_iters")
    return Runs(
        name,
        str(of("title")),
        of("labels").tolist(),
        np.median(of("curve"), axis=1),
        num_iters,
        np.median(of("seconds"), axis=1) / num_iters,
        float(np.nanmin(of("curve"))),
    )


class SpeedUp(NamedTuple):
    """How much sooner the reference comes to the lowest median error of another method; NaN where it never does."""

    label: str
    level: float
    own: float  # iterations of the other
    reference: float  # iterations of the reference
    in_iterations: float
    in_time: float


def speed_ups(runs: Runs) -> list[SpeedUp]:
    """Of the reference over each other method."""
    r, found = runs.of(REFERENCE), []
    for a, label in enumerate(runs.labels):
        if a == r:
            continue
        level = float(np.nanmin(runs.curve[a])) * (1 + REACHED)
        own, reference = (np.maximum(1.0, runs.reaches(k, level)) for k in (a, r))
        ratio = own / reference
        found.append(SpeedUp(label, level, own, reference, ratio, ratio * runs.seconds[a] / runs.seconds[r]))
    return found


def sections(arrays: Arrays) -> list[Section]:
    every = all_runs(arrays)
    compared = [
        Section(
            f"How does HALS compare with the others on {runs.title}?",
            comparison(arrays, runs),
            (runs.name,),
            (run_table(runs),),
        )
        for runs in every
    ]
    return [
        *compared,
        Section("How much faster is it?", how_much(every), (), tuple(speed_table(runs) for runs in every)),
        Section("Does it pay to sweep more than once?", sweeps(every)),
        Section("Why is it faster?", why(arrays, every), (), (share_table(arrays, every),)),
        Section("Where is it not faster?", where_not(every)),
    ]


def paragraphs(*texts: str) -> str:
    return "\n\n".join(texts)


def enumeration(texts: list[str]) -> str:
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts) or "none"


def comparison(arrays: Arrays, runs: Runs) -> str:
    last, bound = runs.last(), float(arrays[f"{runs.name}.bound"])
    ranked = [f"{runs.labels[a]} {last[a]:.4f} ({runs.num_iters[a]})" for a in np.argsort(last)]
    near = [runs.labels[a] for a in range(len(last)) if last[a] <= runs.best * (1 + LEVELS[0])]
    dear, cheap = int(np.argmax(runs.seconds)), int(np.argmin(runs.seconds))
    num_starts, size = arrays[f"{runs.name}.curve"].shape[1], arrays[f"{runs.name}.size"]
    above = f", {runs.best / bound - 1:.1%} above the SVD of the same rank ({bound:.4f})" if bound > 1e-9 else ""
    return paragraphs(
        f"X is {size[0]} × {size[1]}, the rank {arrays[f'{runs.name}.rank']}. All methods start from the same "
        f"{num_starts} random factors, and curves and numbers are medians over them. The best error of any run is "
        f"{runs.best:.4f}{above}. In the order of their last error, with the number of iterations: "
        f"{', '.join(ranked)}. At most {LEVELS[0]:.0%} above the best: {enumeration(near)}.",
        f"An iteration takes from {1e3 * runs.seconds[cheap]:.2f} ms ({runs.labels[cheap]}) to "
        f"{1e3 * runs.seconds[dear]:.2f} ms ({runs.labels[dear]}). Times are those of this machine, of programs "
        "compiled before; the ratios say more than the milliseconds. The figure has the error above the best that was "
        "found, against iterations and against time: lower, and further to the left, is better.",
    )


def how_much(every: list[Runs]) -> str:
    return paragraphs(
        f"Take the lowest error that a method comes to, and ask when it is there, and when {REFERENCE} is, in "
        "iterations and in time (the number of iterations times the time of one).",
        *(how_much_on(runs) for runs in every),
    )


def how_much_on(runs: Runs) -> str:
    found = [up for up in speed_ups(runs) if up.label not in SWEEPS]
    counts = lambda up: f"at iteration {up.reference:.0f} against {up.own:.0f}"
    told = {
        "sooner than": [
            f"{up.label} (in time {up.in_time:.1f} times; {counts(up)})" for up in found if up.in_time > 1.1
        ],
        "about as soon as": [f"{up.label} ({counts(up)})" for up in found if 1 / 1.1 <= up.in_time <= 1.1],
        "later than": [
            f"{up.label} (in time {1 / up.in_time:.1f} times; {counts(up)})" for up in found if up.in_time < 1 / 1.1
        ],
    }
    told = {f"it is there {kind}": texts for kind, texts in told.items()}
    told["it does not come as low as"] = [up.label for up in found if np.isnan(up.in_time)]
    return (
        f"On {runs.title} " + "; ".join(f"{kind} {enumeration(texts)}" for kind, texts in told.items() if texts) + "."
    )


def sweeps(every: list[Runs]) -> str:
    texts = []
    for runs in every:
        indices = [runs.of(label) for label in SWEEPS]
        level = max(float(np.nanmin(runs.curve[a])) for a in indices) * (1 + REACHED)
        needed = [runs.reaches(a, level) for a in indices]
        spent = [n * runs.seconds[a] for n, a in zip(needed, indices, strict=True)]
        told = [
            f"{label} {n:.0f} iterations and {1e3 * t:.0f} ms"
            for label, n, t in zip(SWEEPS, needed, spent, strict=True)
        ]
        cost = " and ".join(f"{runs.seconds[a] / runs.seconds[indices[0]]:.2f}" for a in indices[1:])
        texts.append(
            f"On {runs.title}: to the error {level:.4f}, which all three reach, {enumeration(told)}; the least time is "
            f"that of {SWEEPS[int(np.argmin(spent))]}. An iteration costs {cost} times that with one sweep."
        )
    return paragraphs(
        "The products with X are formed once for a half-step and do not change while the rows are swept. A second "
        "sweep starts from rows that know of each other's change, for 2r²(m + n) operations against the 4mnr of the "
        "products.",
        *texts,
    )


def why(arrays: Arrays, every: list[Runs]) -> str:
    of_hals, of_mu = HALF_STEPS.index("HALS"), HALF_STEPS.index("MU")
    share = np.concatenate([arrays[f"{runs.name}.share"] for runs in every])
    slacks = enumeration([f"{float(arrays[f'{runs.name}.slack']):.0f} ({runs.title})" for runs in every])
    return paragraphs(
        "It goes to a minimum where the others take a step. With all else fixed, the objective is a parabola in each "
        "entry of a row of H; the entries of a row have the same curvature G_kk and do not meet. So the best row is a "
        "formula, [H_k + (C_k − G_k H) / G_kk]₊: exact, without a step size or a search.",
        "The others move all rows at once, and their step must be safe for all. The projected gradient's is 1/‖G‖₂, "
        f"and at the start ‖G‖₂ is larger than the mean of G_kk by a factor of {slacks}. MU takes a step that keeps "
        "every entry positive: one that should be 0 only shrinks, by a factor at a time. ALS goes to the minimum "
        "without the constraint and cuts off what is negative; that need not lower the objective at all.",
        "The table looks at one half-step for H alone. What the exact solution does counts as 100 %; below 0 the "
        f"objective rises. One sweep of HALS does from {share[:, of_hals].min():.0%} to {share[:, of_hals].max():.0%} "
        f"of it, a step of MU from {share[:, of_mu].min():.0%} to {share[:, of_mu].max():.0%}"
        + (
            ", less at the end of its run than at the start." if np.all(share[1::2, of_mu] < share[::2, of_mu]) else "."
        ),
        " ".join(["What does it cost? The products with X are the same for all methods.", *(cost(arrays, every))]),
    )


def cost(arrays: Arrays, every: list[Runs]) -> list[str]:
    """A sentence for each problem."""
    sentences = []
    for runs in every:
        (m, n), r = arrays[f"{runs.name}.size"], int(arrays[f"{runs.name}.rank"])
        products, sweep = 4 * m * n * r, 2 * r * r * (m + n)
        ratio = runs.seconds[runs.of("HALS")] / runs.seconds[runs.of("MU")]
        sentences.append(
            f"On {runs.title} they take {products / 1e6:.1f} million operations, and a sweep over the rows of H and "
            f"the columns of W {sweep / 1e6:.1f} million, {sweep / products:.0%} of that; measured, an iteration of "
            f"HALS takes {ratio:.2f} times that of MU."
        )
    return sentences


def where_not(every: list[Runs]) -> str:
    return paragraphs(
        *(where_not_on(runs) for runs in every),
        "In general. An exact method such as ANLS does more in an iteration, which counts where a pass over the data "
        "is what is dear. HALS updates r rows one after the other, so on small data, or on hardware that likes large "
        "parallel work, an iteration of MU or of the gradient is quicker than the count of operations says. Near the "
        "end every method that descends creeps, since the objective is flat there. And none is sure of the best "
        "minimum: in which one it ends depends on the start.",
    )


def where_not_on(runs: Runs) -> str:
    r = runs.of(REFERENCE)
    others = [a for a, label in enumerate(runs.labels) if label not in SWEEPS]
    names = lambda found: enumeration([runs.labels[a] for a in found])
    ahead_at = lambda a, n: n < runs.curve.shape[1] and runs.curve[a, n] < runs.curve[r, n]  # NaN: no longer there
    meanwhile = lambda a: min(int(runs.num_iters[a] * runs.seconds[a] / runs.seconds[r]), runs.num_iters[r])
    single, mu = runs.curve[runs.of("HALS"), 1], runs.curve[runs.of("MU"), 1]
    first = f" After its first iteration HALS with one sweep is at {single:.4f}, MU at {mu:.4f}." if single > mu else ""
    return (
        f"On {runs.title}, ahead of {REFERENCE} at equal iterations: {names([a for a in others if ahead_at(a, 1)])} "
        f"after 1, {names([a for a in others if ahead_at(a, 10)])} after 10, "
        f"{names([a for a in others if ahead_at(a, runs.num_iters[a])])} at the last of their own. At equal time, that "
        f"of their own run: {names([a for a in others if runs.last()[a] < runs.curve[r, meanwhile(a)]])}. Cheaper in "
        f"an iteration: {names([a for a in others if runs.seconds[a] < runs.seconds[r]])}.{first}"
    )


def run_table(runs: Runs) -> Table:
    columns = ["method", "ms/it.", "MU = 1", "its.", "last error", "above best"]
    for level in LEVELS:
        columns += [f"its. to {level:.0%}", f"ms to {level:.0%}"]
    rows = []
    for a, label in enumerate(runs.labels):
        row = [
            label,
            f"{1e3 * runs.seconds[a]:.2f}",
            f"{runs.seconds[a] / runs.seconds[runs.of('MU')]:.2f}",
            f"{runs.num_iters[a]}",
            f"{runs.last()[a]:.4f}",
            f"{runs.last()[a] / runs.best - 1:.1%}",
        ]
        for level in LEVELS:
            n = runs.reaches(a, runs.best * (1 + level))
            row += ["not", "not"] if np.isnan(n) else [f"{n:.0f}", f"{1e3 * n * runs.seconds[a]:.0f}"]
        rows.append(tuple(row))
    caption = (
        "Medians of the starts; “its.”: iterations; “to 5%”: until the relative error is at most so far above the best "
        "of all runs."
    )
    return Table(tuple(columns), rows, caption)


def speed_table(runs: Runs) -> Table:
    rows = []
    for up in speed_ups(runs):
        reached = np.isfinite(up.reference)
        rows.append(
            (
                up.label,
                f"{up.level:.4f}",
                f"{up.own:.0f}",
                f"{up.reference:.0f}" if reached else "not",
                f"{up.in_iterations:.1f}×" if reached else "",
                f"{up.in_time:.1f}×" if reached else "",
            )
        )
    columns = ("method", "lowest error", "its.", "its. of HALS", "in its.", "in time")
    return Table(columns, rows, f"On {runs.title}: how much sooner {REFERENCE} is there (below 1×: later).")


def share_table(arrays: Arrays, every: list[Runs]) -> Table:
    columns = ("half-step", *(f"{runs.name}, {place}" for runs in every for place in ("start", "end of MU")))
    shares = np.concatenate([arrays[f"{runs.name}.share"] for runs in every]).T
    rows = [(label, *(f"{share:.1%}" for share in row)) for label, row in zip(HALF_STEPS, shares, strict=True)]
    return Table(columns, rows, "Of what the exact solution for H lowers the objective, the share of one half-step.")


# What they look like


def plot(arrays: Arrays) -> dict[str, Any]:
    return {runs.name: plot_runs(runs) for runs in all_runs(arrays)}


def plot_runs(runs: Runs):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for a, label in enumerate(runs.labels):
        n = runs.num_iters[a]
        excess = runs.curve[a, 1 : n + 1] / runs.best - 1
        # Marks at even steps of log(iteration), shifted from curve to curve: those which coincide show, too.
        marks = np.unique(10 ** np.arange(0.06 * (a % 6), np.log10(n + 1), 0.45)).astype(int) - 1
        color, dash, marker = (cycle[a % len(cycle)] for cycle in (COLORS, DASHES, MARKERS))
        style = {"color": color, "linestyle": dash, "marker": marker, "markersize": 5, "linewidth": 1.4}
        for ax, x in ((left, np.arange(1, n + 1)), (right, np.arange(1, n + 1) * runs.seconds[a])):
            ax.plot(x, np.maximum(excess, LEAST_SHOWN), markevery=list(marks), label=label, **style)
    for ax, name in ((left, "iteration"), (right, "time, s")):
        ax.set(xscale="log", yscale="log", xlabel=name)
        ax.grid(alpha=0.3)
    left.xaxis.set_major_formatter("{x:g}")
    left.set_ylabel("error above the best found, relative")
    figure.suptitle(runs.title, fontsize="medium")
    figure.legend(handles=left.get_lines(), loc="outside right center", frameon=False)
    return figure
