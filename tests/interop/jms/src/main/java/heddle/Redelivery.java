package heddle;

import jakarta.jms.Connection;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.Session;

/** What comes again: recover, closes and lost connections; JMSRedelivered, JMSXDeliveryCount, and the order. */
final class Redelivery extends Group {
    private static final String ONE = "jms.prefetchPolicy.all=1";
    private static final String COUNT = "JMSXDeliveryCount";

    private static void settle(Message message, int outcome) throws Exception {
        message.setIntProperty(OUTCOME, outcome);
        message.acknowledge();
    }

    @Shows("JMS 3.4.7")
    void aFirstDeliveryIsNotMarked() throws Exception {
        send(queue(), "a");
        Message message = takeFrom(queue());
        check(!message.getJMSRedelivered(), "a first delivery is marked as redelivered");
    }

    @Shows("JMS 3.5.11")
    void aFirstDeliveryCountsOne() throws Exception {
        send(queue(), "a");
        same(1, takeFrom(queue()).getIntProperty(COUNT));
    }

    @Shows("JMS 6.2.10")
    void recoverGivesAllThatWasNotAcknowledged() throws Exception {
        send(queue(), "a", "b", "c");
        Session session = session(Session.CLIENT_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(queue());
        take(consumer).acknowledge();
        expect(consumer, "b", "c");
        session.recover();
        expect(consumer, "b", "c");
    }

    @Shows("JMS 3.4.7")
    void recoverMarksAsRedelivered() throws Exception {
        send(queue(), "a");
        Session session = session(Session.CLIENT_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(queue());
        take(consumer);
        session.recover();
        check(take(consumer).getJMSRedelivered(), "not marked");
    }

    @Shows("JMS 3.5.11")
    void recoverCounts() throws Exception {
        send(queue(), "a");
        Session session = session(Session.CLIENT_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(queue());
        for (int count = 1; count <= 4; count++) {
            same(count, take(consumer).getIntProperty(COUNT));
            session.recover();
        }
    }

    @Shows("JMS 6.2.10")
    void recoverKeepsOrderBeforeNewOnes() throws Exception {
        Session session = session(Session.CLIENT_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(queue());
        send(queue(), "a", "b");
        expect(consumer, "a", "b");
        send(queue(), "c");
        session.recover();
        expect(consumer, "a", "b", "c");
    }

    @Shows("JMS 6.2.10")
    void recoverOfATopicComesAgain() throws Exception {
        Session session = session(Session.CLIENT_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(topic());
        send(topic(), "a", "b");
        expect(consumer, "a", "b");
        session.recover();
        Message again = take(consumer);
        same("a", text(again));
        check(again.getJMSRedelivered(), "not marked");
    }

    @Shows("JMS 6.2.10")
    void whatWasAcknowledgedIsNotRecovered() throws Exception {
        send(queue(), "a");
        Session session = session(Session.CLIENT_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(queue());
        take(consumer).acknowledge();
        session.recover();
        nothing(consumer);
    }

    @Shows("JMS 6.2.15")
    void aClosedSessionGivesBackInOrder() throws Exception {
        send(queue(), "a", "b", "c");
        Session session = session(Session.CLIENT_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(queue());
        expect(consumer, "a", "b");
        session.close();
        expect(session().createConsumer(queue()), "a", "b", "c");
    }

    @Shows("JMS 3.4.7")
    void whatAClosedSessionHeldIsMarked() throws Exception {
        send(queue(), "a");
        Session session = session(Session.CLIENT_ACKNOWLEDGE);
        take(session.createConsumer(queue()));
        session.close();
        Message again = takeFrom(queue());
        check(again.getJMSRedelivered(), "what was delivered and given back is not marked");
    }

    /** Has a message prefetched behind one that is received, closes, and shows that the next consumer gets it as a new one. */
    private void prefetchedIsNotMarked(Closing closing) throws Exception {
        send(queue(), "a", "b");
        Connection connection = connect("");
        Session session = connection.createSession(Session.CLIENT_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(queue());
        take(consumer).acknowledge();
        closing.close(connection, session, consumer);
        Message next = takeFrom(queue());
        same("b", text(next));
        check(!next.getJMSRedelivered(), "what no application saw is marked");
    }

    private interface Closing {
        void close(Connection connection, Session session, MessageConsumer consumer) throws Exception;
    }

    @Shows("Artemis 2.9")
    void whatAClosedConnectionHadPrefetchedIsNotMarked() throws Exception {
        prefetchedIsNotMarked((connection, session, consumer) -> connection.close());
    }

    @Shows("Artemis 2.9")
    void whatAClosedSessionHadPrefetchedIsNotMarked() throws Exception {
        prefetchedIsNotMarked((connection, session, consumer) -> session.close());
    }

    @Shows("Artemis 2.9")
    void whatAClosedConsumerHadPrefetchedIsNotMarked() throws Exception {
        prefetchedIsNotMarked((connection, session, consumer) -> consumer.close());
    }

    @Shows("Artemis 2.9")
    void aLostConnectionGivesBackInOrder() throws Exception {
        send(queue(), "a", "b", "c");
        Connection connection = connectByRelay("");
        MessageConsumer consumer = connection.createSession(Session.CLIENT_ACKNOWLEDGE).createConsumer(queue());
        expect(consumer, "a", "b");
        relay().cut();
        expect(session().createConsumer(queue()), "a", "b", "c");
    }

    @Shows("Artemis D7")
    void aLostConnectionCounts() throws Exception {
        send(queue(), "a");
        Connection connection = connectByRelay(ONE);
        take(connection.createSession(Session.CLIENT_ACKNOWLEDGE).createConsumer(queue()));
        relay().cut();
        Message again = takeFrom(queue());
        check(again.getJMSRedelivered(), "not marked");
        same(2, again.getIntProperty(COUNT));
    }

    @Shows("Artemis 2.9")
    void aReleaseUndoesTheCount() throws Exception {
        send(queue(), "a");
        MessageConsumer consumer = session(INDIVIDUAL, ONE).createConsumer(queue());
        for (int round = 0; round < 3; round++) {
            Message message = take(consumer);
            same(1, message.getIntProperty(COUNT));
            settle(message, RELEASED);
        }
    }

    @Shows("Artemis 2.9")
    void failuresAddUp() throws Exception {
        send(queue(), "a");
        MessageConsumer consumer = session(INDIVIDUAL, ONE).createConsumer(queue());
        for (int count = 1; count <= 4; count++) {
            Message message = take(consumer);
            same(count, message.getIntProperty(COUNT));
            settle(message, MODIFIED_FAILED);
        }
    }

    @Shows("Artemis D5")
    void whatComesBackIsInFront() throws Exception {
        send(queue(), "a", "b", "c");
        MessageConsumer consumer = session(INDIVIDUAL, ONE).createConsumer(queue());
        settle(take(consumer), RELEASED);
        // One further message may have been sent ahead, at most.
        java.util.List<String> order = new java.util.ArrayList<>();
        for (int number = 0; number < 3; number++) {
            Message message = take(consumer);
            order.add(text(message));
            message.acknowledge();
        }
        check(order.indexOf("a") <= 1, "what came back is behind: " + order);
        check(order.indexOf("b") < order.indexOf("c"), "others changed their order: " + order);
    }

    @Shows("Artemis D5")
    void severalComeBackInTheirOrder() throws Exception {
        send(queue(), "a", "b", "c", "d");
        Session session = session(INDIVIDUAL);
        MessageConsumer consumer = session.createConsumer(queue());
        Message[] messages = {take(consumer), take(consumer), take(consumer), take(consumer)};
        for (int index : new int[] {2, 0, 3, 1}) {
            settle(messages[index], RELEASED);
        }
        session.close();
        expect(session().createConsumer(queue()), "a", "b", "c", "d");
    }

    @Shows("JMS 3.5.11")
    void theCountIsTheBrokersAndNotTheSenders() throws Exception {
        Message message = session().createTextMessage("a");
        message.setIntProperty(COUNT, 7);
        session().createProducer(queue()).send(message);
        same(1, takeFrom(queue()).getIntProperty(COUNT));
    }
}
