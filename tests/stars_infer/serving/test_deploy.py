"""What is deployed: containers, what Prometheus asks, and what Grafana draws.

Docker, its linters and `promtool` are not on every machine; what needs them skips.
"""

import json
import re
import shutil
import subprocess
import tomllib

import pytest

pytest.importorskip("prometheus_client", reason="the extra [serve] is not installed")

from prometheus_client.metrics import MetricWrapperBase

from stars_infer.serving.metrics import Metrics
from tests.conftest import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana/stars.json").read_text(encoding="utf-8"))
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
OTHERS = {"up"}
"""Metrics that Prometheus adds itself."""


def run(*command, **more):
    """Output of a command; the test skips where it is not installed."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def compose():
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    return yaml.safe_load((REPOSITORY / "compose.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def shown(server):
    """Names and labels of the metrics that a server shows."""
    text = server.client.get("/metrics").text
    names = {}
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", text, flags=re.MULTILINE):
        endings = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        names |= {name + ending: set() for ending in endings}
    for one in vars(Metrics()).values():
        for name in names:
            if isinstance(one, MetricWrapperBase) and name.startswith(one._name):
                names[name] |= set(one._labelnames)
    return names


def used(query):
    """Metrics of a query, and the labels that each is asked by."""
    found = {}
    for name, labels in re.findall(r"\b([a-z]\w+)(?:\{([^}]*)\})", query):
        found.setdefault(name, set()).update(re.findall(r"(\w+)\s*=", labels))
    return found


def rules():
    """Queries of the rules."""
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    (group,) = yaml.safe_load((DEPLOY / "rules.yml").read_text(encoding="utf-8"))["groups"]
    return [rule["expr"] for rule in group["rules"]]


def test_grafana_and_the_rules_ask_for_metrics_that_exist(shown):
    assert len(QUERIES) >= 12
    assert len(rules()) == 4
    for query in (*QUERIES, *rules()):
        plain = re.sub(r'"[^"]*"|\[[^]]*\]|\$\w+', "", query)
        names = set(re.findall(r"\b(?:stars|process|python)_\w+|\bup\b", plain))
        assert names, query
        assert names <= shown.keys() | OTHERS, query
        for name, labels in used(query).items():
            assert labels <= shown.get(name, set()) | {"job"}, query
        by = {
            label for group in re.findall(r"by \(([^)]*)\)", plain) for label in group.split(", ")
        }
        assert by <= {label for name in names for label in shown.get(name, ())} | {"le"}, query


def test_the_dashboard_is_laid_out(compose):
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    taken = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) == 23
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)
    sources = (DEPLOY / "grafana/datasources.yml").read_text(encoding="utf-8")
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {"prometheus"}
    assert "uid: prometheus" in sources
    assert "http://prometheus:9090" in sources
    assert "prometheus" in compose["services"]


def test_services_are_confined_watched_and_given_what_is_there(compose):
    services = compose["services"]
    assert set(services) == {"stars", "milvus", "prometheus", "grafana"}
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service.get("read_only") or name == "milvus"
        assert "healthcheck" in service or name == "stars"  # its image has one
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            there = (REPOSITORY / source).is_file() if source.startswith(".") else None
            assert there or source in compose["volumes"], volume
        for secret in service.get("secrets", ()):
            assert secret in compose["secrets"]
    page = (REPOSITORY / "docs/serving.md").read_text(encoding="utf-8")
    for secret in compose["secrets"].values():
        assert secret["file"].removeprefix("./") in page


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.gpu"])
def test_images_run_as_nobody_with_a_health_check(name):
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    last = text[text.rindex("\nFROM ") :]
    assert re.search(r"^USER 10001:10001$", last, flags=re.MULTILINE)
    assert "HEALTHCHECK" in last
    assert "USER root" not in text
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", text)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    ignored = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for line in re.findall(r"^COPY (?!--)(.*) \S+$", text, flags=re.MULTILINE):
        for source in line.split():
            assert f"!{source}" in ignored
            assert (REPOSITORY / source).exists()


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.gpu"])
def test_hadolint_finds_nothing(name):
    assert run("hadolint", REPOSITORY / name) == ""


def test_compose_reads_it(tmp_path):
    (tmp_path / "secrets").mkdir()
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    shutil.copy(REPOSITORY / "compose.yaml", tmp_path)
    said = run("docker-compose", "--profile", "shared", "config", cwd=tmp_path)
    assert "- standalone" in said


def test_promtool_reads_rules_metrics_and_queries(server, tmp_path):
    run("promtool", "check", "config", "--syntax-only", DEPLOY / "prometheus.yml")
    run("promtool", "check", "rules", DEPLOY / "rules.yml")
    run("promtool", "test", "rules", DEPLOY / "rules_test.yml")
    run("promtool", "check", "metrics", input=server.client.get("/metrics").text)
    recorded = [
        {"record": f"panel:{number}", "expr": query.replace("$__rate_interval", "1m")}
        for number, query in enumerate(QUERIES)
    ]
    asked = {"groups": [{"name": "panels", "rules": recorded}]}
    (tmp_path / "panels.yml").write_text(json.dumps(asked), encoding="utf-8")
    run("promtool", "check", "rules", tmp_path / "panels.yml")
