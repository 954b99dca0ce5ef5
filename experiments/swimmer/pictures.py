"""What is in the pictures, and how many parts they need."""

from itertools import product
from types import SimpleNamespace

import numpy as np
from matplotlib.figure import Figure

import jnmf
from experiments.study import Arrays, Section
from experiments.swimmer import EXACT, LIMBS, POSITIONS, TORSO, WIDTH, Given, Settings
from experiments.swimmer.recovery import part_titles


def compute(settings: Settings, given: Given) -> Arrays:
    """pictures (220, 8), some of them; singular_values (20,); norm; num_pictures, num_combinations; fooling (16, 16);
    of the sweep, S starts for each of R ranks: ranks (R,), rmse, loss, status (R, S), bound (R,)."""
    X, whole_X, sweep = given.problem.X, given.swimmer.X, given.sweep
    H = given.problem.weights
    return {
        "pictures": whole_X[:, np.linspace(0, X.shape[1] - 1, 8).astype(int)],
        "singular_values": np.linalg.svd(X, compute_uv=False)[:20],
        "num_pictures": np.array(X.shape[1]),
        "norm": np.array(np.linalg.norm(X)),
        "num_combinations": np.array(len(np.unique(H, axis=1).T)),
        "fooling": fooling_set(H),
        "ranks": sweep.ranks,
        "rmse": sweep.rmse * np.sqrt(X.size / whole_X.size),  # of all pixels: the dark ones have no error
        "loss": sweep.loss,
        "status": sweep.status,
        "bound": np.asarray(jnmf.svd_rmse(whole_X, settings.ranks)),
    }


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


def plot(arrays: Arrays) -> dict[str, Figure]:
    columns = np.hstack([arrays["pictures"], arrays["parts"]])
    titles = ["pictures", *[""] * (arrays["pictures"].shape[1] - 1), *part_titles()]
    figure = jnmf.plot.components(columns, arrays["shape"].tolist(), order="F", num_columns=8, titles=titles)
    figure.axes[-1].set(ylabel="pixel", yticks=[0, 1])
    sweep = SimpleNamespace(**{name: arrays[name] for name in ("ranks", "rmse", "loss", "status")})
    scree = jnmf.plot.scree(sweep, svd=arrays["bound"]).figure
    return {"pictures": figure, "scree": scree}  # pyright: ignore[reportReturnType]


def sections(arrays: Arrays) -> list[Section]:
    question = "What is in the pictures, and how many parts do they need?"
    return [Section(question, pictures_answer(arrays), ("pictures", "scree"))]


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
