"""Writing text: read the prompt, then token by token choose, read, choose.

A `Run` is one text in the making. Its invariant is that **every token in it has been read**: its
keys and values are stored, and the distribution for the token after it is known. One step is

    choose token t from the distribution of step t - 1  ->  read it  ->  distribution for t + 1

so a run can stop anywhere and be continued, branched or shown, and its last token is as complete
as its first.

Randomness is a function of (seed, position), so a request says everything about its text.
A branch is a request with a forced token; started from the Trace of its parent it restores the
rings instead of reading the shared part again.

Source: "Mistral 7B" section 2, "Pre-fill and Chunking"; mistral-inference `generate.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from jaxtyping import Float

from mistral_core.hooks import Sink, Sinks, watching
from mistral_core.kv_cache import KVCache
from mistral_core.model import Transformer
from mistral_core.request import GenerationRequest
from mistral_core.sampling import draw, judged, sampling_stages
from mistral_core.tokenizer import StreamingDecoder, Tokenizer
from mistral_core.trace.recorder import Recorder
from mistral_core.trace.trace import KEYS, LOGITS, NOTHING, VALUES, RecordingPlan, Trace, layer_hook
from mistral_core.unsaid import unsaid_of


@dataclass(frozen=True, kw_only=True)
class GenerationStep:
    """One token chosen and read.

    Attributes:
        position, token_id: of the token.
        text: what can be shown now (empty while a character is incomplete).
        probability: the model's own, at temperature 1 and with nothing cut. rank: 0 = the likeliest.
        drawn_from: the probability in the distribution that was drawn from, after all stages.
        forced: whether the token was set, not drawn.
        finish_reason: "" if the run goes on, else "length", "eos" or "stop_string".
    """

    position: int
    token_id: int
    text: str
    probability: float
    rank: int
    drawn_from: float
    forced: bool
    finish_reason: str


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A token that was chosen and is to be read; the fields as of `GenerationStep`."""

    token: int
    forced: bool
    drawn_from: float


@dataclass
class Timings:
    """Seconds spent reading the prompt and writing, and how many tokens each."""

    prefill_seconds: float = 0.0
    prefill_tokens: int = 0
    decode_seconds: float = 0.0
    decode_tokens: int = 0


@dataclass(frozen=True)
class ModelCard:
    """What a Trace says about the model that made it."""

    name: str = "unnamed"
    hash: str = ""


class Run:
    """One text in the making; see the module's docstring for its invariant.

    Call `prefill()` to its end, then `step()` until it returns a step with a finish reason.
    A `trace()` may be taken at any time, from any thread.

    Args:
        parent: the Trace of a run of the same model whose first tokens this request shares. Its
            stored keys and values are restored instead of reading that part again.
        sink: what changes the run on its way (`analysis.intervening`), before it is recorded.

    Raises:
        ValueError: the request's tokens are outside the vocabulary, or the parent does not fit.
    """

    def __init__(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        request: GenerationRequest,
        *,
        plan: RecordingPlan = NOTHING,
        card: ModelCard = ModelCard(),
        parent: Trace | None = None,
        sink: Sink | None = None,
    ) -> None:
        self.model, self.tokenizer, self.request, self.card = model, tokenizer, request, card
        self.n_prompt, self.finish_reason, self.timings = len(request.prompt_ids), "", Timings()
        self.n_read = 0
        self.kv_cache = model.empty_kv_cache(max_context=request.total)
        self.recorder = Recorder(model.config, plan, request.total, request.total, model.dtype)
        self.token_ids = np.zeros(request.total, np.int64)
        self.probability = np.full(request.total, np.nan)
        self.rank = np.full(request.total, -1, np.int64)
        self.texts: list[str] = []
        self.labels: list[str] = []
        self.logits = np.zeros(0, np.float32)
        self.watching = self.recorder if sink is None else Sinks(sink, self.recorder)
        self._given: Trace | None = None
        self._decoder = StreamingDecoder(tokenizer)
        self._forced = dict(request.forced)
        self._unsaid = unsaid_of(tokenizer) if request.unsaid else None
        for token in (*request.prompt_ids, *self._forced.values()):
            if not 0 <= token < model.config.vocab_size:
                raise ValueError(f"token {token} is outside the vocabulary; ids are 0 to {model.config.vocab_size - 1}")
        if parent is not None and (parent.config != model.config or parent.model_hash != card.hash):
            raise ValueError("the parent was made by another model; leave it out, and the text is read from its start")
        if parent is not None and self.recorder.arrays.keys() <= parent.arrays.keys():
            self._restore(parent, shared_length(parent, request))

    def prefill(self) -> Iterator[int]:
        """Reads the prompt chunk by chunk; yields the number of tokens read after each."""
        while self.n_read < self.n_prompt:
            started = time.perf_counter()
            stop = min(self.n_read + self.request.chunk_size, self.n_prompt)
            count = stop - self.n_read
            self._read(self.request.prompt_ids[self.n_read : stop])
            self._prompt_read(count, started)
            yield self.n_read

    def _prompt_read(self, count: int, started: float) -> None:
        self.timings.prefill_seconds += time.perf_counter() - started
        self.timings.prefill_tokens += count
        if self.n_read == self.n_prompt and not self.request.max_new_tokens:
            self._end("length")

    def step(self) -> GenerationStep:
        """Chooses one token, reads it, and says what came of it.

        Raises:
            ValueError: the prompt has not been read, or the run has ended.
        """
        started = time.perf_counter()
        choice = self.choose()
        self._read((choice.token,))
        return self._made(choice, started)

    def choose(self) -> Choice:
        """The next token, drawn or forced; it is not read yet.

        Raises:
            ValueError: the prompt has not been read, or the run has ended.
        """
        if self.n_read < self.n_prompt or self.finish_reason:
            why = f"the run has ended ({self.finish_reason})" if self.finish_reason else "the prompt is not read yet"
            raise ValueError(f"no step can be made: {why}")
        position = self.n_read
        history = self.token_ids[:position]
        held_back = self._unsaid.held_back(history) if self._unsaid is not None else None
        stages = sampling_stages(self.logits, self.request.sampling, history, held_back)
        forced = position in self._forced
        token = self._forced[position] if forced else draw(stages, self.request.seed, position)
        return Choice(token=token, forced=forced, drawn_from=float(stages[-1].probs[token]))

    def was_read(self, choice: Choice, logits: Float[np.ndarray, " vocab_size"], started: float) -> GenerationStep:
        """Goes on after a chosen token that was read elsewhere (`mistral_core.compiled`): rings and rows hold it.

        Args:
            logits: for the token after it. started: `time.perf_counter()` before it was chosen.

        Raises:
            ValueError: the logits are not finite.
        """
        self._note((choice.token,), logits[None])
        return self._made(choice, started)

    def next_of_prompt(self) -> int:
        """The token of the prompt that is to be read next."""
        return self.request.prompt_ids[self.n_read]

    def prompt_was_read(self, logits: Float[np.ndarray, " vocab_size"], started: float) -> None:
        """Goes on after `next_of_prompt` was read elsewhere; arguments as of `was_read`."""
        self._note((self.next_of_prompt(),), logits[None])
        self._prompt_read(1, started)

    def _made(self, choice: Choice, started: float) -> GenerationStep:
        position = self.n_read - 1
        self._finish(position, choice.token)
        self.timings.decode_seconds += time.perf_counter() - started
        self.timings.decode_tokens += 1
        return GenerationStep(
            position=position,
            token_id=choice.token,
            text=self.texts[position],
            probability=float(self.probability[position]),
            rank=int(self.rank[position]),
            drawn_from=choice.drawn_from,
            forced=choice.forced,
            finish_reason=self.finish_reason,
        )

    def complete(self) -> Run:
        """Reads what is left of the prompt and writes to the end; returns itself."""
        for _ in self.prefill():
            pass
        while not self.finish_reason:
            self.step()
        return self

    def cancel(self) -> None:
        """Ends the run where it is; what is written stays."""
        if not self.finish_reason:
            self._end("cancelled")

    @property
    def total(self) -> int:
        """Longest possible length in tokens."""
        return self.request.total

    @property
    def nbytes(self) -> int:
        """Bytes that it holds: what is recorded, and the cache."""
        return self.recorder.nbytes + self.kv_cache.nbytes

    def trace(self) -> Trace:
        """The run so far. Shares the memory of the recorded rows, which no longer change; one that grew no more is
        given out again.
        """
        ended = self.finish_reason  # first: once it is said, nothing changes any more
        n = self.n_read
        if self._given is not None and (len(self._given), self._given.finish_reason) == (n, ended):
            return self._given
        texts = tuple(self.texts[:n])
        self._given = Trace(
            config=self.model.config,
            model_name=self.card.name,
            model_hash=self.card.hash,
            token_ids=self.token_ids[:n],
            positions=np.arange(n),
            token_texts=texts,
            token_labels=tuple(self.labels[:n]),
            text="".join(texts),
            n_prompt=min(self.n_prompt, n),
            probability=self.probability[:n],
            rank=self.rank[:n],
            settings=self.request.settings(),
            finish_reason=ended,
            omitted=self.recorder.omitted,
            arrays={name: array[:n] for name, array in self.recorder.arrays.items()},
        )
        return self._given

    def _finish(self, position: int, token: int) -> None:
        if token == self.tokenizer.eos_id:
            self._end("eos")
        elif self.request.stop and self._completes_stop_string():
            self._end("stop_string")
        elif position == self.request.total - 1:
            self._end("length")

    def _completes_stop_string(self) -> bool:
        enough = len(self.texts[-1]) + max(len(string) for string in self.request.stop) - 1
        end = ""  # only what the new token can have completed: a long text must not slow down
        for text in islice(reversed(self.texts), len(self.texts) - self.n_prompt):
            if len(end) >= enough:
                break
            end = text + end
        return any(string in end for string in self.request.stop)

    def _end(self, reason: str) -> None:
        if self.texts:
            self.texts[-1] += self._decoder.flush()  # bytes that never became a character
        self.finish_reason = reason

    def _read(self, tokens: tuple[int, ...]) -> None:
        """Reads tokens: rings written, tensors recorded, logits for the next token kept."""
        self.recorder.begin(self.n_read)
        with watching(self.watching), torch.inference_mode():
            logits = self.model(torch.tensor([tokens]), kv_cache=self.kv_cache)[0]
        self._note(tokens, (logits if logits.dtype == torch.float64 else logits.float()).cpu().numpy())

    def _note(self, tokens: tuple[int, ...], rows: Float[np.ndarray, "pos vocab_size"]) -> None:
        """Keeps what is known of tokens once they are read."""
        start, stop = self.n_read, self.n_read + len(tokens)
        if not np.isfinite(rows).all():
            raise ValueError(
                f"the logits of tokens {start} to {stop - 1} are not finite: the network overflows in "
                f"{self.model.dtype} on this text; load it in a wider dtype, or take another text"
            )
        self.token_ids[start:stop] = tokens
        for first, before in ((start, self.logits[None]), (start + 1, rows[:-1])):
            if first:  # nothing came before the first token, so nothing was expected in its place
                some = slice(first, first + len(before))
                self.probability[some], self.rank[some] = judged(before, self.token_ids[some])
        for token in tokens:
            self.texts.append(self._decoder.push(token))
            self.labels.append(self.tokenizer.label(token))
        self.logits = rows[-1]
        self.n_read = stop  # last: other threads read up to here

    def _restore(self, parent: Trace, length: int) -> None:
        """Takes over the first `length` tokens of a parent: rings, recorded rows and texts."""
        if length == 0:
            return
        restore_rings(self.kv_cache, parent, length)
        for name, array in self.recorder.arrays.items():
            width = min(array.shape[-1], parent[name].shape[-1])  # offsets: runs may differ in max_context
            array[:length, ..., :width] = parent[name][:length, ..., :width]
        for name in ("token_ids", "probability", "rank"):
            getattr(self, name)[:length] = getattr(parent, name)[:length]
        for token in parent.token_ids[:length].tolist():
            self.texts.append(self._decoder.push(token))
            self.labels.append(self.tokenizer.label(token))
        self.logits = parent.logits[length - 1]
        self.n_read = length
        if length > self.n_prompt:
            self._finish(length - 1, int(self.token_ids[length - 1]))
        elif not self.request.max_new_tokens:
            self._end("length")


def shared_beginning(parent: Trace | None, request: GenerationRequest) -> Trace | None:
    """What of a parent's run a request can take over; `None` = nothing."""
    shared = shared_length(parent, request) if parent is not None else 0
    return parent.truncated(shared) if parent is not None and shared else None


def shared_length(parent: Trace, request: GenerationRequest) -> int:
    """How many leading tokens of `parent` are exactly those the request would produce; 0 if none can be reused.

    The prompt must be the same and every setting that decides a token too; the forced tokens may
    differ from some position on, which is where the branch starts.
    """
    same = {key: value for key, value in request.settings().items() if key not in ("forced", "max_new_tokens")}
    given = {"unsaid": False} | {key: parent.settings.get(key) for key in same if key in parent.settings}
    prompt = tuple(parent.token_ids[: parent.n_prompt].tolist())
    needed = {LOGITS} | {layer_hook(i, kind) for i in range(parent.config.n_layers) for kind in (KEYS, VALUES)}
    if given != same or prompt != request.prompt_ids or needed - parent.arrays.keys():
        return 0
    forced = dict(request.forced)
    before = {int(position): int(token) for position, token in parent.settings["forced"]}
    differ = [p for p in forced.keys() | before.keys() if forced.get(p) != before.get(p)]
    return min([len(parent), request.total, *differ])


def restore_rings(kv_cache: KVCache, trace: Trace, length: int, row: int = 0) -> None:
    """Fills an empty row with what its rings held after `length` tokens, bit for bit.

    Raises:
        KeyError: the trace did not record keys or values.
    """
    for layer, ring in enumerate(kv_cache.rings):
        stored = ring.held_positions(length).numpy()
        keys, values = (torch.from_numpy(rows[stored]) for rows in (trace.keys(layer), trace.values(layer)))
        ring.restore(keys, values, length, slice(row, row + 1))
    kv_cache.n_seen[row] = length


def generate(
    model: Transformer,
    tokenizer: Tokenizer,
    request: GenerationRequest,
    *,
    cancelled: Callable[[], bool] = lambda: False,
    plan: RecordingPlan = NOTHING,
) -> Iterator[GenerationStep]:
    """Reads the prompt and yields a step for each new token.

    Args:
        cancelled: asked before every chunk and token; true ends the text there.
        plan: what to record; use a `Run` to get at the Trace.
    """
    run = Run(model, tokenizer, request, plan=plan)
    reading = run.prefill()
    while run.n_read < run.n_prompt:
        if cancelled():
            return
        next(reading)
    while not run.finish_reason and not cancelled():
        yield run.step()
