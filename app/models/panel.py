"""The parts of the models page: the choice, the ledger, the checks, the card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from app import compute
from app.models.figure import kv_bytes_figure
from app.session import state
from app.session.actions import pause_others
from app.session.state import Desk
from app.shared.frame import chart, watch
from app.theme import count, size
from mistral_core.analysis.accounting import ledger as ledger_of
from mistral_core.checkpoint import registry
from mistral_core.config import MISTRAL_7B, MistralConfig
from mistral_core.serving.task import Task
from mistral_core.training.family_results import Reached, reached, recorded_results

if TYPE_CHECKING:
    from mistral_core.verification.subject import CheckResult

CONTEXTS = (16, 64, 256, 1024, 4096, 8192, 32_768, 131_072)
BYTES_PER_NUMBER = 2
PAPER = "Mistral 7B (configuration only)"


def choose(desk: Desk) -> str:
    """The model for new runs. What is being written with another one is paused and kept."""
    names = list(registry.browser_models())
    if desk.model not in names:
        desk.model = names[0]
    name = st.selectbox("Model", names, index=names.index(desk.model), key=state.MODEL)
    if name != desk.model:
        pause_others(desk)
        desk.model = name
        if any(record.job is not None for record in desk.records.values()):
            st.info("New texts are written by this model. The runs you have are kept, with the model that wrote them.")
    for notice in registry.listing().notices:
        st.caption(notice)
    return str(name)


def facts(name: str, config: MistralConfig) -> None:
    """The shape in six numbers."""
    windows = sorted({window for window in config.windows if window is not None})
    reach = config.exact_reach()
    shown = {
        "parameters": count(ledger_of(config, 1).rows[0].parameters),
        "layers": f"{config.n_layers}",
        "query : key/value heads": f"{config.n_heads} : {config.n_kv_heads}",
        "window W": ", ".join(str(w) for w in windows) if windows else "none",
        "exact reach": f"{reach} tokens" if reach is not None else "all",
        "vocabulary": f"{config.vocab_size:,}",
    }
    with st.container(horizontal=True, gap="medium"):
        for label, value in shown.items():
            st.metric(label, value, width="content")
    st.caption(
        "derived from the configuration of " + name + ". Exact reach: after k layers a token can depend on k × (W − 1) "
        "tokens before it, since W counts the token itself. The paper writes k × W."
    )


def ledger(name: str, config: MistralConfig) -> None:
    """Bytes of weights and ring, beside the same model without its two savings."""
    st.subheader("What grouped queries and the window save")
    choice = st.segmented_control(
        "Of which model", [name, PAPER], default=name, key=state.LEDGER_OF, label_visibility="collapsed"
    )
    chosen, of = (MISTRAL_7B, "Mistral 7B") if choice == PAPER else (config, name)
    usual = 32_768 if choice == PAPER else 4096
    context = st.select_slider(
        "tokens in the text", CONTEXTS, value=usual, key=f"{state.CONTEXT} {of}", format_func="{:,}".format
    )
    found = ledger_of(chosen, int(context), BYTES_PER_NUMBER)
    rows = [
        {
            "": row.name.replace("this model", of),
            "key/value heads": row.n_kv_heads,
            "keys and values": size(row.kv_cache_bytes),
            f"times {of}": f"{row.factor:,.4g}×",
            "weights": size(row.weight_bytes),
            "parameters": count(row.parameters),
            "operations a token": count(row.flops_per_token),
        }
        for row in found.rows
    ]
    st.dataframe(rows, hide_index=True)
    chart(
        lambda theme: kv_bytes_figure(chosen, CONTEXTS, BYTES_PER_NUMBER, theme, of),
        key="kv bytes",
        alt="Bytes of keys and values against tokens: this model levels off at its window; without it they grow on",
    )
    st.caption(
        "theory: sum over the layers of 2 × key/value heads × head width × min(W, tokens) × 2 bytes (bfloat16). "
        "Weights change with the number of key/value heads too, which the last columns show."
    )


def family() -> None:
    """The models that were trained alike but for one thing, and what each reached."""
    with st.expander("Trained alike, one thing changed: what each model reached"):
        rows = reached(recorded_results())
        st.dataframe([_family_row(row) for row in rows], hide_index=True)
        st.caption(
            f"Bits per byte of held-out text after {rows[0].first.tokens / 1e6:.1f} million tokens, alike for all; "
            "lower is better. The mean of the seeds, and how far they lie apart. Two "
            "models differ only where the difference is larger than that. Whole chapters are longer than any text that "
            "these models were trained on, which full attention does not forgive; pieces are not. Measured when they "
            "were trained, by `python -m mistral_core family`."
        )
        st.caption(
            "relay is no storyteller: it learned to carry one symbol through every hop, up to the exact reach. "
            "`python -m mistral_core relay` measures how often it arrives."
        )


def _family_row(row: Reached) -> dict[str, str]:
    changed = ", ".join(_changed(name, value) for name, value in row.first.changes.items())
    return {
        "model": row.first.name,
        "whole chapters": _bits(row.mean, row.spread),
        "in pieces": _bits(row.short, row.short_spread),
        "seeds": f"{row.seeds}",
        "what was changed": changed or "(compared with)",
        "parameters": f"{row.first.parameters:,}",
        "keys and values": size(row.first.cache_bytes),
    }


def _changed(name: str, value: Any) -> str:
    """One change against the baseline, in words that a cell of the table has room for."""
    match name:
        case "window" if value is None:
            return "no window"
        case "n_kv_heads":
            return f"{value} key/value {'head' if value == 1 else 'heads'}"
        case "optimiser" if value == "adamw":
            return "AdamW alone"
        case "adamw_rate":
            return f"rate {value}"
    return f"{name} {value}".replace("_", " ")


def _bits(mean: float, spread: float | None) -> str:
    return f"{mean:.3f}" if spread is None else f"{mean:.3f} (within {spread:.3f})"


def trust(desk: Desk, name: str) -> None:
    """The checks of `python -m mistral_core verify`, run here on demand."""
    st.subheader("Is it really this model?")
    task = desk.checks.get(name)
    if task is None or (not task.running and task.result is None):
        if task is not None and task.error:
            st.warning(task.error)
        st.write(
            "The checks run the model: against logits that transformers computed, cached against dense, chunked, "
            "the ring against the last W keys, and the exact reach. Each error is measured now."
        )
        if st.button("Check it now", icon=":material/verified:"):
            desk.checks[name] = verification(name)
            st.rerun()
        return
    if task.running:
        watch(task, "checks")
        return
    _results(task.result or [])


def verification(name: str) -> Task[Any]:
    """Starts the checks of a model in the background."""

    def work(report: Any) -> Any:
        from mistral_core.verification.verify import verify

        return verify(compute.engine().model(name), progress=report)

    return Task(work)


def _results(results: list[CheckResult]) -> None:
    failed = [result for result in results if not result.ok]
    if failed:
        st.error(f"{len(failed)} of {len(results)} checks failed: this model is not what it says.")
    else:
        st.success(f"All {len(results)} checks hold.")
    rows = [
        {
            "check": result.check,
            "holds": _verdict(result),
            "largest error": _number(result.max_abs_error),
            "bound": _number(result.bound),
            "compared": "; ".join(filter(None, (result.compared, result.note))),
        }
        for result in results
    ]
    st.dataframe(rows, hide_index=True, height="content")
    st.caption("model: measured on the running model. The same table: `python -m mistral_core verify`.")


def _verdict(result: CheckResult) -> str:
    if not result.applies:
        return "does not apply"
    return "yes" if result.ok else "NO"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


def card(name: str) -> None:
    """The model's own card: what it was trained on, what it cannot do."""
    path = registry.resolve_browser(name) / "MODEL_CARD.md"
    if path.is_file():
        with st.expander("Model card: where it comes from, what it cannot do"):
            st.markdown(path.read_text(encoding="utf-8"))
