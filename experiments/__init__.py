"""The experiments: each a file with its settings, a pure `compute`, a `plot` and a `main`."""
