"""Sweeps: expand a product of overrides, plan the runs, schedule what is to do, execute it."""

from vae_jax.launch import Outcome
from vae_jax.sweeps.execute import EXECUTORS
from vae_jax.sweeps.expand import expand
from vae_jax.sweeps.plan import Planned, plan
from vae_jax.sweeps.scheduling import Schedule, learn, schedule

__all__ = ["EXECUTORS", "Outcome", "Planned", "Schedule", "expand", "learn", "plan", "schedule"]
