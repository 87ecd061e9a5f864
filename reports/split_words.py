"""What is said of a split that was checked, in words.

Says and decides nothing: the verdict is in the judgement. Names come from strangers and are made harmless.
"""

import math
from collections.abc import Iterator, Mapping

from reports.words import listed, plain, quantity, shortened
from scenarios.checked import Checked, Sending
from scenarios.dependence import Basis, Effect
from scenarios.judge import Chances, Claim, Detect, Precision, Share, Verdict, chances, other

ALIKE = 1.5  # the design effect from which it is said to be there
FEW = 50  # requests up to which it is said what chance alone makes of them
MOST_SHOWN = 8


def percent(value: float) -> str:
    """A share to a tenth of a point, to a hundredth below one."""
    points = value * 100
    digits = 2 if 0 < min(points, 100 - points) < 1 else 1
    return f"{points:.{digits}f}".rstrip("0").rstrip(".") + " %" if digits else f"{points:.0f} %"


def planned(claim: Claim, sending: Sending) -> str:
    """How many requests, what for, and how long that takes."""
    seconds = quantity(claim.requests / sending.rate, "s").value
    text = f"{claim.requests:,} requests, {seconds} at {sending.rate:g}/s: {aim(claim)}"
    if claim.requests > claim.needed:
        return f"{text}; {claim.needed:,} would do"
    if claim.requests == claim.textbook:
        return text
    return (
        f"{text} ({claim.textbook:,} by the textbook; the rest is for the exact test and for stopping early)"
    )


def aim(claim: Claim) -> str:
    match claim.aim:
        case Precision(value):
            return f"each share is then known to ± {percent(value)} at 95 %"
        case Detect(away):
            pairs = [
                f"{percent(other(p, away))} from {percent(p)}" for p in dict.fromkeys(claim.shares.values())
            ]
            how = "in nine of ten checks, with one false alarm in twenty at most"
            return f"they tell {listed(pairs)}, or what is off by as much to the other side, {how}"


def capped(claim: Claim, sending: Sending) -> str:
    """What is known beforehand not to be enough; empty where it is."""
    if sending.most >= claim.requests:
        return ""
    return f"At most {sending.most:,} will be sent: only a share that is far off can be told with these."


def by_chance(claim: Claim, n: int) -> Iterator[str]:
    """What so few requests show by chance alone, for a split that is exactly as claimed."""
    for version, share in claim.shares.items():
        if 0 < share < 1 and 0 < n <= FEW:
            yield _by_chance(plain(version), share, n, chances(share, n))


def _by_chance(version: str, share: float, n: int, by: Chances) -> str:
    word = "request" if n == 1 else "requests"
    text = (
        f"With {percent(share)} for {version}, each request drawn by itself, {n} {word} bring none to it "
        f"in {percent(by.none)} of all tries, exactly one in {percent(by.one)}"
    )
    return f"{text} and more in {percent(by.more)}. {_lesson(by)}"


def _lesson(by: Chances) -> str:
    if by.none >= 0.05:
        return f"Seeing none is no fault: about 1 try in {max(2, round(1 / by.none))} goes like that."
    return "Seeing none would be unusual; how far the number strays by chance is in the interval."


def headline(checked: Checked) -> str:
    """The verdict in one sentence."""
    judgement = checked.judgement
    if judgement.verdict is Verdict.TOO_FEW:
        return _too_few(checked)
    worst = [share for share in judgement.shares if share.verdict is judgement.verdict] or judgement.shares
    found = listed([f"{plain(share.version)} gets {_found(share)}, claimed {_are(share)}" for share in worst])
    reason = f" ({judgement.why})" if judgement.why else ""
    early = (
        f", known after {checked.answers.total:,} of {checked.claim.requests:,}" if judgement.early else ""
    )
    return f"{found}{reason}{early}."


def _are(share: Share) -> str:
    return f"{percent(share.expected)}"


def _found(share: Share) -> str:
    low, high = share.interval
    value = percent(share.hits / share.of) if share.of else "nothing"
    return f"{value} ({percent(low)} to {percent(high)})"


def _too_few(checked: Checked) -> str:
    judgement, total = checked.judgement, checked.answers.total
    why = judgement.why or checked.why
    if checked.answers.untold and (judgement.why or checked.answers.untold == total):
        return f"{why or 'no answer told its version'}: {checked.answers.untold:,} of {total:,}."
    share = judgement.shares[0]
    low, high = share.interval
    reason = f"; {why}" if why else ""
    span = f"{percent(low)} to {percent(high)}{reason}"
    text = f"{total:,} answers leave {plain(share.version)} anywhere from {span}"
    seconds = quantity(judgement.needed / checked.sending.rate, "s").value
    return f"{text}. It takes about {_rounded(judgement.needed):,} requests ({seconds}){_more(checked)}."


def _more(checked: Checked) -> str:
    effect = checked.judgement.shares[0].effect
    if effect.basis is Basis.CONNECTIONS and checked.sending.per_connection > 1:
        return f", or {checked.claim.needed:,} with a new connection for each (--connections new)"
    return ""


def _rounded(n: int) -> int:
    """A number that is estimated, to three digits."""
    scale = int(10 ** max(0, len(str(n)) - 3))
    return math.ceil(n / scale) * scale


def assumed(checked: Checked) -> str:
    """What the verdict rests on, in words."""
    share = max(checked.judgement.shares, key=lambda one: one.effect.value)
    text = _dependence(share.effect, checked.sending.per_connection == 1)
    if share.effect.basis is Basis.INDEPENDENT or not share.of:
        return text
    worth = f"{share.of:,} answers count as {share.counting_as:,.0f}"
    return f"{text}: {worth} (design effect {share.effect.value:.2g})"


def _dependence(effect: Effect, new: bool) -> str:
    match effect.basis:
        case Basis.CONNECTIONS | Basis.USERS if effect.pure:
            one = "connection" if effect.basis is Basis.CONNECTIONS else "user"
            each = f"each of the {effect.clusters:,}"
            return f"no {one} saw two versions, so the router may choose once for {each}"
        case Basis.CONNECTIONS | Basis.USERS:
            how = "are more alike than" if effect.value > ALIKE else "are hardly more alike than"
            one = f"{effect.clusters:,} {effect.basis}"
            return f"requests are independent but for {one}, within which answers {how} others"
        case Basis.TIME:
            return "the share moved as time went by, more than chance would move it"
        case Basis.IN_TURN:
            return "the router goes in turn: its answers keep closer to a share than chance would"
        case Basis.INDEPENDENT:
            own = "every request had a connection of its own" if new else "requests shared connections"
            return f"requests are independent: {own}, and their order shows nothing else"


def remarks(checked: Checked) -> Iterator[str]:
    """What was counted beside the versions, and what may explain an odd result."""
    answers, seen = checked.answers, checked.seen
    counts = answers.counts()
    missing = [name for name in checked.claim.shares if name not in counts]
    if missing and counts:
        yield f"no answer named {listed([plain(n) for n in missing])}; those seen: {_names(counts)}"
    elif stray := {name: n for name, n in counts.items() if name not in checked.claim.shares}:
        yield f"the others came from {_names(stray)}"
    if len(counts) == 1 and answers.total > 1 and all(0 < p < 1 for p in checked.claim.shares.values()):
        yield (
            "all answers came from one version; a router that goes by header, cookie or client address looks"
            " like this from one client (try -H, or --cookie 'user={user}' for a new user each time)"
        )
    yield from (f"{n:,} answers: the answer {plain(why)}" for why, n in seen.untold.items())
    yield from (f"{n:,} requests: {plain(why)}" for why, n in seen.failures.items())
    yield from (f"{n:,} redirects, not followed: {plain(where)}" for where, n in seen.redirects.items())
    if seen.repeated:
        yield f"{seen.repeated:,} answers named the same version more than once; each counts once"
    if seen.closed:
        yield f"{seen.closed:,} times the server ended a connection that was to be kept"


def _names(counts: Mapping[str, int]) -> str:
    shown = [f"{shortened(plain(name), 40)} ({n:,})" for name, n in list(counts.items())[:MOST_SHOWN]]
    more = [f"{len(counts) - MOST_SHOWN:,} more"] if len(counts) > MOST_SHOWN else []
    return listed(shown + more)
