from gateway.store.connection import ROOT, Client
from gateway.store.scripts import ADMISSION_PARTS, Script, admission_script


async def test_a_script_is_loaded_when_the_server_does_not_have_it(store: Client) -> None:
    script = Script("return {KEYS[1], ARGV[1]}")
    for _ in range(2):
        assert await script.call(store, ("{k}",), (b"v",)) == [b"{k}", b"v"]
    await store.script_flush()
    assert await script.call(store, ("{k}",), (7,)) == [b"{k}", b"7"]


async def test_the_admission_script_is_whole_and_runs(store: Client) -> None:
    script = admission_script()
    assert len(ADMISSION_PARTS) == len(set(ADMISSION_PARTS))
    packed = b"\x91\x91\xa5hello"
    reply = await script.call(store, (ROOT,), ("r1", "", 3_000_000, packed))
    assert isinstance(reply, bytes)


async def test_the_admission_script_leaves_no_global_names_behind(store: Client) -> None:
    """A variable without `local` would be refused by the server; this one must not need any."""
    source = admission_script().source
    assert "setfenv" not in source
    assert "rawset" not in source
