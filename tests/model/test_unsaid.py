"""What a text leaves unsaid: exactly the words of the list, whatever the pieces, and nothing else about the text."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.registry import bundled_root
from mistral_core.generation import Run, shared_length
from mistral_core.request import GenerationRequest
from mistral_core.sampling import UNSAID, SamplingSettings, choose, draw, sampling_stages, uniform
from mistral_core.serving.engine import Engine
from mistral_core.tokenizer import SentencePieceTokenizer
from mistral_core.trace.compact import distil
from mistral_core.trace.trace import LOGITS, PATTERN, RecordingPlan, Trace
from mistral_core.unsaid import STEMS, WHOLE, Unsaid, holds_unsaid, unsaid_of
from tests.conftest import TINY, ByteTokenizer
from tests.model.writing import asked, same_trace, written

NEARBY = Path(__file__).with_name("nearby_words.txt")
"""Of the 105,525 different words of the training text those with the first four letters of a word of the list, and
those with one inside: no other can be held back."""
HELD = {
    "nigger": "s head heads ing",
    "negro": "es id",
    "negress": "es",
    "darky": "s",
    "darkie": "s",
    "darkey": "",
    "pickaninn": "y",
    "piccaninn": "y ies",
    "blackamoor": "s",
    "mulatt": "o oes er",
    "kaffir": "s",
    "hottentot": "s",
    "chinaman": "",
    "chinamen": "",
    "coolie": "s",
    "redskin": "s",
    "nigga": "",
    "kafir": "s",
    "caffre": "",
}
"""The endings that the training text has."""
INNOCENT = Path(__file__).with_name("innocent_words.txt").read_text(encoding="utf-8").split()
"""English and German words that begin nearly as one of the list does, end in one, or are said in no list."""
PIECES = [
    "n",
    "ig",
    "g",
    "er",
    "ger",
    "ne",
    "ro",
    "a",
    "s",
    " ",
    " Ne",
    "NEG",
    "rd",
    "nig",
    ".",
    " a nigga",
    "s-neger,",
    "i",
    "ß",
]


class Rude(ByteTokenizer):
    """Begin and end, bytes of é and of n, and pieces of which words of the list are easily made."""

    pieces = (b"", b"", b"", b"\xc3", b"\xa9", b"n", *(piece.encode() for piece in PIECES))
    vocab_size = TINY.vocab_size

    def token_bytes(self, token_id: int, first: bool = False) -> bytes:
        return self.pieces[token_id % len(self.pieces)] if token_id > 2 else b""

    def label(self, token_id: int) -> str:
        return f"<{token_id}>"


RUDE = Rude()
N_PIECES = len(Rude.pieces)


def listed(text: str) -> list[bool]:
    """Of each word of a text, read letter by letter, whether it is of the list."""
    words = "".join(c if c.isalpha() else " " for c in text.casefold()).split()
    return [word in WHOLE or any(word[: len(stem)] == stem for stem in STEMS) for word in words]


def completes(before: str, after: str) -> bool:
    """Whether a longer text has a word of the list where the shorter one had none."""
    old = listed(before)
    return any(held and not (i < len(old) and old[i]) for i, held in enumerate(listed(after)))


# ---- the list ----------------------------------------------------------------------------------


def test_of_the_training_text_exactly_these_words_are_held_back():
    words = NEARBY.read_text(encoding="utf-8").split()
    assert len(words) > 250 and all(any(word[:4] == w[:4] or w in word for w in (*STEMS, *WHOLE)) for word in words)
    expected = {begin + end for begin, ends in HELD.items() for end in ("", *ends.split())} & set(words)
    assert {word for word in words if holds_unsaid(word)} == expected
    assert {begin + end for begin, ends in HELD.items() for end in ends.split()} <= expected


@pytest.mark.parametrize("form", ["{}", "“{}”", "pre-{}", "é {}, s", "1{}1"])
def test_innocent_words_are_not_held_back_and_every_listed_one_is(form):
    for case in (str, str.upper, str.title):
        assert [word for word in INNOCENT if holds_unsaid(form.format(case(word)))] == []
        assert all(holds_unsaid(form.format(case(word))) for word in (*STEMS, *WHOLE))
        assert all(holds_unsaid(form.format(case(stem) + "ens")) for stem in STEMS)
        assert not any(holds_unsaid(form.format(case(word) + "ens")) for word in WHOLE)


@pytest.mark.parametrize("word", (*STEMS, *WHOLE))
def test_a_word_of_the_list_is_lower_case_not_short_and_has_a_reason(word):
    assert word == word.casefold() and word.isascii() and word.isalpha() and len(word) >= 5
    assert (STEMS | WHOLE)[word]
    assert word not in STEMS or not any(word != stem and word.startswith(stem) for stem in STEMS)
    assert not any(holds_unsaid(letters + word) for letters in ("s", "é", "Ж"))


@pytest.fixture(scope="module")
def storyteller():
    return SentencePieceTokenizer(bundled_root() / "storyteller" / "tokenizer.model")


def test_the_bundled_vocabulary_spells_innocent_words_as_before(storyteller):
    """Also those of the training text, where the tokenizer puts their pieces: but for three that pause at a listed word."""
    unsaid, lost = unsaid_of(storyteller), set()
    nearby = [word for word in NEARBY.read_text(encoding="utf-8").split() if not holds_unsaid(word)]
    for word in [form(word) for word in (*INNOCENT, *nearby) for form in (str, str.title)]:
        ids = storyteller.encode(f"The {word} was")
        if any(ids[n] in unsaid.held_back(ids[:n]) for n in range(len(ids))):
            lost.add(word)
    assert lost == {"Kafiristan", "Caffrey", "Cafferty"}


@pytest.mark.parametrize("word", (*STEMS, *WHOLE))
def test_no_spelling_of_a_listed_word_gets_through(storyteller, word):
    """Its pieces, letter by letter and byte by byte, in three cases, after a space, a quote or a new line."""
    unsaid = unsaid_of(storyteller)
    singles = {storyteller.token_bytes(token): token for token in reversed(range(storyteller.vocab_size))}
    byte = {number: token for token in range(3, 259) for number in storyteller.token_bytes(token)}
    for form in (word, word.title(), word.upper()):
        for lead in ("The ", "“", "a\n"):
            before = storyteller.encode(lead)
            letters = [singles[letter.encode()] for letter in form if letter.encode() in singles]
            for ids in (storyteller.encode(form, bos=False), letters, [byte[number] for number in form.encode()]):
                whole = [*before, *ids]
                if completes(lead, storyteller.decode(whole)):
                    held = [n for n in range(len(before), len(whole)) if whole[n] in unsaid.held_back(whole[:n])]
                    assert held, (lead, form)


# ---- the tokens --------------------------------------------------------------------------------


def test_the_tokens_held_back_are_those_that_a_reading_of_every_longer_text_finds():
    """A thousand random texts with every piece put after each."""
    draws = np.random.default_rng(0)
    unsaid, found = Unsaid(RUDE), 0
    for _ in range(1000):
        ids = [1, *draws.integers(0, N_PIECES, draws.integers(0, 9)).tolist()]
        before = RUDE.decode(ids)
        wanted = {t for t in range(3, N_PIECES) if completes(before, RUDE.decode([*ids, t]))}
        got = set(unsaid.held_back(ids).tolist())
        assert {token for token in got if token < N_PIECES} == wanted, before
        assert got == {t for t in range(3, RUDE.vocab_size) if t % N_PIECES in wanted}
        assert unsaid.held_back(np.array(ids)).tolist() == sorted(got)
        found += len(wanted)
    assert found > 1000


def test_what_follows_does_not_hang_on_how_long_the_text_is():
    unsaid = Unsaid(RUDE)
    nig, space, broken = PIECES.index("nig") + 6, PIECES.index(" ") + 6, 3
    for ids, expected in (([nig], True), ([nig] * 40, False), ([*[nig] * 40, space, nig], True), ([broken, nig], True)):
        assert (PIECES.index("ger") + 6 in unsaid.held_back(ids)) is expected
    assert unsaid.held_back([]).tolist() == unsaid.held_back([1, 2]).tolist()


# ---- the stage ---------------------------------------------------------------------------------

STORY = SamplingSettings(temperature=0.8, top_p=0.95)
LEFT = np.log([0.4, 0.3, 0.2, 0.1])


def test_the_last_stage_is_what_is_before_it_without_the_tokens_and_renormalised():
    settings = SamplingSettings(temperature=0.7, top_k=3, repetition_penalty=1.1)
    plain = sampling_stages(LEFT, settings, [1])
    *others, last = sampling_stages(LEFT, settings, [1], np.array([1, 3]))
    assert [stage.name for stage in others] == [stage.name for stage in plain] and last.name == UNSAID
    assert all(np.array_equal(a.logits, b.logits) for a, b in zip(others, plain, strict=True))
    rest = plain[-1].probs * [1, 0, 1, 0]
    np.testing.assert_allclose(last.probs, rest / rest.sum(), rtol=1e-12)
    assert (last.n_choices, others[-1].n_choices) == (2, 3)


def test_a_stage_that_takes_nothing_away_equals_the_one_before_it():
    stages = sampling_stages(LEFT, SamplingSettings(top_k=2), (), np.array([3]))
    assert stages[-1].name == UNSAID and np.array_equal(stages[-1].logits, stages[-2].logits)
    assert UNSAID not in [stage.name for stage in sampling_stages(LEFT, SamplingSettings(top_k=2))]


@pytest.mark.parametrize(
    ("settings", "left"),
    [({"temperature": 0.0}, [1]), ({"top_k": 1}, [1]), ({"top_p": 0.35}, [1, 2]), ({"min_p": 0.9}, [1])],
)
def test_where_nothing_would_be_left_the_stages_are_applied_to_the_other_tokens(settings, left):
    """Of 0.3, 0.2 and 0.1 the likeliest, or so many as hold 0.35 of their sum and no more."""
    stages = sampling_stages(LEFT, SamplingSettings(**settings), (), np.array([0]))
    alone = sampling_stages(LEFT[1:], SamplingSettings(**settings))[-1]
    assert stages[-2].n_choices == 1
    np.testing.assert_allclose(stages[-1].probs[1:], alone.probs, rtol=1e-12)
    assert set(np.flatnonzero(stages[-1].probs)) <= set(left)
    assert {draw(stages, seed, 5) for seed in range(40)} <= set(left)


def test_if_every_token_is_held_back_nothing_is_drawn():
    with pytest.raises(ValueError, match=r"each of the 2 tokens .*--no-unsaid"):
        sampling_stages(np.array([1.0, -np.inf, 2.0]), SamplingSettings(), (), np.array([0, 2]))


@pytest.mark.parametrize("settings", [{}, {"top_k": 1}, {"temperature": 0.6, "top_p": 0.9}])
def test_what_is_drawn_has_the_renormalised_distribution_and_keeps_what_is_not_taken_away(settings):
    """Of 8,000 seeds: chi-squared of the counts, and each draw that the other stages already allowed is theirs."""
    stages = sampling_stages(LEFT, SamplingSettings(**settings), (), np.array([0, 3]))
    n, before, last = 8_000, stages[-2].probs, stages[-1].probs
    drawn = np.array([draw(stages, seed, 9) for seed in range(n)])
    plain = np.array([choose(before, uniform(seed, 9)) for seed in range(n)])
    assert (drawn == plain)[np.isin(plain, [1, 2])].all()
    assert np.isin(plain, [0, 3]).mean() > 0.3
    counts = np.bincount(drawn, minlength=4)
    assert counts[last == 0].sum() == 0
    alive = last > 0
    assert ((counts[alive] - n * last[alive]) ** 2 / (n * last[alive])).sum() < 10.8  # p = 0.001, one degree of freedom


@pytest.mark.parametrize("settings", [{}, {"top_k": 3}, {"temperature": 0.0}, {"temperature": 1.5, "top_p": 0.6}])
def test_no_text_of_thousands_of_steps_ever_holds_a_listed_word(settings):
    """At no token of it; the very same draws without the stage hold some in most texts."""
    unsaid, sampling = Unsaid(RUDE), SamplingSettings(**settings)
    rude = 0
    for text in range(40):
        logits = np.random.default_rng(text).normal(size=(40, N_PIECES))
        kept, free = [1], [1]
        for step, row in enumerate(logits):
            row = np.where(np.arange(N_PIECES) < 3, -9.0, row)
            held = unsaid.held_back(kept)
            kept.append(draw(sampling_stages(row, sampling, kept, held[held < N_PIECES]), text, step))
            free.append(draw(sampling_stages(row, sampling, free), text, step))
            assert not any(listed(RUDE.decode(kept)))
        rude += any(listed(RUDE.decode(free)))
    assert rude > 20


# ---- a run -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "seed", "n_new"),
    [
        ("Mein Name ist", 0, 60),
        ("Rotkäppchen ging durch den Wald", 33, 60),
        ("Es war einmal ein Mädchen 🐉. Once upon a time the little dragon 🐉 said to the king", 0, 200),
    ],
)
def test_after_these_prompts_the_bundled_model_wrote_a_listed_word(prompt, seed, n_new):
    """With the settings of the application; up to the word the text is the same as without the stage."""
    loaded = load_model(bundled_root() / "storyteller")
    ids = tuple(loaded.tokenizer.encode(prompt))
    request = GenerationRequest(prompt_ids=ids, max_new_tokens=n_new, seed=seed, sampling=STORY)
    kept, free = (written(loaded.model, loaded.tokenizer, replace(request, unsaid=on)).trace() for on in (True, False))
    assert any(listed(free.text)) and not any(listed(kept.text))
    apart = int(np.argmax(kept.token_ids != free.token_ids))
    assert free.token_ids[apart] in unsaid_of(loaded.tokenizer).held_back(free.token_ids[:apart])
    assert any(listed(loaded.tokenizer.decode(free.token_ids[: apart + 1].tolist())))


def test_a_run_leaves_words_unsaid_until_the_end_and_its_trace_tells_the_same_stages(tiny_model, tmp_path):
    plan, unsaid = RecordingPlan(hooks=(LOGITS,)), unsaid_of(RUDE)
    rude = 0
    for seed in range(8):
        request = asked(40, prompt_ids=(1, 6, 15), seed=seed, unsaid=True)
        run = Run(tiny_model, RUDE, request, plan=plan)
        list(run.prefill())
        steps = []
        while not run.finish_reason:
            steps.append(run.step())
        assert not any(listed(run.trace().text))
        run.trace().save(tmp_path / "run")
        trace = Trace.load(tmp_path / "run")
        assert trace.settings["unsaid"] is True
        for step in steps:
            history = trace.token_ids[: step.position]
            stages = sampling_stages(
                trace.logits[step.position - 1], request.sampling, history, unsaid.held_back(history)
            )
            assert draw(stages, seed, step.position) == step.token_id
            assert stages[-1].probs[step.token_id] == step.drawn_from > 0
        rude += any(listed(written(tiny_model, RUDE, replace(request, unsaid=False)).trace().text))
    assert rude > 4


def test_four_sessions_at_once_leave_unsaid_what_each_alone_does(tiny_model):
    """Every other one with the stage: in the engine it is a matter of the request, as alone."""
    model = SimpleNamespace(name="rude", model_hash="0", model=tiny_model, tokenizer=RUDE, config=TINY)
    engine = Engine(lambda name, report: model)
    asks = [asked(40, prompt_ids=(1, 6, 15), seed=seed, unsaid=seed % 2 == 0) for seed in range(4)]
    jobs = [engine.submit(f"s{seed}", "rude", ask) for seed, ask in enumerate(asks)]
    end = time.monotonic() + 60
    while any(engine.poll(job).status != "done" for job in jobs):
        assert time.monotonic() < end, [engine.poll(job).message for job in jobs]
        time.sleep(0.005)
    texts = [engine.poll(job).trace for job in jobs]
    engine.close()
    assert [any(listed(text.text)) for text in texts] == [False, True, False, True]
    for text, ask in zip(texts, asks, strict=True):
        assert text.token_ids.tolist() == written(tiny_model, RUDE, ask).trace().token_ids.tolist()


def test_what_is_given_or_forced_is_the_visitors_own(tiny_model):
    word = (PIECES.index("nig") + 6, PIECES.index("ger") + 6)
    space = PIECES.index(" ") + 6
    for request in (
        asked(6, prompt_ids=(1, space, *word), unsaid=True),
        asked(6, prompt_ids=(1, space), forced=tuple(enumerate(word, start=2)), unsaid=True),
    ):
        trace = written(tiny_model, RUDE, request).trace()
        assert tuple(trace.token_ids[2:4]) == word
        assert sum(listed(trace.text)) == 1


def test_a_branch_restores_its_parent_only_where_both_leave_the_same_unsaid(tiny_model):
    plan = RecordingPlan()
    parent = written(tiny_model, RUDE, asked(20, unsaid=True), plan=plan).trace()
    request = asked(20, unsaid=True).branch(12, 9)
    branch = Run(tiny_model, RUDE, request, plan=plan, parent=parent)
    assert branch.n_read == 12
    same_trace(branch.complete().trace(), written(tiny_model, RUDE, request, plan=plan).trace())
    assert shared_length(parent, asked(20)) == 0
    old = {key: value for key, value in parent.settings.items() if key != "unsaid"}
    older = written(tiny_model, RUDE, asked(20), plan=plan).trace()
    assert shared_length(replace(older, settings=old), asked(20)) == len(older)  # written before there was the switch
    assert shared_length(replace(older, settings=old), asked(20, unsaid=True)) == 0


def test_a_compact_trace_keeps_the_stage(tiny_model):
    plan = RecordingPlan(hooks=(LOGITS, PATTERN))
    trace = written(tiny_model, RUDE, asked(20, unsaid=True), plan=plan).trace()
    with pytest.raises(ValueError, match="held_back is None"):
        distil(trace, RUDE.label)
    small = distil(trace, RUDE.label, k=5, held_back=unsaid_of(RUDE).held_back)
    assert small.settings["top_stages"][-1] == UNSAID
    for step in range(len(trace)):
        held = unsaid_of(RUDE).held_back(trace.token_ids[: step + 1])
        probs = np.exp(trace.logits[step].astype(float) - trace.logits[step].max())
        rest = np.where(np.isin(np.arange(len(probs)), held), 0, probs)
        assert small["top/kept"][step].tolist()[-2:] == [len(probs), len(probs) - len(held)]
        ids = small["top/ids"][step]
        np.testing.assert_allclose(small["top/stage_probs"][step, -1], (rest / rest.sum())[ids], rtol=1e-5)
    off = written(tiny_model, RUDE, asked(20), plan=plan).trace()
    assert UNSAID not in distil(off, RUDE.label).settings["top_stages"]
