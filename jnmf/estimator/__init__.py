"""The front door for scikit-learn's habits: `NMF` and `MiniBatchNMF` as there, computed by this library.

    from jnmf.estimator import NMF  # instead of sklearn.decomposition

Needs scikit-learn 1.6 or later, `pip install 'jnmf[sklearn]'`; nothing else of jnmf does, and nothing of it is in the
rest of jnmf. Arrays come and go as NumPy's. float64 is computed in float64 without JAX's switch, float32 in float32.
"""

try:
    import sklearn.utils.validation
except ImportError as error:
    raise ImportError("jnmf.estimator: expected scikit-learn, got none; pip install 'jnmf[sklearn]'") from error
if not hasattr(sklearn.utils.validation, "validate_data"):
    raise ImportError(
        f"jnmf.estimator: expected scikit-learn 1.6 or later, got {sklearn.__version__}; pip install 'jnmf[sklearn]'"
    )

from jnmf.estimator.mini_batch import MiniBatchNMF
from jnmf.estimator.nmf import NMF

__all__ = ["NMF", "MiniBatchNMF"]
