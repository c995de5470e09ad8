package heddle;

import jakarta.jms.DeliveryMode;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Session;

/** What is promised before the broker is killed; {@link AfterKill} has a test of the same name, which looks for it. */
final class BeforeKill extends Group {
    @Shows("JMS 7.7")
    void persistentMessagesAreKept() throws Exception {
        send(queue(), "a", "b", "c");
    }

    @Shows("JMS 7.7")
    void manyAreKeptInOrder() throws Exception {
        MessageProducer producer = session().createProducer(queue());
        for (int number = 0; number < 300; number++) {
            producer.send(session().createTextMessage("m" + number));
        }
    }

    @Shows("JMS 7.7")
    void nonPersistentMessagesAreNot() throws Exception {
        session().createProducer(queue()).send(session().createTextMessage("lost"), DeliveryMode.NON_PERSISTENT, 4, 0);
        send(queue(), "kept");
    }

    @Shows("JMS 6.2.10")
    void whatWasAcknowledgedIsGone() throws Exception {
        send(queue(), "taken", "left");
        Session session = session(INDIVIDUAL);
        take(session.createConsumer(queue())).acknowledge();
        // Behind the close the broker has heard of it; a message that is accepted behind that is stored behind it.
        session.close();
        send(queue(), "marker");
    }

    @Shows("Artemis D9")
    void whatFailedKeepsItsCount() throws Exception {
        send(queue(), "a");
        Session session = session(INDIVIDUAL, "jms.prefetchPolicy.all=1");
        Message message = take(session.createConsumer(queue()));
        message.setIntProperty(OUTCOME, MODIFIED_FAILED);
        message.acknowledge();
        session.close();
        send(queue(), "marker");
    }

    @Shows("JMS 8.3.3")
    void aDurableSubscriptionKeepsItsMessages() throws Exception {
        Session session = connectAs(name()).createSession();
        session.createDurableConsumer(topic(), "sub").close();
        send(topic(), "a", "b");
    }

    @Shows("JMS 8.3.3")
    void aDurableSubscriptionIsStillThere() throws Exception {
        connectAs(name()).createSession().createDurableConsumer(topic(), "sub").close();
    }

    @Shows("JMS 8.3.3")
    void anUnsubscribedOneIsNot() throws Exception {
        Session session = connectAs(name()).createSession();
        session.createDurableConsumer(topic(), "sub").close();
        send(topic(), "dropped");
        session.unsubscribe("sub");
        send(queue(), "marker");
    }

    @Shows("JMS 8.3.4")
    void aSharedDurableSubscriptionKeepsItsMessages() throws Exception {
        session().createSharedDurableConsumer(topic(), name()).close();
        send(topic(), "a", "b");
    }

    @Shows("JMS 3.3")
    void headersAndPropertiesAreKept() throws Exception {
        Message message = session().createTextMessage("a");
        message.setJMSType("type");
        message.setJMSCorrelationID("17");
        message.setJMSReplyTo(queue("replies"));
        message.setIntProperty("n", 7);
        session().createProducer(queue()).send(message, DeliveryMode.PERSISTENT, 8, 3_600_000);
    }

    @Shows("Artemis D1")
    void prioritiesHold() throws Exception {
        MessageProducer producer = session().createProducer(queue());
        for (int priority : new int[] {1, 9, 4}) {
            producer.send(session().createTextMessage("p" + priority), DeliveryMode.PERSISTENT, priority, 0);
        }
    }

    @Shows("Artemis D10")
    void whatExpiredMeanwhileIsNotGiven() throws Exception {
        session().createProducer(queue()).send(session().createTextMessage("short"), DeliveryMode.PERSISTENT, 4, 200);
        send(queue(), "long");
    }

    @Shows("Artemis Annex B")
    void largeMessagesAreKept() throws Exception {
        send(queue(), "x".repeat(3_000_000));
    }

    @Shows("Artemis D14")
    void delayedMessagesAreKept() throws Exception {
        MessageProducer producer = session().createProducer(queue());
        producer.setDeliveryDelay(1_000);
        producer.send(session().createTextMessage("later"));
    }

    @Shows("JMS 6.2.7")
    void committedTransactionsAreKept() throws Exception {
        Session session = session(Session.SESSION_TRANSACTED);
        for (int number = 0; number < 4; number++) {
            send(session, queue("q" + number), "m" + number);
        }
        session.commit();
    }

    @Shows("JMS 6.2.7")
    void openTransactionsAreNot() throws Exception {
        send(queue(), "in");
        Session session = session(Session.SESSION_TRANSACTED);
        MessageConsumer consumer = session.createConsumer(queue());
        expect(consumer, "in");
        send(session, queue(), "out");
        // Nobody says goodbye: the program ends with the transaction open, and then the broker is killed.
        leaveOpen();
    }
}
