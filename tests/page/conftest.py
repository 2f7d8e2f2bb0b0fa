import pytest

from tests.page.workdir import write


@pytest.fixture(scope="package")
def workdir(tmp_path_factory):
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="package")
def written(workdir):
    return write(workdir)
