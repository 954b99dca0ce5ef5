"""`jnmf rank`: every rank from many starts, and what they say of which to take."""

import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from jnmf_cli import methods, page, pictures, reading
from jnmf_cli.errors import note
from jnmf_cli.folder import Folder, write_table

MOST_SAMPLES = 1500  # of which a consensus matrix is made for each rank


def run(options) -> bool:
    """Whether it came to its end."""
    import jax

    import jnmf

    jax.config.update("jax_enable_x64", True)
    with contextlib.suppress(RuntimeError):  # JAX runs already, where `main` is called in a program
        jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)  # a study takes all devices
    data = reading.read(options)
    algorithm = methods.made(options)
    methods.check(options.file, data, algorithm)
    table = f"ranks{data.suffix}"
    files = [table, "study.npz", "cross_validation.npz", "consensus.npz", "index.html"]
    folder = Folder(options.out, files, resume=options.resume, force=options.force)
    if not options.quiet:
        note(f"{options.file}: {data}")
    told = {"algorithm": algorithm, "key": options.seed, "mask": data.mask, "progress": not options.quiet}
    told |= {name: getattr(options, name) for name in ("tol", "max_iters") if getattr(options, name) is not None}

    kept = lambda name: {"checkpoint": _made(folder.checkpoint) / name}
    study, cv, finished = None, None, False
    try:
        study = jnmf.sweep(data.X, options.ranks, num_restarts=options.restarts, **told, **kept("sweep"))
        folder.save("study.npz", study)
        if options.holdouts:
            cv = jnmf.cross_validate(data.X, options.ranks, num_restarts=options.holdouts, **told, **kept("holdouts"))
            folder.save("cross_validation.npz", cv)
        finished = True
    except jnmf.Interrupted as interrupted:
        study = interrupted.study if study is None else study
        if study is None:
            raise
        folder.save("study.npz", study)
    measures = _measures(study, cv, data, folder, finished)
    columns = _columns(study, cv, measures)
    values = np.stack([column.astype(str) for column in columns.values()], axis=1)
    write_table(folder.path / table, values, study.ranks, list(columns), corner="rank")
    if not finished:
        note(f"interrupted: {table} and study.npz in {options.out} hold what is done; --resume goes on")
        return False
    html = as_page(study, cv, measures, columns, data, options).encode()
    folder.write("index.html", lambda file: file.write(html))
    folder.finished()
    if not options.quiet:
        if cv is not None:
            print(f"rank {cv.rank} predicts held-out entries best; rank {cv.rank_1se} as well within a standard error")
        print(f"{table}, study.npz, index.html and more in {options.out}")
    return True


def _made(checkpoint: Path) -> Path:
    checkpoint.mkdir(exist_ok=True)
    return checkpoint


def _measures(study, cv, data, folder: Folder, finished: bool) -> dict:
    """How alike the starts are, how stable the clusters of samples, and the bound of the SVD, where they can be had."""
    import jnmf

    found = {}
    if not finished:
        return found
    if study.loss.shape[1] > 1:
        found["similarity"] = jnmf.sweep_similarity(study)
        if data.X.shape[0] <= MOST_SAMPLES:
            found["consensus"] = jnmf.consensus(_of_samples(study))
            folder.save("consensus.npz", found["consensus"])
        else:
            note(f"no consensus matrices: they are for at most {MOST_SAMPLES} samples")
    if data.mask is None:
        found["svd"] = np.asarray(jnmf.svd_rmse(data.X, study.ranks))
    return found


def _of_samples(study):
    """The study of Xᵀ, whose columns are the samples: `jnmf.consensus` is of columns."""
    import jnmf

    turned: Any = lambda A: np.swapaxes(np.asarray(A), 1, 2)
    return study._replace(members=tuple(jnmf.Factors(turned(H), turned(W)) for W, H in study.members))


def _columns(study, cv, measures: dict) -> dict[str, np.ndarray]:
    """The table: a number for each rank under each name."""
    from jnmf import Status

    there = np.isfinite(study.loss) & (study.status != Status.NONFINITE)
    loss = np.where(there, study.loss, np.inf)
    best = np.argmin(loss, axis=1)[:, None]
    least = lambda values: np.where(there.any(axis=1), np.take_along_axis(values, best, axis=1)[:, 0], np.nan)
    columns = {"least loss": least(study.loss), "rmse": least(study.rmse), "finite starts": there.sum(axis=1)}
    if "svd" in measures:
        columns["svd rmse"] = measures["svd"]
    if cv is not None:
        columns["test score"] = np.array([_mean(row) for row in cv.test])
        columns["train score"] = np.array([_mean(row) for row in cv.train])
    if "similarity" in measures:
        alike = measures["similarity"]
        different = ~np.eye(alike.W_pairs.shape[1], dtype=bool)
        columns["similarity of W"] = np.array([_mean(pairs[different]) for pairs in np.asarray(alike.W_pairs)])
        columns["similarity of H"] = np.array([_mean(pairs[different]) for pairs in np.asarray(alike.H_pairs)])
    if "consensus" in measures:
        for name in ("cophenetic", "dispersion", "silhouette"):
            columns[name] = getattr(measures["consensus"], name)
    return columns


def _mean(values) -> float:
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else np.nan


def as_page(study, cv, measures: dict, columns: dict, data, options) -> str:
    facts = {
        "file": Path(options.file).name,
        "X": str(data),
        "starts": f"{options.restarts} a rank, seed {options.seed}",
        "loss": methods.loss_name(methods.made(options).loss),
    }
    rows = [
        [rank, *(f"{value:.5g}" for value in row)] for rank, *row in zip(study.ranks, *columns.values(), strict=True)
    ]
    sections = [page.facts(facts), page.table(["rank", *columns], rows)]
    if cv is not None:
        facts["held-out entries"] = (
            f"rank {cv.rank} is predicted best, rank {cv.rank_1se} within a standard error of it"
        )
        sections[0] = page.facts(facts)
    sections.append(
        page.section(
            "The error of each rank",
            f"Look for an elbow.{' No factorisation is below the truncated SVD.' if 'svd' in measures else ''}",
            pictures.scree(study, measures.get("svd")),
        )
    )
    if cv is not None:
        sections.append(
            page.section(
                "Entries that were held out",
                "A rank is too large where the error of entries that the fit did not see rises again.",
                pictures.cross_validation(cv),
            )
        )
    if "similarity" in measures:
        sections.append(
            page.section(
                "Do the starts agree?",
                "The mean cosine of the components of each two starts: 1 where they found the same ones.",
                pictures.similarity(measures["similarity"]),
            )
        )
    if "consensus" in measures:
        sections.append(
            page.section(
                "Are the clusters of samples stable?",
                "How often two samples have the same strongest component: black blocks are found by every start.",
                pictures.consensus(measures["consensus"]),
            )
        )
    return page.page(f"{Path(options.file).name}: which rank?", sections)
