"""The commands: `python -m experiments.NAME`."""

import sys

if sys.argv[:1] == ["-m"]:  # the module that `python -m` runs is looked for: this is a command
    from experiments import signals

    signals.watch()

    from vae_jax import streams

    streams.set_up()

from experiments import packages

packages.use_own_configs()
