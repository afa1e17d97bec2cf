"""Many machines for real: replicas of Ray Serve on this one, killed and replaced while they write; over the loopback."""

import os
import re
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from mistral_core.request import GenerationRequest
from mistral_core.sampling import SamplingSettings
from mistral_core.serving.engine import Engine
from mistral_core.serving.named import load_named
from tests.model.serving.test_engine import finish, until
from tests.model.serving.test_remote import grown, same

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # Ray's own are many
    pytest.mark.skipif(
        find_spec("ray") is None,
        reason="Ray is not installed (make serve-ray installs it), so many machines were not tested",
    ),
]
ROOT = Path(__file__).resolve().parents[3]
PROMPT = "Once upon a time there was a girl"


@pytest.fixture(scope="module")
def cluster():
    """Ray in a process of its own, as `make serve-ray` starts it: two replicas, half a core each."""
    command = [
        sys.executable,
        "-m",
        "mistral_core.serving.remote",
        "--least",
        "2",
        "--most",
        "3",
        "--texts",
        "6",
        "--cpus",
        "0.5",
    ]
    started = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    line = ""
    while "address" not in line:
        line = started.stdout.readline()
        assert line, "Ray ended before it had an address"
    yield line.split()[-1]
    started.send_signal(signal.SIGINT)
    started.wait(60)
    started.stdout.close()


@pytest.fixture(scope="module")
def here():
    made = Engine(lambda name, report: load_named(name, report, trained=made.model), alike=True)
    yield made
    made.close()


@pytest.fixture(scope="module")
def engine(cluster, here):
    from mistral_core.serving.remote.start import connected

    made = connected(cluster, lambda name, report: load_named(name, report, trained=made.model))
    made._transport.everybody("warm", "storyteller")
    yield made
    made.close()
    made._transport.close()


@pytest.fixture(scope="module")
def wanted(here):
    ids = tuple(here.model("storyteller").tokenizer.encode(PROMPT))

    def asked(seed, n=200):
        return GenerationRequest(
            prompt_ids=ids, max_new_tokens=n, sampling=SamplingSettings(temperature=0.8, top_p=0.95), seed=seed
        )

    return asked


def undisturbed(here, request):
    return finish(here, here.submit("a", "storyteller", request)).trace


def processes(engine):
    return {one["at"]: one["pid"] for one in engine._transport.everybody("about")}


def test_a_text_from_another_process_is_the_one_written_here_to_the_bit(engine, here, wanted):
    for seed in range(4):
        progress = finish(engine, engine.submit(f"s{seed}", "storyteller", wanted(seed)))
        same(progress.trace, undisturbed(here, wanted(seed)))
    assert os.getpid() not in processes(engine).values()
    assert "tokens of all texts" in engine.step_said("storyteller") or engine.step_said("storyteller") == ""


def test_a_session_stays_and_sessions_share_the_replicas(engine, wanted):
    jobs = [engine.submit(f"pupil {n}", "storyteller", wanted(n, 30)) for n in range(12)]
    homes = [job.at for job in jobs]
    for job in jobs:
        finish(engine, job)
    again = [engine.submit(f"pupil {n}", "storyteller", wanted(n + 50, 5)) for n in range(12)]
    assert [job.at for job in again] == homes and len(set(homes)) == 2
    for job in again:
        finish(engine, job)


def test_a_replica_killed_in_mid_story(engine, here, wanted):
    """SIGKILL: the text goes on in the other process, to the same letters; what was seen stays."""
    job = engine.submit("killed", "storyteller", wanted(3), pace=60.0)
    grown(engine, job, 40)
    home, seen = job.at, len(engine.poll(job).trace)
    os.kill(processes(engine)[home], signal.SIGKILL)
    statuses = set()
    while (progress := engine.poll(job)).status not in ("done", "failed"):
        statuses.add(progress.status)
        assert len(progress.trace) >= seen
        time.sleep(0.02)
    assert job.at != home and job.lost == 1 and statuses <= {"queued", "loading", "reading", "running"}
    same(progress.trace, undisturbed(here, wanted(3)))
    until(lambda: len(processes(engine)) == 2, 60)


def test_a_rolling_restart_while_texts_are_written(engine, cluster, here, wanted):
    jobs = [engine.submit(f"s{n}", "storyteller", wanted(n), pace=8.0) for n in range(4)]
    for job in jobs:
        grown(engine, job, 12)
    before = set(processes(engine))
    rolled = subprocess.Popen([sys.executable, "-m", "mistral_core.serving.remote", "--roll", cluster], cwd=ROOT)
    while rolled.poll() is None:
        for job in jobs:
            assert engine.poll(job).status not in ("failed", "expired")
        time.sleep(0.05)
    assert rolled.returncode == 0
    for n, job in enumerate(jobs):
        job.pace = float("inf")
        until(lambda job=job: engine.poll(job).status == "done", 60)
        same(engine.poll(job).trace, undisturbed(here, wanted(n)))
    assert not before & set(processes(engine)), "all of them are new"


def test_more_texts_bring_another_replica(engine, here, wanted):
    """Three replicas at most, and six texts on each: thirteen want a third. Slow ones, so that none ends meanwhile."""
    assert len(processes(engine)) == 2
    jobs = [engine.submit(f"many {n}", "storyteller", wanted(n, 400), pace=0.5) for n in range(20)]
    until(lambda: [engine.poll(job) for job in jobs] and len(processes(engine)) == 3, 90)
    for job in jobs:
        engine.cancel(job)


def test_the_cluster_answers_at_the_loopback_and_reports_to_nobody(engine, cluster):
    assert cluster.startswith("127.0.0.1:")
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    tables = "".join(Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6"))
    assert re.search(rf"0100007F:{int(cluster.split(':')[1]):04X} 0+:0000 0A", tables, re.I)
