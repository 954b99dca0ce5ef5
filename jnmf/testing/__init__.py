"""Checkers for whoever extends the library: is a new algorithm, loss, kind of matrix or term right?

    check_algorithm(Mine())    check_loss(Mine())    check_matrix(Mine(…))    check_term(Mine())

Each raises AssertionError for the first promise that is broken: which one, what was found, the input, what to do. Their
docstrings list the promises. Algorithms are tried on problems that hypothesis draws. A check takes some seconds, for it
compiles a few small programs.
"""

from jnmf.testing.algorithms import check_algorithm
from jnmf.testing.losses import check_loss
from jnmf.testing.matrices import check_matrix
from jnmf.testing.terms import check_term

__all__ = ["check_algorithm", "check_loss", "check_matrix", "check_term"]
