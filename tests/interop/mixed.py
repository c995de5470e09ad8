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
from clients import Halfway, Leaves, Rests, Stuck, TakenInTransactions, Transactions
from networks import (
    ADDRESS, CONNECTION, DISTRIBUTIONS, LINK, NODE, PATIENCE_S, WISHES, Exchange, Router, both_ways, line, message, reaches, routes_known,
    wait_for, wait_for_ways)
from proton.utils import BlockingConnection
from routers import connector, free_port, listener, query, run_all, section

LARGE_OCTETS = 3_000_000
LARGE_TEXT = bytes(range(256)) * (LARGE_OCTETS // 256)
ROUTER = "org.apache.qpid.dispatch.router"


def client_of(router, **more):
    """A client that waits for each thing that it does."""
    return BlockingConnection(router.address, timeout=PATIENCE_S, allowed_mechs="ANONYMOUS", **more)


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
    for number, (here, there) in enumerate(both_ways(row)):
        for presettled in (False, True):
            sent = [message(count, body=LARGE_TEXT) for count in range(5)]
            done = Exchange(f"closest.large.{number}.{presettled}", sent, here.address, [there.address], presettled).run()
            assert all(bytes(one.body) == LARGE_TEXT for one in done.got[0]), "as they were sent"
    for one in row:
        one.stop()
    return f"10 messages of {LARGE_OCTETS:,} octets each way"


def broker_behind(options, folder):
    """A broker of ours, and the section by which a router connects to it."""
    behind = routers.broker(options.router, folder)
    host, port = behind.address.rsplit(":", 1)
    return behind, connector(port, host, name="broker", role="route-container")


def line_to_broker(options, folder, programs):
    """A row of routers, of which the last one has a route for links to a broker of ours behind it, and that broker."""
    behind, connects = broker_behind(options, folder)
    routed = [connects,
              *(section("linkRoute", prefix=prefix, connection="broker", direction=direction)
                for prefix, direction in (("q", "in"), ("q", "out"), ("$coordinator", "in")))]
    row = line(options, folder, programs, at={len(programs) - 1: routed})
    # A router that does not know of the route yet takes the client's link for itself.
    wait_for(lambda: routes_known(row[0], "q") == 2 and routes_known(row[0], "$coordinator") == 1, "the first router knows the routes")
    return row, behind


def link_routes(options, folder, programs):
    """Links go to a broker behind the last router, from a client at the first one."""
    row, behind = line_to_broker(options, folder, programs)
    client = client_of(row[0])
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


def left(options, folder, programs):
    """A large message of a broker's queue whose receiver goes in the middle of it, over link routes, is in the queue again, whole."""
    row, behind = line_to_broker(options, folder, programs)
    client = client_of(row[0])
    sender = client.create_sender("q.large")
    sender.send(message(0, body=LARGE_TEXT, durable=True))
    for _ in range(3):
        Leaves(row[0].address, "q.large").run()
    receiver = client.create_receiver("q.large")
    # The octets of a body are gone with their message.
    got = receiver.receive(timeout=PATIENCE_S)
    assert bytes(got.body) == LARGE_TEXT, "as it was sent"
    receiver.accept()
    client.close()
    for one in row:
        one.stop()
    behind.stop()
    return f"a message of {LARGE_OCTETS:,} octets that is left three times, and received"


def presettled(options, folder, programs):
    """Messages that nobody waits for an outcome of all come, with room for them, alone and among others."""
    row = line(options, folder, programs)
    for number, (here, there) in enumerate(both_ways(row)):
        for kind in ("closest", "balanced", "multicast"):
            sent = [message(count) for count in range(80)]
            done = Exchange(f"{kind}.presettled.{number}", sent, here.address, [there.address], presettled=True).run()
            assert sorted(one.id for one in done.got[0]) == list(range(80)), len(done.got[0])
    for one in row:
        one.stop()
    return "80 messages presettled, closest, balanced and multicast, both ways"


def waypoint(options, folder, programs):
    """A queue of a broker behind the last router is used at each of them, while nobody receives, too."""
    behind, connects = broker_behind(options, folder)
    everywhere = [section("address", prefix="orders", waypoint="yes")]
    joined = [connects, section("autoLink", address="orders", connection="broker", direction="in"),
              section("autoLink", address="orders", connection="broker", direction="out")]
    last = len(programs) - 1
    row = line(options, folder, programs, at={number: everywhere + (joined if number == last else []) for number in range(last + 1)})
    for here in row:
        wait_for(lambda: reaches(here, "M0orders"), f"{here.name} knows the way into the queue")
    for number, here in enumerate(row):
        client = client_of(here)
        sender = client.create_sender("orders")
        for count in range(20):
            sender.send(message(100 * number + count, durable=True))
        client.close()
    expected = {100 * number + count for number in range(len(row)) for count in range(20)}
    for number, here in enumerate(row):
        client = client_of(here)
        receiver = client.create_receiver("orders")
        # What is given back comes again, to this one or the next.
        receiver.receive(timeout=PATIENCE_S)
        receiver.release(delivered=False)
        for _ in range(20 if here is not row[-1] else len(expected)):
            expected.remove(receiver.receive(timeout=PATIENCE_S).id)
            receiver.accept()
        client.close()
    assert not expected, expected
    for here, there in both_ways(row):
        done = Exchange("orders", [message(count, durable=True) for count in range(100)], here.address, [there.address]).run()
        assert sorted(one.id for one in done.got[0]) == list(range(100))
    for one in row:
        one.stop()
    behind.stop()
    return f"20 messages at each of {len(row)} routers into a queue and out of it, then 100 each way through it"


def transactions(options, folder, programs):
    """Transactions are a broker's behind the last router, for clients at the first one: what is committed is done, and nothing else."""
    row, behind = line_to_broker(options, folder, programs)
    Transactions(row[0].address, "q.paid", [("commit", range(10)), ("abort", range(10, 20)), ("commit", range(20, 30))]).run()
    wanted = [*range(10), *range(20, 30)]
    taken = TakenInTransactions(row[0].address, "q.paid", len(wanted)).run()
    assert taken.got == wanted * 2, taken.got
    for one in row:
        one.stop()
    behind.stop()
    return "30 messages in three transactions, of which 20 are committed, received in one that is aborted and in one that is not"


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


def told(options, folder, programs):
    """What each router tells of itself is told alike through each other one: routers, addresses, links and connections."""
    row = line(options, folder, programs)
    client = client_of(row[-1], container_id="a-client")
    client.create_receiver("closest.told")
    for here in row[:-1]:
        wait_for(lambda: reaches(here, "M0closest.told"), f"{here.name} knows who receives")
    for other in row:
        for asked in row:
            node = "$management" if asked is other else f"_topo/0/{other.name}/$management"
            names = {one["id"] for one in query(asked.address, NODE, ["id", "nextHop", "cost", "validOrigins"], node)}
            assert names == {one.name for one in row}, f"{asked.name} on {other.name}: {names}"
            (address,) = [one for one in query(asked.address, ADDRESS, ["name", "subscriberCount", "remoteCount", "distribution"], node)
                          if one["name"] == "M0closest.told"]
            counts = (1, 0) if other is row[-1] else (0, 1)
            assert (address["subscriberCount"], address["remoteCount"]) == counts and address["distribution"] == "closest", address
            connections = query(asked.address, CONNECTION, ["container", "role", "dir", "identity"], node)
            neighbours = {one["container"] for one in connections if one["role"] == "inter-router"}
            assert neighbours == {row[at].name for at in (row.index(other) - 1, row.index(other) + 1) if 0 <= at < len(row)}, neighbours
            links = query(asked.address, LINK, ["linkType", "linkDir", "owningAddr", "connectionId", "identity"], node)
            for kind in ("router-control", "inter-router"):
                over = {one["connectionId"] for one in links if one["linkType"] == kind}
                assert over == {one["identity"] for one in connections if one["role"] == "inter-router"}, f"{kind}: {over}"
            ends = [one for one in links if one["owningAddr"] == "M0closest.told"]
            assert [(one["linkType"], one["linkDir"]) for one in ends] == ([("endpoint", "out")] if other is row[-1] else []), ends
    client.close()
    for one in row:
        one.stop()
    return f"routers, addresses, links and connections of {len(row)} routers, asked at each of them"


def apart(options, folder, programs):
    """A large message that is half-way holds up neither small messages nor other large ones."""
    row = line(options, folder, programs)
    for number, (here, there) in enumerate(both_ways(row)):
        others = [Exchange(f"closest.{kind}.{number}", [message(count, body=body) for count in range(count)], here.address, [there.address])
                  for kind, count, body in (("small", 100, None), ("large", 3, LARGE_TEXT))]
        Rests(f"closest.rests.{number}", here.address, there.address, LARGE_OCTETS, others).run()
        for done in others:
            assert [one.id for one in done.got[0]] == list(range(len(done.got[0]))), done.address
    for one in row:
        one.stop()
    return "100 small messages and 3 large ones past one that is half-way, both ways"


def priorities(options, folder, programs):
    """A receiver that settles nothing holds up its own messages and nobody else's; those of each priority come, with it."""
    row = line(options, folder, programs)
    for number, (here, there) in enumerate(both_ways(row)):
        passing = Exchange(f"closest.passing.{number}", [message(count, priority=count % 10) for count in range(200)], here.address, [there.address])
        stuck = Stuck(f"closest.stuck.{number}", [message(count, priority=1) for count in range(400)], here.address, [there.address],
                      meanwhile=passing)
        stuck.run()
        for done, count in ((stuck, 400), (passing, 200)):
            assert sorted(one.id for one in done.got[0]) == list(range(count)), f"{done.address}: {len(done.got[0])} of {count}"
        assert all(one.priority == one.id % 10 for one in passing.got[0])
    for one in row:
        one.stop()
    return "200 messages of ten priorities past 400 that nobody settles, both ways"


def halfway(options, folder, programs):
    """A large message whose receiver goes, or whose sender gives it up, in the middle of it: both are told, and the next one comes whole."""
    row = line(options, folder, programs)
    for number, (here, there) in enumerate(both_ways(row)):
        for who in ("receiver", "sender"):
            half = Halfway(f"closest.halfway.{who}.{number}", who, here.address, there.address, LARGE_OCTETS)
            half.run()
            done = Exchange(half.address, [message(count, body=LARGE_TEXT) for count in range(3)], here.address, [there.address]).run()
            assert all(bytes(one.body) == LARGE_TEXT for one in done.got[0]), "as they were sent"
    for one in row:
        one.stop()
    return "receivers and senders that leave large messages in the middle, both ways"


def lost(options, folder, programs):
    """The router between is killed and comes back: what is sent after that passes, in both directions."""
    row = line(options, folder, programs)
    for turn in range(3):
        row[1].kill()
        row[1].start()
        wait_for_ways(row)
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


SCENARIOS = [outcomes, multicast, presettled, large, halfway, apart, priorities, link_routes, left, transactions, waypoint, management, told, lost, edges]
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
