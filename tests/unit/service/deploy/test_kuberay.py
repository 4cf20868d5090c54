"""The manifest for Ray on Kubernetes: one image, one volume, commands that exist."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gleann.service.config.table import SETTINGS
from tests.docs.test_pages import require_known

ROOT = Path(__file__).resolve().parents[4]
FILE = ROOT / "service/deploy/kuberay.yaml"
ALL: list[dict[str, Any]] = list(yaml.safe_load_all(FILE.read_text()))


def _the(kind: str) -> dict[str, Any]:
    [found] = [one for one in ALL if one["kind"] == kind]
    return found


def _ray_pods() -> list[dict[str, Any]]:
    spec = _the("RayCluster")["spec"]
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


def _pods() -> list[dict[str, Any]]:
    return [*_ray_pods(), _the("Deployment")["spec"]["template"]["spec"]]


def _containers() -> Iterator[dict[str, Any]]:
    for pod in _pods():
        yield from pod["containers"]


def test_all_pods_have_one_image_and_the_version_of_ray_that_it_is_made_of() -> None:
    images = {container["image"] for container in _containers()}
    assert len(images) == 1
    made_of = re.search(r"FROM rayproject/ray:([\d.]+)-py311", FILE.read_text())
    assert made_of is not None
    assert _the("RayCluster")["spec"]["rayVersion"] == made_of[1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [needed] = project["optional-dependencies"]["cluster"]
    least = needed.partition(">=")[2]
    assert _number(made_of[1]) >= _number(least)


def _number(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def test_pods_are_confined() -> None:
    for pod in _pods():
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]
    for container in _containers():
        assert not container["securityContext"]["allowPrivilegeEscalation"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


def test_every_pod_sees_the_shards_under_one_path() -> None:
    claim = _the("PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for pod in _pods():
        [volume] = [one for one in pod["volumes"] if "persistentVolumeClaim" in one]
        name = volume["persistentVolumeClaim"]["claimName"]
        assert name == claim["metadata"]["name"]
        for container in pod["containers"]:
            mounts = {
                one["mountPath"]: one["name"] for one in container["volumeMounts"]
            }
            assert mounts["/data"] == volume["name"]
            assert set(mounts.values()) <= {one["name"] for one in pod["volumes"]}


def test_the_workers_are_as_many_as_are_kept() -> None:
    """An actor that is moved reads its shard anew, so nothing scales by itself."""
    for group in _the("RayCluster")["spec"]["workerGroupSpecs"]:
        assert group["replicas"] == group["minReplicas"] == group["maxReplicas"]


def test_the_job_and_the_server_name_the_cluster() -> None:
    name = _the("RayCluster")["metadata"]["name"]
    assert _the("RayJob")["spec"]["clusterSelector"] == {"ray.io/cluster": name}
    [server] = _the("Deployment")["spec"]["template"]["spec"]["containers"]
    assert f"ray://{name}-head-svc:10001" in server["args"]
    policy = _the("NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"] == {"ray.io/cluster": name}
    labels = _the("Deployment")["spec"]["template"]["metadata"]["labels"]
    [inner, _] = policy["ingress"]
    assert {"podSelector": {"matchLabels": labels}} in inner["from"]
    assert _the("Service")["spec"]["selector"] == labels


def test_the_commands_exist() -> None:
    words = shlex.split(_the("RayJob")["spec"]["entrypoint"])
    assert words[0] == "gleann"
    require_known(words[1:])
    [server] = _the("Deployment")["spec"]["template"]["spec"]["containers"]
    require_known(server["args"])
    built = words[words.index("build") + 2]
    assert server["args"][server["args"].index("--cluster") + 1] == built


def test_the_settings_of_the_server_exist() -> None:
    given = tomllib.loads(_the("ConfigMap")["data"]["gleann.toml"])
    for name, value in given.items():
        inner = value if isinstance(value, dict) else None
        names = [name] if inner is None else [f"{name}.{key}" for key in inner]
        assert set(names) <= set(SETTINGS)


def test_a_command_that_does_not_exist_is_found_out() -> None:
    with pytest.raises(AssertionError):
        require_known(["serve", "--no-such-option"])
