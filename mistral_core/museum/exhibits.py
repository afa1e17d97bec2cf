"""The stories of the mistakes, as data: what was wrong, where it was seen, what is needed to see it, where it must err.

Sources are public threads and files, named as they are found; a date or number that is not in them is not said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mistral_core.config import MistralConfig
from mistral_core.museum import mistakes
from mistral_core.museum.copies import Substitution, slots_of_ring

Picture = Literal["reads", "order", "distance", "dials", "heads"]
"""What is drawn: which keys are read, in which order, how far away they seem, what is turned, who reads whom."""
MOST = 320
"""Tokens of a text that are read."""
AT_ONCE = 32
"""Tokens of a chunk where its size does not matter."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a text is read, so that the mistake can show.

    Attributes:
        chunks: tokens read at once, one after another; together the text.
        cached: through rings; else in one dense pass.
        back: how many tokens are then forgotten and read again.
    """

    chunks: tuple[int, ...]
    cached: bool = True
    back: int = 0


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """One historical mistake.

    Attributes:
        name: as URLs and commands have it. title: in words. story: what was done, in a sentence or two.
        lesson: what one learns from it. seen: where it was seen, with what is said there.
        picture: what is drawn. substitution: the wrong function.
        window, shared, pairs: it needs a layer with a window; several key heads, each read by several queries; heads
            of more than two numbers.
        least: the smallest window with which it does anything. tokens: how many must be read from where it begins.
        plan: how a text of `length` tokens is read with a ring of (slots, kept first).
        errs_from: first position whose logits can be wrong; `None` = none but by rounding.
    """

    name: str
    title: str
    story: str
    lesson: str
    seen: tuple[str, ...]
    picture: Picture
    substitution: Substitution
    plan: Callable[[int, int, int], Plan]
    errs_from: Callable[[int, int, int], int | None]
    window: bool = True
    shared: bool = False
    pairs: bool = False
    least: int = 1
    tokens: int = 1

    def lacks(self, config: MistralConfig) -> str:
        """What it needs and a model does not have; "" if nothing."""
        window, _ = room(config)
        if self.window and all(one is None for one in config.windows):
            return (
                "it needs a layer with a window, and this model has none; impose a window on it (page Models), or "
                "choose another model"
            )
        if self.window and window < self.least:
            return f"with a window of {window} it changes nothing; it needs one of {self.least} or more"
        if self.shared and config.n_kv_heads in (1, config.n_heads):
            return "it needs several key heads that several query heads read each, and this model has none"
        if self.pairs and config.head_dim == 2:
            return "a head of this model has one pair of numbers, so there is one way to pair them"
        return ""

    def needs(self, config: MistralConfig) -> int:
        """Tokens that a text must have for it to show; for a model that lacks nothing."""
        window, sinks = room(config)
        plan = self.plan(window, sinks, AT_ONCE)
        if plan.back:
            return window + sinks + plan.back
        first = self.errs_from(window, sinks, AT_ONCE)
        return 2 if first is None else max(2, first + self.tokens)

    def problem(self, config: MistralConfig, length: int) -> str:
        """Why it cannot be shown with this model and a text of so many tokens; "" if it can."""
        if lacking := self.lacks(config):
            return lacking
        if length < (needed := self.needs(config)):
            return (
                f"it shows in texts of {needed} tokens and more, and this one has {length}; write a longer one, or "
                f"impose a smaller window"
            )
        return ""


def room(config: MistralConfig) -> tuple[int, int]:
    """The smallest window, and the first positions kept beside it; (1, 0) without a window."""
    if all(window is None for window in config.windows):
        return 1, 0
    slots, sinks = slots_of_ring(config)
    return slots - sinks, sinks


def even(length: int, size: int, first: int = 0) -> tuple[int, ...]:
    """Chunks of one size after a first one of another, as many as a text has."""
    chunks, rest = ([min(first, length)], length - min(first, length)) if first else ([], length)
    while rest:
        chunks.append(min(size, rest))
        rest -= chunks[-1]
    return tuple(chunks)


def until_full(length: int, slots: int) -> tuple[int, ...]:
    """One by one until a ring is full, then in chunks."""
    single = min(slots, length)
    return (1,) * single + even(length - single, AT_ONCE)


EXHIBITS: tuple[Exhibit, ...] = (
    Exhibit(
        name="window-plus-one",
        title="One key too many",
        story="A prompt is read with a mask that lets each token see W earlier ones and itself: W + 1 keys. Writing "
        "goes on with a ring of W slots. So the same token sees one key more when it is read than when it is written.",
        lesson="Say whether W counts the token itself, and use one mask for both ways.",
        seen=(
            "mistralai/mistral-inference 60: prefill sees W + 1, decoding W. Its first one-file reference masked with "
            "triu(diagonal=-W)",
            "ml-explore/mlx-lm 390; huggingface/transformers 29623 and 39408; apple/axlearn 1009; bumblebee 341: "
            "programs that differ by one key",
        ),
        picture="reads",
        substitution=Substitution(hidden_keys=mistakes.hidden_keys_one_too_many),
        plan=lambda window, sinks, length: Plan(chunks=(length,)),
        errs_from=lambda window, sinks, length: window + sinks,
    ),
    Exhibit(
        name="write-before-read",
        title="Written before it was read",
        story="A chunk of a prompt is stored in the ring first, and then reads it. Its first tokens still need keys "
        "that its last tokens have just overwritten; they read the newcomers in their place.",
        lesson="One token: write, then read. Several: read, then write.",
        seen=(
            "pytorch/executorch 20346: chunks of 2 W tokens are written into a ring of 2 W slots and then read it, so "
            "their first queries lose the end of the chunk before",
            "lablup/mlxcel 678: what a chunk reads is cut to W after it was stored, so its first rows see nothing",
            "done right: mistralai/mistral-inference, transformer_layers.py, reads the cache and the chunk and then "
            "writes; for one token it writes and then reads",
        ),
        picture="reads",
        substitution=Substitution(read_and_write=mistakes.write_then_read),
        plan=lambda window, sinks, length: Plan(chunks=even(length, window)),
        errs_from=lambda window, sinks, length: window,
        least=2,
        tokens=2,
    ),
    Exhibit(
        name="full-too-early",
        title="Wrong exactly when it is full",
        story="A comparison has >= where > is meant: the ring goes on to the next slot when its last slot is about to "
        "be filled, not when it overflows. The oldest key is lost one token too early.",
        lesson="Test at length W - 1, W and W + 1, token by token.",
        seen=(
            "huggingface/transformers 37574: wrong cache update for sliding-window layers when the total length "
            "reaches the window",
        ),
        picture="reads",
        substitution=Substitution(slots=mistakes.slots_turned_early),
        plan=lambda window, sinks, length: Plan(chunks=even(length, 1, max(1, window // 2))),
        errs_from=lambda window, sinks, length: window + sinks - 1,
        least=2,
    ),
    Exhibit(
        name="not-unrotated",
        title="The ring taken for the text",
        story="The mask of a later chunk takes the slots to hold the last W tokens in the order of the text. After "
        "the wrap the oldest stands in the middle. So it hides a key that is to be seen and shows one that is too old.",
        lesson="Bring the slots into order first, or make the mask from positions and not from places.",
        seen=(
            "ollama/ollama 14912: a chunk was joined to a wrapped ring as it lay; now the ring is brought into order "
            "first",
            "done right: mistralai/mistral-inference, cache.py, unrotates before a chunk is read",
        ),
        picture="reads",
        substitution=Substitution(plan=mistakes.plan_in_order_of_text),
        plan=lambda window, sinks, length: Plan(chunks=even(length, window, window + sinks + window // 2)),
        errs_from=lambda window, sinks, length: window + sinks + window // 2,
        least=2,
        tokens=2,
    ),
    Exhibit(
        name="other-order",
        title="No mistake: another order",
        story="The slots are read backwards. Attention is a weighted sum, and a sum does not ask for the order. But "
        "numbers in a computer are rounded after each step, so the last digits differ; if two words are nearly "
        "equally likely, that is enough to write another one.",
        lesson="Slots need no order: the position is turned into the key. Bits need the same order.",
        seen=("kyutai-labs/moshi 241 asks whether slots must be re-ordered",),
        picture="order",
        substitution=Substitution(attend=mistakes.attend_backwards),
        plan=lambda window, sinks, length: Plan(chunks=even(length, AT_ONCE)),
        errs_from=lambda window, sinks, length: None,
        window=False,
    ),
    Exhibit(
        name="rope-by-slot",
        title="Turned by the slot",
        story="RoPE turns a key by its position. Here the slot number is used, which begins at 0 again after the wrap. "
        "The newest token then seems to stand before those that it follows.",
        lesson="Where a key is stored and where its word stands are two numbers.",
        seen=("a trap that rings invite; no thread is known here",),
        picture="distance",
        substitution=Substitution(rotation=mistakes.rotation_by_slot, of_window=True, paths=("cached",)),
        plan=lambda window, sinks, length: Plan(chunks=even(length, AT_ONCE)),
        errs_from=lambda window, sinks, length: window + sinks,
        least=2,
    ),
    Exhibit(
        name="rope-by-place",
        title="Turned by the place in the cache",
        story="The position of a new token is taken from the length of the cache. A full ring grows no longer, so from "
        "the wrap on every token is turned by the same angle, and all of them seem to stand at one place.",
        lesson="Count what was read, not what is held.",
        seen=("a trap that rings invite; mit-han-lab/streaming-llm 53 and 73 ask about positions under cached keys",),
        picture="distance",
        substitution=Substitution(rotation=mistakes.rotation_by_length, of_window=True, paths=("cached",)),
        plan=lambda window, sinks, length: Plan(chunks=even(length, AT_ONCE)),
        errs_from=lambda window, sinks, length: window + sinks,
        least=2,
    ),
    Exhibit(
        name="half-split",
        title="Other numbers make a pair",
        story="Mistral's weights are made for pairs of neighbours (0 and 1, 2 and 3). Hugging Face's code pairs "
        "number i with i + d/2, on files whose rows were moved for that. Here its pairing meets Mistral's rows.",
        lesson="Both ways are a network, and a program agrees with itself: only other numbers, or a text, can tell.",
        seen=("the two layouts: mistral-inference rope.py, and the conversion of its weights for transformers",),
        picture="dials",
        substitution=Substitution(rotate=mistakes.rotate_halves),
        pairs=True,
        plan=lambda window, sinks, length: Plan(chunks=even(length, AT_ONCE)),
        errs_from=lambda window, sinks, length: 1,
        window=False,
    ),
    Exhibit(
        name="wrong-theta",
        title="Another theta",
        story="theta says how slowly each pair of numbers turns. A configuration does not name it, and the program "
        "takes a default, which is that of other weights.",
        lesson="No default for what the weights depend on.",
        seen=(
            "mistral-inference, transformer.py, takes 1e6 where rope_theta is absent; v0.1's one-file reference used "
            "10,000",
        ),
        picture="dials",
        substitution=Substitution(rotation=mistakes.rotation_of_default_theta),
        plan=lambda window, sinks, length: Plan(chunks=even(length, AT_ONCE)),
        errs_from=lambda window, sinks, length: 1,
        window=False,
    ),
    Exhibit(
        name="repeat-order",
        title="Keys dealt out by turns",
        story="Several query heads share a key head: the first ones the first. Here heads are dealt out by turns, as "
        "repeat does where repeat_interleave is meant. So heads read the keys of a group that is not theirs.",
        lesson="Test with fewer key heads than heads; with as many, nothing is wrong.",
        seen=("llm-d-benchmark 402, paiml/aprender 2010: wrong with shared heads, and every test had none shared",),
        picture="heads",
        substitution=Substitution(attend=mistakes.attend_repeated_by_turns),
        plan=lambda window, sinks, length: Plan(chunks=even(length, AT_ONCE)),
        errs_from=lambda window, sinks, length: 0,
        window=False,
        shared=True,
    ),
    Exhibit(
        name="no-causal-mask",
        title="No mask without a cache",
        story="The path with a cache has its mask, the path without one gets none: every token sees the whole text, "
        "and the one it is to predict.",
        lesson="Two paths to one number are to be compared.",
        seen=(
            "mistralai/mistral-inference, transformer_layers.py: the block takes a mask and never hands it on; its "
            "tests use the cache",
        ),
        picture="reads",
        substitution=Substitution(hidden_keys=mistakes.nothing_hidden, paths=("dense",)),
        plan=lambda window, sinks, length: Plan(chunks=(length,), cached=False),
        errs_from=lambda window, sinks, length: 0,
        window=False,
    ),
    Exhibit(
        name="wrong-end",
        title="The wrong end of a long chunk",
        story="A chunk is longer than the ring, so only W of its tokens can be kept. Here the first ones are. The "
        "chunk itself is read rightly; what follows finds nothing that it may see.",
        lesson="Test with a chunk longer than the window.",
        seen=("pytorch/executorch 22285: a chunk longer than the window keeps the wrong keys",),
        picture="reads",
        substitution=Substitution(plan=mistakes.plan_that_keeps_the_beginning),
        plan=lambda window, sinks, length: Plan(chunks=even(length, window, 2 * (window + sinks) + 3)),
        errs_from=lambda window, sinks, length: 2 * (window + sinks) + 3,
        least=2,
    ),
    Exhibit(
        name="empty-slots",
        title="Empty slots are read",
        story="Until the ring is full, the mask shows slots that nothing was written into. They hold zeros; a score of "
        "0 is no small score, so they draw attention to nothing. From token W on the ring is full.",
        lesson="An empty slot needs a sign that it is empty.",
        seen=(
            "huggingface/transformers 45940: the mask has the size of the window before the cache is full, and zeros "
            "are attended to",
        ),
        picture="reads",
        substitution=Substitution(hidden_keys=mistakes.empty_slots_seen, paths=("cached",)),
        plan=lambda window, sinks, length: Plan(chunks=until_full(length, window + sinks)),
        errs_from=lambda window, sinks, length: 0,
        least=2,
    ),
    Exhibit(
        name="trim-after-wrap",
        title="Going back in a ring",
        story="The last tokens are taken back, to write others in their place. But they had overwritten older "
        "ones, which are in the window again now and are gone. Going back by one token is free; "
        "from two on, keys are missing.",
        lesson="How far one can go back is a question to the ring, not to the text.",
        seen=(
            "ggml-org/llama.cpp 13194, 14157 and 21831 ask why a prefix is read again",
            "ml-explore/mlx-swift-lm 584: taking back moved the counters alone, and what had been overwritten stayed; "
            "Blaizzy/mlx-vlm 1715: a ring was cut as if it were a list",
        ),
        picture="reads",
        substitution=Substitution(go_back=mistakes.trim, paths=("cached",)),
        plan=lambda window, sinks, length: Plan(chunks=even(length, AT_ONCE), back=max(2, window // 2)),
        errs_from=lambda window, sinks, length: length - max(2, window // 2),
        least=2,
    ),
)


def exhibit(name: str) -> Exhibit:
    """The mistake of this name.

    Raises:
        ValueError: there is none; it says which there are.
    """
    for one in EXHIBITS:
        if one.name == name:
            return one
    raise ValueError(f"there is no mistake {name!r}; there are {', '.join(one.name for one in EXHIBITS)}")
