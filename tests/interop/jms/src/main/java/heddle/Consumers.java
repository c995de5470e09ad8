package heddle;

import jakarta.jms.MessageConsumer;
import jakarta.jms.QueueBrowser;
import jakarta.jms.Session;

/** Who gets the messages of a queue, as the settings of its address and its consumers say: suite.py has those, by the names of these tests. */
final class Consumers extends Group {
    @Shows("Artemis A16")
    void noMoreThanAllowed() throws Exception {
        MessageConsumer one = session().createConsumer(queue());
        raises(jakarta.jms.ResourceAllocationException.class, () -> session().createConsumer(queue()));
        QueueBrowser browser = session().createBrowser(queue());
        same(false, browser.getEnumeration().hasMoreElements());
        one.close();
        send(queue(), "a");
        expect(session().createConsumer(queue()), "a");
    }

    @Shows("Artemis D3")
    void theHigherPriorityFirst() throws Exception {
        String name = queue().getQueueName();
        MessageConsumer low = session().createConsumer(queue());
        Session few = session(Session.AUTO_ACKNOWLEDGE, "jms.prefetchPolicy.all=2");
        MessageConsumer high = few.createConsumer(few.createQueue(name + "?consumer-priority=5"));
        // What its connection attaches to the queue next is answered behind its credit, which nobody is told of.
        few.createProducer(few.createQueue(name)).close();
        send(queue(), "a", "b");
        expect(high, "a", "b");
        nothing(low);
        high.close();
        send(queue(), "c");
        expect(low, "c");
    }

    @Shows("Artemis A26")
    void notBeforeThereAreTwo() throws Exception {
        send(queue(), "a", "b");
        MessageConsumer one = session(Session.AUTO_ACKNOWLEDGE, "jms.prefetchPolicy.all=1").createConsumer(queue());
        nothing(one);
        MessageConsumer two = session(Session.AUTO_ACKNOWLEDGE, "jms.prefetchPolicy.all=1").createConsumer(queue());
        // Whoever takes one asks for more: the first one asks for nothing until the second one has its own.
        java.util.Set<String> got = java.util.Set.of(text(take(two)), text(take(one)));
        same(java.util.Set.of("a", "b"), got);
    }
}
