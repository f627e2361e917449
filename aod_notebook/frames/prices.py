"""Prices of models: a dated table, and the cost of the tokens of a turn.

The prices are those of the package `genai-prices` (the extra `prices`) at the time of the turn,
and any of your own, which come first. Without the package and without own prices no cost is
computed. Prices that depend on the length of a request are taken at their base: a turn is the
sum of many requests, of which the runtimes report no single one.
"""

import os
import tomllib
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib import metadata
from typing import Any, Final, NamedTuple

import pandas as pd

from aod_notebook.core.clock import CALENDAR, EPOCH
from aod_notebook.frames.checks import FrameError, shown
from aod_notebook.frames.report import FrameWarning
from aod_notebook.transcripts import Spent, Usage

_PACKAGE: Final = "genai-prices"
_MILLION: Final = 1_000_000
_MODEL_CHARS: Final = 200
_DAY_US: Final = 86_400_000_000
_FIVE_MINUTES, _ONE_HOUR = 1.25, 2.0
"""What Anthropic charges for tokens written to its cache, as multiples of the input's price."""


class Rates(NamedTuple):
    """Prices of one model: US dollars per million tokens, and per web search."""

    input: float
    output: float
    cache_read: float
    cache_creation: float
    cache_creation_1h: float
    web_search: float | None = None


_own: dict[str, Rates] = {}
_own_version: list[str] = []


def use(path: str | os.PathLike[str] | None) -> None:
    """Use your own prices from a TOML file; None removes them.

    The file names its version and, per model, US dollars per million tokens. Cached tokens
    for which it names no price cost what the input costs; `web_search` is the price of one:

        version = "2026-11"
        [models."my-model"]
        input = 3.0
        output = 15.0
        cache_read = 0.3
        cache_creation = 3.75
        cache_creation_1h = 6.0
        web_search = 0.01

    Raises:
        FrameError: the file cannot be read, or is not of this form.

    Example:
        >>> use(None)
    """
    found: dict[str, Rates] = {}
    if path is not None:
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - any path-like will do
                given = tomllib.load(file)
            named = {name: _own_rates(rates) for name, rates in given["models"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise FrameError(
                f"No prices can be read from {shown(os.fspath(path))} ({error}): it must be TOML "
                "with a version and, under models, input and output per million tokens"
            ) from error
        found = named
    _own.clear()
    _own.update(found)
    _own_version[:] = [str(given.get("version", "unnamed"))] if path is not None else []
    rates.cache_clear()


def given() -> tuple[dict[str, Rates], list[str]]:
    """Return the prices of your own that are in use, for another process to `take`."""
    return dict(_own), list(_own_version)


def take(prices: tuple[dict[str, Rates], list[str]]) -> None:
    """Use the prices of your own that another process has `given`."""
    _own.clear()
    _own.update(prices[0])
    _own_version[:] = prices[1]
    rates.cache_clear()


def is_own(model: str) -> bool:
    """Check whether the price of a model is one of your own."""
    return model in _own or model.rpartition("/")[2] in _own


def version() -> str | None:
    """Return the value of `df.attrs["price_version"]`; None if there are no prices at all.

    Example:
        >>> version()  # doctest: +SKIP
        'genai-prices 0.2.3'
    """
    try:
        package = [f"{_PACKAGE} {metadata.version(_PACKAGE)}"]
    except metadata.PackageNotFoundError:
        package = []
    own = [f"own prices {name}" for name in _own_version]
    return ", ".join([*own, *package]) or None


def table(at: datetime | None = None) -> pd.DataFrame:
    """Return the prices of all known models at a time; by default now.

    Returns:
        `model`, `provider`, the `input`, `output`, `cache_read`, `cache_creation` and
        `cache_creation_1h` price in US dollars per million tokens, and `web_search` in US
        dollars each. `df.attrs["price_version"]` says where they are from.
    """
    when = at or datetime.now(UTC)
    rows = [(model, None, *own) for model, own in _own.items()]
    snapshot = _snapshot()
    for provider in () if snapshot is None else snapshot.providers:
        for model in provider.models:
            found = _of_package(model.get_prices(when), provider.id)
            if found is not None:
                rows.append((model.id, provider.id, *found))
    frame = pd.DataFrame(rows, columns=["model", "provider", *Rates._fields])
    frame = frame.astype(
        {"model": "str", "provider": "str", **dict.fromkeys(Rates._fields, "Float64")}
    )
    frame.attrs["price_version"] = version()
    return frame


@lru_cache(maxsize=4096)
def rates(model: str, day: int | None = None) -> Rates | None:
    """Return the prices of a model; None if they are not known.

    Args:
        model: its name, with or without the provider before a `/`.
        day: days since 1970 of the use; today if it is None, or not of the years 1 to 9999.

    Example:
        >>> rates("claude-sonnet-4-6").output  # doctest: +SKIP
        15.0
    """
    provider, _, name = model.rpartition("/")
    own = _own.get(model) or _own.get(name)
    if own is not None:
        return own
    snapshot = _snapshot()
    if snapshot is None:
        return None
    when = (
        datetime.now(UTC)
        if day is None or day * _DAY_US not in CALENDAR
        else EPOCH + timedelta(day)
    )
    names = [(name, provider), (model, None)] if provider else [(model, None)]
    for one, owner in names:
        try:
            found, priced = snapshot.find_provider_model(one[:_MODEL_CHARS], None, owner, None)
        except LookupError:
            continue
        return _of_package(priced.get_prices(when), found.id)
    return None


def cost(
    model: str, usage: Usage, spent: Spent, searches: int | None, at: int | None
) -> float | None:
    """Compute what a model's tokens cost; None if a price or a count is unknown.

    Args:
        model: the model.
        usage: its tokens.
        spent: what they are part of: it says what the counts include.
        searches: its web searches.
        at: when they were used, in microseconds since 1970.
    """
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    read, written = usage.cache_read_tokens or 0, usage.cache_creation_tokens or 0
    fresh, output = usage.input_tokens, usage.output_tokens
    if spent.input_includes_cache:
        fresh = max(0, fresh - read - written)
    if spent.output_includes_reasoning is False:
        output += usage.reasoning_tokens or 0
    if not any((fresh, output, read, written, searches)):
        return 0.0
    price = rates(model, None if at is None else at // _DAY_US)
    if price is None or (searches and price.web_search is None):
        return None
    an_hour = min(usage.cache_creation_1h_tokens or 0, written)
    tokens = (
        fresh * price.input
        + output * price.output
        + read * price.cache_read
        + (written - an_hour) * price.cache_creation
        + an_hour * price.cache_creation_1h
    )
    return tokens / _MILLION + (searches or 0) * (price.web_search or 0.0)


@lru_cache(maxsize=1)
def _snapshot() -> Any:
    """Return the package's table; None if it is not installed."""
    try:
        from genai_prices.data_snapshot import get_snapshot
    except ModuleNotFoundError:
        return None
    return get_snapshot()


@lru_cache(maxsize=1)
def notice() -> None:
    """Warn, once per process, that costs are missing because there are no prices."""
    warnings.warn(
        "computed_cost_usd is missing, because no prices are installed: "
        "pip install 'aod-notebook[prices]'",
        FrameWarning,
        stacklevel=2,
    )


def _of_package(given: Any, provider: str) -> Rates | None:
    def base(name: str) -> float | None:
        price = getattr(given, name, None)
        price = getattr(price, "base", price)
        return None if price is None else float(price)

    searches = base("web_searches_kcount")
    found = {
        "input": base("input_mtok"),
        "output": base("output_mtok"),
        "cache_read": base("cache_read_mtok"),
        "cache_creation": base("cache_write_mtok"),
        "cache_creation_1h": base("cache_write_1h_mtok"),
        "web_search": None if searches is None else searches / 1000,
    }
    return _filled(found, is_anthropic=provider == "anthropic")


def _own_rates(given: dict[str, Any]) -> Rates:
    unknown = given.keys() - set(Rates._fields)
    if unknown:
        raise ValueError(f"{min(unknown)!r} is not a price")
    numbers = {name: float(value) for name, value in given.items()}
    if any(number < 0 for number in numbers.values()):
        raise ValueError("a price is below 0")
    filled = _filled(numbers, is_anthropic=False)
    if filled is None:
        raise ValueError("input or output is missing")
    return filled


def _filled(found: Mapping[str, float | None], *, is_anthropic: bool) -> Rates | None:
    """Fill in the prices that a table lacks by the providers' rules."""
    read_in, output = found.get("input"), found.get("output")
    if read_in is None or output is None:
        return None
    cache_read, written, an_hour = map(
        found.get, ("cache_read", "cache_creation", "cache_creation_1h")
    )
    if written is None:
        written = read_in * (_FIVE_MINUTES if is_anthropic else 1)
    if an_hour is None:
        an_hour = read_in * _ONE_HOUR if is_anthropic else written
    cached = read_in if cache_read is None else cache_read
    return Rates(read_in, output, cached, written, an_hour, found.get("web_search"))
