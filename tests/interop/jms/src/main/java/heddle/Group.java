package heddle;

import jakarta.jms.Connection;
import jakarta.jms.Destination;
import jakarta.jms.JMSException;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Queue;
import jakarta.jms.Session;
import jakarta.jms.TextMessage;
import jakarta.jms.Topic;
import java.io.IOException;
import java.util.Objects;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.qpid.jms.JmsConnectionFactory;

/**
 * What the tests of the suite have at hand. Each test has an object of its own, with addresses that no other test of any run has
 * and connections that are closed behind it. A wait is for a condition and ends with it; {@link #SOON_MS} only bounds a failure.
 */
abstract class Group implements AutoCloseable {
    /** How long may be waited for what has to come: more than a busy machine ever needs. */
    static final long SOON_MS = 10_000;
    /** Acknowledgement by message, which only Qpid JMS has, and the property that chooses the outcome. */
    static final int INDIVIDUAL = 101;
    static final String OUTCOME = "JMS_AMQP_ACK_TYPE";
    static final int REJECTED = 2;
    static final int RELEASED = 3;
    static final int MODIFIED_FAILED = 4;
    static final int MODIFIED_FAILED_UNDELIVERABLE = 5;

    private final ConcurrentLinkedQueue<Connection> connections = new ConcurrentLinkedQueue<>();
    private String url;
    private String name;
    private Connection connection;
    private Session session;
    private Relay relay;

    /** Something that may throw anything. */
    interface Body {
        void run() throws Exception;
    }

    /** A condition that is looked at until it holds. */
    interface Condition {
        boolean holds() throws Exception;
    }

    final void prepare(String url, String name) {
        this.url = url;
        this.name = name;
    }

    /** The test's own name, with which its addresses and client identifiers begin. */
    final String name() {
        return name;
    }

    final JmsConnectionFactory factory(String options) {
        return new JmsConnectionFactory(url + (options.isEmpty() ? "" : (url.contains("?") ? "&" : "?") + options));
    }

    /** A connection of its own, started; options are those of Qpid JMS, such as "jms.prefetchPolicy.all=1". */
    final Connection connect(String options) throws JMSException {
        Connection made = track(factory(options).createConnection());
        made.start();
        return made;
    }

    /** The test's own way to the broker, which it may cut. */
    final Relay relay() throws IOException {
        if (relay == null) {
            relay = new Relay(url);
        }
        return relay;
    }

    /** A connection over the relay, started; options as of {@link #connect}. */
    final Connection connectByRelay(String options) throws Exception {
        Connection made = track(new JmsConnectionFactory(relay().url() + "?" + options).createConnection());
        made.start();
        return made;
    }

    final Connection connectAs(String clientId) throws JMSException {
        return connect("jms.clientID=" + clientId);
    }

    /** Has the connection closed behind the test. */
    final Connection track(Connection made) {
        connections.add(made);
        return made;
    }

    /** Leaves all connections open behind the test, as a program does that dies. */
    final void leaveOpen() {
        connections.clear();
    }

    /** The test's common connection. */
    final Connection connection() throws JMSException {
        if (connection == null) {
            connection = connect("");
        }
        return connection;
    }

    /** The test's common session, AUTO_ACKNOWLEDGE, on the common connection. */
    final Session session() throws JMSException {
        if (session == null) {
            session = connection().createSession(Session.AUTO_ACKNOWLEDGE);
        }
        return session;
    }

    /** A further session on the common connection. */
    final Session session(int mode) throws JMSException {
        return connection().createSession(mode);
    }

    /** A session on a connection of its own. */
    final Session session(int mode, String options) throws JMSException {
        return connect(options).createSession(mode);
    }

    final Queue queue() throws JMSException {
        return session().createQueue(name);
    }

    final Queue queue(String suffix) throws JMSException {
        return session().createQueue(name + "." + suffix);
    }

    final Topic topic() throws JMSException {
        return session().createTopic(name);
    }

    final Topic topic(String suffix) throws JMSException {
        return session().createTopic(name + "." + suffix);
    }

    /** Sends texts by the common session; each is accepted by the broker when this returns. */
    final void send(Destination to, String... texts) throws JMSException {
        send(session(), to, texts);
    }

    static void send(Session by, Destination to, String... texts) throws JMSException {
        MessageProducer producer = by.createProducer(to);
        for (String text : texts) {
            producer.send(by.createTextMessage(text));
        }
        producer.close();
    }

    /** The next message, which has to come. */
    static Message take(MessageConsumer consumer) throws JMSException {
        Message message = consumer.receive(SOON_MS);
        check(message != null, "nothing came");
        return message;
    }

    /** The next message of a destination, by a consumer that is closed behind it. */
    final Message takeFrom(Destination from) throws JMSException {
        try (MessageConsumer consumer = session().createConsumer(from)) {
            return take(consumer);
        }
    }

    static String text(Message message) throws JMSException {
        return ((TextMessage) message).getText();
    }

    /** Takes messages, which have to have these texts in this order. */
    static void expect(MessageConsumer consumer, String... texts) throws JMSException {
        for (String text : texts) {
            same(text, text(take(consumer)));
        }
    }

    /** Shows that nothing is there: Qpid JMS has the broker drain its credit before it gives null. */
    static void nothing(MessageConsumer consumer) throws JMSException {
        Message message = consumer.receiveNoWait();
        check(message == null, "there should be nothing, and there is " + message);
    }

    static void check(boolean condition, String why) {
        if (!condition) {
            throw new AssertionError(why);
        }
    }

    static void same(Object wanted, Object got) {
        check(Objects.equals(wanted, got), "wanted " + wanted + ", got " + got);
    }

    /** Waits until a condition holds that nothing announces. */
    static void until(Condition condition, String why) throws Exception {
        long deadline = System.nanoTime() + SOON_MS * 1_000_000;
        while (!condition.holds()) {
            check(System.nanoTime() < deadline, why);
            Thread.sleep(5);
        }
    }

    static <T extends Throwable> T raises(Class<T> kind, Body body) {
        try {
            body.run();
        } catch (Throwable thrown) {
            check(kind.isInstance(thrown), "wanted " + kind.getSimpleName() + ", got " + thrown);
            return kind.cast(thrown);
        }
        throw new AssertionError("wanted " + kind.getSimpleName() + ", and nothing was thrown");
    }

    @Override
    public final void close() {
        for (Connection made : connections) {
            try {
                made.close();
            } catch (JMSException alreadyLost) {
                // The test has said what it had to say of this connection.
            }
        }
        if (relay != null) {
            try {
                relay.close();
            } catch (IOException alreadyCut) {
                // Nothing is left to be cut.
            }
        }
    }
}
