"""Every mistake errs exactly where its story says, on networks with shared key heads, long texts and long chunks."""

import inspect
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.analysis.interventions import KnockOut
from mistral_core.checkpoint.fast import FastTransformer
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.registry import bundled_root
from mistral_core.checkpoint.variants import with_changes, with_windows
from mistral_core.model import random_model
from mistral_core.museum.copies import Substitution, copy_with
from mistral_core.museum.exhibits import EXHIBITS, MOST, exhibit
from mistral_core.museum.mistakes import RIGHT
from mistral_core.museum.reading import compare
from mistral_core.verification import operations

LENGTH = 45
"""More than two of every window below, and than the longest chunk, 2 (W + S) + 3."""
SHAPES = {
    "window": {},
    "smallest": {"sliding_window": 2},
    "sinks": {"sinks": 2},
    "layers": {"sliding_window": (4, None, 7)},
    "none": {"sliding_window": None},
}
HARMLESS = "other-order"
NAMES = [one.name for one in EXHIBITS]


@pytest.fixture(scope="module", params=SHAPES)
def model(request, tiny_config):
    return random_model(replace(tiny_config, **SHAPES[request.param]), seed=11, std=0.4)


@pytest.fixture
def ids(draw_tokens):
    return draw_tokens(LENGTH)


@pytest.mark.parametrize("name", NAMES)
def test_it_errs_from_where_its_story_says_and_not_before(model, ids, name):
    chosen = exhibit(name)
    if chosen.lacks(model.config):
        assert chosen.window and set(model.config.windows) == {None}
        with pytest.raises(ValueError, match=r"needs a layer with a window.*impose a window"):
            compare(model, chosen, ids)
        return
    compared = compare(model, chosen, ids, n_written=4)
    if name == HARMLESS:
        assert compared.expected is None and compared.error.max() < 1e-4 and compared.right == compared.wrong
        return
    assert compared.errs_from == compared.expected
    assert (compared.error[: compared.expected] == 0).all() and compared.error.max() > 0.3
    assert (compared.kl[: compared.expected] == 0).all() and (compared.kl >= 0).all() and compared.kl.max() > 1e-3


def test_rounding_is_the_only_error_of_another_order(tiny_model64, draw_tokens):
    compared = compare(tiny_model64, exhibit(HARMLESS), draw_tokens(LENGTH))
    assert 0 < compared.error.max() < 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_a_text_that_is_too_short_is_refused_and_the_shortest_is_not(tiny_model, draw_tokens, name):
    chosen = exhibit(name)
    needed = chosen.needs(tiny_model.config)
    with pytest.raises(ValueError, match=rf"texts of {needed} tokens and more, and this one has {needed - 1}"):
        compare(tiny_model, chosen, draw_tokens(needed - 1))
    compared = compare(tiny_model, chosen, draw_tokens(needed), n_written=1)
    assert name == HARMLESS or compared.errs_from == compared.expected < needed


def test_what_a_model_lacks_is_said(tiny_config):
    narrow = replace(tiny_config, sliding_window=1)
    assert "it needs one of 2 or more" in exhibit("write-before-read").lacks(narrow)
    assert exhibit("window-plus-one").lacks(narrow) == ""
    assert "several key heads" in exhibit("repeat-order").lacks(replace(tiny_config, n_kv_heads=6))
    assert "several key heads" in exhibit("repeat-order").lacks(replace(tiny_config, n_kv_heads=1))
    assert "one pair" in exhibit("half-split").lacks(replace(tiny_config, head_dim=2))
    with pytest.raises(ValueError, match="there is no mistake 'x'; there are window-plus-one"):
        exhibit("x")


# What a mistake computes, made another way: with other weights, or another window, by the right functions.


def logits_of(model, substitution, ids):
    return operations.dense(copy_with(model, substitution), torch.tensor([ids]))[0]


def test_one_key_too_many_is_the_next_window_while_a_prompt_is_read(tiny_model64, ids):
    wider = operations.dense(with_windows(tiny_model64, 6), torch.tensor([ids]))[0]
    assert torch.equal(logits_of(tiny_model64, exhibit("window-plus-one").substitution, ids), wider)


def test_half_split_is_the_right_rotation_on_rows_in_another_order(tiny_model64, tiny_config, ids):
    size = tiny_config.head_dim
    order = torch.stack((torch.arange(size // 2), torch.arange(size // 2) + size // 2), 1).flatten()
    moved = random_model(tiny_config, seed=11, std=0.4, dtype=torch.float64)
    for block in moved.layers:
        for matrix in (block.attention.wq, block.attention.wk):
            rows = matrix.weight.view(-1, size, tiny_config.dim)[:, order].reshape(matrix.weight.shape)
            matrix.weight = torch.nn.Parameter(rows, requires_grad=False)
    expected = operations.dense(moved, torch.tensor([ids]))[0]
    assert (logits_of(tiny_model64, exhibit("half-split").substitution, ids) - expected).abs().max() < 1e-10


def test_another_theta_is_that_of_another_configuration(tiny_model64, tiny_config, ids):
    other = random_model(replace(tiny_config, rope_theta=1e6), seed=11, std=0.4, dtype=torch.float64)
    expected = operations.dense(other, torch.tensor([ids]))[0]
    assert torch.equal(logits_of(tiny_model64, exhibit("wrong-theta").substitution, ids), expected)
    back = logits_of(other, exhibit("wrong-theta").substitution, ids)  # from 1e6 to 10,000
    assert torch.equal(back, operations.dense(tiny_model64, torch.tensor([ids]))[0])


def test_keys_dealt_out_by_turns_are_every_head_with_its_own_copy(tiny_model64, tiny_config, ids):
    own = random_model(replace(tiny_config, n_kv_heads=6), seed=11, std=0.4, dtype=torch.float64)
    state = tiny_model64.state_dict()
    for name, weight in state.items():
        if ".wk." in name or ".wv." in name:
            heads = weight.view(2, tiny_config.head_dim, -1)
            state[name] = heads.repeat(3, 1, 1).reshape(6 * tiny_config.head_dim, -1)
    own.load_state_dict(state)
    expected = operations.dense(own, torch.tensor([ids]))[0]
    assert (logits_of(tiny_model64, exhibit("repeat-order").substitution, ids) - expected).abs().max() < 1e-10


# A copy, and nothing else, is another one.


@pytest.mark.parametrize("name", NAMES)
def test_a_mistake_is_one_function_with_the_signature_of_the_right_one(name):
    given = exhibit(name).substitution
    wrong = given.function
    (key,) = [key for key in RIGHT if getattr(given, key) is wrong]
    if key == "go_back":
        return
    expected = list(inspect.signature(RIGHT[key]).parameters)
    assert list(inspect.signature(wrong).parameters) == expected + ["slots"] * given.of_window
    assert wrong.__doc__ and len(inspect.getsource(wrong).splitlines()) <= 40


def test_a_substitution_of_nothing_is_the_network_bit_for_bit(model, ids):
    tokens = torch.tensor([ids])
    copy = copy_with(model, Substitution())
    assert torch.equal(operations.dense(copy, tokens), operations.dense(model, tokens))
    assert torch.equal(operations.prefill(copy, tokens, 7), operations.prefill(model, tokens, 7))
    assert torch.equal(operations.decode(copy, tokens), operations.decode(model, tokens))
    with pytest.raises(ValueError, match="0 functions are substituted"):
        _ = Substitution().function


@pytest.mark.parametrize("name", [name for name in NAMES if name != "trim-after-wrap"])
def test_copies_share_the_weights_and_leave_the_network_alone(tiny_model, ids, name):
    tokens = torch.tensor([ids])
    before = operations.prefill(tiny_model, tokens, 9)
    copy = copy_with(tiny_model, exhibit(name).substitution)
    wrong, right = [], []
    threads = [
        threading.Thread(target=lambda: wrong.append(operations.prefill(copy, tokens, 9))),
        threading.Thread(target=lambda: right.append(operations.prefill(tiny_model, tokens, 9))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch.equal(right[0], before)
    assert copy.layers[0].attention.wq.weight.data_ptr() == tiny_model.layers[0].attention.wq.weight.data_ptr()
    assert name == "no-causal-mask" or not torch.equal(wrong[0], before)  # that one is of the dense pass


def test_variants_of_a_copy_and_copies_of_variants_have_the_mistake(tiny_model, ids):
    given, tokens = exhibit("half-split").substitution, torch.tensor([ids])
    a = operations.dense(with_windows(copy_with(tiny_model, given), 3), tokens)
    b = operations.dense(copy_with(with_windows(tiny_model, 3), given), tokens)
    assert torch.equal(a, b) and not torch.equal(a, operations.dense(with_windows(tiny_model, 3), tokens))


def test_a_changed_network_keeps_its_changes(tiny_model, ids):
    tokens, cut = torch.tensor([ids]), KnockOut(part="head", layer=1, index=2)
    changed = with_changes(tiny_model, [cut])
    wrong = operations.dense(copy_with(changed, exhibit("half-split").substitution), tokens)
    apart = operations.dense(with_changes(copy_with(tiny_model, exhibit("half-split").substitution), [cut]), tokens)
    assert torch.equal(wrong, apart) and not torch.equal(wrong, operations.dense(changed, tokens))


def test_the_bundled_model_errs_where_the_stories_say():
    loaded = load_model(bundled_root() / "storyteller")
    assert isinstance(loaded.model, FastTransformer)
    ids = loaded.tokenizer.encode("Once upon a time there was a little girl who lived in a house by the sea. " * 4)[:40]
    for chosen in EXHIBITS:
        compared = compare(loaded.model, chosen, ids, n_written=2)
        assert chosen.name == HARMLESS or compared.errs_from == compared.expected, chosen.name
        assert (compared.error.max() < 1e-3) == (chosen.name == HARMLESS), chosen.name
        assert len(compared.right) == len(compared.wrong) == 2


def test_a_longer_text_is_read_as_far_as_it_says(tiny_model, draw_tokens):
    compared = compare(tiny_model, exhibit("half-split"), draw_tokens(MOST + 9), n_written=1)
    assert compared.error.shape == compared.kl.shape == (MOST,) and np.isfinite(compared.error).all()
