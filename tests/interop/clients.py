"""Clients of mixed networks (`mixed.py`) that do one thing of their own: hold messages up, leave in the middle of one, have transactions."""
from typing import NamedTuple

from networks import Client, Exchange, message
from proton import Delivery, Message, Receiver
from proton.handlers import TransactionHandler


class Held(NamedTuple):
    """A message that came, as its event tells it."""

    message: Message
    delivery: Delivery
    link: Receiver


class Stuck(Exchange):
    """An exchange whose receiver settles nothing, and reads no more, until another one is over: that begins when its sender has no credit."""

    def __init__(self, *args, meanwhile):
        super().__init__(*args)
        self.meanwhile, self.held = meanwhile, []

    def on_message(self, event):
        if self.held is None:
            return super().on_message(event)
        self.held.append(Held(event.message, event.delivery, event.link))
        if self.sender.credit == 0:
            self.meanwhile.run()
            held, self.held = self.held, None
            for one in held:
                super().on_message(one)


class Halfway(Client):
    """Sends half of a large message; when its beginning is received `who` leaves it: its receiver detaches, or its sender aborts it."""

    def __init__(self, address, who, here, there, octets):
        super().__init__(address)
        self.who, self.here, self.there = who, here, there
        self.left, self.delivery, self.has_left = message(0, body=bytes(octets)).encode(), None, False

    def on_start(self, event):
        self.connect(event, self.there, self.here)
        self.receiver = event.container.create_receiver(self.connections[0], self.address)
        self.receiver.flow(10)

    def on_link_opened(self, event):
        if event.link == self.receiver:
            self.sender = event.container.create_sender(self.connections[1], self.address)

    def on_sendable(self, event):
        if self.delivery is None:
            self.delivery = self.sender.delivery("half")
            self.send(len(self.left) // 2)

    def send(self, octets):
        self.sender.stream(self.left[:octets])
        self.left = self.left[octets:]

    def on_delivery(self, event):
        if event.link != self.receiver or self.has_left and not event.delivery.aborted:
            return
        if event.delivery.aborted:
            return self.finish() if self.who == "sender" else self.fail("aborted by nobody")
        if event.delivery.partial and event.delivery.pending:
            self.has_left = True
            self.leave()

    def leave(self):
        if self.who == "sender":
            return self.delivery.abort()
        self.receiver.close()
        self.end()

    def end(self):
        """Sends what is left of the message."""
        self.send(len(self.left))
        self.sender.advance()

    def on_settled(self, event):
        if event.link == self.sender and self.who == "receiver":
            if event.delivery.remote_state not in (Delivery.RELEASED, Delivery.MODIFIED):
                return self.fail(f"told {event.delivery.remote_state}")
            self.finish()


class Rests(Halfway):
    """Sends half of a large message; when its beginning is received others have their time, and the rest follows them."""

    def __init__(self, address, here, there, octets, meanwhile):
        super().__init__(address, None, here, there, octets)
        self.meanwhile, self.octets, self.others = meanwhile, octets, []

    def leave(self):
        for one in self.meanwhile:
            self.others.append(one.run())
        self.end()

    def on_message(self, event):
        if len(event.message.body) != self.octets:
            return self.fail(f"{len(event.message.body)} octets of {self.octets}")
        if len(self.others) < len(self.meanwhile):
            return self.fail("it came whole before the others")
        self.accept(event.delivery)

    def on_settled(self, event):
        if event.link == self.sender:
            self.finish() if event.delivery.remote_state == Delivery.ACCEPTED else self.fail(f"told {event.delivery.remote_state}")


class Leaves(Client):
    """Receives the beginning of a large message, and detaches."""

    def __init__(self, at, address):
        super().__init__(address)
        self.at, self.has_left = at, False

    def on_start(self, event):
        self.connect(event, self.at)
        self.receiver = event.container.create_receiver(self.connections[0], self.address)
        self.receiver.flow(1)

    def on_delivery(self, event):
        if not self.has_left and event.delivery.partial and event.delivery.pending:
            self.has_left = True
            self.receiver.close()

    def on_message(self, event):
        self.fail("it came whole at once")

    def on_link_closed(self, event):
        self.finish()


class Transactions(Client, TransactionHandler):
    """Sends messages in transactions, each of which ends as it is to."""

    def __init__(self, at, address, transactions):
        super().__init__(address)
        self.at, self.transactions, self.open = at, [(how, list(numbers)) for how, numbers in transactions], None

    def on_start(self, event):
        self.connect(event, self.at)
        self.sender = event.container.create_sender(self.connections[0], self.address)

    def on_link_opened(self, event):
        if event.link == self.sender:
            self.container.declare_transaction(self.connections[0], handler=self)

    def on_transaction_declared(self, event):
        self.open = event.transaction
        self.send()

    def on_sendable(self, event):
        self.send()

    def send(self):
        if self.open is None:
            return
        how, numbers = self.transactions[0]
        while numbers and self.sender.credit:
            self.open.send(self.sender, message(numbers.pop(0), durable=True))
        if not numbers:
            ending, self.open = self.open, None
            ending.commit() if how == "commit" else ending.abort()

    def on_transaction_committed(self, event):
        self.ended("commit")

    def on_transaction_aborted(self, event):
        self.ended("abort")

    def ended(self, how):
        wanted, _ = self.transactions.pop(0)
        if how != wanted:
            return self.fail(f"{how} for {wanted}")
        self.container.declare_transaction(self.connections[0], handler=self) if self.transactions else self.finish()

    def on_transaction_declare_failed(self, event):
        self.fail("not declared")

    def on_transaction_commit_failed(self, event):
        self.fail("not committed")


class TakenInTransactions(Client, TransactionHandler):
    """Receives as many messages in a transaction, which it aborts, and those that come then in another one, which it commits."""

    def __init__(self, at, address, count):
        super().__init__(address)
        self.at, self.count, self.got, self.was_aborted = at, count, [], False

    def on_start(self, event):
        self.connect(event, self.at)
        self.receiver = event.container.create_receiver(self.connections[0], self.address)
        event.container.declare_transaction(self.connections[0], handler=self)

    def on_transaction_declared(self, event):
        self.open = event.transaction
        self.receiver.flow(self.count)

    def on_message(self, event):
        self.got.append(event.message.id)
        self.open.accept(event.delivery)
        if len(self.got) == self.count * (1 + self.was_aborted):
            self.open.commit() if self.was_aborted else self.open.abort()

    def on_transaction_aborted(self, event):
        self.was_aborted = True
        self.container.declare_transaction(self.connections[0], handler=self)

    def on_transaction_committed(self, event):
        self.finish()

    on_transaction_declare_failed = on_transaction_commit_failed = lambda self, event: self.fail("not declared or not committed")
