package heddle;

import jakarta.jms.Connection;
import jakarta.jms.JMSException;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Session;
import jakarta.jms.TemporaryQueue;
import java.net.URI;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.qpid.jms.JmsConnection;
import org.apache.qpid.jms.JmsConnectionFactory;
import org.apache.qpid.jms.JmsConnectionListener;
import org.apache.qpid.jms.message.JmsInboundMessageDispatch;

/** Connections that break off and come again by Qpid JMS's failover: what goes on, and what comes again. */
final class Failover extends Group {
    private final Restored restored = new Restored();

    /** A started connection by the relay, which connects again when that is cut. */
    private Connection connectAgain(String options) throws Exception {
        String url = "failover:(" + relay().url() + ")?failover.reconnectDelay=5&failover.initialReconnectDelay=0&" + options;
        Connection made = track(new JmsConnectionFactory(url).createConnection());
        made.start();
        ((JmsConnection) made).addConnectionListener(restored);
        return made;
    }

    /** Ends the connection, and waits for the next one, with all that was attached. */
    private void breakOff() throws Exception {
        int before = restored.count.get();
        relay().cut();
        until(() -> restored.count.get() > before, "the connection did not come again");
    }

    /** Counts connections that came again. */
    private static final class Restored implements JmsConnectionListener {
        final AtomicInteger count = new AtomicInteger();

        @Override
        public void onConnectionRestored(URI remote) {
            count.incrementAndGet();
        }

        @Override
        public void onConnectionEstablished(URI remote) {}

        @Override
        public void onConnectionFailure(Throwable error) {}

        @Override
        public void onConnectionInterrupted(URI remote) {}

        @Override
        public void onInboundMessage(JmsInboundMessageDispatch envelope) {}

        @Override
        public void onSessionClosed(Session session, Throwable cause) {}

        @Override
        public void onConsumerClosed(MessageConsumer consumer, Throwable cause) {}

        @Override
        public void onProducerClosed(MessageProducer producer, Throwable cause) {}
    }

    /** Takes a message, and the broker knows: it has answered behind the acknowledgement. */
    private static void isTaken(MessageConsumer consumer) throws Exception {
        expect(consumer, "a");
        nothing(consumer);
    }

    @Shows("Artemis 2.14")
    void aProducerGoesOn() throws Exception {
        Session session = connectAgain("").createSession();
        MessageProducer producer = session.createProducer(queue());
        producer.send(session.createTextMessage("a"));
        breakOff();
        producer.send(session.createTextMessage("b"));
        expect(session().createConsumer(queue()), "a", "b");
    }

    @Shows("Artemis 2.14")
    void aConsumerGoesOn() throws Exception {
        MessageConsumer consumer = connectAgain("").createSession().createConsumer(queue());
        send(queue(), "a");
        isTaken(consumer);
        breakOff();
        send(queue(), "b");
        expect(consumer, "b");
    }

    @Shows("Artemis 2.14")
    void aListenerGoesOn() throws Exception {
        CountDownLatch came = new CountDownLatch(2);
        connectAgain("").createSession().createConsumer(queue()).setMessageListener(message -> came.countDown());
        send(queue(), "a");
        until(() -> came.getCount() == 1, "nothing came");
        breakOff();
        send(queue(), "b");
        check(came.await(SOON_MS, TimeUnit.MILLISECONDS), "nothing came behind the break");
    }

    @Shows("Artemis 2.14")
    void whatWasNotAcknowledgedComesAgain() throws Exception {
        send(queue(), "a");
        MessageConsumer consumer = connectAgain("").createSession(Session.CLIENT_ACKNOWLEDGE).createConsumer(queue());
        expect(consumer, "a");
        breakOff();
        Message again = take(consumer);
        same("a", text(again));
        check(again.getJMSRedelivered(), "not marked as redelivered");
        again.acknowledge();
    }

    @Shows("Artemis 2.14")
    void whatWasAcknowledgedDoesNot() throws Exception {
        send(queue(), "a", "b");
        MessageConsumer consumer = connectAgain("jms.prefetchPolicy.all=0").createSession().createConsumer(queue());
        expect(consumer, "a", "b");
        // The broker has heard of the acknowledgements when it has answered behind them.
        nothing(consumer);
        breakOff();
        send(queue(), "c");
        expect(consumer, "c");
    }

    @Shows("Artemis 2.14")
    void aSubscriptionWithoutDurabilityBeginsAnew() throws Exception {
        MessageConsumer consumer = connectAgain("").createSession().createConsumer(topic());
        send(topic(), "a");
        isTaken(consumer);
        breakOff();
        send(topic(), "b");
        expect(consumer, "b");
    }

    @Shows("Artemis 2.14")
    void aDurableSubscriptionGoesOn() throws Exception {
        MessageConsumer consumer = connectAgain("jms.clientID=" + name()).createSession().createDurableConsumer(topic(), "sub");
        send(topic(), "a");
        isTaken(consumer);
        breakOff();
        send(topic(), "b");
        expect(consumer, "b");
    }

    @Shows("Artemis 2.14")
    void aTemporaryQueueIsMadeAnew() throws Exception {
        Session session = connectAgain("").createSession();
        TemporaryQueue queue = session.createTemporaryQueue();
        MessageConsumer consumer = session.createConsumer(queue);
        breakOff();
        send(session, queue, "a");
        expect(consumer, "a");
    }

    @Shows("Artemis 2.14")
    void severalBreaksLoseNothing() throws Exception {
        Session session = connectAgain("").createSession();
        MessageProducer producer = session.createProducer(queue());
        Set<String> sent = new HashSet<>();
        for (int number = 0; number < 60; number++) {
            if (number % 20 == 10) {
                breakOff();
            }
            producer.send(session.createTextMessage("m" + number));
            sent.add("m" + number);
        }
        // A send whose answer was lost comes twice: none may be missing.
        MessageConsumer consumer = session().createConsumer(queue());
        for (Message message = consumer.receiveNoWait(); message != null; message = consumer.receiveNoWait()) {
            sent.remove(text(message));
        }
        same(Set.of(), sent);
    }

    @Shows("Artemis 2.14")
    void aTransactionInDoubtRollsBack() throws Exception {
        Session session = connectAgain("").createSession(Session.SESSION_TRANSACTED);
        send(session, queue(), "lost");
        breakOff();
        raises(JMSException.class, session::commit);
        send(session, queue(), "kept");
        session.commit();
        MessageConsumer consumer = session().createConsumer(queue());
        expect(consumer, "kept");
        nothing(consumer);
    }
}
