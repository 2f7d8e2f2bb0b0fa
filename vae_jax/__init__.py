"""Autoencoders and variational autoencoders in JAX: sweeps, comparisons, figures."""

import os
import sys

__version__ = "0.1.0"

# A GPU's own default, TF32, keeps three digits of a product: no estimate would then agree with its
# exact value, nor a filled-up run with the run alone. The user's own setting stays.
os.environ.setdefault("JAX_DEFAULT_MATMUL_PRECISION", "highest")  # JAX reads it when it is imported
if (jax := sys.modules.get("jax")) and jax.config.jax_default_matmul_precision is None:
    jax.config.update("jax_default_matmul_precision", "highest")
