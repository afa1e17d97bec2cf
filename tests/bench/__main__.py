"""`make bench`: prints one JSON object with every measurement, and writes it to `build/bench.json`.

Bundled model only, one thread, minutes. Machines differ and are rarely idle, so what counts are ratios inside
one run (see `ratios`); the load average stands beside every section. Each section runs in a fresh process.

    python -m tests.bench --quick --only decode,load
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench import fresh, machine

SECTIONS = ("decode", "shapes", "prefill", "classroom", "room", "clicks", "growth", "load", "browser")


def chosen(text: str) -> list[str]:
    """The sections of a comma-separated list, in the usual order.

    Raises:
        argparse.ArgumentTypeError: a name that is no section.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := sorted(set(names) - set(SECTIONS)):
        raise argparse.ArgumentTypeError(f"no section is called {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    return [name for name in SECTIONS if name in names]


def run_section(name: str, quick: bool) -> dict[str, Any]:
    """One section with the load average around it; a failure becomes its `error`."""
    before, started = machine.load_average(), time.perf_counter()
    try:
        found = fresh.call(f"tests.bench.{name}", "measure", quick=quick)
    except RuntimeError as error:
        found = {"error": str(error)}
    around = {"load_average_before": before, "load_average_after": machine.load_average()}
    return {**found, **around, "section_seconds": round(time.perf_counter() - started, 1)}


def headline(result: dict[str, Any]) -> dict[str, Any]:
    """The numbers that have an aim, by name; those of sections that did not run or failed are left out."""
    wanted = {
        "decode_huggingface_over_ours_recorded": "decode.ratio_recorded.wall.median",
        "decode_huggingface_over_ours_recorded_cpu": "decode.ratio_recorded.cpu.median",
        "decode_huggingface_over_ours_unrecorded": "decode.ratio_unrecorded.wall.median",
        "decode_huggingface_over_ours_plain": "decode.ratio_plain_recorded.wall.median",
        "shapes_109m_huggingface_over_ours": "shapes.109_million.ratio_recorded.wall.median",
        "shapes_1b_huggingface_over_ours": "shapes.1_100_million.ratio_recorded.wall.median",
        "prefill_8192_one_shot_over_ours": "prefill.tokens.8192.one_shot_over_ours",
        "prefill_8192_chunked_over_ours": "prefill.tokens.8192.chunked_over_ours",
        "classroom_tokens_per_second": "classroom.sessions.30.tokens_per_second",
        "classroom_first_token_median_ms": "classroom.sessions.30.first_token.median_ms",
        "decode_recording_overhead": "decode.recording_overhead.wall.median",
        "decode_same_tokens": "decode.ids_equal.ours_recorded.equal",
        "ms_per_token_near": "growth.ms_per_token.near.wall.median",
        "ms_per_token_far": "growth.ms_per_token.far.wall.median",
        "far_over_near": "growth.flatness.wall.median",
        "far_over_near_cpu": "growth.flatness.cpu.median",
        "bytes_near": "growth.memory_near.weights_and_ring_bytes",
        "bytes_far": "growth.memory_far.weights_and_ring_bytes",
        "load_seconds": "load.first.seconds_wall.median",
        "load_peak_per_weights": "load.peak_over_bare_process_per_weights.max",
        **{
            f"room_{name}": f"room.visitors.28.{path}"
            for name, path in {
                "tokens_per_second": "tokens_per_second",
                "first_token_p95_ms": "first_token.p95_ms",
                "complete_median_ms": "complete.median_ms",
                "complete_p95_ms": "complete.p95_ms",
                "click_p95_ms": "click.p95_ms",
            }.items()
        },
        "click_alone_p95_ms": "clicks.pages.1.0.click_to_branch.p95_ms",
        "click_beside_28_p95_ms": "clicks.pages.1.28.click_to_branch.p95_ms",
        "click_of_two_pages_beside_28_p95_ms": "clicks.pages.2.28.click_to_branch.p95_ms",
        "answer_beside_28_p95_ms": "clicks.pages.1.28.click_to_answer.p95_ms",
        "first_picture_very_first_seconds": "browser.first_picture.very_first_seconds.max",
        "first_picture_later_seconds": "browser.first_picture.later_seconds.median",
        "step_click_to_picture_median_ms": "browser.next_word.steps.click_to_picture.median_ms",
        "step_click_to_picture_p95_ms": "browser.next_word.steps.click_to_picture.p95_ms",
        **{
            f"{page}_{name}": f"browser.{page}.{path}"
            for page in ("attention", "ring")
            for name, path in {
                "step_median_ms": "steps.click_to_picture.median_ms",
                "step_p95_ms": "steps.click_to_picture.p95_ms",
            }.items()
        },
        **{
            f"{page}_pictures_per_second": f"browser.{page}.playing.pictures_per_second.median"
            for page in ("next_word", "attention", "ring")
        },
        "tokens_per_second_streaming": "browser.next_word.writing.tokens_per_second.median",
        "tokens_per_second_on_screen": "browser.next_word.writing.tokens_per_second_on_screen.median",
        "bytes_per_streamed_token": "browser.next_word.writing.bytes_per_token.median",
    }
    found = {name: _at(result, path.split(".")) for name, path in wanted.items()}
    return {name: value for name, value in found.items() if value is not None}


def _at(value: Any, path: list[str]) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def failures(value: Any) -> list[str]:
    """Every `error` (of a section) and `failed` (of a part of one) in a result."""
    if not isinstance(value, dict):
        return []
    own = [str(value[key]) for key in ("error", "failed") if key in value]
    return own + [text for inner in value.values() for text in failures(inner)]


def main() -> int:
    """Returns the exit status: 1 if something could not be measured, whatever the numbers are."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Benchmarks as one JSON object.")
    parser.add_argument("--only", type=chosen, default=list(SECTIONS), help="sections, comma-separated")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and 5,000 tokens in place of 100,000")
    parser.add_argument("--out", type=Path, default=fresh.ROOT / "build" / "bench.json")
    options = parser.parse_args()
    result: dict[str, Any] = {"quick": options.quick, "machine": machine.describe()}
    for name in options.only:
        print(f"{name} …", file=sys.stderr, flush=True)
        result[name] = run_section(name, options.quick)
    result = {"headline": headline(result), **result}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    return int(bool(failures(result)))


if __name__ == "__main__":
    sys.exit(main())
