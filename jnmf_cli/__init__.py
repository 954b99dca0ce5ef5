"""The command `jnmf`: the library for people who do not write Python.

A package beside `jnmf` and not a part of it, so that `jnmf --help` need not wait for JAX, which `import jnmf` loads.
"""
