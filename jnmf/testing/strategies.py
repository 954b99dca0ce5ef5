"""What hypothesis draws: small matrices with everything that breaks formulas. Imported when something is drawn.

Entries are multiples of 1/8, so that every input is also an exact fraction. `positive` matrices have no zeros;
`nonnegative` ones may have zeros, zero rows, zero columns and repeated columns (rank deficiency); `real` ones have
signs as well.
"""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays


def eighths(low, high):
    return st.integers(low, high).map(lambda k: k / 8)


def real(shape):
    return arrays(np.float64, shape, elements=eighths(-16, 16), fill=st.nothing())


def positive(shape):
    return arrays(np.float64, shape, elements=eighths(1, 16), fill=st.nothing())


@st.composite
def nonnegative(draw, shape):
    A = draw(arrays(np.float64, shape, elements=eighths(0, 16), fill=st.nothing()))
    defect = draw(st.sampled_from(("none", "none", "zero row", "zero column", "repeated row", "repeated column")))
    if defect == "zero row":
        A[0] = 0
    elif defect == "zero column":
        A[:, -1] = 0
    elif defect == "repeated row":
        A[-1] = A[0]
    elif defect == "repeated column":
        A[:, -1] = A[:, 0]
    return A
