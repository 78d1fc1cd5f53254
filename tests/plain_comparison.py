"""How alike two sequences are by the definition, in float64, one number after the other."""

from functools import cache

import numpy as np

from stars_infer.similarity.comparison import (
    DEVIATION,
    FIRST,
    LAST,
    MIDDLE,
    MOVING,
    UNTURNED,
    WHOLE,
)
from stars_infer.similarity.modes import SIDES

POSTURES = {MOVING: slice(0, 24), DEVIATION: slice(24, 48), UNTURNED: slice(48, 72)}
"""Numbers of a step that each content takes its posture from."""


def plain_part(body, part):
    """A part of one body (S, 75)."""
    body = np.asarray(body, np.float64)
    half, quarter = len(body) // 2, len(body) // 4
    if part == WHOLE:
        return body
    first = {FIRST: 0, LAST: half, MIDDLE: quarter}[part]
    taken = body[first : first + half]
    # Step n of the half has its middle at n + 0.5; those of the stretched one at 0.25, 0.75, ...
    middles, asked = np.arange(half) + 0.5, (np.arange(len(body)) + 0.5) / 2
    return np.stack([np.interp(asked, middles, numbers) for numbers in taken.T], axis=1)


def plain_content(body, content):
    """What is compared of one part (S, 75) of a body."""
    body = np.asarray(body, np.float64)
    pace = 32 / len(body)
    posture, hips = body[:, POSTURES[content]], body[:, 72:]
    if content == DEVIATION:
        return divided(posture - posture.mean(axis=0), 0.05)
    motion = divided(slope(posture), 0.03 * pace)
    if content == UNTURNED:
        return np.hstack((0.72**0.5 * divided(posture, 1e-3), 0.28**0.5 * motion))
    way = slope(hips)
    speed = np.tanh(np.hypot(way[:, 0], way[:, 2]) / (0.05 * pace))
    height = np.tanh((hips[:, 1] - hips[:, 1].mean()) / 0.2)
    parts = (divided(posture, 1e-3), motion, np.stack((speed, height), axis=1))
    shares = (0.648, 0.252, 0.1)
    return np.hstack([share**0.5 * part for share, part in zip(shares, parts, strict=True)])


def slope(rows):
    """Half the difference of the rows before and after; at the ends, of a row and its neighbor."""
    last = len(rows) - 1
    around = [(max(n - 1, 0), min(n + 1, last)) for n in range(len(rows))]
    return np.array([(rows[after] - rows[before]) / (after - before) for before, after in around])


def divided(rows, least):
    """Rows by the root mean square norm of a row."""
    size = np.mean([row @ row for row in rows]) ** 0.5
    return rows / max(size, least)


def plain_warping(costs, *, free=0, price=0.3, band=None):
    """Cost of the cheapest path through costs (S, S), some steps left out at either end."""
    last = len(costs) - 1
    band = last if band is None else band

    @cache
    def to(i, j):
        if min(i, j) < 0 or abs(i - j) > band:
            return np.inf
        begun = price * (i + j) if min(i, j) == 0 and i + j <= free else np.inf
        return costs[i, j] + min(begun, to(i - 1, j), to(i, j - 1), to(i - 1, j - 1))

    return min(
        to(i, j) + price * (2 * last - i - j)
        for i in range(last + 1)
        for j in range(last + 1)
        if max(i, j) == last and 2 * last - i - j <= free
    )


def straight(costs, *, free, band):
    """The cost without warping: step after step."""
    return float(np.trace(costs))


def plain_mean(query, exemplar, kernels, *, warping=plain_warping):
    """Weighted mean of the kernels of two bodies, (S, 75) each."""
    total = 0.0
    for one in kernels:
        a = plain_content(plain_part(query, one.clip), one.content)
        b = plain_content(plain_part(exemplar, one.exemplar), one.content)
        costs = np.array([[np.sum((x - y) ** 2) for y in b] for x in a])
        steps = len(a)
        distance = warping(costs, free=steps // 4, band=3 * steps // 8) / (2 * steps)
        total += one.weight * np.exp(-distance / one.width)
    return total / sum(one.weight for one in kernels)


def plain_similarity(query, exemplar, how, *, kernels=None, **warping):
    """Similarity of two sequences, (1 or 2, S, 75) each."""
    kernels = how.kernels if kernels is None else kernels

    def of_bodies(one, other):
        both, first, second = (
            plain_mean(*pair, kernels, **warping)
            for pair in ((one, other), (one, one), (other, other))
        )
        return 1 + how.kernel_width * np.log(both / (first * second) ** 0.5)

    if len(query) == len(exemplar) == 1:
        return of_bodies(query[0], exemplar[0])
    if len(query) == len(exemplar) == 2:
        pairings = ((0, 1), (1, 0))
        return max(
            (of_bodies(query[0], exemplar[a]) + of_bodies(query[1], exemplar[b])) / 2
            for a, b in pairings
        )
    return max(of_bodies(one, other) for one in query for other in exemplar) / 2


def plain_mirrored_similarity(query, exemplar, how):
    """Similarity of the mirror image of one sequence to another."""
    image = np.array(query, np.float64)
    for first in (0, 24, 48):
        for mode, side in enumerate(SIDES.tolist()):
            at = first + 3 * mode
            image[:, :, at : at + 3] *= np.array([-side, side, side])
    image[:, :, 72] *= -1
    return plain_similarity(image, exemplar, how, kernels=(how.mirror,))
