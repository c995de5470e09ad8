package heddle;

import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.Session;

/** Duplicate detection by the property that Artemis's clients set: what was sent already is accepted and dropped. */
final class Duplicates extends Group {
    private static final String ID = "_AMQ_DUPL_ID";

    private void sendWith(Session by, jakarta.jms.Destination to, String id, String text) throws Exception {
        Message message = by.createTextMessage(text);
        message.setStringProperty(ID, id);
        by.createProducer(to).send(message);
    }

    @Shows("Artemis D18")
    void aSecondOneIsAcceptedAndDropped() throws Exception {
        sendWith(session(), queue(), "1", "first");
        sendWith(session(), queue(), "1", "second");
        sendWith(session(), queue(), "2", "other");
        MessageConsumer consumer = session().createConsumer(queue());
        expect(consumer, "first", "other");
        nothing(consumer);
    }

    @Shows("Artemis D18")
    void itIsKnownWhenTheFirstWasTaken() throws Exception {
        sendWith(session(), queue(), "1", "first");
        same("first", text(takeFrom(queue())));
        sendWith(connect("").createSession(), queue(), "1", "second");
        nothing(session().createConsumer(queue()));
    }

    @Shows("Artemis D18")
    void addressesDoNotShareThem() throws Exception {
        sendWith(session(), queue("one"), "1", "a");
        sendWith(session(), queue("two"), "1", "b");
        expect(session().createConsumer(queue("one")), "a");
        expect(session().createConsumer(queue("two")), "b");
    }

    @Shows("Artemis D18")
    void subscribersGetOne() throws Exception {
        MessageConsumer consumer = session().createConsumer(topic());
        sendWith(session(), topic(), "1", "first");
        sendWith(session(), topic(), "1", "second");
        expect(consumer, "first");
        nothing(consumer);
    }

    @Shows("Artemis D18")
    void withoutTheIdBothCome() throws Exception {
        send(queue(), "a", "a");
        MessageConsumer consumer = session().createConsumer(queue());
        expect(consumer, "a", "a");
        nothing(consumer);
    }
}
