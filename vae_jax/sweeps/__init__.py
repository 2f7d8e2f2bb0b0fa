"""Sweeps: expand a product of overrides, or search; plan the runs, schedule what is to do, execute it."""

from vae_jax.launch import Outcome
from vae_jax.sweeps.execute import Executor, Place
from vae_jax.sweeps.executors import EXECUTORS, cheapest, executor
from vae_jax.sweeps.expand import expand
from vae_jax.sweeps.plan import Planned, plan
from vae_jax.sweeps.population import SIZES, sizes_of
from vae_jax.sweeps.scheduling import Schedule, learn, schedule, settle
from vae_jax.sweeps.search import ALGORITHMS, Job, Search, Settings
from vae_jax.sweeps.space import Space, check_space, draw

__all__ = ["ALGORITHMS", "EXECUTORS", "Executor", "Job", "Outcome", "Place", "Planned", "Schedule"]
__all__ += ["SIZES", "Search", "Settings", "Space", "cheapest", "check_space", "draw", "executor", "expand"]
__all__ += ["learn", "plan", "schedule", "settle", "sizes_of"]
