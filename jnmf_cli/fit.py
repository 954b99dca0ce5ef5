"""`jnmf fit`: the best of some starts, its tables, its file and its page."""

import time
from pathlib import Path

import numpy as np

from jnmf_cli import methods, names, page, pictures, reading
from jnmf_cli.errors import Refused, note
from jnmf_cli.folder import Folder, write_table

EVERY = 30.0  # seconds between two times that a fit is kept
SAYS = {
    "CONVERGED": "converged",
    "MAX_ITERS": "not converged: the same command with --resume and a larger --max-iters goes on",
    "NONFINITE": "left the range of numbers: try another --algorithm or --seed, or X in other units",
    "STOPPED": "interrupted: the same command with --resume goes on",
}


def run(options) -> bool:
    """Whether it came to its end."""
    import jax

    jax.config.update("jax_enable_x64", True)
    data = reading.read(options)
    algorithm = methods.made(options)
    methods.check(options.file, data, algorithm)
    files = [f"{factor}{data.suffix}" for factor in "WH"] + ["fit.npz", "index.html"]
    folder = Folder(options.out, files, resume=options.resume, force=options.force)
    if not options.quiet:
        note(f"{options.file}: {data}")
    found, finished = best_of_starts(data, algorithm, folder, options)
    found = names.named(found, data)
    write(found, data, folder, options)
    if finished:
        folder.finished()
    if not options.quiet:
        print(f"loss {float(found.loss):.6g} ({methods.loss_name(algorithm.loss)}) {says(found)}")
        print(f"{', '.join(files)} in {options.out}")
    return finished


def says(found) -> str:
    return f"after {int(found.num_iters)} iterations, {SAYS[found.status.name]}"


def best_of_starts(data, algorithm, folder: Folder, options):
    """The fit of least loss, and whether all starts came to their end. Each is kept in the folder as it goes.

    After the end of all, --resume goes on with the best alone.
    """
    import jnmf

    best = None
    told = {"tol": options.tol, "max_iters": options.max_iters, "mask": data.mask, "progress": not options.quiet}
    ended_before = options.resume and not folder.checkpoint.is_dir() and (folder.path / "fit.npz").is_file()
    seeds = range(options.seed, options.seed + (1 if ended_before else options.restarts))
    for seed in seeds:
        path = f"checkpoint/seed-{seed}.npz"
        kept = _kept(folder.path / ("fit.npz" if ended_before else path), options) if options.resume else None
        how = {"rank": options.rank, "key": seed} if kept is None else {"resume": kept}
        try:
            found, ended = jnmf.fit(data.X, algorithm=algorithm, callback=_keeper(folder, path), **how, **told), True
        except jnmf.Interrupted as interrupted:
            found, ended = interrupted.fit, False
        except ValueError as error:
            if kept is None:
                raise
            raise Refused(
                f"{folder.path}: holds a fit of other data or settings; choose another --out, or --force without "
                f"--resume to replace it ({error})"
            ) from None
        folder.save(path, found)
        best = found if best is None or _loss(found) < _loss(best) else best
        if not ended:
            return best, False
        if len(seeds) > 1 and not options.quiet:
            note(f"seed {seed}: loss {float(found.loss):.6g}, the least so far {_loss(best):.6g}")
    return best, True


def _loss(found) -> float:
    return float(found.loss) if np.isfinite(found.loss) else np.inf


def _kept(path: Path, options):
    """What an earlier call left there; None where it left nothing."""
    import jnmf

    if not path.is_file():
        return None
    kept = jnmf.load(path)
    if not isinstance(kept, jnmf.Fit):
        raise Refused(f"{path}: expected a fit to go on from, got a {type(kept).__name__}")
    rank, made = kept.W.shape[1], int(kept.num_iters)
    if rank != options.rank:
        raise Refused(f"{path}: expected --rank {rank} to go on from it, got {options.rank}; choose another --out")
    if options.max_iters is not None and options.max_iters < made:
        raise Refused(f"{path}: expected --max-iters of at least the {made} that were made, got {options.max_iters}")
    return kept


def _keeper(folder: Folder, path: str):
    """A callback that keeps the fit so far, now and then."""
    last = time.monotonic()

    def keep(found) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY:
            folder.save(path, found)
            last = time.monotonic()

    return keep


def write(found, data, folder: Folder, options) -> None:
    """The file first: should the disk be full, the work is there."""
    rows, columns = names.of_data(data)
    folder.save("fit.npz", found)
    components = names.components(options.rank)
    write_table(folder.path / f"W{data.suffix}", found.W, rows, components)
    write_table(folder.path / f"H{data.suffix}", found.H, components, columns)
    html = as_page(found, data, options).encode()
    folder.write("index.html", lambda file: file.write(html))


def as_page(found, data, options) -> str:
    import jnmf

    algorithm = found.state.algorithm
    facts = {
        "file": Path(options.file).name,
        "X": str(data),
        "components": len(found.H),
        "loss": f"{float(found.loss):.6g}, {methods.loss_name(algorithm.loss)}",
        "algorithm": repr(algorithm),
        "seed": f"{options.seed}, {options.restarts} start{'s' * (options.restarts > 1)}",
        "ended": says(found),
    }
    error = relative_error(found, data, algorithm)
    if error is not None:
        facts["relative error"] = f"{error:.4g}, ‖X − W H‖ / ‖X‖ in the Frobenius norm"
    top = jnmf.top_features(found, 10, names=names.columns(found))
    sections = [
        page.facts(facts),
        page.section(
            "The components",
            "The features with the largest shares of each component, a row of H divided by its sum.",
            pictures.top_features(top),
        ),
    ]
    if pictures.can_be_heatmap(data):
        sections.append(
            page.section(
                "The samples and features by component",
                "X as it came, and with its samples and features sorted by the component that is strongest in them.",
                pictures.heatmaps(data, found.factors),
            )
        )
    sections.append(
        page.section("How it went", "The objective and the change of the factors.", *pictures.convergence(found))
    )
    return page.page(f"{Path(options.file).name}: {len(found.H)} components", sections)


def relative_error(found, data, algorithm) -> float | None:
    """√(2 loss / Σ x²) where the loss is ½‖X − W H‖² and nothing else."""
    penalties = (algorithm.l1_W, algorithm.l1_H, algorithm.l2_W, algorithm.l2_H)
    if not algorithm.loss.quadratic or any(map(float, penalties)):
        return None
    values = data.X.data if data.is_sparse else data.X
    return float(np.sqrt(2 * float(found.loss)) / max(np.linalg.norm(values), np.finfo(float).tiny))
