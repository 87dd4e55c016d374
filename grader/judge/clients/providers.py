"""Clients of the clouds that serve the same models; the SDK's own, checked before the first request."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any, Literal, get_args

from grader.errors import InputError
from grader.judge.clients.sdk import make_client

Provider = Literal["anthropic", "bedrock", "vertex", "openai", "inspect"]
PROVIDERS: tuple[str, ...] = get_args(Provider)

# What signs requests, and which of the SDK's extras brings it.
_SIGNERS: dict[Provider, str] = {"bedrock": "botocore", "vertex": "google.auth"}


def provider_client(
    provider: Provider,
    *,
    model: str = "",
    base_url: str | None = None,
    region: str | None = None,
    timeout: float | None = None,
) -> Any:
    """The async client of a provider, with that provider's own ways of finding credentials.

    Parameters
    ----------
    provider : {"anthropic", "bedrock", "vertex", "openai", "inspect"}
    model : str
        Needed by Inspect, whose clients are made for one model.
    base_url : str, optional
        Another address, e.g. of a gateway.
    region : str, optional
        Of the cloud; default what its environment names (``AWS_REGION``, ``CLOUD_ML_REGION``).

    timeout : float, optional
        Seconds for one request.

    Raises
    ------
    InputError
        What signs requests is not installed, no region or no credentials are given.

    Examples
    --------
    >>> provider_client("vertex", region="global")  # doctest: +SKIP
    """
    if provider == "anthropic":
        return make_client(base_url, timeout=timeout)
    if provider == "openai":
        from grader.judge.clients.chat_completions import chat_client

        return chat_client(base_url, timeout=timeout)
    if provider == "inspect":
        from grader.judge.clients.inspect_model import InspectClient

        return InspectClient(model, base_url=base_url, timeout=timeout or 600.0)
    if _signs(provider) and not _is_installed(_SIGNERS[provider]):
        raise InputError(f"provider {provider} needs more of the SDK: pip install 'anthropic[{provider}]'")
    import anthropic

    more: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
    try:
        if provider == "bedrock":
            return anthropic.AsyncAnthropicBedrock(aws_region=region, base_url=base_url, max_retries=0, **more)
        there: dict[str, Any] = more if region is None else more | {"region": region}
        return anthropic.AsyncAnthropicVertex(base_url=base_url, max_retries=0, **there)
    except (anthropic.AnthropicError, ValueError) as error:
        raise InputError(f"provider {provider} cannot be used: {' '.join(str(error).split())}") from None


def _signs(provider: Provider) -> bool:
    """Whether requests must be signed: a bearer key of the environment does without."""
    return not (provider == "bedrock" and os.environ.get("AWS_BEARER_TOKEN_BEDROCK"))


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is absent
        return False
