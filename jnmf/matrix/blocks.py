"""How large a block of X is, so that what is made entry by entry never takes the memory of a second X."""

NUMBERS = 2**20  # entries of X in a block


def blocks_of(shape, axis: int) -> int:
    """How many rows (axis 0) or columns (axis 1) of a matrix of this shape make a block."""
    return max(1, NUMBERS // shape[1 - axis])
