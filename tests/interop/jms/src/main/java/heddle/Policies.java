package heddle;

import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.Session;

/** Queues that keep less, as the settings of their addresses say: suite.py has those, by the names of these tests. */
final class Policies extends Group {
    private void sendWithKey(String key, String text) throws Exception {
        Message message = session().createTextMessage(text);
        message.setStringProperty("key", key);
        session().createProducer(queue()).send(message);
    }

    @Shows("Artemis A24")
    void aRingKeepsTheNewestThree() throws Exception {
        send(queue(), "a", "b", "c", "d", "e");
        MessageConsumer consumer = session().createConsumer(queue());
        expect(consumer, "c", "d", "e");
        nothing(consumer);
    }

    @Shows("Artemis A17")
    void purgedWithoutConsumers() throws Exception {
        // Both consumers are one connection's: what two of them do on different shards comes to the queue in no order.
        Session pulling = session(Session.AUTO_ACKNOWLEDGE, "jms.prefetchPolicy.all=0");
        MessageConsumer consumer = pulling.createConsumer(queue());
        send(queue(), "a", "b");
        expect(consumer, "a");
        consumer.close();
        MessageConsumer next = pulling.createConsumer(queue());
        nothing(next);
        send(queue(), "c");
        expect(next, "c");
    }

    @Shows("Artemis A23")
    void nonDestructiveForEverybody() throws Exception {
        send(queue(), "a", "b");
        expect(session().createConsumer(queue()), "a", "b");
        expect(connect("").createSession().createConsumer(queue()), "a", "b");
    }

    @Shows("Artemis A22")
    void theLastValueOfAKey() throws Exception {
        sendWithKey("x", "old");
        sendWithKey("y", "other");
        sendWithKey("x", "new");
        MessageConsumer consumer = session().createConsumer(queue());
        java.util.Set<String> got = new java.util.HashSet<>(java.util.Set.of(text(take(consumer)), text(take(consumer))));
        same(java.util.Set.of("other", "new"), got);
        nothing(consumer);
    }

    @Shows("Artemis A21")
    void anExclusiveQueueHasOneConsumer() throws Exception {
        MessageConsumer one = session().createConsumer(queue());
        MessageConsumer two = connect("").createSession().createConsumer(queue());
        send(queue(), "a", "b", "c", "d");
        expect(one, "a", "b", "c", "d");
        one.close();
        send(queue(), "e");
        expect(two, "e");
    }
}
