#!/usr/bin/env python3
"""Networks of this program's routers and of qdrouterd's, with clients that others wrote (Qpid Proton).

    tests/interop/mixed.py --router target/release/heddle --qdrouterd /usr/sbin/qdrouterd
    ... --only outcomes      one scenario

Each scenario runs in each arrangement of the two programs: qdrouterd between two of ours, and one of ours between two of qdrouterd's. All
are started by the same files. It needs a qdrouterd, which is given by its path; without one nothing is run, and that is said.
"""
import argparse
import functools
import os
import sys

import routers
from networks import ADDRESS, DISTRIBUTIONS, PATIENCE_S, WISHES, Exchange, Router, both_ways, line, message, routes_known, wait_for, ways
from proton.utils import BlockingConnection
from routers import connector, free_port, listener, query, run_all, section

LARGE_OCTETS = 3_000_000
ROUTER = "org.apache.qpid.dispatch.router"


def outcomes(options, folder, programs):
    """What a receiver says of a message is what its sender is told, over all hops and in both directions."""
    row = line(options, folder, programs)
    for number, (here, there) in enumerate(both_ways(row)):
        for kind in ("closest", "balanced"):
            sent = [message(count, WISHES[count % 4], annotations={"x-opt-own": "kept"}, durable=True, priority=count % 10) for count in range(40)]
            done = Exchange(f"{kind}.outcomes.{number}", sent, here.address, [there.address]).run()
            got = sorted(one.id for one in done.got[0])
            assert got == list(range(40)), got
            for one in done.got[0]:
                assert one.annotations.get("x-opt-own") == "kept" and one.durable and one.priority == one.id % 10, one
    for one in row:
        one.stop()
    return "40 messages each of four outcomes, closest and balanced, both ways"


def multicast(options, folder, programs):
    """A message for many is with each of them once, wherever it was sent."""
    row = line(options, folder, programs)
    everywhere = [one.address for one in row]
    for number, here in enumerate(row):
        sent = [message(count) for count in range(50)]
        exchange = Exchange(f"multicast.all.{number}", sent, here.address, everywhere, ends=50 * len(row))

        def known(address=exchange.address):
            # The sender's router is to know that others receive: it says so of the address.
            for one in row:
                wait_for(lambda: any(a["remoteCount"] == len(row) - 1 for a in query(one.address, ADDRESS, ["name", "remoteCount"])
                                     if a["name"].endswith(address)), f"{one.name} knows who receives {address}")
        exchange.while_ready = known
        done = exchange.run()
        for at, got in zip(row, done.got):
            assert sorted(one.id for one in got) == list(range(50)), f"{at.name}: {len(got)} of 50"
    for one in row:
        one.stop()
    return f"50 messages at each of {len(row)} routers, sent at each of them"


def large(options, folder, programs):
    """Large messages pass while they come, whole, settled and presettled."""
    row = line(options, folder, programs)
    text = bytes(range(256)) * (LARGE_OCTETS // 256)
    for number, (here, there) in enumerate(both_ways(row)):
        for presettled in (False, True):
            sent = [message(count, body=text) for count in range(5)]
            done = Exchange(f"closest.large.{number}.{presettled}", sent, here.address, [there.address], presettled).run()
            assert all(bytes(one.body) == text for one in done.got[0]), "as they were sent"
    for one in row:
        one.stop()
    return f"10 messages of {LARGE_OCTETS:,} octets each way"


def link_routes(options, folder, programs):
    """Links go to a broker behind the last router, from a client at the first one."""
    behind = routers.broker(options.router, folder)
    host, port = behind.address.rsplit(":", 1)
    routed = [connector(port, host, name="broker", role="route-container"), section("linkRoute", prefix="q", connection="broker", direction="in"),
              section("linkRoute", prefix="q", connection="broker", direction="out")]
    row = line(options, folder, programs, at={len(programs) - 1: routed})

    # A router that does not know of the route yet takes the client's link for itself.
    wait_for(lambda: routes_known(row[0], "q") == 2, "the first router knows both directions of the route")
    client = BlockingConnection(row[0].address, timeout=PATIENCE_S, allowed_mechs="ANONYMOUS")
    sender = client.create_sender("q.orders")
    for number in range(100):
        sender.send(message(number, durable=True))
    # One at a time: a blocking receiver that is given a credit gives it twice and takes half of it back after the first message, and
    # qdrouterd does not send what waited with it for credit that was taken back and given again.
    receiver = client.create_receiver("q.orders")
    got = []
    for _ in range(100):
        got.append(receiver.receive(timeout=PATIENCE_S).id)
        receiver.accept()
    assert got == list(range(100)), got
    client.close()
    done = Exchange("q.orders", [message(number, durable=True) for number in range(100)], row[0].address, [row[0].address]).run()
    assert [one.id for one in done.got[0]] == list(range(100)), done.got[0]
    for one in row:
        one.stop()
    behind.stop()
    return "100 messages to a broker's queue and back over link routes, then 100 while they are received"


def management(options, folder, programs):
    """Each router's management is reached through each other one."""
    row = line(options, folder, programs)
    for asked in row:
        for other in row:
            if asked is other:
                continue
            rows = query(asked.address, ROUTER, ["id", "mode"], f"_topo/0/{other.name}/$management")
            assert rows == [{"id": other.name, "mode": "interior"}], rows
    for one in row:
        one.stop()
    return f"{len(row) * (len(row) - 1)} questions through another router"


def lost(options, folder, programs):
    """The router between is killed and comes back: what is sent after that passes, in both directions."""
    row = line(options, folder, programs)
    for turn in range(3):
        row[1].kill()
        row[1].start()
        for one in row:
            wait_for(lambda: ways(one) == len(row), f"{one.name} knows the way to all")
        for number, (here, there) in enumerate(both_ways(row)):
            sent = [message(count) for count in range(100)]
            done = Exchange(f"closest.lost.{turn}.{number}", sent, here.address, [there.address]).run()
            assert sorted(one.id for one in done.got[0]) == list(range(100))
    for one in row:
        one.stop()
    return "killed and back three times, 200 messages after each"


def edges(options, folder, programs):
    """Edges of the one program at an interior router of the other."""
    interior, edge = programs[1], programs[0]
    ports = free_port()
    top = Router(options, folder, interior, "TOP", "interior", listener(ports, role="edge"), *DISTRIBUTIONS)
    below = [Router(options, folder, edge, f"E{number}", "edge", connector(ports, name="up", role="edge"), *DISTRIBUTIONS) for number in (1, 2)]
    for number, (here, there) in enumerate([(below[0], below[1]), (below[0], top), (top, below[1])]):
        sent = [message(count, WISHES[count % 4]) for count in range(40)]
        done = Exchange(f"closest.edges.{number}", sent, here.address, [there.address]).run()
        assert sorted(one.id for one in done.got[0]) == list(range(40))
    for one in [*below, top]:
        one.stop()
    return "edge to edge, edge to interior, interior to edge: 40 messages of four outcomes each"


SCENARIOS = [outcomes, multicast, large, link_routes, management, lost, edges]
ARRANGEMENTS = [("ours", "qdrouterd", "ours"), ("qdrouterd", "ours", "qdrouterd")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--router", required=True, help="the program")
    parser.add_argument("--qdrouterd", default=os.environ.get("QDROUTERD"), help="path of qdrouterd; by default what QDROUTERD says")
    parser.add_argument("--include", help="its Python modules, if they are not where it looks for them")
    parser.add_argument("--only", choices=[one.__name__ for one in SCENARIOS])
    options = parser.parse_args()
    wanted = [(scenario, programs) for scenario in SCENARIOS for programs in ARRANGEMENTS if options.only in (None, scenario.__name__)]
    if not options.qdrouterd:
        print("there is no qdrouterd: give its path by --qdrouterd or QDROUTERD")
        print(f"0 passed, 0 failed, {len(wanted)} skipped")
        return 0
    return run_all([(f"{one.__name__} ({', '.join(programs)})", functools.partial(one, options, programs=programs)) for one, programs in wanted])


if __name__ == "__main__":
    sys.exit(main())
