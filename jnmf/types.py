"""What arguments may be, as names for annotations. Shapes and dtypes stand in the docstrings, where types do not go."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from jax import Array


class HasShape(Protocol):
    """What has a shape: arrays of any package, DataFrames, AnnData, SciPy's sparse matrices, the kinds of `matrix`."""

    @property
    def shape(self) -> Any: ...


class HasArray(Protocol):
    """What NumPy can make an array of."""

    def __array__(self) -> Any: ...


class HasFactors(Protocol):
    """A `Fit`, or a state of an algorithm."""

    @property
    def factors(self) -> tuple[Any, Any]: ...


class HasMembers(Protocol):
    """A `Sweep`, or what a function of one asks of it."""

    @property
    def ranks(self) -> Any: ...
    @property
    def loss(self) -> Any: ...
    @property
    def status(self) -> Any: ...
    @property
    def members(self) -> Any: ...


# X as a user has it. The packages it may come from need not be installed, and kinds of one's own have no base class.
MatrixLike: TypeAlias = HasShape | HasArray | Sequence[Sequence[float] | Array | np.ndarray]
# X behind the door: an array or a kind of matrix. Formulas treat it as an array; a protocol of what kinds have in
# common (shape, dtype, T) would forbid them to.
Matrix: TypeAlias = Any
# W and H as a user has them: Factors, a pair, a Fit.
FactorsLike: TypeAlias = HasFactors | tuple[MatrixLike, MatrixLike] | list[Any]
Mask: TypeAlias = MatrixLike | Literal["stored"] | None

Integer: TypeAlias = int | np.integer
AnyArray: TypeAlias = Array | np.ndarray
Number: TypeAlias = float | np.floating | np.integer | np.ndarray | Array  # of no dimension
Ranks: TypeAlias = Iterable[Integer] | Array
Key: TypeAlias = Integer | np.ndarray | Array  # a seed, a key, or raw key data
Path: TypeAlias = str | os.PathLike[str]
DType: TypeAlias = npt.DTypeLike

Norm: TypeAlias = Literal["max", "l1", "l2"]
Fill: TypeAlias = Literal["zero", "mean", "random"]
InitName: TypeAlias = Literal["random", "nndsvd", "nndsvda", "nndsvdar", "spa"]
Init: TypeAlias = InitName | FactorsLike | Callable[..., FactorsLike]  # a function (key, X, rank)
HalfStep: TypeAlias = Callable[..., Array]  # (H, G, C, l1, l2) -> H
