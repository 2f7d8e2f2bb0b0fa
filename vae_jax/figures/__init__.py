"""Figures: pure functions from results to matplotlib Figures, and one way to save them."""

from vae_jax.figures.style import save

__all__ = ["save"]
