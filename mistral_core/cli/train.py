"""The command `train`: from a folder of texts to a model that the application offers.

A run lives in its folder: the same command, or `train --out FOLDER` alone, goes on where it stopped.
Torch is imported by the command.
"""

from __future__ import annotations

import shlex
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mistral_core.checkpoint.registry import MODELS_VARIABLE, user_root
from mistral_core.cli.flags import WRITE
from mistral_core.cli.run import load, parse_window, print_json, status, use_threads

if TYPE_CHECKING:
    from mistral_core.checkpoint.load import LoadedModel
    from mistral_core.training.corpus import Corpus
    from mistral_core.training.run_log import Event
    from mistral_core.training.settings import Settings
    from mistral_core.training.trainer import Trainer

LINE_SECONDS = 30.0
"""Between two lines of progress where no terminal shows them."""
_TEXT, _NET, _RUN, _MACHINE, _RESULT = "Text", "Network", "Training", "Machine and saving", "Result"


def _flag(help: str, panel: str, default: str | None = None) -> Any:
    return typer.Option(help=help, rich_help_panel=panel, show_default=default if default else False)


def register(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command("train", rich_help_panel=WRITE)(train)


def train(
    out: Annotated[Path, _flag("The folder of the run; one that is there is gone on with.", _TEXT)],
    data: Annotated[
        Path | None, _flag("A folder of .txt or .txt.xz files; blank lines separate documents.", _TEXT)
    ] = None,
    corpus: Annotated[Path | None, _flag("Where the tokens go; runs can share them.", _TEXT, "OUT/corpus")] = None,
    tokenizer: Annotated[Path | None, _flag("An existing tokenizer.model.", _TEXT, "learned from the text")] = None,
    clean: Annotated[bool | None, _flag("Leave out lines with slurs.", _TEXT, "as begun, or --clean")] = None,
    prepare_only: Annotated[
        bool, typer.Option("--prepare-only", help="Only make the tokens.", rich_help_panel=_TEXT)
    ] = False,
    from_model: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="A model whose weights, shape and vocabulary are taken.",
            rich_help_panel=_NET,
            show_default=False,
        ),
    ] = None,
    dim: Annotated[int | None, _flag("Width of the stream.", _NET, "256")] = None,
    layers: Annotated[int | None, _flag("Number of blocks.", _NET, "8")] = None,
    heads: Annotated[int | None, _flag("Query heads.", _NET, "8")] = None,
    kv_heads: Annotated[int | None, _flag("Key/value heads.", _NET, "2")] = None,
    window: Annotated[str | None, _flag("Keys that a token sees, or none for all.", _NET, "16")] = None,
    vocab: Annotated[int | None, _flag("Pieces to learn.", _NET, "4096")] = None,
    tokens: Annotated[str | None, _flag("How many to train on, such as 150M.", _RUN, "20M")] = None,
    mix: Annotated[
        list[str] | None,
        _flag("wide=60,core=40; or from 27 M tokens on: 27M:core=3,simple=1 (repeat).", _RUN, "by size"),
    ] = None,
    schedule: Annotated[str | None, _flag("Factors of the rates at tokens.", _RUN, "40%:1,100%:0")] = None,
    warmup: Annotated[int | None, _flag("Steps in which the rates rise.", _RUN, "200")] = None,
    context: Annotated[int | None, _flag("Tokens of a sequence.", _RUN, "512")] = None,
    batch: Annotated[int | None, _flag("Sequences at once.", _RUN, "16")] = None,
    accumulation: Annotated[int | None, _flag("Batches of a step.", _RUN, "1")] = None,
    optimiser: Annotated[Literal["muon", "adamw"] | None, _flag("Muon, or AdamW alone.", _RUN, "muon")] = None,
    muon_rate: Annotated[float | None, _flag("Learning rate of Muon.", _RUN, "0.006")] = None,
    adamw_rate: Annotated[float | None, _flag("Learning rate of AdamW.", _RUN, "0.004")] = None,
    weight_decay: Annotated[float | None, _flag("Of the matrices of the blocks.", _RUN, "0.05")] = None,
    other_decay: Annotated[float | None, _flag("Of embedding and output.", _RUN, "0")] = None,
    dropout: Annotated[float | None, _flag("Share of features dropped.", _RUN, "0.05")] = None,
    clip: Annotated[float | None, _flag("Largest norm of the gradients.", _RUN, "1")] = None,
    validations: Annotated[int | None, _flag("How often held-out text is read.", _RUN, "40")] = None,
    patience: Annotated[int | None, _flag("Validations without a gain before it stops; 0 = never.", _RUN, "10")] = None,
    seed: Annotated[int | None, _flag("Of weights, order and dropout.", _RUN, "0; with --from, a new one")] = None,
    device: Annotated[str, _flag("auto, cpu, cuda or cuda:1.", _MACHINE, "auto")] = "auto",
    precision: Annotated[Literal["auto", "float32", "bfloat16"], _flag("auto times both.", _MACHINE, "auto")] = "auto",
    compile_mode: Annotated[
        Literal["auto", "on", "off"], typer.Option("--compile", help="torch.compile.", rich_help_panel=_MACHINE)
    ] = "auto",
    threads: Annotated[int | None, _flag("Processor threads.", _MACHINE, "torch's")] = None,
    checkpoint_seconds: Annotated[float, _flag("Between two checkpoints.", _MACHINE, "120")] = 120.0,
    minutes: Annotated[float | None, _flag("Pause after so long.", _MACHINE)] = None,
    name: Annotated[str | None, _flag("Of the model.", _RESULT, "that of OUT")] = None,
    prompt: Annotated[list[str] | None, _flag("Of the samples (repeat).", _RESULT, "openings of held-out text")] = None,
    licence: Annotated[str, _flag("Of the texts, for the card.", _RESULT)] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value.", rich_help_panel=_RESULT)] = False,
) -> None:
    """Train a model on your own texts. Ctrl-C pauses; the same command goes on."""
    given = {
        "dim": dim,
        "n_layers": layers,
        "n_heads": heads,
        "n_kv_heads": kv_heads,
        "vocab_size": vocab,
        "warmup": warmup,
        "context": context,
        "batch": batch,
        "accumulation": accumulation,
        "optimiser": optimiser,
        "muon_rate": muon_rate,
        "adamw_rate": adamw_rate,
        "weight_decay": weight_decay,
        "other_decay": other_decay,
        "dropout": dropout,
        "clip": clip,
        "validations": validations,
        "patience": patience,
        "seed": seed,
    }
    flags: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if window is not None:
        flags["window"] = parse_window(window)

    from mistral_core.training.hardware import find_device
    from mistral_core.training.record import unmet_seed
    from mistral_core.training.run_file import keep_result, read_run
    from mistral_core.training.trainer import Habits, Trainer

    use_threads(threads)
    settings = _settings(out, flags, tokens, mix or [], schedule)
    start = load(from_model, "float32", "cpu") if from_model is not None else None
    if start is not None:
        settings = _shaped_like(settings, start, flags)
        if seed is None and read_run(out) is None:
            settings = replace(settings, seed=unmet_seed(start.folder))
    asked = keep_result(out, name=name, licence=licence, prompts=prompt or [])
    target = _target(out, asked["name"])
    read = _corpus(data, out, corpus, settings, tokenizer, start, clean)
    if prepare_only:
        left_out = sum(read.facts.get("left_out", {}).values())
        tokens_read = sum(source.tokens for source in read.sources.values())
        typer.echo(f"{read.folder}: {tokens_read:,} tokens; {left_out:,} lines left out (see mistral_core/unsaid.py)")
        return
    from mistral_core.training.export import check_target

    check_target(target, out)
    habits = Habits(
        checkpoint_seconds=checkpoint_seconds, minutes=minutes, precision=precision, compile_mode=compile_mode
    )
    screen = _Screen(read.bytes_per_token)
    trainer = Trainer(
        settings,
        read,
        out,
        start_from=start,
        device=find_device(device),
        habits=habits,
        prompt=next(iter(asked["prompts"]), None),
        watch=screen,
    )
    asked = keep_result(out, **asked)
    _run(trainer, screen, target, asked, _command(trainer, device, threads), as_json)


def _command(trainer: Trainer, device: str, threads: int | None) -> str:
    """What goes on with a run that was paused here."""
    words = ["python", "-m", "mistral_core", "train", "--out", str(trainer.folder)]
    if trainer.corpus.folder != trainer.folder / "corpus":
        words += ["--corpus", str(trainer.corpus.folder)]
    words += ["--device", device] if device != "auto" else []
    words += ["--threads", str(threads)] if threads else []
    return shlex.join(words)


def _run(trainer: Trainer, screen: _Screen, target: Path, asked: dict[str, Any], command: str, as_json: bool) -> None:
    from mistral_core.training.card import training_rate
    from mistral_core.training.export import export_model

    if trainer.progress.step:
        screen.line(f"going on from step {trainer.progress.step:,} of {trainer.settings.steps:,}")
    signals = _pause_on_signals(trainer)
    ending = trainer.train()
    for number, handler in signals.items():
        signal.signal(number, handler)
    status("")
    if ending == "interrupted":
        done = f"paused after step {trainer.progress.step:,} of {trainer.settings.steps:,}"
        if as_json:
            print_json({"ending": ending, "step": trainer.progress.step, "steps": trainer.settings.steps})
        else:
            typer.echo(f"{done}; to go on: {command}")
        return
    exported = export_model(trainer, target, prompts=asked["prompts"], licence=asked["licence"], progress=screen.line)
    for notice in exported.notices:
        screen.line(f"note: {notice}")
    rate, share = training_rate(trainer)
    if as_json:
        print_json(
            {
                "ending": ending,
                "model": str(exported.folder),
                **vars(exported.evaluation),
                "steps": trainer.progress.step,
                "tokens_seen": trainer.tokens_seen,
                "seconds": trainer.progress.seconds,
                "tokens_per_second": rate,
                "share_of_matmul": share,
            }
        )
        return
    typer.echo(f"{exported.folder}: {exported.evaluation.bits_per_byte:.4f} bits per byte of held-out text ({ending})")
    typer.echo(f"{trainer.tokens_seen:,} tokens, {rate:,.0f} a second, {share:.0%} of the speed of one multiplication")
    if user_root() is None:
        parent = exported.folder.parent.resolve()
        typer.echo(f"to see it in the application, start that with {MODELS_VARIABLE}={parent}")


def _settings(out: Path, given: dict[str, Any], tokens: str | None, mix: list[str], schedule: str | None) -> Settings:
    """Of the run that is there with the flags over it, or of the flags."""
    from mistral_core.training.run_file import read_run
    from mistral_core.training.settings import Settings, parse_count, parse_phase, parse_schedule

    before = read_run(out)
    settings = Settings.from_json(before["settings"]) if before else Settings()
    if tokens is not None:
        given = {**given, "tokens": parse_count(tokens)}
    total = given.get("tokens", settings.tokens)
    if mix:
        given["phases"] = tuple(sorted(parse_phase(text, total) for text in mix))
    if schedule is not None:
        given["schedule"] = parse_schedule(schedule, total)
    return replace(settings, **given)


def _shaped_like(settings: Settings, start: LoadedModel, given: dict[str, Any]) -> Settings:
    """The settings with the shape of the model that is gone on from.

    Raises:
        ValueError: a flag asks for another shape.
    """
    c = start.config
    window = c.windows[0] if len(set(c.windows)) == 1 else settings.window
    shape: dict[str, Any] = {
        "dim": c.dim,
        "n_layers": c.n_layers,
        "n_heads": c.n_heads,
        "n_kv_heads": c.n_kv_heads,
        "window": window,
        "vocab_size": c.vocab_size,
        "tied_embeddings": c.tied_embeddings,
    }
    for key, value in shape.items():
        if key in given and given[key] != value:
            raise ValueError(f"{key} is {given[key]!r}, but {start.name} has {value!r}; leave the flag out with --from")
    return replace(settings, **shape)


def _target(out: Path, name: str | None) -> Path:
    """Where the model goes: where the application looks, or into the run's folder.

    Raises:
        ValueError: a name that is a path.
    """
    name = name or out.resolve().name
    if Path(name).name != name or name.startswith("."):
        raise ValueError(f"--name is {name!r}; it must be a plain name, the folder is given by {MODELS_VARIABLE}")
    return (user_root() or out) / name


def _corpus(
    data: Path | None,
    out: Path,
    shared: Path | None,
    settings: Settings,
    tokenizer: Path | None,
    start: LoadedModel | None,
    clean: bool | None,
) -> Corpus:
    """The tokens: made from the texts, or as they are.

    Those of a run that is begun stay as they are, and so do those in a folder that runs may share.

    Raises:
        ValueError: neither texts nor tokens, or tokens of other texts or another vocabulary than wanted.
    """
    from mistral_core.training.corpus import CLEANED, HEADER, open_corpus, prepare_corpus
    from mistral_core.training.run_file import read_run
    from mistral_core.training.texts import find_texts

    folder, begun = shared or out / "corpus", read_run(out)
    if start is not None:
        tokenizer = start.tokenizer_file
    if data is not None:
        corpus = prepare_corpus(
            find_texts(data),
            folder,
            vocab_size=settings.vocab_size,
            tokenizer=tokenizer,
            progress=lambda line: print(line, file=sys.stderr),
            rebuild=shared is None and begun is None,
            wanted=begun["corpus"] if begun else None,
            clean=clean if clean is not None else not begun or CLEANED in begun["corpus"],
        )
    elif (folder / HEADER).is_file():
        corpus = open_corpus(folder)
    else:
        raise ValueError(f"there are no tokens in {folder} yet; name your folder of texts with --data")
    wanted = tokenizer and tokenizer.read_bytes()
    if wanted and wanted != corpus.tokenizer.path.read_bytes():
        raise ValueError(f"the tokens in {folder} were made with another tokenizer; name another --corpus")
    return corpus


def _pause_on_signals(trainer: Trainer) -> dict[int, Any]:
    """The first Ctrl-C or kill pauses after the step, the second one breaks off."""

    def pause(number: int, frame: object) -> None:
        signal.signal(number, signal.default_int_handler)
        print("\npausing after this step; once more to break off", file=sys.stderr)
        trainer.stop()

    try:
        return {number: signal.signal(number, pause) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread, where no signal arrives
        return {}


class _Screen:
    """Turns the events of a run into lines for a person.

    Args:
        bytes_per_token: of the training text, to show its loss in bits per byte.
    """

    def __init__(self, bytes_per_token: float) -> None:
        self._bytes_per_token, self._shown = bytes_per_token, 0.0

    def __call__(self, event: Event) -> None:
        show = getattr(self, f"_{event['event']}", None)
        if show is not None:
            show(event)

    def line(self, text: str) -> None:
        """A line that stays."""
        status("")
        print(text, file=sys.stderr, flush=True)

    def _timing(self, event: Event) -> None:
        self.line("timing this machine: which precision, and whether compiling pays (it takes a minute or two)")

    def _start(self, event: Event) -> None:
        self.line(event["choice"]["machine"])
        for sentence in event["choice"]["why"]:
            self.line(f"  {sentence}")

    def _progress(self, event: Event) -> None:
        from mistral_core.training.expectation import bits_per_byte

        bits = bits_per_byte(event["loss"], self._bytes_per_token)
        text = (
            f"step {event['step']:,}/{event['steps']:,}  {event['tokens'] / 1e6:.2f} M tokens  "
            f"loss {event['loss']:.3f} ({bits:.3f} bits/byte)  rate {event['rate']:.5f}  "
            f"{event['tokens_per_second']:,.0f} tokens/s  {_time(event['seconds_left'])} left"
        )
        if sys.stderr.isatty():
            status(text)
        elif time.monotonic() - self._shown >= LINE_SECONDS:
            self._shown = time.monotonic()
            self.line(text)

    def _validation(self, event: Event) -> None:
        from mistral_core.training.expectation import expectation

        bits = event["bits_per_byte"]
        best = ", the best so far" if event["best"] else ""
        self.line(f"held out after {event['tokens'] / 1e6:.2f} M tokens: {bits:.3f} bits/byte{best}")
        self.line(f"  expect of a sample: {expectation(bits)}")

    def _sample(self, event: Event) -> None:
        self.line(f"  {' / '.join(event['text'].splitlines())}")

    def _note(self, event: Event) -> None:
        self.line(f"note: {event['text']}")


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
