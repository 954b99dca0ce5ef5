"""What the rows and columns of a fit are called, beside its file: names.json."""

import json
from pathlib import Path
from typing import NamedTuple

from jnmf_cli.errors import Refused
from jnmf_cli.reading import Data

FILE = "names.json"


class Names(NamedTuple):
    """Of samples and features; numbers from 1 where they have no names."""

    rows: list
    columns: list

    @property
    def column_names(self) -> list[str] | None:
        return self.columns if isinstance(self.columns[0], str) else None


def of_data(data: Data) -> Names:
    m, n = data.X.shape
    return Names(data.rows or list(range(1, m + 1)), data.columns or list(range(1, n + 1)))


def as_json(names: Names) -> bytes:
    return json.dumps(names._asdict(), ensure_ascii=False).encode()


def of_fit(path: Path, fit) -> Names:
    """Those beside the file of a fit, or numbers."""
    m, n = fit.W.shape[0], fit.H.shape[1]
    try:
        known = json.loads((path.parent / FILE).read_text(encoding="utf-8"))
        names = Names(list(known["rows"]), list(known["columns"]))
    except FileNotFoundError:
        return Names(list(range(1, m + 1)), list(range(1, n + 1)))
    except (ValueError, LookupError, TypeError) as error:
        raise Refused(f"{path.parent / FILE}: expected the names of {path.name}, but {error}; delete it") from None
    if (len(names.rows), len(names.columns)) != (m, n):
        raise Refused(f"{path.parent / FILE}: expected the names of {m} × {n}, got those of another fit; delete it")
    return names


def components(r: int) -> list[str]:
    return [f"component {k + 1}" for k in range(r)]


def top_features(H, columns: list, count: int) -> list[list[tuple[str, float]]]:
    """Of each component the features of largest share H_kj / Σ_j H_kj, the largest first; none that is 0."""
    import numpy as np

    found = []
    for h in np.asarray(H, float):
        shares = h / max(h.max(initial=0), np.finfo(float).tiny)  # their sum may else leave the range
        total = max(shares.sum(), np.finfo(float).tiny)
        first = np.argsort(-shares, kind="stable")[:count]
        found.append([(str(columns[j]), float(shares[j] / total)) for j in first if h[j] > 0])
    return found
