"""The few statistics that a comparison of groups needs, without a library for them.

Everything is checked against scipy in the tests. Sequences are plain numbers without gaps.
"""

import math
from collections.abc import Callable
from typing import Final, NamedTuple

_STEPS: Final = 500
_TINY: Final = 1e-300
_NEAR: Final = 1e-15
_SLACK: Final = 1 + 1e-7
"""Probabilities of tables that are equal but for rounding count as equal, as in R and scipy."""


class Tested(NamedTuple):
    """The result of testing a difference; None is unknown, as for a single value."""

    name: str
    p_value: float | None
    low: float | None = None
    high: float | None = None
    """The interval of the difference."""


class Sample(NamedTuple):
    """The statistics of a group's values: count, mean, variance."""

    size: int
    mean: float
    variance: float

    @classmethod
    def of(cls, values: list[float]) -> "Sample":
        """Return the sample of values; the variance of fewer than two is NaN."""
        count = len(values)
        mean = math.fsum(values) / count if count else math.nan
        if count < 2:  # noqa: PLR2004 - a variance needs two values
            return cls(count, mean, math.nan)
        return cls(count, mean, math.fsum((v - mean) ** 2 for v in values) / (count - 1))


def beta_part(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function, by its continued fraction.

    Example:
        >>> round(beta_part(2, 3, 0.5), 6)
        0.6875
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_part(b, a, 1 - x)
    log_front = (
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    # Lentz's method
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, _STEPS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 / _not_zero(1 + term * d), _not_zero(1 + term / c)
            fraction *= c * d
        if abs(c * d - 1) < _NEAR:
            break
    return math.exp(log_front) * fraction / a


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def t_two_sided(t: float, freedom: float) -> float:
    """Return the probability of a t at least so far from 0.

    Example:
        >>> round(t_two_sided(2.0, 10), 6)
        0.073388
    """
    return beta_part(freedom / 2, 0.5, freedom / (freedom + t * t))


def t_quantile(confidence: float, freedom: float) -> float:
    """Return t such that this part of the distribution lies between -t and t.

    Example:
        >>> round(t_quantile(0.95, 10), 6)
        2.228139
    """
    return _solved(lambda t: 1 - t_two_sided(t, freedom) < confidence)


def z_quantile(confidence: float) -> float:
    """Return the same for the normal distribution.

    Example:
        >>> round(z_quantile(0.95), 6)
        1.959964
    """
    return _solved(lambda z: math.erf(z / math.sqrt(2)) < confidence)


def _solved(is_below: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    while is_below(high) and high < 1e12:  # noqa: PLR2004 - no confidence below 1 needs more
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return high


def mean_interval(sample: Sample, confidence: float) -> tuple[float | None, float | None]:
    """Return the interval of a mean by Student's t; None for fewer than two values."""
    if sample.size < 2:  # noqa: PLR2004 - a variance needs two values
        return None, None
    reach = t_quantile(confidence, sample.size - 1) * math.sqrt(sample.variance / sample.size)
    return sample.mean - reach, sample.mean + reach


def share_interval(hits: int, count: int, confidence: float) -> tuple[float, float]:
    """Return the interval of a share, of one value or more, by Wilson's score."""
    z, share = z_quantile(confidence), hits / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    spread = share * (1 - share) / count + z * z / (4 * count * count)
    reach = z / (1 + z * z / count) * math.sqrt(spread)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def welch(group: Sample, base: Sample, confidence: float) -> Tested:
    """Test whether two means differ, without assuming equal variances."""
    name = "Welch's t-test"
    if min(group.size, base.size) < 2:  # noqa: PLR2004 - a variance needs two values
        return Tested(name, None)
    parts = group.variance / group.size, base.variance / base.size
    error = sum(parts)
    if not error:
        return Tested(name, None)
    freedom = error**2 / (parts[0] ** 2 / (group.size - 1) + parts[1] ** 2 / (base.size - 1))
    return _t_test(name, group.mean - base.mean, math.sqrt(error), freedom, confidence)


def paired(differences: list[float], confidence: float) -> Tested:
    """Test whether the mean of differences within pairs is 0."""
    name, sample = "paired t-test", Sample.of(differences)
    if sample.size < 2 or not sample.variance:  # noqa: PLR2004 - a variance needs two values
        return Tested(name, None)
    error = math.sqrt(sample.variance / sample.size)
    return _t_test(name, sample.mean, error, sample.size - 1, confidence)


def _t_test(
    name: str, difference: float, error: float, freedom: float, confidence: float
) -> Tested:
    reach = t_quantile(confidence, freedom) * error
    p_value = t_two_sided(difference / error, freedom)
    return Tested(name, p_value, difference - reach, difference + reach)


def fisher(hits: tuple[int, int], counts: tuple[int, int], confidence: float) -> Tested:
    """Test whether two shares differ, exactly; the interval is Newcombe's, of Wilson's."""
    name = "Fisher's exact test"
    if not min(counts):
        return Tested(name, None)
    all_hits, whole = sum(hits), sum(counts)
    least, most = max(0, all_hits - counts[1]), min(all_hits, counts[0])

    def log_of(k: int) -> float:
        return _log_choose(counts[0], k) + _log_choose(counts[1], all_hits - k)

    limit = log_of(hits[0]) + math.log(_SLACK)
    total = _log_choose(whole, all_hits)
    found = math.fsum(
        math.exp(one - total) for k in range(least, most + 1) if (one := log_of(k)) <= limit
    )
    shares = [hit / count for hit, count in zip(hits, counts, strict=True)]
    (low, high), (base_low, base_high) = (
        share_interval(hit, count, confidence) for hit, count in zip(hits, counts, strict=True)
    )
    difference = shares[0] - shares[1]
    down = math.hypot(shares[0] - low, base_high - shares[1])
    up = math.hypot(high - shares[0], shares[1] - base_low)
    return Tested(name, min(1.0, found), difference - down, difference + up)


def mcnemar(pairs: list[tuple[bool, bool]], confidence: float) -> Tested:
    """Test whether two shares differ within pairs, exactly; the interval is that of paired t."""
    more = sum(one and not other for one, other in pairs)
    fewer = sum(other and not one for one, other in pairs)
    changed = more + fewer
    tail = math.fsum(
        math.exp(_log_choose(changed, k) - changed * math.log(2))
        for k in range(min(more, fewer) + 1)
    )
    p_value = min(1.0, 2 * tail) if changed else 1.0
    spread = paired([float(one) - float(other) for one, other in pairs], confidence)
    return Tested("McNemar's exact test", p_value if pairs else None, spread.low, spread.high)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
