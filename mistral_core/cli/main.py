"""The engineer's door: `python -m mistral_core`.

Every command prints text for people, or with `--json` one JSON value. Whatever is wrong with the
input is one sentence on stderr and exit code 2; exit code 1 says that `verify` found something, or that a result
could not be written; 3 that `verify` found nothing wrong and could not prove everything. A reader that leaves
(`| head`) ends a command quietly.
Torch is imported by the commands that compute, so help and `info` answer at once.
"""

from __future__ import annotations

import errno
import shlex
import sys
import time
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
from typer.exceptions import TyperException

from mistral_core.checkpoint.registry import DEFAULT_MODEL
from mistral_core.cli.average import register as register_average
from mistral_core.cli.breaking import register as register_breaking
from mistral_core.cli.example import register as register_example
from mistral_core.cli.experiment import register as register_experiment
from mistral_core.cli.family import register as register_family
from mistral_core.cli.flags import (
    CHECK,
    LOOK,
    OUTPUT,
    WRITE,
    Against,
    ChunkSize,
    Device,
    Dtype,
    Json,
    MaxNewTokens,
    MinP,
    Model,
    Penalty,
    Prompt,
    PromptFile,
    Stop,
    Temperature,
    TextSeed,
    TopK,
    TopP,
    Unsaid,
    Weights,
)
from mistral_core.cli.influence import register as register_influence
from mistral_core.cli.museum import register as register_museum
from mistral_core.cli.relay import register as register_relay
from mistral_core.cli.run import (
    PRESET,
    finish,
    load,
    parse_window,
    print_json,
    published_of,
    read_prompt,
    reader_left,
    recording_plan,
    refuse,
    rounding_against,
    start,
    status,
    store,
)
from mistral_core.cli.smollm2 import register as register_smollm2
from mistral_core.cli.step import register as register_step
from mistral_core.cli.train import register as register_train
from mistral_core.writing import WriteError

PROGRAM = "python -m mistral_core"
EXAMPLES = f"""Examples

{PROGRAM} generate --prompt "Once upon a time" --seed 7 --stream

{PROGRAM} trace --prompt "Once upon a time" --out run.trace

{PROGRAM} info --model {PRESET} --context 32768

{PROGRAM} evaluate --text stories.txt.xz --window none

{PROGRAM} verify --model path/to/a/model"""

app = typer.Typer(
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog=EXAMPLES,
    help="A complete Mistral: write text, look inside, and check that it is one.",
)
NOT_PROVEN = 3
"""Exit code of `verify` where nothing is wrong and something cannot be decided."""
_ARGUMENTS: ContextVar[tuple[str, ...]] = ContextVar("mistral_core_arguments", default=())
"""Of the command that runs; a trace stores by which command it was made."""


@app.command(rich_help_panel=WRITE)
def generate(
    prompt: Prompt = None,
    prompt_file: PromptFile = None,
    model: Model = DEFAULT_MODEL,
    max_new_tokens: MaxNewTokens = 200,
    stop: Stop = None,
    temperature: Temperature = 0.8,
    top_k: TopK = 0,
    top_p: TopP = 0.95,
    min_p: MinP = 0.0,
    repetition_penalty: Penalty = 1.0,
    unsaid: Unsaid = None,
    seed: TextSeed = 0,
    chunk_size: ChunkSize = 256,
    dtype: Dtype = "float32",
    weights: Weights = "float32",
    device: Device = "cpu",
    stream: Annotated[bool, typer.Option("--stream", help="Print while writing.", rich_help_panel=OUTPUT)] = False,
    as_json: Json = False,
) -> None:
    """Go on from a prompt. Prints the prompt and what follows it."""
    from mistral_core.cli.output import run_json
    from mistral_core.sampling import SamplingSettings

    if stream and as_json:
        raise ValueError("--stream and --json cannot be had together; leave one out")
    settings = SamplingSettings(
        temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, repetition_penalty=repetition_penalty
    )
    text = read_prompt(prompt, prompt_file)
    started = time.perf_counter()
    loaded = load(model, dtype, device, weights)
    load_seconds = time.perf_counter() - started
    run = start(
        loaded,
        text,
        max_new_tokens=max_new_tokens,
        stop=tuple(stop or ()),
        seed=seed,
        chunk_size=chunk_size,
        sampling=settings,
        unsaid=unsaid,
    )
    finish(run, show=stream)
    if as_json:
        print_json({**run_json(run, load_seconds), "computes": loaded.computes})
    elif not stream:
        typer.echo(run.trace().text)


@app.command(rich_help_panel=LOOK)
def trace(
    out: Annotated[Path, typer.Option(help="The file to write (safetensors).", show_default=False)],
    prompt: Prompt = None,
    prompt_file: PromptFile = None,
    model: Model = DEFAULT_MODEL,
    max_new_tokens: MaxNewTokens = 200,
    stop: Stop = None,
    temperature: Temperature = 0.8,
    top_k: TopK = 0,
    top_p: TopP = 0.95,
    min_p: MinP = 0.0,
    repetition_penalty: Penalty = 1.0,
    unsaid: Unsaid = None,
    seed: TextSeed = 0,
    hook: Annotated[
        list[str] | None,
        typer.Option(help="A tensor to keep, such as hook_resid_post (can be repeated).", show_default=False),
    ] = None,
    layer: Annotated[
        list[int] | None, typer.Option(help="Only of this layer (can be repeated).", show_default=False)
    ] = None,
    no_logits: Annotated[bool, typer.Option("--no-logits", help="Leave the logits out.")] = False,
    compact: Annotated[bool, typer.Option("--compact", help="Attention and the 20 likeliest tokens only.")] = False,
    budget_mib: Annotated[int, typer.Option(help="What does not fit is left out and named.")] = 512,
    chunk_size: ChunkSize = 256,
    dtype: Dtype = "float32",
    weights: Weights = "float32",
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Go on from a prompt and keep what the model computed on the way in a file."""
    from mistral_core.sampling import SamplingSettings

    settings = SamplingSettings(
        temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, repetition_penalty=repetition_penalty
    )
    plan = recording_plan(hook or [], layer or [], no_logits, compact, budget_mib)
    text = read_prompt(prompt, prompt_file)
    if not out.parent.is_dir():
        raise ValueError(f"the folder {out.parent} does not exist; make it first")
    loaded = load(model, dtype, device, weights)
    run = start(
        loaded,
        text,
        max_new_tokens=max_new_tokens,
        stop=tuple(stop or ()),
        seed=seed,
        chunk_size=chunk_size,
        sampling=settings,
        unsaid=unsaid,
        plan=plan,
    )
    if compact and run.recorder.omitted:  # before the time is spent
        raise ValueError(f"a compact trace needs all attention and logits, but {run.recorder.omitted[0]}")
    finish(run)
    written, missing = store(run, out, shlex.join([*PROGRAM.split(), *_ARGUMENTS.get()]), compact)
    size = out.stat().st_size
    if as_json:
        arrays = list(written.arrays)
        print_json({"file": str(out), "bytes": size, "tokens": len(written), "arrays": arrays, "omitted": missing})
        return
    typer.echo(f"{out}: {len(written):,} tokens, {len(written.arrays)} arrays, {size:,} bytes")
    for line in missing:
        typer.echo(f"left out: {line}", err=True)


@app.command(rich_help_panel=LOOK)
def info(
    file: Annotated[
        str | None, typer.Argument(help="A config.json or params.json, or - for a pipe.", show_default=False)
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help=f"A folder, a listed name, or {PRESET}; no weights are needed.", show_default=DEFAULT_MODEL),
    ] = None,
    context: Annotated[int, typer.Option(help="Tokens of context.")] = 32768,
    dtype: Annotated[
        Literal["float32", "float64", "float16", "bfloat16"], typer.Option(help="Of the numbers counted.")
    ] = "bfloat16",
    as_json: Json = False,
) -> None:
    """Configuration, parameters and bytes, beside the same without grouped queries and without the window.

    Of a model, or of any published config.json or params.json; it says which of the file's keys change nothing.
    """
    from mistral_core.cli.output import info_json, info_text

    if file is not None and model is not None:
        raise ValueError(f"both the file {file} and --model {model} are given; give one of them")
    name, published = published_of(file or model or DEFAULT_MODEL)
    content = info_json(name, published, context, dtype)
    for notice in published.notices:
        typer.echo(f"note: {notice}", err=True)
    if as_json:
        print_json(content)
    else:
        typer.echo(info_text(content))


@app.command(rich_help_panel=CHECK)
def evaluate(
    text: Annotated[
        Path, typer.Option(help="A text file, plain or .xz; blank lines separate documents.", show_default=False)
    ],
    model: Model = DEFAULT_MODEL,
    window: Annotated[
        str | None, typer.Option(help="Another window: tokens, or none.", show_default="the model's")
    ] = None,
    sinks: Annotated[int, typer.Option(help="First tokens that stay visible beside that window.", min=0)] = 0,
    after: Annotated[
        int, typer.Option(help="Say also the loss of what follows so many tokens of a document; 0 = all.")
    ] = 0,
    chunk_size: ChunkSize = 256,
    dtype: Dtype = "float32",
    weights: Weights = "float32",
    device: Device = "cpu",
    against: Against = None,
    as_json: Json = False,
) -> None:
    """How well the model predicts a text: bits per byte, nats per token; and what rounding its weights changes."""
    windows = parse_window(window)
    if against is not None and against == weights:
        raise ValueError(f"--against {against} compares the model with itself; choose other --weights, such as int8")
    loaded = load(model, dtype, device, weights)

    from mistral_core.analysis.evaluation import evaluate as measure
    from mistral_core.analysis.evaluation import read_documents
    from mistral_core.cli.output import rounding_text

    result = measure(
        loaded.model,
        loaded.tokenizer,
        read_documents(text),
        windows=windows,
        sinks=sinks,
        after=after,
        chunk_size=chunk_size,
        progress=lambda now: status(f"{now.documents:,} documents, {now.tokens:,} tokens, {now.bits_per_byte:.3f}"),
    )
    status("")
    apart = rounding_against(loaded, against, text, windows, sinks) if against is not None else None
    if as_json:
        compared = {} if apart is None else {"weights": weights, "against": against, "rounding": asdict(apart)}
        print_json({"model": loaded.name, **asdict(result), **compared})
        return
    typer.echo(f"{result.bits_per_byte:.4f} bits per byte ({result.loss:.4f} nats per token)")
    typer.echo(f"{result.tokens:,} tokens, {result.bytes:,} bytes, {result.documents:,} documents")
    if after:
        typer.echo(
            f"mean loss after token {after:,} of {result.longest:,}: {result.loss_after:.4f} nats per token "
            f"({result.tokens_after:,} tokens)"
        )
    if apart is not None:
        typer.echo(rounding_text(apart, weights, against))


@app.command(rich_help_panel=CHECK)
def verify(
    model: Model = DEFAULT_MODEL,
    dtype: Dtype = "float32",
    weights: Weights = "float32",
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Compare the model with independent computations; exit code 1: something differs, 3: not all is proven."""
    loaded = load(model, dtype, device, weights)
    from mistral_core.verification.verify import table, to_json
    from mistral_core.verification.verify import verify as run_checks

    results = run_checks(loaded, progress=lambda done, total, name: status(name and f"{done}/{total} {name}"))
    if as_json:
        print_json(to_json(results))
    else:
        typer.echo(table(results))
    if any(result.proven and not result.ok for result in results):
        raise typer.Exit(1)
    if not all(result.ok for result in results):
        raise typer.Exit(NOT_PROVEN)


@app.command(rich_help_panel=CHECK)
def golden(model: Model = DEFAULT_MODEL) -> None:
    """Store the logits of an independent computation beside a model, for `verify` to compare with."""
    from mistral_core.checkpoint.golden import GOLDEN_FILE, make_golden
    from mistral_core.checkpoint.registry import resolve_command_line

    folder = resolve_command_line(model)
    made = make_golden(folder)
    typer.echo(f"{folder / GOLDEN_FILE}: {len(made.positions)} positions of {len(made.tokens)} tokens")


register_influence(app)
register_breaking(app)
register_museum(app)
register_step(app)
register_train(app)
register_average(app)
register_family(app)
register_experiment(app)
register_relay(app)
register_smollm2(app)
register_example(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code.

    Args:
        arguments: without the program's name; default: those of this process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    _ARGUMENTS.set(tuple(given))
    try:
        code = app(args=given or ["--help"], prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()  # here, where a reader that left can still be told from a fault
        return code if isinstance(code, int) else 0
    except typer.Abort:
        return 130
    except TyperException as error:
        return refuse(error.format_message())
    except ValueError as error:
        return refuse(str(error))
    except BrokenPipeError:
        return reader_left()
    except SystemExit:  # rich leaves so when the reader of its help is gone
        return reader_left()
    except WriteError as error:
        return refuse(str(error), 1)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
        return refuse(f"{error.filename or 'a file'} cannot be used: {error.strerror or error}", 1 if full else 2)
    except (RuntimeError, MemoryError) as error:
        return refuse(f"the computation failed: {error or type(error).__name__}")
