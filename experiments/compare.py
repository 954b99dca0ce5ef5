"""Every algorithm on the same data from the same start: python -m experiments.compare.

The questions: how close does each algorithm come to the bound that no factorisation of the same rank can beat, the
truncated SVD; in how many iterations and seconds; and at the end, how far is it from the optimality condition?
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import jnmf
from experiments import data
from jnmf import ALS, ANLS, HALS, MU, PGD, Status

ALGORITHMS = {
    "MU": MU(),
    "MU (KL)": MU(beta=1.0),
    "HALS": HALS(),
    "HALS (3 sweeps)": HALS(inner=3),
    "ALS": ALS(),
    "PGD": PGD(),
    "PGD (backtracking)": PGD(step_size="backtracking"),
    "ANLS (pivoting)": ANLS(),
    "ANLS (gradient)": ANLS(solver="projected_gradient"),
}
RANKS = {"nmfdata": 3, "synthetic": 25}  # those that the data were made with

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Settings:
    data: tuple[str, ...] = ("nmfdata", "synthetic")
    noise_level: float = 0.1  # of the synthetic data
    rank: int | None = None  # None: RANKS
    max_iters: int = 200  # ANLS (gradient) takes a tenth of a second for each
    tol: float = 1e-6
    seed: int = 0


def compute(settings: Settings, track: Callable[[list], Iterable] = iter) -> Arrays:
    """Fit each data set with each algorithm that allows it. `track` passes its jobs on, to show progress.

    The arrays of a data set begin with its name: X, WH of the lowest error, svd_error, rank, and one entry a fit of
    algorithm, num_iters, status, error, kkt, rises, seconds, compile_seconds and curve (num_iters, then NaN).
    """
    X = {name: load(name, settings) for name in settings.data}
    ranks = {name: settings.rank or RANKS[name] for name in X}
    starts = {name: jnmf.init.random(settings.seed, X[name], ranks[name]) for name in X}
    jobs = [(name, label) for name in X for label in ALGORITHMS if allows(ALGORITHMS[label], X[name])]
    fits: dict[str, list[dict[str, Any]]] = {name: [] for name in X}
    for name, label in track(jobs):
        result = measure(X[name], starts[name], ALGORITHMS[label], settings)
        fits[name].append({"algorithm": label, **result})

    arrays = {"data": np.array(settings.data)}
    for name, results in fits.items():
        columns = {key: np.array([result[key] for result in results]) for key in results[0] if key != "WH"}
        best = results[int(np.nanargmin(columns["error"]))]
        bound = svd_error(X[name], ranks[name])
        columns |= {"X": X[name], "WH": best["WH"], "svd_error": np.array(bound), "rank": np.array(ranks[name])}
        arrays |= {f"{name}.{key}": column for key, column in columns.items()}
    return arrays


def load(name: str, settings: Settings) -> np.ndarray:
    return data.nmfdata() if name == "nmfdata" else data.generate_dataset_NMF(settings.noise_level).V


def allows(algorithm, X) -> bool:
    """Whether the algorithm is defined on X: MU needs nonnegative entries."""
    return not (algorithm.nonnegative_data and bool(np.any(X < 0)))


def measure(X, start, algorithm, settings: Settings) -> dict[str, Any]:
    """One fit of X from `start`, compiled ahead so that compiling and running are timed apart."""
    fit = partial(jnmf.fit, algorithm=algorithm, tol=settings.tol, max_iters=settings.max_iters)
    X = jnp.asarray(X)
    compiled, compile_seconds = timed(lambda: jax.jit(lambda X, start: fit(X, init=start)).lower(X, start).compile())
    found, *seconds = timed(lambda: jax.block_until_ready(compiled(X, start)))
    while sum(seconds) < 0.2:  # a single short run would measure the machine, not the method
        seconds.append(timed(lambda: jax.block_until_ready(compiled(X, start)))[1])

    WH = np.asarray(found.W @ found.H)
    loss = np.asarray(found.trace.loss)
    first_loss = float(jnmf.objective(X, start, algorithm))
    if algorithm.beta == 2:  # loss = ½‖X − WH‖²
        curve = np.sqrt(2 * loss) / np.linalg.norm(X)
    else:
        curve = np.where(np.isnan(loss), np.nan, error_curve(X, start, algorithm, settings.max_iters))
    return {
        "num_iters": int(found.num_iters),
        "status": int(found.status),
        "error": relative_error(X, WH),
        "kkt": jnmf.kkt_residual(X, found.factors, algorithm) / jnmf.kkt_residual(X, start, algorithm),
        "rises": np.sum(np.diff(loss, prepend=first_loss) > 1e-9 * first_loss),
        "seconds": np.median(seconds),
        "compile_seconds": compile_seconds,
        "curve": curve,
        "WH": WH,
    }


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """What the call returns, and the seconds it took."""
    begin = time.perf_counter()
    result = call()
    return result, time.perf_counter() - begin


def relative_error(X, WH):
    """‖X − WH‖ / ‖X‖."""
    return jnp.linalg.norm(X - WH) / jnp.linalg.norm(X)


@partial(jax.jit, static_argnames="num_iters")
def error_curve(X, start, algorithm, num_iters: int):
    """(num_iters,): the relative error after each iteration, for a method whose own loss is another."""

    def iterate(state, _):
        state, _ = algorithm.step(X, state)
        W, H = algorithm.factors(state)
        return state, relative_error(X, W @ H)

    return jax.lax.scan(iterate, algorithm.init(X, start), length=num_iters)[1]


def svd_error(X, rank: int) -> float:
    """The relative error of the truncated SVD: the least of all matrices of this rank (Eckart and Young 1936)."""
    singular_values = np.linalg.svd(X, compute_uv=False)
    return float(np.linalg.norm(singular_values[rank:]) / np.linalg.norm(singular_values))


# What the numbers say


def heading(arrays: Arrays, name: str) -> str:
    m, n = arrays[f"{name}.X"].shape
    return f"{name}, {m} × {n}, rank {arrays[f'{name}.rank']}"


def table(arrays: Arrays, name: str) -> Table:
    """One line a fit, and the bound."""
    columns = ("algorithm", "iters", "status", "error", "KKT", "time, ms", "compile, s")
    lines = Table(title=heading(arrays, name), caption=absent(arrays, name), caption_justify="left")
    lines.box, lines.padding, lines.pad_edge = box.SIMPLE_HEAD, (0, 1, 0, 0), False
    for column in columns:
        lines.add_column(column, justify="left" if column in ("algorithm", "status") else "right", no_wrap=True)
    keys = ("algorithm", "num_iters", "status", "error", "kkt", "seconds", "compile_seconds")
    for label, num_iters, status, error, kkt, seconds, compile_seconds in zip(
        *(arrays[f"{name}.{key}"] for key in keys), strict=True
    ):
        numbers = (f"{error:.6f}", f"{kkt:.1e}", f"{1e3 * seconds:.2f}", f"{compile_seconds:.2f}")
        lines.add_row(str(label), str(num_iters), Status(status).name, *numbers)
    lines.add_section()
    lines.add_row("truncated SVD", "", "", f"{arrays[f'{name}.svd_error']:.6f}")
    return lines


def absent(arrays: Arrays, name: str) -> str | None:
    """Which algorithms were not run, and why."""
    X = arrays[f"{name}.X"]
    labels = [label for label in ALGORITHMS if label not in arrays[f"{name}.algorithm"]]
    if not labels:
        return None
    return f"Not run: {' and '.join(labels)}, which need X ≥ 0; {np.sum(X < 0)} of its {X.size} entries are negative."


def answers(arrays: Arrays) -> str:
    """The questions of this experiment, answered from the numbers."""
    lines = ["error: ‖X − WH‖ / ‖X‖. KKT: the projected-gradient norm of the method's own loss, relative to the start."]
    for name in arrays["data"]:
        labels, error, seconds, rises = (arrays[f"{name}.{key}"] for key in ("algorithm", "error", "seconds", "rises"))
        best, bound = int(np.nanargmin(error)), float(arrays[f"{name}.svd_error"])
        near = np.flatnonzero(error <= 1.01 * error[best])
        quickest = near[np.argmin(seconds[near])]
        above = f", {error[best] / bound - 1:.2%} above the SVD bound" if bound > 1e-9 else ""
        lines.append(f"{name}: the lowest error is {error[best]:.6f}{above}.")
        lines.append(
            f"  Within 1 % of it: {', '.join(labels[near])}; the quickest of these is {labels[quickest]}, "
            f"{1e3 * seconds[quickest]:.3g} ms."
        )
        rising = [f"{labels[i]} (in {rises[i]} iterations)" for i in np.flatnonzero(rises)]
        lines.append(f"  Methods whose own loss rose on the way: {', '.join(rising) or 'none'}.")
    return "\n".join(lines)


# What they look like

MU_BLUE, HALS_RED, ALS_BLACK, PGD_GREEN, ANLS_PURPLE = (
    "#0072B2",
    "#D55E00",
    "#000000",
    "#009E73",
    "#CC79A7",
)  # Okabe–Ito
STYLES = {  # a colour for a method, a dash and a marker for each variant, which tell them apart in grey too
    "MU": (MU_BLUE, "-", "o"),
    "MU (KL)": (MU_BLUE, "--", "s"),
    "HALS": (HALS_RED, "-", "^"),
    "HALS (3 sweeps)": (HALS_RED, "--", "v"),
    "ALS": (ALS_BLACK, "-.", "x"),
    "PGD": (PGD_GREEN, "-", "D"),
    "PGD (backtracking)": (PGD_GREEN, "--", "P"),
    "ANLS (pivoting)": (ANLS_PURPLE, "-", "*"),
    "ANLS (gradient)": (ANLS_PURPLE, "--", "+"),
}


def plot(arrays: Arrays) -> dict[str, Any]:
    """The figures by name: `convergence`, the error of each iteration; `reconstruction`, X, the best W H, X − W H."""
    return {"convergence": plot_convergence(arrays), "reconstruction": plot_reconstruction(arrays)}


def plot_convergence(arrays: Arrays):
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    names = [str(name) for name in arrays["data"]]
    figure = Figure(figsize=(4.5 * len(names) + 2, 4.2), layout="constrained")
    handles = {}
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for i, (label, curve) in enumerate(zip(arrays[f"{name}.algorithm"], arrays[f"{name}.curve"], strict=True)):
            color, dash, marker = STYLES[str(label)]
            style = {"color": color, "linestyle": dash, "marker": marker, "linewidth": 1.4, "markersize": 6}
            # Marks at even steps of log(iteration), shifted from curve to curve: those which coincide show, too.
            marks = np.unique(10 ** np.arange(0.055 * i, np.log10(len(curve) + 1), 0.5)).astype(int) - 1
            iterations = np.arange(1, len(curve) + 1)
            (handles[str(label)],) = axes.plot(iterations, curve, markevery=list(marks), label=label, **style)
        bound = arrays[f"{name}.svd_error"]
        handles["truncated SVD"] = axes.axhline(bound, color="0.4", linestyle=":", label="truncated SVD")
        axes.set(xscale="log", yscale="log", xlabel="iteration", title=heading(arrays, name))
        curves = arrays[f"{name}.curve"]  # without noise the bound is rounding, far below all of them
        axes.set_ylim(0.8 * max(bound, curves[curves > 0].min() / 10), 1.3 * np.nanmax(curves))
        axes.set_ylabel(r"relative error $\Vert X - WH\Vert\ /\ \Vert X\Vert$")
        axes.grid(alpha=0.3)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))  # labels also where there is no power of ten
        axes.yaxis.set_minor_formatter("")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")
    order = [label for label in (*STYLES, "truncated SVD") if label in handles]
    figure.legend(handles=[handles[label] for label in order], loc="outside right center", frameon=False)
    return figure


def plot_reconstruction(arrays: Arrays):
    from matplotlib.figure import Figure

    names = [str(name) for name in arrays["data"]]
    figure = Figure(figsize=(11, 3.6 * len(names)), layout="constrained")
    rows = figure.subplots(len(names), 3, squeeze=False)
    for row, name in zip(rows, names, strict=True):
        X, WH = arrays[f"{name}.X"], arrays[f"{name}.WH"]
        best = arrays[f"{name}.algorithm"][np.nanargmin(arrays[f"{name}.error"])]
        low, high = min(X.min(), WH.min()), max(X.max(), WH.max())
        residual = np.abs(X - WH).max()
        panels = (
            (heading(arrays, name), X, low, high),
            (f"$WH$, by {best}", WH, low, high),
            ("residual $X - WH$", X - WH, -residual, residual),
        )
        for axes, (title, matrix, least, most) in zip(row, panels, strict=True):
            image = axes.imshow(matrix, vmin=least, vmax=most, cmap="cividis", aspect="auto", interpolation="nearest")
            axes.set(title=title, xlabel="column", ylabel="row")
            if matrix is not X:  # X and WH share the bar between WH and the residual
                figure.colorbar(image, ax=axes, label="entry")
    return figure


# The command line


def main(argv: list[str] | None = None) -> None:
    settings, out = parse(argv)
    jax.config.update("jax_enable_x64", True)
    make_writable(out)
    settings = at_hand(settings)
    arrays = compute(settings, tracked)
    console = Console()
    for name in arrays["data"]:
        console.print(table(arrays, name))
    console.print(answers(arrays), highlight=False, soft_wrap=True)
    for path in save(out, settings, arrays):
        console.print(f"written: {path}", highlight=False, soft_wrap=True)


def parse(argv: list[str] | None) -> tuple[Settings, Path]:
    default = Settings()
    parser = argparse.ArgumentParser(
        prog="python -m experiments.compare",
        description="Fit each data set with every algorithm from the same random start; print one table a data set, "
        "write the figures (PNG, PDF) and the arrays (npz). nmfdata is read from the folder JNMF_DATA, "
        "the cache or the network, and left out where it is in none, unless it is the only one asked for.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", nargs="+", choices=tuple(RANKS), default=list(default.data), help="the data sets")
    add("--noise-level", type=nonnegative, default=default.noise_level, help="noise of the synthetic data")
    ranks = ", ".join(f"{rank} for {name}" for name, rank in RANKS.items())
    add("--rank", type=positive, default=argparse.SUPPRESS, help=f"rank for every data set (default: {ranks})")
    add("--max-iters", type=positive, default=default.max_iters, help="the most iterations of a fit")
    add("--tol", type=nonnegative, default=default.tol, help="stop at this relative change of the factors; 0: never")
    add("--seed", type=int, default=default.seed, help="seed of the random start")
    add("--out", type=Path, default=Path("results"), help="folder to write to, made where it is missing")
    values = vars(parser.parse_args(argv))
    out = values.pop("out")
    names = tuple(dict.fromkeys(values.pop("data")))
    return Settings(data=names, **values), out


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected an integer of at least 1, got {text}")
    return value


def nonnegative(text: str) -> float:
    value = float(text)
    if not 0 <= value < np.inf:
        raise argparse.ArgumentTypeError(f"expected a finite number of at least 0, got {text}")
    return value


def make_writable(out: Path) -> None:
    """Fail before the work, not after it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        sys.exit(f"cannot write to the folder {out} ({error.strerror}); choose another with --out")


def at_hand(settings: Settings) -> Settings:
    """The settings without nmfdata where its file cannot be had, if another data set is left."""
    if "nmfdata" not in settings.data:
        return settings
    try:
        data.fetch("nmfdata.txt")
    except data.DataDamaged as error:
        sys.exit(str(error))
    except data.DataMissing as error:
        remaining = tuple(name for name in settings.data if name != "nmfdata")
        if not remaining:
            sys.exit(str(error))
        print(f"{error}\nGoing on without nmfdata, with: {', '.join(remaining)}.", file=sys.stderr)
        return replace(settings, data=remaining)
    return settings


def tracked(jobs: list) -> Iterator:
    """The jobs one by one, with a progress bar that names the one at work."""
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(jobs))
        for job in jobs:
            progress.update(task, description=": ".join(job))
            yield job
            progress.advance(task)
        progress.update(task, description="all fits")


def save(out: Path, settings: Settings, arrays: Arrays) -> list[Path]:
    """The arrays with the settings (as JSON), and each figure as PNG and PDF: the paths written."""
    paths = [out / "compare.npz"]
    np.savez_compressed(paths[0], settings=json.dumps(asdict(settings)), **arrays)  # pyright: ignore[reportArgumentType]
    for name, figure in plot(arrays).items():
        for suffix in ("png", "pdf"):
            paths.append(out / f"compare-{name}.{suffix}")
            figure.savefig(paths[-1], dpi=150)
    return paths


if __name__ == "__main__":
    main()
