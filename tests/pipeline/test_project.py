"""What DVC deletes with a temporary workspace, and what it does not."""

from pathlib import Path

import pytest

from pipeline.project import ProjectPaths, find_home

HOME = Path("/home/me/project")
WORKSPACE = HOME / ".dvc" / "tmp" / "exps" / "tmpabc"


@pytest.mark.parametrize("root", [WORKSPACE, WORKSPACE / "within" / "a" / "checkout"])
def test_a_workspace_of_dvc_belongs_to_the_project_it_lies_in(root):
    assert find_home(root) == HOME


@pytest.mark.parametrize("root", [HOME, HOME / ".dvc" / "tmp", WORKSPACE.parent, Path("/")])
def test_any_other_folder_is_a_project_of_its_own(root):
    assert find_home(root) == root


def test_only_what_dvc_takes_along_lies_in_its_workspace():
    paths = ProjectPaths(WORKSPACE)
    for path in (paths.dataset("x"), paths.results("x"), paths.reports("x"), paths.lock("x")):
        assert path.is_relative_to(WORKSPACE)
    for path in (paths.states("x"), paths.cache, paths.artifacts, paths.logs("x"), paths.heads):
        assert path.is_relative_to(HOME)
        assert not path.is_relative_to(WORKSPACE)
    assert paths.database == f"sqlite:///{HOME}/mlflow.db"
