# The machine: which file is submitted, looked at and looked for when. Sans-IO: it is told what time it is and what was
# answered, says what is to be done next, and keeps all of it in the journal.
#
# Knows: which steps follow which answer, how long to wait, when a submission that got no reply has been taken, or not.
# Must not know: sockets, clocks, sleeping, the service's bodies; how many things are done at once (_run).

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import Final, TypeAlias
from urllib.parse import unquote

from ._journal import File, Journal, Submission

FIRST: Final = 2.0  # seconds to the first look at a task, as long as nothing is known of how long they take
GROWTH: Final = 1.5
LONGEST: Final = 60.0  # seconds between two looks at a task
SENDING: Final = 8  # submissions under way at once
LOOKING: Final = 16  # tasks asked for, and their results fetched, at once
MOST: Final = 2000  # tasks open at once: all are seen within 110 s, at 20 queries a second
SETTLE: Final = 360.0  # seconds after which a submission that is in no list was not taken: a request may run for 300
SKEW: Final = 900.0  # seconds by which this machine's clock and the service's may differ
WINDOW: Final = 600.0 + SKEW  # seconds after its begin in which a submission may have been taken
PATIENCE: Final = 3600.0  # seconds to wait for tasks that may be one, in one run
KEPT: Final = 24 * 3600.0  # seconds that the service keeps tasks
ASKED: Final = 600.0  # seconds: the longest pause the service may ask for
_LOOK: Final = 5.0  # seconds between two searches
_PAGE: Final = 0.5  # seconds between two, for each page of the list: a tenth of the queries


@dataclass(frozen=True, slots=True)
class Submit:
    """Acquire the rate limit, `Machine.begin`, send, then say what came of it."""


@dataclass(frozen=True, slots=True)
class Look:
    """Ask for a task; once it is done, fetch its files."""

    submission: Submission


@dataclass(frozen=True, slots=True)
class Search:
    """List the account's tasks of these models since then, see what they are made of, and tell `Machine.searched`."""

    models: tuple[str, ...]
    since: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is to be done for so long, unless an answer comes before."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A task of the account's that the journal does not know.

    Attributes:
        task_id: its id.
        model: as submitted, or None.
        submitted: when, in seconds since 1970, or None.
        done: it is over.
        urls: what it is made of, or None: it does not say (yet).
    """

    task_id: str
    model: str | None
    submitted: float | None
    done: bool
    urls: frozenset[str] | None


Step: TypeAlias = Submit | Look | Search | Wait | None


class Machine:
    """One run of a batch.

    Args:
        journal: what is to be done, and what was done before.
        per_task: files in one request.
        now: seconds since 1970, by a clock that never goes back.
        settle: seconds; see `SETTLE`.
        resubmit: what this run cannot tell is sent again, and may be billed twice.

    Attributes:
        counts: files by state.
        seconds: billed, of all runs.
        refusals: submissions in a row that the service did not take, or did not answer.
    """

    def __init__(
        self, journal: Journal, per_task: int, now: float, settle: float = SETTLE, resubmit: bool = False
    ) -> None:
        self._journal = journal
        self._per_task = per_task
        self._settle = settle
        self._resubmit = resubmit
        self.counts = journal.counts()
        self.seconds = journal.seconds()
        self._due: list[tuple[float, int]] = []
        self._open: dict[int, Submission] = {}
        self._looks: Counter[int] = Counter()
        self._ages: dict[int, float] = {}  # when this run first knew of a task
        self._typical: float | None = None  # seconds from there to its end
        self._looking = 0
        self._lost: dict[int, Submission] = {}
        self._lost_at: dict[int, float] = {}  # when this run first knew of it
        self._left: set[int] = set()  # of these: what this run cannot tell
        self._not_ours: set[str] = set()
        self._elsewhere = False
        self._sending = 0
        self._drained = False
        self._submit_at = now
        self.refusals = 0  # in a row
        self._search_at = now
        self._searching: float | None = None  # since when
        for submission in journal.submissions("submitting"):  # a killed process's
            journal.move(submission.number, "uncertain")
            self._count(len(submission.files), "submitting", "uncertain")
        self._lost = {submission.number: submission for submission in journal.submissions("uncertain")}
        self._lost_at = dict.fromkeys(self._lost, now)
        for submission in journal.submissions("submitted"):
            self._watch(submission, now, now)

    # == what next ====================================================================================================

    def next(self, now: float) -> Step:
        """What is to be done now; None: there is nothing left to be done, and nothing under way."""
        may_look = self._looking < LOOKING
        if may_look and self._due and self._due[0][0] <= now:
            self._looking += 1
            return Look(self._open[heappop(self._due)[1]])
        waiting = [submission for number, submission in self._lost.items() if number not in self._left]
        may_search = waiting and self._searching is None
        if may_search and now >= self._search_at:
            self._searching = now
            models = tuple(sorted({submission.model for submission in waiting}))
            return Search(models, max(now - KEPT, min(one.begun for one in waiting) - SKEW))
        may_submit = not self._drained and self._sending < min(SENDING, MOST - len(self._open))
        if may_submit and now >= self._submit_at:
            self._sending += 1
            return Submit()
        times = [self._due[0][0]] if may_look and self._due else []
        times += [self._search_at] * bool(may_search) + [self._submit_at] * may_submit
        if times:
            return Wait(max(0.0, min(times) - now))
        return Wait(LONGEST) if self._open or self._sending or self._searching is not None else None

    # == submissions ==================================================================================================

    def begin(self, now: float) -> Submission | None:
        """The files of a `Submit` step, committed as being sent; None: there are none left."""
        submission = None if now < self._submit_at else self._journal.begin(self._per_task, now)
        if submission is None:
            self._sending -= 1
            self._drained = self._drained or now >= self._submit_at
        else:
            self._count(len(submission.files), "pending", "submitting")
        return submission

    def submitted(self, submission: Submission, task_id: str, now: float) -> None:
        """The service has made a task of it."""
        self._sent(submission, "submitted", task_id)
        self.refusals = 0
        first = FIRST if self._typical is None else max(FIRST, self._typical)
        self._watch(replace(submission, task_id=task_id), now, now + first)

    def not_taken(self, submission: Submission, now: float, pause: float | None) -> None:
        """It was not taken for a reason that passes; the service wants `pause` seconds before the next."""
        self._sent(submission, "void")
        self._back_off(now, pause)

    def refused(self, submission: Submission, code: str | None, message: str) -> None:
        """It was not taken, and never will be."""
        self._sending -= 1
        self._journal.refuse(submission.number, code, message)
        self._drained = False
        self._count(len(submission.files), "submitting", "failed")

    def unanswered(self, submission: Submission, now: float) -> None:
        """Nobody knows whether it was taken."""
        self._sent(submission, "uncertain")
        self._lost[submission.number] = submission
        self._lost_at[submission.number] = now
        self._search_at = max(self._search_at, now + min(_LOOK, self._settle))
        self._back_off(now, None)

    def _sent(self, submission: Submission, state: str, task_id: str | None = None) -> None:
        self._sending -= 1
        self._move(submission, "submitting", state, task_id)

    def _move(self, submission: Submission, before: str, state: str, task_id: str | None = None) -> None:
        self._journal.move(submission.number, state, task_id)
        self._drained = False  # what has the same URLs need not wait any more
        self._count(len(submission.files), before, "pending" if state == "void" else state)

    def _back_off(self, now: float, pause: float | None) -> None:
        # What is down is not asked by every file of a batch; each that is lost has to be looked for.
        self.refusals += 1
        grown = min(LONGEST, 0.5 * 2.0 ** min(self.refusals - 1, 10))
        self._submit_at = max(self._submit_at, now + (grown if pause is None else min(max(pause, 0.0), ASKED)))

    # == tasks ========================================================================================================

    def _watch(self, submission: Submission, now: float, at: float) -> None:
        self._open[submission.number] = submission
        self._ages[submission.number] = now
        heappush(self._due, (at, submission.number))

    def again(self, submission: Submission, now: float, pause: float | None = None) -> None:
        """The task is not over, or not to be had now."""
        number = submission.number
        self._looking -= 1
        interval = min(LONGEST, FIRST * GROWTH ** min(self._looks[number], 20))
        self._looks[number] += 1
        heappush(self._due, (now + max(interval, min(pause or 0.0, ASKED)), number))

    def ended(self, file: File, state: str, code: str | None = None, message: str | None = None) -> None:
        """One file of a task is ``done`` (its result is on the disk), ``failed``, ``expired``, or still ``submitted``:
        it is not to be had now, for this reason."""
        self._journal.end(file.number, state, code, message)
        self._count(1, "submitted", state)

    def over(self, submission: Submission, seconds: float | None, now: float) -> None:
        """All files of a task have ended."""
        number = submission.number
        self._looking -= 1
        self._journal.over(number, seconds)
        self.seconds += seconds or 0
        del self._open[number]
        age, looks = min(now - self._ages.pop(number), LONGEST * 10), self._looks.pop(number, 0)
        # Queries are bounded, and a first look that comes too early costs another: most are to find the task done.
        if self._typical is None:
            self._typical = age
        else:
            self._typical += 0.1 * (age - self._typical) if looks else -0.003 * self._typical

    def not_now(self, submission: Submission, elsewhere: bool = False) -> None:
        """What is left of a task is not to be had in this run; ``elsewhere``: the account asked does not know it."""
        number = submission.number
        self._looking -= 1
        self._elsewhere = self._elsewhere or elsewhere
        del self._open[number], self._ages[number], self._looks[number]

    def kept(self, submission: Submission, ended: Iterable[int]) -> Submission:
        """The submission without the files that have ended."""
        gone = set(ended)
        left = replace(submission, files=tuple(file for file in submission.files if file.number not in gone))
        self._open[submission.number] = left
        return left

    def oldest(self) -> float | None:
        """When the oldest task that is open was submitted, in seconds since 1970."""
        return min((submission.begun for submission in self._open.values()), default=None)

    # == submissions without a reply ==================================================================================

    def unknown(self, task_id: str) -> bool:
        """Whether a task of the account's may be one that is searched for."""
        return task_id not in self._not_ours and not self._journal.knows(task_id)

    def searched(self, candidates: Iterable[Candidate], shown: Set[str], now: float) -> None:
        """What a `Search` has found: tasks that were `unknown`; ``shown``: the ids of all that the lists show."""
        begun, self._searching = self._searching, None
        assert begun is not None
        self._search_at = now + max(min(_LOOK, self._settle), _PAGE * len(shown) / 100)
        found = [_spelled(one) for one in candidates if self.unknown(one.task_id)]
        for submission in [one for number, one in self._lost.items() if number not in self._left]:
            # For those that are left nobody searched: the lists may not reach back to them.
            self._decide(submission, found, begun, self._blind(submission, shown, begun))
        # A task may be seen before the reply that it was made, and that reply may be lost yet.
        ours = {unquote(url) for url in self._journal.unclear()}
        self._not_ours |= {one.task_id for one in found if one.urls is not None and one.urls.isdisjoint(ours)}

    def search_failed(self, now: float, pause: float | None = None, for_good: bool = False) -> None:
        """It could not be searched now, or cannot be with this key."""
        self._searching = None
        self._search_at = now + max(_LOOK, min(pause or 0.0, ASKED))
        for number, submission in list(self._lost.items()):
            if for_good or now > self._lost_at[number] + PATIENCE:
                self._leave(submission)

    def _blind(self, submission: Submission, shown: Set[str], now: float) -> bool:
        # A list that shows none of the tasks it must show (another account's, or of another time zone) proves nothing.
        since = max(submission.begun - SKEW / 2, now - KEPT + SKEW)
        expected = self._journal.tasks(submission.model, since, now - self._settle)
        return bool(expected) and expected.isdisjoint(shown)

    def _decide(self, submission: Submission, found: list[Candidate], now: float, blind: bool) -> None:
        begin, end = submission.begun - SKEW, submission.begun + WINDOW
        urls = frozenset(map(unquote, submission.urls))
        possible = [
            one
            for one in found
            if one.model in (None, submission.model)
            and (one.submitted is None or begin <= one.submitted <= end)
            and (one.urls is None or not one.urls.isdisjoint(urls))
        ]
        showing = [one for one in possible if one.urls == urls]
        if len(showing) == 1:
            self._found(submission, "submitted", showing[0].task_id)
            self._watch(replace(submission, task_id=showing[0].task_id), now, now)
        elif now > submission.begun + KEPT - SKEW or self._elsewhere:  # a list that does not show it says nothing
            self._leave(submission)
        elif not (possible or blind) and now >= self._lost_at[submission.number] + self._settle:
            self._found(submission, "void")
        elif (possible and all(one.done for one in possible)) or now > self._lost_at[submission.number] + PATIENCE:
            self._leave(submission)

    def _leave(self, submission: Submission) -> None:
        if self._resubmit:
            self._found(submission, "void")
        else:
            self._left.add(submission.number)

    def _found(self, submission: Submission, state: str, task_id: str | None = None) -> None:
        del self._lost[submission.number], self._lost_at[submission.number]
        self._left.discard(submission.number)
        self._move(submission, "uncertain", state, task_id)
        if state == "void":
            self.counts = self._journal.counts()  # without what is not wanted any more

    def _count(self, number: int, before: str, after: str) -> None:
        self.counts[before] -= number
        self.counts[after] += number


def _spelled(candidate: Candidate) -> Candidate:
    # Some services show a URL with its percent-encoding undone, or done in another way.
    return candidate if candidate.urls is None else replace(candidate, urls=frozenset(map(unquote, candidate.urls)))
