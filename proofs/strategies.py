"""What hypothesis draws for the proofs and the tests: small matrices with everything that breaks formulas.

Entries are multiples of 1/8, so that every input is also an exact fraction. A few fixed shapes keep the number of
compilations small. `positive` matrices have no zeros; `nonnegative` ones may have zeros, zero rows, zero columns and
repeated columns (rank deficiency); `real` ones have signs as well; `full_rank` ones have a large diagonal, so that
their Gram matrix is well conditioned. `scaled` multiplies by a power of two. `penalties` are numbers ≥ 0.
"""

import numpy as np
from hypothesis import strategies as st

from jnmf.testing.strategies import eighths, nonnegative, positive, real

__all__ = ["full_rank", "nonnegative", "penalties", "positive", "problems", "real", "scaled", "scales", "shapes"]

SHAPES = ((4, 5, 2), (6, 4, 3))  # (m, n, r)
SCALES = (1.0, 2.0**-20, 2.0**20)

shapes = st.sampled_from(SHAPES)
scales = st.sampled_from(SCALES)
penalties = eighths(0, 16)


def full_rank(shape):
    return real(shape).map(lambda A: A + 8 * np.eye(*shape))


@st.composite
def scaled(draw, matrices):
    return draw(matrices) * draw(scales)


@st.composite
def problems(draw, X=nonnegative, factors=nonnegative, scale=False, num_penalties=0, shapes=shapes):
    """(X, W, H) of matching shapes: X drawn by `X`, the factors by `factors`; with `scale`, each by a power of two.

    `num_penalties` penalties follow them.
    """
    m, n, r = draw(shapes)
    X, W, H = X((m, n)), factors((m, r)), factors((r, n))
    matrices = tuple(draw(scaled(A) if scale else A) for A in (X, W, H))
    return matrices + tuple(draw(penalties) for _ in range(num_penalties))
