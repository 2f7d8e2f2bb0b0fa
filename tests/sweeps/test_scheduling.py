import dataclasses

import jax
import pytest

from configs import ae, vae
from configs.common import sweep_bottleneck_width, sweep_latent_size, sweep_seed
from vae_jax import sweeps
from vae_jax.config import override
from vae_jax.identity import resolved_json
from vae_jax.launch import Outcome
from vae_jax.sweeps import cores, population, scheduling
from vae_jax.sweeps.speed import Speed

LONG = override(vae.get_config("mnist"), {"bottleneck_width": 500, "num_epochs": 20})


def plan(workdir, config, *named):
    return sweeps.plan(sweeps.expand(config, [list(sweep()) for sweep in named]), workdir)


def ids(found):
    return sorted(run_id for each in found.populations for run_id in each.run_ids())


@pytest.fixture(autouse=True)
def rate(monkeypatch):
    """What is guessed of runs before they are measured does not depend on the machine."""
    monkeypatch.setattr(scheduling.cost, "matrix_rate", lambda: 1e11)


def limit_memory(monkeypatch, room):
    """So many bytes are all that populations may have."""
    monkeypatch.setattr(scheduling, "MEMORY_SHARE", room / scheduling.cost.memory_limit())


@pytest.fixture
def speeds(monkeypatch):
    """Speeds as they are set here: (width, slots) -> seconds to compile, seconds of a run's step.

    Evaluation takes none, unless it is set.
    """
    table = {}

    def speeds(config, widths, slots):
        return {width: Speed(*table[width, slots], table.get("evaluation", 0.0)) for width in widths}

    monkeypatch.setattr(scheduling.speed, "speeds", speeds)
    monkeypatch.setattr(scheduling, "most", lambda: 2)
    return table


def uniform(speeds, compile_seconds, **steps):
    for width in scheduling.WIDTHS["gpu"]:  # those of a CPU among them
        for slots in (1, 2):
            step = steps.get(f"w{width}p{slots}", 1.0)
            speeds[width, slots] = compile_seconds, step


def test_every_run_to_do_is_in_one_population(tmp_path, speeds):
    uniform(speeds, 3.0, w1p1=1e-3)
    sizes = [{"latent_size": size, "bottleneck_width": width} for size in (2, 32) for width in (8, 64, 512)]
    planned = plan(tmp_path, LONG, lambda: sizes, sweep_seed)
    found = scheduling.schedule(planned, tmp_path)
    assert ids(found) == sorted(entry.run.id for entry in planned)


@pytest.mark.parametrize("best", ["w1p1", "w1p2", "w8p1", "w8p2", "w32p1"])
def test_the_cheapest_way_is_taken(tmp_path, speeds, best):
    uniform(speeds, 3.0, **{best: 1e-3})
    # An odd number: where it goes in halves without a rest, one population at a time is not looked at.
    planned = plan(tmp_path, LONG, lambda: ({"seed": seed} for seed in range(95)))
    found = scheduling.schedule(planned, tmp_path)
    width, slots = (int(part) for part in best[1:].split("p"))
    assert found.slots == slots
    assert {each.width for each in found.populations} == {width}
    assert len(found.populations) == slots
    setup = scheduling.MORE_PROGRAMS * 3.0
    steps = (95 if best == "w1p1" else 96) * 20 * (50_000 // 128)
    # Two at once: the measured step is of the wall, both of them busy.
    assert found.seconds == pytest.approx(setup + 1e-3 * steps)


def test_evaluation_is_part_of_the_estimate(tmp_path, speeds):
    uniform(speeds, 0.0, w1p1=1e-3)
    planned = plan(tmp_path, LONG, lambda: ({"seed": seed} for seed in range(4)))
    training = 4 * 20 * 390 * 1e-3
    speeds["evaluation"] = 5.0  # as it was seen
    found = scheduling.schedule(planned, tmp_path, slots=1)
    assert found.seconds == pytest.approx(training + 4 * 5.0)
    speeds["evaluation"] = None  # never seen: most of it are the samples of the bound
    few, many = (estimate(tmp_path, planned, samples) - training for samples in (1, 1000))
    assert 0 < few < many / 5


def estimate(workdir, planned, samples):
    configs = [override(entry.config, {"evaluation.iwae_samples": samples}) for entry in planned]
    return scheduling.schedule(sweeps.plan(configs, workdir), workdir, slots=1).seconds


def test_buckets_are_shared_out_whole_where_there_are_enough(tmp_path, speeds):
    uniform(speeds, 0.0, w1p2=1e-3)
    planned = plan(tmp_path, LONG, sweep_bottleneck_width, sweep_seed)
    found = scheduling.schedule(planned, tmp_path)
    sizes = [each.sizes[1] for each in found.populations]
    assert sizes[0] == 512  # the longest begin
    assert sorted(sizes) == [8, 16, 32, 64, 128, 256, 512]


def test_buckets_are_halved_until_all_end_together(tmp_path):
    planned = plan(tmp_path, LONG, lambda: [{"seed": seed} for seed in range(24)])
    buckets = [scheduling.Bucket(part, 1, 0.0, 1.0) for part in (planned[:15], planned[15:])]
    seconds, chosen, _ = scheduling._balanced(buckets, 2)
    assert sorted(len(bucket.runs) for bucket in chosen) == [4, 5, 7, 8]  # 8 + 4, 7 + 5
    assert seconds == 12 * planned[0].steps


def test_width_goes_into_the_runs_without_a_rest(tmp_path, speeds):
    uniform(speeds, 1e3, w8p1=1e-3)
    planned = plan(tmp_path, LONG, lambda: [{"seed": seed} for seed in range(20)])
    (one,) = scheduling.schedule(planned, tmp_path, slots=1).populations
    assert one.width == 7  # three times, not 8 + 8 + 4


def test_only_the_longest_group_is_measured_and_others_by_its_speed(tmp_path, speeds, monkeypatch):
    asked, real = [], scheduling.speed.speeds

    def note(config, widths, slots):
        asked.append(config.posterior)
        return real(config, widths, slots)

    monkeypatch.setattr(scheduling.speed, "speeds", note)
    uniform(speeds, 0.0, w1p1=1e-3)
    short = override(ae.get_config("mnist"), {"num_epochs": 1, "bottleneck_width": 500})
    planned = sweeps.plan([LONG, override(LONG, {"seed": 1}), short], tmp_path)
    found = scheduling.schedule(planned, tmp_path, slots=1)
    assert set(asked) == {"gaussian"}
    flops = [planned[0].cost.flops_per_image, planned[2].cost.flops_per_image]
    per_step = 1e-4 + (1e-3 - 1e-4) * flops[1] / flops[0]
    assert found.seconds == pytest.approx(1e-3 * 2 * 20 * 390 + per_step * 390)


def test_padding_is_chosen_where_compiling_costs_more(tmp_path, speeds):
    uniform(speeds, 1e9, w1p1=1e-3)
    planned = plan(tmp_path, LONG, sweep_latent_size, sweep_seed)
    (one,) = scheduling.schedule(planned, tmp_path, slots=1).populations
    assert one.sizes == (32, 500)


def test_padding_is_avoided_where_it_wastes_more(tmp_path, speeds):
    uniform(speeds, 0.0, w1p1=1e-3)
    planned = plan(tmp_path, LONG, sweep_bottleneck_width, sweep_seed)
    found = scheduling.schedule(planned, tmp_path, slots=1)
    widths = [override(LONG, part).bottleneck_width for part in sweep_bottleneck_width()]
    assert sorted(each.sizes[1] for each in found.populations) == widths
    assert found.programs == len(widths)


def test_in_between_only_the_small_ones_are_padded(tmp_path, speeds):
    steps = 5 * 20 * (50_000 // 128)
    uniform(speeds, 0.1 * steps * 1e-3, w1p1=1e-3)  # as much as a tenth of five whole runs
    planned = plan(tmp_path, LONG, sweep_bottleneck_width, sweep_seed)
    found = scheduling.schedule(planned, tmp_path, slots=1)
    sizes = sorted(each.sizes[1] for each in found.populations)
    assert sizes[-2:] == [256, 512]
    assert 3 <= len(sizes) < 7


def test_runs_of_other_programs_are_apart(tmp_path, speeds):
    uniform(speeds, 3.0, w1p1=1e-3)
    configs = [LONG, override(LONG, {"batch_size": 64}), override(ae.get_config("mnist"), {"num_epochs": 40})]
    found = scheduling.schedule(sweeps.plan(configs, tmp_path), tmp_path, slots=1)
    assert len(found.populations) == 3


def test_short_sweep_is_not_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(scheduling.speed, "speeds", None)
    monkeypatch.setattr(scheduling, "threads", lambda: 2)
    planned = plan(tmp_path, vae.get_config("smoke"), sweep_latent_size, sweep_seed)
    found = scheduling.schedule(planned, tmp_path)
    assert not found.measured
    assert 1 < found.seconds < 60
    assert found.slots == 2
    assert [(len(each.configs), each.width) for each in found.populations] == [(13, 13), (12, 12)]


def test_alone_is_one_run_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(scheduling.speed, "speeds", None)
    planned = plan(tmp_path, LONG, sweep_latent_size, sweep_seed)
    found = scheduling.schedule(planned, tmp_path, slots=1, alone=True)
    assert found.slots == 1
    assert [(each.width, len(each.configs)) for each in found.populations] == [(1, 5)] * 5
    assert sorted(each.sizes[0] for each in found.populations) == [
        part["latent_size"] for part in sweep_latent_size()
    ]


def test_alone_in_several_threads_shares_the_runs_out(tmp_path, monkeypatch):
    monkeypatch.setattr(scheduling, "threads", lambda: 2)
    planned = plan(
        tmp_path,
        override(vae.get_config(), {"num_epochs": 200}),
        lambda: ({"seed": seed} for seed in range(9)),
    )
    found = scheduling.schedule(planned, tmp_path, alone=True)
    assert found.slots == 2
    assert [(each.width, len(each.configs)) for each in found.populations] == [(1, 5), (1, 4)]


def test_alone_keeps_only_populations_of_runs_alone(tmp_path):
    config = vae.get_config("smoke")
    planned = plan(tmp_path, config, sweep_seed)
    configs = tuple(entry.config for entry in planned)
    wide, filled, alone = (
        population.Population(some, sizes, width)
        for some, sizes, width in [
            (configs[:2], (8, 256), 2),
            (configs[2:3], (9, 256), 1),
            (configs[3:], (8, 256), 1),
        ]
    )
    for each in (wide, filled, alone):
        each.write(tmp_path)
    found = scheduling.schedule(planned, tmp_path, alone=True)
    assert found.populations[0].id == alone.id
    assert not {wide.id, filled.id} & {each.id for each in found.populations}
    assert ids(found) == sorted(entry.run.id for entry in planned)


def test_populations_that_were_left_stay_and_only_the_rest_is_planned(tmp_path):
    config = vae.get_config("smoke")
    planned = plan(tmp_path, config, sweep_latent_size, sweep_seed)
    left = population.Population(tuple(entry.config for entry in planned[:4]), (4, 256), 2)
    left.write(tmp_path)
    elsewhere = population.Population((override(config, {"seed": 99}),), (8, 256), 1)
    elsewhere.write(tmp_path)
    found = scheduling.schedule(planned, tmp_path)
    assert found.populations[0].id == left.id
    assert not found.measured  # nobody knows how far that population is
    assert ids(found) == sorted(entry.run.id for entry in planned)


def test_run_that_two_left_populations_have_is_trained_by_one_of_them(tmp_path):
    config = vae.get_config("smoke")
    planned = plan(tmp_path, config, sweep_seed)
    for some in (planned[:4], planned[2:]):
        population.Population(tuple(entry.config for entry in some), (8, 256), 2).write(tmp_path)
    found = scheduling.schedule(planned, tmp_path)
    assert ids(found) == sorted(entry.run.id for entry in planned)


def test_as_many_left_populations_train_at_once_as_memory_holds(tmp_path, monkeypatch):
    config = vae.get_config("smoke")
    planned = plan(tmp_path, config, sweep_seed)
    for entry in planned:
        population.Population((entry.config,), (8, 256), 1).write(tmp_path)
    monkeypatch.setattr(scheduling, "most", lambda: 4)
    assert scheduling.schedule(planned, tmp_path).slots == 4
    one = scheduling.memory(config, (8, 256), 1)
    limit_memory(monkeypatch, 2.5 * one)
    assert scheduling.schedule(planned, tmp_path).slots == 2
    limit_memory(monkeypatch, one / 2)
    assert scheduling.schedule(planned, tmp_path).slots == 1
    assert scheduling.schedule(planned, tmp_path, slots=3).slots == 3


def test_short_sweep_of_large_models_is_no_wider_than_memory_holds(tmp_path, monkeypatch):
    config = vae.get_config("smoke")
    limit_memory(monkeypatch, 10 * scheduling.memory(config, (8, 256), 1))
    monkeypatch.setattr(scheduling, "threads", lambda: 1)
    planned = plan(tmp_path, config, lambda: ({"seed": seed} for seed in range(30)))
    found = scheduling.schedule(planned, tmp_path)
    assert not found.measured
    assert 1 < found.seconds < 60
    assert {each.width for each in found.populations} == {8}


def test_finished_runs_are_in_no_population(tmp_path):
    planned = plan(tmp_path, vae.get_config("smoke"), sweep_seed)
    text = resolved_json(planned[0].config)
    planned[0].run.create(text)
    planned[0].run.finish({"status": "completed"})
    found = scheduling.schedule(plan(tmp_path, vae.get_config("smoke"), sweep_seed), tmp_path)
    assert ids(found) == sorted(entry.run.id for entry in planned[1:])


def test_runs_that_begin_anew_are_counted(tmp_path, capsys):
    config = vae.get_config("smoke")
    whole = plan(tmp_path, config, sweep_seed)
    part = whole[:2]
    scheduling.settle(whole, tmp_path)
    for entry in part[:1] + whole[2:3]:
        entry.run.create("")
        entry.run.append_metrics({"epoch": 1})
    scheduling.settle(whole, tmp_path)
    assert capsys.readouterr().err == ""
    scheduling.settle(part, tmp_path)
    assert capsys.readouterr().err.startswith("1 of these runs were begun together with others: ")
    with part[0].run.lock():  # nor does one that is being trained: it is waited for
        scheduling.settle(part, tmp_path)
    assert capsys.readouterr().err == ""
    scheduling.settle(whole, tmp_path)
    assert capsys.readouterr().err == ""


def test_width_is_bounded_by_memory(tmp_path, speeds, monkeypatch):
    uniform(speeds, 3.0, w32p1=1e-6, w8p1=1e-5, w1p1=1e-4)
    planned = plan(tmp_path, LONG, lambda: ({"seed": seed} for seed in range(64)))
    one = scheduling.memory(LONG, (8, 500), 1)
    monkeypatch.setattr(scheduling.cost, "memory_limit", lambda: 10 * one)
    found = scheduling.schedule(planned, tmp_path, slots=1)
    assert {each.width for each in found.populations} == {8}
    assert found.memory == 8 * one


@pytest.mark.parametrize(("slots", "room", "width"), [(1, 80, 64), (2, 80, 32), (1, 40, 32)])
def test_gpu_takes_wider_populations_that_share_its_memory(tmp_path, speeds, monkeypatch, slots, room, width):
    for module in (scheduling, cores):
        monkeypatch.setattr(module, "gpus", lambda: 1)
    uniform(speeds, 3.0, **{f"w{w}p{p}": 1 / w for w in scheduling.WIDTHS["gpu"] for p in (1, 2)})
    limit_memory(monkeypatch, room * scheduling.memory(LONG, (8, 500), 1))
    planned = plan(tmp_path, LONG, lambda: ({"seed": seed} for seed in range(128)))
    found = scheduling.schedule(planned, tmp_path, slots=slots)
    assert {population.width for population in found.populations} == {width}


def test_nothing_to_do_is_no_population(tmp_path):
    assert scheduling.schedule([], tmp_path).populations == ()


def test_speed_that_was_seen_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("VAE_JAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(scheduling.speed, "most", lambda: 2)
    smoke = vae.get_config("smoke")
    planned = plan(tmp_path, smoke, sweep_seed)
    found = scheduling.schedule(planned, tmp_path, slots=2)
    result = {"epoch_seconds": 0.9, "evaluation_seconds": 0.4, "device": jax.local_devices()[0].device_kind}
    outcomes = [Outcome(entry.run, "completed", result) for entry in planned]
    scheduling.learn(found, outcomes)
    assert not (tmp_path / "cache").exists()  # nothing was measured: nothing to mend
    elsewhere = [dataclasses.replace(outcome, result=result | {"device": "another"}) for outcome in outcomes]
    config, width = scheduling.at_sizes(smoke, (8, 256)), 8  # measured; the population is a bit narrower
    assert found.populations[0].width < width
    scheduling.speed._keep(config, 2, {width: Speed(3.0, 1.0)})
    scheduling.learn(found, outcomes[:1])  # too few to tell
    assert scheduling.speed.speeds(config, [width], 2) == {width: Speed(3.0, 1.0)}
    scheduling.learn(found, elsewhere)
    assert scheduling.speed.speeds(config, [width], 2) == {width: Speed(3.0, 1.0)}
    scheduling.learn(found, outcomes)
    # 9 steps an epoch, two at once
    assert scheduling.speed.speeds(config, [width], 2) == {width: Speed(3.0, pytest.approx(0.05), 0.4)}
