"""What the choice of a model says of each."""

import pytest

from app import compute
from app.models.choice import KINDS, described, kept_in_fewer_bytes
from mistral_core.checkpoint import registry


def test_every_bundled_model_says_what_it_is_for_and_what_it_says_is_so():
    bundled = {name for name, folder in registry.browser_models().items() if registry.is_bundled(folder)}
    assert bundled == set(KINDS)
    base = compute.config("baseline")
    for name in bundled:
        assert described(name) == f"{name}: {KINDS[name]}"
    assert compute.config("full-attention").windows == (None,) * base.n_layers
    assert set(compute.config("narrow-window").windows) == {4} != set(base.windows)
    assert (compute.config("mha").n_kv_heads, compute.config("mqa").n_kv_heads) == (base.n_heads, 1)
    assert described("somebody's") == "somebody's"


def test_where_float32_does_not_fit_the_weights_are_kept_in_fewer_bytes_and_the_page_says_so(monkeypatch):
    shape = compute.config("storyteller")
    for free, kind in ((10**9, "float32"), (2 * 10**7 + 5 * 10**6, "bfloat16"), (1, "int8"), (None, "float32")):
        monkeypatch.setattr(compute, "free_bytes", lambda free=free: free)
        assert compute.weights_that_fit(shape) == kind, free
        said = kept_in_fewer_bytes("storyteller")
        assert (said == "") == (kind == "float32") and kind in (said or "float32")
    compute._exact.clear()
    monkeypatch.setattr(compute, "free_bytes", lambda: 10**6)
    with pytest.raises(
        ValueError, match=r"storyteller needs 0\.066 GiB to be measured in float64, and 0\.0\d+ GiB are free"
    ):
        compute.exact_model("storyteller")
