"""The loop: batches in, weights out, and at every moment something to go on from.

A step is a function of the weights, the optimisers' state and its own number: the pieces of text and
the dropout are drawn from (seed, step). So a run that was interrupted and goes on is the run that was
not, bit for bit on a CPU with the same number of threads.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors import SafetensorError

from mistral_core.checkpoint.load import LoadedModel
from mistral_core.config import MistralConfig
from mistral_core.model import Transformer
from mistral_core.training.batches import Batches
from mistral_core.training.checkpointing import (
    Progress,
    as_float32,
    read_newest,
    read_tensors,
    remove_unfinished,
    write_checkpoint,
    write_tensors,
)
from mistral_core.training.corpus import Corpus
from mistral_core.training.hardware import (
    Choice,
    LossFunction,
    Precision,
    choose,
    compile_network,
    describe_machine,
    loss_and_gradients,
)
from mistral_core.training.measure import SAMPLE_TOKENS, quick_excerpts, sample_text, validate_excerpts
from mistral_core.training.network import TrainingNetwork, initialise
from mistral_core.training.optimise import Optimisers
from mistral_core.training.run_file import compare_runs, lock_run, read_run, write_run
from mistral_core.training.run_log import Event, RunLog
from mistral_core.training.schedule import rate_factor
from mistral_core.training.settings import Settings

BEST_FILE = "best.safetensors"
Watch = Callable[[Event], None]
Ending = Literal["finished", "stopped early", "interrupted"]


@dataclass(frozen=True, kw_only=True)
class Habits:
    """What may differ between two starts of one run: it changes no weight.

    Attributes:
        checkpoint_seconds: between two checkpoints.
        log_every: steps between two lines of the diary.
        sample_tokens: written after each validation; 0 = none.
        minutes: pause after so long; `None` = go on to the end.
        until_step: pause after this step.
        precision, compile_mode: as in `hardware.choose`; kept from the first start on the same machine.
    """

    checkpoint_seconds: float = 120.0
    log_every: int = 10
    sample_tokens: int = SAMPLE_TOKENS
    minutes: float | None = None
    until_step: int | None = None
    precision: Precision | Literal["auto"] = "auto"
    compile_mode: Literal["auto", "on", "off"] = "auto"


class Trainer:
    """One run in its folder.

    Attributes:
        weights_step: the step whose weights `model` has.

    Args:
        settings: what decides it.
        corpus: what it reads.
        folder: of the run; made if need be. A run that is there is gone on with.
        start_from: a model whose weights and shape are taken instead of drawn ones.
        device: where to compute.
        habits: how often to save, when to pause.
        prompt: of the samples along the way; default: how the first held-out document begins.
        watch: told every event of the diary, and "timing" and "progress" in between.

    Raises:
        ValueError: settings that do not fit the corpus or the run that is there, only damaged checkpoints, or
            none in a run that began with the weights of a model that is not given again.
    """

    def __init__(
        self,
        settings: Settings,
        corpus: Corpus,
        folder: str | Path,
        *,
        start_from: LoadedModel | None = None,
        device: str | torch.device = "cpu",
        habits: Habits = Habits(),
        prompt: str | None = None,
        watch: Watch = lambda event: None,
    ) -> None:
        self.settings, self.corpus, self.folder, self.habits = settings, corpus, Path(folder), habits
        self.device, self._watch, self._prompt = torch.device(device), watch, prompt
        self.batches = Batches(corpus, settings)
        lock_run(self.folder).release()  # before anything is read that another program may be writing
        self.config = self._check_run(start_from)
        remove_unfinished(self.folder)
        stored = read_newest(self.folder)
        self.progress = Progress(**stored.counters) if stored else Progress()
        self.weights_step = self.progress.step
        self.model = Transformer(self.config)
        if stored is not None:
            self.model.load_state_dict(_part(stored.tensors, "model."))
        else:
            self._begin(start_from)
        self.model.to(self.device)
        self.batches.dealt.update(self.progress.dealt)
        self.network = TrainingNetwork(self.model, settings.dropout)
        self.log = RunLog(self.folder, self.progress.step)
        for notice in stored.notices if stored else ():
            self._tell({"event": "note", "text": notice})
        self.choice = self._choose()
        self.optimisers = Optimisers(self.model, settings, getattr(torch, self.choice.muon_dtype))
        if stored is not None:
            self.optimisers.load(_part(stored.tensors, "optimiser."))
        self._loss: LossFunction = compile_network(self.network) if self.choice.compiled else self.network
        self._quick = quick_excerpts(corpus.valid)
        self._stop = False
        self._saved_step = self.progress.step if stored else -1
        if start_from is not None and stored is None:
            self._save_or_refuse()  # from here on the run needs the other model no more

    def stop(self) -> None:
        """Ends `train` after the step that is running; for a signal handler."""
        self._stop = True

    def train(self) -> Ending:
        """Goes on to the end, or until something stops it; saves before it returns.

        Raises:
            ValueError: the training diverged, the last checkpoint cannot be written, or another program is
                training in the folder.
        """
        lock = lock_run(self.folder)
        try:
            return self._train()
        finally:
            lock.release()

    def _train(self) -> Ending:
        started = saved = time.monotonic()
        while not self.progress.ended:
            if self._stop or self._paused(time.monotonic() - started):
                break
            self._step()
            if time.monotonic() - saved >= self.habits.checkpoint_seconds:
                self._save_or_note()
                saved = time.monotonic()
        if self._saved_step != self.progress.step:
            self._save_or_refuse()
        if not self.progress.ended:
            return "interrupted"
        return "stopped early" if self.progress.ended == "stopped early" else "finished"

    def best_model(self) -> Transformer:
        """The network with the weights of the best validation whose weights could be written.

        `weights_step` says of which step they are.
        """
        try:
            weights, counters = read_tensors(self.folder / BEST_FILE)
            if counters["step"] != self.progress.best_step:
                raise ValueError(f"{BEST_FILE} is of step {counters['step']}, not {self.progress.best_step}")
            self.model.load_state_dict(weights)
            self.weights_step = self.progress.best_step
        except ValueError as error:
            text = f"{error}; the weights of step {self.weights_step} are taken instead"
            self._tell({"event": "note", "text": text})
        return self.model

    @property
    def tokens_seen(self) -> int:
        """Tokens trained on so far."""
        return self.progress.step * self.settings.step_tokens

    def _paused(self, seconds: float) -> bool:
        habits = self.habits
        late = habits.minutes is not None and seconds >= 60 * habits.minutes
        return late or (habits.until_step is not None and self.progress.step >= habits.until_step)

    def _step(self) -> None:
        settings, progress = self.settings, self.progress
        started = time.perf_counter()
        factor = rate_factor(settings, progress.step)
        parts = self.batches.next(progress.step).to(self.device)
        generator = torch.Generator(self.device).manual_seed(_step_seed(settings.seed, progress.step))
        loss = torch.zeros((), device=self.device)
        for part in parts:
            masks = self.network.draw(part[:, :-1], generator)
            loss += loss_and_gradients(self._loss, part, masks, self.choice.precision) / len(parts)
        if len(parts) > 1:
            for parameter in self.model.parameters():
                if parameter.grad is not None:
                    parameter.grad /= len(parts)
        norm = self.optimisers.step(factor)
        progress.step += 1
        self.weights_step = progress.step
        progress.dealt = dict(self.batches.dealt)
        progress.losses, progress.counted = progress.losses + float(loss), progress.counted + 1
        progress.seconds += time.perf_counter() - started
        self._after_step(factor, norm, time.perf_counter() - started)

    def _after_step(self, factor: float, norm: float, seconds: float) -> None:
        settings, progress = self.settings, self.progress
        last = progress.step >= settings.steps
        line = {
            "step": progress.step,
            "steps": settings.steps,
            "tokens": self.tokens_seen,
            "loss": progress.losses / progress.counted,
            "rate": factor * self._peak_rate(),
            "gradient_norm": norm,
            "tokens_per_second": settings.step_tokens / seconds,
            "seconds_left": (settings.steps - progress.step) * progress.seconds / progress.step,
        }
        self._watch({"event": "progress", **line})
        if last or progress.step % self.habits.log_every == 0:
            self._tell({"event": "step", **line})
            progress.losses, progress.counted = 0.0, 0
        if last or progress.step % settings.validate_every == 0:
            self._validate()
        if last:
            progress.ended = progress.ended or "finished"

    def _validate(self) -> None:
        progress, settings = self.progress, self.settings
        measured = validate_excerpts(self.model, self.corpus.tokenizer, self._quick)
        progress.validations.append([progress.step, measured.bits_per_byte])
        better = progress.best_bits is None or measured.bits_per_byte < progress.best_bits
        progress.stale = 0 if better else progress.stale + 1
        if better and self._try(self._save_best):  # weights that are lost are not the ones to beat
            progress.best_bits, progress.best_step = measured.bits_per_byte, progress.step
        self._tell(
            {
                "event": "validation",
                "tokens": self.tokens_seen,
                "bits_per_byte": measured.bits_per_byte,
                "loss": measured.loss,
                "bytes": measured.bytes,
                "best": better,
            }
        )
        if count := self.habits.sample_tokens:
            text = sample_text(self.model, self.corpus.tokenizer, self._sample_prompt(), tokens=count)
            self._tell({"event": "sample", "text": text})
        if settings.patience and progress.stale >= settings.patience:
            progress.ended = "stopped early"
            self._tell({"event": "note", "text": f"{progress.stale} validations without a gain: stopped early"})

    def _sample_prompt(self) -> str:
        return self._prompt if self._prompt else " ".join(self.corpus.valid[0].split()[:5])

    def _peak_rate(self) -> float:
        return self.settings.muon_rate if self.settings.optimiser == "muon" else self.settings.adamw_rate

    def _save(self) -> None:
        weights = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        state = {f"optimiser.{name}": tensor for name, tensor in self.optimisers.tensors().items()}
        write_checkpoint(self.folder, self.progress.step, weights | state, asdict(self.progress))
        self._saved_step = self.progress.step

    def _save_best(self) -> None:
        write_tensors(self.folder / BEST_FILE, self.model.state_dict(), {"step": self.progress.step})

    def _save_or_note(self) -> None:
        self._try(self._save)

    def _try(self, write: Callable[[], object]) -> bool:
        """A full disk is no reason to lose a run: it goes on and tries again."""
        try:
            write()
            return True
        except (OSError, SafetensorError) as error:
            self._tell(
                {
                    "event": "note",
                    "text": f"cannot be saved now ({error}); the training goes on and tries again, "
                    "older checkpoints stay",
                }
            )
            return False

    def _save_or_refuse(self) -> None:
        try:
            self._save()
        except (OSError, SafetensorError) as error:
            raise ValueError(
                f"the checkpoint of step {self.progress.step} cannot be written to {self.folder} ({error}); free space "
                f"there and run the same command again: it goes on from step {max(self._saved_step, 0)}"
            ) from error

    def _check_run(self, start_from: LoadedModel | None) -> MistralConfig:
        """The network's shape; writes down what the run is, or compares with what was written."""
        before = read_run(self.folder)
        own = self.settings.network(self.corpus.tokenizer.vocab_size)
        if start_from is not None:
            source: dict[str, Any] | None = {"name": start_from.name, "hash": start_from.model_hash}
            config = start_from.config
        else:
            source = before["started_from"] if before else None
            config = MistralConfig.from_params(before["network"]) if before and source else own
        record = {
            "settings": self.settings.to_json(),
            "network": config.to_params(),
            "started_from": source,
            "corpus": self.corpus.facts["made_from"],
        }
        record = json.loads(json.dumps(record))
        if before is not None:
            compare_runs(before, record, self.folder)
        else:
            write_run(self.folder, record)
        return config

    def _begin(self, start_from: LoadedModel | None) -> None:
        """The first weights: those of a model, or drawn."""
        if start_from is not None:
            self.model.load_state_dict(as_float32(start_from.model.state_dict()))
            return
        source = (read_run(self.folder) or {}).get("started_from")
        if source:
            raise ValueError(
                f"the run in {self.folder} began with the weights of {source['name']} and has no checkpoint yet; name "
                f"that model again with --from"
            )
        initialise(self.model, self.settings.seed)

    def _choose(self) -> Choice:
        """As before on the same machine, so that a run that goes on computes the same numbers; else timed."""
        held, habits = self.progress.choice, self.habits
        other = bool(held) and (
            habits.precision not in ("auto", held["precision"])
            or habits.compile_mode not in ("auto", "on" if held["compiled"] else "off")
        )
        if held and not other and held["machine"] == describe_machine(self.device):
            return Choice(**{**held, "why": tuple(held["why"])})
        probe = Batches(self.corpus, self.settings).next(0)[0].to(self.device)
        batches = (self.settings.steps - self.progress.step) * self.settings.accumulation
        self._watch({"event": "timing", "step": self.progress.step})
        choice = choose(
            self.network, probe, precision=habits.precision, compile_mode=habits.compile_mode, steps=batches
        )
        self.progress.choice = choice.to_json()
        self._tell({"event": "start", "choice": choice.to_json(), "threads": torch.get_num_threads()})
        return choice

    def _tell(self, event: Event) -> None:
        event = {"event": event["event"], "step": self.progress.step, **event}
        self.log.write(event)
        self._watch(event)


def _part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _step_seed(seed: int, step: int) -> int:
    """A seed of 63 bits for one step; neighbouring steps share nothing."""
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> np.uint64(1))
