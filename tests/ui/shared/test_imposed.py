"""A window that is imposed on a model: chosen on a page, held by the engine, said, and never taken for the training's."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from app import compute
from app.session import state
from app.shared.imposed import imposed_sentence
from app.shared.windows import in_words, window_options
from mistral_core.checkpoint.registry import DEFAULT_MODEL
from mistral_core.mask import allowed
from tests.ui.test_pages import app, kept, length, press, wait


def test_a_text_is_written_with_the_window_that_was_chosen():
    at = app("next_word")
    length(at, 30)
    at.selectbox(key=state.window_of(DEFAULT_MODEL)).set_value(4).run()
    assert kept(at).model == "storyteller@4" and kept(at).length == 30
    press(at, "Write")
    trace = compute.engine().poll(wait(at).record.job).trace
    assert trace.model_name == "storyteller@4" and trace.config.windows == (4,) * 8
    assert trace.model_hash == compute.engine().model(DEFAULT_MODEL).model_hash, "the same weights"
    positions = torch.arange(len(trace))[None]
    for layer in range(8):
        assert trace.pattern(layer).shape[-1] == 4
    last = np.flatnonzero(allowed(positions, positions, 4)[0, -1].numpy())
    assert last.tolist() == [len(trace) - 4 + k for k in range(4)]
    at.run()
    assert any(
        "A window of 4 is imposed on storyteller, which was trained with a window of 16" in c.value for c in at.caption
    )
    at.selectbox(key=state.window_of("storyteller@4")).select_index(0).run()
    assert kept(at).model == DEFAULT_MODEL


def test_one_choice_after_another_counts_and_first_tokens_are_kept_beside_a_window():
    at = app("next_word")
    length(at, 30)
    assert not [box for box in at.selectbox if box.label == "first tokens kept beside it"]
    for model, window in (("storyteller", 8), ("storyteller@8", 4)):
        at.selectbox(key=state.window_of(model)).set_value(window).run()
    at.selectbox(key=state.sinks_of("storyteller@4")).set_value(3).run()
    assert kept(at).model == "storyteller@4,3"
    at.selectbox(key=state.sinks_of("storyteller@4,3")).set_value(2)
    press(at, "Write")  # with the choice in the same message
    trace = compute.engine().poll(wait(at).record.job).trace
    assert trace.model_name == "storyteller@4,2" and (trace.config.windows, trace.config.sinks) == ((4,) * 8, 2)
    positions = torch.arange(len(trace))[None]
    seen = allowed(positions, positions, 4, 2)[0].numpy()
    for layer in range(8):
        assert np.array_equal((trace.pattern(layer) > 0).sum(-1).max(1), seen.sum(1))
    at.run()
    assert any("The first 2 tokens stay in sight." in caption.value for caption in at.caption)
    at.selectbox(key=state.window_of("storyteller@4,2")).select_index(0).run()
    assert kept(at).model == DEFAULT_MODEL


def test_the_logits_are_those_of_the_whole_text_masked_to_that_window():
    """Against the plain network with another mask, handed in by hand: no ring, no variant."""
    loaded = compute.engine().model("storyteller@4")
    own = compute.engine().model(DEFAULT_MODEL)
    ids = torch.tensor([own.tokenizer.encode("Once upon a time there was a girl who lived in a wood.")])
    with torch.inference_mode():
        got = loaded.model(ids)
        plain = type(own.model)(replace(own.config, sliding_window=4))
        plain.load_state_dict(own.model.state_dict())
        assert torch.allclose(got, plain.eval()(ids), atol=1e-4)
        assert not torch.allclose(got, own.model(ids), atol=1e-2), "the window changed nothing"
    assert own.config.windows == (16,) * 8, "the model that others use was changed"


@pytest.mark.parametrize(
    ("windows", "words"),
    [
        ((16, 16), "with a window of 16"),
        ((None, None), "without a window"),
        ((8, 4096), "with windows of 8 and 4,096"),
        ((None, 8), "with windows of 8 and without"),
    ],
)
def test_what_a_model_was_trained_with_is_said_in_words(windows, words):
    assert in_words(windows) == words


def test_who_sees_farther_than_it_learned_is_told_so_and_without_one_all_sizes_are_offered():
    assert "has never looked that far" in imposed_sentence("storyteller@32")
    assert "misses what it learned" in imposed_sentence("full-attention@32")
    assert imposed_sentence("storyteller") == "" == imposed_sentence("nobody@8")
    assert (
        window_options(compute.config("full-attention"))[-1] == 1024
        and window_options(compute.config("storyteller"))[-1] == 64
    )
