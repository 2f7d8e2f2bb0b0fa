"""On a real cluster of two nodes, both on this machine."""

import os
import signal

import pytest

from configs import vae
from vae_jax.config import override
from vae_jax.errors import UsageError
from vae_jax.launch import quiet
from vae_jax.runs import all_runs
from vae_jax.sweeps import Place, executor, population
from vae_jax.sweeps.population import Population

ray = pytest.importorskip("ray", reason="needs the extra [ray]")
SMALL = {"latent_size": 2, "bottleneck_width": 4, "num_epochs": 400, "evaluation.iwae_samples": 2}
CONFIGS = [override(vae.get_config(), {**SMALL, "seed": seed}) for seed in range(6)]
POPULATIONS = [Population(tuple(CONFIGS[i : i + 2]), (2, 4), 2) for i in (0, 2, 4)]


def numbers(run):
    lines = [{n: v for n, v in line.items() if n != "seconds"} for line in run.metrics()]
    return run.result()["status"], run.result()["metrics"], lines


@pytest.fixture
def cluster(monkeypatch):
    """A head without processors, and two nodes with one each."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [found.add_node(num_cpus=1) for _ in range(2)]
    yield found, nodes
    found.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:os.fork")
def test_worker_and_then_a_node_are_killed_and_nothing_is_lost(tmp_path, cluster):
    alone = executor("local", tmp_path / "alone")
    undisturbed = {
        o.run.id: numbers(o.run) for o in alone.execute(POPULATIONS, Place(tmp_path / "alone"), quiet)
    }
    killed = []

    def kill(run, epoch, metrics):
        if not killed and epoch > 20:
            killed.append("worker")
            _, pid, _ = (run.path / ".lock").read_text().split()
            os.kill(int(pid), signal.SIGKILL)

    both, nodes = cluster
    using = executor(f"ray:{both.address}", tmp_path)
    assert using.slots == 2
    outcomes = []
    for outcome in using.execute(POPULATIONS, Place(tmp_path), kill):
        outcomes.append(outcome)
        if killed == ["worker"]:
            killed.append("node")
            both.remove_node(nodes[0], allow_graceful=False)
    using.close()
    assert killed == ["worker", "node"]
    assert {outcome.run.id: numbers(outcome.run) for outcome in outcomes} == undisturbed
    assert len(all_runs(tmp_path)) == len(CONFIGS)
    assert not list((tmp_path / population.FOLDER).iterdir())


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere.invalid:6379", "auto"])
def test_missing_cluster_is_one_line(tmp_path, address):
    with pytest.raises(UsageError, match=f"no Ray cluster at '{address}'"):
        executor(f"ray:{address}", tmp_path)
