"""Others who use the same account: how they are noticed, and how much is left to them.

The server says of the steady limit only when it is used up (LIVE: `RateLimit-Remaining` speaks of the second), so the
share of the others is learned from what can be seen:

* an answer that counts more requests in its second than we sent: somebody else is there,
* a 429 that lasts one or two seconds: the burst window was theirs, too,
* a 429 that lasts longer: of the minute that it ends, what we did not send was theirs.

While somebody is there, we take half of the burst, no more in a second than two seconds' part of the minute, and spread
over the second: the minute's quota is reached all the same, and few requests are under way when it ends. What they used
in a minute is left to them from then on, with room for chance, and shrinks slowly, so that what they give up is found
again.
"""

from __future__ import annotations

import math

from clavichord.client.ring import HEAD, HEADER, Doubles

UNTIL, THEIRS, THEIRS_AT, SHARE, SHARE_AT, BORN = range(20, 26)
"""header places: somebody is there until, what they used in a minute, when that was learned, the part of the burst
that refusals have left to us, since when, and when this ring was first used"""

STAYS = 150.0
"""seconds that somebody is taken to be there after the last sign"""
REGAIN = 0.004
"""share of the burst window that is tried again, per second"""
SHRINKS = 0.985
"""factor on what is left to the others, per minute"""


def lanes(doubles: Doubles, window: int, quota: int, steady: int, now: float) -> tuple[int, float]:
    """Our part of a window's quota while somebody else is there: so many requests in that fraction of the window."""
    if window == 0:
        ours = max(1, int(min(quota // 2, steady // 30) * _left(doubles, now)))
        step = -(-ours // 5)
        return step, step / ours
    if window == 1 and doubles[THEIRS_AT]:
        theirs = _theirs(doubles, now)
        return max(1, quota // 10, quota - math.ceil(theirs + 2.5 * math.sqrt(theirs) + 2)), 1.0
    return quota, 1.0


def _theirs(doubles: Doubles, now: float) -> float:
    """What they are taken to use in a minute."""
    found: float = doubles[THEIRS] * SHRINKS ** ((now - doubles[THEIRS_AT]) / 60)
    return found


def _left(doubles: Doubles, now: float) -> float:
    """The part of the burst that refusals have left to us."""
    return min(1.0, doubles[SHARE] + (now - doubles[SHARE_AT]) * REGAIN) if doubles[SHARE_AT] else 1.0


def _noticed(doubles: Doubles, until: float) -> None:
    doubles[UNTIL] = max(doubles[UNTIL], until)


def look(doubles: Doubles, capacity: int, slot: int, counted: int, sent: float, margin: float, now: float) -> None:
    """The answer to `slot` says that its second has `counted` requests: can they all be ours?"""
    since = sent - 1.0 - margin
    if not 1 <= counted <= capacity or doubles[BORN] > since or doubles[UNTIL] > now + STAYS - 1:
        return
    before = slot - counted + 1
    if before >= 0 and doubles[HEADER + before % capacity] > since:
        return
    arrived = sent + min(margin, (now - sent) / 2)
    near = range(max(0, slot - 2 * counted - 64), min(int(doubles[HEAD]), slot + 2 * counted + 64))
    if sum(since < doubles[HEADER + other % capacity] <= arrived for other in near) < counted:
        _noticed(doubles, now + STAYS)


def burst_refused(doubles: Doubles, now: float) -> None:
    """A 429 of the burst window, which no header shows in time."""
    _noticed(doubles, now + STAYS)
    if now - doubles[SHARE_AT] >= 1:
        doubles[SHARE], doubles[SHARE_AT] = max(0.1, 0.8 * _left(doubles, now)), now


def steady_refused(doubles: Doubles, theirs: int, until: float, now: float) -> None:
    """The first 429 of a minute that ends at `until`, of which `theirs` requests were not ours.

    Of a ring that is younger than that minute nothing is learned: what was sent before it may have been ours, too.
    """
    if doubles[BORN] < until - 60:
        # a minute that is used up is one in which they used much: the truth is between it and what was believed
        known = (_theirs(doubles, now) + theirs) / 2 if doubles[THEIRS_AT] else theirs
        doubles[THEIRS], doubles[THEIRS_AT] = max(0.0, known), now
    _noticed(doubles, until + STAYS)
