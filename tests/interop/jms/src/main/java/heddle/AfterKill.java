package heddle;

import jakarta.jms.DeliveryMode;
import jakarta.jms.InvalidDestinationException;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.Session;

/** What is there behind a kill of the broker: each test looks for what that of the same name in {@link BeforeKill} was promised. */
final class AfterKill extends Group {
    private void remains(String... texts) throws Exception {
        MessageConsumer consumer = session().createConsumer(queue());
        expect(consumer, texts);
        nothing(consumer);
    }

    @Shows("JMS 7.7")
    void persistentMessagesAreKept() throws Exception {
        remains("a", "b", "c");
    }

    @Shows("JMS 7.7")
    void manyAreKeptInOrder() throws Exception {
        MessageConsumer consumer = session().createConsumer(queue());
        for (int number = 0; number < 300; number++) {
            expect(consumer, "m" + number);
        }
        nothing(consumer);
    }

    @Shows("JMS 7.7")
    void nonPersistentMessagesAreNot() throws Exception {
        remains("kept");
    }

    @Shows("JMS 6.2.10")
    void whatWasAcknowledgedIsGone() throws Exception {
        remains("left", "marker");
    }

    @Shows("Artemis D9")
    void whatFailedKeepsItsCount() throws Exception {
        Message message = take(session().createConsumer(queue()));
        same("a", text(message));
        check(message.getJMSRedelivered(), "not marked as redelivered");
        check(message.getIntProperty("JMSXDeliveryCount") >= 2, "the count is lost");
    }

    @Shows("JMS 8.3.3")
    void aDurableSubscriptionKeepsItsMessages() throws Exception {
        MessageConsumer consumer = connectAs(name()).createSession().createDurableConsumer(topic(), "sub");
        expect(consumer, "a", "b");
        nothing(consumer);
    }

    @Shows("JMS 8.3.3")
    void aDurableSubscriptionIsStillThere() throws Exception {
        send(topic(), "a");
        expect(connectAs(name()).createSession().createDurableConsumer(topic(), "sub"), "a");
    }

    @Shows("JMS 8.3.3")
    void anUnsubscribedOneIsNot() throws Exception {
        Session session = connectAs(name()).createSession();
        raises(InvalidDestinationException.class, () -> session.unsubscribe("sub"));
        nothing(session.createDurableConsumer(topic(), "sub"));
    }

    @Shows("JMS 8.3.4")
    void aSharedDurableSubscriptionKeepsItsMessages() throws Exception {
        expect(session().createSharedDurableConsumer(topic(), name()), "a", "b");
    }

    @Shows("JMS 3.3")
    void headersAndPropertiesAreKept() throws Exception {
        Message message = take(session().createConsumer(queue()));
        same("type", message.getJMSType());
        same("17", message.getJMSCorrelationID());
        same(queue("replies"), message.getJMSReplyTo());
        same(7, message.getIntProperty("n"));
        same(8, message.getJMSPriority());
        same(DeliveryMode.PERSISTENT, message.getJMSDeliveryMode());
        same(message.getJMSTimestamp() + 3_600_000, message.getJMSExpiration());
        check(!message.getJMSRedelivered(), "it is marked as redelivered");
    }

    @Shows("Artemis D1")
    void prioritiesHold() throws Exception {
        remains("p9", "p4", "p1");
    }

    @Shows("Artemis D10")
    void whatExpiredMeanwhileIsNotGiven() throws Exception {
        remains("long");
    }

    @Shows("Artemis Annex B")
    void largeMessagesAreKept() throws Exception {
        remains("x".repeat(3_000_000));
    }

    @Shows("Artemis D14")
    void delayedMessagesAreKept() throws Exception {
        expect(session().createConsumer(queue()), "later");
    }

    @Shows("JMS 6.2.7")
    void committedTransactionsAreKept() throws Exception {
        for (int number = 0; number < 4; number++) {
            same("m" + number, text(takeFrom(queue("q" + number))));
        }
    }

    @Shows("JMS 6.2.7")
    void openTransactionsAreNot() throws Exception {
        remains("in");
    }
}
