"""Results in one file: `save` and `load`."""

import json
import os
import uuid
import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jnmf.labels import Names
from jnmf.pytree import Pytree
from jnmf.results import SAVED, Status, Unknown
from jnmf.types import Path as Location

FORMAT = 1
DAMAGED = (EOFError, BadZipFile, zlib.error)  # what NumPy lets through of a file that is torn or has other bytes
UNREADABLE = (OSError, ValueError, LookupError, RecursionError, NotImplementedError, *DAMAGED)


def save(path: Location, value: Any) -> None:
    """Write a Fit, Sweep, CrossValidation, Consensus, SweepSimilarity or Factors to one .npz file.

    path: where; the ending .npz is added if it is missing. The file holds the arrays as they are, bit for bit, and how
    they belong together as text; no pickle, so that a stranger's is safe to read. It appears whole or not at all.
    A fit can be continued after `load`; of an algorithm of your own the file holds only the repr, and it has to be
    passed again. The names that a fit has of the rows and columns of X are kept, texts and numbers as they are, others,
    such as dates, as text.
    Raises TypeError for anything else, and for a traced one.

    >>> jnmf.save("blocks.npz", jnmf.fit(X, 2))
    >>> jnmf.load("blocks.npz").status.name
    'CONVERGED'
    """
    arrays: dict[str, np.ndarray] = {}
    if SAVED.get(type(value).__name__) is not type(value):
        raise TypeError(
            "save: expected a Fit, Sweep, CrossValidation, Consensus, SweepSimilarity or Factors, got "
            f"{type(value).__name__}"
        )
    outline = {"format": FORMAT, "value": _outline(value, arrays)}
    path = _with_ending(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"save: expected the folder {path.parent} to exist; make it first")
    parts: dict[str, Any] = {"outline": np.array(json.dumps(outline))} | arrays
    written_whole(path, lambda file: np.savez_compressed(file, **parts))


def written_whole(path: Path, write) -> None:
    """What `write(file)` writes to a file, under its name when all is there."""
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with part.open("xb") as file:  # with the permissions of any new file
            write(file)
            file.flush()
            os.fsync(file.fileno())  # the name may else outlive a loss of power, and the contents not
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def load(path: Location) -> Any:
    """What `save` wrote: the same types and bits; arrays that were JAX's are JAX's again.

    float64 needs JAX's switch as it did when it was computed; without it, such arrays stay NumPy's. Raises
    FileNotFoundError where there is no such file, and ValueError for a file that `save` did not write.

    >>> jnmf.save("blocks.npz", jnmf.init.random(0, X, 2))
    >>> jnmf.load("blocks.npz").W.shape
    (6, 2)
    """
    path = _with_ending(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = dict(archive)
        outline = json.loads(str(arrays["outline"]))
    except FileNotFoundError:
        raise
    except UNREADABLE as error:
        raise ValueError(f"load: expected a file that jnmf.save wrote, got {path} ({error})") from None
    if isinstance(outline, dict) and outline.get("format", FORMAT) != FORMAT:
        raise ValueError(f"load: expected format {FORMAT}, got {outline['format']}; use the jnmf that wrote {path}")
    try:
        return _value(outline["value"], arrays)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"load: expected an outline that jnmf.save wrote, got one that does not fit ({error!r}) in {path}"
        ) from None


def _with_ending(path) -> Path:
    path = Path(path)
    return path if path.suffix == ".npz" else path.with_name(path.name + ".npz")


def _outline(value, arrays) -> Any:
    """The value as JSON, with the names of its arrays, which are put into `arrays`."""
    if SAVED.get(type(value).__name__) is type(value):
        parts = vars(value) if isinstance(value, Pytree) else value._asdict()
        return {"kind": type(value).__name__, "fields": {name: _outline(part, arrays) for name, part in parts.items()}}
    if isinstance(value, Pytree):  # an algorithm or a loss
        if _of_jnmf().get(type(value).__name__) is not type(value):
            return {"unknown": repr(value)}
        parts = {name: _outline(getattr(value, name), arrays) for name in _names(type(value))}
        if any(map(_is_unknown, parts.values())):  # whatever is made of something unknown is so
            return {"unknown": repr(value)}
        return {"own": type(value).__name__, "fields": parts}
    if isinstance(value, Status):
        return {"status": value.name}
    if isinstance(value, Names):
        return {"names": [[_label(label) for label in labels.tolist()] for labels in (value.rows, value.columns)]}
    if hasattr(value, "_fields"):  # a kind of matrix, as of a graph
        return {"unknown": repr(value)}
    if isinstance(value, tuple | list):
        return {"items": [_outline(part, arrays) for part in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return {"plain": value}
    if isinstance(value, Tracer):
        raise TypeError("save: expected values, got a traced array; save outside of jit and vmap")
    name, array = f"a{len(arrays)}", np.asarray(value)
    if array.dtype == object:
        raise TypeError(f"save: expected numbers, got {value!r}")
    stored = array.view(np.uint16) if array.dtype == jnp.bfloat16 else array  # which .npz does not know
    arrays[name] = stored
    return {"array": name, "dtype": str(array.dtype), "of": "jax" if isinstance(value, jax.Array) else "numpy"}


def _label(label) -> Any:
    """A label as JSON has it; one of several levels is a list."""
    if isinstance(label, tuple | list):
        return [_label(one) for one in label]
    return label if label is None or isinstance(label, bool | int | float | str) else str(label)


def _labels(told) -> np.ndarray:
    """(k,), objects."""
    of_json = lambda label: tuple(map(of_json, label)) if isinstance(label, list) else label
    if not isinstance(told, list) or any(isinstance(label, dict) for label in told):
        raise ValueError(f"expected a list of labels, got {told!r}")
    return np.fromiter(map(of_json, told), object, len(told))


def _is_unknown(outline) -> bool:
    return "unknown" in outline or any(map(_is_unknown, outline.get("items", ())))


def _names(cls) -> list[str]:
    return [f.name for f in fields(cls)]


def _of_jnmf() -> dict[str, type]:
    """The algorithms and losses of the library by name."""
    found, more = {}, [Pytree]
    while more:
        more += (cls := more.pop()).__subclasses__()
        if cls.__module__.startswith("jnmf."):
            found[cls.__name__] = cls
    return found


def _value(outline, arrays) -> Any:
    if "kind" in outline:
        return SAVED[outline["kind"]](**{name: _value(part, arrays) for name, part in outline["fields"].items()})
    if "own" in outline:
        cls, parts = _of_jnmf()[outline["own"]], outline["fields"]
        if sorted(parts) != sorted(_names(cls)):
            raise ValueError(f"expected the fields of {cls.__name__}, got {', '.join(parts)}")
        made = object.__new__(cls)  # not __init__, whose arguments may be others
        for name, part in parts.items():
            object.__setattr__(made, name, _value(part, arrays))
        return made
    if "unknown" in outline:
        return Unknown(name=outline["unknown"])
    if "status" in outline:
        return Status[outline["status"]]
    if "names" in outline:
        return Names(*map(_labels, outline["names"]))
    if "items" in outline:
        return tuple(_value(part, arrays) for part in outline["items"])
    if "plain" in outline:
        return outline["plain"]
    array = arrays[outline["array"]]
    if outline["dtype"] == "bfloat16":
        array = array.view(jnp.bfloat16)
    kept = outline["of"] == "jax" and jax.dtypes.canonicalize_dtype(array.dtype) == array.dtype
    return jnp.asarray(array) if kept else array
