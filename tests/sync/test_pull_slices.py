"""Slices: whatever the rows, the splits and the order of things, every row is read, and a crash loses none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clavichord.sync.pull.slices import Slice, Slices, Unsorted
from clavichord.sync.pull.streams import EVENTS, PROFILES

PAGE = 5
moments = st.integers(0, 400) | st.integers(100, 104)
axes = (st.lists(moments, max_size=15) | st.lists(moments, max_size=200)).map(sorted)


class Walk:
    """A server's pages of one slice, as a reader asks for them: filtered by the bounds at the time of asking."""

    def __init__(self, axis: list[int], slice: Slice) -> None:
        self.slice = slice
        start = slice.start
        self.rows = [
            (i, t) for i, t in enumerate(axis) if (start is None or t >= start) and (slice.hi is None or t < slice.hi)
        ]

    def page(self) -> tuple[list[tuple[int, int]], bool]:
        page, self.rows = self.rows[:PAGE], self.rows[PAGE:]
        return page, bool(self.rows)


def read(axis: list[int], slices: Slices, choose: st.DataObject, workers: int, steps: int) -> set[int]:
    """Reads with `workers` in a drawn order, at most `steps` pages; gives the rows that landed."""
    landed: set[int] = set()
    under_way: list[tuple[Slice, int | None, bool, set[int]]] = []
    walks: list[Walk] = []
    for _ in range(steps):
        while len(walks) < workers and (taken := slices.take()) is not None:
            walks.append(Walk(axis, taken))
        if not walks:
            break
        walk = choose.draw(st.sampled_from(walks))
        begun = walk.slice.fetched is not None
        page, more = walk.page()
        first, last = (page[0][1], page[-1][1]) if page else (None, None)
        more = slices.arrived(walk.slice, first, last, len(page)) and more
        if more and not begun and walk.slice.hi is None:
            slices.bound(walk.slice, axis[-1])
        if not more:
            slices.ended(walk.slice)
            walks.remove(walk)
        under_way.append((walk.slice, walk.slice.fetched, not more, {i for i, _ in page}))
        for _ in range(choose.draw(st.integers(0, len(under_way)))):
            slice, upto, final, rows = under_way.pop(0)
            slices.landed(slice, upto, final)
            landed |= rows
    else:
        return landed  # a crash: what is under way is lost
    for slice, upto, final, rows in under_way:
        slices.landed(slice, upto, final)
        landed |= rows
    return landed


@given(axes, st.integers(1, 6), st.data())
def test_every_row_is_read_whatever_the_splits(axis: list[int], workers: int, data: st.DataObject) -> None:
    slices = Slices([("", None, None)], PAGE)
    assert read(axis, slices, data, workers, 10_000) == set(range(len(axis)))
    assert slices.remaining() == []
    assert not slices.busy


@settings(max_examples=500)
@given(axes, st.integers(1, 6), st.integers(0, 30), st.data())
def test_what_remains_after_a_crash_is_what_has_not_landed(
    axis: list[int], workers: int, steps: int, data: st.DataObject
) -> None:
    slices = Slices([("", None, None)], PAGE)
    landed = read(axis, slices, data, workers, steps)
    again = Slices(slices.remaining(), PAGE)
    assert landed | read(axis, again, data, workers, 10_000) == set(range(len(axis)))


def test_the_idle_take_the_upper_half_of_the_fullest() -> None:
    slices = Slices([("", 0, 1000), ("", 1000, 2000)], PAGE)
    sparse, dense = slices.take(), slices.take()
    assert sparse is not None
    assert dense is not None
    slices.arrived(sparse, 0, 100, PAGE)
    slices.arrived(dense, 1000, 1010, PAGE)
    taken = slices.take()
    assert taken is not None
    assert (taken.lo, taken.hi, dense.hi) == (1505, 2000, 1505)
    assert sparse.hi == 1000


def test_a_rest_that_is_not_worth_a_split_stays_whole() -> None:
    slices = Slices([("", 0, 100)], PAGE)
    only = slices.take()
    assert only is not None
    slices.arrived(only, 0, 80, PAGE)
    assert slices.take() is None
    assert slices.busy


def test_rows_out_of_order_are_noticed() -> None:
    slices = Slices([("", 0, 100)], PAGE)
    slice = slices.take()
    assert slice is not None
    slices.arrived(slice, 10, 50, PAGE)
    with pytest.raises(Unsorted):
        slices.arrived(slice, 20, 60, PAGE)


def test_a_range_in_the_words_of_each_stream() -> None:
    """Profiles have strict operators only: the second before the range is asked for too."""
    assert EVENTS.full is not None
    assert PROFILES.full is not None
    assert EVENTS.full.query(100, 200) == {
        "sort": "datetime",
        "filter": "greater-or-equal(datetime,1970-01-01T00:01:40Z),less-than(datetime,1970-01-01T00:03:20Z)",
    }
    assert PROFILES.full.query(100, None) == {"sort": "created", "filter": "greater-than(created,1970-01-01T00:01:39Z)"}
    assert EVENTS.full.query(None, None) == {"sort": "datetime"}
