import importlib
import inspect
import subprocess
import sys

import pytest

from tools.cli import COMMANDS, main, overview

FORMER = {
    **{f"stages.{name}": name for name in ("render", "export", "compare", "preset")},
    "mimic3d.networks.conversion": "convert",
    "mimic3d.data.poses.face_models": "face-models",
}
"""Former modules of commands."""


def test_all_commands_and_an_example_of_each_are_listed(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for name, command in COMMANDS.items():
        assert f"  {name} " in text
        assert f"mimic3d {name} {command.example}".rstrip() in text
    assert main([]) == 2
    assert overview() in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_named_module_runs_the_same_function(name):
    """`python -m module` and `mimic3d name` do not drift apart."""
    module = importlib.import_module(COMMANDS[name].module)
    if hasattr(module, "__path__"):  # a package; importing its __main__ would run it
        source = inspect.getsource(COMMANDS[name].main)
        imported = source.partition("from ")[2].split()[0]
        text = (inspect.getfile(module).removesuffix("__init__.py")) + "__main__.py"
        assert f"from {imported} import main" in open(text).read()
    else:
        assert module.__name__ in inspect.getsource(COMMANDS[name].main)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "repro"])
def test_help_ends_with_an_example(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: mimic3d {name} ")
    assert shown.splitlines()[-1] == f"example: mimic3d {name} {COMMANDS[name].example}".rstrip()


def test_a_misspelt_command_is_refused_with_the_nearest(capsys):
    assert main(["rendr", "grid"]) == 2
    assert "rendr is no command of mimic3d; did you mean render?" in capsys.readouterr().err


def test_the_list_of_commands_costs_no_heavy_import():
    code = "import sys, tools.cli; print({'torch', 'ray', 'mlflow', 'dvc'} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "set()\n"


@pytest.mark.parametrize(("former", "name"), FORMER.items())
def test_the_former_place_of_a_command_says_where_it_went(former, name):
    command = [sys.executable, "-m", former, "--help"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{former} has moved: python -m {COMMANDS[name].module}\n" in ended.stderr
    assert f"usage: mimic3d {name}" in ended.stdout
