"""Many files over hours: a rate limit for the whole account, and a journal that outlives the process.

    with Journal("run.db") as journal:
        items = read_manifest(open("manifest.txt"), model="fun-asr")
        progress = asyncio.run(transcribe_batch(items, journal=journal, out="results", client=AsyncClient()))
"""

from ._journal import Journal
from ._manifest import Item, read_manifest
from ._rates import LocalRateLimiter, RateLimiter, SQLiteRateLimiter
from ._run import BatchProgress
from ._transcribe import transcribe_batch

__all__ = [
    "BatchProgress", "Item", "Journal", "LocalRateLimiter", "RateLimiter", "SQLiteRateLimiter", "read_manifest",
    "transcribe_batch",
]  # fmt: skip
