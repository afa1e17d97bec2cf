"""What the picture of shared_heads is asked: the numbers of a layer, and what changes without a key/value head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast, get_args

from app import compute
from app.session.desk import Desk
from app.session.numbers import short
from app.session.rereading import writer_of
from app.session.sentence import sentence
from app.session.visible import run_named
from app.shared_heads.messages import AskLayer, StopTaking, TakeAway, Takes
from app.shared_heads.payload import Away
from app.shared_heads.state import SharedHeadsState, Taking
from mistral_core.analysis.progress import Report
from mistral_core.config import MistralConfig
from mistral_core.trace.trace import Trace


def ask_layer(desk: Desk, event: AskLayer) -> None:
    """Somebody looks at a layer of which the run brought too little: it goes with the next payload."""
    run = run_named(desk, event["run"])
    if run is not None and 0 <= event["layer"] < run[1].config.n_layers:
        desk.page_state(SharedHeadsState).layers[run[0].name] = event["layer"]


def take(desk: Desk, event: TakeAway) -> None:
    """A key/value head is to be taken away; what is not there is refused in a sentence."""
    run = run_named(desk, event["run"])
    if run is None:
        return
    record, trace = run
    try:
        asked = inside(Taking(event["layer"], event["kv_head"], event["takes"]), trace.config)
    except ValueError as error:
        desk.notice = sentence(error)
        return
    page = desk.page_state(SharedHeadsState)
    page.taking[record.name] = asked
    if (known := page.away.get(away_name(record.name, trace, asked))) is not None and known.error:
        page.away.forget(away_name(record.name, trace, asked))  # asked once more, it is measured once more


def stop(desk: Desk, event: StopTaking) -> None:
    """Ends the measurement."""
    desk.page_state(SharedHeadsState).away.cancel()


def opening(desk: Desk, query: Mapping[str, str]) -> None:
    """Takes over what an address asks: `away=LAYER:KV_HEAD`, from 1, and `:keys` behind them for the keys alone."""
    if "away" not in query or desk.current is None:
        return
    try:
        desk.page_state(SharedHeadsState).taking[desk.current] = _spelled(query["away"])
    except ValueError as error:
        desk.notice = sentence(error)


def taking_address(desk: Desk) -> dict[str, str]:
    """What is asked of the shown run, as the parameters of a URL."""
    asked = desk.page_state(SharedHeadsState).taking.get(desk.current or "")
    if asked is None:
        return {}
    return {"away": f"{asked.layer + 1}:{asked.kv_head + 1}" + (":keys" if asked.takes == "keys" else "")}


def inside(asked: Taking, config: MistralConfig) -> Taking:
    """The same question, of a model that has what it asks about.

    Raises:
        ValueError: no such layer or key/value head.
    """
    for name, value, count in (
        ("layer", asked.layer, config.n_layers),
        ("key/value head", asked.kv_head, config.n_kv_heads),
    ):
        if not 0 <= value < count:
            raise ValueError(f"{name} {value + 1} is not in this model; it has 1 to {count}")
    return asked


def away_name(run: str, trace: Trace, asked: Taking) -> str:
    """Names the work on a question."""
    return f"{run}/{trace.model_hash[:8]}/{len(trace)}/{asked.layer}:{asked.kv_head}:{asked.takes}"


def measure(trace: Trace, asked: Taking, report: Report) -> Away:
    """Reads the text of a run with the key/value head and without it.

    Raises:
        ValueError: the model here has other weights, or the text is too long to be read twice.
    """
    from mistral_core.analysis.kv_head import without_kv_head

    report(0, 1, "loading the model")
    loaded = writer_of(trace)
    ids = tuple(int(token) for token in trace.token_ids)
    gone = without_kv_head(loaded.model, ids, asked.layer, asked.kv_head, asked.takes, report)
    label = compute.tokenizer(trace.model_name).label
    return Away(
        labels={int(one): label(int(one)) for one in sorted(set(gone.candidates.ravel().tolist()))},
        arrays={
            "away_moved": gone.moved.astype("float32"),
            "away_kl": gone.kl.astype("float32"),
            "away_ids": gone.candidates.astype("int32"),
            "away_likely": gone.likely.astype("float32"),
        },
    )


def _spelled(text: str) -> Taking:
    """Reads what `taking_address` wrote.

    Raises:
        ValueError: it is spelled otherwise.
    """
    layer, _, rest = text.partition(":")
    kv_head, _, takes = rest.partition(":")
    if not (layer.isdecimal() and kv_head.isdecimal()) or (takes or "both") not in get_args(Takes):
        raise ValueError(f"away is {short(text)}; write a layer and a key/value head, as 5:1, or 5:1:keys")
    return Taking(int(layer) - 1, int(kv_head) - 1, cast(Takes, takes or "both"))
