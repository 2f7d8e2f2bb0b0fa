import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs import ae, vae
from vae_jax.config import flatten
from vae_jax.errors import UsageError
from vae_jax.sweeps import expand

few = settings(max_examples=25, deadline=None)
CONFIG = vae.get_config()
SEEDS = [{"seed": seed} for seed in range(3)]
SIZES = [{"latent_size": size} for size in (2, 4)]


def test_last_sweep_varies_fastest():
    configs = expand(CONFIG, [SIZES, SEEDS])
    assert [(config.latent_size, config.seed) for config in configs] == [
        *[(2, 0), (2, 1), (2, 2)],
        *[(4, 0), (4, 1), (4, 2)],
    ]


@given(lengths=st.lists(st.integers(1, 4), max_size=3))
@few
def test_product_has_every_combination_once(lengths):
    names = ["seed", "latent_size", "batch_size"]
    sweeps = [
        [{name: value + 1} for value in range(count)] for name, count in zip(names, lengths, strict=False)
    ]
    configs = expand(CONFIG, sweeps)
    swept = names[: len(lengths)]
    found = {tuple(config[name] for name in swept) for config in configs}
    assert len(configs) == len(found)
    expected = 1
    for count in lengths:
        expected *= count
    assert len(configs) == expected


def test_everything_else_stays():
    for config in expand(CONFIG, [SIZES]):
        changed = {name for name, value in flatten(config).items() if value != flatten(CONFIG)[name]}
        assert changed == {"latent_size"}


def test_config_itself_is_not_changed():
    before = flatten(CONFIG)
    expand(CONFIG, [SIZES, SEEDS])
    assert flatten(CONFIG) == before


def test_overrides_of_one_run_may_be_several_and_nested():
    pairs = [
        {"learning_rate": 0.1, "optimizer.name": "sgd"},
        {"learning_rate": 1e-3, "optimizer.name": "adam"},
    ]
    found = [(config.learning_rate, config.optimizer.name) for config in expand(CONFIG, [pairs])]
    assert found == [(0.1, "sgd"), (1e-3, "adam")]


def test_no_sweep_is_the_config_alone():
    assert expand(CONFIG, []) == [CONFIG]


def test_sweep_may_be_a_generator():
    assert len(expand(CONFIG, [iter(SIZES), (seed for seed in SEEDS)])) == 6


def test_sweeps_of_the_same_field_are_refused():
    with pytest.raises(UsageError, match="two of the sweeps set the same config key 'seed'"):
        expand(CONFIG, [SEEDS, SIZES, [{"beta": 2.0, "seed": 3}]])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"latent": 2}, "unknown config key 'latent'"),
        ({"latent_size": "2"}, "'latent_size' needs a whole number"),
    ],
)
def test_override_that_does_not_fit_is_refused(overrides, message):
    with pytest.raises(UsageError, match=message):
        expand(CONFIG, [[overrides]])


@pytest.mark.parametrize("module", [ae, vae])
def test_named_sweeps_fit_the_config_they_stand_beside(module):
    sweeps = {name: sweep for name, sweep in vars(module).items() if name.startswith("sweep_")}
    assert {
        "sweep_latent_size",
        "sweep_bottleneck_width",
        "sweep_seed",
        "sweep_learning_rate",
    } <= sweeps.keys()
    for sweep in sweeps.values():
        configs = expand(module.get_config(), [sweep()])
        assert len({str(config) for config in configs}) == len(configs) > 1
