"""Windows of other families against the configuration classes of transformers, which know each family's pattern."""

import pytest
from transformers import Cohere2Config, Gemma2Config, Gemma3TextConfig, GPTNeoConfig, GptOssConfig

from mistral_core.analysis.published_windows import PUBLISHED

WINDOWS = {one.name: one.windows for one in PUBLISHED}
THEIRS = {
    "Gemma 2 2B": Gemma2Config(num_hidden_layers=26),
    "Gemma 3 1B": Gemma3TextConfig(num_hidden_layers=26, sliding_window=512),
    "gpt-oss-20b": GptOssConfig(num_hidden_layers=24),
    "Command R7B": Cohere2Config(num_hidden_layers=32),
}


@pytest.mark.parametrize("name", THEIRS)
def test_layers_take_turns_as_the_family_has_them(name):
    config = THEIRS[name]
    kinds = {"sliding_attention": config.sliding_window, "full_attention": None}
    assert WINDOWS[name] == tuple(kinds[kind] for kind in config.layer_types)


def test_gpt_neo_begins_with_a_layer_that_sees_all():
    config = GPTNeoConfig()
    assert WINDOWS["GPT-Neo 1.3B"] == tuple(
        config.window_size if kind == "local" else None for kind in config.attention_layers
    )
