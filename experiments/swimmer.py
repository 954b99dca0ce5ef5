"""Beyond: when are parts identifiable? The swimmer of Donoho and Stodden, whose parts are known."""

from dataclasses import dataclass
from functools import partial
from itertools import product
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax
from matplotlib.figure import Figure

import jnmf
from experiments import data
from experiments.study import Arrays, Section, Table, tracked
from jnmf import Factors
from jnmf.plot import BLACK, BLUE, GREEN, ORANGE, PINK

TITLE = "Beyond: when are parts identifiable?"
SOURCE = (
    "D. Donoho and V. Stodden, When does non-negative matrix factorization give a correct decomposition into parts?, "
    "2003: the swimmer"
)

LIMBS, POSITIONS = ("left arm", "right arm", "left leg", "right leg"), 4
TORSO = len(LIMBS) * POSITIONS  # the place of the torso among the parts: after the limbs
WIDTH = TORSO + 1  # the number of parts
RANKS = (TORSO, WIDTH)  # that of the limbs alone, and that of all parts
ALIKE = 0.999  # a component is a part if its cosine with it is above this
EXACT = 1e-3  # a relative error below this is that of a fit on its way to 0
WHOLE = 0.99  # a share of the torso above this is all of it
PENALTIES = {  # (l1_W, l1_H, l2_W, l2_H) in units of λ
    "l1 on W, l1 on H": (1, 1, 0, 0),
    "l1 on W, l2 on H": (1, 0, 0, 1),
    "l2 on W, l1 on H": (0, 1, 1, 0),
}
ANSWERS = ("torso a part of its own", "torso on one limb", "a quarter of the torso on each limb")
FILLS = {"nndsvd": "zero", "nndsvda": "mean", "nndsvdar": "random"}
FILL_PENALTY = "l1 on W, l2 on H"  # for the starts from the SVD
INNER = 3


@dataclass(frozen=True)
class Settings:
    ranks: tuple[int, ...] = (12, 13, 14, 15, 16, 17, 18)  # 16 and 17 among them
    num_restarts: int = 12
    num_iters: int = 300
    penalties: tuple[float, ...] = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
    path_restarts: int = 5
    fill_repeats: int = 3
    fill_penalties: tuple[float, ...] = (0.0, 0.02, 0.1)
    sparsities: tuple[float, ...] = (0.6, 0.65, 0.7, 0.8, 0.9)
    sparsity_restarts: int = 3
    batch_size: int = 48
    seed: int = 0


FULL = Settings(
    num_restarts=50,
    num_iters=1000,
    penalties=(0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
    path_restarts=20,
    fill_repeats=10,
    sparsity_restarts=10,
    batch_size=59,
)
TINY = Settings(
    ranks=(16, 17),
    num_restarts=3,
    num_iters=150,
    penalties=(0.0, 0.3),
    path_restarts=2,
    fill_repeats=1,
    fill_penalties=(0.0, 0.02),
    sparsities=(0.7,),
    sparsity_restarts=2,
    batch_size=8,
)


# The numbers


def compute(settings: Settings, progress: bool = False) -> Arrays:
    """The pictures: pictures (220, 8), some of them; parts (220, 17); shape (2,); singular_values (20,); norm;
    num_pictures, num_combinations; own_pixels, present, absent (17,); room (17, 17); fooling (16, 16); residual (3,);
    prices (3, 3).

    The starts, S for each of R ranks: ranks (R,), bound (R,), rmse, loss, status (R, S). For ranks 16 and 17, start_…
    (2, S, …) with the fields of Recovered, and best_16, best_17 (220, 17), the best fits in the order of the parts.
    The paths, at rank 17: penalties (V,), path_… (3, V, P, …), penalised (220, 17), the fit with most clean limbs.
    The starts from the SVD: fill_penalties (L,), fill_… (3, 2 ranks, L, K, …).
    The projection, at rank 17: sparsities (Q,), sparsity_… (Q, P, …), hoyer (4,), of a limb, the torso, a limb with all
    and with a quarter of it.
    """
    if not set(RANKS) <= set(settings.ranks):
        raise ValueError(f"ranks: expected {RANKS[0]} and {RANKS[1]} among them, got {settings.ranks}")
    swimmer = data.swimmer()
    lit = np.any(swimmer.X > 0, axis=1)
    problem = Problem(swimmer.X[lit], swimmer.parts[lit])  # pixels that are always dark have zero rows of W
    random = random_starts(problem.X, max(settings.path_restarts, settings.sparsity_restarts), settings.seed)
    whole = lambda W: np.where(lit[:, None], W[np.maximum(np.cumsum(lit) - 1, 0)], 0)
    arrays = {
        "shape": np.array(swimmer.shape),
        "pictures": swimmer.X[:, np.linspace(0, swimmer.X.shape[1] - 1, 8).astype(int)],
        "parts": swimmer.parts,
        **of_the_pictures(problem),
        **by_starts(swimmer.X, problem, settings, progress),
        **by_penalty(problem, random[: settings.path_restarts], settings, progress),
        **by_projection(problem, random[: settings.sparsity_restarts], settings),
    }
    return arrays | {name: whole(arrays[name]) for name in ("best_16", "best_17", "penalised")}


class Problem(NamedTuple):
    """The pictures X (m, n) and their parts (m, 17), at the m pixels that are lit in some picture."""

    X: np.ndarray
    parts: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        """H (17, n) of 0 and 1: which parts are in which picture. The parts have no pixel in common."""
        return self.parts.T @ self.X / self.parts.sum(axis=0)[:, None]


def of_the_pictures(problem: Problem) -> Arrays:
    X, parts = problem
    H = problem.weights
    # Statement 13 (c) of the proofs: so much of part a may move into part b, min over the pictures with b of H_a / H_b.
    room = np.array([[np.min(a[b > 0]) if i != j else 0 for j, b in enumerate(H)] for i, a in enumerate(H)])
    answers = exact_answers(problem)
    limb, torso = parts[:, 0], parts[:, TORSO]
    return {
        "singular_values": np.linalg.svd(X, compute_uv=False)[:20],
        "num_pictures": np.array(X.shape[1]),
        "norm": np.array(np.linalg.norm(X)),
        "num_combinations": np.array(len(np.unique(H, axis=1).T)),
        "own_pixels": np.sum((parts > 0) & (parts.sum(axis=1, keepdims=True) == parts), axis=0),
        "present": np.sum(H > 0, axis=1),
        "absent": np.sum(H == 0, axis=1),
        "room": room,
        "fooling": fooling_set(H),
        "residual": np.array([np.abs(X - W @ H).max() for W, H in answers]),
        "prices": np.array([[price(weights, *pair) for pair in answers] for weights in PENALTIES.values()]),
        "hoyer": np.asarray(
            jnmf.hoyer_sparsity(np.stack([limb, torso, limb + torso, limb + torso / 4], axis=1), axis=0)
        ),
    }


def exact_answers(problem: Problem) -> list[tuple[np.ndarray, np.ndarray]]:
    """Three nonnegative W, H with W H = X, which differ in where they put the torso: see ANSWERS."""
    (_, parts), H = problem, problem.weights
    limbs, torso = parts[:, :TORSO], parts[:, TORSO:]
    on_one = limbs + torso * (np.arange(TORSO) < POSITIONS)
    return [(parts, H), (on_one, H[:TORSO]), (limbs + torso / len(LIMBS), H[:TORSO])]


def fooling_set(H) -> np.ndarray:
    """(16, 16), of 0 and 1: limb part i in picture j, for 16 chosen pictures. The diagonal is 1, and of the entries
    (i, j) and (j, i) one is 0. So no component may serve two entries of the diagonal, and there must be 16 at least.

    Picture (limb, p) has that limb in position p, the limbs after it in p too, those before it in the next position.
    """
    chosen = []
    for limb, p in product(range(len(LIMBS)), range(POSITIONS)):
        positions = [p if other >= limb else (p + 1) % POSITIONS for other in range(len(LIMBS))]
        has_all = np.all(H[POSITIONS * np.arange(len(LIMBS)) + positions] > 0, axis=0)
        chosen.append(int(np.flatnonzero(has_all)[0]))
    return (H[:TORSO, chosen] > 0).astype(int)


def price(weights, W, H) -> float:
    """The least penalty, for λ = 1, of W H over all scales of its components: w c and h / c have the same product.

    l1 on both: c a + b/c is least at 2 √(ab). l1 on one, l2 on the other: c a + b²/2c² is least at 1.5 (ab)^⅔.
    """
    l1_W, l1_H, *_ = weights
    a = np.linalg.norm(W, 1 if l1_W else 2, axis=0)
    b = np.linalg.norm(H, 1 if l1_H else 2, axis=1)
    return float(np.sum(2 * np.sqrt(a * b) if l1_W and l1_H else 1.5 * (a * b) ** (2 / 3)))


# What a fit recovers


class Recovered(NamedTuple):
    """`found`: the limb parts that are the limb pixels of a component; `clean`: those that are a whole component, with
    no torso. `own`: the share of the torso's light that comes from components that are the torso, `by_limb` (4,) from
    the components paired with each limb. `error`, relative to ‖X‖. `dead`: components that are zero. `alike`,
    `alike_off_torso`: the similarity to all parts, and of limb pixels to the limb parts."""

    found: Any
    clean: Any
    own: Any
    by_limb: Any
    error: Any
    dead: Any
    alike: Any
    alike_off_torso: Any


def recovered(W, H, problem: Problem) -> Recovered:
    """Of W (m, 17), H (17, n); a fit of rank 16 has a zero component."""
    X, parts = problem
    order = in_order(W, problem)
    W, H = W[:, order], H[order]
    limb_pixels = parts[:, TORSO] == 0
    off_torso = cosines(parts[limb_pixels], W[limb_pixels])[:TORSO]
    light = (parts[:, TORSO] @ W) * H.sum(axis=1)
    shares = light / max(light.sum(), np.finfo(float).tiny)
    return Recovered(
        np.sum(off_torso > ALIKE),
        np.sum((off_torso > ALIKE) & (cosines(parts, W)[:TORSO] > ALIKE)),
        np.sum(shares[cosines(parts[:, TORSO:], W) > ALIKE]),
        shares[:TORSO].reshape(len(LIMBS), POSITIONS).sum(axis=1),
        np.linalg.norm(X - W @ H) / np.linalg.norm(X),
        np.sum(~(W.any(axis=0) & H.any(axis=1))),
        jnmf.similarity(parts, W),
        np.mean(off_torso),
    )


def in_order(W, problem: Problem) -> np.ndarray:
    """(17,): the components in the order of the limb parts that they match best off the torso, then the one left."""
    limb_pixels = (problem.parts[:, TORSO] == 0)[:, None]
    return np.asarray(jnmf.match(problem.parts * limb_pixels, W * limb_pixels))


def cosines(A, B) -> np.ndarray:
    """The cosine of each column of A with that of B, 0 for zero columns; A may have one column for all of B."""
    lengths = np.linalg.norm(A, axis=0) * np.linalg.norm(B, axis=0)
    return np.sum(A * B, axis=0) / np.maximum(lengths, np.finfo(float).tiny)


def fields(prefix: str, W, H, problem: Problem, shape: tuple[int, ...]) -> Arrays:
    """The fields of Recovered for many fits, W (B, m, 17), H (B, 17, n), with the leading axis in this shape."""
    each = [recovered(*pair, problem) for pair in zip(np.asarray(W), np.asarray(H), strict=True)]
    columns = zip(Recovered._fields, map(np.array, zip(*each, strict=True)), strict=True)
    return {f"{prefix}_{name}": column.reshape(*shape, *column.shape[1:]) for name, column in columns}


def shown(W, problem: Problem) -> np.ndarray:
    """W (m, 17) for a figure: in the order of the parts, the largest entry of each component 1."""
    W = np.asarray(W)[:, in_order(W, problem)]
    return W / np.where(W.any(axis=0), W.max(axis=0), 1)


# The starts


def by_starts(whole_X, problem: Problem, settings: Settings, progress: bool) -> Arrays:
    """Random starts at all ranks, and what those of ranks 16 and 17 recover."""
    X = problem.X
    sweep = jnmf.sweep(
        X,
        settings.ranks,
        num_restarts=settings.num_restarts,
        algorithm=jnmf.HALS(inner=INNER),
        key=settings.seed,
        num_iters=settings.num_iters,
        progress=progress,
    )
    members = [padded(*sweep.members[settings.ranks.index(rank)]) for rank in RANKS]
    W, H = (np.concatenate(pair) for pair in zip(*members, strict=True))
    best = {rank: padded(*(np.asarray(A)[None] for A in sweep.best(rank)))[0][0] for rank in RANKS}
    return {
        "ranks": sweep.ranks,
        # Of all pixels: the dark ones have no error.
        "rmse": sweep.rmse * np.sqrt(X.size / whole_X.size),
        "loss": sweep.loss,
        "status": sweep.status,
        "bound": np.asarray(jnmf.svd_rmse(whole_X, settings.ranks)),
        **fields("start", W, H, problem, (len(RANKS), settings.num_restarts)),
        **{f"best_{rank}": shown(W, problem) for rank, W in best.items()},
    }


def padded(W, H):
    """W (S, m, r), H (S, r, n) with zero components, to r = 17."""
    missing = WIDTH - np.shape(W)[2]
    return np.pad(W, ((0, 0), (0, 0), (0, missing))), np.pad(H, ((0, 0), (0, missing), (0, 0)))


# The penalties, from random starts and from those of the SVD


def by_penalty(problem: Problem, random: list[Factors], settings: Settings, progress: bool) -> Arrays:
    """One list of starts and penalties, fitted in batches of one program."""
    levels, kinds = settings.penalties, [np.array(kind, float) for kind in PENALTIES.values()]
    paths = [(start, level * kind) for kind in kinds for level in levels for start in random]
    fill_penalties = [level * np.array(PENALTIES[FILL_PENALTY], float) for level in settings.fill_penalties]
    fills = [
        (Factors(start.W * kept, start.H * kept[:, None]), penalty)
        for fill in FILLS.values()
        for starts in [svd_starts(problem.X, fill, settings)]
        for kept in (np.arange(WIDTH) < rank for rank in RANKS)
        for penalty in fill_penalties
        for start in starts
    ]
    W, H = fit_each(problem.X, paths + fills, settings, progress)
    path_shape, n = (len(kinds), len(levels), settings.path_restarts), len(paths)
    path = fields("path", W[:n], H[:n], problem, path_shape)
    best = int(np.argmax(path["path_clean"] + path["path_own"]))
    return {
        "penalties": np.array(levels),
        **path,
        "penalised": shown(W[best], problem),
        "penalised_at": np.array(np.unravel_index(best, path_shape)),
        "fill_penalties": np.array(settings.fill_penalties),
        **fields("fill", W[n:], H[n:], problem, (len(FILLS), len(RANKS), len(fill_penalties), settings.fill_repeats)),
    }


def random_starts(X, num: int, seed: int) -> list[Factors]:
    draw = jax.jit(lambda X, keys: jax.vmap(lambda key: jnmf.init.random(key, X, WIDTH))(keys))
    W, H = jax.device_get(draw(X, jax.random.split(jax.random.key(seed), num)))
    return [Factors(*pair) for pair in zip(W, H, strict=True)]


def svd_starts(X, fill: str, settings: Settings) -> list[Factors]:
    """NNDSVD with 17 components, for the pictures in several orders; for rank 16 the last one is left out.

    Twelve singular values are equal: which of their vectors come out is arbitrary, and depends on the order.
    """
    draw = jax.jit(lambda X, key: jnmf.init.nndsvd(X, WIDTH, fill, key=key))
    starts = []
    for seed in range(settings.seed, settings.seed + settings.fill_repeats):
        order = np.random.default_rng(seed).permutation(X.shape[1])
        W, H = jax.device_get(draw(X[:, order], jax.random.key(seed)))
        starts.append(Factors(W, H[:, np.argsort(order)]))
    return starts


def fit_each(X, jobs: list, settings: Settings, progress: bool) -> tuple[np.ndarray, np.ndarray]:
    """The factors for each (start, penalties), W (B, m, 17), H (B, 17, n)."""
    size, found = settings.batch_size, []
    batches = [jobs[i : i + size] for i in range(0, len(jobs), size)]
    for batch in tracked(batches, "penalties", progress):
        starts, penalties = zip(*(batch + batch[-1:] * (size - len(batch))), strict=True)  # one size: one program
        W, H = fitted(X, *(np.stack(A) for A in zip(*starts, strict=True)), np.stack(penalties), settings.num_iters)
        found.append((np.asarray(W)[: len(batch)], np.asarray(H)[: len(batch)]))
    W, H = (np.concatenate(A) for A in zip(*found, strict=True))
    return W, H


@partial(jax.jit, static_argnames="num_iters")
def fitted(X, W, H, penalties, num_iters: int) -> Factors:
    """Starts W (B, m, r), H (B, r, n), penalties (B, 4) -> the factors after so many iterations of HALS."""

    def one(W, H, penalty):
        l1_W, l1_H, l2_W, l2_H = penalty
        algorithm = jnmf.HALS(inner=INNER, l1_W=l1_W, l1_H=l1_H, l2_W=l2_W, l2_H=l2_H)
        return jnmf.run(X, Factors(W, H), algorithm, num_iters=num_iters)[0]

    return jax.vmap(one)(W, H, penalties)


# Hoyer's sparsity by projection


def by_projection(problem: Problem, starts: list[Factors], settings: Settings) -> Arrays:
    jobs = list(product(settings.sparsities, starts))
    W, H = (np.stack([getattr(start, name) for _, start in jobs]) for name in ("W", "H"))
    W, H = projected(problem.X, W, H, np.array([sparsity for sparsity, _ in jobs]), settings.num_iters)
    shape = len(settings.sparsities), settings.sparsity_restarts
    return {"sparsities": np.array(settings.sparsities), **fields("sparsity", W, H, problem, shape)}


@partial(jax.jit, static_argnames="num_iters")
def projected(X, W, H, sparsities, num_iters: int) -> Factors:
    """Starts W (B, m, r), H (B, r, n), sparsities (B,) -> the factors after so many iterations of HALS, each followed
    by the projection of each column of W onto that Hoyer sparsity (Hoyer 2004)."""
    algorithm = jnmf.HALS(inner=INNER)

    def one(W, H, sparsity):
        def iterate(_, factors: Factors) -> Factors:
            W, H = algorithm.step(X, algorithm.init(X, factors))[0].factors
            return Factors(jax.vmap(jnmf.project_sparsity, (1, None), 1)(W, sparsity), H)

        return lax.fori_loop(0, num_iters, iterate, Factors(W, H))

    return jax.vmap(one)(W, H, sparsities)


# The figures

COLORS = (BLUE, ORANGE, GREEN, PINK, BLACK)
HATCHES = ("", "//", "..", "xx", "")


def plot(arrays: Arrays) -> dict[str, Figure]:
    return {
        "pictures": pictures_figure(arrays),
        "scree": scree_figure(arrays),
        "starts": starts_figure(arrays),
        "parts_16": parts_figure(arrays, "best_16"),
        "parts_17": parts_figure(arrays, "best_17"),
        "torso": torso_figure(arrays),
        "penalties": penalties_figure(arrays),
        "parts_penalised": parts_figure(arrays, "penalised"),
    }


def pictures_figure(arrays: Arrays) -> Figure:
    pictures, parts = arrays["pictures"], arrays["parts"]
    titles = ["pictures", *[""] * (pictures.shape[1] - 1), *part_titles()]
    columns = np.hstack([pictures, parts])
    figure = jnmf.plot.components(columns, arrays["shape"].tolist(), order="F", num_columns=8, titles=titles)
    figure.axes[-1].set(ylabel="pixel", yticks=[0, 1])
    return figure


def part_titles() -> list[str]:
    return [limb if p == 0 else "" for limb in LIMBS for p in range(POSITIONS)] + ["torso"]


def parts_figure(arrays: Arrays, name: str) -> Figure:
    """The components in the order of the parts: the limbs, four positions each, and what is left, if anything is."""
    W, titles = arrays[name], [*part_titles()[:-1], "left over"]
    if not W[:, TORSO].any():  # a fit of rank 16 has 16 components
        W, titles = W[:, :TORSO], titles[:TORSO]
    return jnmf.plot.components(W, arrays["shape"].tolist(), order="F", num_columns=8, titles=titles)


def scree_figure(arrays: Arrays) -> Figure:
    sweep = SimpleNamespace(**{name: arrays[name] for name in ("ranks", "rmse", "loss", "status")})
    return jnmf.plot.scree(sweep, svd=arrays["bound"]).figure  # pyright: ignore[reportReturnType]


def starts_figure(arrays: Arrays) -> Figure:
    figure = Figure(figsize=(6.5, 3), layout="constrained")
    ax = figure.subplots()
    limbs = np.arange(arrays["start_found"].min(), TORSO + 1)
    for i, (rank, found) in enumerate(zip(RANKS, arrays["start_found"], strict=True)):
        counts = np.bincount(found, minlength=TORSO + 1)[limbs]
        ax.bar(
            limbs + 0.4 * (i - 0.5), counts, 0.4, color=COLORS[i], hatch=HATCHES[i], ec="white", label=f"rank {rank}"
        )
    ax.set(xlabel=f"limb parts found, of {TORSO}", ylabel=f"starts, of {arrays['start_found'].shape[1]}", xticks=limbs)
    ax.legend(fontsize="small")
    ax.grid(axis="y", alpha=0.3)
    return figure


def torso_figure(arrays: Arrays) -> Figure:
    """For exact fits without penalty: who carries the torso."""
    most = int(np.sum(arrays["start_error"] < EXACT, axis=1).max())
    figure = Figure(figsize=(7.5, 1.4 + 0.15 * max(most, 6)), layout="constrained")
    axes: Any = figure.subplots(1, len(RANKS), sharey=True)
    for i, (ax, rank) in enumerate(zip(axes, RANKS, strict=True)):
        exact = arrays["start_error"][i] < EXACT
        shares = arrays["start_by_limb"][i][exact]
        shares = np.column_stack([shares, 1 - shares.sum(axis=1)])
        left = np.zeros(len(shares))
        for share, name, color, hatch in zip(shares.T, (*LIMBS, "left over"), COLORS, HATCHES, strict=True):
            ax.barh(range(len(shares)), 100 * share, left=left, color=color, hatch=hatch, edgecolor="white", label=name)
            left = left + 100 * share
        ax.set(title=f"rank {rank}", xlabel="share of the torso, %", xlim=(0, 100), yticks=[])
    axes[0].set_ylabel("exact fits, one a row")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize="small")
    return figure


def penalties_figure(arrays: Arrays) -> Figure:
    """Against λ, for each penalty: the limb parts found, those clean, and where the torso is."""
    levels = arrays["penalties"]
    x = np.arange(len(levels))
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes: Any = figure.subplots(2, len(PENALTIES), sharex=True, sharey="row")
    for kind, (above, below), name in zip(range(len(PENALTIES)), axes.T, PENALTIES, strict=True):
        limbs = {"limb parts found": ("path_found", BLUE, "o", "-"), "without torso": ("path_clean", ORANGE, "^", "--")}
        for label, (field, color, marker, dash) in limbs.items():
            values = arrays[field][kind]
            above.plot(x, values, linestyle="none", marker=marker, color=color, alpha=0.25, markersize=4)
            above.plot(x, values.mean(axis=1), color=color, linestyle=dash, marker=marker, markersize=5, label=label)
        places = np.array(
            [[torso_place(arrays, kind, i, k) for k in range(arrays["path_own"].shape[2])] for i in range(len(x))]
        )
        bottom = np.zeros(len(x))
        for place, color, hatch in zip(PLACES, (GREEN, PINK, BLUE, "0.85"), ("", "//", "..", ""), strict=True):
            share = 100 * np.mean(places == place, axis=1)
            below.bar(x, share, bottom=bottom, color=color, hatch=hatch, edgecolor="white", label=place)
            bottom = bottom + share
        above.set(title=name, ylim=(-0.5, TORSO + 0.7))
        above.grid(alpha=0.3)
        below.set(xlabel="penalty λ", ylim=(0, 100))
        below.set_xticks(x, [f"{level:g}" for level in levels], fontsize=8, rotation=45)
    axes[0, 0].set_ylabel(f"limb parts, of {TORSO}")
    axes[1, 0].set_ylabel("starts, %")
    axes[0, -1].legend(fontsize="small", loc="center left")
    handles = axes[1, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(PLACES), fontsize="small", title="the torso")
    return figure


PLACES = ("a part of its own", "on one limb", "on several limbs", "not all limbs found")


def torso_place(arrays: Arrays, kind: int, level: int, start: int) -> str:
    """Which of PLACES the torso of one fit of the paths is in."""
    at = kind, level, start
    if arrays["path_found"][at] < TORSO:
        return PLACES[3]
    if arrays["path_own"][at] > WHOLE:
        return PLACES[0]
    return PLACES[1] if arrays["path_by_limb"][at].max() > WHOLE else PLACES[2]


# The answers


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section(
            "What is in the pictures, and how many parts do they need?", pictures_answer(arrays), ("pictures", "scree")
        ),
        Section("When are parts identifiable?", condition_answer(arrays), tables=(condition_table(arrays),)),
        Section("Does NMF find the limbs?", limbs_answer(arrays), ("starts",)),
        Section("Where does the torso go?", torso_answer(arrays), ("parts_16", "parts_17", "torso")),
        Section(
            "What does a sparsity penalty change?",
            penalty_answer(arrays),
            ("penalties", "parts_penalised"),
            (price_table(arrays), sparsity_table(arrays)),
        ),
        Section("Does it matter where the fit starts?", fill_answer(arrays), tables=(fill_table(arrays),)),
    ]


def listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def between(values, shape: str = "{:.0f}") -> str:
    """The least and the largest of the values, or the one that they all are."""
    least, largest = shape.format(np.min(values)), shape.format(np.max(values))
    return least if least == largest else f"{least} to {largest}"


def pictures_answer(arrays: Arrays) -> str:
    sigma, num_pictures = arrays["singular_values"], int(arrays["num_pictures"])
    fooling = arrays["fooling"]
    both = (fooling * fooling.T).astype(bool)
    holds = np.array_equal(both, np.eye(len(fooling), dtype=bool))
    certificate = (
        f"A factorisation without signs needs at least {len(fooling)}. For there are {len(fooling)} entries of X that "
        "are 1, such that of any two of them, in rows i and k and columns j and l, one of the entries (i, l) and (k, "
        "j) is 0. A component that served both would be positive there too."
        if holds
        else "The certificate for how many a factorisation without signs needs failed, which should not be."
    )
    relative = arrays["rmse"].min(axis=1) * np.sqrt(num_pictures * len(arrays["parts"])) / arrays["norm"]
    exact = arrays["ranks"][relative < EXACT]
    found = f"rank {exact.min()} is the lowest at which a start" if exact.size else "there is none at which a start"
    combinations = int(arrays["num_combinations"])
    return (
        f"{num_pictures} pictures of a swimmer, {arrays['shape'][0]} × {arrays['shape'][1]} pixels of 0 and 1. Each is "
        f"the sum of a torso and four limbs, and a limb has {POSITIONS} positions: {TORSO} limb parts and the torso, "
        f"{WIDTH} parts. {combinations} of the {POSITIONS ** len(LIMBS)} combinations of positions are there.\n\n"
        f"As a matrix X has rank {rank_of(sigma)}, less than there are parts, because a limb is always in one of its "
        "positions: the four parts of a limb weigh 1 together in every picture, as the torso does. A factorisation "
        f"with signs needs so many components. {certificate} And {TORSO} are enough, as the limbs can carry the torso. "
        f"Of the ranks that were tried, {found} has an error below {EXACT:g} of ‖X‖ (second figure)."
    )


def rank_of(sigma) -> int:
    return int(np.sum(sigma > 1e-10 * sigma[0]))


def condition_answer(arrays: Arrays) -> str:
    room, absent, own, residual = (arrays[name] for name in ("room", "absent", "own_pixels", "residual"))
    movable = np.flatnonzero(room.max(axis=1) > 0)
    if movable.tolist() == [TORSO]:
        moves = (
            f"Of the {WIDTH} parts only the torso can, into each of {np.sum(room[TORSO] > 0)} limb parts. No limb part "
            "can, for it is missing in some picture that has the other part. So the torso is the part that the data do "
            "not determine: it can be spread over the limbs in any proportion."
        )
    else:
        names = [part_name(int(k)) for k in movable]
        moves = f"The parts that can: {listed(names) if names else 'none'}."
    products = f"Their products differ from X by {residual.max():.1g} at most." if residual.any() else "Each gives X."
    return (
        "Donoho and Stodden ask for three things: the pictures are sums of parts; each part in each position has "
        "pixels of its own; all combinations of positions are there. Then the parts are the only nonnegative factors, "
        f"up to order and scale. Here each limb part has {between(own[:TORSO])} pixels of its own, the torso "
        f"{own[TORSO]}, and the combinations are there. But the torso has one position only. It is absent from "
        f"{absent[TORSO] or 'no'} pictures, while each limb part is absent from {between(absent[:TORSO])}.\n\n"
        "What that does can be said without their theorem. Part a can move into part b if a is present whenever b is: "
        "add t times the picture of a to that of b, and take t times the weights of b from those of a. The product "
        "stays, and the weights stay nonnegative while t is at most the least ratio of the two (statement 13 (c) in "
        f"proofs/non_uniqueness.py; the last column of the table). {moves} Three such answers have been made: "
        f"{listed(list(ANSWERS))}. {products}\n\n"
        "This looks at two parts at a time and shows what is free. That nothing else is, for parts that meet the three "
        "conditions, is their theorem."
    )


def part_name(k: int) -> str:
    return "torso" if k == TORSO else f"{LIMBS[k // POSITIONS]} {k % POSITIONS + 1}"


def condition_table(arrays: Arrays) -> Table:
    rows = [
        (part_name(k), str(arrays["own_pixels"][k]), str(arrays["present"][k]), str(arrays["absent"][k]), f"{room:g}")
        for k, room in enumerate(arrays["room"].max(axis=1))
    ]
    columns = ("part", "pixels of its own", "pictures with it", "without it", "may move by")
    return Table(columns, [*rows[:POSITIONS], *rows[-1:]], f"{LIMBS[0]} and torso; the other limbs are as the first.")


def limbs_answer(arrays: Arrays) -> str:
    paragraphs = []
    for i, rank in enumerate(RANKS):
        error, found = arrays["start_error"][i], arrays["start_found"][i]
        exact = error < EXACT
        text = f"Rank {rank}: {exact.sum()} of {len(exact)} random starts end in an exact fit"
        if exact.any():
            text += f", with {between(found[exact])} of the {TORSO} limb parts"
        if not exact.all():
            text += (
                f". The fits from the other {np.sum(~exact)} have {between(found[~exact])} limb parts and a "
                f"relative error of {between(error[~exact], '{:.3f}')}"
            )
        paragraphs.append(text + ".")
    exact = arrays["start_error"] < EXACT
    every = bool(exact.any() and np.all(arrays["start_found"][exact] == TORSO))
    few, more = exact.mean(axis=1)
    error = np.sqrt((few * (1 - few) + more * (1 - more)) / exact.shape[1])  # of the difference of two shares
    spare = (
        f"The spare component of rank {RANKS[1]} helps the fit out of local minima."
        if more - few > 2 * error
        else f"Whether the spare component of rank {RANKS[1]} helps out of local minima, these starts do not show."
    )
    whole, off = (arrays[f"start_{name}"][exact] for name in ("alike", "alike_off_torso"))
    alike = (
        f" Off the torso, the mean cosine of these fits with the limb parts is {between(off, '{:.3f}')}; on all pixels "
        f"their similarity to all {WIDTH} parts is only {between(whole, '{:.2f}')}, because of the torso."
        if exact.any()
        else ""
    )
    lesson = (
        "So a poor start can miss the limbs, but the data leave no choice about them."
        if every
        else "So here even exact fits miss limbs."
    )
    return (
        f"{'Yes, wherever the fit is exact.' if every else 'Not always.'} A limb part counts as found when its cosine "
        f"with a component, on all pixels but those of the torso, is above {ALIKE:g}. {' '.join(paragraphs)} "
        f"{spare}\n\n"
        f"{lesson}{alike}"
    )


def torso_answer(arrays: Arrays) -> str:
    exact = arrays["start_error"] < EXACT
    texts = []
    for i, rank in enumerate(RANKS):
        limbs, own, clean = (arrays[f"start_{name}"][i][exact[i]] for name in ("by_limb", "own", "clean"))
        texts.append(
            f"At rank {rank}, in {len(own)} exact fits, all limbs together carry {between(100 * limbs.sum(axis=1))} % "
            f"of the torso, each of the four {between(100 * limbs)} %, and a component that is the torso and nothing "
            f"else carries {between(100 * own)} %; {between(clean)} of the {TORSO} limb parts are without torso."
            if len(own)
            else f"At rank {rank} no start was exact."
        )
    own = arrays["start_own"][1][exact[1]]
    alone = int(np.sum(own > WHOLE))
    found = f"{alone} of {len(own)} starts find it" if alone else "no start finds it; nothing in the loss asks for it"
    onto_limbs = not len(own) or np.median(own) < 0.5
    return (
        f"{'Onto the limbs, as a ghost in each of them' if onto_limbs else 'Mostly into a component of its own'} "
        f"(first two figures; the brightest pixel of a component is 1). {' '.join(texts)}\n\n"
        "At rank 16 the four positions of a limb must carry the same share, for whichever is in the picture, the whole "
        "torso is. How the limbs divide it is left to the start: the third figure has a row for each exact fit. With "
        f"{WIDTH} components there is room for a torso of its own, but {found}."
    )


def penalty_answer(arrays: Arrays) -> str:
    prices, names, levels = arrays["prices"], list(PENALTIES), arrays["penalties"]
    best = np.argmin(prices, axis=1)  # the places of the answers in ANSWERS are those in PLACES
    cheapest = listed([f"for {names[k]}: {ANSWERS[int(np.argmin(prices[k]))]}" for k in range(len(names))])
    starts = range(arrays["path_own"].shape[2])
    counts, num_cheapest, num_fits = [], 0, 0
    for kind, name in enumerate(names):
        places = [torso_place(arrays, kind, i, k) for i in range(len(levels)) for k in starts if levels[i] > 0]
        num_cheapest, num_fits = num_cheapest + places.count(PLACES[best[kind]]), num_fits + len(places)
        each = listed([f"{place} {places.count(place)}" for place in PLACES if place in places])
        counts.append(f"{name} ({len(places)} fits): {each}")
    at = tuple(arrays["penalised_at"].tolist())
    limb, torso, with_torso, with_quarter = arrays["hoyer"].tolist()
    clean, own = arrays["sparsity_clean"], arrays["sparsity_own"]
    complete = int(np.sum((clean == TORSO) & (own > WHOLE)))
    projection = f"{complete} of {clean.size} fits have" if complete else f"None of {clean.size} fits has"
    return (
        "It chooses among the exact answers. A penalty on W alone or on H alone means nothing, for c W and H / c fit "
        "as well and cost less; so each factor gets one, l1 or l2, with the same weight λ. As λ goes to 0, the "
        f"solution is the cheapest of the exact answers. Of the three that were made it is (first table) {cheapest}. "
        "On the limbs W holds the torso four times over, since each limb has its share of it in all four positions; an "
        "l1 norm of W charges for that. An l1 norm of H charges for a torso of its own in every picture. On the limbs "
        "the torso is in components that are paid for anyway, and an l2 norm of W takes little for a faint one.\n\n"
        f"From random starts, with λ > 0, {num_cheapest} of {num_fits} fits end in the kind of the cheapest answer. "
        "The torso on a single limb is a local minimum of the penalty where W has l1: to move a little of it to "
        f"another component costs more at first than it saves. At rank {WIDTH}, for all λ > 0 together, the torso "
        f"ends as follows. {'; '.join(counts)}. The figure has the limbs in its upper row and the torso in its lower "
        f"row. At the largest λ, {levels[-1]:g}, a fit has {between(arrays['path_found'][:, -1])} limb parts. A small "
        "λ may not have chosen yet after this many iterations.\n\n"
        f"The second figure is the fit with the most limb parts without torso, {int(arrays['path_clean'][at])} of "
        f"{TORSO}, and with {100 * arrays['path_own'][at]:.0f} % of the torso in a component of its own "
        f"({names[at[0]]}, λ = {levels[at[1]]:g}).\n\n"
        "A sparsity that is demanded, not charged for, is another way. But at the lit pixels Hoyer's measure is "
        f"{limb:.2f} for a limb part, {torso:.2f} for the torso, {with_torso:.2f} for a limb with the whole torso and "
        f"{with_quarter:.2f} for one with a quarter of it: no one level suits a limb part and the torso. The last "
        f"table projects all columns of W onto one level after each iteration. {projection} all {WIDTH} parts."
    )


def price_table(arrays: Arrays) -> Table:
    rows = [
        (name, *(f"{price:.1f}" for price in prices)) for name, prices in zip(PENALTIES, arrays["prices"], strict=True)
    ]
    return Table(("penalty", *ANSWERS), rows, "Penalty divided by λ of three exact answers, at their best scale.")


def sparsity_table(arrays: Arrays) -> Table:
    rows = [
        (
            f"{level:g}",
            between(arrays["sparsity_found"][i]),
            between(arrays["sparsity_clean"][i]),
            between(100 * arrays["sparsity_own"][i]) + " %",
            between(arrays["sparsity_error"][i], "{:.3f}"),
        )
        for i, level in enumerate(arrays["sparsities"])
    ]
    columns = ("Hoyer sparsity of W", "limb parts found", "without torso", "torso on its own", "relative error")
    starts = arrays["sparsity_found"].shape[1]
    return Table(columns, rows, f"Projected onto one sparsity, rank {WIDTH}: least to largest of {starts} starts.")


def fill_answer(arrays: Arrays) -> str:
    found, clean, own, dead = (arrays[f"fill_{name}"] for name in ("found", "clean", "own", "dead"))
    names, levels, sigma = list(FILLS), arrays["fill_penalties"], arrays["singular_values"]
    complete = [
        f"{names[i]} at rank {RANKS[j]} with λ = {levels[k]:g}"
        for i, j, k in np.ndindex(*found.shape[:3])
        if np.all((found[i, j, k] == TORSO) & (clean[i, j, k] == TORSO) & (own[i, j, k] > WHOLE))
    ]
    lost = bool(np.any(found < TORSO))
    equal = int(np.sum(np.abs(sigma - sigma[1]) < 1e-10 * sigma[0]))
    verdict = (
        f"All {WIDTH} parts come out, in every order of the pictures, from {listed(complete)}. NNDSVD starts its first "
        "component near the mean picture, in which the torso is brightest: the torso has a component from the start."
        if complete
        else f"None of them gives all {WIDTH} parts in every order of the pictures."
    )
    return (
        f"{'Yes' if np.ptp(found) else 'No'}: from the starts of the table a fit finds {between(found)} of the {TORSO} "
        "limb parts.\n\n"
        f"NNDSVD starts from the positive parts of singular vectors, and X has {rank_of(sigma)} of them that are not "
        f"null. With the fill of zeros (nndsvd), {between(dead[0, 1, 0])} of {WIDTH} components are zero at the start "
        "and at the end. The mean (nndsvda) or small random numbers (nndsvdar) in place of the zeros give them "
        f"something to begin with. {equal} singular values are equal, so which vectors come out depends on the order "
        f"of the pictures. The table has several orders, without a penalty and with small ones ({FILL_PENALTY}). "
        f"{verdict}\n\n"
        f"The share of the torso that has a component of its own is {between(100 * own)} % in these fits"
        + (f", and {np.sum(found < TORSO)} of the {found.size} lose limb parts." if lost else ".")
    )


def fill_table(arrays: Arrays) -> Table:
    rows = []
    for i, name in enumerate(FILLS):
        for j, rank in enumerate(RANKS):
            for k, penalty in enumerate(arrays["fill_penalties"]):
                at = i, j, k
                rows.append(
                    (
                        name,
                        str(rank),
                        f"{penalty:g}",
                        between(arrays["fill_found"][at]),
                        between(arrays["fill_clean"][at]),
                        between(100 * arrays["fill_own"][at]) + " %",
                        between(arrays["fill_dead"][at] - (WIDTH - rank)),
                        between(arrays["fill_error"][at], "{:.3f}"),
                    )
                )
    return Table(
        ("start", "rank", "λ", "limb parts found", "without torso", "torso on its own", "dead", "relative error"),
        rows,
        f"Least to largest of {arrays['fill_found'].shape[3]} orders of the pictures.",
    )
