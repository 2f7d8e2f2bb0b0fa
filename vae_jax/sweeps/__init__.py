"""Sweeps in three steps: expand a product of overrides, plan the runs, execute the plan."""

from vae_jax.sweeps.execute import EXECUTORS, Outcome
from vae_jax.sweeps.expand import expand
from vae_jax.sweeps.plan import Planned, plan

__all__ = ["EXECUTORS", "Outcome", "Planned", "expand", "plan"]
