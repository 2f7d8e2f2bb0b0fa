"""Train and evaluate one run: a config with one seed.

    python -m experiments.train --config=configs/vae.py --workdir=results
    python -m experiments.train --config=configs/vae.py:mnist --config.latent_size=2 --workdir=results

The run's directory is named by the hash of its config, so that the same command finds a
finished run done and goes on with a killed one.
"""

from collections.abc import Sequence
from typing import Any

from experiments import cli
from vae_jax.budgets import budget
from vae_jax.evaluate import METRICS
from vae_jax.launch import launch
from vae_jax.runs import Run


def main(argv: Sequence[str]) -> int:
    parser = cli.parser(__doc__)
    cli.add_config(parser)
    cli.add_workdir(parser)
    arguments = parser.parse(argv)
    _, config = cli.load_config(arguments.config, arguments.overrides)
    workdir = cli.writable(arguments.workdir)

    with cli.progress_bar("training", budget(config)) as bar:

        def show(run, epoch, metrics):
            bar("epoch", epoch, budget(config), cli.brief(metrics))

        run, result = launch(config, workdir, arguments.manual_dir, show)
    print(summary(run, result))
    return 0 if result["status"] == "completed" else 1


def summary(run: Run, result: dict[str, Any]) -> str:
    """Returns what a run came to, a line for each test metric."""
    if result["status"] == "diverged":
        return (
            f"{run.path}: diverged at step {result['diverged_step']} (NaN or infinity); last good state kept"
        )
    epochs = f"{result['epochs']} epochs, best {result['best_epoch']}"
    lines = [f"{run.path}: completed in {result['seconds']:.1f} s ({epochs})"]
    for name, label in METRICS.items():
        if (value := result["metrics"].get(name)) is not None:
            lines.append(f"  {name:<20} {value:10.4f}   {label.format(k=result['iwae_samples'])}")
    return "\n".join(lines)


if __name__ == "__main__":
    cli.run(main)
