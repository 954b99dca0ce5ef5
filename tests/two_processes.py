"""Two processes, each with rows of X of its own: python tests/two_processes.py [CALL …] prints JSON of what came of it.

They find each other on a free port of this machine, and are ended by their own handles, whatever happens.
"""

import json
import socket
import subprocess
import sys
import tempfile
import warnings
from typing import Any

import jax
import numpy as np

SECONDS = 480  # after which they are ended
SHAPE = 12, 9


def data():
    """X with an empty row and column; a process keeps its half of it alone."""
    X = np.random.default_rng(0).uniform(0.1, 1, SHAPE)
    X[2], X[:, 3] = 0, 0
    return X


def few():
    """Most of them 0, and more of them in one half than in the other."""
    X = data()
    X[:6] *= X[:6] > 0.5
    X[6:] *= X[6:] > 0.8
    return X


def stored():
    """What `few` has and zeros of both signs, as a SciPy matrix that stores them."""
    import scipy.sparse as ss

    X = ss.csr_array(few())
    X.data[::4], X.data[::8] = 0.0, -0.0
    return X


def calls():
    """name -> a call of X, which returns arrays."""
    from jnmf import HALS, MU, cross_validate, fit, kkt_residual, objective, sweep, transform, warm_start

    draw = lambda i, *shape: np.random.default_rng(i).uniform(0.1, 1, shape)
    start: Any = draw(0, 12, 3), draw(1, 3, 9)
    of_fit = lambda found: (found.W, found.H, found.loss, found.trace.loss)

    def held_out(X, beta=2.0, **how):
        call = {"num_restarts": 2, "holdout": 0.2, "algorithm": MU(beta=beta), "max_iters": 3} | how
        found = cross_validate(X, [1, 2], **call)
        return found.train, found.test

    def held_out_twice(X):
        """The second time from what the first one left."""
        with tempfile.TemporaryDirectory() as folder:
            return [held_out(X, checkpoint=folder) for _ in range(2)]

    return {
        "fit": lambda X: of_fit(fit(X, 3, max_iters=4)),
        "fit from factors": lambda X: of_fit(fit(X, init=start, algorithm=HALS(), max_iters=3, stop="loss")),
        "fit under a mask": lambda X: of_fit(fit(X, 3, HALS(), mask=data() < 0.9, max_iters=3)),
        "fit by the weights": lambda X: of_fit(fit(X, 3, HALS(), mask=data() ** 8, max_iters=3)),
        "fit sampled": lambda X: of_fit(fit(X, 2, init=warm_start.sampled(num_iters=2, size=4), max_iters=2)),
        "KL": lambda X: of_fit(fit(X, 3, MU(beta=1.0), max_iters=4)),
        "resumed": lambda X: of_fit(fit(X, resume=fit(X, 2, HALS(), max_iters=2), max_iters=4)),
        "transform": lambda X: (transform(X, start[1]),),
        "sweep": lambda X: sweep(X, [1, 2], num_restarts=2, algorithm=HALS(), max_iters=3).members,
        "diagnostics": lambda X: (objective(X, start), kkt_residual(X, start)),
        "cross_validate": held_out,
    }, {
        "cross_validate": held_out_twice,
        "transposed": lambda X: held_out(X.T, 1.0),
        "stored": lambda X: held_out(X, 1.0, mask="stored"),
        "stored, transposed": lambda X: held_out(X.T, 1.0, mask="stored"),
    }  # of what is sparse on one device, too


SPARSE = ("fit", "fit from factors", "KL", "resumed", "transform", "sweep", "diagnostics")


def refusals(spread):
    """The messages for an X with NaN, and for one with negative entries, both in the rows of the second process."""
    from jnmf import MU, fit

    for name, value, algorithm in (("NaN", np.nan, None), ("negative", -1.0, MU(beta=1.0))):
        X = data()
        X[10, 4] = value
        try:
            fit(spread(X), 2, algorithm)
        except ValueError as error:
            yield name, str(error)


def child(address: str, number: int, names: list[str]) -> None:
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_num_cpu_devices", 1)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.config.update("jax_disable_most_optimizations", True)
    jax.distributed.initialize(address, num_processes=2, process_id=number, initialization_timeout=60)
    import scipy.sparse as ss
    from jax.experimental.multihost_utils import process_allgather

    import jnmf

    warnings.simplefilter("ignore")
    mesh = jax.make_mesh((2,), ("rows",))  # its axes are explicit
    sharding = jax.NamedSharding(mesh, jax.P("rows", None))
    half = slice(6 * number, 6 * number + 6)
    spread = lambda X: jax.make_array_from_process_local_data(sharding, X[half])
    by_rows = lambda X: jnmf.sparse(ss.csr_array(X)[half], sharding)
    is_apart = lambda a: isinstance(a, jax.Array) and not a.is_fully_addressable
    apart = {}
    of_dense, of_sparse = calls()
    kinds = [(name, call, data(), spread) for name, call in of_dense.items()]
    kinds += [(f"sparse, {name}", of_dense[name], few(), by_rows) for name in SPARSE]
    kinds += [(f"sparse, {name}", call, stored(), by_rows) for name, call in of_sparse.items()]
    for title, call, whole, divided in kinds:
        if names and title not in names:
            continue
        found = [process_allgather(a, tiled=True) if is_apart(a) else a for a in jax.tree.leaves(call(divided(whole)))]
        wanted = jax.tree.leaves(call(whole))
        apart[title] = max(
            float(np.nanmax(np.abs(np.asarray(a) - np.asarray(b)))) for a, b in zip(found, wanted, strict=True)
        )
    told = {f"{kind}{name}": text for kind, of in (("", spread), ("sparse, ", by_rows)) for name, text in refusals(of)}
    try:
        jnmf.sparse(ss.csr_array(data()[: 6 + number]), sharding)
    except ValueError as error:
        told["sparse, other numbers"] = str(error)
    if number == 0:
        print(json.dumps({"processes": jax.process_count(), "apart": apart, "told": told}), flush=True)
    jax.distributed.shutdown()


def main(names: list[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    both = [
        subprocess.Popen(
            [sys.executable, __file__, "--child", address, str(i), *names],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for i in (0, 1)
    ]
    try:
        ends = [process.communicate(timeout=SECONDS) for process in both]
    finally:
        for process in both:
            process.kill()
    for process, (_, errors) in zip(both, ends, strict=True):
        if process.returncode:
            raise SystemExit(errors.decode()[-4000:])
    print(ends[0][0].decode().strip().splitlines()[-1])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], int(sys.argv[3]), sys.argv[4:])
    else:
        main(sys.argv[1:])
