import ast
import re
from pathlib import Path

import grimp
import pytest
import torch
from jaxtyping import TypeCheckError
from ruamel.yaml import YAML

from stages.headlines import HEADLINES
from tools.cli import COMMANDS

ROOT = Path(__file__).parents[1]
STAGES = ("prepare", "pretrain", "imitate", "evaluate")
LOOKS_ONLY = ("mimic3d.gallery",)
"""Code that only looks at a run: no dependency of the training stages."""
FORMER_PLACES = (
    Path("mimic3d/networks/conversion.py"),
    Path("mimic3d/data/poses/face_models.py"),
)
"""Modules that only run the command that has moved from there; no stage imports them."""


def load(name: str):
    return YAML(typ="safe").load(ROOT / name)


@pytest.fixture(scope="module")
def imports():
    return grimp.build_graph("mimic3d", "stages", "pipeline")


def test_a_stage_word_is_in_all_its_places():
    pipeline = load("cluster.yaml")["metadata"]["pipeline"]
    assert tuple(load("dvc.yaml")["stages"]) == STAGES
    assert tuple(load("params.yaml")) == STAGES
    assert tuple(pipeline["stages"]) == STAGES
    assert tuple(pipeline["local"]) == STAGES
    for stage in STAGES:
        assert (ROOT / "stages" / f"{stage}.py").is_file()
        entry = load("dvc.yaml")["stages"][stage]
        assert entry["cmd"] == f"python -m pipeline.run {stage}"
        assert stage in entry["params"]
    assert tuple(HEADLINES) == STAGES


def dependencies(stage: str) -> list[Path]:
    deps = load("dvc.yaml")["stages"][stage]["deps"]
    return [Path(dep) for dep in deps if dep.startswith(("mimic3d", "stages"))]


def whole_folders(modules: set[str]) -> set[str]:
    """Files of the modules, or the largest folders below a package whose every file is theirs."""
    files = {Path(*module.split(".")).with_suffix(".py") for module in modules}
    chosen = set()
    for file in files:
        folders = [folder for folder in file.parents if len(folder.parts) > 1]
        whole = [folder for folder in folders if python_files(folder) <= files]
        chosen.add(str(whole[-1] if whole else file))
    return chosen


def python_files(folder: Path) -> set[Path]:
    """Modules below a folder of the project; a package's own file says nothing."""
    paths = {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*.py")}
    return {path for path in paths if path.name != "__init__.py"} - {*FORMER_PLACES}


def needed(imports, stage: str) -> set[str]:
    found = imports.find_upstream_modules(f"stages.{stage}") | {f"stages.{stage}"}
    exempt = ("pipeline", *(LOOKS_ONLY if stage in ("pretrain", "imitate") else ()))
    files = {
        module for module in found if Path(ROOT, *module.split(".")).with_suffix(".py").exists()
    }
    return {module for module in files if not module.startswith(exempt)}


@pytest.mark.parametrize("stage", STAGES)
def test_dependencies_are_what_a_stage_imports_and_no_more(imports, stage):
    """A folder is named where the stage imports every module below it, else its files are."""
    assert sorted(map(str, dependencies(stage))) == sorted(whole_folders(needed(imports, stage)))


def test_former_places_of_commands_import_nothing_of_the_project():
    """They would pull a floor above their own into the folder that a stage depends on."""
    for path in FORMER_PLACES:
        assert re.findall(r"^(?:from|import) (\w+)", (ROOT / path).read_text(), re.M) == [
            "runpy",
            "sys",
        ]


def test_a_class_name_has_one_meaning_in_the_project():
    """Nested and private classes aside: those are read where they stand."""
    places: dict[str, list[str]] = {}
    for package in ("mimic3d", "pipeline", "stages", "tools", "experiments"):
        for path in (ROOT / package).rglob("*.py"):
            for name in re.findall(r"^class ([A-Z]\w*)", path.read_text(), re.MULTILINE):
                places.setdefault(name, []).append(str(path.relative_to(ROOT)))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_public_methods_have_a_docstring_in_private_classes_too():
    """Ruff asks for those of public classes only."""
    bare = []
    for package in ("mimic3d", "pipeline", "stages", "tools", "experiments"):
        for path in (ROOT / package).rglob("*.py"):
            classes = [
                n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ClassDef)
            ]
            for method in (n for each in classes for n in each.body):
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    if ast.get_docstring(method) is None:
                        bare.append(f"{path.relative_to(ROOT)}: {method.name}")
    assert bare == []


def test_no_stage_imports_another(imports):
    for stage in STAGES:
        others = {f"stages.{other}" for other in STAGES} - {f"stages.{stage}"}
        assert not others & imports.find_upstream_modules(f"stages.{stage}")


def test_commands_of_the_readme_exist():
    text = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for target in re.findall(r"^\s*(?:[A-Z]+=\S+ )*make ([a-z]+)", text, re.MULTILINE):
        assert target in targets
    for module in re.findall(
        r"python -m ((?:pipeline|stages|tools|experiments|benchmarks)[\w.]*)", text
    ):
        path = ROOT / Path(*module.split("."))
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()
    for command in re.findall(
        r"^(?:\$ )?mimic3d ([\w-]+)|`mimic3d ([a-z][\w-]*)", text, re.MULTILINE
    ):
        assert "".join(command) in COMMANDS


def test_overrides_of_the_readme_name_real_parameters():
    from importlib import import_module

    from pipeline.yaml_file import known_fields

    text = (ROOT / "README.md").read_text()
    for key in re.findall(r"-S \+{0,2}([\w.]+)=", text):
        stage, *path = key.split(".")
        config = import_module(f"stages.{stage}").CONFIG
        assert path[-1] in known_fields(config, path[:-1])


def test_shapes_are_checked_in_tests():
    from mimic3d.cameras import Cameras, project

    cameras = Cameras(torch.eye(4)[None], torch.eye(3)[None])
    with pytest.raises(TypeCheckError):
        project(torch.zeros(1, 5, 2), cameras)
