# Ray Data: files transcribed by a pool of actors, at one rate for the account.
#
# Knows: Ray's actors, and when Ray calls what. Must not know: what becomes of a file (tables), how a rate is kept
# (asrwire.batch).

"""Files of a Ray dataset; needs Ray (``pip install "asrwire[ray]"``).

`TranscribeFiles` is for `ray.data.Dataset.map_batches` with a pool of actors: rows with a URL go in, the same rows come
out with what `asrwire.integrations.tables` says of them. One `AsyncClient` for each actor, one rate limit for all.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from anyio.from_thread import start_blocking_portal

from .._client import AsyncClient
from .._errors import ConfigError
from ..batch import LocalRateLimiter, RateLimiter
from ..batch._rates import check_rate
from ..batch._transcribe import RATE
from .tables import transcribe_table

try:
    import ray
    from ray.exceptions import RayActorError
except ImportError:
    raise ConfigError("Ray datasets need Ray: pip install 'asrwire[ray]'") from None

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["RayRateLimiter", "TranscribeFiles"]

_NAMESPACE: Final = "asrwire"  # where all jobs of a cluster find its limiters
_QUERIES: Final = 18.0  # a second; the service answers 20, and a network brings some closer together
_AGAIN: Final = 1.0  # seconds until a limiter that was killed is made again
_WAITING: Final = 100_000  # requests that may wait for their turn in one limiter


class _Keeper:
    """The actor that has a limiter's schedule."""

    def __init__(self, rate: float) -> None:
        self._limiter = LocalRateLimiter(rate)

    async def acquire(self, n: int, rate: float) -> None:
        self._limiter._rate = rate
        await self._limiter.acquire(n)

    async def throttled(self, retry_after: float | None) -> None:
        self._limiter.throttled(retry_after)


class RayRateLimiter:
    """A `RateLimiter` for all jobs of a Ray cluster that give the same name.

    Args:
        rate: requests a second, at best, of all of them together; give the same one everywhere.
        name: of an account; of an actor in the namespace ``asrwire`` too, which is made where there is none.

    Pickles. The actor takes no CPU and stays when a job ends, so that the next keeps to what its last requests left:
    ``ray.kill(ray.get_actor(name, namespace="asrwire"))`` ends it. If its node is lost it is made again on another. A
    worker that is killed costs the slots it was waiting for. Ray must be initialized before the first use.
    """

    def __init__(self, rate: float, *, name: str = "asrwire") -> None:
        self._rate = check_rate(rate)
        if not (isinstance(name, str) and name):
            raise ConfigError("name is a string that is not empty")
        self._name = name
        self._actor: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _limiter, (self._rate, self._name)

    @property
    def rate(self) -> float:
        """Requests a second, at best."""
        return self._rate

    async def acquire(self, n: int = 1) -> None:
        """Return when `n` more requests may leave. Raises TypeError, ConfigError (its actor cannot be made, too)."""
        while True:
            try:
                await self._keeper().acquire.remote(n, self._rate)
                return
            except RayActorError as error:  # somebody has killed it, or its node is lost
                self._actor = None
                if error.actor_init_failed:  # the next would fail like it
                    why = str(error).strip().rpartition("\n")[2]
                    raise ConfigError(f"the actor of the rate limiter {self._name!r} cannot be made: {why}") from None
                await asyncio.sleep(_AGAIN)

    def throttled(self, retry_after: float | None = None) -> None:
        """The service said 429, and to wait for `retry_after` seconds (None: it did not say; 600 at most)."""
        self._keeper().throttled.remote(retry_after)

    def _keeper(self) -> Any:
        if self._actor is None:
            self._actor = (
                ray.remote(_Keeper)
                .options(
                    name=self._name, namespace=_NAMESPACE, get_if_exists=True, lifetime="detached", num_cpus=0,
                    max_restarts=-1, max_task_retries=-1, max_concurrency=_WAITING,
                )
                .remote(self._rate)
            )  # fmt: skip
        return self._actor


def _limiter(rate: float, name: str) -> RayRateLimiter:
    return RayRateLimiter(rate, name=name)


class TranscribeFiles:
    """A callable class for ``map_batches``: a batch of rows to the same rows with what became of their files.

        files.map_batches(
            TranscribeFiles, fn_constructor_kwargs={"model": "fun-asr", "journals": "/shared/run"},
            batch_format="pyarrow", batch_size=1000, compute=ray.data.ActorPoolStrategy(size=2), num_cpus=0.5,
        )

    Args:
        model: a file-task model.
        client: makes the actor's client, e.g. ``functools.partial(asrwire.AsyncClient, region="ap-southeast-1")``. The
            key is better left to the environment of the workers than given here: Ray keeps what it is given.
        limiter: of submissions; None: `RayRateLimiter`, 5 a second.
        queries: of questions after tasks, which the service bounds for the account as well; None: a `RayRateLimiter`
            named ``asrwire-queries``, 18 a second.
        asked: the rest as `transcribe_table`: url, id, family, options, journals, settle, resubmit, retry_failed (what
            fails again is sent yet once more if Ray gives its batch to another actor).

    A batch is a ``pyarrow.Table`` or a mapping of columns; what is returned is a table. What befalls files is in their
    rows: nothing but a mistake in the arguments, or a batch without the column, fails the job. Ray gives the batch of
    an actor that was killed to another one: without `journals` its files are then submitted and billed again.
    """

    def __init__(
        self, *, model: str, client: Callable[[], AsyncClient] = AsyncClient, limiter: RateLimiter | None = None,
        queries: RateLimiter | None = None, **asked: Any,
    ) -> None:  # fmt: skip
        self._asked = {
            "model": model, "limiter": limiter or RayRateLimiter(RATE),
            "queries": queries or RayRateLimiter(_QUERIES, name="asrwire-queries"), **asked,
        }  # fmt: skip
        # Ray calls from threads of its own, one or several at a time: all batches are on one event loop.
        with ExitStack() as stack:
            self._portal = stack.enter_context(start_blocking_portal())
            made = self._portal.call(_made, client)
            self._client = stack.enter_context(self._portal.wrap_async_context_manager(made))
            # At the latest when the interpreter ends, as long as the loop's thread runs: who waits for that thread
            # after it was stopped waits for ever.
            self._close = weakref.finalize(self, stack.pop_all().close)

    def __call__(self, batch: pa.Table | Mapping[str, Any]) -> pa.Table:
        """Transcribe the files of a batch."""
        return self._portal.call(partial(transcribe_table, batch, client=self._client, **self._asked))

    def close(self) -> None:
        """Close the client. Ray does not call this: it ends the process, which closes it too."""
        self._close()


async def _made(client: Callable[[], AsyncClient]) -> AsyncClient:
    return client()
