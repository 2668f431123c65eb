"""Resilience as values: pure arithmetic over attempts and monotonic seconds, driven by ``runtime``.

No value here sleeps, reads a clock or draws a random number: all three are given.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how far apart a call is tried; *attempts* counts every try, waits are in seconds."""

    attempts: int = 3
    backoff: Literal["exponential", "linear", "constant"] = "exponential"
    initial: float = 1.0
    max: float = 30.0
    jitter: Literal["full", "equal", "none"] = "full"

    def delay(self, attempt: int, random: float, retry_after: float | None = None) -> float:
        """Return the seconds to wait after try number *attempt* (1-based); *random* lies in [0, 1).

        Full and equal jitter as in M. Brooker, "Exponential Backoff and Jitter" (AWS, 2015). What the remote asks
        for in Retry-After is honoured in full, even beyond *max*.
        """
        grown = {
            "exponential": self.initial * 2.0 ** min(attempt - 1, 60),
            "linear": self.initial * attempt,
            "constant": self.initial,
        }[self.backoff]
        capped = min(grown, self.max)
        wait = {"full": capped * random, "equal": capped * (0.5 + random / 2), "none": capped}[self.jitter]
        return max(wait, retry_after or 0.0)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most *limit* calls per *per* seconds; a token bucket of *burst*, or a sliding window as a hard ceiling."""

    limit: int
    per: float
    burst: int = 0
    window: Literal["bucket", "sliding"] = "bucket"


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """Opens after *failures* within *window* seconds, probes with *half_open_calls* after *reset_after* seconds."""

    failures: int = 5
    window: float = 120.0
    reset_after: float = 60.0
    half_open_calls: int = 1


@dataclass(frozen=True, slots=True)
class Resilience:
    """What one target or source asks for: *timeout* in seconds for one call, retry, and its own rate limit."""

    timeout: float = 30.0
    retry: Retry = Retry()
    retry_written: bool = False
    """The author wrote ``retry``: an uncertain write without a key may be sent again."""
    rate_limit: RateLimit | None = None


@dataclass(slots=True)
class Limiter:
    """The running state of one ``RateLimit``."""

    limit: RateLimit
    _tokens: float = field(init=False)
    _at: float | None = None
    _taken: deque[float] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._tokens = float(self._burst)

    @property
    def _burst(self) -> int:
        return self.limit.burst or self.limit.limit

    def permit(self, now: float) -> float:
        """Take one permit and return 0, or return the seconds to wait before asking again."""
        return self._slide(now) if self.limit.window == "sliding" else self._draw(now)

    def _draw(self, now: float) -> float:
        rate = self.limit.limit / self.limit.per
        elapsed = max(0.0, now - (now if self._at is None else self._at))
        self._at = now
        self._tokens = min(float(self._burst), self._tokens + elapsed * rate)
        if self._tokens >= 1.0 - 1e-9:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / rate

    def _slide(self, now: float) -> float:
        while self._taken and self._taken[0] <= now - self.limit.per:
            self._taken.popleft()
        if len(self._taken) < self.limit.limit:
            self._taken.append(now)
            return 0.0
        return self._taken[0] + self.limit.per - now


State = Literal["closed", "open", "half_open"]


@dataclass(slots=True)
class Breaker:
    """The running state of one ``CircuitBreaker``: closed → open → half_open → closed or open again."""

    policy: CircuitBreaker
    state: State = "closed"
    _failed: deque[float] = field(default_factory=deque)
    _opened: float = 0.0
    _probes: int = 0

    def admit(self, now: float) -> float | None:
        """Return None to let a call through, else the monotonic time at which to ask again."""
        if self.state == "open":
            if now < self.until:
                return self.until
            self.state, self._probes = "half_open", 0
        if self.state == "half_open":
            if self._probes >= self.policy.half_open_calls:
                return now + self.policy.reset_after
            self._probes += 1
        return None

    @property
    def until(self) -> float:
        """When an open breaker lets a probe through, in monotonic seconds."""
        return self._opened + self.policy.reset_after

    def success(self, now: float) -> None:
        """Record a call that reached the remote system; it closes a half-open breaker."""
        if self.state == "half_open":
            self.state = "closed"
            self._failed.clear()

    def failure(self, now: float) -> None:
        """Record a call that did not (``Disconnected``, ``Transient``, a timeout)."""
        if self.state == "half_open":
            self._open(now)
            return
        self._failed.append(now)
        while self._failed and self._failed[0] <= now - self.policy.window:
            self._failed.popleft()
        if len(self._failed) >= self.policy.failures:
            self._open(now)

    def abandon(self) -> None:
        """Give back a probe whose call was cancelled and says nothing about the remote system."""
        if self.state == "half_open" and self._probes:
            self._probes -= 1

    def _open(self, now: float) -> None:
        self.state, self._opened = "open", now
        self._failed.clear()
