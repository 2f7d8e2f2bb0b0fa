import json

import pytest

from configs import ae, vae
from vae_jax import compilation, launch, runs
from vae_jax.config import override
from vae_jax.errors import UsageError
from vae_jax.sweeps import population
from vae_jax.sweeps.population import Population

BASE = override(vae.get_config(), {"latent_size": 2, "bottleneck_width": 4, "encoder.hidden_sizes": (9, 8)})
CONFIGS = (BASE, override(BASE, {"seed": 1, "learning_rate": 0.1, "latent_size": 1}))
SOME = Population(CONFIGS, (2, 4), 2)


def test_population_is_read_back(tmp_path):
    found = population.read(SOME.write(tmp_path))
    assert [config.to_dict() for config in found.configs] == [config.to_dict() for config in CONFIGS]
    assert (found.sizes, found.width, found.id) == (SOME.sizes, SOME.width, SOME.id)
    assert found.task == SOME.task


def test_what_it_consists_of_makes_its_name():
    others = [
        Population(CONFIGS[:1], (2, 4), 2),
        Population(CONFIGS[::-1], (2, 4), 2),
        Population(CONFIGS, (3, 4), 2),
        Population(CONFIGS, (2, 5), 2),
        Population(CONFIGS, (2, 4), 1),
    ]
    assert len({SOME.id, *(other.id for other in others)}) == 6
    assert Population(CONFIGS, (2, 4), 2).id == SOME.id


def test_task_has_the_largest_sizes():
    assert SOME.task.model.encoder.output_size == 2 * 2
    assert SOME.task.model.encoder.bottleneck_width == 4


def test_runs_are_those_of_the_configs(tmp_path):
    from vae_jax.identity import run_of

    assert SOME.run_ids() == {run_of(config, tmp_path).id for config in CONFIGS}


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-3],
        lambda text: text.replace('"width": 2', '"width": 4'),
        lambda text: "",
        lambda text: json.dumps([1]),
    ],
)
def test_damaged_file_is_refused_by_name_and_skipped(tmp_path, damage):
    path = SOME.write(tmp_path)
    path.write_text(damage(path.read_text()))
    with pytest.raises(UsageError, match=f"'{path}' is damaged: delete it"):
        population.read(path)
    assert population.unfinished(tmp_path) == []
    path.unlink()
    with pytest.raises(UsageError, match=f"cannot read '{path}'"):
        population.read(path)


def test_file_that_is_there_is_written_again_only_if_it_is_damaged(tmp_path):
    path = SOME.write(tmp_path)
    before = path.stat()
    assert SOME.write(tmp_path) == path
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    path.write_text("{")
    SOME.write(tmp_path)
    assert population.read(path).id == SOME.id


def test_nothing_of_it_is_left_whenever_a_kill_came(tmp_path, monkeypatch):
    one, folder = SOME, tmp_path / population.FOLDER
    one.write(tmp_path)
    (folder / f".{one.id}.json.123.tmp").write_text("half")
    one.lock(tmp_path).touch()
    (one.folder(tmp_path) / "checkpoints").mkdir(parents=True)
    unlinked, unlink = [], type(folder).unlink

    def killed(path, missing_ok=False):
        unlink(path, missing_ok=missing_ok)
        unlinked.append(path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(folder), "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            one.remove(tmp_path)
    assert [left.id for left in population.unfinished(tmp_path)] == [
        one.id
    ]  # found by the next launch, and removed then
    one.remove(tmp_path)
    assert not list(folder.iterdir())


def test_unfinished_ones_are_found(tmp_path):
    assert population.unfinished(tmp_path) == []
    other = Population((ae.get_config("linear"),), (8, 0), 1)
    for each in (SOME, other):
        each.write(tmp_path)
    assert {found.id for found in population.unfinished(tmp_path)} == {SOME.id, other.id}


@pytest.mark.parametrize("when", ["training", "evaluation"])
def test_result_says_how_a_run_trained_whenever_a_kill_came(tmp_path, monkeypatch, when):
    short = Population(
        tuple(override(c, {"num_epochs": 1, "evaluation.iwae_samples": 1}) for c in CONFIGS), (2, 4), 2
    )

    def killed(*_):
        raise KeyboardInterrupt

    show = killed if when == "training" else launch.quiet
    with monkeypatch.context() as patch:
        patch.setattr(launch, "finish", killed if when == "evaluation" else launch.finish)
        with pytest.raises(KeyboardInterrupt):
            list(population.launch(short, tmp_path, None, show))
    list(population.launch(short, tmp_path, executor="processes"))
    for position, run in enumerate(short.runs(tmp_path).values()):
        sizes = {"latent_size": 2, "bottleneck_width": 4}
        way = {"population": short.id, "width": 2, "position": position, "sizes": sizes}
        assert run.result()["trained"] == way | {"executor": "processes"}


def test_launch_trains_all_its_runs_and_holds_it_meanwhile(tmp_path):
    short = Population(
        tuple(override(c, {"num_epochs": 1, "evaluation.iwae_samples": 1}) for c in CONFIGS), (2, 4), 2
    )
    outcomes = population.launch(short, tmp_path)
    next(outcomes)
    assert [found.id for found in population.unfinished(tmp_path)] == [short.id]
    assert short.is_held(tmp_path)
    assert len(list(outcomes)) == 1
    assert not short.is_held(tmp_path)
    assert {run.result()["status"] for run in runs.all_runs(tmp_path)} == {"completed"}
    short.remove(tmp_path)
    assert population.unfinished(tmp_path) == []
    assert not short.is_held(tmp_path)


def test_programs_of_earlier_populations_of_other_sizes_are_forgotten(tmp_path, monkeypatch):
    forgotten = []
    monkeypatch.setattr(compilation, "KEPT", 1)
    monkeypatch.setattr(compilation, "forget", lambda: forgotten.append(True))
    monkeypatch.setattr(population, "shapes", compilation.Shapes())
    monkeypatch.setattr(population, "launch_together", lambda *arguments: iter(()))
    for seed, sizes, count in [
        (0, (2, 4), 0),
        (1, (2, 4), 0),
        (2, (3, 4), 1),
        (3, (3, 4), 1),
        (4, (2, 4), 2),
    ]:
        of_size = Population((override(CONFIGS[0], {"seed": seed}),), sizes, 2)
        assert list(population.launch(of_size, tmp_path)) == []
        assert len(forgotten) == count
