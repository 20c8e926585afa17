"""From rename(2) to apply(), and to Redis serving the new certificate."""

import contextlib

from contender import Applied, Contender, Peer, PipedHotcertd, Program, Served
from lib.hotcertd import Hotcertd
from lib.redis_server import RedisServer
from report import beats, within

WARM_UP = 5


def in_turn(contenders, rounds, both=False):
    """A B A B: a machine that gets slower gets slower for all. A list of nanoseconds for each."""
    for _ in range(WARM_UP):
        for one in contenders:
            one.round(both)
    taken = [[] for _ in contenders]
    for _ in range(rounds):
        for times, one in zip(taken, contenders):
            times.append(one.round(both))
    return taken


def directory(folder, name):
    path = folder / name
    path.mkdir()
    return path


def to_apply(bench):
    """Yields two rows: a new certificate for the same key, and a new pair."""
    folder = directory(bench.folder, "apply")
    for what, both, pairs in (("rename of a certificate to apply", False, bench.same_key(8)),
                              ("rename of key and certificate to apply", True, bench.new_keys(8))):
        with contextlib.ExitStack() as stack:
            place = directory(folder, "both" if both else "cert")
            floor = Program(directory(place, "floor"), pairs, "floor_watch")
            stack.callback(floor.finish)
            ours = Applied(directory(place, "ours"), pairs, Hotcertd(place / "d", bench.plugin_dir))
            stack.callback(ours.finish)
            yield within(what, *in_turn((floor, ours), bench.rounds, both), 1.5)


def to_served(bench):
    """Yields three rows: against a floor that checks nothing, one that does, and the peer."""
    folder = directory(bench.folder, "served")
    pairs = bench.same_key(8)
    ca = bench.ca.write(folder / "ca.crt")

    with contextlib.ExitStack() as stack:
        def server(name):
            place = directory(folder, name)
            Contender(place, pairs)
            made = RedisServer(folder / f"{name}-redis", place, ca)
            stack.callback(made.finish)
            return place, made.start()

        def run(contender):
            stack.callback(contender.finish)
            return contender

        place, redis = server("floor")
        floor = run(Program(place, pairs, "floor_redis", redis.unix))
        place, redis = server("shown")
        shown = run(Program(place, pairs, "floor_redis", redis.unix, str(redis.port)))
        place, redis = server("ours")
        ours = run(Served(place, pairs, PipedHotcertd(folder / "d", bench.plugin_dir), redis))
        place, redis = server("peer")
        peer = run(Peer(place, pairs, redis))
        floor_ns, shown_ns, ours_ns = in_turn((floor, shown, ours), bench.rounds)
        yield within("rename to Redis serving it, verified; floor: CONFIG SET, no check", floor_ns, ours_ns, 2)
        yield within("the same; floor: CONFIG SET and a handshake, nothing read", shown_ns, ours_ns, None)
        peer_ns, ours_ns = in_turn((peer, ours), bench.rounds // 4)
        yield beats("the same; peer: inotifywait | redis-cli --tls", peer_ns, ours_ns, 4)
