package heddle;

import jakarta.jms.Connection;
import jakarta.jms.DeliveryMode;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.Session;

/**
 * Where messages go that failed three times, were rejected or expired. All tests of the group share the two addresses where they go, and
 * run in turn; each knows its messages by their texts.
 */
final class DeadLetters extends Group {
    private static final String ONE = "jms.prefetchPolicy.all=1";
    private static final String DEAD = "jms.letters.dead";
    private static final String EXPIRED = "jms.letters.expired";

    private void settle(MessageConsumer consumer, int outcome) throws Exception {
        Message message = take(consumer);
        message.setIntProperty(OUTCOME, outcome);
        message.acknowledge();
    }

    /** The test's text: none other has it. */
    private String letter() {
        return name();
    }

    private Message arrived(String address) throws Exception {
        return arrived(session(), address);
    }

    /** Takes the test's own letter from where it had to go; those that other tests left are passed over. */
    private Message arrived(Session by, String address) throws Exception {
        try (MessageConsumer consumer = by.createConsumer(by.createQueue(address))) {
            Message message = take(consumer);
            while (!text(message).equals(letter())) {
                message = take(consumer);
            }
            return message;
        }
    }

    private void isGone() throws Exception {
        try (MessageConsumer consumer = session().createConsumer(queue())) {
            nothing(consumer);
        }
    }

    @Shows("Artemis D7")
    void whatFailedThreeTimesGoesThere() throws Exception {
        send(queue(), letter());
        MessageConsumer consumer = session(INDIVIDUAL, ONE).createConsumer(queue());
        for (int attempt = 0; attempt < 3; attempt++) {
            settle(consumer, MODIFIED_FAILED);
        }
        arrived(DEAD);
        isGone();
    }

    @Shows("Artemis D7")
    void whatFailedTwiceDoesNot() throws Exception {
        send(queue(), letter());
        MessageConsumer consumer = session(INDIVIDUAL, ONE).createConsumer(queue());
        settle(consumer, MODIFIED_FAILED);
        settle(consumer, MODIFIED_FAILED);
        Message third = take(consumer);
        same(letter(), text(third));
        third.acknowledge();
    }

    @Shows("Artemis 2.9")
    void whatIsReleasedDoesNot() throws Exception {
        send(queue(), letter());
        MessageConsumer consumer = session(INDIVIDUAL, ONE).createConsumer(queue());
        for (int round = 0; round < 6; round++) {
            settle(consumer, RELEASED);
        }
        same(letter(), text(take(consumer)));
    }

    @Shows("Artemis 2.9")
    void whatIsRejectedGoesThereAtOnce() throws Exception {
        send(queue(), letter());
        settle(session(INDIVIDUAL, ONE).createConsumer(queue()), REJECTED);
        arrived(DEAD);
        isGone();
    }

    private void expireOne() throws Exception {
        Message message = session().createTextMessage(letter());
        session().createProducer(queue()).send(message, DeliveryMode.PERSISTENT, 4, 150);
        until(() -> System.currentTimeMillis() > message.getJMSExpiration() + 50, "the clock stands");
    }

    @Shows("Artemis D10")
    void whatExpiresGoesThere() throws Exception {
        expireOne();
        // A client that does not look at the time by which the message should have been taken.
        arrived(session(Session.AUTO_ACKNOWLEDGE, "jms.localMessageExpiry=false"), EXPIRED);
        isGone();
    }

    @Shows("Artemis D13")
    void anExpiredLetterHasNoExpiration() throws Exception {
        expireOne();
        // Qpid JMS drops what has expired by its own clock, unless it is told not to.
        same(0L, arrived(session(Session.AUTO_ACKNOWLEDGE, "jms.localMessageExpiry=false"), EXPIRED).getJMSExpiration());
    }

    @Shows("Artemis D13")
    void aLetterIsAsNew() throws Exception {
        send(queue(), letter());
        MessageConsumer consumer = session(INDIVIDUAL, ONE).createConsumer(queue());
        for (int attempt = 0; attempt < 3; attempt++) {
            settle(consumer, MODIFIED_FAILED);
        }
        Message letter = arrived(DEAD);
        check(!letter.getJMSRedelivered(), "it is marked as redelivered");
        same(1, letter.getIntProperty("JMSXDeliveryCount"));
    }

    @Shows("Artemis 2.12")
    void aLetterKeepsWhatItWas() throws Exception {
        Message message = session().createTextMessage(letter());
        message.setIntProperty("n", 7);
        message.setJMSType("type");
        message.setJMSCorrelationID("17");
        session().createProducer(queue()).send(message, DeliveryMode.PERSISTENT, 8, 0);
        settle(session(INDIVIDUAL, ONE).createConsumer(queue()), REJECTED);
        Message letter = arrived(DEAD);
        same(7, letter.getIntProperty("n"));
        same("type", letter.getJMSType());
        same("17", letter.getJMSCorrelationID());
        same(8, letter.getJMSPriority());
        same(DeliveryMode.PERSISTENT, letter.getJMSDeliveryMode());
        same(message.getJMSMessageID(), letter.getJMSMessageID());
    }

    @Shows("Artemis 2.12")
    void aSubscriptionsLetter() throws Exception {
        MessageConsumer consumer = session(INDIVIDUAL, ONE).createConsumer(topic());
        send(topic(), letter());
        settle(consumer, REJECTED);
        arrived(DEAD);
    }

    @Shows("JMS 4.2.8")
    void othersOfTheQueueGoOn() throws Exception {
        send(queue(), letter(), "next");
        MessageConsumer consumer = session(INDIVIDUAL, ONE).createConsumer(queue());
        settle(consumer, REJECTED);
        Message next = take(consumer);
        same("next", text(next));
        next.acknowledge();
        arrived(DEAD);
    }

    @Shows("Artemis D7")
    void recoveringDoesNotCountAtTheBroker() throws Exception {
        send(queue(), letter());
        Session client = session(Session.CLIENT_ACKNOWLEDGE);
        MessageConsumer consumer = client.createConsumer(queue());
        for (int round = 0; round < 5; round++) {
            same(letter(), text(take(consumer)));
            client.recover();
        }
        take(consumer).acknowledge();
        isGone();
    }

    @Shows("Artemis D7")
    void theLimitOfTheClientRejects() throws Exception {
        send(queue(), letter());
        Connection connection = connect("jms.redeliveryPolicy.maxRedeliveries=2&jms.redeliveryPolicy.outcome=REJECTED");
        Session client = connection.createSession(Session.CLIENT_ACKNOWLEDGE);
        MessageConsumer consumer = client.createConsumer(queue());
        for (int round = 0; round < 3; round++) {
            take(consumer);
            client.recover();
        }
        nothing(consumer);
        arrived(DEAD);
    }

    @Shows("Artemis D7")
    void whatRollsBackThreeTimesGoesThere() throws Exception {
        send(queue(), letter());
        Session transacted = session(Session.SESSION_TRANSACTED);
        MessageConsumer consumer = transacted.createConsumer(queue());
        for (int round = 0; round < 3; round++) {
            take(consumer);
            transacted.rollback();
        }
        transacted.close();
        arrived(DEAD);
    }

    @Shows("Artemis Annex B")
    void closingManyTimesDoesNotKillWhatNobodySaw() throws Exception {
        for (int round = 0; round < 4; round++) {
            send(queue(), "seen");
        }
        send(queue(), letter());
        for (int round = 0; round < 4; round++) {
            // All that waits is sent ahead, the letter as well, and only one is received.
            Connection connection = connect("");
            MessageConsumer consumer = connection.createSession(Session.CLIENT_ACKNOWLEDGE).createConsumer(queue());
            take(consumer).acknowledge();
            connection.close();
        }
        expect(session().createConsumer(queue()), letter());
    }
}
