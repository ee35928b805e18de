"""Dashboards, alerts and their pages agree with the declared metrics and with each other."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.__main__ import FOLDER, stale
from dashboards.boards import BOARDS
from dashboards.panels import Panel
from gateway.telemetry.declared import DECLARED
from gateway.telemetry.metric import Kind
from tests.fixtures.system import needed

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
PANELS = [
    pytest.param(panel, id=f"{board.uid}: {panel.title}")
    for board in BOARDS
    for row in board.rows
    for panel in row.panels
]
RULES: list[dict[str, Any]] = [
    rule
    for name in ("rules.yml", "alerts.yml")
    for group in yaml.safe_load((PROMETHEUS / name).read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = [rule for rule in RULES if "alert" in rule]
NAMES = {one.name: one for one in DECLARED}


def exposed(name: str) -> bool:
    """Whether a series of this name is exposed."""
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return name in NAMES or (base in NAMES and NAMES[base].kind is Kind.HISTOGRAM)


def test_the_committed_files_are_what_the_code_generates() -> None:
    assert stale() == [], "run: make dashboards"


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows_in_which_unit_and_what_is_bad(panel: Panel) -> None:
    assert panel.title
    assert len(panel.description) > 15
    assert panel.description.endswith(".")
    assert panel.queries
    for query in panel.queries:
        names = re.findall(r"\bgateway_[a-z_]+", query.expr)
        assert names
        assert all(exposed(name) for name in names), query.expr


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_grafana_gets_unit_thresholds_and_description_for_every_panel(path: Path) -> None:
    board = json.loads(path.read_text())
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    for panel in panels:
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"], panel["title"]
        assert defaults["thresholds"]["steps"], panel["title"]
        assert panel["description"], panel["title"]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_rules_use_declared_metrics_only(rule: dict[str, Any]) -> None:
    recorded = {one["record"] for one in RULES if "record" in one}
    for name in re.findall(r"\bgateway[_:][a-z0-9_:]+", rule["expr"]):
        assert exposed(name) or name in recorded, name


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_has_its_runbook_and_its_unit_test(rule: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "runbooks.md").read_text()
    assert f"## {rule['alert']}\n" in page
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks.md#{rule['alert'].lower()}"
    assert rule["labels"]["severity"] in {"page", "ticket"}
    cases = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
    fired = {
        bool(case["exp_alerts"])
        for test in cases
        for case in test["alert_rule_test"]
        if case["alertname"] == rule["alert"]
    }
    assert True in fired


def test_promtool_accepts_configuration_and_rules_and_the_alerts_do_as_they_say() -> None:
    promtool = needed("promtool", package="prometheus")
    for arguments in (
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "rules.yml", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ):
        done = subprocess.run(
            [promtool, *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
