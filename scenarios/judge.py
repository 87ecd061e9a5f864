"""Is a split what it claims? Accurate, inaccurate, or too few answers to say. Pure.

The chance of condemning a split that is as claimed is below 5 %: 0.5 % goes to looking at it all the while (a
confidence sequence), 3.5 % to one exact test at the end, and the rest is left for what is estimated: where
requests are not independent, answers count as so many that are, by the design effect that is seen in them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scenarios.binomial import exact
from scenarios.dependence import Effect, effect
from scenarios.sequential import anytime, around, half_width, power
from scenarios.split import ALPHA, POWER, requests_for_precision, requests_to_detect

EARLY, LAST = 0.005, 0.035  # of the 5 %: for stopping early, and for the exact test
LOOKS = 40  # on the way to the planned number
MOST_UNTOLD = 0.01  # share of answers whose version may be unknown before accurate is more than can be said
HOPELESS = 20  # first answers of which not one names a version


class Verdict(StrEnum):
    """What can be said of a split."""

    ACCURATE = "accurate"
    INACCURATE = "inaccurate"
    TOO_FEW = "too few"


@dataclass(frozen=True, slots=True)
class Precision:
    """Half of the interval's width that is wanted."""

    value: float


@dataclass(frozen=True, slots=True)
class Detect:
    """How far from its claim a share may be before it must not go unseen (in nine of ten checks)."""

    away: float


@dataclass(frozen=True)
class Claim:
    """What is claimed: shares (0 … 1) of versions by name, and how well they are to be known.

    `fixed` requests are sent where somebody asked for more than that takes.
    """

    shares: Mapping[str, float]
    aim: Precision | Detect
    fixed: int | None = None

    @property
    def complete(self) -> bool:
        """Whether the shares leave nothing to other versions."""
        return math.isclose(sum(self.shares.values()), 1.0)

    @cached_property
    def tests(self) -> int:
        """How many shares are judged for themselves: of two that make up the whole, one decides both."""
        return 1 if self.complete and len(self.shares) == 2 else len(self.shares)

    @cached_property
    def textbook(self) -> int:
        """The textbook's number of independent requests, looked at once."""
        return max(_textbook(share, self.aim, ALPHA) for share in self.shares.values())

    @property
    def requests(self) -> int:
        """Independent answers after which the exact test is done."""
        return max(self.needed, self.fixed or 0)

    @cached_property
    def needed(self) -> int:
        """Independent requests that the exact test takes to do what the aim says, with room to stop early."""
        level = LAST / self.tests
        return max(_planned(share, self.aim, level) for share in self.shares.values())

    @property
    def every(self) -> int:
        """After how many answers to look again."""
        return max(1, self.requests // LOOKS)


def gap(share: float) -> float:
    """How far off a share may not go unseen, where nobody says: half the rarer part, 5 points at most."""
    return min(0.05, min(share, 1 - share) / 2) if 0 < share < 1 else 0.01


def other(share: float, away: float) -> float:
    """The share so far away that takes more requests to tell: the one nearer to a half, if it is one."""
    sides = [one for one in (share + away, share - away) if 0 <= one <= 1]
    return min(sides, key=lambda one: abs(one - 0.5)) if sides else float(share < 0.5)


def _textbook(share: float, aim: Precision | Detect, alpha: float) -> int:
    match aim:
        case Precision(value):
            return requests_for_precision(share, value, 1 - alpha)
        case Detect(away):
            return requests_to_detect(share, other(share, away), alpha, POWER)


def _planned(share: float, aim: Precision | Detect, alpha: float) -> int:
    """From the textbook's number on, the first with which the exact test does what the aim says."""
    n = _textbook(share, aim, alpha)
    match aim:
        case Precision(value):
            while half_width(share, n, alpha) > value:
                n += max(1, n // 1000)
        case Detect(away):
            while power(share, other(share, away), n, alpha) < POWER:
                n += max(1, n // 1000)
    return n


@dataclass(frozen=True, slots=True)
class Answers:
    """All answers so far, in the order of their requests.

    `versions` indexes `names`, −1 where the version is not known; `connections` and `users` number those of
    each request, `users` is None where all requests are of one.
    """

    names: tuple[str, ...]
    versions: NDArray[np.int64]
    connections: NDArray[np.int64]
    users: NDArray[np.int64] | None = None

    @property
    def total(self) -> int:
        """How many."""
        return len(self.versions)

    @property
    def untold(self) -> int:
        """How many of unknown version."""
        return int(np.count_nonzero(self.versions < 0))

    def counts(self) -> dict[str, int]:
        """Answers by version, the most frequent first."""
        numbers = np.bincount(self.versions[self.versions >= 0], minlength=len(self.names))
        pairs = sorted(zip(self.names, numbers.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
        return dict(pairs)


@dataclass(frozen=True, slots=True)
class Share:
    """One version's share: claimed, found, and what is known of it.

    `interval` holds the true share with 95 % or more; `counting_as` the effective number of answers.
    """

    version: str
    expected: float
    hits: int
    of: int
    interval: tuple[float, float]
    verdict: Verdict | None
    effect: Effect

    @property
    def counting_as(self) -> float:
        """How many independent answers these are worth."""
        return self.of / self.effect.value


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, None while answers are still to come; `needed` requests in all, where they are too few."""

    verdict: Verdict | None
    shares: tuple[Share, ...]
    needed: int
    early: bool = False
    why: str = ""


class End(StrEnum):
    """Why no more answers come: not yet, the planned or allowed number, or somebody's will."""

    NOT_YET = "not yet"
    CAP = "cap"
    STOPPED = "stopped"


def judge(claim: Claim, answers: Answers, end: End) -> Judgement:
    """What the answers so far say. To be called after every `claim.every` answers, and at the end.

    The exact test is done once: when the answers are worth the planned number, or at the cap. Stopped before,
    only what the confidence sequence shows is said.
    """
    found = [_effect(answers, name, share) for name, share in claim.shares.items()]
    largest = max(found, key=lambda one: one.value)
    told = answers.total - answers.untold
    reached = told / largest.value >= claim.needed and answers.total >= (claim.fixed or 0)
    last = reached or end is End.CAP
    pairs = claim.shares.items()
    shares = tuple(_share(claim, answers, name, share, largest, last) for name, share in pairs)
    verdict, why = _verdict(claim, answers, shares, reached)
    if verdict is None and (last or end is not End.NOT_YET):
        verdict = Verdict.TOO_FEW
    # a verdict that the exact test gave at the planned number is not early
    early = verdict is Verdict.INACCURATE and not last
    return Judgement(verdict, shares, math.ceil(claim.needed * largest.value), early, why)


def _verdict(
    claim: Claim, answers: Answers, shares: tuple[Share, ...], reached: bool
) -> tuple[Verdict | None, str]:
    stray = {name: n for name, n in answers.counts().items() if n and name not in claim.shares}
    if any(share.verdict is Verdict.INACCURATE for share in shares):
        return Verdict.INACCURATE, ""
    if claim.complete and stray:
        return (
            Verdict.INACCURATE,
            f"the claim leaves nothing to other versions, but {sum(stray.values())} answered",
        )
    if answers.total >= HOPELESS and answers.untold == answers.total:
        return Verdict.TOO_FEW, "not one answer told its version"
    if reached and answers.untold > MOST_UNTOLD * answers.total:
        return Verdict.TOO_FEW, "too many answers did not tell their version"
    return (Verdict.ACCURATE if reached else None), ""


def _effect(answers: Answers, name: str, expected: float) -> Effect:
    told = answers.versions >= 0
    users = None if answers.users is None else answers.users[told]
    return effect(_hits(answers, name)[told], answers.connections[told], users, expected)


def _hits(answers: Answers, name: str) -> NDArray[np.bool_]:
    index = answers.names.index(name) if name in answers.names else -2
    hits: NDArray[np.bool_] = answers.versions == index
    return hits


def _share(claim: Claim, answers: Answers, name: str, expected: float, seen: Effect, last: bool) -> Share:
    """One share judged: by the exact test if this is the last look, else by the confidence sequence.

    Answers of unknown version may be of any: the interval spans all that they could make of it.
    """
    hits, untold, scale = int(np.count_nonzero(_hits(answers, name))), answers.untold, 1 / seen.value
    total, prior = answers.total * scale, around(expected, _reach(expected, claim.aim))

    def interval(counted: int) -> tuple[float, float]:
        if last:
            return exact(counted * scale, total, 1 - LAST / claim.tests)
        return anytime(counted * scale, total, EARLY / claim.tests, prior)

    low, high = interval(hits)
    if untold:
        high = interval(hits + untold)[1]
    verdict = None if low <= expected <= high else Verdict.INACCURATE
    return Share(name, expected, hits, answers.total - untold, (low, high), verdict, seen)


def _reach(expected: float, aim: Precision | Detect) -> float:
    """How far off the confidence sequence looks first: what must not go unseen, or some precisions."""
    match aim:
        case Precision(value):
            return 3 * value
        case Detect(away):
            return abs(other(expected, away) - expected)


@dataclass(frozen=True, slots=True)
class Chances:
    """How often n independent requests show none of a version, exactly one, or more."""

    none: float
    one: float

    @property
    def more(self) -> float:
        """Two or more."""
        return max(0.0, 1 - self.none - self.one)


def chances(share: float, n: int) -> Chances:
    """The binomial distribution's first two terms: of 10 requests at 10 %, 34.9 % and 38.7 %."""
    return Chances((1 - share) ** n, n * share * (1 - share) ** (n - 1))
