"""What the choice of a model says of each."""

from app import compute
from app.models.choice import KINDS, described
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
