"""Many files over hours: a rate limit for the whole account, and a journal that outlives the process."""

from ._rates import LocalRateLimiter, RateLimiter, SQLiteRateLimiter

__all__ = ["LocalRateLimiter", "RateLimiter", "SQLiteRateLimiter"]
