"""The cases, a line each, and the line-ups of jnmf that are in several; those of the others are in `peers`."""

from experiments.race.case import Case
from experiments.race.contenders import FIT, FIT_NUMPY, PRODUCTS, STEPS
from experiments.race.first_call import FirstCall
from experiments.race.memory import Memory
from experiments.race.one_matrix import Bar, Race
from experiments.race.peers import lineup
from experiments.race.scaling import Scaling
from experiments.race.stream import Stream
from experiments.race.sweep import Sweep
from experiments.race.warm import WARM, WARM_KL

FAST = ("HALS()", "HALS(inner=3)", FIT)
MOMENTUM = "Momentum(MU(beta=1.0))"
KL = ("MU(beta=1.0)", MOMENTUM)
EXACT = ("ANLS()", 'ANLS(solver="projected_gradient")')
CD, MU_KL, BPP = "scikit-learn CD", "scikit-learn MU KL", "nmf-torch BPP"  # the references


def table() -> dict[str, Case]:
    some = (*FAST, *WARM, *lineup("frobenius"))
    every = (*some, "ANLS()", *lineup("frobenius, small"))
    kl, exact = (*KL, *lineup("kl")), (*EXACT, *lineup("exact"))
    exact_small = (*exact, *lineup("exact, small"))
    floor = (STEPS, "HALS()", PRODUCTS, *lineup("products"))
    held = (STEPS, "HALS()", FIT, FIT_NUMPY, *lineup("memory"))
    warm, warm_kl = Bar(tuple(WARM), 20, 25), (*kl, *WARM_KL)
    least_squares_first = Bar(tuple(WARM_KL), 14, 14)
    return {
        "cbcl": Race("cbcl", 49, every, CD, 400, bars=(Bar((FIT,), 12, 16), warm)),
        "mnist-81": Race("mnist", 81, some, CD, 200, bars=(Bar((FIT,), 9, 13), warm)),
        "mnist-9": Race("mnist", 9, some, CD, 200),
        "lab": Race("lab", 25, every, CD, 400),
        "tall": Race((20000, 5000), 20, some, CD, 50),
        "classic4": Race("classic4", 20, some, CD, 100),
        "cbcl-kl": Race("cbcl", 49, warm_kl, MU_KL, 400, loss="kl", bars=(Bar((MOMENTUM,), 5, 5), least_squares_first)),
        "mnist-kl": Race("mnist-2000", 25, warm_kl, MU_KL, 200, loss="kl"),
        "leukemia-kl": Race("leukemia", 3, warm_kl, MU_KL, 400, loss="kl"),
        "anls": Race("cbcl", 49, exact_small, BPP, 10, "iteration", bars=(Bar(EXACT, 5, 5),)),
        "anls-lab": Race("lab", 25, exact_small, BPP, 30, "iteration"),
        "anls-mnist": Race("mnist", 9, exact, BPP, 10, "iteration"),
        "products-mnist": Race("mnist", 81, floor, PRODUCTS, 50, "floor", bars=(Bar((STEPS,), 1.2, 1.2),)),
        "products-dense": Race((5000, 10000), 64, floor, PRODUCTS, 20, "floor", bars=(Bar((STEPS,), 1.06, 1.06),)),
        "sweep": Sweep(tuple(range(2, 16)), 50, 100, 10, {"equal iterations": 6, "equal error": 12, "exact": 30}),
        "stream": Stream("mnist", 25, 500),
        "stream-kl": Stream("mnist", 25, 500, "kl"),
        "first-call": FirstCall(25, {"without cache": 3, "with cache": 1.5}),
        "memory": Memory((5000, 10000), 64, held, 20),
        "memory-kl": Memory((5000, 10000), 64, kl, 20),
        "scaling": Scaling((250, 445, 791, 1406, 2500), 20, (STEPS, PRODUCTS, CD), 1.1),
    }


CASES = table()
