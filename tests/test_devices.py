import json
import os

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType

from configs import ae
from experiments import train
from tests.experiments.commands import VAE, assert_same_to_rounding, only_run, python
from vae_jax import build, devices, pool
from vae_jax.config import override
from vae_jax.errors import UsageError
from vae_jax.train import init_state, train_epoch

# Several commands in one process, because a process has the devices that it began with.
MANY = """
import json
import sys
from experiments import train
from vae_jax.compilation import set_up
from vae_jax.errors import UsageError

set_up()
for arguments in json.loads(sys.argv[1]):
    try:
        train.main(arguments)
    except UsageError as error:
        print(f"refused: {error}", file=sys.stderr)
"""
# Draws its images, its codes and its batches, of which some devices take 32 images and some 31.
FLAGS = [f"--config={VAE}", "--config.num_epochs=3", "--config.batch_size=126"]
REFUSED = {
    ("--devices=5",): "cannot train on 5 devices: there are 4 (cpu)",
    ("--devices=0",): "cannot train on 0 devices: there are 4 (cpu)",
    ("--devices=4", "--config.batch_size=3"): "cannot split a batch over 4 devices: batch_size is 3",
}


@pytest.mark.slow
def test_run_goes_on_with_four_devices_as_with_one_to_rounding(tmp_path, monkeypatch):
    one, four = tmp_path / "one", tmp_path / "four"
    assert train.main([*FLAGS, f"--workdir={one}"]) == 0
    begin(four, monkeypatch)
    lists = [[*FLAGS, f"--workdir={four}", "--devices=4"]]
    lists += [[*FLAGS, f"--workdir={tmp_path / 'none'}", *more] for more in REFUSED]
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    done = python("-c", MANY, json.dumps(lists), env=os.environ | flags)
    assert done.stderr.splitlines() == [f"refused: {message}" for message in REFUSED.values()]
    assert not (tmp_path / "none").exists()
    assert_same_to_rounding(only_run(four), only_run(one))
    assert [only_run(each).result()["devices"] for each in (one, four)] == [1, 4]


def begin(workdir, monkeypatch):
    """Trains on one device until the second epoch, with a checkpoint of the first."""
    monkeypatch.setattr(pool, "CHECKPOINT_SECONDS", 0.0)
    advance, epochs = devices.advance, iter(range(1))

    def interrupted(*arguments):
        if next(epochs, None) is None:
            raise KeyboardInterrupt
        return advance(*arguments)

    monkeypatch.setattr(devices, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train.main([*FLAGS, f"--workdir={workdir}"])
    assert [path.name for path in only_run(workdir).checkpoints.iterdir()] == ["000001.npz"]


def test_program_for_one_device_splits_nothing():
    config = override(ae.get_config("linear"), {"latent_size": 2, "batch_size": 5})
    task, pixels, split = build.task(config), jnp.zeros((20, 8, 8, 1), jnp.uint8), '{"data"}'
    state = init_state.eval_shape(task, jax.random.key(0), pixels)
    assert split not in train_epoch.lower(task, build.hyper(config), state, pixels).as_text()
    with jax.set_mesh(jax.make_mesh((1,), ("data",), axis_types=(AxisType.Auto,))):
        assert split in train_epoch.lower(task, build.hyper(config), state, pixels).as_text()


def test_one_device_needs_no_mesh():
    assert devices.mesh(1, 128) is None
    with pytest.raises(UsageError, match=f"there are {jax.device_count()} "):
        devices.mesh(jax.device_count() + 1, 128)
