"""Measure `stars serve` beside the same calls in this process, in one run.

    python benchmarks/serving/load.py --write docs/serving.md
    python benchmarks/serving/load.py --minutes 0.5     # the same, shorter

Throughput: in turns, so many seconds each, clips are named in this process (by one thread and by
four, whichever is faster) and by the server, of which 16 clients ask. Added latency: at a tenth of
that rate, each clip is named by the server and right after it in this process. Overload: requests
come at ten times that rate, whether or not the server answers; most are refused. The server, the
clients and this process share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from running import Connection, Server, check_answer, percentile, teach

sys.path.append(str(Path(__file__).parents[1] / "speed"))

from report import machine, report

from stars_infer.recognizer import Recognizer

_CLIENTS = 16
_THREADS = 4
_CONNECTIONS = 128
"""Connections over which too many requests come."""
_TARGET = "/v1/classify"


@dataclass
class Load:
    """What came of many requests."""

    seconds: float = 0.0
    took: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.took) / self.seconds


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10, help="of each turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--calls", type=int, default=300, help="for the added latency")
    parser.add_argument("--minutes", type=float, default=5, help="of overload")
    parser.add_argument("--write", type=Path, help="Markdown file with the marks <!-- load -->")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        index = folder / "stars.db"
        with Recognizer(index) as recognizer:
            for action, files in teach(folder, each=10).items():
                recognizer.add(action, files)
            queries = [one for files in teach(folder, each=20, seed=1).values() for one in files]
            for _ in range(5):  # until everything is compiled and kept
                recognizer.predict(queries)
            server = Server(index)
            try:
                table = asyncio.run(_measure(server, recognizer, queries, options))
            finally:
                server.stop()
    packages = ("stars-infer", "numpy", "fastapi", "uvicorn", "numba")
    report(machine(*packages), table, options.write, "load")


async def _measure(
    server: Server, recognizer: Recognizer, queries: Sequence[Path], options: argparse.Namespace
) -> list[list[str]]:
    bodies = [path.read_bytes() for path in queries]
    await _ask_all(server.port, bodies, 5)
    near, far = [], Load()
    for _ in range(options.turns):
        near.append(max(_name_here(recognizer, queries, n, options.seconds) for n in (1, _THREADS)))
        turn = await _ask_all(server.port, bodies, options.seconds)
        far.took += turn.took
        far.seconds += turn.seconds
    here = sorted(near)[len(near) // 2]
    share = far.rate / here
    print(f"in process {here:.1f}/s, by HTTP {far.rate:.1f}/s", flush=True)
    apart = await _compare(server.port, recognizer, queries, far.rate / 10, options.calls)
    print(f"added latency {apart}", flush=True)
    over, memory = await _overload(server, bodies, 10 * far.rate, 60 * options.minutes)
    accepted, all_ = over.statuses[200], over.statuses.total()
    others = {status: n for status, n in over.statuses.items() if status not in (200, 429)}
    p99 = percentile(over.took, 99)
    usual = percentile(far.took, 99)
    quarter = max(1, len(memory) // 4)
    before, after = (
        sum(part) / len(part) for part in (memory[quarter : 2 * quarter], memory[-quarter:])
    )
    return [
        ["what", "measured", "goal"],
        ["named in this process, clips a second", f"{here:.1f}", ""],
        ["named by HTTP, clips a second", f"{far.rate:.1f} ({share:.0%})", "≥ 70 %"],
        [
            f"latency with {_CLIENTS} clients, p50 / p99",
            f"{percentile(far.took, 50):.0f} / {usual:.0f} ms",
            "",
        ],
        [
            "added latency at a tenth of that rate, p50 / p99",
            f"{apart[0]:.1f} / {apart[1]:.1f} ms",
            "≤ 3 / 10 ms",
        ],
        [
            f"requests at ten times that rate for {options.minutes:g} minutes",
            f"{all_:,}: {accepted:,} answered, {over.statuses[429]:,} refused with 429, "
            f"{sum(others.values()):,} others",
            "no crash, 429 for the rest",
        ],
        ["of those answered, p99", f"{p99:.0f} ms ({p99 / usual:.1f} ×)", "≤ 4 ×"],
        [
            "memory of the server, second quarter and end",
            f"{before / 1e6:.0f}, {after / 1e6:.0f} MB ({after / before - 1:+.1%})",
            "± 5 %",
        ],
    ]


def _name_here(
    recognizer: Recognizer, queries: Sequence[Path], threads: int, seconds: float
) -> float:
    """Clips a second that this process names."""
    end = time.perf_counter() + seconds
    endless = cycle(queries)

    def work() -> int:
        done = 0
        while time.perf_counter() < end:
            recognizer.predict(next(endless))
            done += 1
        return done

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(lambda _: work(), range(threads))) / seconds


async def _ask_all(port: int, bodies: Sequence[bytes], seconds: float) -> Load:
    """Clients that ask one question after the other."""
    load = Load(seconds=seconds)
    end = time.perf_counter() + seconds
    endless = cycle(bodies)

    async def client() -> None:
        connection = Connection(port)
        while time.perf_counter() < end:
            status, took, answer = await connection.post(_TARGET, next(endless))
            load.statuses[status] += 1
            assert status == 200, answer
            load.took.append(took)
        check_answer(answer)
        connection.close()

    await asyncio.gather(*(client() for _ in range(_CLIENTS)))
    return load


async def _compare(
    port: int, recognizer: Recognizer, queries: Sequence[Path], rate: float, calls: int
) -> tuple[float, float]:
    """By how many milliseconds the server is slower, p50 and p99."""
    connection, endless = Connection(port), cycle(queries)
    far, near = [], []
    for _number in range(calls):
        began = time.perf_counter()
        query = next(endless)
        _, took, _ = await connection.post(_TARGET, query.read_bytes())
        far.append(took)
        before = time.perf_counter()
        recognizer.predict(query)
        near.append(time.perf_counter() - before)
        await asyncio.sleep(max(0.0, 1 / rate - (time.perf_counter() - began)))
    connection.close()
    half, most = (percentile(far, share) - percentile(near, share) for share in (50, 99))
    return half, most


async def _overload(
    server: Server, bodies: Sequence[bytes], rate: float, seconds: float
) -> tuple[Load, list[int]]:
    """Requests at a rate, whether or not they are answered, and the memory of the server."""
    load, memory = Load(seconds=seconds), []
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(_CONNECTIONS):
        free.put_nowait(Connection(server.port))
    running: set[asyncio.Task[None]] = set()
    endless = cycle(bodies)

    async def ask(connection: Connection) -> None:
        try:
            status, took, _ = await connection.post(_TARGET, next(endless))
        except OSError:
            status, took = 0, 0.0
        load.statuses[status] += 1
        if status == 200:
            load.took.append(took)
        free.put_nowait(connection)

    began = time.perf_counter()
    sent = 0
    while (now := time.perf_counter() - began) < seconds:
        if now > len(memory):
            memory.append(server.memory())
            if len(memory) % 30 == 0:
                print(f"{now:.0f} s: {dict(load.statuses)}, {memory[-1] / 1e6:.0f} MB", flush=True)
        while sent < now * rate and not free.empty():
            task = asyncio.create_task(ask(free.get_nowait()))
            running.add(task)
            task.add_done_callback(running.discard)
            sent += 1
        await asyncio.sleep(0.002)
    await asyncio.gather(*running)
    assert server.process.poll() is None, "the server has ended"
    return load, memory


if __name__ == "__main__":
    main()
