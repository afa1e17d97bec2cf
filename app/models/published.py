"""Any published configuration: what is pasted is read like a model's own, and its numbers are shown."""

from __future__ import annotations

import streamlit as st

from app.models.state import ModelsState
from app.session import state
from app.session.desk import Desk
from app.shared.markdown import plain
from app.theme import size
from mistral_core.analysis.accounting import kv_bytes_by_context, kv_bytes_per_token, parameter_count, without_gqa
from mistral_core.checkpoint.configuration import published_text
from mistral_core.checkpoint.folder import CheckpointError
from mistral_core.checkpoint.published import MOST_KEYS, Published, windows_in_words
from mistral_core.config import named

MOST_TYPED = 100_000
"""Characters of the field."""


def any_configuration(desk: Desk) -> None:
    """A field for a configuration, and below it what it says."""
    st.subheader("Any published configuration")
    st.write(
        "Beside the weights of a published model lies a small file that describes its network: config.json or "
        "params.json. Paste one: its numbers follow from it alone, no weights are needed."
    )
    page = desk.page_state(ModelsState)
    typed = st.text_area(
        "The text of a config.json or params.json",
        page.published,
        key=state.PUBLISHED,
        height=160,
        max_chars=MOST_TYPED,
        placeholder='{"model_type": "mistral", "hidden_size": 4096, "num_hidden_layers": 32, …}',
    )
    page.published = typed or ""
    if not page.published.strip():
        return
    try:
        published = published_text(page.published, "The text")
    except ValueError as refusal:
        _refused(refusal)
    else:
        _numbers(published)


def _refused(refusal: ValueError) -> None:
    """What a text is not, in as many sentences as there are reasons."""
    problems = refusal.problems if isinstance(refusal, CheckpointError) else ()
    if not problems:
        st.warning(plain(str(refusal)))
        return
    lines = "\n".join(f"- {plain(problem)}" for problem in problems[:MOST_KEYS])
    st.warning(f"This describes no network that can be read here, so no number of it is shown:\n\n{lines}")


def _numbers(published: Published) -> None:
    config, notices = published.config, published.notices
    reach, trained = config.exact_reach(), published.trained_context
    rows = {
        "parameters": f"{parameter_count(config)['total']:,}",
        "layers": f"{config.n_layers:,}",
        "query : key/value heads": f"{config.n_heads:,} : {config.n_kv_heads:,}",
        "window": windows_in_words(config.windows),
        "exact reach after all layers": "all earlier tokens" if reach is None else f"{reach:,} tokens back",
        "trained on texts of up to": "not said" if trained is None else f"{trained:,} tokens",
        "keys and values of each token": size(kv_bytes_per_token(config)),
        "… without grouped queries": size(kv_bytes_per_token(without_gqa(config))),
    }
    st.dataframe([{"": name, "this configuration": value} for name, value in rows.items()], hide_index=True)
    st.dataframe(
        [
            {
                "tokens in the text": f"{row.context:,}",
                "keys and values": size(row.own),
                "without the window": size(row.without_window),
                "without window and grouped queries": size(row.without_both),
            }
            for row in kv_bytes_by_context(config)
        ],
        hide_index=True,
    )
    for notice in notices:
        st.caption(plain(notice))
    st.caption(f"Keys that made the network: {_keys(published.read)}.")
    st.caption(f"Keys that change nothing in what it computes, ignored here: {_keys(published.ignored)}.")
    st.caption(
        "theory: 2 bytes a number (float16 or bfloat16). The same table: `python -m mistral_core info config.json`."
    )


def _keys(keys: tuple[str, ...]) -> str:
    return plain(named(keys, MOST_KEYS)) if keys else "none"
