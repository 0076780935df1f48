# transcribe_batch: a batch from its items to what has become of them.
#
# Knows: how its parts are put together. Must not know: how any of them works.

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from .. import _requests
from .._client import AsyncClient
from .._errors import ConfigError
from ._calls import ClientCalls
from ._journal import Journal
from ._machine import SETTLE
from ._manifest import Item, known_family
from ._rates import LocalRateLimiter, RateLimiter
from ._run import BatchProgress, Folder, Run, Write

RATE: Final = 5.0  # submissions a second


async def transcribe_batch(
    items: Iterable[Item], *, journal: Journal, out: str | os.PathLike[str], client: AsyncClient,
    limiter: RateLimiter | None = None, family: str | None = None, settle: float = SETTLE, resubmit: bool = False,
    retry_failed: bool = False, on_progress: Callable[[BatchProgress], object] | None = None,
) -> BatchProgress:  # fmt: skip
    """Transcribe files, each once, however often this is begun; on asyncio.

    Args:
        items: from `read_manifest`; all of one model.
        journal: what earlier runs have done is not done again. Of another region, workspace or base_url: ConfigError.
        out: a folder; one JSON file for each, as the service sent it (`asrwire.read_result` reads it).
        client: stays open.
        limiter: of submissions; None: 5 a second, of this process.
        family: as `read_manifest`.
        settle: seconds after which a submission without a reply that no list shows counts as not taken.
        resubmit: a submission of which that cannot be told is sent again. It may then be billed twice.
        retry_failed: files that failed or expired in earlier runs are sent once more, which is billed once more. What
            is of a task that is not over waits for a later run.
        on_progress: called each second.

    A submission is in the journal before it is sent. One whose reply was lost makes its files ``uncertain``: they are
    not sent again before the account's list of tasks shows that they were not taken, and if it cannot show it they
    stay so. Returns how it ended: files that have failed are counted, not raised. Raises what concerns all files
    (`ASRWireError`: the key, the account, a service that does not answer), OSError where a result cannot be written;
    calling it again goes on.
    """
    wanted = list(items)
    run = begun(
        wanted, journal, ClientCalls(client, family), Folder(Path(out)).write, limiter or LocalRateLimiter(RATE),
        family=family, settle=settle, resubmit=resubmit, retry_failed=retry_failed,
    )  # fmt: skip
    running = asyncio.ensure_future(run.run())
    try:
        while not running.done():
            await asyncio.wait([running], timeout=1.0)
            if on_progress is not None:
                on_progress(run.progress())
    except BaseException:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        raise
    running.result()
    return run.progress()


def begun(
    items: list[Item], journal: Journal, calls: ClientCalls, write: Write, limiter: RateLimiter, *, family: str | None,
    settle: float, resubmit: bool, retry_failed: bool,
) -> Run:  # fmt: skip
    """A run of these. Raises ConfigError."""
    models = {item.model for item in items}
    if len(models) != 1:
        raise ConfigError("items are files of one model, one or more")
    (model,) = models
    per_task = _requests.urls_per_task(known_family(model, family))
    journal.keep_to(calls.root)
    journal.want(items)
    if retry_failed:
        journal.retry()
    return Run(journal, calls, write, limiter, per_task=per_task, settle=settle, resubmit=resubmit)
