"""Ends a child process when this process dies, even by SIGKILL, on Linux and macOS alike.

A shell waits for a pipe of which only this process holds the writing end. The kernel closes that
end however this process goes; the shell then reads the end of the file and ends the child. It is
told to go away by a line. `PR_SET_PDEATHSIG` would need a hook between fork and exec, fires when
the thread (not the process) that forked ends, and does not exist on macOS.
"""

import asyncio
import contextlib
import os

_SCRIPT = """
read -r _ && exit
kill -TERM "$1"
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do
  sleep 0.2
  kill -0 "$1" || exit
done
kill -KILL "$1"
"""


class Watchdog:
    """Watches over one child process."""

    def __init__(self, process: asyncio.subprocess.Process, write_end: int) -> None:
        self._process = process
        self._write_end: int | None = write_end

    @classmethod
    async def over(cls, pid: int) -> "Watchdog":
        """Start watching over a child: SIGTERM once this process is gone, SIGKILL 5 s later."""
        read_end, write_end = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                "/bin/sh",
                "-c",
                _SCRIPT,
                "watchdog",
                str(pid),
                stdin=read_end,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the terminal is for the gateway only
            )
        except BaseException:
            os.close(write_end)
            raise
        finally:
            os.close(read_end)
        return cls(process, write_end)

    async def dismiss(self) -> None:
        """Stop watching; the child is left alone. May be called again."""
        if (write_end := self._write_end) is not None:
            self._write_end = None
            with contextlib.suppress(BrokenPipeError):  # somebody has ended the watchdog
                os.write(write_end, b"dismissed\n")
            os.close(write_end)
        await self._process.wait()
