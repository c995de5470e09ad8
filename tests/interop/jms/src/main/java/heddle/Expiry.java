package heddle;

import jakarta.jms.DeliveryMode;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.QueueBrowser;
import jakarta.jms.Session;

/** Time to live: what is not taken in time is not given any more. Each test waits for the clock to pass, not for a guess. */
final class Expiry extends Group {
    private static final long SHORT_MS = 150;
    private static final long LONG_MS = 3_600_000;

    private Message sendFor(jakarta.jms.Destination to, String text, long liveMs) throws Exception {
        Message message = session().createTextMessage(text);
        MessageProducer producer = session().createProducer(to);
        producer.send(message, DeliveryMode.PERSISTENT, Message.DEFAULT_PRIORITY, liveMs);
        producer.close();
        return message;
    }

    /** Waits until a message's time is over, and the broker's clock has seen it. */
    private static void expire(Message message) throws Exception {
        until(() -> System.currentTimeMillis() > message.getJMSExpiration() + 50, "the clock stands");
    }

    @Shows("JMS 3.4.9")
    void anExpiredMessageIsNotGiven() throws Exception {
        expire(sendFor(queue(), "short", SHORT_MS));
        nothing(session().createConsumer(queue()));
    }

    @Shows("JMS 3.4.9")
    void whatHasTimeIsGiven() throws Exception {
        sendFor(queue(), "long", LONG_MS);
        expect(session().createConsumer(queue()), "long");
    }

    @Shows("JMS 7.8")
    void zeroIsForEver() throws Exception {
        sendFor(queue(), "for ever", 0);
        expect(session().createConsumer(queue()), "for ever");
    }

    @Shows("JMS 3.4.9")
    void othersStay() throws Exception {
        sendFor(queue(), "a", 0);
        Message expiring = sendFor(queue(), "b", SHORT_MS);
        sendFor(queue(), "c", LONG_MS);
        expire(expiring);
        MessageConsumer consumer = session().createConsumer(queue());
        expect(consumer, "a", "c");
        nothing(consumer);
    }

    @Shows("JMS 7.8")
    void ofTheProducer() throws Exception {
        MessageProducer producer = session().createProducer(queue());
        producer.setTimeToLive(SHORT_MS);
        same(SHORT_MS, producer.getTimeToLive());
        Message message = session().createTextMessage("short");
        producer.send(message);
        expire(message);
        nothing(session().createConsumer(queue()));
    }

    @Shows("JMS 3.4.9")
    void ofADurableSubscription() throws Exception {
        Session session = connectAs(name()).createSession();
        session.createDurableConsumer(topic(), "sub").close();
        Message expiring = sendFor(topic(), "short", SHORT_MS);
        sendFor(topic(), "long", LONG_MS);
        expire(expiring);
        MessageConsumer consumer = session.createDurableConsumer(topic(), "sub");
        expect(consumer, "long");
        nothing(consumer);
    }

    @Shows("JMS 3.4.9")
    void whileAConsumerHasNoCredit() throws Exception {
        MessageConsumer consumer = session(Session.AUTO_ACKNOWLEDGE, "jms.prefetchPolicy.all=0").createConsumer(queue());
        expire(sendFor(queue(), "short", SHORT_MS));
        send(queue(), "marker");
        expect(consumer, "marker");
    }

    @Shows("JMS 3.4.9")
    void whatTheClientHeldTooLongIsNotGiven() throws Exception {
        MessageConsumer consumer = session().createConsumer(queue());
        expire(sendFor(queue(), "short", SHORT_MS));
        send(queue(), "marker");
        expect(consumer, "marker");
    }

    @Shows("JMS 4.1.6")
    void aBrowserDoesNotSeeIt() throws Exception {
        expire(sendFor(queue(), "short", SHORT_MS));
        try (QueueBrowser browser = session().createBrowser(queue())) {
            check(!browser.getEnumeration().hasMoreElements(), "what expired is seen");
        }
    }

    @Shows("Artemis D10")
    void whatComesBackExpiresAsWell() throws Exception {
        Message message = sendFor(queue(), "short", SHORT_MS * 4);
        Session client = session(Session.CLIENT_ACKNOWLEDGE);
        expect(client.createConsumer(queue()), "short");
        expire(message);
        client.close();
        nothing(session().createConsumer(queue()));
    }

    @Shows("Artemis D10")
    void whatIsHeldIsAcknowledgedAllTheSame() throws Exception {
        Message message = sendFor(queue(), "short", SHORT_MS * 4);
        Session client = session(Session.CLIENT_ACKNOWLEDGE);
        Message held = take(client.createConsumer(queue()));
        expire(message);
        held.acknowledge();
        client.close();
        nothing(session().createConsumer(queue()));
    }

    @Shows("JMS 3.4.9")
    void ofNonPersistentMessages() throws Exception {
        Message message = session().createTextMessage("short");
        session().createProducer(queue()).send(message, DeliveryMode.NON_PERSISTENT, 4, SHORT_MS);
        expire(message);
        nothing(session().createConsumer(queue()));
    }
}
