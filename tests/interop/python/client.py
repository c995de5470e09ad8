"""Qpid Proton Python against the broker: `client.py URL ADDRESS FEATURE...`.

Prints one line for each feature: `FEATURE ok`, `FEATURE unsupported: why` or `FEATURE failed: why`.
"""
import sys
import traceback

from proton import ConnectionException, Delivery, Link, Message, symbol
from proton.handlers import MessagingHandler
from proton.reactor import AtMostOnce, Container, Copy, LinkOption
from proton.utils import BlockingConnection, LinkDetached

URL, ADDRESS = sys.argv[1], sys.argv[2]
TIMEOUT = 20


class Capability(LinkOption):
    """Asks for a kind of node."""

    def __init__(self, name):
        self.name = name

    def apply(self, link):
        terminus = link.source if link.is_receiver else link.target
        terminus.capabilities.put_object(symbol(self.name))


class Second(LinkOption):
    """Settles after the sender has."""

    def apply(self, link):
        link.rcv_settle_mode = Link.RCV_SECOND


def connect(**options):
    options.setdefault("allowed_mechs", "ANONYMOUS")
    return BlockingConnection(URL, timeout=TIMEOUT, **options)


def round_trip(address, body, sender_options=None, receiver_options=None):
    connection = connect()
    sender = connection.create_sender(address, options=sender_options)
    receiver = connection.create_receiver(address, credit=1, options=receiver_options)
    sender.send(Message(body=body))
    got = receiver.receive(timeout=TIMEOUT)
    assert got.body == body, f"another body came back: {str(got.body)[:50]}"
    if receiver_options is None:
        receiver.accept()
    connection.close()


def unsettled(address):
    round_trip(address, "unsettled")


def presettled(address):
    round_trip(address, "presettled", AtMostOnce(), AtMostOnce())


class SecondRoundTrip(MessagingHandler):
    """Both links in receiver settle mode second: outcome, then the sender settles, then the receiver."""

    def __init__(self, address):
        super().__init__(prefetch=1, auto_accept=False)
        self.address, self.steps = address, []

    def on_start(self, event):
        connection = event.container.connect(URL, allowed_mechs="ANONYMOUS", reconnect=False)
        event.container.create_receiver(connection, self.address, options=Second())
        event.container.create_sender(connection, self.address, options=Second())

    def on_sendable(self, event):
        if not self.steps:
            self.steps.append("sent")
            event.sender.send(Message(body="second"))

    def on_accepted(self, event):
        assert not event.delivery.settled, "the receiver settled before the sender"
        self.step("accepted", event)

    def on_message(self, event):
        event.delivery.update(Delivery.ACCEPTED)

    def on_settled(self, event):
        if event.link.is_receiver:
            event.delivery.settle()
            self.step("settled", event)

    def step(self, name, event):
        self.steps.append(name)
        if {"accepted", "settled"} <= set(self.steps):
            event.connection.close()


def second(address):
    handler = SecondRoundTrip(address)
    Container(handler).run()
    assert sorted(handler.steps) == ["accepted", "sent", "settled"], handler.steps


def empty(address):
    round_trip(address, b"")


def kib(address):
    round_trip(address, b"k" * 1024)


def big(address):
    round_trip(address, b"B" * 50_000_000)


class Ordered(MessagingHandler):
    """Sends and receives many at once, as fast as credit allows."""

    COUNT = 10_000

    def __init__(self, address):
        super().__init__(prefetch=100)
        self.address, self.sent, self.accepted, self.got, self.fault = address, 0, 0, 0, None

    def on_start(self, event):
        connection = event.container.connect(URL, allowed_mechs="ANONYMOUS", reconnect=False)
        event.container.create_receiver(connection, self.address)
        event.container.create_sender(connection, self.address)

    def on_sendable(self, event):
        while event.sender.credit and self.sent < self.COUNT:
            event.sender.send(Message(body=self.sent))
            self.sent += 1

    def on_accepted(self, event):
        self.accepted += 1
        self.finish(event)

    def on_message(self, event):
        if event.message.body != self.got:
            self.fault = f"{event.message.body} came in the place of {self.got}"
        self.got += 1
        self.finish(event)

    def finish(self, event):
        if self.fault or (self.got == self.COUNT and self.accepted == self.COUNT):
            event.connection.close()

    def on_transport_error(self, event):
        self.fault = str(event.transport.condition)


def ordered(address):
    handler = Ordered(address)
    Container(handler).run()
    assert not handler.fault, handler.fault
    assert handler.got == handler.COUNT, f"{handler.got} of {handler.COUNT} came"


def accept(address):
    connection = connect()
    sender = connection.create_sender(address)
    delivery = sender.send(Message(body="a"))
    assert delivery.remote_state == Delivery.ACCEPTED
    receiver = connection.create_receiver(address, credit=2)
    receiver.receive(timeout=TIMEOUT)
    receiver.accept()
    sender.send(Message(body="b"))
    assert receiver.receive(timeout=TIMEOUT).body == "b", "an accepted message came again"
    receiver.accept()
    connection.close()


def second_delivery(address, settle):
    """Sends `x`, settles its delivery by `settle`, sends `y`; gives the next message."""
    connection = connect()
    sender = connection.create_sender(address)
    sender.send(Message(body="x"))
    receiver = connection.create_receiver(address, credit=1)
    first = receiver.receive(timeout=TIMEOUT)
    assert first.body == "x" and first.delivery_count == 0
    settle(receiver)
    sender.send(Message(body="y"))
    again = receiver.receive(timeout=TIMEOUT)
    receiver.accept()
    connection.close()
    return again


def reject(address):
    assert second_delivery(address, lambda receiver: receiver.reject()).body == "y", "a rejected message came again"


def release(address):
    again = second_delivery(address, lambda receiver: receiver.release(delivered=False))
    assert (again.body, again.delivery_count) == ("x", 0), (again.body, again.delivery_count)


def modify(address):
    def fail(receiver):
        receiver.fetcher.unsettled[0].local.failed = True
        receiver.release(delivered=True)

    again = second_delivery(address, fail)
    assert (again.body, again.delivery_count) == ("x", 1), (again.body, again.delivery_count)


def browse(address):
    connection = connect()
    sender = connection.create_sender(address)
    for number in range(3):
        sender.send(Message(body=number))
    for _ in range(2):
        browser = connection.create_receiver(address, credit=3, options=Copy())
        assert [browser.receive(timeout=TIMEOUT).body for _ in range(3)] == [0, 1, 2]
        browser.close()
    receiver = connection.create_receiver(address, credit=3)
    for number in range(3):
        assert receiver.receive(timeout=TIMEOUT).body == number
        receiver.accept()
    connection.close()


class Drain(MessagingHandler):
    """Drains a credit of ten at a queue of three."""

    def __init__(self, address):
        super().__init__(prefetch=0)
        self.address, self.got, self.drained = address, 0, False

    def on_start(self, event):
        connection = event.container.connect(URL, allowed_mechs="ANONYMOUS", reconnect=False)
        self.receiver = event.container.create_receiver(connection, self.address)

    def on_link_opened(self, event):
        event.receiver.drain(10)

    def on_message(self, event):
        self.got += 1

    def on_link_flow(self, event):
        if event.link.is_receiver and event.link.credit == 0 and not self.drained:
            self.drained = True
            event.connection.close()


def drain(address):
    connection = connect()
    sender = connection.create_sender(address)
    for number in range(3):
        sender.send(Message(body=number))
    connection.close()
    handler = Drain(address)
    Container(handler).run()
    assert handler.drained and handler.got == 3, f"drained: {handler.drained}, messages: {handler.got}"


def dynamic(address):
    connection = connect()
    replies = connection.create_receiver(None, dynamic=True, credit=1)
    reply_to = replies.link.remote_source.address
    assert reply_to, "the dynamic node has no address"
    requests = connection.create_receiver(address, credit=1)
    connection.create_sender(address).send(Message(body="ask", reply_to=reply_to))
    request = requests.receive(timeout=TIMEOUT)
    requests.accept()
    connection.create_sender(request.reply_to).send(Message(body="answer"))
    assert replies.receive(timeout=TIMEOUT).body == "answer"
    connection.close()


def relay(address):
    connection = connect()
    connection.create_sender(None).send(Message(address=address, body="relayed"))
    receiver = connection.create_receiver(address, credit=1)
    assert receiver.receive(timeout=TIMEOUT).body == "relayed"
    receiver.accept()
    connection.close()


def compete(address):
    connection = connect()
    receivers = [connection.create_receiver(address, credit=5, name=f"c{n}") for n in range(2)]
    sender = connection.create_sender(address)
    got = [[], []]
    for first in range(0, 100, 10):
        for number in range(first, first + 10):
            sender.send(Message(body=number))
        for _ in range(5):
            for receiver, bodies in zip(receivers, got):
                bodies.append(receiver.receive(timeout=TIMEOUT).body)
                receiver.accept()
    assert sorted(got[0] + got[1]) == list(range(100)), got
    connection.close()


def topic(address):
    connection = connect()
    receivers = [connection.create_receiver(address, credit=3, name=f"s{n}", options=Capability("topic")) for n in range(2)]
    sender = connection.create_sender(address, options=Capability("topic"))
    for number in range(3):
        sender.send(Message(body=number))
    for receiver in receivers:
        assert [receiver.receive(timeout=TIMEOUT).body for _ in range(3)] == [0, 1, 2]
    connection.close()


def refused(**options):
    try:
        connect(**options).close()
    except ConnectionException as error:
        return str(error)
    raise AssertionError("the connection was accepted")


def wrong_password(_):
    BlockingConnection(URL, timeout=TIMEOUT, allowed_mechs="PLAIN", user="guest", password="guest-password").close()
    error = refused(allowed_mechs="PLAIN", user="guest", password="wrong")
    assert "amqp:unauthorized-access" in error or "Authentication failed" in error, error


def unknown_mechanism(_):
    error = refused(allowed_mechs="EXTERNAL")
    assert "mechanism" in error.lower() or "unauthorized" in error, error


def missing_node(address):
    connection = connect()
    try:
        connection.create_receiver("missing." + address)
    except LinkDetached as error:
        assert error.condition == "amqp:not-found", error.condition
    else:
        raise AssertionError("a node that is not there was attached")
    connection.create_sender(address).send(Message(body="the connection lives"))
    connection.close()


def main():
    for feature in sys.argv[3:]:
        try:
            globals()[feature.replace("-", "_")](f"{ADDRESS}.{feature}")
            print(feature, "ok", flush=True)
        except Exception as error:
            traceback.print_exc()
            print(feature, "failed:", f"{type(error).__name__}: {error}".replace("\n", " "), flush=True)


main()
