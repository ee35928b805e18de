import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.store.secrets import admin_token, admin_token_path
from gateway.store.state_dir import StateDirError


def test_the_admin_token_is_made_once_and_kept_private(tmp_path: Path) -> None:
    token = admin_token(tmp_path / "var")
    assert len(token) >= 40
    assert admin_token(tmp_path / "var") == token
    path = admin_token_path(tmp_path / "var")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["admin-token"]


def test_all_who_ask_at_once_get_the_same_token(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(lambda _: admin_token(tmp_path), range(32)))
    assert len(tokens) == 1


def test_a_token_open_to_others_is_closed(tmp_path: Path) -> None:
    admin_token(tmp_path)
    admin_token_path(tmp_path).chmod(0o644)
    admin_token(tmp_path)
    assert stat.S_IMODE(admin_token_path(tmp_path).stat().st_mode) == 0o600


def test_an_empty_token_file_is_an_error_and_not_replaced(tmp_path: Path) -> None:
    admin_token_path(tmp_path).touch(mode=0o600)
    with pytest.raises(StateDirError, match="empty"):
        admin_token(tmp_path)
