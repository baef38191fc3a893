"""What the autoscaler asks for comes from a metric that the fraud service has, by its rule."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from services.fraud.metrics import Metrics
from services.fraud.settings import ServiceSettings
from tests.deployments.kubernetes.kustomize import (
    BASE,
    KUBERNETES,
    PRODUCTION,
    find,
    pod_of,
    render,
)
from tests.deployments.observed import OBSERVE, program

MONITORING = KUBERNETES / "monitoring"


def scaler(folder: Any) -> Any:
    return find(render(folder), "HorizontalPodAutoscaler", "fraud")["spec"]


def rule() -> Any:
    """The adapter's one rule."""
    (found,) = yaml.safe_load((MONITORING / "adapter.yaml").read_text())["rules"]
    return found


@pytest.mark.parametrize("folder", [BASE, PRODUCTION], ids=lambda folder: folder.name)
def test_autoscaler_goes_by_requests_in_hand_and_not_by_cpu_alone(folder):
    """The metric's name is that of the adapter's rule; the target leaves room to the limit."""
    own, cpu = scaler(folder)["metrics"]
    assert own["type"] == "Pods"
    assert own["pods"]["metric"]["name"] == rule()["name"]["as"]
    limit = ServiceSettings.model_fields["fraud_max_in_flight"].default  # no overlay sets another
    assert 1 <= int(own["pods"]["target"]["averageValue"]) <= limit / 4
    assert cpu["resource"]["name"] == "cpu"


def test_rule_reads_a_metric_that_the_service_has(monkeypatch):
    """Of each pod: the labels that Prometheus puts there are those that the rule maps."""
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    metrics = Metrics()
    metrics.took("/score_transaction", 0.5)
    name, labels = re.fullmatch(r"(\w+)\{(.+)\}", rule()["seriesQuery"]).groups()  # type: ignore[union-attr]
    assert f'\n{name}{{endpoint="/score_transaction"}} 0.5' in metrics.render().decode()
    mapped = rule()["resources"]["overrides"]
    assert mapped == {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}}
    assert set(re.findall(r'(\w+)!=""', labels)) == mapped.keys()
    jobs = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["scrape_configs"]
    put = {each.get("target_label") for each in jobs[0]["relabel_configs"]}
    assert mapped.keys() <= put


def promtool(*arguments: Any) -> subprocess.CompletedProcess[str]:
    found = program("promtool")
    if found is None:
        pytest.skip("no promtool here: apt-get install prometheus")
    return subprocess.run([found, *arguments], capture_output=True, text=True, timeout=60)


def test_rule_gives_the_mean_number_of_requests_in_hand(tmp_path):
    """Two endpoints with 120 and 60 seconds of requests in a minute are three at any time."""
    query = rule()["metricsQuery"]
    for template, value in {
        "<<.Series>>": "fraud_request_seconds_sum",
        "<<.LabelMatchers>>": 'namespace="triptych",pod=~"fraud-1|fraud-2"',
        "<<.GroupBy>>": "pod",
    }.items():
        query = query.replace(template, value)
    assert "<<" not in query
    (tmp_path / "rules.yml").write_text("groups: []\n")

    def series(pod: str, endpoint: str, each_15_s: int) -> dict[str, str]:
        labels = f'namespace="triptych",pod="{pod}",endpoint="{endpoint}"'
        name = f"fraud_request_seconds_sum{{{labels}}}"
        return {"series": name, "values": f"0+{each_15_s}x20"}

    test = {
        "rule_files": ["rules.yml"],
        "tests": [
            {
                "interval": "15s",
                "input_series": [
                    series("fraud-1", "/score_transaction", 30),
                    series("fraud-1", "/detect_fraud", 15),
                    series("fraud-2", "/score_transaction", 0),
                    series("other", "/score_transaction", 30),
                ],
                "promql_expr_test": [
                    {
                        "expr": query,
                        "eval_time": "4m",
                        "exp_samples": [
                            {"labels": '{pod="fraud-1"}', "value": 3},
                            {"labels": '{pod="fraud-2"}', "value": 0},
                        ],
                    }
                ],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    said = promtool("test", "rules", tmp_path / "test.yml")
    assert said.returncode == 0, said.stdout + said.stderr


def test_prometheus_takes_what_it_is_to_scrape(tmp_path):
    """But for the discovery of pods, which Debian's has not: fixed targets stand for it."""
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    for job in config["scrape_configs"]:
        if job.pop("kubernetes_sd_configs", None):
            job["static_configs"] = [{"targets": ["pod:1"]}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    said = promtool("check", "config", "--syntax-only", tmp_path / "prometheus.yml")
    assert said.returncode == 0, said.stdout + said.stderr


def test_parts_are_scraped_under_the_names_that_alerts_ask_for():
    """Each that compose's Prometheus scrapes and Kubernetes runs; Prefect by its password."""
    of_compose = yaml.safe_load((OBSERVE / "prometheus.yml").read_text())["scrape_configs"]
    names = {job["job_name"] for job in of_compose} - {"device", "alertmanager"}
    pods, prefect = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["scrape_configs"]
    assert prefect == {
        **next(job for job in of_compose if job["job_name"] == "prefect"),
        "static_configs": [{"targets": ["prefect.triptych:4200"]}],
    }
    by_part = {"source_labels": ["__meta_kubernetes_pod_label_part"], "target_label": "job"}
    assert by_part in pods["relabel_configs"]
    scraped = set()
    for each in render(BASE):
        if pod_of(each):
            metadata = each["spec"]["template"]["metadata"]
            if metadata.get("annotations", {}).get("prometheus.io/scrape") == "true":
                scraped.add(metadata["labels"]["part"])
    assert scraped | {"prefect"} == names
