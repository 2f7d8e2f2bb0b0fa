import pytest

from vae_jax.errors import UsageError, lookup, suggestion


def test_suggestion_names_the_nearest_choice():
    assert suggestion("elbow", ["elbo", "mse"]) == "; did you mean 'elbo'?"


def test_no_suggestion_where_nothing_is_near():
    assert suggestion("xyz", ["elbo", "mse"]) == ""


def test_lookup_returns_the_value():
    assert lookup("net", "mlp", {"mlp": 1, "conv": 2}) == 1


def test_lookup_lists_every_name_and_the_nearest():
    with pytest.raises(UsageError, match=r"unknown net 'mpl': choose from conv, mlp; did you mean 'mlp'\?"):
        lookup("net", "mpl", {"mlp": 1, "conv": 2})


def test_lookup_in_an_empty_table():
    with pytest.raises(UsageError, match="choose from none"):
        lookup("sweep", "seed", {})


def test_lookup_of_a_name_with_a_line_break_stays_on_one_line():
    with pytest.raises(UsageError) as caught:
        lookup("net", "ml\np", {"mlp": 1})
    assert "\n" not in str(caught.value)
