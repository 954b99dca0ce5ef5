"""What the rows and columns of a fit are called, which the fit has with it (`Fit.names`)."""

import numpy as np

from jnmf_cli.reading import Data


def named(fit, data: Data):
    """The fit with the names of the data; those without names count from 1, and where neither has names it has none."""
    from jnmf.labels import Names

    if data.rows is None and data.columns is None:
        return fit._replace(names=None)
    return fit._replace(names=Names(*(np.array(list(names), object) for names in of_data(data))))


def of_data(data: Data):
    """Of the samples and of the features, numbers from 1 where they have no names."""
    m, n = data.X.shape
    return data.rows or range(1, m + 1), data.columns or range(1, n + 1)


def columns(fit) -> list:
    """Of the features, numbers from 1 where they have no names."""
    return list(range(1, fit.H.shape[1] + 1)) if fit.names is None else fit.names.columns.tolist()


def column_names(fit) -> list[str] | None:
    """Of the features, None where they have no names."""
    return [str(name) for name in columns(fit)] if isinstance(columns(fit)[0], str) else None


def components(r: int) -> list[str]:
    return [f"component {k + 1}" for k in range(r)]
