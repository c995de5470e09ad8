package heddle;

import jakarta.jms.Connection;
import jakarta.jms.IllegalStateException;
import jakarta.jms.JMSException;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Session;

/** Local transactions: what is sent and taken in one happens at its commit, all of it, or not at all. */
final class Transactions extends Group {
    private Session transacted() throws JMSException {
        return session(Session.SESSION_TRANSACTED);
    }

    private void remains(String... texts) throws Exception {
        try (MessageConsumer consumer = session().createConsumer(queue())) {
            expect(consumer, texts);
            nothing(consumer);
        }
    }

    @Shows("JMS 6.2.7")
    void aSendIsSeenAtItsCommit() throws Exception {
        Session session = transacted();
        send(session, queue(), "a", "b");
        MessageConsumer consumer = session().createConsumer(queue());
        nothing(consumer);
        session.commit();
        expect(consumer, "a", "b");
    }

    @Shows("JMS 6.2.7")
    void aSendThatIsRolledBackIsNeverSeen() throws Exception {
        Session session = transacted();
        send(session, queue(), "a");
        session.rollback();
        send(session, queue(), "b");
        session.commit();
        remains("b");
    }

    @Shows("JMS 6.2.7")
    void whatIsTakenGoesAtItsCommit() throws Exception {
        send(queue(), "a", "b");
        Session session = transacted();
        expect(session.createConsumer(queue()), "a", "b");
        session.commit();
        session.close();
        remains();
    }

    @Shows("JMS 6.2.7")
    void whatIsTakenAndRolledBackComesAgain() throws Exception {
        send(queue(), "a", "b");
        Session session = transacted();
        MessageConsumer consumer = session.createConsumer(queue());
        expect(consumer, "a", "b");
        session.rollback();
        expect(consumer, "a", "b");
        session.commit();
    }

    @Shows("JMS 3.4.7")
    void whatComesAgainIsMarkedAndCounted() throws Exception {
        send(queue(), "a");
        Session session = transacted();
        MessageConsumer consumer = session.createConsumer(queue());
        check(!take(consumer).getJMSRedelivered(), "a first delivery is marked");
        session.rollback();
        Message again = take(consumer);
        check(again.getJMSRedelivered(), "not marked");
        same(2, again.getIntProperty("JMSXDeliveryCount"));
        session.commit();
    }

    @Shows("JMS 6.2.7")
    void aRollbackGivesBackInOrderToOthers() throws Exception {
        send(queue(), "a", "b", "c");
        Session session = transacted();
        expect(session.createConsumer(queue()), "a", "b");
        session.rollback();
        session.close();
        remains("a", "b", "c");
    }

    @Shows("JMS 6.2.7")
    void sendsAndTakesAreOne() throws Exception {
        send(queue(), "in");
        Session session = transacted();
        MessageConsumer consumer = session.createConsumer(queue());
        expect(consumer, "in");
        send(session, queue("out"), "out");
        session.rollback();
        expect(consumer, "in");
        send(session, queue("out"), "out, again");
        session.commit();
        session.close();
        expect(session().createConsumer(queue("out")), "out, again");
        remains();
    }

    @Shows("JMS 6.2.7")
    void severalQueuesAreOne() throws Exception {
        Session session = transacted();
        for (int number = 0; number < 8; number++) {
            send(session, queue("q" + number), "m" + number);
        }
        for (int number = 0; number < 8; number++) {
            try (MessageConsumer consumer = session().createConsumer(queue("q" + number))) {
                nothing(consumer);
            }
        }
        session.commit();
        for (int number = 0; number < 8; number++) {
            same("m" + number, text(takeFrom(queue("q" + number))));
        }
    }

    @Shows("JMS 6.2.7")
    void severalQueuesRollBackAsOne() throws Exception {
        for (int number = 0; number < 8; number++) {
            send(queue("q" + number), "m" + number);
        }
        Session session = transacted();
        for (int number = 0; number < 8; number++) {
            expect(session.createConsumer(queue("q" + number)), "m" + number);
        }
        session.rollback();
        session.close();
        for (int number = 0; number < 8; number++) {
            same("m" + number, text(takeFrom(queue("q" + number))));
        }
    }

    @Shows("JMS 6.2.7")
    void aTopicGetsItAtTheCommit() throws Exception {
        MessageConsumer subscriber = session().createConsumer(topic());
        Session session = transacted();
        send(session, topic(), "a");
        nothing(subscriber);
        session.commit();
        expect(subscriber, "a");
    }

    @Shows("JMS 6.2.7")
    void aSubscriberRollsBack() throws Exception {
        Session session = transacted();
        MessageConsumer subscriber = session.createConsumer(topic());
        send(topic(), "a");
        expect(subscriber, "a");
        session.rollback();
        expect(subscriber, "a");
        session.commit();
    }

    @Shows("JMS 6.2.7")
    void aTemporaryQueueInIt() throws Exception {
        Session session = transacted();
        jakarta.jms.TemporaryQueue temporary = session.createTemporaryQueue();
        MessageConsumer consumer = session.createConsumer(temporary);
        send(session, temporary, "a");
        session.commit();
        expect(consumer, "a");
        session.commit();
    }

    @Shows("JMS 6.2.7")
    void theAnonymousRelayInIt() throws Exception {
        Session session = transacted();
        MessageProducer producer = session.createProducer(null);
        producer.send(queue(), session.createTextMessage("a"));
        session.rollback();
        producer.send(queue(), session.createTextMessage("b"));
        session.commit();
        remains("b");
    }

    @Shows("JMS 6.2.7")
    void oneBeginsWhereTheLastEnded() throws Exception {
        Session session = transacted();
        for (int round = 0; round < 20; round++) {
            send(session, queue(), "m" + round);
            if (round % 2 == 0) {
                session.commit();
            } else {
                session.rollback();
            }
        }
        MessageConsumer consumer = session().createConsumer(queue());
        for (int round = 0; round < 20; round += 2) {
            expect(consumer, "m" + round);
        }
        nothing(consumer);
    }

    @Shows("JMS 6.2.7")
    void emptyOnesChangeNothing() throws Exception {
        Session session = transacted();
        session.commit();
        session.rollback();
        session.commit();
        send(session, queue(), "a");
        session.commit();
        remains("a");
    }

    @Shows("JMS 6.2.7")
    void sessionsHaveTheirOwn() throws Exception {
        Session one = transacted();
        Session two = transacted();
        send(one, queue(), "one");
        send(two, queue(), "two");
        one.rollback();
        two.commit();
        remains("two");
    }

    @Shows("JMS 6.2.15")
    void closingTheSessionRollsBack() throws Exception {
        send(queue(), "in");
        Session session = transacted();
        expect(session.createConsumer(queue()), "in");
        send(session, queue(), "out");
        session.close();
        remains("in");
    }

    @Shows("JMS 6.1.8")
    void closingTheConnectionRollsBack() throws Exception {
        send(queue(), "in");
        Connection connection = connect("");
        Session session = connection.createSession(Session.SESSION_TRANSACTED);
        expect(session.createConsumer(queue()), "in");
        send(session, queue(), "out");
        connection.close();
        remains("in");
    }

    @Shows("JMS 6.2.7")
    void aConsumerThatIsClosedStillCommits() throws Exception {
        send(queue(), "a");
        Session session = transacted();
        MessageConsumer consumer = session.createConsumer(queue());
        expect(consumer, "a");
        consumer.close();
        session.commit();
        session.close();
        remains();
    }

    @Shows("JMS 6.2.7")
    void aConsumerThatIsClosedStillRollsBack() throws Exception {
        send(queue(), "a");
        Session session = transacted();
        MessageConsumer consumer = session.createConsumer(queue());
        expect(consumer, "a");
        consumer.close();
        session.rollback();
        remains("a");
    }

    @Shows("JMS 6.2.7")
    void aProducerThatIsClosedStillCommits() throws Exception {
        Session session = transacted();
        MessageProducer producer = session.createProducer(queue());
        producer.send(session.createTextMessage("a"));
        producer.close();
        session.commit();
        remains("a");
    }

    @Shows("JMS 6.2.7")
    void manyMessagesInOne() throws Exception {
        Session session = transacted();
        for (int number = 0; number < 500; number++) {
            send(session, queue(), "m" + number);
        }
        session.commit();
        MessageConsumer consumer = session.createConsumer(queue());
        for (int number = 0; number < 500; number++) {
            expect(consumer, "m" + number);
        }
        session.commit();
        nothing(consumer);
    }

    @Shows("JMS 6.2.7")
    void aLargeMessageInIt() throws Exception {
        Session session = transacted();
        String large = "x".repeat(2_000_000);
        send(session, queue(), large);
        session.rollback();
        send(session, queue(), large + "y");
        session.commit();
        remains(large + "y");
    }

    @Shows("JMS 6.2.7")
    void commitAndRollbackElsewhereAreRefused() throws Exception {
        raises(IllegalStateException.class, () -> session().commit());
        raises(IllegalStateException.class, () -> session().rollback());
    }

    @Shows("JMS 6.2.7")
    void recoverInItIsRefused() throws Exception {
        Session session = transacted();
        raises(IllegalStateException.class, session::recover);
    }

    @Shows("JMS 6.2.7")
    void itSaysThatItIsTransacted() throws Exception {
        Session session = transacted();
        check(session.getTransacted(), "it is not");
        same(Session.SESSION_TRANSACTED, session.getAcknowledgeMode());
    }

    @Shows("JMS 6.2.7")
    void aSendThatFailsRollsBackTheWhole() throws Exception {
        Session session = transacted();
        send(session, queue(), "a");
        MessageProducer producer = session.createProducer(null);
        try {
            producer.send(session.createQueue("jms.Missing." + name()), session.createMessage());
            session.commit();
        } catch (JMSException refused) {
            session.rollback();
            remains();
            return;
        }
        throw new AssertionError("a transaction with a send to nowhere was committed");
    }
}
