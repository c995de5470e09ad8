"""What scenarios of mixed networks (`mixed.py`) have in common: a router of either program, a row of them, clients, and an exchange of messages."""
import functools
import signal
import socket
import subprocess

import routers
from proton import Condition, Delivery, Message
from proton.handlers import MessagingHandler
from proton.reactor import AtLeastOnce, AtMostOnce, Container
from routers import Program, connector, free_port, listener, query, section

PATIENCE_S = 30
NODE = "org.apache.qpid.dispatch.router.node"
ADDRESS = "org.apache.qpid.dispatch.router.address"
LINK = "org.apache.qpid.dispatch.router.link"
CONNECTION = "org.apache.qpid.dispatch.connection"
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
        wait_for_ways(row)
    return row


def wait_for_ways(row):
    """Waits until each router knows the way to each other one, and for whose messages it is on that way: qdrouterd lists a router before it has
    computed one, and computes the one before the other."""
    names = [one.name for one in row]

    def knows(at):
        rows = {one["id"]: one for one in query(row[at].address, NODE, ["id", "nextHop", "routerLink", "validOrigins"])}
        if set(rows) != set(names):
            return False
        before, behind = names[:at], names[at + 1:]
        has_way = all(rows[name]["nextHop"] is not None or rows[name]["routerLink"] is not None for name in before + behind)
        return has_way and all(set(rows[name]["validOrigins"] or []) == set(others)
                               for there, others in ((before, behind), (behind, before)) for name in there)

    for at, name in enumerate(names):
        wait_for(lambda: knows(at), f"{name} knows the ways of {len(names)} routers")


def reaches(router, key):
    """Whether it knows who receives from an address, here, behind it or at another router; a link route is an address, too."""
    rows = query(router.address, ADDRESS, ["name", "subscriberCount", "remoteCount", "containerCount"])
    return any(row["name"] == key and row["subscriberCount"] + row["remoteCount"] + row["containerCount"] > 0 for row in rows)


def routes_known(router, prefix):
    """In how many directions it routes links of a prefix to somebody."""
    return sum(reaches(router, f"{direction}{prefix}") for direction in "CD")


class Client(MessagingHandler):
    """One that has a time to be done in."""

    def __init__(self, address, prefetch=0, auto_settle=True):
        super().__init__(prefetch=prefetch, auto_accept=False, auto_settle=auto_settle)
        self.address, self.failed, self.connections = address, [], []

    def connect(self, event, *to):
        self.container = event.container
        self.deadline = event.container.schedule(PATIENCE_S, self)
        for one in to:
            self.connect_to(one)

    def connect_to(self, address):
        connection = self.container.connect(address, allowed_mechs="ANONYMOUS", reconnect=False)
        self.connections.append(connection)
        return connection

    def state(self):
        """How far it has come."""
        return "not done in time"

    def on_timer_task(self, event):
        self.fail(self.state())

    def on_link_error(self, event):
        self.fail(f"{event.link.name}: {event.link.remote_condition}")

    def on_transport_error(self, event):
        self.fail(f"{event.transport and event.transport.condition}")

    on_connection_error = on_transport_error

    def fail(self, why):
        self.failed.append(why)
        self.finish()

    def finish(self):
        self.deadline.cancel()
        for connection in self.connections:
            connection.close()

    def run(self):
        Container(self).run()
        assert not self.failed, f"{self.address}: {self.failed[:3]}"
        return self


class Exchange(Client):
    """Sends `messages` at one router and receives at others; a message's body says what its receiver does with it."""

    def __init__(self, address, messages, sends_at, receives_at, presettled=False, ends=None):
        super().__init__(address, prefetch=100, auto_settle=False)
        self.messages, self.sends_at, self.receives_at, self.presettled = list(messages), sends_at, receives_at, presettled
        self.expected = ends or len(self.messages)
        self.ready, self.got, self.told, self.sent, self.sender = 0, [[] for _ in receives_at], 0, {}, None

    def on_start(self, event):
        self.connect(event, *self.receives_at)
        self.receivers = {event.container.create_receiver(one, self.address): number for number, one in enumerate(self.connections)}

    def on_link_opened(self, event):
        if event.link in self.receivers:
            self.ready += 1
            if self.ready == len(self.receivers):
                self.while_ready()
                how = AtMostOnce() if self.presettled else AtLeastOnce()
                self.sender = event.container.create_sender(self.connect_to(self.sends_at), self.address, options=how)

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

    def state(self):
        return (f"{self.told} told, {[len(one) for one in self.got]} received, {len(self.messages)} not sent, "
                f"{self.ready} receivers, credit {self.sender and self.sender.credit}")


def message(number, wish="accepted", body=None, **more):
    return Message(id=number, subject=f"s{number}", body=body or f"text {number}", properties={"wish": wish, "number": number}, **more)


WISHES = ("accepted", "rejected", "released", "modified")


def both_ways(row):
    return [(row[0], row[-1]), (row[-1], row[0])]
