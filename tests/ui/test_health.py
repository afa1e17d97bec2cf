"""What a server says of itself: to anyone that it is there, to programs of its machine how much it does, never what."""

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request

from app import compute
from app.health import healthz, metrics
from mistral_core.serving.figures import Holding


def asked(client: str = "127.0.0.1", **headers: str) -> Request:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": pairs, "client": (client, 5)})


@pytest.fixture
def engine(monkeypatch):
    engine = compute.engine()
    monkeypatch.setattr(engine, "holding", lambda: Holding(writing=3, waiting=2, nbytes=1024))
    monkeypatch.setattr(engine.figures, "tokens", 77)
    monkeypatch.setattr(engine.figures, "steps", [0.25])
    return engine


def test_it_answers_anyone_that_it_is_there():
    assert healthz(asked("10.0.0.7")).body == b"ok"


def test_the_numbers_are_those_of_the_engine(engine):
    answer = metrics(asked())
    found = {
        sample.name: sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }
    assert found == {
        "explorer_tokens_total": 77,
        "explorer_texts_written": 3,
        "explorer_texts_waiting": 2,
        "explorer_texts_bytes": 1024,
        "explorer_visitors": found["explorer_visitors"],
        "explorer_step_p95_seconds": 0.25,
    }
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("request_", [asked("10.0.0.7"), asked(x_forwarded_for="10.0.0.7")], ids=["far", "passed on"])
def test_others_are_told_no_number(engine, request_):
    answer = metrics(request_)
    assert answer.status_code == 404 and b"explorer" not in answer.body
