"""Autoencoders and variational autoencoders in JAX: sweeps, comparisons, figures."""

__version__ = "0.1.0"
