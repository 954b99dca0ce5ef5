"""What people add to NMF: terms of the objective, and constraints, on one factor.

    HALS(on_H=terms.Graph(L, 0.1), on_W=(terms.Ridge(0.1), terms.Known(A)))

The objective is D(X, WH) + Σ T(H) over `on_H` + Σ T(W) over `on_W` + the penalties l1_W, … . A term is a value and a
pair (ΔG, ΔC) that is added to the normal equations of the half-problem; the solvers stay as they are:

    pairs                          Ridge  Lasso  Target  SumToOne  ColumnL1
    majorised at the current H     Graph  Smooth  MinimumVolume
    constraints                    Known  Free  Simplex

A term is written for H (r, n), whose rows are the components. On W it is of Wᵀ; what has the shape of the factor, as
the A of `Target(A, 0.1)`, is given in the shape of W there. A term of your own is a subclass of `Term`, and
`jnmf.testing.check_term` says whether it is right. Methods refuse the terms that they cannot honour:

    HALS, PGD    all pairs, of a ΔG that is indefinite too; Known, also of single entries; Free
    ANLS         pairs with a positive semidefinite ΔG; Known components
    ALS          the same, and Known entries, Free and Simplex, onto which it projects
    MU           pairs with ΔG ≥ 0 entry by entry: all but MinimumVolume; Known, also of single entries
    PGD          Simplex
    Algorithm of one's own      those that it says it takes (`takes_terms`)

A coupling of both factors lives in X: symmetric NMF, X ≈ HᵀH by the penalty ½α‖W − Hᵀ‖² of Kuang, Yun and Park 2015, is
`HALS(l2_W=α, l2_H=α)`, or any other method with that ridge, of X + αI (`proofs.symmetric_factorisation`).

Where entries have weights that range widely, a factor with terms is updated by imputation (see `mask` of `jnmf.fit`).

A component that is known, with a ridge on the other one:

>>> on_H = jnmf.terms.Known(np.array([[1.0, 1.0, 0.0, 0.0]])), jnmf.terms.Ridge(0.1)
>>> jnmf.fit(X, 2, jnmf.HALS(on_H=on_H)).H[0].tolist()
[1.0, 1.0, 0.0, 0.0]
"""

from jnmf.terms.constraints import Constraint, Free, Known, Simplex
from jnmf.terms.graph import Graph, Smooth
from jnmf.terms.minimum_volume import MinimumVolume
from jnmf.terms.penalties import ColumnL1, Lasso, Ridge, SumToOne, Target
from jnmf.terms.term import Term

__all__ = [
    "ColumnL1",
    "Constraint",
    "Free",
    "Graph",
    "Known",
    "Lasso",
    "MinimumVolume",
    "Ridge",
    "Simplex",
    "Smooth",
    "SumToOne",
    "Target",
    "Term",
]
