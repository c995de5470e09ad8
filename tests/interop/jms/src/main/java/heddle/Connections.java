package heddle;

import jakarta.jms.Connection;
import jakarta.jms.ConnectionMetaData;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Session;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/** Connections, sessions, producers and consumers: start, stop and close, and how many there may be. */
final class Connections extends Group {
    @Shows("JMS 6.1.3")
    void nothingIsReceivedBeforeTheStart() throws Exception {
        send(queue(), "a");
        Connection connection = track(factory("").createConnection());
        MessageConsumer consumer = connection.createSession().createConsumer(queue());
        same(null, consumer.receiveNoWait());
        connection.start();
        expect(consumer, "a");
    }

    @Shows("JMS 6.1.3")
    void messagesAreSentBeforeTheStart() throws Exception {
        Connection connection = track(factory("").createConnection());
        send(connection.createSession(), queue(), "a");
        expect(session().createConsumer(queue()), "a");
    }

    @Shows("JMS 6.1.5")
    void nothingIsReceivedWhileStopped() throws Exception {
        Connection connection = connect("");
        MessageConsumer consumer = connection.createSession().createConsumer(queue());
        connection.stop();
        send(queue(), "a");
        same(null, consumer.receiveNoWait());
        connection.start();
        expect(consumer, "a");
    }

    @Shows("JMS 6.1.5")
    void messagesAreSentWhileStopped() throws Exception {
        Connection connection = connect("");
        connection.stop();
        send(connection.createSession(), queue(), "a");
        expect(session().createConsumer(queue()), "a");
    }

    @Shows("JMS 6.1.4")
    void startingTwiceChangesNothing() throws Exception {
        Connection connection = connect("");
        connection.start();
        connection.stop();
        connection.stop();
        connection.start();
        send(queue(), "a");
        expect(connection.createSession().createConsumer(queue()), "a");
    }

    @Shows("JMS 6.1.6")
    void itSaysWhatItIs() throws Exception {
        ConnectionMetaData data = connection().getMetaData();
        same(3, data.getJMSMajorVersion());
        check(data.getJMSProviderName() != null && data.getProviderVersion() != null, "it does not");
    }

    @Shows("JMS 6.1.2")
    void aClientIdentifierIsKept() throws Exception {
        same(name(), connectAs(name()).getClientID());
    }

    @Shows("JMS 6.1.8")
    void closingEndsItsSessions() throws Exception {
        Connection connection = connect("");
        Session session = connection.createSession();
        MessageConsumer consumer = session.createConsumer(queue());
        connection.close();
        raises(jakarta.jms.IllegalStateException.class, consumer::receiveNoWait);
    }

    /** Closes something while a thread waits in a receive, and shows that it gets null. */
    private void endsAReceive(AutoCloseable closing, MessageConsumer consumer) throws Exception {
        CountDownLatch ended = new CountDownLatch(1);
        AtomicReference<Object> result = new AtomicReference<>("nothing");
        CountDownLatch began = new CountDownLatch(1);
        new Thread(() -> {
            began.countDown();
            try {
                result.set(consumer.receive());
            } catch (jakarta.jms.IllegalStateException closedBefore) {
                result.set(null);
            } catch (jakarta.jms.JMSException failed) {
                result.set(failed);
            }
            ended.countDown();
        }).start();
        check(began.await(SOON_MS, TimeUnit.MILLISECONDS), "it did not begin");
        closing.close();
        check(ended.await(SOON_MS, TimeUnit.MILLISECONDS), "the receive goes on");
        same(null, result.get());
    }

    @Shows("JMS 8.8")
    void closingAConsumerEndsItsReceive() throws Exception {
        MessageConsumer consumer = session().createConsumer(queue());
        endsAReceive(consumer, consumer);
    }

    @Shows("JMS 6.2.15")
    void closingASessionEndsItsReceives() throws Exception {
        Session session = session(Session.AUTO_ACKNOWLEDGE);
        endsAReceive(session, session.createConsumer(queue()));
    }

    @Shows("JMS 6.1.8")
    void closingAConnectionEndsItsReceives() throws Exception {
        Connection connection = connect("");
        endsAReceive(connection, connection.createSession().createConsumer(queue()));
    }

    @Shows("JMS 8.8")
    void whatAClosedConsumerHadPrefetchedGoesToOthers() throws Exception {
        send(queue(), "a", "b", "c");
        MessageConsumer one = session().createConsumer(queue());
        expect(one, "a");
        one.close();
        expect(session().createConsumer(queue()), "b", "c");
    }

    @Shows("JMS 8.8")
    void whatAClosedConsumerHeldIsAcknowledgedLater() throws Exception {
        send(queue(), "a");
        Session client = session(Session.CLIENT_ACKNOWLEDGE);
        MessageConsumer consumer = client.createConsumer(queue());
        Message message = take(consumer);
        consumer.close();
        message.acknowledge();
        client.close();
        nothing(session().createConsumer(queue()));
    }

    @Shows("JMS 6.2.15")
    void aClosedProducersMessagesStay() throws Exception {
        MessageProducer producer = session().createProducer(queue());
        producer.send(session().createTextMessage("a"));
        producer.close();
        expect(session().createConsumer(queue()), "a");
    }

    @Shows("JMS 6.2.8")
    void manySessions() throws Exception {
        Connection connection = connect("");
        Session[] sessions = new Session[100];
        for (int number = 0; number < sessions.length; number++) {
            sessions[number] = connection.createSession();
            send(sessions[number], queue(), "m" + number);
        }
        for (int number = 0; number < sessions.length; number++) {
            MessageConsumer consumer = sessions[number].createConsumer(queue());
            expect(consumer, "m" + number);
            consumer.close();
        }
    }

    @Shows("JMS 6.2.15")
    void sessionsOpenedAndClosed() throws Exception {
        Connection connection = connect("");
        for (int number = 0; number < 500; number++) {
            connection.createSession().close();
        }
        send(connection.createSession(), queue(), "on");
        expect(session().createConsumer(queue()), "on");
    }

    @Shows("JMS 7.1")
    void linksOpenedAndClosed() throws Exception {
        for (int number = 0; number < 300; number++) {
            send(queue(), "m" + number);
            same("m" + number, text(takeFrom(queue())));
        }
    }

    @Shows("JMS 6.1.3")
    void connectionsOpenedAndClosed() throws Exception {
        for (int number = 0; number < 50; number++) {
            Connection connection = connect("");
            send(connection.createSession(), queue(), "m" + number);
            connection.close();
            same("m" + number, text(takeFrom(queue())));
        }
    }

    @Shows("JMS 6.1.3")
    void manyLinksOfOneSession() throws Exception {
        MessageConsumer[] consumers = new MessageConsumer[200];
        for (int number = 0; number < consumers.length; number++) {
            consumers[number] = session().createConsumer(queue("q" + number));
        }
        for (int number = 0; number < consumers.length; number++) {
            send(queue("q" + number), "m" + number);
            expect(consumers[number], "m" + number);
        }
    }
}
