"""What this machine offers: versions, whether there is a key, whether the judge's server answers, the store."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibration.findings.diagnosis import Check
from calibration.study.provenance import versions
from grader.errors import InputError
from grader.judge.clients.local import PREFIX
from grader.judge.clients.sdk import make_client
from grader.judge.setup import JudgeSetup
from grader.store.care import verify_store

if TYPE_CHECKING:
    import anthropic

# Where the SDK finds what lets it in; only whether it is set is ever told.
KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
SECONDS = 10.0
OLDEST_PYTHON = (3, 11)


def examine_environment(setup: JudgeSetup, store: Path) -> tuple[Check, ...]:
    """Look at Python, packages, key, endpoint and store. Spends nothing; makes no file.

    Parameters
    ----------
    setup : JudgeSetup
        Whose model and server are asked after. The server is asked once what it knows of the model, which is free,
        and only where there is a key or another address than the API's own.
    store : path
        May be absent.

    Returns
    -------
    tuple of Check
        No text of them holds a key.
    """
    return (_python(), _packages(), *_judge(setup), _store(store))


def _python() -> Check:
    told = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}."
    if tuple(map(int, platform.python_version_tuple()[:2])) < OLDEST_PYTHON:
        advice = f"Use Python {'.'.join(map(str, OLDEST_PYTHON))} or newer."
        return Check(level="cannot", topic="python", told=told, advice=advice)
    return Check(level="fine", topic="python", told=told)


def _packages() -> Check:
    known = {name: version for name, version in versions().items() if name != "python"}
    listed = ", ".join(f"{name} {version}" for name, version in known.items())
    if "torch" in known:
        return Check(level="fine", topic="packages", told=f"{listed}.")
    advice = "The judge does without; for the classifier, pip install torch, or use --backend onnx-int8."
    return Check(level="note", topic="packages", told=f"{listed}; no torch.", advice=advice)


def _judge(setup: JudgeSetup) -> Iterator[Check]:
    """The key, and the endpoint where it can be asked."""
    if setup.replies is not None:
        there = setup.replies.is_file()
        told = f"The judge answers from {setup.replies}" + ("." if there else ", which is not there.")
        yield Check(level="fine" if there else "cannot", topic="judge", told=told)
        return
    if setup.model.startswith(PREFIX):
        yield Check(level="fine", topic="judge", told=f"{setup.model} runs on this machine; no key, no server.")
        return
    if setup.provider != "anthropic":
        told = f"Keys and endpoint of {setup.provider} were not looked at: it tells of its models elsewhere."
        yield Check(level="note", topic="endpoint", told=told, advice="Grade one transcript to see.")
        return
    found = [name for name in KEYS if os.environ.get(name)]
    other = setup.base_url or os.environ.get("ANTHROPIC_BASE_URL")
    if found:
        yield Check(level="fine", topic="key", told=f"{found[0]} is set (not shown).")
    else:
        told = "No API key for a judge: neither " + " nor ".join(KEYS) + " is set."
        advice = "export ANTHROPIC_API_KEY=..., or bring verdicts from elsewhere with --verdicts."
        yield Check(level="note" if other else "cannot", topic="key", told=told, advice=advice)
    try:
        client = make_client(setup.base_url, timeout=SECONDS)
    except InputError as error:
        if found:
            yield Check(level="cannot", topic="endpoint", told=f"{error}.")
        return
    yield asyncio.run(_endpoint(client, setup.model))


async def _endpoint(client: anthropic.AsyncAnthropic, model: str) -> Check:
    """Whether the server answers, and knows the model."""
    import anthropic

    where = str(client.base_url).rstrip("/")
    ours = "api.anthropic.com" in where
    try:
        async with client:
            known: Any = await client.models.retrieve(model)
    except anthropic.NotFoundError:
        told = f"{where} answers, but lists no model {model!r}."
        advice = "Name another with --judge." if ours else "Fine for a server that lists no models at all."
        return Check(level="cannot" if ours else "note", topic="endpoint", told=told, advice=advice)
    except (anthropic.AuthenticationError, anthropic.PermissionDeniedError) as error:
        told = f"{where} answers, but refuses the key ({error.status_code})."
        return Check(level="cannot", topic="endpoint", told=told, advice="Look at the key in the console.")
    except anthropic.APIStatusError as error:
        told = f"{where} answers with an error ({error.status_code})."
        return Check(level="warning", topic="endpoint", told=told, advice="Try again later.")
    except anthropic.APIConnectionError as error:
        told = f"{where} cannot be reached: {' '.join(str(error.__cause__ or error).split())}."
        return Check(level="cannot", topic="endpoint", told=told, advice="Look at the network, a proxy, --base-url.")
    except ValueError:
        told = f"{where} answers, but not as the Messages API does."
        return Check(level="cannot", topic="endpoint", told=told, advice="Look at --base-url.")
    return Check(level="fine", topic="endpoint", told=f"{where} answers and knows {known.id}.")


def _store(path: Path) -> Check:
    if not path.exists():
        return Check(level="fine", topic="store", told=f"{path} is not there yet; the first paid reply makes it.")
    try:
        found = verify_store(path)
    except InputError as error:
        return Check(level="cannot", topic="store", told=f"{error}.", advice="Name another file with --store.")
    counts = f"{found.n_sound['reply']} replies and {found.n_sound['embedding']} embeddings"
    if found.is_sound:
        return Check(level="fine", topic="store", told=f"{path} is sound and holds {counts}.")
    told = f"{path} is damaged ({len(found.damage)} findings); {counts} are as they were put."
    return Check(level="warning", topic="store", told=told, advice=f"harmrate store verify --store {path} --repair NEW")
