import json

import jax
import pytest

from configs import ae
from vae_jax.config import override
from vae_jax.sweeps import cores, speed

CONFIG = override(ae.get_config("linear"), {"latent_size": 2})  # the least to compile


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(speed, "most", lambda: 2)
    monkeypatch.setattr(speed, "threads", lambda: 2)
    monkeypatch.setenv("VAE_JAX_CACHE", str(tmp_path))
    monkeypatch.setattr(speed, "TRIAL_SECONDS", 0.01)
    return tmp_path


@pytest.mark.parametrize("slots", [1, 2])
def test_speed_is_measured_once(own_cache, monkeypatch, slots):
    config = override(CONFIG, {"latent_size": 2 + slots})  # whose program is not compiled yet
    found = speed.speeds(config, [2], slots)
    assert found.keys() == {2}
    assert found[2].compile_seconds > 0
    assert 0 < found[2].run_step_seconds < 1
    monkeypatch.setattr(speed, "trial", None)
    monkeypatch.setattr(speed, "_trials", None)
    same_program = override(config, {"seed": 4, "learning_rate": 0.1, "num_epochs": 7, "stop_epoch": 3})
    assert speed.speeds(same_program, [2], slots) == found


def steps(monkeypatch, **seconds):
    """Trials give these seconds of a step; returns the widths that are tried."""
    tried = []

    def trial(config, width, wait):
        tried.append(width)
        return speed.Speed(1.0, seconds[f"w{width}"])

    monkeypatch.setattr(speed, "trial", trial)
    return tried


def test_wider_ones_are_not_tried_once_width_does_not_pay(own_cache, monkeypatch):
    tried = steps(monkeypatch, w1=1.0, w8=0.99)
    for _ in range(2):
        assert speed.speeds(CONFIG, [1, 8, 32], 1).keys() == {1, 8}
        assert tried == [1, 8]


def test_wider_ones_are_tried_when_they_are_asked_for(own_cache, monkeypatch):
    tried = steps(monkeypatch, w1=1.0, w8=0.5, w32=0.25)
    assert speed.speeds(CONFIG, [1, 8], 1).keys() == {1, 8}
    assert [found.run_step_seconds for found in speed.speeds(CONFIG, [1, 8, 32], 1).values()] == [
        1,
        0.5,
        0.25,
    ]
    assert tried == [1, 8, 1, 8, 32]


def test_several_at_once_try_several_widths_together(own_cache, monkeypatch):
    rounds = []

    def together(config, widths):
        rounds.append(widths)
        return [speed.Speed(10.0 * width, 1.0 / width) for width in widths]

    monkeypatch.setattr(speed, "_together", together)
    found = speed.speeds(CONFIG, [1, 8, 32], 2)
    assert rounds == [[1, 8], [32, 32]]
    assert found[8] == speed.Speed(80.0, 1 / 8 / 2)  # two of them have half a step each in that time


def test_several_at_once_are_as_fast_as_the_slowest(own_cache, monkeypatch):
    told = [speed.Speed(2.0, 0.5), speed.Speed(1.0, 0.75)]
    monkeypatch.setattr(speed, "_together", lambda config, widths: told)
    assert speed.speeds(CONFIG, [1], 2) == {1: speed.Speed(2.0, 0.375)}


def test_error_in_one_trial_ends_them_all(own_cache, monkeypatch):
    def trial(config, width, wait):
        if width == 8:
            raise ValueError("broken")
        wait()

    monkeypatch.setattr(speed, "trial", trial)
    with pytest.raises(ValueError, match="broken"):
        speed.speeds(CONFIG, [1, 8], 2)


@pytest.mark.parametrize("error", [MemoryError(), jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: 9 GB")])
@pytest.mark.parametrize("slots", [1, 2])
def test_width_that_memory_does_not_hold_is_left_out(own_cache, monkeypatch, error, slots):
    def trial(config, width, wait):
        if width > 1:
            raise error
        wait()
        return speed.Speed(1.0, 0.5)

    monkeypatch.setattr(speed, "most", lambda: slots)
    monkeypatch.setattr(speed, "trial", trial)
    assert speed.speeds(CONFIG, [1, 8, 32], slots).keys() == {1}


def test_run_that_memory_does_not_hold_is_an_error(own_cache, monkeypatch):
    def trial(config, width, wait):
        raise MemoryError("too large")

    monkeypatch.setattr(speed, "trial", trial)
    with pytest.raises(MemoryError, match="too large"):
        speed.speeds(CONFIG, [1, 8], 1)


def test_damaged_measurement_is_made_anew(own_cache):
    found = speed.speeds(CONFIG, [1], 1)
    (path,) = (own_cache / "speeds").iterdir()
    path.write_text('{"1": {"compile_seconds": 1')
    again = speed.speeds(CONFIG, [1], 1)
    assert json.loads(path.read_text())["1"]["run_step_seconds"] == again[1].run_step_seconds
    assert again != found


def test_another_program_is_measured_on_its_own(own_cache, monkeypatch):
    tried = steps(monkeypatch, w1=1.0)
    for config in (CONFIG, override(CONFIG, {"latent_size": 3})):
        speed.speeds(config, [1], 1)
    assert tried == [1, 1]
    assert len(list((own_cache / "speeds").iterdir())) == 2


def test_cores_are_shared_out_evenly(monkeypatch):
    monkeypatch.setattr(cores, "cores", lambda: [0, 1, 2, 5])
    assert cores.shares(1) == [[0, 1, 2, 5]]
    assert cores.shares(2) == [[0, 2], [1, 5]]
    assert cores.shares(4) == [[0], [1], [2], [5]]
    assert [len(own) for own in cores.shares(6)] == [1] * 6
    assert cores.from_text(cores.as_text([0, 12])) == [0, 12]


@pytest.mark.parametrize(
    ("seen", "count", "names"), [(None, 2, "010"), ("2,3", 2, "232"), ("7", 1, "777"), (None, 0, "---")]
)
def test_processes_take_turns_on_the_gpus_that_may_be_seen(monkeypatch, seen, count, names):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if seen:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", seen)
    monkeypatch.setattr(cores, "gpus", lambda: count)
    found = [environment.get("CUDA_VISIBLE_DEVICES", "-") for environment in cores.environments(3)]
    assert "".join(found) == names


def test_program_that_was_compiled_before_is_not_taken_to_compile_in_no_time(own_cache, monkeypatch):
    monkeypatch.setattr(speed, "trial", lambda config, width, wait: speed.Speed(0.01, 1.0))
    assert speed.speeds(CONFIG, [1], 1)[1].compile_seconds == speed.COMPILE_SECONDS
    monkeypatch.setattr(speed, "trial", lambda config, width, wait: speed.Speed(7.0, 1.0))
    assert speed.speeds(CONFIG, [1], 2)[1].compile_seconds == 7.0
    assert speed.speeds(CONFIG, [1], 1)[1].compile_seconds == 7.0  # of the same program
