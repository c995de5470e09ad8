package heddle;

import jakarta.jms.MessageConsumer;
import jakarta.jms.QueueBrowser;

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
}
