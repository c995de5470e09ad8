package heddle;

import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.Session;

/** What failed at an address with a delay of 400 ms before it is given again. */
final class DelayedRedelivery extends Group {
    private static final long DELAY_MS = 400;
    private static final String ONE = "jms.prefetchPolicy.all=1";

    private static long fail(Message message) throws Exception {
        message.setIntProperty(OUTCOME, MODIFIED_FAILED);
        long at = System.nanoTime();
        message.acknowledge();
        return at;
    }

    private static void waited(long since) {
        long ms = (System.nanoTime() - since) / 1_000_000;
        check(ms >= DELAY_MS - 5, "it came after " + ms + " ms");
    }

    @Shows("Artemis D6")
    void whatFailedComesLater() throws Exception {
        send(queue(), "a");
        MessageConsumer consumer = session(INDIVIDUAL, ONE).createConsumer(queue());
        long failed = fail(take(consumer));
        Message again = take(consumer);
        waited(failed);
        same(2, again.getIntProperty("JMSXDeliveryCount"));
        again.acknowledge();
    }

    @Shows("Artemis D6")
    void othersAreGivenMeanwhile() throws Exception {
        send(queue(), "a", "b");
        MessageConsumer consumer = session(INDIVIDUAL, ONE).createConsumer(queue());
        long failed = fail(take(consumer));
        Message other = take(consumer);
        same("b", text(other));
        other.acknowledge();
        same("a", text(take(consumer)));
        waited(failed);
    }

    @Shows("Artemis D6")
    void nobodyElseGetsItEarlier() throws Exception {
        send(queue(), "a");
        Session first = session(INDIVIDUAL, ONE);
        long failed = fail(take(first.createConsumer(queue())));
        first.close();
        MessageConsumer other = session().createConsumer(queue());
        same("a", text(take(other)));
        waited(failed);
    }

    @Shows("Artemis D6")
    void aDrainDoesNotWaitForIt() throws Exception {
        send(queue(), "a");
        fail(take(session(INDIVIDUAL, ONE).createConsumer(queue())));
        nothing(session().createConsumer(queue()));
    }
}
