"""Reading the text of a run once more, for what the run did not keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import compute
from app.session.sentence import sentence
from mistral_core.analysis.progress import Report
from mistral_core.checkpoint import registry
from mistral_core.trace.trace import RecordingPlan, Trace

if TYPE_CHECKING:
    from mistral_core.checkpoint.load import LoadedModel


def writer_of(trace: Trace) -> LoadedModel:
    """The model that wrote a run.

    Raises:
        ValueError: it is not here, or has other weights now.
    """
    loaded = compute.engine().model(trace.model_name)
    if loaded.model_hash != trace.model_hash:
        raise ValueError(f"The model {trace.model_name} here has other weights than the one that wrote this run.")
    return loaded


def model_is_there(trace: Trace) -> bool:
    """Whether the model that wrote a run is here, as far as its name and shape say."""
    try:
        return compute.config(trace.model_name) == trace.config
    except ValueError:
        return False


def refusal(trace: Trace, so: str) -> str:
    """Why nothing can be measured on a run; "" if it can.

    Args:
        so: what follows from it on the page.
    """
    name = trace.model_name
    if not registry.offered(name):
        return f"The model that wrote this text ({name}) is not here: {so}."
    try:
        loaded = compute.engine().model(name)
    except (ImportError, ValueError) as error:
        return sentence(error)
    if trace.model_hash != loaded.model_hash:
        return f"This text was written by other weights than those of {name} here: {so}."
    return ""


def read_again(trace: Trace, plan: RecordingPlan, report: Report) -> Trace:
    """One pass over the text of a run, that keeps what the plan says.

    Raises:
        ValueError: as `writer_of`.
    """
    from mistral_core.generation import Run
    from mistral_core.request import GenerationRequest

    ids = tuple(int(token) for token in trace.token_ids)
    report(0, len(ids), "loading the model")
    loaded = writer_of(trace)
    run = Run(loaded.model, loaded.tokenizer, GenerationRequest(prompt_ids=ids, max_new_tokens=0), plan=plan)
    for _ in run.prefill():
        report(run.n_read, len(ids), "reading the text again")
    return run.trace()
