"""The description of the API and the API agree: schemathesis finds nothing.

Each operation is called with what its description allows and with what it forbids; every status,
type, header and body has to be one that the description names, and nothing may fail inside.
"""

import pytest
import schemathesis
from schemathesis.engine import Status, events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder

from gateway.controlplane.app import behind_guard
from gateway.controlplane.parts import AdminParts
from gateway.controlplane.throttle import ThrottleSettings

from .conftest import TOKEN, described

_UNTHROTTLED = ThrottleSettings(failures=10**9)
_EXAMPLES = 3
_BY_MEANING = ("/agents/", "/teams/", "/lanes/", "/providers/", ":adjust", ":drain",
               "/temporary-budgets", "/usage", "/feedback")  # fmt: skip
"""Where sense depends on what else there is or is asked: well-formed requests may get 422."""


@pytest.fixture
def schema(parts: AdminParts) -> schemathesis.BaseSchema:
    app = behind_guard(described(), parts, _UNTHROTTLED)
    schema = schemathesis.openapi.from_asgi("/admin/openapi.json", app)
    schema.config.update(headers={"Authorization": f"Bearer {TOKEN}"})
    schema.config.generation.update(max_examples=_EXAMPLES, database="none", deterministic=True)
    checks = schema.config.checks
    for check in (checks.positive_data_acceptance, checks.negative_data_rejection):
        check.expected_statuses = [*check.expected_statuses, "412"]
    schema.config.phases.update(phases=["examples", "fuzzing"])
    return schema


def told(recorder: ScenarioRecorder, label: str) -> list[str]:
    """What failed, with the request and the answer."""
    lines: list[str] = []
    for case_id, checks in recorder.checks.items():
        case, response = recorder.cases[case_id].value, recorder.find_response(case_id=case_id)
        answer = "" if response is None else f"{response.status_code} {response.text[:600]}"
        asked = f"{case.path_parameters} {case.query} {case.headers} {case.body!r}"
        lines += [
            f"{label}: {check.failure_info.failure}\n{asked}\n{answer}"
            for check in checks
            if check.status is Status.FAILURE and check.failure_info is not None
            if not (check.name == "positive_data_acceptance" and by_meaning(label, answer))
        ]
    return lines


def by_meaning(label: str, answer: str) -> bool:
    """Whether a well-formed request may be refused for what it means."""
    return any(part in label for part in _BY_MEANING) or "Idempotency-Key was used" in answer


def test_schemathesis_finds_nothing(schema: schemathesis.BaseSchema) -> None:
    found: list[str] = []
    tried = 0
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            found.append(str(event))
        if isinstance(event, events.ScenarioFinished):
            tried += len(event.recorder.cases)
            found += told(event.recorder, event.label or "")
    assert not found, "\n\n".join(sorted(set(found)))
    assert tried > 100
