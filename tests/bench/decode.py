"""Decoding: transformers' cached loop against ours, with the default plan recorded and with nothing.

Ours is the step that the engine takes: compiled where that was chosen when the model was loaded, else `Run.step`,
which is measured beside it as `ours_plain_recorded`.

All contestants continue the same prompt greedily (temperature 0) from their own keys and values, one
token at a time, float32, one thread. transformers runs the plain loop, not `generate()`: forward with its
sliding cache, argmax, forward. `Run.step` also computes the probability and the rank of each token and its
text, which the loop does not. Prefill is not timed. The recorder copies what it noted every `FLUSH_EVERY`
tokens; a block is that long, so that every block pays for it once (`median_step` does not see it).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from mistral_core.compiled.choice import choose_step
from mistral_core.compiled.reader import CompiledReader
from mistral_core.generation import Run
from mistral_core.model import Transformer
from mistral_core.tokenizer import Tokenizer
from mistral_core.trace.recorder import FLUSH_EVERY
from mistral_core.trace.trace import RecordingPlan
from tests.bench import ratios, texts
from tests.model.writing import write_together

AIM = 3.0
THEIRS, THEIRS_EAGER = "huggingface_sdpa", "huggingface_eager_attentions"
RECORDED, UNRECORDED, PLAIN = "ours_recorded", "ours_unrecorded", "ours_plain_recorded"
WARM_UP = 8
"""Tokens each contestant writes before the first round."""


def huggingface_model(folder: str | Path, attention: str = "sdpa") -> Any:
    """transformers' model of a folder in float32, from local files."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import transformers

    logging.getLogger("transformers").setLevel(logging.ERROR)
    transformers.utils.logging.disable_progress_bar()
    return transformers.MistralForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation=attention
    ).eval()


class HuggingFaceLoop:
    """The usual loop around a transformers model with its sliding cache.

    Args:
        attentions: ask for the attention weights of each step and keep them.
    """

    def __init__(self, model: Any, prompt_ids: Sequence[int], *, attentions: bool = False) -> None:
        from transformers import DynamicCache

        self.model, self.attentions = model, attentions
        self.past = DynamicCache(config=model.config)
        self.kept: list[Any] = []
        self.logits = self.read(prompt_ids)

    def read(self, ids: Sequence[int]) -> torch.Tensor:
        """Logits for the token after `ids`."""
        with torch.inference_mode():
            out = self.model(
                input_ids=torch.tensor([list(ids)]),
                past_key_values=self.past,
                use_cache=True,
                output_attentions=self.attentions,
            )
        if self.attentions:
            self.kept.append(out.attentions)
        return out.logits[0, -1]

    def step(self) -> int:
        """Chooses the likeliest token and reads it, as one `Run.step` does."""
        token = int(self.logits.argmax())
        self.logits = self.read((token,))
        return token


def stepping(run: Run, reader: CompiledReader | None = None) -> Callable[[], int]:
    """One token of a run, as a contestant. `reader`: reads it; `None` = the plain network."""
    if reader is None:
        return lambda: run.step().token_id
    return lambda: write_together(reader, [run])[0].token_id


def contest(
    model: Transformer,
    tokenizer: Tokenizer,
    theirs: Any,
    prompt_ids: Sequence[int],
    *,
    rounds: int,
    length: int,
    slices: int = 1,
    theirs_eager: Any = None,
) -> dict[str, Any]:
    """Lets all of them write `rounds` blocks of `length` tokens in turn.

    Args:
        theirs: transformers' model with the same weights. theirs_eager: the same with eager attention,
            asked for its attention weights; for context, may be left out.
    """
    total = WARM_UP + rounds * length
    chosen = choose_step(model)
    steps = {
        THEIRS: HuggingFaceLoop(theirs, prompt_ids).step,
        RECORDED: stepping(texts.start(model, tokenizer, prompt_ids, total, plan=RecordingPlan()), chosen.reader),
        UNRECORDED: stepping(texts.start(model, tokenizer, prompt_ids, total), chosen.reader),
        PLAIN: stepping(texts.start(model, tokenizer, prompt_ids, total, plan=RecordingPlan())),
    }
    if theirs_eager is not None:
        steps[THEIRS_EAGER] = HuggingFaceLoop(theirs_eager, prompt_ids, attentions=True).step
    warm = ratios.in_turn(steps, 1, WARM_UP)
    blocks = ratios.in_turn(steps, rounds, length, slices=slices)
    ids = {name: ratios.written(warm[name]) + ratios.written(blocks[name]) for name in steps}
    recorded = ratios.compare(blocks[THEIRS], blocks[RECORDED])
    return {
        "ratio_recorded": recorded,
        "aim": AIM,
        "aim_met": recorded["wall"]["median"] >= AIM,
        "step": chosen.said,
        "ratio_plain_recorded": ratios.compare(blocks[THEIRS], blocks[PLAIN]),
        "ratio_unrecorded": ratios.compare(blocks[THEIRS], blocks[UNRECORDED]),
        "recording_overhead": ratios.compare(blocks[RECORDED], blocks[UNRECORDED]),
        "ms_per_token": {name: ratios.per_token(found) for name, found in blocks.items()},
        "ids_equal": {name: ratios.agreement(ids[THEIRS], ids[name]) for name in steps if name != THEIRS},
        "distinct_tokens": len(set(ids[THEIRS])),
        "rounds": rounds,
        "tokens_per_block": length,
        "slices": slices,
    }


def logits_agree(
    model: Transformer, tokenizer: Tokenizer, theirs: Any, prompt_ids: Sequence[int], n_new: int
) -> dict[str, Any]:
    """Untimed: a drawn text, fed token by token to both; greedy texts repeat themselves and prove less.

    Returns:
        The largest difference of any logit, the largest logit, and at how many steps the likeliest token differs.
    """
    run = texts.start(
        model, tokenizer, prompt_ids, n_new, sampling=texts.STORY, plan=RecordingPlan(hooks=("hook_logits",))
    )
    for _ in range(n_new):
        run.step()
    ours = torch.from_numpy(run.trace().logits[len(prompt_ids) - 1 :].copy())
    loop = HuggingFaceLoop(theirs, prompt_ids)
    rows = [loop.logits, *(loop.read((int(token),)) for token in run.token_ids[len(prompt_ids) :])]
    other = torch.stack(rows).float()
    return {
        "max_abs_difference": float((ours - other).abs().max()),
        "largest_logit": float(other.abs().max()),
        "steps": len(rows),
        "likeliest_differs": int((ours.argmax(1) != other.argmax(1)).sum()),
    }


def measure(quick: bool = False) -> dict[str, Any]:
    """The section `decode`, on the bundled model."""
    loaded = texts.bundled()
    prompt = loaded.tokenizer.encode(texts.PROMPT)
    theirs, eager = huggingface_model(loaded.folder), huggingface_model(loaded.folder, "eager")
    found = contest(
        loaded.model,
        loaded.tokenizer,
        theirs,
        prompt,
        rounds=4 if quick else 24,
        length=FLUSH_EVERY,
        slices=4,
        theirs_eager=eager,
    )
    return {
        **found,
        "logits": logits_agree(loaded.model, loaded.tokenizer, theirs, prompt, 50 if quick else 300),
        "prompt_tokens": len(prompt),
        "threads": torch.get_num_threads(),
        "clocks": ratios.CLOCK_NAMES,
        "ratios_are": "time per token of transformers (sdpa, sliding cache) over ours: above 1, ours is faster; "
        "recording_overhead is recorded over unrecorded",
    }
