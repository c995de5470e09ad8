#!/usr/bin/env python3
"""Hostile and broken peers against the real binary.

    tests/hostile/run.py --broker target/release/heddle
    tests/hostile/run.py --broker target/release/heddle --router

Each case names what the peer does and what it gets: an AMQP condition at its scope, the end of the connection, or
nothing at all, within a second (or the handshake deadline, which the test sets to one second). After each case eight
well-behaved connections are served, the broker's memory has not grown beyond its bound, and no core spins.

With --router some of the peers are neighbour routers at a listener for those; an honest neighbour is connected all the while and
keeps its connection.
"""
import argparse
import atexit
import json
import os
import pathlib
import random
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

MEMORY_GROWTH_MAX = 64 << 20
CPU_IDLE_MAX = 0.2


def u(value):
    return b"\x43" if value == 0 else b"\x70" + struct.pack(">I", value)


def string(text):
    data = text.encode()
    return b"\xa1" + bytes([len(data)]) + data if len(data) < 256 else b"\xb1" + struct.pack(">I", len(data)) + data


def listing(*fields):
    body = b"".join(fields)
    return b"\xd0" + struct.pack(">II", len(body) + 4, len(fields)) + body


def described(code, *fields):
    return b"\x00\x53" + bytes([code]) + listing(*fields)


def frame(body, channel=0, kind=0, doff=2, size=None):
    size = len(body) + 8 if size is None else size
    return struct.pack(">IBBH", size & 0xFFFFFFFF, doff, kind, channel) + body


NULL, TRUE, FALSE = b"\x40", b"\x41", b"\x42"
AMQP = b"AMQP\x00\x01\x00\x00"
SASL = b"AMQP\x03\x01\x00\x00"
OPEN = frame(described(0x10, string("hostile")))
BEGIN = frame(described(0x11, NULL, u(0), u(2048), u(2048)))
SESSION = AMQP + OPEN + BEGIN


def attach(name="s", handle=0, receiver=False, address="hostile", extra=()):
    source = described(0x28, string(address)) if receiver else described(0x28)
    target = described(0x29) if receiver else described(0x29, string(address))
    tail = (NULL, NULL) + ((NULL,) if receiver else (u(0),)) + tuple(extra)
    return frame(described(0x12, string(name), u(handle), TRUE if receiver else FALSE, NULL, NULL, source, target, *tail))


def flow(credit, handle=0, count=0, drain=False):
    tail = (NULL, TRUE) if drain else ()
    return frame(described(0x13, u(0), u(2048), u(0), u(2048), u(handle), u(count), u(credit), *tail))


def transfer(payload, number=0, handle=0, more=FALSE, settled=FALSE, tag=b"t", fields=()):
    tag = b"\xa0" + bytes([len(tag)]) + tag
    return frame(described(0x14, u(handle), u(number), tag, u(0), settled, more, *fields) + payload)


LINK = SESSION + attach()
COORDINATOR = SESSION + frame(described(0x12, string("x"), u(0), FALSE, NULL, NULL, NULL, described(0x30), NULL, NULL, u(0)))
DATA = b"\x00\x53\x75\xa0\x01x"
DEEP = b"\x00\x53\x10" + b"".join(b"\xd0" + struct.pack(">II", 9 * (400 - n) + 4, 1) for n in range(400))
DESCRIPTORS = b"\x00" * 4000

# Name, bytes, what comes back: a condition, "close" for the end of the connection, or "served" for a working peer.
CASES = [
    ("random bytes", bytes(random.Random(1).randbytes(4096)), "close"),
    ("an HTTP request", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "close"),
    ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), "close"),
    ("an AMQP 0-9-1 header", b"AMQP\x00\x00\x09\x01", "close"),
    ("an AMQP 1.1 header", b"AMQP\x00\x01\x01\x00", "close"),
    ("a TLS header where there is no TLS", b"AMQP\x02\x01\x00\x00", "close"),
    ("an unknown protocol id", b"AMQP\x09\x01\x00\x00", "close"),
    ("half a header, then nothing", b"AMQP", "close"),
    ("a header, then nothing", AMQP, "amqp:resource-limit-exceeded"),
    ("SASL, then nothing", SASL, "close"),
    ("SASL, then AMQP frames", SASL + OPEN, "close"),
    ("an unknown mechanism", SASL + frame(described(0x41, b"\xa3\x04NONE"), kind=1), "close"),
    ("PLAIN without a password", SASL + frame(described(0x41, b"\xa3\x05PLAIN", b"\xa0\x01x"), kind=1), "close"),
    ("a SASL frame of 4 GiB", SASL + frame(b"", kind=1, size=0xFFFFFFFF), "close"),
    ("an empty SASL frame", SASL + frame(b"", kind=1), "close"),
    ("frame size 0", AMQP + frame(b"", size=0), "amqp:connection:framing-error"),
    ("frame size 7", AMQP + frame(b"", size=7), "amqp:connection:framing-error"),
    ("frame size 2^32-1", AMQP + frame(b"", size=0xFFFFFFFF), "amqp:connection:framing-error"),
    ("frame size 2^32-1 after open", SESSION + frame(b"", size=0xFFFFFFFF), "amqp:connection:framing-error"),
    ("data offset 0", SESSION + frame(b"", doff=0), "amqp:connection:framing-error"),
    ("data offset 1", SESSION + frame(b"", doff=1), "amqp:connection:framing-error"),
    ("data offset 255", SESSION + frame(b"", doff=255), "amqp:connection:framing-error"),
    ("frame type 255", SESSION + frame(b"", kind=255), "amqp:connection:framing-error"),
    ("a SASL frame after open", SESSION + frame(b"", kind=1), "amqp:connection:framing-error"),
    ("no open first", AMQP + BEGIN, "amqp:not-allowed"),
    ("open on channel 1", AMQP + frame(described(0x10, string("x")), channel=1), "amqp:connection:framing-error"),
    ("a second open on channel 1", SESSION + frame(described(0x10, string("x")), channel=1), "amqp:connection:framing-error"),
    ("open twice", AMQP + OPEN + OPEN, "amqp:not-allowed"),
    ("open without container-id", AMQP + frame(described(0x10)), "amqp:invalid-field"),
    ("open with max-frame-size 0", AMQP + frame(described(0x10, string("x"), NULL, u(0))), "amqp:invalid-field"),
    ("open with an idle-time-out of 1 ms", AMQP + frame(described(0x10, string("x"), NULL, NULL, NULL, u(1))), "amqp:invalid-field"),
    ("open with a list larger than its frame", AMQP + frame(b"\x00\x53\x10\xd0\xff\xff\xff\xff\x00\x00\x00\x01\x40"), "amqp:decode-error"),
    ("open with a string of 4 GiB", AMQP + frame(described(0x10, b"\xb1\xff\xff\xff\xff")), "amqp:decode-error"),
    ("open nested 400 deep", AMQP + frame(DEEP), "amqp:decode-error"),
    ("4000 nested descriptors", AMQP + frame(DESCRIPTORS), "amqp:decode-error"),
    ("an array of 4 billion nothings", AMQP + frame(described(0x10, string("x"), *[NULL] * 6, b"\xf0\x00\x00\x00\x05\xff\xff\xff\xff\x40")), "amqp:decode-error"),
    ("a list of 4 billion nothings", AMQP + frame(b"\x00\x53\x10\xd0\x00\x00\x00\x04\xff\xff\xff\xff"), "amqp:decode-error"),
    ("a string that is no UTF-8", AMQP + frame(described(0x10, b"\xa1\x02\xff\xfe")), "amqp:decode-error"),
    ("an unknown performative", SESSION + frame(described(0x99)), "amqp:decode-error"),
    ("an unknown constructor", SESSION + frame(b"\x00\x53\x11\x99"), "amqp:decode-error"),
    ("begin on channel 65535", AMQP + OPEN + frame(described(0x11, NULL, u(0), u(1), u(1)), channel=65535), "amqp:connection:framing-error"),
    ("close on channel 65535", SESSION + frame(described(0x18), channel=65535), "amqp:connection:framing-error"),
    ("begin twice on a channel", SESSION + BEGIN, "amqp:not-allowed"),
    ("a frame without a session", AMQP + OPEN + attach(), "amqp:not-allowed"),
    ("attach to handle 2^32-1", SESSION + attach(handle=0xFFFFFFFF), "amqp:connection:framing-error"),
    ("attach a handle twice", LINK + attach("other"), "amqp:session:handle-in-use"),
    ("attach without delivery-count", SESSION + frame(described(0x12, string("x"), u(0), FALSE)), "amqp:invalid-field"),
    ("attach without a target", SESSION + frame(described(0x12, string("x"), u(0), FALSE, NULL, NULL, NULL, NULL, NULL, NULL, u(0))), "amqp:invalid-field"),
    ("data to a coordinator", COORDINATOR + transfer(DATA), "amqp:not-implemented"),
    ("a discharge of nothing", COORDINATOR + transfer(b"\x00\x53\x77" + described(0x32)), "amqp:decode-error"),
    ("a discharge of what never was", COORDINATOR + transfer(b"\x00\x53\x77" + described(0x32, b"\xa0\x01x")), "amqp:transaction:unknown-id"),
    ("100 transactions that never end", COORDINATOR + b"".join(transfer(b"\x00\x53\x77" + described(0x31), n) for n in range(100)), "served"),
    ("attach to an address of 3000 bytes", SESSION + attach(address="a" * 3000), "amqp:invalid-field"),
    ("transfer on handle 2^32-1", SESSION + transfer(DATA, handle=0xFFFFFFFF), "amqp:connection:framing-error"),
    ("flow on handle 2^32-1", SESSION + flow(1, handle=0xFFFFFFFF), "amqp:connection:framing-error"),
    ("detach of handle 2^32-1", SESSION + frame(described(0x16, u(0xFFFFFFFF), TRUE)), "amqp:connection:framing-error"),
    ("transfer on an unknown handle", SESSION + transfer(DATA, handle=9), "amqp:session:unattached-handle"),
    ("flow on an unknown handle", SESSION + flow(1, handle=9), "amqp:session:unattached-handle"),
    ("a transfer to a receiver of ours", SESSION + attach(receiver=True) + transfer(DATA), "amqp:session:errant-link"),
    ("a transfer without credit", SESSION + attach() + b"".join(transfer(DATA, n) for n in range(4000)), "amqp:session:window-violation|amqp:link:transfer-limit-exceeded"),
    ("a disposition over 4 billion ids", LINK + frame(described(0x15, TRUE, u(0), u(0xFFFFFFFF), TRUE, b"\x00\x53\x24\x45")) * 1000, "served"),
    ("half an attach", SESSION + attach()[:20], "served"),
    ("200,000 empty frames", SESSION + frame(b"") * 200_000, "served"),
    ("a detach of nothing", SESSION + frame(described(0x16, u(5), TRUE)), "served"),
    ("an end of nothing", AMQP + OPEN + frame(described(0x17)), "amqp:not-allowed"),
]

# Steps for a peer whose link has credit: what it then sends, and what comes back.
WITH_CREDIT = [
    ("a message of random bytes", transfer(b"\xde\xad\xbe\xef" * 10), "amqp:decode-error"),
    ("sections out of order", transfer(DATA + b"\x00\x53\x70\x45"), "amqp:decode-error"),
    ("a section larger than the message", transfer(b"\x00\x53\x75\xb0\xff\xff\xff\xffx"), "amqp:decode-error"),
    ("an unknown section", transfer(b"\x00\x53\x7f\x40"), "amqp:decode-error"),
    ("a transfer without a tag", frame(described(0x14, u(0), u(0)) + DATA), "amqp:invalid-field"),
    ("a transfer without a delivery-id", frame(described(0x14, u(0)) + DATA), "amqp:invalid-field"),
    ("a tag of 33 bytes", transfer(DATA, tag=b"t" * 33), "amqp:invalid-field"),
    ("deliveries that interleave", transfer(DATA, 0, more=TRUE) + transfer(DATA, 1), "amqp:invalid-field"),
    ("a delivery that never ends", transfer(b"\x00\x53\x75\xb0\x7f\xff\xff\xff", more=TRUE) + transfer(b"x" * 60_000, more=TRUE) * 400, "amqp:link:message-size-exceeded"),
    ("more frames than the window", transfer(b"x", more=TRUE) * 30_000, "served"),
    ("an aborted delivery", transfer(DATA, more=TRUE) + frame(described(0x14, u(0), *[NULL] * 8, TRUE)), "served"),
]


class Broker:
    def __init__(self, program, settings="", name="victim"):
        self.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(self.folder.name)
        self.log = folder / "log"
        users = folder / "users"
        subprocess.run([program, "user", "add", "guest", "--file", users], input=b"x\n", check=True, stdout=subprocess.DEVNULL)
        (folder / "heddle.toml").write_text(f"""
[node]
container_id = "{name}"
shards = 2
data_dir = "{folder}/data"
[users]
file = "{users}"
[http]
address = "127.0.0.1:0"
[log]
level = "warn"
[[listeners]]
address = "127.0.0.1:0"
mechanisms = ["ANONYMOUS", "PLAIN"]
handshake_timeout_ms = 1000
max_message_size = 1000000
{settings}""")
        ready = folder / "ready.json"
        log = None if name == "victim" else open(self.log, "wb")
        self.process = subprocess.Popen([program, "run", "--config", folder / "heddle.toml", "--ready-file", ready], stderr=log, stdout=log)
        # However this ends; what has ended by itself is left alone.
        atexit.register(self.process.kill)
        deadline = time.monotonic() + 20
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit("the broker did not start")
            time.sleep(0.02)
        told = json.loads(ready.read_text())
        self.addresses = [listener["address"].rsplit(":", 1) for listener in told["listeners"]]

    def connect(self, listener=0):
        host, port = self.addresses[listener]
        peer = socket.create_connection((host, int(port)), timeout=4)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return peer

    def memory(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
        return 0

    def cpu(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read(peer, until, seconds):
    """Reads until one of `until` came, the connection ended, or time is up."""
    got = b""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        peer.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            data = peer.recv(1 << 16)
        except socket.timeout:
            break
        except OSError:
            return got, True
        if not data:
            return got, True
        got += data
        if any(part in got for part in until):
            return got, False
    return got, False


def provoke(broker, name, data, want, prelude=None):
    """Gives what is wrong, or None."""
    peer = broker.connect()
    try:
        if prelude:
            peer.sendall(prelude)
            # Its flow frame gives credit.
            got, _ = read(peer, [b"\x00\x53\x13"], 2)
            if b"\x00\x53\x13" not in got:
                return "there was no credit"
        try:
            peer.sendall(data)
        except OSError:
            pass
        conditions = [] if want in ("close", "served") else [part.encode() for part in want.split("|")]
        if want == "served":
            got, ended = read(peer, [b"\x00\x53\x18"], 0.3)
            return "the connection ended: " + repr(got[-200:]) if ended or b"\x00\x53\x18" in got else None
        start = time.monotonic()
        got, ended = read(peer, conditions or [b"\0no such bytes\0"], 2.5)
        if conditions:
            return None if any(condition in got for condition in conditions) else f"{want} did not come: {got[-120:]!r}"
        return None if ended else f"the connection did not end within {time.monotonic() - start:.1f} s"
    finally:
        peer.close()


def well_behaved(broker):
    """One connection that sends a message and takes it back."""
    address = f"good.{random.random()}"
    peer = broker.connect()
    peer.sendall(SESSION + attach(address=address) + attach("r", 1, True, address) + flow(1, handle=1))
    got, _ = read(peer, [b"\x00\x53\x13"], 2)
    peer.sendall(transfer(DATA))
    more, _ = read(peer, [DATA], 2)
    peer.close()
    return DATA in got + more


def crowd(broker, name, count, make):
    """Many at once; the eight must be served while they are there."""
    peers = []
    for number in range(count):
        peer = broker.connect()
        peer.sendall(make(number))
        peers.append(peer)
    served = all(well_behaved(broker) for _ in range(8))
    for peer in peers:
        peer.close()
    return None if served else "a well-behaved connection was not served meanwhile"


def churn(broker, what):
    """Ten thousand of something, one after the other on one connection."""
    peer = broker.connect()
    peer.sendall(SESSION if what != "sessions" else AMQP + OPEN)
    for number in range(0, 10_000, 50):
        block = b""
        for index in range(50):
            if what == "sessions":
                block += BEGIN + frame(described(0x17))
            else:
                node = f"churn.{number + index}"
                if what == "dynamic nodes":
                    source = described(0x28, NULL, NULL, NULL, NULL, TRUE)
                    block += frame(described(0x12, string(node), u(0), TRUE, NULL, NULL, source, described(0x29)))
                else:
                    block += attach(node, 0, address=node)
                block += frame(described(0x16, u(0), TRUE))
        peer.sendall(block)
        peer.settimeout(2)
        got = peer.recv(1 << 20)
        if not got or b"\x00\x53\x18" in got:
            return f"the connection ended: {got[-200:]!r}"
    read(peer, [b"\0no such bytes\0"], 0.5)
    peer.close()
    return None


ROUTER = """
[[listeners]]
address = "127.0.0.1:0"
role = "inter-router"
[storage]
enabled = false
[router]
enabled = true
"""
# A router refuses coordinators, so that there is nothing to discharge.
OF_TRANSACTIONS = ["a discharge of nothing", "a discharge of what never was", "100 transactions that never end"]


def receive(broker, address):
    """Somebody who receives from an address to the end: its senders have credit."""
    peer = broker.connect()
    peer.sendall(SESSION + attach("receiver", 0, True, address) + flow(100_000))
    # Its answer is an attach: the router knows of it.
    got, _ = read(peer, [b"\x00\x53\x12"], 2)
    if b"\x00\x53\x12" not in got:
        sys.exit("the receiver's attach was not answered")

    def take():
        peer.settimeout(None)
        while peer.recv(1 << 16):
            pass

    threading.Thread(target=take, daemon=True).start()


def mapping(*pairs, code=None):
    fields = [part for pair in pairs for part in pair]
    body = b"".join(fields)
    encoded = b"\xd1" + struct.pack(">II", len(body) + 4, len(fields)) + body
    return encoded if code is None else b"\x00\x53" + bytes([code]) + encoded


def long(value):
    return b"\x81" + struct.pack(">q", value)


def between(number, receiver, capability):
    """An attach of a link between routers."""
    terminus = (NULL, NULL, NULL, NULL, NULL, NULL)
    name = b"\xa3" + bytes([len(capability)]) + capability.encode()
    source = described(0x28, *terminus, NULL, NULL, NULL, NULL, name)
    target = described(0x29, *terminus, name)
    tail = (NULL, NULL) + ((NULL,) if receiver else (u(0),))
    attached = (string(f"link-{number}"), u(number), TRUE if receiver else FALSE, NULL, NULL, source, target)
    return frame(described(0x12, *attached, *tail))


def control(opcode, *fields, to="_topo/0/all/qdrouter", name="hostile", area="0", trace=("hostile",), ingress="hostile"):
    """A control message as routers write it."""
    annotations = [(string("x-opt-qd.ingress"), string("0/" + ingress)), (string("x-opt-qd.trace"), listing(*[string("0/" + router) for router in trace]))]
    body = mapping((string("id"), string(name)), (string("pv"), long(1)), (string("area"), string(area)), *fields)
    return (described(0x70, FALSE) + mapping(*annotations, code=0x72) + described(0x73, NULL, NULL, string("amqp:/" + to))
            + mapping((string("opcode"), string(opcode)), code=0x74) + b"\x00\x53\x77" + body)


def hello(seen=("victim",), **other):
    routers = (string("seen"), listing(*[string(router) for router in seen]))
    return control("HELLO", (string("instance"), long(1)), routers, to="_local/qdhello", **other)


def addresses(number, kind, keys, **other):
    hints = (string("hints"), listing(*[b"\x54\x02"] * len(keys)))
    return control("MAU", (string("mobile_seq"), long(number)), (string(kind), listing(*[string(key) for key in keys])),
                   *([] if kind == "exist" else [(string("del"), listing())]), hints, to="_topo/0/all/qdrouter.ma", **other)


def link_state(number, peers):
    known = mapping(*[(string(peer), long(1)) for peer in peers])
    state = mapping((string("id"), string("hostile")), (string("area"), string("0")), (string("ls_seq"), long(number)), (string("peers"), known))
    return control("LSU", (string("instance"), long(1)), (string("ls_seq"), long(number)), (string("ls"), state))


class Neighbour:
    """A router at the listener for routers, as far as links for control go. It says nothing that it has no credit for."""

    def __init__(self, broker, name="hostile", links=None, offers=()):
        self.peer = broker.connect(1)
        self.name, self.sent, self.limit, self.taken, self.ended, self.condition, self.kept = name, 0, 0, 0, False, b"", b""
        # The header of its peer is none of the frames.
        self.skip = 8
        # As an array of symbols, of which there are fewer than 255 octets.
        offered = b"".join(bytes([len(offer)]) + offer.encode() for offer in offers)
        offered = b"\xe0" + bytes([len(offered) + 2, len(offers), 0xA3]) + offered if offers else NULL
        opened = frame(described(0x10, string(name), NULL, u(1 << 20), NULL, NULL, NULL, NULL, offered))
        begun = frame(described(0x11, NULL, u(0), u(1 << 30), u(1 << 30)))
        self.write(AMQP + opened + begun + (between(0, False, "qd.router") + between(1, True, "qd.router") + flow(10_000, 1) if links is None else links))
        self.wait(lambda: self.limit > 0 if links is None else True)

    def write(self, data):
        """Writes while it reads, so that neither end waits for the other."""
        view = memoryview(data)
        while view and not self.ended:
            self.peer.settimeout(10)
            try:
                view = view[self.peer.send(view):]
            except OSError:
                # Why it ended may have come.
                self.wait(lambda: False, 2)
                self.ended = True
            self.read_for(0)

    def read_for(self, seconds):
        self.peer.settimeout(max(seconds, 0.000001))
        try:
            data = self.peer.recv(1 << 18)
        except (socket.timeout, BlockingIOError):
            return
        except OSError:
            data = b""
        if not data:
            self.ended = True
            return
        self.kept += data
        self.kept, self.skip = self.kept[self.skip:] if len(self.kept) >= self.skip else self.kept, 0
        while len(self.kept) >= 4 and len(self.kept) >= (size := struct.unpack(">I", self.kept[:4])[0]):
            self.take(self.kept[8:size])
            self.kept = self.kept[size:]

    def take(self, body):
        if body.startswith(b"\x00\x53\x13"):
            values = unsigned(body[3:])
            # Of a flow for our sending link: delivery-count and credit, as of that.
            if len(values) > 6 and values[4] == 0:
                self.limit = values[5] + values[6]
        if body.startswith(b"\x00\x53\x14"):
            self.taken += 1
            if self.taken % 5000 == 0:
                self.write(flow(10_000, 1, self.taken))
        if body[:3] in (b"\x00\x53\x16", b"\x00\x53\x17", b"\x00\x53\x18"):
            self.condition += body
            self.ended |= body[2] == 0x18

    def wait(self, is_so, seconds=5):
        deadline = time.monotonic() + seconds
        while not is_so() and not self.ended and time.monotonic() < deadline:
            self.read_for(0.05)
        return is_so()

    def say(self, messages):
        """Says something, each in as many frames as it takes, as much at once as there is credit for."""
        block, size = [], 0
        for message in messages:
            if self.sent >= self.limit or size > 1 << 16:
                self.write(b"".join(block))
                block, size = [], 0
                if not self.wait(lambda: self.sent < self.limit):
                    return
            for at in range(0, len(message), 60_000):
                more = TRUE if at + 60_000 < len(message) else FALSE
                block.append(transfer(message[at:at + 60_000], self.sent, more=more, settled=TRUE))
            self.sent, size = self.sent + 1, size + len(message)
        self.write(b"".join(block))


def unsigned(data):
    """The unsigned integers of a list; 0 stands for what is none."""
    head = 3 if data[0] == 0xC0 else 9
    values, rest = [], data[head:]
    while rest:
        size = {0x40: 0, 0x41: 0, 0x42: 0, 0x43: 0, 0x52: 1, 0x56: 1, 0x70: 4}[rest[0]]
        values.append(int.from_bytes(rest[1:1 + size], "big"))
        rest = rest[1 + size:]
    return values


def neighbour(broker, honest, say, want, last=b"", **how):
    """A neighbour that says what `say` gives, one after the other, and sends `last`; gives what is wrong, or None."""
    hostile = Neighbour(broker, **how)
    start = time.monotonic()
    hostile.say(say())
    hostile.write(last)
    if want != "served":
        hostile.wait(lambda: False, 5)
    fault = None
    if want == "served" and (hostile.ended or hostile.condition):
        fault = f"the connection ended: {hostile.condition[:200]!r}"
    elif want != "served" and not any(part.encode() in hostile.condition for part in want.split("|")):
        fault = f"{want} did not come: {hostile.condition[:200]!r}"
    if fault is None and not all(well_behaved(broker) for _ in range(8)):
        fault = "a well-behaved connection was not served meanwhile"
    hostile.peer.close()
    fault = fault or honest.fault()
    return fault and f"{fault}, after {time.monotonic() - start:.1f} s"


def flood(make, seconds=15):
    """Messages without end; the first that a neighbour says is a HELLO."""
    yield hello()
    number, deadline = 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        number += 1
        yield make(number)


def many(count):
    return [f"M0hostile.{number}" for number in range(count)]


ROUTERS = [f"router-{number}" for number in range(1000)]
# Encoded once: whoever speaks without end has to be fast.
SMALL = hello()
UPDATE = addresses(1, "add", ["M0hostile.endless"])
QUESTION = control("MAR", (string("have_seq"), long(0)), to="_topo/0/victim/qdrouter.ma")
# What a neighbour says, and what comes back: a condition, or "served" if it keeps its connection.
NEIGHBOURS = [
    ("a neighbour of another area", lambda: [hello(area="1")], "amqp:invalid-field"),
    ("a neighbour that speaks for another router", lambda: [hello(name="other")], "amqp:not-allowed"),
    ("a neighbour that says it came from elsewhere", lambda: [hello(trace=("elsewhere",))], "amqp:not-allowed"),
    ("a neighbour whose message entered elsewhere", lambda: [hello(ingress="elsewhere")], "amqp:not-allowed"),
    ("a neighbour with a trace of 200 routers", lambda: [hello(trace=ROUTERS[:199] + ["hostile"], ingress="router-0")], "amqp:decode-error"),
    ("a neighbour without an opcode", lambda: [control("")], "amqp:invalid-field"),
    ("a neighbour of random bytes", lambda: [random.Random(2).randbytes(4096)], "served"),
    ("a neighbour with numbers below zero", lambda: [control("RA", (string("ls_seq"), long(-1)), (string("mobile_seq"), long(-1)))], "amqp:invalid-field"),
    ("a neighbour's HELLO that has seen a thousand routers", lambda: [hello(ROUTERS)], "amqp:invalid-field"),
    ("a neighbour's link state with a thousand peers", lambda: [hello(), link_state(1, ROUTERS)], "amqp:invalid-field"),
    ("a neighbour's link states of other peers each", lambda: [hello()] + [link_state(number, ROUTERS[number * 7 % 900:][:100]) for number in range(1, 300)], "served"),
    ("a neighbour with more addresses than a router may have", lambda: [hello(), addresses(1, "exist", many((1 << 20) + 1))], "amqp:invalid-field"),
    ("a neighbour with 20,000 addresses, then others, then none", lambda: [hello(), addresses(1, "exist", many(20_000)), addresses(2, "exist", [key + "x" for key in many(20_000)]), addresses(3, "exist", [])], "served"),
    ("a neighbour with 20,000 link routes", lambda: [hello(), addresses(1, "exist", [f"Chostile.{number}" for number in range(20_000)])], "served"),
    ("a neighbour's control message of 70 MB", lambda: [hello(), b"\x00\x53\x77\xb0" + struct.pack(">I", 70_000_000) + bytes(70_000_000)], "amqp:link:message-size-exceeded"),
    ("a neighbour's HELLOs without end", lambda: flood(lambda _: SMALL), "amqp:resource-limit-exceeded"),
    ("a neighbour's updates without end", lambda: flood(lambda _: UPDATE), "amqp:resource-limit-exceeded"),
    ("a neighbour's questions without end", lambda: flood(lambda _: QUESTION), "amqp:resource-limit-exceeded"),
]
ATTACHES = [
    ("a neighbour with this router's name", dict(name="victim"), "amqp:not-allowed"),
    ("two links for control from a neighbour", dict(links=between(0, False, "qd.router") + between(1, False, "qd.router")), "amqp:not-allowed"),
    ("a thousand links for messages from a neighbour", dict(links=b"".join(between(number, True, "qd.router-data") for number in range(1000))), "amqp:not-allowed"),
    ("a client's link at a listener for neighbours", dict(links=attach()), "qd:connection-role"),
]


# Links for control, and one for messages.
MESSAGES = between(0, False, "qd.router") + between(1, True, "qd.router") + flow(10_000, 1) + between(2, False, "qd.router-data")


def together(bodies, count=None, lengths=None, front=b"", mark=0x8001):
    """Messages in one frame, as two of these routers send small ones."""
    count, lengths = len(bodies) if count is None else count, [len(body) for body in bodies] if lengths is None else lengths
    payload = struct.pack(">H", len(front)) + b"".join(struct.pack(">H", length) for length in lengths) + front + b"".join(bodies)
    return transfer(payload, handle=2, tag=struct.pack(">IHH", 1, mark, count))


TO = mapping((string("x-opt-qd.to"), string("amqp:/hostile")), code=0x72)
TOGETHER = [
    ("messages of a neighbour together", together([TO + DATA] * 3), "served"),
    ("messages together whose lengths do not add up", together([DATA], lengths=[100]), "amqp:decode-error"),
    ("messages together that are fewer than they say", together([DATA] * 2, count=3), "amqp:decode-error"),
    ("no messages together", together([]), "amqp:decode-error"),
    ("messages together that are cut", transfer(b"\x00", handle=2, tag=bytes(8)), "amqp:decode-error"),
    ("more messages together than there is credit for", together([b""] * 300), "amqp:link:transfer-limit-exceeded"),
    ("60,000 messages together", together([b""] * 60_000), "amqp:link:transfer-limit-exceeded"),
    ("messages together with a number that was never said", together([DATA] * 5, mark=7), "served"),
    ("messages together whose sections are damaged", together([b"\x00\x53\x73\xc0", DATA, b"", b"x"]), "served"),
    ("messages together that begin with what is no header", together([DATA] * 5, front=b"\x00\x53\x75"), "served"),
    ("messages together with a header each", together([described(0x70, FALSE) + TO + DATA] * 5, front=described(0x70, FALSE)), "served"),
]


class Honest:
    """Another router, which does nothing wrong, and somebody who receives there."""

    def __init__(self, program, broker):
        host, port = broker.addresses[1]
        connector = f'[[connectors]]\nname = "victim"\nrole = "inter-router"\nendpoints = ["{host}:{port}"]\n'
        self.router, self.broker = Broker(program, ROUTER + connector, "honest"), broker
        self.receiver = self.router.connect()
        self.receiver.sendall(SESSION + attach("crossing", 0, True, "crossing") + flow(1000))

    def fault(self):
        """What is wrong, or None: a message from the other router comes through, and the connection was never lost."""
        sender = self.broker.connect()
        sender.sendall(SESSION + attach(address="crossing"))
        got, _ = read(sender, [b"\x00\x53\x13"], 5)
        if b"\x00\x53\x13" not in got:
            return "a sender to the honest neighbour has no credit"
        sender.sendall(transfer(DATA, settled=TRUE))
        got, _ = read(self.receiver, [DATA], 5)
        sender.close()
        if DATA not in got:
            return "a message to the honest neighbour did not come"
        return "the honest neighbour was lost" if "is no neighbour any more" in self.log() else None

    def log(self):
        return self.router.log.read_text()


def neighbours(program, broker):
    honest = Honest(program, broker)
    cases = [(name, lambda say=say, want=want: neighbour(broker, honest, say, want)) for name, say, want in NEIGHBOURS]
    offers = ("heddle:numbered-prefaces", "heddle:messages-together")
    for name, last, want in TOGETHER:
        for kind, how in [("", dict(offers=offers)), (", unasked", {})]:
            want = want if how else "served"
            how = dict(links=MESSAGES, last=last, **how)
            cases.append((name + kind, lambda how=how, want=want: neighbour(broker, honest, list, want, **how)))
    return cases + [(name, lambda how=how, want=want: neighbour(broker, honest, list, want, **how)) for name, how, want in ATTACHES]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", required=True, type=pathlib.Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--router", action="store_true", help="all addresses are routed, and somebody receives what the cases send")
    options = parser.parse_args()
    broker = Broker(options.broker.resolve(), ROUTER if options.router else "")
    if options.router:
        receive(broker, "hostile")
    cases = [(name, lambda name=name, data=data, want=want: provoke(broker, name, data, want)) for name, data, want in CASES]
    cases += [(name, lambda name=name, data=data, want=want: provoke(broker, name, data, want, LINK)) for name, data, want in WITH_CREDIT]
    cases += [
        ("500 half-open handshakes", lambda: crowd(broker, "", 500, lambda _: b"AMQP")),
        ("200 consumers that never read", lambda: crowd(broker, "", 200, lambda n: SESSION + attach(receiver=True, address=f"n{n % 5}") + flow(1000))),
        ("10,000 sessions begun and ended", lambda: churn(broker, "sessions")),
        ("10,000 links attached and detached", lambda: churn(broker, "links")),
        ("10,000 dynamic nodes", lambda: churn(broker, "dynamic nodes")),
        ("2,000 connections opened and dropped", lambda: next((f for f in (provoke(broker, "", SESSION, "served") if n % 200 == 0 else broker.connect().close() for n in range(2000)) if f), None)),
    ]
    if options.router:
        cases = [(name, case) for name, case in cases if name not in OF_TRANSACTIONS] + neighbours(options.broker.resolve(), broker)
    counts = {"passed": 0, "failed": 0}
    base = None
    for name, case in cases:
        if options.only not in name:
            continue
        try:
            fault = case()
        except OSError as error:
            fault = f"{type(error).__name__}: {error}"
        if fault is None and not all(well_behaved(broker) for _ in range(8)):
            fault = "eight well-behaved connections were not served afterwards"
        base = base or broker.memory()
        if fault is None and broker.memory() > base + MEMORY_GROWTH_MAX:
            fault = f"memory grew from {base >> 20} to {broker.memory() >> 20} MiB"
        counts["failed" if fault else "passed"] += 1
        print(f"{name}: {'failed: ' + fault if fault else 'ok'}", flush=True)
        if broker.process.poll() is not None:
            sys.exit(f"the broker ended with {broker.process.returncode}")
    before, start = broker.cpu(), time.monotonic()
    time.sleep(1)
    share = (broker.cpu() - before) / (time.monotonic() - start)
    fault = share > CPU_IDLE_MAX
    counts["failed" if fault else "passed"] += 1
    print(f"the broker at rest afterwards uses {share:.0%} of a core")
    broker.process.terminate()
    if broker.process.wait(timeout=20) != 0:
        counts["failed"] += 1
        print(f"the broker stopped with {broker.process.returncode}")
    print("{passed} passed, {failed} failed, 0 skipped".format(**counts))
    sys.exit(1 if counts["failed"] else 0)


main()
