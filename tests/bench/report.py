"""The table: one row a figure, with what it was measured against in the same run."""

import dataclasses
import statistics


@dataclasses.dataclass
class Row:
    what: str
    base: str  # the floor or the peer
    ours: str
    ratio: str
    goal: str
    reached: bool | None  # None: no goal, for comparison
    note: str = ""  # p99 and the like

    def cells(self):
        return (self.what, self.base, self.ours, self.ratio, self.goal,
                {True: "yes", False: "NO", None: ""}[self.reached], self.note)


HEADS = ("what", "floor or peer", "hotcertd", "ratio", "goal", "reached", "")


def show(rows):
    cells = [HEADS] + [row.cells() for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(HEADS))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    goals = [row for row in rows if row.reached is not None]
    missed = [row.what for row in goals if not row.reached]
    print(f"bench: {len(goals) - len(missed)} of {len(goals)} goals reached"
          + "".join(f"\nbench: not reached: {what}" for what in missed))


def p50(ns):
    return statistics.median(ns)


def p99(ns):
    return sorted(ns)[min(len(ns) - 1, len(ns) * 99 // 100)]


def time_text(ns):
    for unit, size in (("s", 1e9), ("ms", 1e6)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns / 1e3:.0f} us"


def within(what, floor, ours, at_most):
    """ours takes at most so many times what the floor takes; both are lists of nanoseconds."""
    ratio = p50(ours) / p50(floor)
    return Row(what, time_text(p50(floor)), time_text(p50(ours)), f"{ratio:.2f}x",
               f"<= {at_most:g}x" if at_most else "", ratio <= at_most if at_most else None,
               f"p99 {time_text(p99(floor))}, {time_text(p99(ours))}; n {len(ours)}")


def beats(what, peer, ours, at_least):
    """ours is at least so many times faster than the peer."""
    ratio = p50(peer) / p50(ours)
    return Row(what, time_text(p50(peer)), time_text(p50(ours)), f"{ratio:.1f}x faster", f">= {at_least:g}x",
               ratio >= at_least, f"p99 {time_text(p99(peer))}, {time_text(p99(ours))}; n {len(peer)}")
