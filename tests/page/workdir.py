"""A small work directory of real runs, with text in it that means harm."""

import csv

import jax
from matplotlib.figure import Figure

from configs import vae
from vae_jax import figures, runs
from vae_jax.config import override, resolved_json, run_id
from vae_jax.data import source
from vae_jax.launch import launch

HOSTILE = "</script><script>window.harmed=1</script><img src=x onerror='window.harmed=1'>&lt;b>"


def write(workdir):
    """Returns the runs: two of 2 dimensions, which differ in their seed, one conv of 5, one not finished."""
    plain = vae.get_config("smoke")
    one = {"encoder.hidden_sizes": (4,), "decoder.hidden_sizes": (4,), "bottleneck_width": 16}
    conv = override(vae.get_config("smoke,conv,grey"), {"latent_size": 5, **one})
    configs = [override(plain, {"latent_size": 2, "seed": seed}) for seed in (0, 1)]
    finished = [launch(config, workdir)[0] for config in (*configs, conv)]
    folder = workdir / "figures" / "<i>digits"
    figures.save(Figure(figsize=(1, 1)), folder / "latent_map", [run.id for run in finished[:2]])
    with open(folder / "claims.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["study", "claim", "verdict", "mean", "ci95_half_width", "seeds", "bound"])
        writer.writerow(["latent_map", HOSTILE, "reproduced", 0.25, 0.125, 5, "≥ 0.1"])
        writer.writerow([HOSTILE, "not a number", HOSTILE, HOSTILE, "", "", ""])
    return [*finished, begun(workdir, HOSTILE)]


def begun(workdir, activation):
    """Returns a run that has had one epoch; that nobody has checked its config is the point."""
    config = override(vae.get_config("smoke"), {"decoder.activation": activation})
    fingerprint = source("digits").fingerprint
    run = runs.Run(workdir / run_id(config, fingerprint))
    run.create(resolved_json(config, fingerprint))
    run.append_metrics({"step": 9, "epoch": 1, "seconds": 0.5, "train/loss": 3.0, "valid/loss": 4.0})
    return run


def decoded(trained, code):
    """Returns the mean of p(x|z) at one code, HxWxC."""
    return jax.device_get(trained.model.apply(trained.variables, code[None], method="decode").mean)[0]
