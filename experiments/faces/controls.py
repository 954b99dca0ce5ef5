"""Where NMF does not give parts: controls, that change the pictures of one set towards those of the other."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import jnmf
from experiments import data
from experiments.faces import CBCL, OLIVETTI, Given, Settings
from experiments.faces.drawing import factorisations, strips
from experiments.faces.methods import HALS, after, support
from experiments.faces.pictures import shrunk
from experiments.figures import panels
from experiments.study import Arrays, Section, Table
from experiments.words import percent
from jnmf.plot import BLUE, ORANGE

MOVED, OTHER_FLOOR, NO_FLOOR, STRETCHED = ", moved", ", the other's floor", ", no floor", ", Lee and Seung's form"


def compute(settings: Settings, given: Given) -> Arrays:
    """shift; controls (C,), what was done to the pictures; control_hoyer, control_support (C, starts, r); control_floor
    (C,). Both sets with as many pictures and pixels, as they are and changed, factorised from the same starts."""
    cbcl, olivetti = given.sets[CBCL], given.sets[OLIVETTI]
    num_faces = min(settings.control_faces, cbcl.X.shape[1], olivetti.X.shape[1])
    C, A = (evenly(one.X, num_faces) for one in (cbcl, shrunk(olivetti, cbcl.shape)))
    pictures = {
        CBCL: C,
        CBCL + OTHER_FLOOR: with_floor(C, mean_floor(A)),
        CBCL + NO_FLOOR: with_floor(C, 0),
        CBCL + MOVED: moved(C, cbcl, settings),
        CBCL + MOVED + NO_FLOOR: with_floor(moved(C, cbcl, settings), 0),
        CBCL + STRETCHED: data.cbcl_lee_seung(255 * C),
        OLIVETTI: A,
        OLIVETTI + NO_FLOOR: with_floor(A, 0),
        OLIVETTI + STRETCHED: data.cbcl_lee_seung(255 * A),
    }
    X = jnp.stack(list(pictures.values()))
    keys = jax.random.split(jax.random.key(settings.seed), settings.control_starts)
    start = jax.jit(jax.vmap(lambda X: jax.vmap(lambda key: jnmf.init.random(key, X, settings.rank))(keys)))(X)

    fits = jax.vmap(jax.vmap(partial(after, algorithm=HALS, num_iters=settings.control_iters), (None, 0)))(X, start)
    W = np.asarray(fits.W)
    return {
        "shift": np.array(settings.shift),
        "controls": np.array(list(pictures)),
        "control_hoyer": np.asarray(jnmf.hoyer_sparsity(W, axis=2)),
        "control_support": np.stack([[support(one) for one in starts] for starts in W]),
        "control_floor": np.array([mean_floor(one) for one in pictures.values()]),
    }


def evenly(X, num: int):
    """`num` columns of X, evenly spaced."""
    return X[:, np.linspace(0, X.shape[1] - 1, num).astype(int)]


def moved(X, images: data.Images, settings: Settings):
    """Each picture moved by up to `shift` pixels, down and to the right or back; its edge is repeated."""
    draw, d = np.random.default_rng(settings.seed), settings.shift
    height, width = images.shape
    columns = []
    for x in X.T:
        wide = np.pad(x.reshape(images.shape, order=images.order), d, mode="edge")
        down, right = draw.integers(0, 2 * d + 1, 2)
        columns.append(wide[down : down + height, right : right + width].ravel(order=images.order))
    return np.stack(columns, axis=1)


def mean_floor(X) -> float:
    """The light that is always there: of each pixel the least value over the pictures by the mean; its mean."""
    mean = X.mean(axis=1)
    return float(np.mean(np.divide(X.min(axis=1), mean, out=np.zeros_like(mean), where=mean > 0)))


def with_floor(X, floor: float):
    """X with the least value of each pixel taken off, and so much of its mean added that its floor is `floor`."""
    X = X - X.min(axis=1, keepdims=True)
    return X + floor / (1 - floor) * X.mean(axis=1, keepdims=True)


def plot(arrays: Arrays) -> dict[str, Figure]:
    return {"olivetti": factorisations(arrays, "olivetti"), "controls": control_figure(arrays)}


def control_figure(arrays: Arrays) -> Figure:
    figure, ax = panels(7.5, 3.8)
    rows = []
    for name, values, floor in zip(arrays["controls"], arrays["control_hoyer"], arrays["control_floor"], strict=True):
        style = (BLUE, "o") if name.startswith(CBCL) else (ORANGE, "^")
        rows.append((f"{name} (floor {percent(floor)})", values.ravel(), *style))
    strips(ax, rows)
    ax.set(xlim=(0, 1), xlabel="Hoyer sparsity of a component (1: one pixel); bar: median")
    return figure


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section(
            "Where does it not give parts?",
            holistic_answer(arrays),
            ("olivetti", "controls"),
            (control_table(arrays),),
        )
    ]


def holistic_answer(arrays: Arrays) -> str:
    cbcl, olivetti = arrays["names"].tolist()
    hoyer = {
        name: float(np.median(each)) for name, each in zip(arrays["controls"], arrays["control_hoyer"], strict=True)
    }
    cover = {
        name: float(np.median(each)) for name, each in zip(arrays["controls"], arrays["control_support"], strict=True)
    }
    floor = dict(zip(arrays["controls"], arrays["control_floor"].tolist(), strict=True))
    noise = float(np.ptp(np.median(arrays["control_hoyer"], axis=2), axis=1).max())  # from start to start
    gap = hoyer[CBCL] - hoyer[OLIVETTI]
    # The gap where both have the same floor: that of Olivetti, and none.
    left = np.array([hoyer[CBCL + OTHER_FLOOR] - hoyer[OLIVETTI], hoyer[CBCL + NO_FLOOR] - hoyer[OLIVETTI + NO_FLOOR]])

    def compared(before: str, after: str) -> str:
        """What a change to the pictures did to the sparsity."""
        change = hoyer[after] - hoyer[before]
        done = "leaves the components as sparse as they were" if abs(change) <= noise else "makes the components "
        done += "" if abs(change) <= noise else "sparser" if change > 0 else "less sparse"
        return f"{done} ({hoyer[before]:.2f} → {hoyer[after]:.2f})"

    first = f"The components of {olivetti} are{'' if gap > noise else ' not'} less sparse than those of {cbcl}"
    explained = gap - left.mean()
    if gap <= noise:
        verdict = ""
    elif explained <= noise:
        verdict = " That is no more than the start changes: these controls do not show the floor to be a reason."
    else:
        part = "larger" if explained > gap / 2 else "smaller"
        verdict = f" So the floor is the {part} part of the reason. These controls do not show what else there is."
    aligned = "does" if hoyer[CBCL + MOVED + NO_FLOOR] < hoyer[CBCL + NO_FLOOR] - noise else "does not"
    stretched = max(hoyer[name + STRETCHED] - hoyer[name] for name in (CBCL, OLIVETTI)) > noise
    lesson = " Whether NMF gives parts depends on what is done to the pictures before it." if stretched else ""
    return (
        f"{first}: with as many pictures and pixels of both, the median Hoyer sparsity is {hoyer[OLIVETTI]:.2f} "
        f"against {hoyer[CBCL]:.2f}, and half of the components cover at most {percent(cover[OLIVETTI])} of the pixels "
        f"against {percent(cover[CBCL])}. (From start to start a median moves by {noise:.2f} at most.) The first "
        "figure shows the components of all its pictures beside those of PCA and k-means. The second figure and the "
        "table change the pictures to test reasons.\n\n"
        "One is the floor, the brightness that never goes away: of each pixel the least value over the pictures, "
        f"relative to its mean. On average it is {percent(floor[OLIVETTI])} for {olivetti} and {percent(floor[CBCL])} "
        f"for {cbcl}. What is always there needs no component of its own. It can be spread over any, as the study of "
        f"the swimmer shows, and then they cover the whole picture. Giving {cbcl} the floor of {olivetti} "
        f"{compared(CBCL, CBCL + OTHER_FLOOR)}. Taking the floor off {olivetti} "
        f"{compared(OLIVETTI, OLIVETTI + NO_FLOOR)}. The gap of {gap:.2f} between the two sets is {left[0]:.2f} when "
        f"both have the floor of {olivetti}, and {left[1]:.2f} when both have none.{verdict}\n\n"
        f"NMF is said to need faces that are aligned. Moving each face of {cbcl} by up to {int(arrays['shift'])} "
        f"pixels {compared(CBCL, CBCL + MOVED)}. With the floor taken off before and after, moving "
        f"{compared(CBCL + NO_FLOOR, CBCL + MOVED + NO_FLOOR)}. So a lack of alignment {aligned} make components "
        "larger here.\n\n"
        "Lee and Seung's form stretches the contrast of each picture and cuts at 0, which leaves a floor of "
        f"{percent(floor[CBCL + STRETCHED])} for {cbcl} and {percent(floor[OLIVETTI + STRETCHED])} for {olivetti}. For "
        f"{cbcl} it {compared(CBCL, CBCL + STRETCHED)}, for {olivetti} it "
        f"{compared(OLIVETTI, OLIVETTI + STRETCHED)}.{lesson}"
    )


def control_table(arrays: Arrays) -> Table:
    rows = [
        (str(name), percent(floor, 1), f"{np.median(hoyer):.3f}", percent(np.median(cover), 1))
        for name, floor, hoyer, cover in zip(
            *(arrays[name] for name in ("controls", "control_floor", "control_hoyer", "control_support")), strict=True
        )
    ]
    _, starts, rank = arrays["control_hoyer"].shape
    return Table(
        ("pictures", "floor", "Hoyer sparsity", "support"),
        rows,
        f"NMF (Frobenius, HALS) of rank {rank}: medians over the components of {starts} starts.",
    )
