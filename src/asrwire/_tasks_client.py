# Tasks and AsyncTasks: file tasks as a client offers them, in either colour.
#
# Knows: the public face. Must not know: anything that has to be decided; which request follows which answer is the
# conversations', how they are had is Driver's. The two colours are kept equal by a test of names and signatures.

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from . import _tasks
from ._net._colour import drive, drive_async
from ._net._fetch import Driver

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from typing import Self

    from ._files import FileFailed, FileResult
    from ._limits import Timeouts
    from ._net._settings import Settings
    from ._single import OnProgress
    from ._task import Task

T = TypeVar("T")


# == iterators ========================================================================================================
# Classes, not generators: one that is left half way needs no closing, because nothing is held between two values.


class Values(Generic[T]):
    """An iterator over what a conversation finds."""

    def __init__(self, driver: Driver[None]) -> None:
        self._driver = driver

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        found = drive(self._driver.found())
        if found is None:
            raise StopIteration
        value: Any = found.value
        return value  # type: ignore[no-any-return]


class AsyncValues(Generic[T]):
    """An async iterator over what a conversation finds."""

    def __init__(self, driver: Driver[None]) -> None:
        self._driver = driver

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        found = await drive_async(self._driver.found())
        if found is None:
            raise StopAsyncIteration
        value: Any = found.value
        return value  # type: ignore[no-any-return]


# == tasks ============================================================================================================


class _Tasks:
    def __init__(self, client: Settings) -> None:
        self._client = client

    def __reduce__(self) -> NoReturn:
        raise TypeError("the tasks of a client hold it: they are neither copied nor pickled")


class Tasks(_Tasks):
    """File tasks: submitted, polled, and read when they are done. `Client.tasks`.

    Wherever a task is asked for, its id will do: another client, in another process, can go on with it. The service
    keeps finished tasks and their result files for 24 hours. Every method raises `ASRWireError`.
    """

    def submit(
        self,
        urls: str | Iterable[str],
        *,
        model: str,
        resend: bool = False,
        timeouts: Timeouts | None = None,
        extra: Mapping[str, object] | None = None,
        family: str | None = None,
        **options: Any,
    ) -> Task:
        """Submit audio files as one task, and do not wait for it.

        Args:
            urls: what the service is to fetch (``http:// https:// oss://``): one for ``*-filetrans``, up to 100 else.
            model: "fun-asr", "paraformer-v2", "qwen3-asr-flash-filetrans", ...
            resend: a request that got no answer may be sent again. There may then be two tasks, and two bills.
            timeouts: instead of the client's.
            extra: merged last into the request's parameters, for what is newer than this library.
            family: whose request shape to use for a model not known here.
            **options: `FileOptions`.

        Raises `ASRWireError`. With ``error.sent == "complete"`` and not ``error.retry_safe`` there may be a task all
        the same, and a bill: `find` looks for it.
        """
        driver = Driver(
            self._client,
            _tasks.submit,
            urls,
            timeouts=timeouts,
            model=model,
            family=family,
            extra=extra,
            resend=resend,
            options=options,
        )
        return drive(driver.result())

    def get(self, task: Task | str) -> Task:
        """The task as it is now. No status is an error: an id nobody knows (any more) is a task that is ``UNKNOWN``."""
        driver = Driver(self._client, _tasks.get, task)
        return drive(driver.result())

    def wait(
        self,
        task: Task | str,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Task:
        """Wait until the task is done; polls are 1 to 5 seconds apart, and survive passing faults.

        Args:
            task: a task or its id.
            timeout: seconds, bounded by ``Timeouts.total``; None: as long as it takes.
            on_progress: called with a `Progress` whenever something has changed.

        Returns the task; some of its files may have failed. Raises `Timeout` with ``phase`` "wait", whose ``task``
        can be waited for again, here or elsewhere; `TaskFailed` where all of it failed, was canceled or is not known.
        """
        driver = Driver(self._client, _tasks.wait, task, timeout=timeout, on_progress=on_progress)
        return drive(driver.result())

    def cancel(self, task: Task | str) -> None:
        """Cancel a task that has not begun (``PENDING``); the service refuses others with `HTTPStatusError`, code
        ``UnsupportedOperation``."""
        driver = Driver(self._client, _tasks.cancel, task)
        drive(driver.result())

    def list(
        self,
        *,
        start_time: datetime | str | None = None,
        end_time: datetime | str | None = None,
        model_name: str | None = None,
        status: str | None = None,
        page_size: int = 100,
    ) -> Iterator[Task]:
        """Tasks of the last 24 hours, or between two moments at most 24 hours apart; page after page as they are asked
        for.

        Args:
            start_time, end_time: of submission: a `datetime`, or ``"YYYYMMDDhhmmss"``.
            model_name, status: only those.
            page_size: tasks per request.
        """
        return Values(
            Driver(
                self._client,
                _tasks.list_,
                start_time=start_time,
                end_time=end_time,
                model_name=model_name,
                status=status,
                page_size=page_size,
            )
        )

    def results(self, task: Task | str) -> Iterator[FileResult | FileFailed]:
        """The results of a task that is done, file by file, in its order; each result file is fetched when it is asked
        for, without the key.

        What became of one file is that file's: `FileFailed`, whose ``error`` is `TaskFailed`, `ResultExpired` (after
        24 hours), ... Raises `Timeout` with ``phase`` "wait" for a task that still runs: `wait` for it first; and
        `TaskFailed` for one that has no results at all.
        """
        return Values(Driver(self._client, _tasks.results, task))

    def find(
        self,
        urls: str | Iterable[str],
        *,
        since: datetime | float,
        model: str | None = None,
        timeout: float | None = 60.0,
    ) -> Task | None:
        """Look for the task of a submit whose answer was lost, so that it need not be paid twice.

        Args:
            urls: as submitted.
            since: when the submit was begun: a `datetime`, or seconds since 1970.
            model: as submitted; without it all file tasks are looked through.
            timeout: seconds to wait for tasks that still run, bounded by ``Timeouts.total``: only finished ones show
                what they were made of.

        Returns the task, or None if there certainly is none. Raises `TaskFailed`, "cannot tell", with the tasks in
        question in ``output``.
        """
        driver = Driver(self._client, _tasks.find, urls, since=since, model=model, timeout=timeout)
        return drive(driver.result())


class AsyncTasks(_Tasks):
    """File tasks: submitted, polled, and read when they are done. `AsyncClient.tasks`. As `Tasks`."""

    async def submit(
        self,
        urls: str | Iterable[str],
        *,
        model: str,
        resend: bool = False,
        timeouts: Timeouts | None = None,
        extra: Mapping[str, object] | None = None,
        family: str | None = None,
        **options: Any,
    ) -> Task:
        """As `Tasks.submit`."""
        driver = Driver(
            self._client,
            _tasks.submit,
            urls,
            timeouts=timeouts,
            model=model,
            family=family,
            extra=extra,
            resend=resend,
            options=options,
        )
        return await drive_async(driver.result())

    async def get(self, task: Task | str) -> Task:
        """As `Tasks.get`."""
        driver = Driver(self._client, _tasks.get, task)
        return await drive_async(driver.result())

    async def wait(
        self,
        task: Task | str,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Task:
        """As `Tasks.wait`."""
        driver = Driver(self._client, _tasks.wait, task, timeout=timeout, on_progress=on_progress)
        return await drive_async(driver.result())

    async def cancel(self, task: Task | str) -> None:
        """As `Tasks.cancel`."""
        driver = Driver(self._client, _tasks.cancel, task)
        await drive_async(driver.result())

    def list(
        self,
        *,
        start_time: datetime | str | None = None,
        end_time: datetime | str | None = None,
        model_name: str | None = None,
        status: str | None = None,
        page_size: int = 100,
    ) -> AsyncIterator[Task]:
        """As `Tasks.list`."""
        return AsyncValues(
            Driver(
                self._client,
                _tasks.list_,
                start_time=start_time,
                end_time=end_time,
                model_name=model_name,
                status=status,
                page_size=page_size,
            )
        )

    def results(self, task: Task | str) -> AsyncIterator[FileResult | FileFailed]:
        """As `Tasks.results`."""
        return AsyncValues(Driver(self._client, _tasks.results, task))

    async def find(
        self,
        urls: str | Iterable[str],
        *,
        since: datetime | float,
        model: str | None = None,
        timeout: float | None = 60.0,
    ) -> Task | None:
        """As `Tasks.find`."""
        driver = Driver(self._client, _tasks.find, urls, since=since, model=model, timeout=timeout)
        return await drive_async(driver.result())
