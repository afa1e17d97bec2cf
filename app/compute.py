"""Everything that is made once and shared: the engine, tokenizers, recordings. All bounded.

torch is imported only when a model is needed. `warm_up` does that in the background after the
first page has been drawn, so that the first text does not wait for it.
"""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from app.navigation import ROOT
from app.start.example import load_example
from app.start.payload import start_parts
from app.test_the_paper.queue import Queue
from app.wire import pack
from mistral_core.analysis.progress import Report, silent
from mistral_core.checkpoint import registry
from mistral_core.checkpoint.tokenizers import load_tokenizer
from mistral_core.config import MistralConfig
from mistral_core.experiments.weights_here import WeightsHere
from mistral_core.memory import free_bytes, gibibytes
from mistral_core.serving.remote.start import VARIABLE, connected
from mistral_core.tokenizer import Tokenizer
from mistral_core.trace.trace import Trace

if TYPE_CHECKING:
    from mistral_core.analysis.gradients import Conductance
    from mistral_core.analysis.influence import BackwardInfluence, ForwardInfluence, Pass
    from mistral_core.analysis.reach import Cut
    from mistral_core.checkpoint.chat import ChatTemplate
    from mistral_core.checkpoint.load import LoadedModel
    from mistral_core.checkpoint.narrow import Weights
    from mistral_core.model import Transformer
    from mistral_core.museum.caught import Caught
    from mistral_core.serving.interface import WritingEngine
    from mistral_core.verification.verify import CheckResult

RECORDING = ROOT / "assets" / "traces" / "start.safetensors"
EXAMPLE = ROOT / "assets" / "traces" / "example.json"
WARM_UP_VARIABLE = "MISTRAL_EXPLORER_WARM_UP"


def load(name: str, report: Report = silent) -> LoadedModel:
    """A model that a browser may name, on one thread.

    Raises:
        ValueError: no such model, or its files are damaged.
    """
    from mistral_core.serving.named import load_named

    return load_named(name, report, trained=lambda own: engine().model(own), weights=weights_that_fit)


def weights_that_fit(shape: MistralConfig) -> Weights:
    """How the weights of a network can be kept here."""
    from mistral_core.serving.named import weights_for

    return weights_for(shape, free_bytes())


@st.cache_resource(max_entries=1, show_spinner=False)
def engine() -> WritingEngine:
    """Who writes the texts: the engine of this process, or processes of Ray where the environment says so.

    Raises:
        ValueError: Ray is asked for and not installed, or does not answer.
    """
    if address := os.environ.get(VARIABLE):
        return connected(address, load)
    from mistral_core.serving.engine import Engine

    return Engine(load)


@st.cache_resource(max_entries=1, show_spinner=False)
def experiments() -> Queue:
    """Where the experiments of all visitors are run, one at a time."""
    return Queue()


@st.cache_resource(max_entries=1, show_spinner=False)
def weights_here() -> WeightsHere:
    """Whether what was recorded is of the weights that are here."""
    return WeightsHere()


@st.cache_resource(max_entries=8, show_spinner=False)
def tokenizer(name: str) -> Tokenizer:
    """The tokenizer of a model that a browser may name; needs no torch.

    Raises:
        ValueError: no such model, or no readable tokenizer.
    """
    return load_tokenizer(registry.resolve_browser(name))


@st.cache_resource(max_entries=8, show_spinner=False)
def chat_template(name: str) -> ChatTemplate | None:
    """How a model wants a conversation written; `None` where it was not trained to chat.

    Raises:
        ValueError: no such model, or a template that is refused.
    """
    from mistral_core.checkpoint.chat import ChatTemplate

    return ChatTemplate.of(registry.resolve_browser(name))


@st.cache_resource(max_entries=32, show_spinner=False)
def conversation(name: str, said: tuple[str, ...]) -> tuple[int, ...]:
    """Token ids of a conversation, the visitor and the model by turns, up to where the next answer begins.

    Raises:
        ValueError: the model has no template, or it refuses these messages.
    """
    from mistral_core.checkpoint.chat import ChatTokenizer

    template, reading = chat_template(name), tokenizer(name)
    if template is None or not isinstance(reading, ChatTokenizer):
        raise ValueError(f"{name} has no chat template: it was not trained to answer, only to go on with a text")
    messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(said)]
    return tuple(template.encode(messages, reading))


@st.cache_resource(max_entries=8, show_spinner=False)
def config(name: str) -> MistralConfig:
    """The configuration of a model that a browser may name; needs no weights.

    Raises:
        ValueError: no such model, or a configuration that is refused.
    """
    from mistral_core.checkpoint.configuration import load_config

    named = registry.parts_of(name)
    trained = load_config(registry.resolve_browser(name))
    return trained if named.window is None else replace(trained, sliding_window=named.window, sinks=named.sinks)


@st.cache_resource(max_entries=1, show_spinner=False)
def recording() -> Trace:
    """The recorded run that plays on the start page; made by `make recordings`.

    Raises:
        TraceError: the file is missing or damaged.
    """
    return Trace.load(RECORDING)


@st.cache_resource(max_entries=1, show_spinner=False)
def recording_payload() -> bytes:
    """The same, packed for the start page.

    Raises:
        TraceError: the file is missing or damaged.
    """
    trace = recording()
    return pack(start_parts(trace, load_example(EXAMPLE, trace)))


@st.cache_resource(max_entries=1, show_spinner=False)
def warm_up() -> threading.Thread | None:
    """Loads the default model in the background, once per process."""
    if os.environ.get(WARM_UP_VARIABLE) == "0":
        return None
    thread = threading.Thread(target=_warm_up, name="warm-up", daemon=True)
    thread.start()
    return thread


def _warm_up() -> None:
    try:
        engine().model(registry.DEFAULT_MODEL)
    except (ImportError, ValueError):  # said in a sentence where the model is asked for
        return


def exact_model(name: str) -> Transformer:
    """A model in float64: far from its source a change drowns in float32's rounding.

    Raises:
        ValueError: no such model, its files are damaged, or memory has no room for it.
    """
    from mistral_core.checkpoint.variants import as_named

    named = registry.parts_of(name)
    return as_named(_exact(named.model), named)


@st.cache_resource(max_entries=1, show_spinner=False)
def _exact(name: str) -> Transformer:
    """The weights in float64, once for all windows that are imposed on them."""
    import torch

    from mistral_core.analysis.accounting import weight_bytes
    from mistral_core.checkpoint.variants import in_dtype

    need, free = weight_bytes(config(name), 8), free_bytes()
    if free is not None and need > free:
        raise ValueError(
            f"{name} needs {gibibytes(need)} to be measured in float64, and {gibibytes(free)} are free: choose a "
            f"smaller model for measurements, or free memory"
        )
    return in_dtype(engine().model(name).model, torch.float64)


def reader(name: str, window: int | None = None, sinks: int = 0) -> Transformer:
    """The float64 model, or the same weights with another window in every layer, and the first tokens kept beside it.

    Raises:
        ValueError: as `exact_model`, or a window below 1.
    """
    from mistral_core.checkpoint.variants import with_windows

    model = exact_model(name)
    return model if window is None else with_windows(model, window, sinks)


@st.cache_resource(max_entries=4, show_spinner=False)
def reading_of(
    name: str,
    token_ids: tuple[int, ...],
    cuts: tuple[Cut, ...],
    window: int | None = None,
    sinks: int = 0,
    _report: Report = silent,
) -> Pass:
    """One reading of a text, kept because its words are replaced one after another.

    Args:
        window: of every layer; `None` = the model's own. sinks: first tokens kept beside it.
        _report: hears how far it is, and may end it.

    Raises:
        ValueError: no such model, or a text or cut that cannot be read.
    """
    from mistral_core.analysis.influence import read

    return read(reader(name, window, sinks), token_ids, cuts, _report)


@st.cache_resource(max_entries=64, show_spinner=False)
def forward_map(
    name: str,
    token_ids: tuple[int, ...],
    source: int,
    replacement: int,
    cuts: tuple[Cut, ...],
    window: int | None = None,
    sinks: int = 0,
    _report: Report = silent,
) -> ForwardInfluence:
    """Where the replacement of one token is felt, in float64.

    Raises:
        ValueError: as `mistral_core.analysis.influence.forward_influence`.
    """
    from mistral_core.analysis.influence import forward_influence

    original = reading_of(name, token_ids, cuts, window, sinks, _report=_report)
    return forward_influence(
        reader(name, window, sinks), token_ids, source, replacement, cuts=cuts, original=original, report=_report
    )


@st.cache_resource(max_entries=64, show_spinner=False)
def backward_map(
    name: str,
    token_ids: tuple[int, ...],
    target: int,
    token: int,
    cuts: tuple[Cut, ...],
    window: int | None = None,
    sinks: int = 0,
) -> BackwardInfluence:
    """What one prediction depends on, in float64.

    Raises:
        ValueError: as `mistral_core.analysis.influence.backward_influence`.
    """
    from mistral_core.analysis.influence import backward_influence

    return backward_influence(reader(name, window, sinks), token_ids, target, token, cuts=cuts)


@st.cache_resource(max_entries=64, show_spinner=False)
def corridor_map(
    name: str,
    token_ids: tuple[int, ...],
    source: int,
    target: int,
    replacement: int,
    token: int,
    cuts: tuple[Cut, ...],
    exact: bool = False,
    window: int | None = None,
    sinks: int = 0,
    _report: Report = silent,
) -> Conductance:
    """How the change of one token gets to one prediction; every step is a gradient pass.

    Args:
        exact: in float64, for a change that would drown in float32's rounding. Either way with as few steps as are
            good enough.

    Raises:
        ValueError: as `mistral_core.analysis.gradients.conductance`.
    """
    from mistral_core.analysis.gradients import GOOD_ENOUGH, MOST_STEPS, conductance
    from mistral_core.checkpoint.variants import with_windows

    model = reader(name, window, sinks) if exact else engine().model(name).model
    if not exact and window is not None:
        model = with_windows(model, window, sinks)
    return conductance(
        model,
        token_ids,
        source,
        target,
        replacement,
        token,
        cuts=cuts,
        steps=MOST_STEPS,
        good_enough=GOOD_ENOUGH,
        report=_report,
    )


@st.cache_resource(max_entries=4, show_spinner=False)
def sound_lines(name: str, model_hash: str, _report: Report = silent) -> tuple[CheckResult, ...]:
    """What verify says of a model as it is, to which its copies with a mistake are compared.

    Raises:
        ValueError: no such model.
    """
    from mistral_core.museum.caught import as_it_is

    return as_it_is(engine().model(name), _report)


@st.cache_resource(max_entries=64, show_spinner=False)
def caught(name: str, model_hash: str, mistake: str, _report: Report = silent) -> Caught:
    """What verify says of the copy of a model that has a historical mistake.

    Args:
        model_hash: of the weights, so that other ones under this name are asked anew.

    Raises:
        ValueError: no such model or mistake, or verify cannot be asked about it.
    """
    from mistral_core.analysis.progress import part_of
    from mistral_core.museum.caught import caught_by
    from mistral_core.museum.exhibits import exhibit

    sound = sound_lines(name, model_hash, _report=part_of(_report, 0, 2, "without the mistake: {}"))
    return caught_by(engine().model(name), exhibit(mistake), sound, part_of(_report, 1, 2, "with it: {}"))
