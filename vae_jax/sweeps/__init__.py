"""Sweeps: expand a product of overrides, plan the runs, schedule what is to do, execute it."""

from vae_jax.launch import Outcome
from vae_jax.sweeps.execute import Executor, Place
from vae_jax.sweeps.executors import EXECUTORS, executor
from vae_jax.sweeps.expand import expand
from vae_jax.sweeps.plan import Planned, plan
from vae_jax.sweeps.scheduling import Schedule, learn, schedule, settle

__all__ = ["EXECUTORS", "Executor", "Outcome", "Place", "Planned", "Schedule"]
__all__ += ["executor", "expand", "learn", "plan", "schedule", "settle"]
