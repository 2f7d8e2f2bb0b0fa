import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ml_collections import ConfigDict

from configs import ae, vae
from vae_jax.config import differing, flatten, override, parse, resolved_json, run_id
from vae_jax.errors import UsageError

CONFIG = vae.get_config()
FIELDS = flatten(CONFIG)
few = settings(max_examples=25, deadline=None)

VALUES = {
    int: st.integers(-(2**40), 2**40),
    float: st.floats(-1e6, 1e6),
    str: st.text(),
    tuple: st.lists(st.integers(1, 2048), max_size=4).map(tuple),
}


def values_like(value):
    return VALUES[type(value)]


def changes():
    """Any values of the right types for any of the fields."""
    return st.fixed_dictionaries({}, optional={name: values_like(FIELDS[name]) for name in FIELDS})


def test_flatten_names_leaves_by_dots():
    nested = ConfigDict({"a": 1, "b": {"c": (2, 3), "d": {"e": "x"}}})
    assert flatten(nested) == {"a": 1, "b.c": (2, 3), "b.d.e": "x"}


def test_differing_names_the_fields_that_are_not_the_same_but_for_the_seed():
    others = [{"beta": 2.0, "seed": 1}, {"encoder.hidden_sizes": (9,), "seed": 2}, {}]
    configs = [flatten(override(CONFIG, changes)) for changes in others]
    assert differing(configs) == ["beta", "encoder.hidden_sizes"]
    assert differing(configs[:1] * 2) == []


def test_differing_sees_a_field_that_only_one_config_has():
    assert differing([{"a": 1, "b": 1}, {"a": 1}]) == ["b"]


@given(changes())
@few
def test_override_changes_those_fields_and_no_other(changes):
    before = CONFIG.to_json()
    assert flatten(override(CONFIG, changes)) == FIELDS | changes
    assert CONFIG.to_json() == before


@given(changes())
@few
def test_flatten_then_override_gives_the_config_back(changes):
    config = override(CONFIG, changes)
    assert override(CONFIG, flatten(config)) == config


@given(
    st.sampled_from(sorted(FIELDS)).flatmap(lambda name: st.tuples(st.just(name), values_like(FIELDS[name])))
)
@few
def test_what_python_prints_is_read_back(field):
    name, value = field
    assert parse(name, str(value), CONFIG) == value


@given(st.sampled_from(sorted(FIELDS)), st.text(max_size=20))
@example("seed", "{{}}")
@example("seed", "[" * 400)
@example("learning_rate", "9" * 400)
@example("learning_rate", "nan")
@example("encoder.hidden_sizes", "64,'a'")
@few
def test_any_text_is_read_or_refused_by_a_line_that_names_the_key(name, text):
    message = ""
    try:
        override(CONFIG, {name: parse(name, text, CONFIG)})
    except UsageError as error:
        message = str(error)
    assert not message or name in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("seed", "3", 3),
        ("learning_rate", "3e-4", 3e-4),
        ("learning_rate", "1", 1.0),
        ("encoder.net", "1", "1"),
        ("encoder.hidden_sizes", "()", ()),
        ("encoder.hidden_sizes", "64", (64,)),
        ("encoder.hidden_sizes", "64,32", (64, 32)),
        ("encoder.hidden_sizes", "[64, 32]", (64, 32)),
    ],
)
def test_command_line_text_becomes_the_fields_type(name, text, value):
    changed = flatten(override(CONFIG, {name: parse(name, text, CONFIG)}))[name]
    assert (changed, type(changed)) == (value, type(FIELDS[name]))


@pytest.mark.parametrize(
    ("name", "value", "needs"),
    [
        ("seed", 1.0, "a whole number, not 1.0"),
        ("seed", True, "a whole number, not True"),
        ("seed", "one", "a whole number, not 'one'"),
        ("seed", None, "a whole number, not None"),
        ("learning_rate", "fast", "a number, not 'fast'"),
        ("learning_rate", True, "a number, not True"),
        ("encoder.net", 3, "text, not 3"),
        ("encoder.hidden_sizes", "wide", "a tuple of int, not "),
        ("encoder.hidden_sizes", (64, 1.5), "a tuple of int, not "),
        ("encoder.hidden_sizes", (True,), "a tuple of int, not "),
    ],
)
def test_wrong_type_is_refused(name, value, needs):
    with pytest.raises(UsageError) as caught:
        override(CONFIG, {name: value})
    assert f"config key '{name}' needs {needs}" in str(caught.value)


# 1e40 is a number to Python, but infinite in float32, in which everything is computed.
@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), 1e40, pytest.param(10**400, id="10**400")]
)
def test_number_that_is_not_finite_is_refused(value):
    with pytest.raises(UsageError, match="config key 'beta' must be a finite number"):
        override(CONFIG, {"beta": value})


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("latent_sise", "latent_size"),
        ("optimiser.name", "optimizer.name"),
        ("iwae_samples", "evaluation.iwae_samples"),
        ("model.sigma", "sigma"),
        ("encoder.hidden_size", "encoder.hidden_sizes"),
    ],
)
def test_unknown_key_is_refused_and_the_nearest_named(name, nearest):
    with pytest.raises(UsageError, match=f"unknown config key '{name}'; did you mean '{nearest}'"):
        override(CONFIG, {name: 1})


def test_unknown_key_like_no_other_lists_them_all():
    with pytest.raises(UsageError) as caught:
        override(CONFIG, {"zzz": 1})
    assert all(name in str(caught.value) for name in FIELDS)


def test_group_is_no_field():
    with pytest.raises(UsageError, match=r"'evaluation'.*group.*evaluation\.iwae_samples"):
        override(CONFIG, {"evaluation": 1})


def other(value):
    """Another value of the same type."""
    if isinstance(value, str):
        return value + "x"
    return (*value, 7) if isinstance(value, tuple) else value + 1


@pytest.mark.parametrize("config", [CONFIG, ae.get_config("linear")])
def test_run_id_depends_on_every_field_and_on_the_data(config):
    ids = [run_id(override(config, {name: other(value)}), "data") for name, value in flatten(config).items()]
    ids += [run_id(config, "data"), run_id(config, "other data")]
    assert len(set(ids)) == len(ids)
    assert all(len(id_) == 12 and int(id_, 16) >= 0 for id_ in ids)


def shuffled(value, seed):
    if not isinstance(value, dict):
        return value
    names = random.Random(seed).sample(list(value), len(value))
    return {name: shuffled(value[name], seed) for name in names}


@given(st.integers(0, 1000))
@few
def test_run_id_does_not_depend_on_the_order_of_keys(seed):
    assert run_id(ConfigDict(shuffled(CONFIG.to_dict(), seed)), "data") == run_id(CONFIG, "data")


def test_resolved_json_holds_every_field_and_the_fingerprint():
    text = resolved_json(CONFIG, "abc")
    assert '"data_fingerprint": "abc"' in text
    assert all(f'"{name.split(".")[-1]}":' in text for name in FIELDS)
