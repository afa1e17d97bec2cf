"""Many machines, measured on one: `python -m tests.bench.ray` writes `docs/machines.json`.

The round trip of a look, what it carries, tokens a second of 1, 8 and 30 sessions through one and two replicas beside
the engine of this process, the memory of a replica, and what is lost when replicas are killed at random moments
(`kills_ray.py`). Needs Ray (`make serve-ray` installs it). Every session is a thread that polls as a page does.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mistral_core.request import GenerationRequest
from mistral_core.serving.engine import Engine
from mistral_core.serving.named import load_named
from mistral_core.serving.remote.start import connected, quieten
from mistral_core.serving.remote.wire import Ask
from tests.bench import fresh, kills_ray, machine, texts
from tests.bench.classroom import Session, prompt, together
from tests.bench.streams import latencies

TOKENS = 200
MODEL = "storyteller"


class Noted:
    """A transport that notes what each bulletin carried, and how long it took."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self.seconds: list[float] = []
        self.nbytes: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def news(self, at: str, asks: list[Ask]) -> Any:
        """As that of the transport."""
        began = time.perf_counter()
        bulletin = self._transport.news(at, asks)
        self.seconds.append(time.perf_counter() - began)
        self.nbytes.append(sum(news.nbytes for news in bulletin.news))
        return bulletin


def class_through(engine: Any, count: int, tokens: int = TOKENS, replicas: Sequence[int] = ()) -> dict[str, Any]:
    """So many sessions at once, as in `classroom.py`, with the load average around them.

    On a machine that others use the processor time says more than the clock.

    Args:
        replicas: their processes.
    """
    encode = engine.model(MODEL).tokenizer.encode
    sessions = [Session(engine, n, encode(prompt(n)), tokens) for n in range(count)]
    before, began = machine.load_average()[0], time.perf_counter()
    spent_before, own = sum(map(machine.cpu_seconds, replicas)), time.process_time()
    together([session.visit for session in sessions])
    seconds, written = time.perf_counter() - began, sum(session.written for session in sessions)
    theirs = sum(map(machine.cpu_seconds, replicas)) - spent_before
    return {
        "tokens_per_second": round(written / seconds, 1),
        "processor_ms_a_token": {
            "this_process": round(1000 * (time.process_time() - own) / written, 3),
            "replicas": round(1000 * theirs / written, 3),
        },
        "first_token": latencies([1000 * session.first for session in sessions]),
        "look": latencies([1000 * poll for session in sessions for poll in session.polls]),
        "problems": [session.problem for session in sessions if session.problem],
        "load_average": [before, machine.load_average()[0]],
    }


def resident(pid: int) -> dict[str, int]:
    """Bytes of a process: all, and those that it shares with no other."""
    fields = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]:
        name, value = line.split(":")
        fields[name] = int(value.split()[0]) * 1024
    return {"rss": fields["Rss"], "own": fields["Private_Clean"] + fields["Private_Dirty"]}


def round_trips(engine: Any, transport: Noted) -> dict[str, Any]:
    """A look that finds nothing new, and those at a text of 60 tokens a second, with what they carried."""
    ids = tuple(engine.model(MODEL).tokenizer.encode(texts.PROMPT))
    job = engine.submit(
        "alone",
        MODEL,
        GenerationRequest(prompt_ids=ids, max_new_tokens=400, sampling=texts.STORY, seed=5, forced=()),
        pace=60.0,
    )
    transport.seconds.clear()
    transport.nbytes.clear()
    while engine.poll(job).status not in ("done", "failed"):
        time.sleep(0.05)
    trace = engine.poll(job).trace
    looks, carried = list(transport.seconds), [n for n in transport.nbytes if n]
    empty = []
    at = job.at or next(iter(engine._lines))
    for _ in range(300):
        began = time.perf_counter()
        transport.news(at, [Ask(key="none", have=0, named=True)])
        empty.append(1000 * (time.perf_counter() - began))
    return {
        "nothing_new": latencies(empty),
        "text_of_60_tokens_a_second": latencies([1000 * one for one in looks]),
        "bytes_of_a_look_median": sorted(carried)[len(carried) // 2],
        "bytes_a_token": round(sum(carried) / len(trace)),
        "looks": len(looks),
        "load_average": machine.load_average()[0],
    }


def locally() -> dict[str, Any]:
    """The engine of a process of its own; a section of this benchmark."""
    engine = Engine(lambda name, report: load_named(name, report, trained=engine.model))
    class_through(engine, 1, 8)
    found = {str(count): class_through(engine, count) for count in (1, 8, 30)}
    engine.close()
    return found


def through(replicas: int, kills: int) -> dict[str, Any]:
    """So many replicas on this machine; a section of this benchmark."""
    quieten()
    from mistral_core.serving.remote import on_ray

    began = time.perf_counter()
    address = on_ray.start(on_ray.Scale(least=replicas, most=replicas, cpus=0.5))
    started = time.perf_counter() - began
    engine: Any = connected(address, lambda name, report: load_named(name, report, trained=engine.model))
    transport = engine._transport = Noted(engine._transport)
    transport.everybody("warm", MODEL)
    class_through(engine, 1, 8)
    class_through(engine, 4, 8)
    pids = [one["pid"] for one in transport.everybody("about")]
    found: dict[str, Any] = {
        "seconds_to_start": round(started, 1),
        "memory_of_a_replica_idle": [resident(pid) for pid in pids],
        "round_trip": round_trips(engine, transport),
        "sessions": {str(count): class_through(engine, count, replicas=pids) for count in (1, 8, 30)},
        "memory_of_a_replica_after_30": [resident(pid) for pid in pids],
        "memory_of_the_front": machine.resident_bytes(),
    }
    if kills:
        found["kills"] = kills_ray.kills(engine, kills)
    engine.close()
    transport._transport._handle.shutdown()
    on_ray.stop(alone=True)
    return found


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ray", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=24, help="of replicas, at random moments")
    parser.add_argument("--out", type=Path, default=fresh.ROOT / "docs" / "machines.json")
    options = parser.parse_args()
    result: dict[str, Any] = {"machine": machine.describe(), "tokens_of_each": TOKENS}
    result["in_one_process"] = fresh.call("tests.bench.ray", "locally")
    for replicas, kills in ((1, 0), (2, options.kills)):
        print(f"{replicas} replicas …", file=sys.stderr, flush=True)
        result[f"replicas_{replicas}"] = fresh.call("tests.bench.ray", "through", replicas=replicas, kills=kills)
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
