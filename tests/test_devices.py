import json
import os

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType

from configs import ae
from experiments import train
from tests.experiments.commands import LINEAR, VAE, assert_same_to_rounding, only_run, python
from vae_jax import build, devices, pool
from vae_jax.config import override
from vae_jax.errors import UsageError
from vae_jax.train import init_state, train_epoch

# Several trainings in one process, because a process has the devices that it began with.
MANY = """
import json
import sys
from experiments import train
from vae_jax.errors import UsageError

for arguments in json.loads(sys.argv[1]):
    try:
        train.main(arguments)
    except UsageError as error:
        print(f"refused: {error}", file=sys.stderr)
"""
SMALL = [f"--config={VAE}", "--config.bottleneck_width=8", "--config.latent_size=2"]
UNEVEN = [f"--config={LINEAR}", "--config.batch_size=126", "--config.num_epochs=3"]  # 126 = 4 * 31 + 2


def test_run_on_four_devices_is_the_run_on_one_to_rounding(tmp_path, monkeypatch):
    one, four = (tmp_path / name for name in ("one", "four"))
    even, uneven = (SMALL, one / "even", four / "even"), (UNEVEN, one / "uneven", four / "uneven")
    for flags, alone, _ in (even, uneven):
        assert train.main([*flags, f"--workdir={alone}"]) == 0
    begin(UNEVEN, four / "uneven", monkeypatch)
    refused = [[*SMALL, f"--workdir={four}", "--devices=5"], [*SMALL, f"--workdir={four}", "--devices=0"]]
    refused += [[*SMALL, f"--workdir={four}", "--config.batch_size=3", "--devices=4"]]
    lists = [[*flags, f"--workdir={split}", "--devices=4"] for flags, _, split in (even, uneven)]
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    done = python("-c", MANY, json.dumps(lists + refused), env=os.environ | flags)
    assert done.stderr.splitlines() == [
        "refused: cannot train on 5 devices: there are 4 (cpu)",
        "refused: cannot train on 0 devices: there are 4 (cpu)",
        "refused: cannot split a batch over 4 devices: batch_size is 3",
    ]
    for _, alone, split in (even, uneven):
        assert_same_to_rounding(only_run(split), only_run(alone))
        assert [only_run(each).result()["devices"] for each in (alone, split)] == [1, 4]
    assert sorted(path.name for path in four.iterdir()) == ["even", "uneven"]


def begin(flags, workdir, monkeypatch):
    """Trains on one device until the second epoch, with a checkpoint of the first."""
    monkeypatch.setattr(pool, "CHECKPOINT_SECONDS", 0.0)
    advance, epochs = devices.advance, iter(range(1))

    def interrupted(*arguments):
        if next(epochs, None) is None:
            raise KeyboardInterrupt
        return advance(*arguments)

    monkeypatch.setattr(devices, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train.main([*flags, f"--workdir={workdir}"])
    assert [path.name for path in only_run(workdir).checkpoints.iterdir()] == ["000001.npz"]


def test_program_for_one_device_knows_nothing_of_a_mesh():
    task = build.task(override(ae.get_config("linear"), {"latent_size": 2, "batch_size": 5}))
    numbers, pixels = build.hyper(ae.get_config()), jnp.zeros((20, 8, 8, 1), jnp.uint8)
    state = init_state(task, jax.random.key(0), pixels)
    assert "sharding" not in train_epoch.lower(task, numbers, state, pixels).as_text()
    with jax.set_mesh(jax.make_mesh((1,), ("data",), axis_types=(AxisType.Auto,))):
        assert "sharding" in train_epoch.lower(task, numbers, state, pixels).as_text()


def test_one_device_needs_no_mesh():
    assert devices.mesh(1, 128) is None
    with pytest.raises(UsageError, match=f"there are {jax.device_count()} "):
        devices.mesh(jax.device_count() + 1, 128)
