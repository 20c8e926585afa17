"""A hundred servers of one machine, reloaded one after another by one instance."""

import contextlib
import dataclasses

from contender import Contender, PipedHotcertd, Program, Served
from latency import directory, in_turn
from lib.redis_server import RedisServer
from report import p50, time_text, within


def reload(bench):
    """Yields a row: from the rename until the last of them serves it. The floor, too, asks each by a handshake."""
    n, rounds = (20, 5) if bench.quick else (100, 20)
    folder = directory(bench.folder, "fleet")
    pairs = bench.same_key(8)
    ca = bench.ca.write(folder / "ca.crt")
    with contextlib.ExitStack() as stack:
        def servers(name):
            place = directory(folder, name)
            Contender(place, pairs)
            made = [RedisServer(folder / f"{name}{i}", place, ca) for i in range(n)]
            for one in made:
                stack.callback(one.finish)
                one.start()
            return place, made

        place, made = servers("floor")
        where = [word for one in made for word in (one.unix, str(one.port))]
        floor = Program(place, pairs, "floor_redis", *where)
        stack.callback(floor.finish)
        place, made = servers("ours")
        ours = Served(place, pairs, PipedHotcertd(folder / "d", bench.plugin_dir), *made)
        stack.callback(ours.finish)
        floor_ns, ours_ns = in_turn((floor, ours), rounds)
    row = within(f"{n} servers on one machine, reloaded and verified one after another", floor_ns, ours_ns, 1.5)
    each = ", ".join(time_text(p50(ns) / n) for ns in (floor_ns, ours_ns))
    yield dataclasses.replace(row, note=f"each {each}; {row.note}")
