"""The examples fit the model that writes."""

import pytest

from app import compute
from app.session.runs import RunSpec
from app.shared.examples import EXAMPLES, RELAY, examples_of
from mistral_core.checkpoint import registry
from mistral_core.generation import Run


def test_every_model_but_a_relay_is_given_stories():
    kinds = {name: examples_of(name) for name in registry.browser_models()}
    assert kinds.pop("relay") is RELAY
    assert all(kind is EXAMPLES for kind in kinds.values()) and examples_of("none such") is EXAMPLES


@pytest.mark.parametrize(("title", "text"), RELAY.items())
def test_the_relay_names_the_key_exactly_where_its_example_says_that_it_can(title, text):
    loaded = compute.engine().model("relay")
    ids = tuple(loaded.tokenizer.encode(text))
    run = Run(loaded.model, loaded.tokenizer, RunSpec(model="relay", text=text, new_tokens=1).request(ids))
    run.complete()
    position = [loaded.tokenizer.label(token) for token in ids].index(text[0])
    distance = len(ids) - 1 - position
    if "out of reach" in title:
        assert distance > loaded.model.config.exact_reach()
    else:
        assert f"is {text[0]}, {distance} tokens" in title and run.trace().text.endswith(text[0])
