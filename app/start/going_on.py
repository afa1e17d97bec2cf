"""From start to the next pages: the addresses at which they show its recorded text at the moment of the question."""

from __future__ import annotations

from app import compute
from app.session.address import place_query
from app.session.files import RECORDING_NAME, spec_of_recording
from app.session.runs import Record
from app.start.example import example_query, load_example

LAYER = 4
"""Chosen on the next page, counted from 0: in the middle of the way."""


def going_on(to: str) -> dict[str, str]:
    """The address of the page `to` at the moment of the question, asking about the same word; `{}` = the recording.

    Raises:
        TraceError: the recording is missing or damaged.
    """
    trace = compute.recording()
    spec = spec_of_recording(Record(name=RECORDING_NAME, label="recorded", trace=trace))
    story = load_example(compute.EXAMPLE, trace)
    if spec is None or story is None:
        return {}
    place = place_query(story["target"], min(LAYER, trace.config.n_layers - 1))
    more = example_query(compute.EXAMPLE) if to == "reach" else {"ask": str(story["position"]), "put": story["swap"]}
    return spec.query() | place | more
