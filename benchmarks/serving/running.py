"""`stars serve` in a process of its own, and a plain client that costs little."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from stars_infer.synthetic.actions import perform

ACTIONS = ("wave", "clap", "squat", "kick", "walk")
_CODE = "from stars_infer.cli import main; main()"


class Server:
    """A server at a free port of this machine.

    Args:
        index: Its file.
        options: Further options of `stars serve`.
    """

    def __init__(self, index: Path, *options: str) -> None:
        command = [sys.executable, "-c", _CODE, "serve", "--port", "0", "--index", str(index)]
        self.process = subprocess.Popen(
            [*command, *options], stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if found := re.search(r"listening at http://[\d.]+:(\d+)", line):
                self.port = int(found[1])
                break
        else:
            sys.exit("error: the server did not start")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def memory(self) -> int:
        """Resident bytes of all its processes."""
        total, waiting = 0, [self.process.pid]
        while waiting:
            pid = waiting.pop()
            try:
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                for task in Path(f"/proc/{pid}/task").iterdir():
                    waiting += map(int, (task / "children").read_text().split())
            except OSError:  # it has just ended
                continue
        return total * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        """SIGTERM."""
        self.process.terminate()
        self.process.wait(60)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Connection:
    """One connection, kept open; requests one after the other."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, target: str, body: bytes) -> tuple[int, float, bytes]:
        """Send a NumPy array: the status, the seconds until the answer, and the answer.

        Raises:
            OSError: If the server is gone.
        """
        began = time.perf_counter()
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            writer.write(
                f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-npy\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(re.search(rb"content-length: (\d+)", head.lower())[1])  # type: ignore[index]
            answer = await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError) as error:
            self.close()
            raise ConnectionError("the server is gone") from error
        if b"connection: close" in head.lower():
            self.close()
        return int(head[9:12]), time.perf_counter() - began, answer

    def close(self) -> None:
        """Close it."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def teach(folder: Path, *, each: int, seed: int = 0) -> dict[str, list[Path]]:
    """Write clips of each action as `.npy` files."""
    random = np.random.default_rng(seed)
    files: dict[str, list[Path]] = {}
    for action in ACTIONS:
        for number in range(each):
            path = folder / f"{action}-{seed}-{number}.npy"
            np.save(path, perform(action, random))
            files.setdefault(action, []).append(path)
    return files


def percentile(values: list[float], share: float) -> float:
    """Milliseconds."""
    return 1000 * float(np.percentile(values, share))


def check_answer(answer: bytes) -> None:
    """Make sure that it is one."""
    assert json.loads(answer)["answers"][0]["label"] in ACTIONS
