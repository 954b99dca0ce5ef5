"""The loadings of all samples, rows or columns of X, on given components: `transform` for both sides."""

from jnmf.algorithms import HALS, MU
from jnmf.factors import Factors
from jnmf.terms import together
from jnmf.transform import transform


def exposures(axis: int, X, components, algorithm) -> Factors:
    """W (m, r) and H (r, n), of which one is given: for axis 0 the components H, for axis 1 the components W.

    The other minimises the objective of the algorithm, its loss, its penalties and its terms on the exposures.
    """
    if axis == 0:
        return Factors(
            transform(X, components, _on_W(algorithm.loss, algorithm.l1_W, algorithm.l2_W, algorithm.on_W)), components
        )
    exposed = transform(
        X.T, components.T, _on_W(algorithm.loss, algorithm.l1_H, algorithm.l2_H, together.transposed(algorithm.on_H))
    )
    return Factors(components, exposed.T)


def _on_W(loss, l1, l2, terms):
    """An algorithm with this objective for W. `transform` refuses terms that are not the same for every row."""
    penalties = {"l1_W": l1, "l2_W": l2, "on_W": terms}
    return HALS(**penalties) if loss.quadratic else MU(loss=loss, **penalties)
