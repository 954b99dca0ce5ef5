"""The algorithm of --algorithm, --loss and the penalties, and what it asks of X."""

import numpy as np

from jnmf_cli.arguments import LOSSES
from jnmf_cli.errors import Refused, note
from jnmf_cli.reading import Data, place_of


def made(options):
    """An algorithm of `jnmf`. Raises Refused for one that cannot lower the loss."""
    import jnmf

    beta = options.loss
    penalties = {name: getattr(options, name.lower()) for name in ("l1_W", "l1_H", "l2_W", "l2_H")}
    least_squares = {"hals": jnmf.HALS, "anls": jnmf.ANLS, "als": jnmf.ALS, "pgd": jnmf.PGD}
    if options.algorithm in least_squares:
        if beta != 2:
            raise Refused(
                f"--algorithm {options.algorithm} lowers --loss frobenius alone; use mu or default for others"
            )
        return least_squares[options.algorithm](**penalties)
    if options.algorithm == "default" and beta == 2:
        return jnmf.Extrapolated(jnmf.Accelerated(jnmf.HALS(**penalties)))
    mu = jnmf.MU(beta=beta, **penalties)
    return jnmf.Momentum(mu) if options.algorithm == "default" and 1 <= beta <= 2 else mu


def loss_name(loss) -> str:
    """What a loss is called on the command line."""
    beta = getattr(loss, "beta", None)
    if beta is None:
        return repr(loss)
    return next((name for name, value in LOSSES.items() if value == beta), f"β-divergence of β = {beta:g}")


def check(path, data: Data, algorithm) -> None:
    """That X is in the domain of the algorithm, as `jnmf.door` asks, said in the words of the command line."""
    values = data.X.data if data.is_sparse else data.X
    negative = values < 0
    if negative.any():
        what = f"{negative.sum()} negative entries, the first at {place_of(data, negative)}"
        if algorithm.nonnegative_data:
            raise Refused(
                f"{path}: multiplicative updates (--loss {loss_name(algorithm.loss)}) expect numbers of at least 0, "
                f"got {what}; set them to 0, or use --loss frobenius with another --algorithm than mu"
            )
        note(f"{path} has {what}: W H has none, and leaves them as error")
    if not algorithm.loss.finite_for_zeros and not isinstance(data.mask, str):
        _refuse_zeros(path, data, algorithm)


def _refuse_zeros(path, data: Data, algorithm) -> None:
    """For β ≤ 0 the divergence from a zero is infinite, but in rows and columns that are empty."""
    X = data.X != 0
    rows, columns = (np.asarray(X.sum(axis=axis)).ravel() > 0 for axis in (1, 0))
    wanted = int(rows.sum()) * int(columns.sum())
    if isinstance(data.mask, np.ndarray):
        wanted = int(data.mask[np.ix_(rows, columns)].sum())
    zeros = wanted - int(X.sum())
    if zeros:
        raise Refused(
            f"{path}: --loss {loss_name(algorithm.loss)} expects positive numbers, since the divergence from 0 is "
            f"infinite, got {zeros} zeros outside of empty rows and columns; use --loss kl, or add a small background"
        )
