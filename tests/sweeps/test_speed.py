import json

import pytest

from configs import ae
from vae_jax.config import override
from vae_jax.sweeps import cores, speed

CONFIG = override(ae.get_config("linear"), {"latent_size": 2})  # the least to compile


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("VAE_JAX_CACHE", str(tmp_path))
    monkeypatch.setattr(speed, "TRIAL_SECONDS", 0.01)
    return tmp_path


@pytest.mark.parametrize("processes", [1, 2])
def test_speed_is_measured_once(own_cache, monkeypatch, processes):
    found = speed.speed(CONFIG, 2, processes)
    assert found.compile_seconds > 0
    assert 0 < found.run_step_seconds < 1
    monkeypatch.setattr(speed, "trial", None)
    monkeypatch.setattr(speed, "_trials_at_once", None)
    same_program = override(CONFIG, {"seed": 4, "learning_rate": 0.1, "num_epochs": 7, "stop_epoch": 3})
    assert speed.speed(same_program, 2, processes) == found


def test_damaged_measurement_is_made_anew(own_cache):
    found = speed.speed(CONFIG, 1, 1)
    (path,) = (own_cache / "speeds").iterdir()
    path.write_text('{"compile_seconds": 1')
    again = speed.speed(CONFIG, 1, 1)
    assert json.loads(path.read_text())["run_step_seconds"] == again.run_step_seconds
    assert again != found


def test_another_program_is_measured_on_its_own(own_cache):
    for config, width in [(CONFIG, 1), (override(CONFIG, {"latent_size": 3}), 1), (CONFIG, 2)]:
        speed.speed(config, width, 1)
    assert len(list((own_cache / "speeds").iterdir())) == 3


def test_cores_are_shared_out_evenly(monkeypatch):
    monkeypatch.setattr(cores, "cores", lambda: [0, 1, 2, 5])
    assert cores.shares(1) == [[0, 1, 2, 5]]
    assert cores.shares(2) == [[0, 2], [1, 5]]
    assert cores.shares(4) == [[0], [1], [2], [5]]
    assert [len(own) for own in cores.shares(6)] == [1] * 6
    assert cores.from_text(cores.as_text([0, 12])) == [0, 12]
