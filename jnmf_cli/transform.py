"""`jnmf transform`: the loadings of new samples on the components of a fit."""

import numpy as np

from jnmf_cli import folder, methods, names, reading
from jnmf_cli.errors import Refused, note
from jnmf_cli.show import loaded


def run(options) -> bool:
    import jax

    import jnmf

    jax.config.update("jax_enable_x64", True)
    if options.out.suffix not in (".csv", ".tsv", ".npy"):
        raise Refused(f"{options.out}: expected --out with a name that ends in .csv, .tsv or .npy")
    if options.out.exists() and not options.force:
        raise Refused(f"{options.out}: is there already; choose another --out, or --force to replace it")
    if not options.out.parent.is_dir():
        raise Refused(f"{options.out}: expected the folder {options.out.parent} to exist; make it first")
    fit = loaded(options.fit)
    if not isinstance(fit, jnmf.Fit) or fit.state is None:
        raise Refused(f"{options.fit}: expected a fit with its algorithm, as jnmf fit writes it")
    algorithm = fit.state.algorithm
    options.precision = options.precision or str(np.asarray(fit.H).dtype)
    data = reading.read(options)
    data = aligned(options.file, data, names.column_names(fit), np.shape(fit.H)[1])
    methods.check(options.file, data, algorithm)
    H = np.asarray(fit.H).astype(data.X.dtype)
    W = np.asarray(jnmf.transform(data.X, H, algorithm, mask=data.mask))
    if options.out.suffix == ".npy":
        folder.write(options.out, lambda file: np.save(file, W, allow_pickle=False))
    else:
        folder.write_table(options.out, W, names.of_data(data)[0], names.components(len(H)))
    if not options.quiet:
        note(f"{options.file}: {data}")
        print(f"{len(W)} samples × {len(H)} components in {options.out}")
    return True


def aligned(path, data: reading.Data, wanted: list[str] | None, n: int) -> reading.Data:
    """The data with the columns of the fit in its order, by name where both have names."""
    if wanted is None or data.columns is None:
        if data.X.shape[1] != n:
            hint = "; say --transpose" if data.X.shape[0] == n else ""
            raise Refused(f"{path}: expected the {n} features of the fit, got {data.X.shape[1]} columns{hint}")
        return data
    if wanted == data.columns:
        return data
    places = {name: j for j, name in enumerate(data.columns)}
    missing = [name for name in wanted if name not in places]
    if missing:
        hint = "; say --transpose" if data.rows is not None and set(wanted) <= set(data.rows) else ""
        raise Refused(
            f"{path}: expected a column for each of the {n} features of the fit, got none for {len(missing)}, the "
            f"first {missing[0]!r}{hint}"
        )
    twice = next((name for name in wanted if data.columns.count(name) > 1), None)
    if twice is not None or len(set(wanted)) < len(wanted):
        raise Refused(f"{path}: expected each name once, where columns have another order, got {twice!r} twice")
    left_out = len(data.columns) - n
    note(f"{path}: columns taken by their names{f', {left_out} that the fit has not are left out' if left_out else ''}")
    order = [places[name] for name in wanted]
    mask = data.mask[:, order] if isinstance(data.mask, np.ndarray) else data.mask
    return data._replace(X=data.X[:, order], columns=wanted, mask=mask)
