"""How much memory there is."""

from mistral_core.serving.memory import machine_bytes


def test_a_container_bounds_the_machine_and_only_from_above(tmp_path):
    there = machine_bytes(tmp_path / "none")
    assert there > 2**28
    said = tmp_path / "memory.max"
    for text, bytes_ in (("max", there), (str(2**20), 2**20), (str(2**62), there), ("", there)):
        said.write_text(text)
        assert machine_bytes(said) == bytes_, text
