"""Runtimes, providers and models: which go together, in both generations.

Any model text is taken, as by the CLIs, unless the service is `strict`: then the hosted service's
list of models counts. A prefix of another provider is refused in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aod_notebook.contract import AGENT_RUNTIMES, LOCAL_RUNTIMES, PROVIDERS, RUNTIMES
from aod_notebook.local.errors import InvalidError, UnknownRuntimeError
from aod_notebook.local.runtimes.cli import PREFIXES

Generation = Literal["runtime", "provider"]


_MODELS = {
    "anthropic": (
        "claude-opus-4-6",
        "claude-sonnet-4-6",
        "claude-haiku-4-5",
        "claude-opus-4-0-20250514",
        "claude-sonnet-4-0-20250514",
        "claude-sonnet-4-5-20250514",
        "claude-3-5-haiku-20241022",
    ),
    "openai": ("gpt-4.1", "o3", "o4-mini"),
    "google": ("gemini-2.5-pro", "gemini-2.5-flash"),
}
MODELS = {f"{provider}/{name}": provider for provider, names in _MODELS.items() for name in names}
_SERVES = {
    "claude": frozenset({"anthropic"}),
    "codex": frozenset({"openai"}),
    "gemini": frozenset({"google"}),
    "opencode": frozenset({"anthropic", "openai", "google"}),
}
_RUNTIME_OF = {"anthropic": "claude", "openai": "codex", "shell": "shell", "replay": "replay"}
_PROVIDER_OF = {"claude": "anthropic", "codex": "openai", "gemini": "google"}


@dataclass(frozen=True, slots=True)
class Engine:
    """The runtime of an agent: its names in both API generations, and the stored model."""

    generation: Generation
    runtime: str
    provider: str
    model: str


def check_runtime(runtime: str) -> None:
    """Refuse an unknown runtime (runtime API)."""
    if runtime not in RUNTIMES:
        raise UnknownRuntimeError(
            f"Unknown runtime: {runtime}. Must be one of: {list(AGENT_RUNTIMES)}"
        )


def runtime_engine(runtime: str, model: str, *, strict: bool) -> Engine:
    """Check a runtime and a model of the runtime API against each other."""
    check_runtime(runtime)
    if runtime in LOCAL_RUNTIMES:
        return Engine("runtime", runtime, runtime, model)
    provider = MODELS.get(model) if strict else _provider(runtime, model)
    if provider is None:
        raise InvalidError(f"Model {model} not supported on runtime {runtime}")
    if provider not in _SERVES[runtime] and (strict or runtime != "opencode"):
        served = sorted(_SERVES[runtime])
        raise InvalidError(
            f"Runtime {runtime} cannot serve model {model}: provider {provider} not in {served}",
        )
    return Engine("runtime", runtime, provider, model)


def provider_engine(provider: str, model: str) -> Engine:
    """Check a provider and a model of the provider API, and normalise them."""
    provider = provider.strip()
    if provider in LOCAL_RUNTIMES:
        return Engine("provider", provider, provider, model)
    if provider not in PROVIDERS:
        raise InvalidError(f"Unknown provider: {provider}. Must be one of: {list(PROVIDERS)}")
    model = model.strip()
    prefix, slash, rest = model.partition("/")
    if slash and prefix in PREFIXES:
        if prefix != provider:
            raise InvalidError(
                f"Model provider prefix '{prefix}' does not match provider '{provider}'"
            )
        model = rest.strip()
    if not model:
        raise InvalidError("Model must be a non-empty string")
    return Engine("provider", _RUNTIME_OF[provider], provider, model)


def engine(generation: Generation, kind: str, model: str, *, strict: bool) -> Engine:
    """Check a stored or sent pair: `kind` is the runtime or the provider of that generation."""
    if generation == "runtime":
        return runtime_engine(kind, model, strict=strict)
    return provider_engine(kind, model)


def _provider(runtime: str, model: str) -> str:
    """Return the provider that a model's prefix names, else the runtime's own."""
    prefix, slash, _ = model.partition("/")
    if slash and (prefix in PREFIXES or runtime == "opencode"):
        return prefix
    return provider_name(runtime)


def provider_name(runtime: str) -> str:
    """Derive a provider from a stored runtime; without one, the runtime's own name."""
    return _PROVIDER_OF.get(runtime, runtime)
