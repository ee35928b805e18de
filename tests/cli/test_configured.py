"""The configuration as commands read it; `test_check` has more."""

from pathlib import Path

import pytest

from gateway.cli.configured import WHEREABOUTS, configured
from gateway.cli.failing import ExitCode, Failure


def test_all_faults_end_the_command_together(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text("minute: soon\nlisten: nowhere:at:all\n")
    with pytest.raises(Failure) as caught:
        configured(file, {})
    assert caught.value.code is ExitCode.CONFIGURATION
    assert str(caught.value).count(f"{file}:") == 2


def test_who_just_looks_for_the_gateway_needs_no_provider_keys(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text("listen: 9999\nproviders: {a: {dialect: openai, api_key: '${UNSET}'}}\n")
    assert configured(file, {}, WHEREABOUTS).listen.port == 9999
