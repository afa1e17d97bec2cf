"""How much memory there is."""

from mistral_core.memory import free_bytes, machine_bytes


def test_a_container_bounds_the_machine_and_only_from_above(tmp_path):
    there = machine_bytes(tmp_path / "none")
    assert there > 2**28
    said = tmp_path / "memory.max"
    for text, bytes_ in (("max", there), (str(2**20), 2**20), (str(2**62), there), ("", there)):
        said.write_text(text)
        assert machine_bytes(said) == bytes_, text


def test_what_is_free_is_the_less_of_machine_and_container(tmp_path):
    meminfo, allowed, used = (tmp_path / name for name in ("meminfo", "max", "current"))
    meminfo.write_text("MemTotal: 100 kB\nMemAvailable:    64 kB\nBuffers: 3 kB\n")
    assert free_bytes(allowed, used, meminfo) == 64 * 1024, "no container"
    for most, taken, free in (("max", "5", 65536), ("70000", "30000", 40000), ("999999", "30000", 65536)):
        allowed.write_text(most)
        used.write_text(taken)
        assert free_bytes(allowed, used, meminfo) == free
    meminfo.write_text("nothing of the kind")
    assert free_bytes(allowed, used, meminfo) is None
    assert free_bytes(allowed, used, tmp_path / "none") is None
