#!/usr/bin/env python3
"""Routers with clients that others wrote (Qpid Proton): many clients and one connection to a broker, and a network of four that loses one.

    tests/interop/routers.py --router target/release/heddle
    ... --broker 127.0.0.1:5673      the broker behind the router is one that runs there, which makes queues on demand
    ... --only concentrate --clients 500

Routers are started by files as qdrouterd has them. Without `--broker` a broker of the same program stands there. Each scenario prints a line
and counts as passed or failed; without Proton, which `install.sh` installs, they count as skipped, unless HEDDLE_REQUIRE_ALL=1 is set.
"""
import argparse
import functools
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import traceback

PYTHON = pathlib.Path(__file__).resolve().parent / ".work/python/bin/python"
if PYTHON.exists() and pathlib.Path(sys.prefix) != PYTHON.parent.parent:
    os.execv(PYTHON, [str(PYTHON), *sys.argv])
try:
    import proton  # noqa: F401
except ImportError:
    required = os.environ.get("HEDDLE_REQUIRE_ALL") == "1"
    print("there is no Qpid Proton for this Python: tests/interop/install.sh installs it")
    print(f"0 passed, {2 if required else 0} failed, {0 if required else 2} skipped")
    sys.exit(1 if required else 0)

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container
from proton.utils import BlockingConnection

PATIENCE_S = 60
MESSAGES = 10
STREAM = 6000


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


class Program:
    """The real binary, with a file and an address."""

    started = []

    def __init__(self, command, ready):
        self.command, self.ready = command, ready
        Program.started.append(self)
        self.start()

    def start(self):
        self.ready.unlink(missing_ok=True)
        self.log = open(self.ready.with_suffix(".log"), "a+")
        self.process = subprocess.Popen([*self.command, "--http", "127.0.0.1:0", "--ready-file", self.ready], stderr=self.log)
        deadline = time.monotonic() + 20
        while not self.ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.log.seek(0)
                raise RuntimeError("the program did not start:\n" + self.log.read())
            time.sleep(0.02)
        self.address = json.loads(self.ready.read_text())["listeners"][0]["address"]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=30) == 0, "it stops in order"


def section(kind, **attributes):
    """A section as qdrouterd's files have it."""
    return f"{kind} {{\n" + "".join(f"    {key}: {value}\n" for key, value in attributes.items()) + "}\n"


def listener(port, **more):
    return section("listener", host="127.0.0.1", port=port, authenticatePeer="no", saslMechanisms="ANONYMOUS", **more)


def connector(port, host="127.0.0.1", **more):
    return section("connector", host=host, port=port, saslMechanisms="ANONYMOUS", **more)


def router(program, folder, name, *sections):
    path = folder / f"{name}.conf"
    path.write_text("".join(sections))
    return Program([program, "run", "--router", path], folder / f"{name}.json")


def broker(program, folder):
    path = folder / "broker.toml"
    path.write_text(f'[node]\ndata_dir = "{folder}/data"\n[[listeners]]\naddress = "127.0.0.1:0"\n')
    return Program([program, "run", "--config", path], folder / "broker.json")


def wait_for(holds, what, patience_s=PATIENCE_S):
    """Waits until `holds()` is true."""
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.1)


def query(address, kind, attributes, node="$management"):
    """What a router's management tells, as its tools ask; with `node` that of another one."""
    connection = BlockingConnection(address, timeout=10, allowed_mechs="ANONYMOUS")
    try:
        answers = connection.create_receiver(None, dynamic=True)
        asks = connection.create_sender(node)
        asks.send(Message(reply_to=answers.link.remote_source.address, correlation_id=1, body={"attributeNames": attributes},
                          properties={"operation": "QUERY", "type": "org.amqp.management", "entityType": kind, "name": "self"}))
        answer = answers.receive(timeout=10)
        assert answer.properties["statusCode"] == 200, answer.properties
        return [dict(zip(answer.body["attributeNames"], row)) for row in answer.body["results"]]
    finally:
        connection.close()


class Many(MessagingHandler):
    """Clients, half of which send some messages each, and half of which receive."""

    def __init__(self, router, address, clients):
        super().__init__(prefetch=10, auto_accept=True)
        self.router, self.address, self.clients = router, address, clients
        self.to_send = clients // 2 * MESSAGES
        self.unsent, self.accepted, self.got, self.failed = {}, 0, [], []

    def on_start(self, event):
        self.deadline = event.container.schedule(PATIENCE_S, self)
        self.connections = [event.container.connect(self.router, allowed_mechs="ANONYMOUS") for _ in range(self.clients)]
        for number, connection in enumerate(self.connections):
            if number % 2:
                sender = event.container.create_sender(connection, self.address)
                self.unsent[sender] = [f"{number}.{count}" for count in range(MESSAGES)]
            else:
                event.container.create_receiver(connection, self.address)

    def on_sendable(self, event):
        unsent = self.unsent.get(event.sender, [])
        while event.sender.credit and unsent:
            event.sender.send(Message(body=unsent.pop(), durable=True))

    def on_accepted(self, event):
        self.accepted += 1
        self.end(event)

    def on_message(self, event):
        self.got.append(event.message.body)
        self.end(event)

    def on_rejected(self, event):
        self.failed.append("a message was rejected")
        self.finish(event)

    on_released = on_modified = on_rejected

    def on_link_error(self, event):
        self.failed.append(f"{event.link.remote_condition}")
        self.finish(event)

    def on_timer_task(self, event):
        self.failed.append(f"{self.accepted} accepted and {len(self.got)} received of {self.to_send}")
        self.finish(event)

    def end(self, event):
        if self.accepted == self.to_send and len(self.got) >= self.to_send:
            self.while_open()
            self.finish(event)

    def finish(self, event):
        self.deadline.cancel()
        for connection in self.connections:
            connection.close()


def concentrate(program, folder, options):
    """Many clients share one connection to a broker, whose queue they use as if it were the router's."""
    behind = None if options.broker else broker(program, folder)
    # What an earlier run may have left at a broker that stays is not received.
    address = f"orders-{time.time_ns()}"
    host, port = (options.broker or behind.address).rsplit(":", 1)
    front = router(
        program, folder, "router1", section("router", mode="standalone", id="router1"), listener(free_port()),
        connector(port, host, name="broker", role="route-container"), section("address", prefix=address, waypoint="yes"),
        section("autoLink", address=address, connection="broker", direction="in"),
        section("autoLink", address=address, connection="broker", direction="out"))
    many = Many(front.address, address, options.clients)
    counted = []

    def look():
        rows = query(front.address, "org.apache.qpid.dispatch.connection", ["role", "dir", "container"])
        counted.append((sum(row["role"] == "route-container" for row in rows), sum(row["role"] == "normal" for row in rows)))

    many.while_open = look
    Container(many).run()
    assert not many.failed, many.failed[:3]
    assert sorted(many.got) == sorted(set(many.got)) and len(many.got) == many.to_send, "each message once"
    (containers, clients), = counted
    assert containers == 1, f"{containers} connections to the broker"
    assert clients >= options.clients, clients
    front.stop()
    if behind:
        behind.stop()
    return f"{clients - 1} clients, 1 connection to the broker, {len(many.got)} messages each once"


class Stream(MessagingHandler):
    """Sends numbers at one router until all are accepted, and receives them at another; a third one is lost meanwhile, and comes back."""

    def __init__(self, sends_at, receives_at, lost):
        super().__init__(prefetch=50, auto_accept=True)
        self.sends_at, self.receives_at, self.lost = sends_at, receives_at, lost
        self.left, self.under_way = list(range(STREAM)), {}
        self.accepted, self.got, self.again, self.failed = set(), [], 0, []

    def on_start(self, event):
        self.deadline = event.container.schedule(PATIENCE_S, self)
        self.one = event.container.connect(self.sends_at, allowed_mechs="ANONYMOUS")
        self.other = event.container.connect(self.receives_at, allowed_mechs="ANONYMOUS")
        self.sender = event.container.create_sender(self.one, "near.orders")
        event.container.create_receiver(self.other, "near.orders")

    def on_sendable(self, event):
        while self.sender.credit and self.left:
            number = self.left.pop(0)
            self.under_way[self.sender.send(Message(body=number)).tag] = number

    def on_accepted(self, event):
        self.accepted.add(self.under_way.pop(event.delivery.tag))
        if len(self.accepted) == STREAM // 3 and self.lost.process.poll() is None:
            self.lost.kill()
        if len(self.accepted) == STREAM * 2 // 3:
            self.lost.start()
        if len(self.accepted) == STREAM:
            self.finish()

    def on_released(self, event):
        self.again += 1
        self.left.append(self.under_way.pop(event.delivery.tag))
        self.on_sendable(event)

    on_modified = on_released

    def on_rejected(self, event):
        self.failed.append("a message was rejected")
        self.finish()

    def on_message(self, event):
        self.got.append(event.message.body)

    def on_timer_task(self, event):
        self.failed.append(f"{len(self.accepted)} accepted and {len(set(self.got))} received of {STREAM}")
        self.finish()

    def finish(self):
        self.deadline.cancel()
        self.one.close()
        self.other.close()


def wait_for_way(address):
    """Waits until router1 knows all routers, and that the cheapest way to the last one is over router2."""
    def holds():
        rows = query(address, "org.apache.qpid.dispatch.router.node", ["id", "nextHop"])
        ways = {row["id"]: row["nextHop"] for row in rows}
        return len(ways) == 4 and ways["router4"] == "router2"

    wait_for(holds, "four routers, and the way to router4 over router2")


def network(program, folder, options):
    """Four routers, of which one on the cheapest way is lost and comes back: what was accepted was received."""
    ports = {name: free_port() for name in ("router1", "router2", "router3", "router4")}
    ways = {"router1": [], "router2": [("router1", 1)], "router3": [("router1", 5)], "router4": [("router2", 1), ("router3", 5)]}
    routers = {}
    for name, to in ways.items():
        connectors = [connector(ports[other], role="inter-router", cost=cost) for other, cost in to]
        routers[name] = router(
            program, folder, name, section("router", mode="interior", id=name), listener(free_port()),
            listener(ports[name], role="inter-router"), section("address", prefix="near", distribution="closest"), *connectors)
    wait_for_way(routers["router1"].address)
    stream = Stream(routers["router1"].address, routers["router4"].address, routers["router2"])
    Container(stream).run()
    assert not stream.failed, stream.failed[:3]
    assert set(stream.got) == set(range(STREAM)), f"{STREAM - len(set(stream.got))} were accepted and not received"
    wait_for_way(routers["router1"].address)
    for one in routers.values():
        one.stop()
    return f"{STREAM} messages over a router that was killed and came back: {stream.again} sent again, {len(stream.got) - STREAM} received twice"


SCENARIOS = [concentrate, network]


def run_all(runs):
    """Runs scenarios, each a name and what takes its folder and gives what it saw; says how they went, and gives the exit code."""
    passed = failed = 0
    for name, scenario in runs:
        with tempfile.TemporaryDirectory() as folder:
            try:
                print(f"{name}: {scenario(pathlib.Path(folder))}", flush=True)
                passed += 1
            except Exception:
                failed += 1
                print(f"{name} FAILED\n{traceback.format_exc()}", flush=True)
                for log in pathlib.Path(folder).glob("*.log"):
                    print(log.name, *log.read_text().splitlines()[-5:], sep="\n  ")
            finally:
                for one in Program.started:
                    one.kill()
                Program.started.clear()
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--router", required=True, help="the program")
    parser.add_argument("--broker", help="host and port of a broker to put the router in front of")
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--only", choices=[one.__name__ for one in SCENARIOS])
    options = parser.parse_args()
    wanted = [scenario for scenario in SCENARIOS if options.only in (None, scenario.__name__)]
    return run_all([(one.__name__, functools.partial(one, options.router, options=options)) for one in wanted])


if __name__ == "__main__":
    sys.exit(main())
