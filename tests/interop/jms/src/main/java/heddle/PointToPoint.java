package heddle;

import jakarta.jms.Connection;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Queue;
import jakarta.jms.Session;
import java.util.HashSet;
import java.util.Set;

/** Queues: one consumer gets each message, in order, and what nobody takes stays. */
final class PointToPoint extends Group {
    @Shows("JMS 4.1.2")
    void aMessageWaitsForItsConsumer() throws Exception {
        send(queue(), "kept");
        expect(session().createConsumer(queue()), "kept");
    }

    @Shows("JMS 4.1.2")
    void aConsumerThatWaitsGetsAMessage() throws Exception {
        MessageConsumer consumer = session().createConsumer(queue());
        send(queue(), "new");
        expect(consumer, "new");
    }

    @Shows("JMS 4.1.2")
    void eachMessageGoesToOneConsumer() throws Exception {
        MessageConsumer[] consumers = {session().createConsumer(queue()), session().createConsumer(queue())};
        send(queue(), "a", "b", "c", "d");
        Set<String> seen = new HashSet<>();
        for (MessageConsumer consumer : consumers) {
            for (Message message = consumer.receiveNoWait(); message != null; message = consumer.receiveNoWait()) {
                check(seen.add(text(message)), "one message came twice");
            }
        }
        same(Set.of("a", "b", "c", "d"), seen);
    }

    @Shows("Artemis D2")
    void consumersWithCreditTakeTurns() throws Exception {
        MessageConsumer[] consumers = {session().createConsumer(queue()), session().createConsumer(queue())};
        for (int number = 0; number < 20; number++) {
            send(queue(), "m" + number);
        }
        for (MessageConsumer consumer : consumers) {
            for (int number = 0; number < 10; number++) {
                take(consumer);
            }
            nothing(consumer);
        }
    }

    @Shows("Artemis D2")
    void aConsumerWithoutCreditIsPassedOver() throws Exception {
        MessageConsumer busy = session(INDIVIDUAL, "jms.prefetchPolicy.all=1").createConsumer(queue());
        send(queue(), "held");
        take(busy);
        MessageConsumer free = session().createConsumer(queue());
        send(queue(), "1", "2", "3", "4");
        Set<String> seen = new HashSet<>();
        for (int number = 0; number < 3; number++) {
            seen.add(text(take(free)));
        }
        check(!seen.contains("held"), "what another holds came");
    }

    @Shows("JMS 6.2.9.1")
    void orderOfOneProducerIsKept() throws Exception {
        MessageProducer producer = session().createProducer(queue());
        producer.setDeliveryMode(jakarta.jms.DeliveryMode.NON_PERSISTENT);
        for (int number = 0; number < 500; number++) {
            producer.send(session().createTextMessage("m" + number));
        }
        MessageConsumer consumer = session().createConsumer(queue());
        for (int number = 0; number < 500; number++) {
            expect(consumer, "m" + number);
        }
    }

    @Shows("JMS 6.2.9.1")
    void orderIsKeptBetweenPersistentAndNonPersistent() throws Exception {
        MessageProducer producer = session().createProducer(queue());
        for (int number = 0; number < 20; number++) {
            producer.setDeliveryMode(number % 2 == 0 ? 1 : 2);
            producer.send(session().createTextMessage("m" + number));
        }
        MessageConsumer consumer = session().createConsumer(queue());
        for (int number = 0; number < 20; number++) {
            expect(consumer, "m" + number);
        }
    }

    @Shows("JMS 4.1.2")
    void whatWasTakenDoesNotComeAgain() throws Exception {
        send(queue(), "once");
        expect(session().createConsumer(queue()), "once");
        nothing(connect("").createSession(Session.AUTO_ACKNOWLEDGE).createConsumer(queue()));
    }

    @Shows("JMS 4.1.4")
    void aNameIsOneQueueForEveryConnection() throws Exception {
        send(queue(), "from here");
        Session other = connect("").createSession(Session.AUTO_ACKNOWLEDGE);
        expect(other.createConsumer(other.createQueue(name())), "from here");
    }

    @Shows("JMS 4.1.4")
    void namesDifferByCase() throws Exception {
        MessageConsumer consumer = session().createConsumer(session().createQueue(name() + ".X"));
        send(session().createQueue(name() + ".x"), "small");
        nothing(consumer);
    }

    @Shows("JMS 4.1.4")
    void namesMayHaveAnyCharacters() throws Exception {
        for (String suffix : new String[] {" blank", "/slash", "-ü-日本", "%41", "@at", ";semi"}) {
            Queue queue = session().createQueue(name() + suffix);
            send(queue, suffix);
            expect(session().createConsumer(queue), suffix);
        }
    }

    @Shows("JMS 7.1")
    void aProducerWithoutDestinationSendsAnywhere() throws Exception {
        MessageProducer producer = session().createProducer(null);
        producer.send(queue("one"), session().createTextMessage("1"));
        producer.send(queue("two"), session().createTextMessage("2"));
        expect(session().createConsumer(queue("two")), "2");
        expect(session().createConsumer(queue("one")), "1");
    }

    @Shows("JMS 7.1")
    void manyProducersFillOneQueue() throws Exception {
        for (int number = 0; number < 10; number++) {
            MessageProducer producer = session().createProducer(queue());
            producer.send(session().createTextMessage("m" + number));
        }
        MessageConsumer consumer = session().createConsumer(queue());
        for (int number = 0; number < 10; number++) {
            expect(consumer, "m" + number);
        }
        nothing(consumer);
    }

    @Shows("JMS 8.2")
    void aSessionHasConsumersOfManyQueues() throws Exception {
        for (int number = 0; number < 10; number++) {
            send(queue("q" + number), "m" + number);
        }
        for (int number = 9; number >= 0; number--) {
            expect(session().createConsumer(queue("q" + number)), "m" + number);
        }
    }

    @Shows("JMS 6.2.8")
    void sessionsOfOneConnectionSeeOneQueue() throws Exception {
        Connection connection = connect("");
        Session one = connection.createSession(Session.AUTO_ACKNOWLEDGE);
        Session two = connection.createSession(Session.AUTO_ACKNOWLEDGE);
        send(one, one.createQueue(name()), "across");
        expect(two.createConsumer(two.createQueue(name())), "across");
    }

    @Shows("Artemis A5")
    void aQueueThatIsNotThereIsMade() throws Exception {
        MessageConsumer consumer = session().createConsumer(queue());
        nothing(consumer);
        send(queue(), "made");
        expect(consumer, "made");
    }

    @Shows("JMS 4.1.8")
    void aDurableMessageStaysWhenItsProducerHasGone() throws Exception {
        Connection sender = connect("");
        Session session = sender.createSession(Session.AUTO_ACKNOWLEDGE);
        send(session, session.createQueue(name()), "stays");
        sender.close();
        expect(session().createConsumer(queue()), "stays");
    }
}
