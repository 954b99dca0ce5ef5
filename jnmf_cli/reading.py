"""X from a file of any kind, with the names of its samples and features. Nothing in a file is executed."""

import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jnmf_cli import text
from jnmf_cli.errors import Refused, of_file

KINDS = "csv, tsv (tab, txt), npy, npz, mtx, h5ad; csv, tsv and mtx also with .gz"


class Data(NamedTuple):
    """X (m, n), a NumPy array or a SciPy csr_array, what counts of it, and what rows and columns are called, if known.

    mask: booleans (m, n), "stored", or None where all counts. suffix: of the tables that are written of it.
    """

    X: Any
    rows: list[str] | None
    columns: list[str] | None
    mask: Any
    suffix: str

    @property
    def is_sparse(self) -> bool:
        return not isinstance(self.X, np.ndarray)

    def place(self, i: int, j: int) -> str:
        row = f"{self.rows[i]!r}" if self.rows else f"{i + 1}"
        return f"row {row}, column {f'{self.columns[j]!r}' if self.columns else j + 1}"

    def __str__(self) -> str:
        m, n = self.X.shape
        names = {(True, True): "named", (True, False): "rows named", (False, True): "columns named"}
        named = names.get((self.rows is not None, self.columns is not None), "without names")
        sparse = f", {self.X.nnz} stored" if self.is_sparse else ""
        if isinstance(self.mask, np.ndarray):
            sparse = f", {self.mask.size - self.mask.sum()} missing"
        return f"{m} samples × {n} features, {named}{sparse}, {self.X.dtype}"


def read(options) -> Data:
    """The file of the options as they say it is read; Refused says why it cannot be used."""
    path = options.file
    kind = _kind(path)
    if kind in text.SEPARATORS:
        separator = options.separator or text.SEPARATORS[kind]
        X, rows, columns = text.read(path, separator, options.header, options.index)
    else:
        try:
            X, rows, columns = READERS[kind](path, options.key)
        except OSError as error:
            raise of_file(path, error) from None
        except (ValueError, EOFError, OverflowError, KeyError, zlib.error, zipfile.BadZipFile) as error:
            raise Refused(f"{path}: expected a whole {kind[1:]} file of numbers, but {error}") from None
    rows = _named(options.row_names, rows, X.shape[:1], "row")
    columns = _named(options.column_names, columns, X.shape[1:], "column")
    if options.transpose:
        X, rows, columns = X.T, columns, rows
    data = Data(X, rows, columns, None, ".tsv" if kind in (".tsv", ".tab", ".txt") else ".csv")
    return _checked(path, data, options)


def _kind(path: Path) -> str:
    endings = [ending.lower() for ending in path.suffixes[-2:]]
    packed = endings[-1:] == [".gz"]
    kind = endings[-1 - packed] if len(endings) > packed else ""
    if kind not in text.SEPARATORS and (kind not in READERS or (packed and kind != ".mtx")):
        raise Refused(f"{path}: expected a file that ends in {KINDS}, got {''.join(path.suffixes[-2:]) or 'no ending'}")
    return kind


def _of_npy(path, key):
    with path.open("rb") as file:
        return np.load(file, allow_pickle=False), None, None


def _of_npz(path, key):
    with np.load(path, allow_pickle=False) as archive:
        names = list(archive.files)
        if {"format", "data", "shape"} <= set(names):
            from scipy.sparse import load_npz

            return load_npz(path), None, None
        if "outline" in names:
            raise Refused(f"{path}: expected data, got a result of jnmf; jnmf show tells what it is")
        if (key is None and len(names) != 1) or (key is not None and key not in names):
            raise Refused(f"{path}: expected --key with one of {', '.join(names)}, got {key or 'none'}")
        return archive[key or names[0]], None, None


def _of_mtx(path, key):
    from scipy.io import mmread

    return mmread(path), None, None


def _of_h5ad(path, key):
    try:
        from anndata import read_h5ad  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise Refused(f"{path}: h5ad files need anndata; run pip install anndata") from None
    data = read_h5ad(path)
    X = data.X if key is None else data.layers[key]
    return X, [str(name) for name in data.obs_names], [str(name) for name in data.var_names]


READERS = {".npy": _of_npy, ".npz": _of_npz, ".mtx": _of_mtx, ".h5ad": _of_h5ad}


def _named(path: Path | None, names, size, what: str):
    """The names of a file, the first field of each line, in the place of those that are there."""
    if path is None:
        return names
    try:
        with text.opened(path) as file:
            names = [line.rstrip("\r\n").split("\t")[0] for line in file]
    except OSError as error:
        raise of_file(path, error) from None
    except UnicodeDecodeError as error:
        raise Refused(f"{path}: expected text in UTF-8, but {error.reason}; save it as UTF-8") from None
    if (len(names),) != tuple(size):
        raise Refused(f"{path}: expected a name for each {what} of the file, {size[0]} lines, got {len(names)}")
    return names


def _checked(path, data: Data, options) -> Data:
    """The data in the precision to compute in, and finite where they count."""
    X = data.X
    if len(X.shape) != 2 or 0 in X.shape:
        raise Refused(f"{path}: expected a matrix of at least one row and one column, got shape {tuple(X.shape)}")
    if X.dtype.kind not in "biuf":
        raise Refused(f"{path}: expected real numbers, got {X.dtype}")
    from jnmf.checks import rank

    rank(
        max(getattr(options, "ranks", None) or [getattr(options, "rank", 1)]), X.shape
    )  # that the factors fit the memory
    given = "float32" if X.dtype.kind == "f" and X.dtype.itemsize <= 4 else "float64"
    if data.is_sparse:
        from scipy.sparse import csr_array

        X = csr_array(X)
        X.sum_duplicates()
    with np.errstate(over="ignore"):
        data = data._replace(X=X.astype(options.precision or given))
    if options.stored and not data.is_sparse:
        raise Refused(f"{path}: --stored is for a sparse file (npz, mtx, h5ad); use --missing for empty fields")
    if options.missing and data.is_sparse:
        raise Refused(f"{path}: --missing is for a dense file; of a sparse one what is missing is not stored, --stored")
    values = data.X.data if data.is_sparse else data.X
    there = np.isfinite(values)
    if not there.all():
        missing = np.isnan(values)
        lost = ~there & (~missing | (not options.missing))
        if lost.any():
            _refuse_nonfinite(path, data, lost, bool(missing.all(where=lost)))
        if missing.all():
            raise Refused(f"{path}: expected some numbers, but all entries are missing")
        data = data._replace(X=np.where(missing, 0, data.X), mask=~missing)
    return data._replace(mask="stored") if options.stored else data


def place_of(data: Data, which: np.ndarray) -> str:
    """Where the first of the entries is that are so, booleans of the shape of X, or of its stored entries."""
    first = int(np.argmax(which))
    if not data.is_sparse:
        return data.place(*map(int, np.unravel_index(first, which.shape)))
    row = int(np.searchsorted(data.X.indptr, first, side="right")) - 1
    return data.place(row, int(data.X.indices[first]))


def _refuse_nonfinite(path, data: Data, lost, missing: bool) -> None:
    where = place_of(data, lost)
    if missing:
        remedy = "fill them" if data.is_sparse else "say --missing to leave them out, or fill them"
        raise Refused(f"{path}: expected numbers, got {lost.sum()} missing ones, the first at {where}; {remedy}")
    raise Refused(
        f"{path}: expected finite numbers in the range of {data.X.dtype}, got {lost.sum()} others, the first at {where}"
    )
