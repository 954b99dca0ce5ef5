"""`jnmf show`: what a file of jnmf holds."""

from pathlib import Path

import numpy as np

from jnmf_cli import methods, names
from jnmf_cli.errors import Refused, of_file, one_line


def run(options) -> bool:
    value = loaded(options.file)
    for line in told(options.file, value, options.top):
        print(one_line(line))
    return True


def loaded(path: Path):
    """What `jnmf.save` wrote. Raises Refused for another file."""
    import jax

    import jnmf

    jax.config.update("jax_enable_x64", True)
    if path.is_file() and path.suffix != ".npz":
        raise Refused(f"{path}: expected a file that jnmf wrote, such as fit.npz, got another one")
    if not path.is_file():
        got = "a folder" if path.is_dir() else "no file"
        raise Refused(f"{path}: expected a file that jnmf wrote, such as fit.npz, got {got}")
    try:
        return jnmf.load(path)
    except OSError as error:
        raise of_file(path, error) from None
    except ValueError:
        raise Refused(f"{path}: expected a file that jnmf wrote, such as fit.npz, got another one") from None


def told(path: Path, value, top: int) -> list[str]:
    import jnmf

    if isinstance(value, jnmf.Fit):
        return _of_fit(path, value, top)
    if isinstance(value, jnmf.Sweep):
        num_restarts = value.loss.shape[1]
        lines = [f"{path}: a study of {len(value.ranks)} ranks from {num_restarts} starts each"]
        rows = zip(value.ranks, value.loss, value.rmse, strict=True)
        return lines + [f"rank {r}: least loss {_least(loss)}, RMSE {_least(rmse)}" for r, loss, rmse in rows]
    if isinstance(value, jnmf.CrossValidation):
        lines = [f"{path}: cross-validation of {len(value.ranks)} ranks with {value.test.shape[1]} hold-outs each"]
        lines += [
            f"rank {r}: {value.score} {np.mean(test):.6g}" for r, test in zip(value.ranks, value.test, strict=True)
        ]
        return [*lines, f"rank {value.rank} is best, rank {value.rank_1se} within a standard error of it"]
    if isinstance(value, jnmf.Consensus):
        lines = [f"{path}: consensus matrices of {value.matrices.shape[1]} samples"]
        rows = zip(value.ranks, value.cophenetic, value.dispersion, value.silhouette, strict=True)
        return lines + [f"rank {r}: cophenetic {c:.4f}, dispersion {d:.4f}, silhouette {s:.4f}" for r, c, d, s in rows]
    return [f"{path}: {type(value).__name__}"]


def _least(values) -> str:
    values = values[np.isfinite(values)]
    return f"{values.min():.6g}" if values.size else "none yet"


def _of_fit(path: Path, fit, top: int) -> list[str]:
    import jnmf
    from jnmf_cli.fit import says

    (m, r), n = fit.W.shape, fit.H.shape[1]
    lines = [f"{path}: a fit of {m} samples × {n} features by {r} components, {fit.W.dtype}"]
    loss = f"loss {float(fit.loss):.6g}"
    if fit.state is not None:
        algorithm = fit.state.algorithm
        lines.append(f"algorithm {algorithm!r}")
        loss = (
            f"loss {float(fit.loss):.6g} ({methods.loss_name(algorithm.loss)})" if hasattr(algorithm, "loss") else loss
        )
    lines.append(f"{loss} {says(fit)}")
    features = jnmf.top_features(fit, top, names=names.columns(fit))
    for k, component in enumerate(features):
        shares = ", ".join(f"{name} {share:.3f}" for name, share in component) or "nothing, it is zero"
        lines.append(f"component {k + 1}: {shares}")
    return lines
