"""Autoencoders and variational autoencoders in JAX: sweeps, comparisons, figures."""

import jax

__version__ = "0.1.0"

# A GPU's own default, TF32, keeps three digits of a product: no estimate would then agree with its
# exact value, nor a filled-up run with the run alone. JAX_DEFAULT_MATMUL_PRECISION says otherwise.
if jax.config.jax_default_matmul_precision is None:
    jax.config.update("jax_default_matmul_precision", "highest")
