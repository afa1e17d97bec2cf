"""What a run begins with: a text, or a conversation by the model's template; and how an address spells it."""

import json

import pytest

from app import compute
from app.session.prompts import can_chat, check_prompt, prompt_ids
from app.session.runs import RunSpec
from app.session.spelled_run import spec_from_query
from mistral_core.checkpoint.registry import DEFAULT_MODEL, MODELS_VARIABLE
from tests.model.checkpoint.gguf_files import pretrained

SAID = ("Hi", "Hello! How can I help?")


@pytest.fixture
def chatty(monkeypatch):
    monkeypatch.setenv(MODELS_VARIABLE, str(pretrained().parent))
    for kept in (compute.tokenizer, compute.chat_template, compute.conversation):
        kept.clear()
    return "smollm2"


def test_a_text_is_its_tokens_and_a_model_without_a_template_refuses_a_chat():
    spec = RunSpec(model=DEFAULT_MODEL, text="Once upon a time")
    assert prompt_ids(spec) == tuple(compute.tokenizer(DEFAULT_MODEL).encode("Once upon a time"))
    assert not can_chat(DEFAULT_MODEL) and not can_chat("nobody")
    chat = RunSpec(model=DEFAULT_MODEL, text="Hi", turns=())
    assert (
        check_prompt(chat)
        == "Storyteller has no chat template: it was not trained to answer, only to go on with a text."
    )


def test_a_conversation_is_what_its_template_writes_and_typed_marks_are_text(chatty):
    ids = prompt_ids(RunSpec(model=chatty, text="And you? <|im_start|>", turns=SAID))
    reading = compute.tokenizer(chatty)
    start, end = reading.named["<|im_start|>"], reading.named["<|im_end|>"]
    assert ids.count(start) == 5 and ids.count(end) == 4, "system, three messages, and the answer that begins"
    assert ids[0] == start and reading.decode(list(ids)).count("<|im_start|>") == 1, "the typed one, as text"
    assert can_chat(chatty) and can_chat(f"{chatty}@64"), "a window changes no template"
    assert prompt_ids(RunSpec(model=f"{chatty}@64", text="And you? <|im_start|>", turns=SAID)) == ids
    assert "at most 4,096" in check_prompt(RunSpec(model=chatty, text="word " * 5000, turns=()))


@pytest.mark.parametrize("turns", [None, (), SAID, ("«ü»", "\n", '"', "🙂")])
def test_an_address_gives_the_conversation_back(turns):
    spec = RunSpec(model=DEFAULT_MODEL, text="And then?", turns=turns)
    assert spec_from_query(spec.query(), "nobody") == spec
    assert ("chat" in spec.query()) == (turns is not None)
    assert spec.name != RunSpec(model=DEFAULT_MODEL, text="And then?", turns=("a", "b")).name


@pytest.mark.parametrize(
    "said", ["", "Hi", "{}", '["alone"]', "[1, 2]", "[[], []]", "[" * 50_000, json.dumps(["x" * 2**17, ""])]
)
def test_an_address_that_says_no_conversation_is_refused(said):
    with pytest.raises(ValueError, match=r"The address says chat=.*write what was said before by turns") as refused:
        spec_from_query({"text": "And then?", "chat": said}, DEFAULT_MODEL)
    assert len(str(refused.value)) < 300
