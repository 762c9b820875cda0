"""The files for other machines: Ray's own validator reads the launcher files; ours the manifest."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.cluster import Settings
from pipeline.run_key import run_key

ROOT = Path(__file__).parents[2]
STAGES = {"prepare", "pretrain", "imitate", "evaluate"}


def load(name: str):
    return YAML(typ="safe").load(ROOT / name)


@pytest.mark.parametrize("name", ["cluster.yaml", "deploy/on_premise.yaml", "deploy/aws.yaml"])
def test_ray_accepts_the_launcher_files(name):
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(load(name)))


def test_ray_would_refuse_our_keys_elsewhere():
    from ray.autoscaler._private.util import prepare_config, validate_config

    content = load("cluster.yaml")
    content["pipeline"] = content["metadata"].pop("pipeline")
    with pytest.raises(Exception, match="pipeline"):
        validate_config(prepare_config(content))


@pytest.mark.parametrize("name", ["deploy/on_premise.yaml", "deploy/aws.yaml"])
def test_the_examples_speak_of_machines_that_they_have(name):
    content = load(name)
    settings = Settings.model_validate(content["metadata"]["pipeline"])
    assert set(settings.stages) == set(settings.local) == STAGES
    assert settings.storage
    assert settings.tracking_uri
    gpus = content.get("available_node_types", {}).get("gpu", {}).get("resources", {}).get("GPU", 8)
    for row in settings.stages.values():
        assert row.machines <= content["max_workers"]
        assert row.gpus <= gpus


def test_the_launcher_files_keep_the_dashboard_private():
    for name in ("cluster.yaml", "deploy/on_premise.yaml", "deploy/aws.yaml"):
        (start,) = [line for line in load(name)["head_start_ray_commands"] if "--head" in line]
        assert "--dashboard-host=127.0.0.1" in start


def test_the_manifest_for_kuberay_has_the_parts_of_a_ray_job():
    """Of the fields that KubeRay documents; no cluster and no schema of it was at hand."""
    job = load("deploy/rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    known = {"entrypoint", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "backoffLimit",
             "runtimeEnvYAML", "rayClusterSpec"}  # fmt: skip
    assert set(spec) == known
    environ = YAML(typ="safe").load(spec["runtimeEnvYAML"])["env_vars"]
    assert environ["RAY_API_SERVER_ADDRESS"] == "http://127.0.0.1:8265"
    cluster = spec["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        assert container["resources"]["limits"] == container["resources"]["requests"]
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
        folder = spec["entrypoint"].partition("cd ")[2].split()[0]
        assert folder.startswith(mounts["workspace"] + "/")
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def test_the_image_has_the_ray_of_the_manifests():
    version = load("deploy/rayjob.yaml")["spec"]["rayClusterSpec"]["rayVersion"]
    image = load("deploy/aws.yaml")["docker"]["image"]
    assert image.startswith(f"rayproject/ray:{version}-")
    assert f"FROM {image}\n" in (ROOT / "deploy" / "Dockerfile").read_text()


def test_nothing_in_cluster_yaml_invalidates_a_stage(tmp_path):
    """DVC watches neither the file nor what reads it, and it is no part of a run's name."""
    for entry in load("dvc.yaml")["stages"].values():
        watched = entry["deps"] + entry["params"]
        assert not [name for name in watched if "cluster" in name or "pipeline" in name]
    names = set()
    for address in ("null", "http://other:8265"):
        (tmp_path / "cluster.yaml").write_text(f"metadata: {{pipeline: {{address: {address}}}}}")
        names.add(run_key("pretrain", "{}", tmp_path))
    assert len(names) == 1
