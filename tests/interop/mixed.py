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
import signal
import socket
import subprocess
import sys

import routers
from proton import Condition, Delivery, Message
from proton.handlers import MessagingHandler
from proton.reactor import AtLeastOnce, AtMostOnce, Container
from proton.utils import BlockingConnection
from routers import Program, connector, free_port, listener, query, run_all, section

PATIENCE_S = 30
LARGE_OCTETS = 3_000_000
ROUTER = "org.apache.qpid.dispatch.router"
NODE = "org.apache.qpid.dispatch.router.node"
ADDRESS = "org.apache.qpid.dispatch.router.address"
wait_for = functools.partial(routers.wait_for, patience_s=PATIENCE_S)


class Router(Program):
    """One router of either program, by a file that both read."""

    def __init__(self, options, folder, program, name, mode, *sections):
        self.name, self.program, self.port = name, program, free_port()
        self.address = f"127.0.0.1:{self.port}"
        path = folder / f"{name}.conf"
        path.write_text("".join([section("router", mode=mode, id=name), listener(self.port), *sections]))
        if program == "ours":
            command = [options.router, "run", "--router", path, "--http", "127.0.0.1:0"]
        else:
            command = [options.qdrouterd, "-c", path, *(["-I", options.include] if options.include else [])]
        super().__init__(command, folder / f"{name}.json")

    def start(self):
        self.log = open(self.ready.with_suffix(".log"), "a+")
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        wait_for(lambda: self.process.poll() is None and answers(self.port), f"{self.name} listens")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        # qdrouterd goes by the signal or with 0; ours stops in order.
        assert code in ((0,) if self.program == "ours" else (0, -signal.SIGTERM)), f"{self.name} ended with {code}"


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


DISTRIBUTIONS = [section("address", prefix=kind, distribution=kind) for kind in ("closest", "balanced", "multicast")]


def line(options, folder, programs, mode="interior", at=None):
    """Routers in a row, each of which connects to the one before. `mode` is what all but the first are; `at` gives one more sections."""
    row, ports = [], [free_port() for _ in programs]
    for number, program in enumerate(programs):
        before = [connector(ports[number - 1], name="before", role="inter-router" if mode == "interior" else "edge")] if number else []
        own = "interior" if not number else mode
        listens = [] if own == "edge" else [listener(ports[number], role="inter-router" if mode == "interior" else "edge")]
        row.append(Router(options, folder, program, f"R{number}", own, *listens, *before, *DISTRIBUTIONS, *(at or {}).get(number, [])))
    if mode == "interior":
        for one in row:
            wait_for(lambda: ways(one) == len(programs), f"{one.name} knows the way to {len(programs)} routers")
    return row


def ways(router):
    """How many routers it knows a way to, itself among them: qdrouterd lists a router before it has computed one."""
    rows = query(router.address, NODE, ["id", "nextHop", "routerLink"])
    return sum(row["id"] == router.name or row["nextHop"] is not None or row["routerLink"] is not None for row in rows)


class Exchange(MessagingHandler):
    """Sends `messages` at one router and receives at others; a message's body says what its receiver does with it."""

    def __init__(self, address, messages, sends_at, receives_at, presettled=False, ends=None):
        super().__init__(prefetch=100, auto_accept=False, auto_settle=False)
        self.address, self.messages, self.sends_at, self.receives_at, self.presettled = address, list(messages), sends_at, receives_at, presettled
        self.expected = ends or len(self.messages)
        self.ready, self.got, self.told, self.sent, self.failed = 0, [[] for _ in receives_at], 0, {}, []
        self.connections, self.sender = [], None

    def on_start(self, event):
        self.container = event.container
        self.deadline = event.container.schedule(PATIENCE_S, self)
        self.receivers = {}
        for number, one in enumerate(self.receives_at):
            self.connections.append(event.container.connect(one, allowed_mechs="ANONYMOUS", reconnect=False))
            self.receivers[event.container.create_receiver(self.connections[-1], self.address)] = number

    def on_link_opened(self, event):
        if event.link in self.receivers:
            self.ready += 1
            if self.ready == len(self.receivers):
                self.while_ready()
                self.connections.append(event.container.connect(self.sends_at, allowed_mechs="ANONYMOUS", reconnect=False))
                how = AtMostOnce() if self.presettled else AtLeastOnce()
                self.sender = event.container.create_sender(self.connections[-1], self.address, options=how)

    def while_ready(self):
        """What is waited for between the receivers' attaches and the sender's."""

    def on_sendable(self, event):
        while event.link == self.sender and self.sender.credit and self.messages:
            message = self.messages.pop(0)
            delivery = self.sender.send(message)
            if not self.presettled:
                self.sent[delivery.tag] = message

    def on_message(self, event):
        self.got[self.receivers[event.link]].append(event.message)
        delivery, wish = event.delivery, event.message.properties["wish"]
        if wish == "rejected":
            delivery.local.condition = Condition("x:no", "not wanted", {"why": "a test"})
            delivery.update(Delivery.REJECTED)
        elif wish == "modified":
            delivery.local.failed, delivery.local.undeliverable, delivery.local.annotations = True, True, {"x-opt-seen": "yes"}
            delivery.update(Delivery.MODIFIED)
        else:
            delivery.update({"accepted": Delivery.ACCEPTED, "released": Delivery.RELEASED}[wish])
        delivery.settle()
        self.look()

    def on_settled(self, event):
        if event.link == self.sender:
            self.told += 1
            self.outcome(self.sent.pop(event.delivery.tag).properties["wish"], event.delivery)
            self.look()

    def outcome(self, wish, delivery):
        said = {Delivery.ACCEPTED: "accepted", Delivery.REJECTED: "rejected", Delivery.RELEASED: "released", Delivery.MODIFIED: "modified"}
        if said.get(delivery.remote_state) != wish:
            self.failed.append(f"{wish}: told {delivery.remote_state}")
        if wish == "rejected":
            told = delivery.remote.condition
            if told is None or (told.name, told.description) != ("x:no", "not wanted"):
                self.failed.append(f"rejected: told {told}")
        if wish == "modified" and not (delivery.remote.failed and delivery.remote.undeliverable):
            self.failed.append(f"modified: {delivery.remote.failed} {delivery.remote.undeliverable} {delivery.remote.annotations}")

    def look(self):
        received = sum(len(one) for one in self.got)
        if received >= self.expected and not self.sent and not self.messages:
            self.finish()

    def on_link_error(self, event):
        self.failed.append(f"{event.link.name}: {event.link.remote_condition}")
        self.finish()

    on_transport_error = on_connection_error = lambda self, event: (self.failed.append(f"{event.transport and event.transport.condition}"), self.finish())

    def on_timer_task(self, event):
        self.failed.append(f"{self.told} told, {[len(one) for one in self.got]} received, {len(self.messages)} not sent, "
                           f"{self.ready} receivers, credit {self.sender and self.sender.credit}")
        self.finish()

    def finish(self):
        self.deadline.cancel()
        for connection in self.connections:
            connection.close()

    def run(self):
        Container(self).run()
        assert not self.failed, f"{self.address}: {self.failed[:3]}"
        return self


def message(number, wish="accepted", body=None, **more):
    return Message(id=number, subject=f"s{number}", body=body or f"text {number}", properties={"wish": wish, "number": number}, **more)


WISHES = ("accepted", "rejected", "released", "modified")


def both_ways(row):
    return [(row[0], row[-1]), (row[-1], row[0])]


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


def routes_known(router, prefix):
    """In how many directions it routes links of a prefix to somebody."""
    rows = query(router.address, ADDRESS, ["name", "remoteCount", "containerCount"])
    return sum(row["name"] in (f"C{prefix}", f"D{prefix}") and row["remoteCount"] + row["containerCount"] > 0 for row in rows)


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
