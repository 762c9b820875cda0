import subprocess

from pipeline.job import describe_code


def git(root, *words):
    names = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *names, *words], cwd=root, check=True, capture_output=True)


def test_code_is_a_commit_and_parameters_that_differ_from_it(tmp_path):
    assert describe_code(tmp_path)["changes"] == ""  # no git here
    (tmp_path / "params.yaml").write_text("pretrain:\n  seed: 1\n  loop: {batch: 8}\n")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    clean = describe_code(tmp_path)
    assert (clean["git.dirty"], clean["changes"], len(clean["git.commit"])) == ("false", "", 40)
    (tmp_path / "params.yaml").write_text("pretrain:\n  seed: 2\n  loop: {batch: 8}\n")
    changed = describe_code(tmp_path)
    assert (changed["git.dirty"], changed["changes"]) == ("true", "pretrain.seed=2")
