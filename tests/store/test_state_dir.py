import stat
from pathlib import Path

import pytest

from gateway.store import state_dir
from gateway.store.state_dir import MAX_SOCKET_PATH_BYTES, StateDirError, locked, socket_path


def test_a_socket_goes_into_the_directory_if_its_path_fits(tmp_path: Path) -> None:
    if len(str(tmp_path)) < 80:
        assert socket_path(tmp_path).parent == tmp_path.resolve()


def test_a_long_directory_gets_a_short_private_place_that_is_always_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    first, second = socket_path(deep), socket_path(deep)
    assert first == second
    assert len(first.name) == 1
    assert stat.S_IMODE(first.parent.stat().st_mode) == 0o700
    assert first.parent != deep
    assert len(str(deep)) + len("/valkey.sock") > MAX_SOCKET_PATH_BYTES


def test_a_short_place_that_others_can_enter_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    socket_path(deep).parent.chmod(0o755)
    with pytest.raises(StateDirError, match="not a private directory"):
        socket_path(deep)


def test_a_lock_is_free_again_when_its_holder_is_done(tmp_path: Path) -> None:
    with (
        locked(tmp_path, "var"),
        pytest.raises(StateDirError, match=r"var is in use .*state\.url"),
        locked(tmp_path, "var"),
    ):
        pass
    with locked(tmp_path, "var"):
        pass


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateDirError, match="file/var"):
        state_dir.make_private(tmp_path / "file" / "var")
