"""How fast is a whole study? python -m experiments.sweep_race

Fifty restarts × ranks 2 to 15 on the lab's 200 × 100 matrix, at equal numbers of iterations: `jnmf.sweep` with HALS
against a loop of scikit-learn fits (coordinate descent), and with ANLS against a loop over `scipy.optimize.nnls`. The
loops are timed on a part of the restarts, in turns with the sweeps, and scaled up; that is said in the table. Compiling
is reported apart: it is the first run less the median of the others.
"""

import argparse
import json
import platform
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import jax
import numpy as np
import scipy.optimize
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sklearn.decomposition import non_negative_factorization

import jnmf
from experiments import data


@dataclass(frozen=True)
class Settings:
    ranks: tuple[int, ...] = tuple(range(2, 16))
    num_restarts: int = 50
    num_iters: int = 100  # of HALS and of coordinate descent
    num_exact_iters: int = 10  # of ANLS and of the loop over SciPy's nnls
    loop_restarts: int = 2  # of the loops, scaled up to num_restarts
    repeats: int = 3
    noise_level: float = 0.1
    dtype: str = "float64"


def compute(settings: Settings, track=iter) -> dict:
    """Seconds of each contender: the repeats in turns, so that a busy machine is busy for all."""
    X = data.generate_dataset_NMF(settings.noise_level).V.astype(settings.dtype)
    sweep = lambda algorithm, num_iters: jnmf.sweep(
        X, settings.ranks, num_restarts=settings.num_restarts, algorithm=algorithm, num_iters=num_iters
    )
    contenders = {
        "jnmf.sweep, HALS": lambda: sweep(jnmf.HALS(), settings.num_iters).rmse.mean(),
        "scikit-learn, CD": lambda: scikit_learn(X, settings),
        "jnmf.sweep, ANLS": lambda: sweep(jnmf.ANLS(), settings.num_exact_iters).rmse.mean(),
        "scipy nnls": lambda: scipy_nnls(X, settings),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    rmse: dict[str, float] = {}
    first: dict[str, float] = {}
    for turn, name in track([(t, n) for t in range(settings.repeats + 1) for n in contenders]):
        if turn == 0 and not name.startswith("jnmf"):
            continue
        start = time.perf_counter()
        rmse[name] = float(contenders[name]())
        elapsed = time.perf_counter() - start
        if turn == 0:
            first[name] = elapsed
        else:
            seconds[name].append(elapsed if name.startswith("jnmf") else elapsed * scale(settings))
    medians = {name: float(np.median(each)) for name, each in seconds.items()}
    compile_seconds = {name: max(0.0, first[name] - medians[name]) for name in first}
    return {"seconds": medians, "compile_seconds": compile_seconds, "rmse": rmse}


def scale(settings: Settings) -> float:
    return settings.num_restarts / settings.loop_restarts


def starts(X, settings: Settings):
    keys = jax.random.split(jax.random.key(0), settings.num_restarts)[: settings.loop_restarts]
    return [tuple(np.array(A) for A in jnmf.init.random(key, X, rank)) for rank in settings.ranks for key in keys]


def scikit_learn(X, settings: Settings) -> float:
    """The mean RMSE of a loop of single fits of the same length."""
    errors = []
    for W, H in starts(X, settings):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it has not converged after so many iterations
            W, H, _ = non_negative_factorization(
                X, W=W, H=H, n_components=H.shape[0], init="custom", solver="cd", tol=0, max_iter=settings.num_iters
            )
        errors.append(np.sqrt(np.mean((X - W @ H) ** 2)))
    return float(np.mean(errors))


def scipy_nnls(X, settings: Settings) -> float:
    errors = []
    for W, H in starts(X, settings):
        for _ in range(settings.num_exact_iters):
            H = np.stack([scipy.optimize.nnls(W, x)[0] for x in X.T], axis=1)
            W = np.stack([scipy.optimize.nnls(H.T, x)[0] for x in X])
        errors.append(np.sqrt(np.mean((X - W @ H) ** 2)))
    return float(np.mean(errors))


def table(result: dict, settings: Settings) -> Table:
    title = f"{settings.num_restarts} restarts × ranks {settings.ranks[0]} to {settings.ranks[-1]}, {settings.dtype}"
    shown = Table("study", "seconds", "compile, s", "mean RMSE", "ratio", title=title)
    for mine, theirs in (("jnmf.sweep, HALS", "scikit-learn, CD"), ("jnmf.sweep, ANLS", "scipy nnls")):
        ratio = result["seconds"][theirs] / result["seconds"][mine]
        for name in (mine, theirs):
            compiled = f"{result['compile_seconds'][name]:.1f}" if name in result["compile_seconds"] else ""
            ratio_shown = f"{ratio:.1f}×" if name == mine else ""
            shown.add_row(name, f"{result['seconds'][name]:.2f}", compiled, f"{result['rmse'][name]:.4f}", ratio_shown)
    return shown


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.sweep_race", description="Time whole studies.")
    parser.add_argument("--dtype", choices=("float64", "float32"), default=Settings.dtype)
    parser.add_argument("--num-restarts", type=int, default=Settings.num_restarts)
    parser.add_argument("--repeats", type=int, default=Settings.repeats)
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder of the JSON (default: results)")
    options = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    settings = Settings(dtype=options.dtype, num_restarts=options.num_restarts, repeats=options.repeats)
    options.out.mkdir(parents=True, exist_ok=True)
    result = compute(settings, track)
    console = Console()
    console.print(table(result, settings))
    console.print(
        f"The loops were timed on {settings.loop_restarts} of {settings.num_restarts} restarts and scaled up."
    )
    machine = {"processor": platform.machine(), "python": platform.python_version(), "jax": jax.__version__}
    report = {"settings": asdict(settings), "machine": machine, **result}
    (options.out / f"sweep_race_{settings.dtype}.json").write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
