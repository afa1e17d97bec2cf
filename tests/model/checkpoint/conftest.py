"""A small network, and its folder in both layouts."""

import pytest

from mistral_core.checkpoint.save import save_hugging_face, save_mistral
from mistral_core.model import random_model
from tests.model.checkpoint.folders import TINY, TOKENIZER


@pytest.fixture(scope="module")
def model():
    return random_model(TINY, seed=1, std=0.4)


@pytest.fixture
def mistral_folder(tmp_path, model):
    save_mistral(model, tmp_path / "m", TOKENIZER)
    return tmp_path / "m"


@pytest.fixture
def hf_folder(tmp_path, model):
    save_hugging_face(model, tmp_path / "h", TOKENIZER)
    return tmp_path / "h"
