"""The identities that jnmf stands on: derived by hand, run as code, and able to fail. `python -m proofs` checks all."""
