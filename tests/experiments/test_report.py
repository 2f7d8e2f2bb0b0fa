import pytest

from experiments import report, reproduce
from tests.page.workdir import begun
from vae_jax.errors import UsageError


def test_writes_one_file_and_says_where_and_how_large(tmp_path, capsys):
    begun(tmp_path, "tanh")
    assert report.main([str(tmp_path)]) == 0
    path = tmp_path / "report.html"
    megabytes = path.stat().st_size / 1e6
    assert capsys.readouterr().out == f"wrote {path} ({megabytes:.1f} MB): open it in a browser\n"
    first = path.read_bytes()
    report.main([str(tmp_path)])
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["missing"], "no such directory"),
        (["."], "no run in"),
        ([".", "--explore=0123456789ab"], "no run in"),
        ([".", "--config.seed=1"], "unknown argument"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, arguments, told):
    folder = tmp_path / arguments[0]
    with pytest.raises(UsageError, match=told) as error:
        report.main([str(folder), *arguments[1:]])
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_every_study_has_a_question_of_one_paragraph():
    for name, question in report.questions(reproduce.STUDIES).items():
        assert question.strip(), name
        assert len(question) < 200
