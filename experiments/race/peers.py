"""Other packages behind one signature: run(X, W, H, num_iters) -> (W, H). Another one is another entry here.

X (m, n), W (m, r), H (r, n) are NumPy arrays of one dtype; the run starts from W and H, leaves them as they are, makes
`num_iters` iterations with no stopping rule, and returns new factors. Each adapter uses the public functions of its
package as a user would, with two exceptions that the comments name. The order of the half-steps is the package's own.
Where it `takes_sparse`, X may be compressed rows, a SciPy csr_array; others get such an X as an array, which is made
before the clock starts. A package is imported when its adapter first runs, so that one that is not installed is missing
and nothing else.

An entry is an adapter under `peer`, which names it, the package, and the line-ups of `cases` that it joins.
"""

import contextlib
import importlib
import io
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Run = Callable[[np.ndarray, np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]


class Peer(NamedTuple):
    run: Run
    install: str  # what to type after `pip install` to have its package
    lineups: tuple[str, ...]
    takes_sparse: bool = False  # whether X may be compressed rows; else it is handed an array


PEERS: dict[str, Peer] = {}
LINEUPS = (  # which cases have them, `cases` says
    "frobenius",
    "frobenius, small",  # too slow for the large matrices
    "kl",
    "exact",
    "exact, small",
    "memory",
    "products",
)


def peer(name: str, *, install: str, lineups: tuple[str, ...], takes_sparse: bool = False) -> Callable[[Run], Run]:
    """Enters the adapter that it decorates."""
    unknown = set(lineups) - set(LINEUPS)
    if unknown:
        raise ValueError(f"{name}: expected line-ups of {LINEUPS}, got {sorted(unknown)}")

    def enter(run: Run) -> Run:
        PEERS[name] = Peer(run, install, lineups, takes_sparse)
        return run

    return enter


def lineup(name: str) -> tuple[str, ...]:
    """The names of the peers that are in it."""
    return tuple(of_peer for of_peer, entry in PEERS.items() if name in entry.lineups)


def packages() -> list[str]:
    """All that the peers are installed from, each once."""
    every = (requirement for entry in PEERS.values() for requirement in entry.install.split())
    return list(dict.fromkeys(requirement.partition("==")[0] for requirement in every))


def scikit_learn(solver: str, beta_loss: str = "frobenius") -> Run:
    """`non_negative_factorization`: coordinate descent ("cd") or multiplicative updates ("mu")."""

    def run(X, W, H, num_iters):
        decomposition = importlib.import_module("sklearn.decomposition")
        options = {"solver": solver, "beta_loss": beta_loss, "tol": 0, "max_iter": num_iters}
        # It writes into the factors that it is given.
        W, H, _ = decomposition.non_negative_factorization(
            X, W=W.copy(), H=H.copy(), n_components=len(H), init="custom", **options
        )
        return W, H

    return run


SKLEARN: dict[str, Any] = {"install": "scikit-learn", "takes_sparse": True}
peer("scikit-learn CD", lineups=("frobenius", "memory"), **SKLEARN)(scikit_learn("cd"))
peer("scikit-learn MU", lineups=("frobenius, small",), **SKLEARN)(scikit_learn("mu"))
peer("scikit-learn MU KL", lineups=("kl",), **SKLEARN)(scikit_learn("mu", "kullback-leibler"))


def torchnmf(beta: float) -> Run:
    """`torchnmf.nmf.NMF`: multiplicative updates by automatic differentiation. It evaluates the loss every 10 times."""

    def run(X, W, H, num_iters):
        torch, nmf = importlib.import_module("torch"), importlib.import_module("torchnmf.nmf")
        before = torch.get_default_dtype()
        torch.set_default_dtype(getattr(torch, str(X.dtype)))  # its parameters have the default dtype
        try:  # X ≈ H Wᵀ in its letters
            model = nmf.NMF(W=torch.from_numpy(H.T), H=torch.from_numpy(W))
            model.fit(torch.from_numpy(X), beta=beta, tol=float("-inf"), max_iter=num_iters)
        finally:
            torch.set_default_dtype(before)
        return model.H.detach().numpy(), model.W.detach().numpy().T

    return run


TORCH = "torch==2.13.0"
peer("torchnmf MU", install=f"{TORCH} torchnmf", lineups=("frobenius, small",))(torchnmf(2))
peer("torchnmf MU KL", install=f"{TORCH} torchnmf", lineups=("kl",))(torchnmf(1))


def nmf_torch(model: str, **options) -> Run:
    """nmf-torch's batch models. X ≈ H W in its letters; it evaluates the loss every 10 iterations."""

    def run(X, W, H, num_iters):
        torch, models = importlib.import_module("torch"), importlib.import_module("nmf.nmf_models")
        Model: Any = getattr(models, model)

        class FromGivenFactors(Model):
            """Its public function takes no start and always has a stopping rule: these two are replaced."""

            def _initialize_H_W(self, eps=0.0):
                self.H, self.W = torch.tensor(W), torch.tensor(H)

            def _is_converged(self, prev_err, cur_err, init_err):
                return False

        unpenalised = {"alpha_W": 0.0, "l1_ratio_W": 0.0, "alpha_H": 0.0, "l1_ratio_H": 0.0}
        precision = {"fp_precision": getattr(torch, str(X.dtype)), "device_type": "cpu"}
        start = {"n_components": len(H), "init": None, "beta_loss": 2, "tol": 0.0, "random_state": 0}
        threads = torch.get_num_threads()
        fitted = FromGivenFactors(**start, **unpenalised, **precision, max_iter=num_iters, **options)
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its loss
            fitted.fit(X)
        torch.set_num_threads(threads)  # n_jobs is for all that comes after
        return fitted.H.numpy(), fitted.W.numpy()

    return run


HALS, BPP = "NMFBatchHALS", "NMFBatchNnlsBpp"
NMF_TORCH = f"{TORCH} nmf-torch"
peer("nmf-torch HALS", install=NMF_TORCH, lineups=("frobenius", "memory"))(nmf_torch(HALS, hals_max_iter=1))
peer("nmf-torch HALS variant", install=NMF_TORCH, lineups=("frobenius",))(nmf_torch(HALS))
peer("nmf-torch BPP", install=NMF_TORCH, lineups=("frobenius", "exact"))(nmf_torch(BPP))
peer("nmf-torch BPP, n_jobs=1", install=NMF_TORCH, lineups=("exact",))(nmf_torch(BPP, n_jobs=1))


@peer("TensorLy HALS", install="tensorly", lineups=("frobenius", "memory"))
def tensorly_hals(X, W, H, num_iters):
    """`non_negative_parafac_hals` of the matrix as a tensor of two modes. A half-step is up to five sweeps."""
    decomposition = importlib.import_module("tensorly.decomposition")
    start = (np.ones(len(H), X.dtype), [W, H.T])
    _, (W, Ht) = decomposition.non_negative_parafac_hals(X, len(H), n_iter_max=num_iters, init=start, tol=0)
    return W, Ht.T


def nimfa(update: str) -> Run:
    """`nimfa.Nmf`, multiplicative updates, in float64 whatever X is."""

    def run(X, W, H, num_iters):
        package = importlib.import_module("nimfa")
        # A test of convergence after more iterations than are made is none.
        stop = {"max_iter": num_iters, "test_conv": num_iters + 1, "min_residuals": None}
        fitted = package.Nmf(X, W=W.copy(), H=H.copy(), rank=len(H), update=update, **stop)()
        return np.asarray(fitted.basis()), np.asarray(fitted.coef())

    return run


peer("nimfa MU", install="nimfa", lineups=("frobenius, small",))(nimfa("euclidean"))
peer("nimfa MU KL", install="nimfa", lineups=("kl",))(nimfa("divergence"))


@peer("SciPy nnls", install="scipy", lineups=("exact, small",))
def scipy_nnls(X, W, H, num_iters):
    """Exact alternating least squares as a loop over `scipy.optimize.nnls`, a column of H or a row of W at a time."""
    nnls = importlib.import_module("scipy.optimize").nnls
    for _ in range(num_iters):
        H = np.stack([nnls(W, x)[0] for x in X.T], axis=1)
        W = np.stack([nnls(H.T, x)[0] for x in X])
    return W.astype(X.dtype), H.astype(X.dtype)


@peer("NumPy products", install="numpy", lineups=("products",))
def numpy_products(X, W, H, num_iters):
    """No factorisation: Wᵀ X and H Xᵀ, the floor of an iteration. Each product is of the one before, scaled."""
    for _ in range(num_iters):
        WtX = W.T @ X
        H = WtX / WtX.max()
        HXt = H @ X.T
        W = (HXt / HXt.max()).T
    return W, H


def run(name: str, X, W, H, num_iters: int) -> tuple[np.ndarray, np.ndarray]:
    """The peer's factors after `num_iters` iterations from W and H."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is deprecated in a package, and that nothing has converged
        return PEERS[name].run(X, W, H, num_iters)


def missing(name: str, dtype="float64") -> str | None:
    """Why this peer cannot take part, or None if it can: it is tried on a small matrix."""
    draw = np.random.default_rng(0)
    X, W, H = (draw.random(shape).astype(dtype) for shape in ((6, 5), (6, 2), (2, 5)))
    try:
        run(name, X, W, H, 1)
    except ImportError as error:
        return f"not installed (pip install {PEERS[name].install}): {error}"
    except Exception as error:  # whatever a package raises is its reason
        return f"fails: {type(error).__name__}: {error}"
    return None


def use_threads(count: int) -> None:
    """PyTorch counts its threads itself; the other libraries read the environment."""
    with contextlib.suppress(ImportError):
        importlib.import_module("torch").set_num_threads(count)
