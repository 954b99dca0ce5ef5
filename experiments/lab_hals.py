"""Lab, part 3: HALS against the others, on the synthetic data and on digits, in iterations and in time.

V ≈ W H as in the lab, V (200, 100) or the digits with an image in each row. The library, which updates H first, is run
on X = Vᵀ ≈ HᵀWᵀ, so that here W comes first.
"""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize

import jnmf
from experiments import data
from experiments.study import Arrays, Section, Table, compiled, tracked
from jnmf.plot import BLACK, BLUE, GREEN, GREY, ORANGE, PINK

TITLE = "Lab, part 3: HALS against the others"
SOURCE = "lab, part 3: HALS on the synthetic data and on MNIST, against the methods of part 1"

ALGORITHMS = {
    "ALS": jnmf.ALS(),
    "BCD (1/L)": jnmf.PGD(),
    "BCD (backtracking)": jnmf.PGD(step_size="backtracking"),
    "MU": jnmf.MU(),
    "HALS": jnmf.HALS(),
    "HALS (3 sweeps)": jnmf.HALS(inner=3),
    "HALS (5 sweeps)": jnmf.HALS(inner=5),
    "ANLS": jnmf.ANLS(),
    "accelerated HALS": jnmf.Accelerated(jnmf.HALS()),
    "extrapolated HALS": jnmf.Extrapolated(jnmf.Accelerated(jnmf.HALS())),
}
ASKED = ("ALS", "BCD (1/L)", "BCD (backtracking)", "MU")  # the methods of part 1: projected ALS, projected BCD, MU
SWEEPS = ("HALS", "HALS (3 sweeps)", "HALS (5 sweeps)")
REFERENCE = "HALS (3 sweeps)"  # the one that the others are held against
BEYOND = "ANLS", "accelerated HALS", "extrapolated HALS"  # not in the lab
HALF_STEPS = (*ASKED, *SWEEPS)  # whose single half-step is looked at
SYNTHETIC_RANK = 25  # of the planted factors
REACHED = 1e-3  # an error counts as reached within this relative distance
FLOOR = 1e-9  # errors below are rounding
RISE = 1e-12  # of ½‖V‖²: a larger increase of the objective is no rounding


@dataclass(frozen=True)
class Settings:
    noise_level: float = 0.0  # of the synthetic data, as in the lab
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
    X: jax.Array  # Vᵀ
    rank: int
    num_iters: int


def compute(settings: Settings, progress: bool = False) -> Arrays:
    """A algorithms, S starts, N iterations at most, F half-steps.

    notes; problems (P,), their names, which the other arrays begin with:
    title; size (2,): the rows and columns of V; rank; bound, the relative error of the SVD; labels (A,);
    num_iters (A,);
    curve (A, S, N + 1): the relative error of the start and after each iteration, NaN after the last;
    seconds (A, S) of the whole run, compiled before;
    share (2, F): of what an exact half-step for W lowers the objective, the share that one half-step of each of
        HALF_STEPS does; from the first start, and from where MU ended from there;
    slack: ‖G‖₂ over the mean of G_kk at the first start, G = HHᵀ.
    """
    if settings.num_starts < 1:
        raise ValueError(f"num_starts: expected at least 1, got {settings.num_starts}")
    problems, notes = make_problems(settings)
    arrays = {"notes": np.array(notes, dtype=str), "problems": np.array([problem.name for problem in problems])}
    programs = iter(compiled([job for problem in problems for job in programs_of(problem, settings)]))
    for problem in problems:
        own = [next(programs) for _ in ALGORITHMS]
        arrays |= {f"{problem.name}.{key}": array for key, array in race(problem, own, settings, progress).items()}
    return arrays


def programs_of(problem: Problem, settings: Settings) -> list[tuple[Any, tuple, dict[str, Any]]]:
    """What to compile for a problem: `descend` with each of ALGORITHMS."""
    X, r = problem.X, problem.rank
    like: Any = [jax.ShapeDtypeStruct(shape, X.dtype) for shape in ((X.shape[0], r), (r, X.shape[1]))]
    start = jnmf.Factors(*like)
    return [
        (descend, (X, start, algorithm), {"num_iters": iterations(problem, label, settings)})
        for label, algorithm in ALGORITHMS.items()
    ]


def race(problem: Problem, programs: list, settings: Settings, progress: bool) -> Arrays:
    """Every algorithm, compiled, from every start."""
    name, title, X, rank, _ = problem
    key = jax.random.key(settings.seed)
    starts = [jnmf.init.random(jax.random.fold_in(key, s), X, rank) for s in range(settings.num_starts)]
    labels = list(ALGORITHMS)
    num_iters = [iterations(problem, label, settings) for label in labels]
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
        "size": np.array(X.shape[::-1]),
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

    factors, losses = jnmf.run(X, start, algorithm, num_iters=num_iters, record=its_loss)
    return Descent(losses, factors)


def its_loss(old, new, info):
    return info.loss


def shares(X, W, H):
    """(F,): of what the exact minimiser over H ≥ 0 lowers the objective, the share that each half-step does.

    This H is the Wᵀ of the lab. The minimiser is that of SciPy.
    """
    exact = np.stack([optimize.nnls(np.asarray(W), x)[0] for x in np.asarray(X).T], axis=1)
    *each, most = lowered(X, W, H, exact)
    return np.array(each) / most


@jax.jit
def lowered(X, W, H, exact):
    """(F + 1,): by how much each half-step for H lowers the objective, and by how much `exact` in the place of H."""
    G, C = W.T @ W, W.T @ X
    q = lambda H: 0.5 * jnp.vdot(H, G @ H) - jnp.vdot(C, H)
    ends = [*(ALGORITHMS[label].solve(H, G, C) for label in HALF_STEPS), exact]
    return jnp.array([q(H) - q(end) for end in ends])


def slack(W) -> np.ndarray:
    """‖G‖₂ over the mean of G_kk, G = WᵀW: how much longer the step of a single row may be than one for all rows."""
    G = W.T @ W
    return np.array(np.linalg.norm(G, 2) / np.mean(np.diag(G)))


def make_problems(settings: Settings) -> tuple[list[Problem], list[str]]:
    """The data to factorise, and what the page must say about them."""
    V = data.generate_dataset_NMF(settings.noise_level).V
    title = f"the synthetic data with noise {settings.noise_level:g}"
    problems = [Problem("synthetic", title, jnp.asarray(V.T), SYNTHETIC_RANK, settings.synthetic_iters)]
    if not settings.digits_ranks:
        return problems, []
    images = data.or_stand_in(data.mnist_train, data.digits)
    if not 1 <= settings.num_images <= images.X.shape[1]:
        raise ValueError(f"num_images: expected 1 to {images.X.shape[1]}, got {settings.num_images}")
    X = images.X[:, : settings.num_images]
    kind = "digits that stand in for MNIST" if images.note else "MNIST digits"
    for rank in settings.digits_ranks:
        problems.append(
            Problem(f"digits-{rank}", f"the {kind} at rank {rank}", jnp.asarray(X), rank, settings.digits_iters)
        )
    return problems, [images.note] if images.note else []


def iterations(problem: Problem, label: str, settings: Settings) -> int:
    share = settings.exact_share if isinstance(ALGORITHMS[label], jnmf.ANLS) else 1
    return max(1, problem.num_iters // share)


# What they say


class Runs(NamedTuple):
    """What the arrays say of one problem; A algorithms, S starts, N iterations at most."""

    name: str
    title: str
    labels: list[str]
    curve: np.ndarray  # (A, S, N + 1), of the start and after each iteration
    num_iters: np.ndarray  # (A,)
    seconds: np.ndarray  # (A, S), an iteration
    bound: float  # of the truncated SVD

    def of(self, label: str) -> int:
        return self.labels.index(label)

    def last(self) -> np.ndarray:
        """(A, S): the errors after the last iteration."""
        return np.take_along_axis(self.curve, self.num_iters[:, None, None], axis=2)[:, :, 0]

    def reaches(self, label: str, level) -> np.ndarray:
        """(S,): the first iteration, at least 1, with an error of at most `level` (S,); NaN if there is none."""
        below = self.curve[self.of(label)] <= np.asarray(level)[..., None]
        return np.where(below.any(axis=1), np.maximum(below.argmax(axis=1), 1.0), np.nan)


def all_runs(arrays: Arrays) -> list[Runs]:
    return [runs_of(arrays, str(name)) for name in arrays["problems"]]


def runs_of(arrays: Arrays, name: str) -> Runs:
    of = lambda key: arrays[f"{name}.{key}"]
    num_iters = of("num_iters")
    seconds = of("seconds") / num_iters[:, None]
    return Runs(name, str(of("title")), of("labels").tolist(), of("curve"), num_iters, seconds, float(of("bound")))


class SpeedUp(NamedTuple):
    """How much sooner the reference comes to the lowest error of another method, from each start; NaN where never."""

    label: str
    level: np.ndarray  # (S,)
    own: np.ndarray  # (S,) iterations of the other
    reference: np.ndarray  # (S,) iterations of the reference
    in_iterations: np.ndarray  # (S,)
    in_time: np.ndarray  # (S,)


def speed_up(runs: Runs, label: str) -> SpeedUp:
    """Of the reference over another method."""
    level = np.nanmin(runs.curve[runs.of(label)], axis=1) * (1 + REACHED)
    own, reference = (runs.reaches(name, level) for name in (label, REFERENCE))
    ratio = own / reference
    costs = runs.seconds[runs.of(label)] / runs.seconds[runs.of(REFERENCE)]
    return SpeedUp(label, level, own, reference, ratio, ratio * costs)


def verdict(ratio: np.ndarray) -> str:
    """Of how much sooner the reference is, (S,): what all starts say, or that they do not agree."""
    if np.isnan(ratio).all():
        return "never"
    if np.isnan(ratio).any():
        return "undecided"
    return "sooner" if ratio.min() > 1 else "later" if ratio.max() < 1 else "undecided"


def sections(arrays: Arrays) -> list[Section]:
    every = all_runs(arrays)
    compared = [
        Section(
            f"How does HALS compare with projected ALS, BCD and MU on {runs.title}?",
            comparison(arrays, runs),
            (runs.name,),
            (run_table(runs),),
        )
        for runs in every
    ]
    return [
        Section("How is HALS implemented?", implemented(every)),
        *compared,
        Section("How much sooner is HALS there?", how_much(every), (), tuple(speed_table(runs) for runs in every)),
        Section("Does it pay to sweep more than once?", sweeps(every), (), (sweep_table(every),)),
        Section(
            "What does a half-step of HALS do, beside those of the others?",
            why(arrays, every),
            (),
            (share_table(arrays, every),),
        ),
        Section("Where is HALS behind?", where_not(every)),
    ]


def paragraphs(*texts: str) -> str:
    return "\n\n".join(text for text in texts if text)


def enumeration(texts) -> str:
    texts = list(texts)
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts) or "none"


def span(values, spec: str = ".3g") -> str:
    """The least and the largest: "2 to 5", or "2" where they read the same."""
    low, high = (format(v, spec) for v in (np.min(values), np.max(values)))
    return low if low == high else f"{low} to {high}"


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


def comparison(arrays: Arrays, runs: Runs) -> str:
    last = runs.last()
    size, starts = arrays[f"{runs.name}.size"], last.shape[1]
    best = runs.labels[int(np.argmin(np.median(last, axis=1)))]
    above = f"; the truncated SVD of that rank has {runs.bound:.4f}, and no factorisation less" * (runs.bound > FLOOR)
    return paragraphs(
        " ".join(ahead(runs, label) for label in ("HALS", REFERENCE)),
        f"V is {size[0]} × {size[1]}, the rank {arrays[f'{runs.name}.rank']}{above}. All methods start from the same "
        f"{starts} random factors and update W, then H. Of all methods in the table {best} has the lowest median error"
        + (" (the lab does not ask about it)" if best in BEYOND else "")
        + ". The lowest errors and the times are compared in the next question.",
        "Times are of this machine, of programs that were compiled before. The range over the starts shows how far "
        "they can be trusted.",
    )


def ahead(runs: Runs, label: str) -> str:
    """From how many starts the method ends below each of those that the lab asks about."""
    last = runs.last()
    counts = {other: int(np.sum(last[runs.of(label)] < last[runs.of(other)])) for other in ASKED}
    starts = last.shape[1]
    told = {
        f"below {{}} from every one of {starts} starts": [o for o in ASKED if counts[o] == starts],
        "below {} from some": [f"{o} ({counts[o]} of {starts})" for o in ASKED if 0 < counts[o] < starts],
        "not below {} from any start": [o for o in ASKED if counts[o] == 0],
    }
    texts = [text.format(enumeration(found)) for text, found in told.items() if found]
    number = runs.num_iters[runs.of(label)]
    return f"After {number} iterations {label} is {'; '.join(texts)}."


def how_much(every: list[Runs]) -> str:
    return paragraphs(
        *(how_much_on(runs) for runs in every),
        f"Counted is, for each start, when a method comes to its own lowest error, and when {REFERENCE} comes to that "
        "same error, in iterations and in time (iterations times the time of one). “Sooner” is said where it is so "
        "from every start.",
    )


def how_much_on(runs: Runs) -> str:
    ups = [speed_up(runs, label) for label in ASKED]
    of_kind = lambda kind: [up for up in ups if verdict(up.in_time) == kind]
    told = []
    for kind in ("sooner", "later"):
        if found := of_kind(kind):
            factors = enumeration(
                f"{up.label} ({span(up.in_time if kind == 'sooner' else 1 / up.in_time, '.2g')} times in time, "
                f"{span(up.in_iterations, '.2g')} times in iterations)"
                for up in found
            )
            told.append(f"{REFERENCE} is {kind} at the lowest error of {factors}")
    if found := of_kind("undecided"):
        told.append(f"whether it is sooner than {enumeration(up.label for up in found)} the starts do not decide")
    if found := of_kind("never"):
        told.append(f"it does not come as low as {enumeration(up.label for up in found)}")
    return f"On {runs.title}: {'; '.join(told)}."


def sweeps(every: list[Runs]) -> str:
    return paragraphs(
        *(sweeps_on(runs) for runs in every),
        "The products with V are formed once for a half-step and do not change while the columns are swept, so more "
        "sweeps share them. A sweep over W and H takes 2r²(m + n) operations, the products 4mnr.",
    )


def sweep_costs(runs: Runs) -> dict[str, np.ndarray]:
    """(S,) seconds until each of SWEEPS has the error that all of them reach from the start."""
    level = np.max([np.nanmin(runs.curve[runs.of(label)], axis=1) for label in SWEEPS], axis=0) * (1 + REACHED)
    return {label: runs.reaches(label, level) * runs.seconds[runs.of(label)] for label in SWEEPS}


def sweeps_on(runs: Runs) -> str:
    spent = sweep_costs(runs)
    more = {label: spent[SWEEPS[0]] / spent[label] for label in SWEEPS[1:]}
    told = {"sooner": "yes", "later": "no", "undecided": "not decided by these starts", "never": "no"}
    texts = [
        f"{label}: {told[verdict(ratio)]}, {span(ratio, '.2g')} times as fast as one sweep in time"
        for label, ratio in more.items()
    ]
    return f"On {runs.title}. {'; '.join(texts)}, to the error that all three reach."


def sweep_table(every: list[Runs]) -> Table:
    rows = []
    for runs in every:
        spent = sweep_costs(runs)
        for label in SWEEPS:
            cost = runs.seconds[runs.of(label)] / runs.seconds[runs.of(SWEEPS[0])]
            needed = spent[label] / runs.seconds[runs.of(label)]
            rows.append(
                (runs.name, label, span(needed, ".0f"), span(1e3 * spent[label]), "1" * (label == "HALS") or span(cost))
            )
    columns = ("data", "method", "iterations", "ms", "an iteration, HALS = 1")
    return Table(columns, rows, "To the error that all three reach: the range over the starts.")


def why(arrays: Arrays, every: list[Runs]) -> str:
    share = np.concatenate([arrays[f"{runs.name}.share"] for runs in every])
    of = lambda label: share[:, HALF_STEPS.index(label)]
    slacks = enumeration(f"{float(arrays[f'{runs.name}.slack']):.0f} ({runs.title})" for runs in every)
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


def where_not(every: list[Runs]) -> str:
    return paragraphs(*(where_not_on(runs) for runs in every))


def where_not_on(runs: Runs) -> str:
    """The methods ahead of the reference from every start: after so many iterations, and when their run ends."""
    r, last = runs.of(REFERENCE), runs.last()
    others = [label for label in (*ASKED, *BEYOND) if label in runs.labels]

    def ahead_after(label: str, n: int) -> bool:
        own = runs.curve[runs.of(label)]
        return n <= min(runs.num_iters[runs.of(label)], runs.num_iters[r]) and bool(
            np.all(own[:, n] < runs.curve[r, :, n])
        )

    def ahead_in_time(label: str) -> bool:
        a = runs.of(label)
        made = np.minimum(runs.num_iters[a] * runs.seconds[a] / runs.seconds[r], runs.num_iters[r]).astype(int)
        meanwhile = runs.curve[r, np.arange(len(made)), made]
        return bool(np.all(last[a] < meanwhile))

    cheaper = [a for a in others if np.all(runs.seconds[runs.of(a)] < runs.seconds[r])]
    named = lambda found: enumeration(found) if found else "no other method"
    single, mu = runs.curve[runs.of("HALS"), :, 1], runs.curve[runs.of("MU"), :, 1]
    first = ""
    if np.all(single > mu):
        first = f" After its first iteration HALS with one sweep is at {span(single, '.3f')}, MU at {span(mu, '.3f')}."
    return (
        f"On {runs.title}, ahead of {REFERENCE} from every start: {named([a for a in others if ahead_after(a, 1)])} "
        f"after 1 iteration, {named([a for a in others if ahead_after(a, 10)])} after 10, and "
        f"{named([a for a in others if ahead_in_time(a)])} at the time when its own run ends. An iteration takes less "
        f"time with {named(cheaper)}.{first}"
    )


def run_table(runs: Runs) -> Table:
    columns = ("method", "iterations", "last error", "its range", "ms / iteration", "its range", "MU = 1")
    if runs.bound > FLOOR:
        columns += ("above the SVD",)
    rows, last, mu = [], runs.last(), runs.seconds[runs.of("MU")]
    for a, label in enumerate(runs.labels):
        row = [
            label,
            f"{runs.num_iters[a]}",
            f"{np.median(last[a]):.5f}",
            span(last[a], ".5f"),
            f"{1e3 * np.median(runs.seconds[a]):.2f}",
            span(1e3 * runs.seconds[a], ".2f"),
            f"{np.median(runs.seconds[a] / mu):.2f}",
        ]
        rows.append((*row, *([f"{np.median(last[a]) / runs.bound - 1:.1%}"] if runs.bound > FLOOR else [])))
    caption = "Medians over the starts, with the range from the lowest to the highest."
    return Table(columns, rows, caption)


def speed_table(runs: Runs) -> Table:
    rows = []
    for label in (label for label in runs.labels if label not in SWEEPS):
        up = speed_up(runs, label)
        reached = bool(np.all(np.isfinite(up.reference)))
        rows.append(
            (
                label,
                span(up.level, ".4f"),
                span(up.own, ".0f"),
                span(up.reference, ".0f") if reached else "not from every start",
                f"{span(up.in_iterations, '.2g')} ×" if reached else "",
                f"{span(up.in_time, '.2g')} ×" if reached else "",
            )
        )
    columns = (
        *("method", "its lowest error", "its iterations", f"iterations of {REFERENCE}"),
        *("sooner in iterations", "sooner in time"),
    )
    return Table(columns, rows, f"On {runs.title}: the ranges over the starts; below 1 × is later.")


def share_table(arrays: Arrays, every: list[Runs]) -> Table:
    columns = ("half-step", *(f"{runs.name}, {place}" for runs in every for place in ("start", "end of MU")))
    shares = np.concatenate([arrays[f"{runs.name}.share"] for runs in every]).T
    rows = [(label, *(f"{share:.1%}" for share in row)) for label, row in zip(HALF_STEPS, shares, strict=True)]
    return Table(columns, rows, "Of what the exact solution for W lowers the objective, the share of one half-step.")


# What they look like

SKY = "#56B4E9"
STYLES = {  # colour, dash, marker: a family has a colour, its members differ in dash and marker
    "ALS": (BLACK, "-.", "x"),
    "BCD (1/L)": (GREEN, "-", "D"),
    "BCD (backtracking)": (GREEN, "--", "P"),
    "MU": (BLUE, "-", "o"),
    "HALS": (ORANGE, "-", "^"),
    "HALS (3 sweeps)": (ORANGE, "--", "v"),
    "HALS (5 sweeps)": (ORANGE, ":", "<"),
    "ANLS": (PINK, "-", "*"),
    "accelerated HALS": (SKY, "--", "s"),
    "extrapolated HALS": (SKY, "-", ">"),
}


def plot(arrays: Arrays) -> dict[str, Any]:
    return {runs.name: plot_runs(runs) for runs in all_runs(arrays)}


def plot_runs(runs: Runs):
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    figure = Figure(figsize=(9, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    above = runs.bound > FLOOR
    for a, label in enumerate(runs.labels):
        n = runs.num_iters[a]
        error = np.median(runs.curve[a, :, 1 : n + 1], axis=0)
        # Marks at even steps of log(iteration), shifted from curve to curve: those which coincide show, too.
        marks = np.unique(10 ** np.arange(0.06 * (a % 6), np.log10(n + 1), 0.45)).astype(int) - 1
        color, dash, marker = STYLES.get(label, (GREY, ":", "+"))
        style = {"color": color, "linestyle": dash, "marker": marker, "markersize": 5, "linewidth": 1.4}
        time = 1e3 * np.median(runs.seconds[a])
        for ax, x in ((left, np.arange(1, n + 1)), (right, np.arange(1, n + 1) * time)):
            ax.plot(x, error / runs.bound - 1 if above else error, markevery=list(marks), label=label, **style)
    for ax, name in ((left, "iteration"), (right, "time, ms")):
        ax.set(xscale="log", yscale="log", xlabel=name)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.grid(alpha=0.3)
    relative = r"relative error $\Vert V - WH\Vert\ /\ \Vert V\Vert$"
    left.set_ylabel("error above that of the truncated SVD, relative" if above else relative)
    left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    left.yaxis.set_major_formatter("{x:g}")
    left.yaxis.set_minor_formatter("")
    figure.suptitle(f"{runs.title}, medians over the starts", fontsize="medium")
    figure.legend(handles=left.get_lines(), loc="outside lower center", ncols=5, frameon=False, fontsize="small")
    return figure
