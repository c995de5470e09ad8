package heddle;

import jakarta.jms.BytesMessage;
import jakarta.jms.Connection;
import jakarta.jms.DeliveryMode;
import jakarta.jms.Destination;
import jakarta.jms.InvalidClientIDException;
import jakarta.jms.InvalidDestinationException;
import jakarta.jms.JMSException;
import jakarta.jms.JMSSecurityException;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Queue;
import jakarta.jms.QueueBrowser;
import jakarta.jms.Session;
import jakarta.jms.TextMessage;
import jakarta.jms.Topic;
import java.util.Collections;
import java.util.Enumeration;
import java.util.HashSet;
import java.util.Set;
import org.apache.qpid.jms.JmsConnectionFactory;

/** Qpid JMS against the broker: {@code Client URL ADDRESS FEATURE...}. See ../run.py for what it prints. */
public final class Client {
    private static final long TIMEOUT_MS = 20_000;
    /** Qpid JMS's own acknowledgement by message, and the property that chooses an outcome. */
    private static final int INDIVIDUAL_ACKNOWLEDGE = 101;
    private static final String ACK_TYPE = "JMS_AMQP_ACK_TYPE";
    private static final int REJECTED = 2;
    private static final int RELEASED = 3;
    private static final int MODIFIED_FAILED = 4;

    private final String url;

    private Client(String url) {
        this.url = url;
    }

    private static final class Unsupported extends Exception {
        Unsupported(String why) {
            super(why);
        }
    }

    private interface Feature {
        void run(Session session, Queue queue) throws Exception;
    }

    private static void check(boolean condition, String text) {
        if (!condition) {
            throw new IllegalStateException(text);
        }
    }

    private Connection connect(String user, String password, String options) throws JMSException {
        Connection connection = new JmsConnectionFactory(user, password, url + options).createConnection();
        connection.start();
        return connection;
    }

    private void with(String options, int acknowledge, String name, Feature feature) throws Exception {
        try (Connection connection = connect(null, null, options)) {
            Session session = connection.createSession(false, acknowledge);
            feature.run(session, session.createQueue(name));
        }
    }

    private static String text(MessageConsumer consumer) throws JMSException {
        Message message = consumer.receive(TIMEOUT_MS);
        check(message != null, "nothing came");
        return ((TextMessage) message).getText();
    }

    private static void roundTrip(Session session, Queue queue) throws JMSException {
        session.createProducer(queue).send(session.createTextMessage("body"));
        check(text(session.createConsumer(queue)).equals("body"), "another body came back");
    }

    private static Feature bytes(int size) {
        return (session, queue) -> {
            BytesMessage message = session.createBytesMessage();
            message.writeBytes(new byte[size]);
            session.createProducer(queue).send(message);
            BytesMessage got = (BytesMessage) session.createConsumer(queue).receive(TIMEOUT_MS);
            check(got != null && got.getBodyLength() == size, "not the same length came back");
        };
    }

    private static void ordered(Session session, Queue queue) throws Exception {
        int count = 10_000;
        MessageConsumer consumer = session.createConsumer(queue);
        MessageProducer producer = session.createProducer(queue);
        for (int number = 0; number < count; number++) {
            producer.send(session.createTextMessage(Integer.toString(number)));
        }
        for (int number = 0; number < count; number++) {
            check(text(consumer).equals(Integer.toString(number)), "another message in the place of " + number);
        }
    }

    /** Sends x, settles it by an outcome, sends y and checks what comes next. */
    private static Feature settled(int outcome, String want, boolean redelivered) {
        return (session, queue) -> {
            MessageProducer producer = session.createProducer(queue);
            producer.send(session.createTextMessage("x"));
            MessageConsumer consumer = session.createConsumer(queue);
            Message first = consumer.receive(TIMEOUT_MS);
            check(first != null && !first.getJMSRedelivered(), "a first delivery");
            if (outcome != 0) {
                first.setIntProperty(ACK_TYPE, outcome);
            }
            first.acknowledge();
            producer.send(session.createTextMessage("y"));
            TextMessage next = (TextMessage) consumer.receive(TIMEOUT_MS);
            check(next != null && next.getText().equals(want), "another message came next");
            check(next.getJMSRedelivered() == redelivered, "redelivered: " + next.getJMSRedelivered());
            next.acknowledge();
        };
    }

    private static void browse(Session session, Queue queue) throws Exception {
        MessageProducer producer = session.createProducer(queue);
        for (int number = 0; number < 3; number++) {
            producer.send(session.createTextMessage(Integer.toString(number)));
        }
        for (int round = 0; round < 2; round++) {
            try (QueueBrowser browser = session.createBrowser(queue)) {
                Enumeration<?> messages = browser.getEnumeration();
                check(Collections.list(messages).size() == 3, "the browser did not see three");
            }
        }
        MessageConsumer consumer = session.createConsumer(queue);
        for (int number = 0; number < 3; number++) {
            check(text(consumer).equals(Integer.toString(number)), "the browser took some");
        }
    }

    /** With a prefetch of zero each receive gives credit and drains what is left of it. */
    private static void drain(Session session, Queue queue) throws Exception {
        MessageProducer producer = session.createProducer(queue);
        for (int number = 0; number < 3; number++) {
            producer.send(session.createTextMessage(Integer.toString(number)));
        }
        MessageConsumer consumer = session.createConsumer(queue);
        for (int number = 0; number < 3; number++) {
            check(consumer.receiveNoWait() != null, "a message is there and was not drained");
        }
        check(consumer.receiveNoWait() == null, "a fourth message came");
    }

    private static void dynamic(Session session, Queue queue) throws Exception {
        Queue replies = session.createTemporaryQueue();
        Message ask = session.createTextMessage("ask");
        ask.setJMSReplyTo(replies);
        session.createProducer(queue).send(ask);
        Destination replyTo = session.createConsumer(queue).receive(TIMEOUT_MS).getJMSReplyTo();
        session.createProducer(replyTo).send(session.createTextMessage("answer"));
        check(text(session.createConsumer(replies)).equals("answer"), "another answer");
    }

    private static void relay(Session session, Queue queue) throws Exception {
        session.createProducer(null).send(queue, session.createTextMessage("relayed"));
        check(text(session.createConsumer(queue)).equals("relayed"), "another body");
    }

    private static void compete(Session session, Queue queue) throws Exception {
        MessageConsumer[] consumers = {session.createConsumer(queue), session.createConsumer(queue)};
        MessageProducer producer = session.createProducer(queue);
        Set<String> seen = new HashSet<>();
        for (int number = 0; number < 100; number++) {
            producer.send(session.createTextMessage(Integer.toString(number)));
        }
        for (MessageConsumer consumer : consumers) {
            int got = 0;
            for (Message message = consumer.receive(2000); message != null; message = consumer.receive(300)) {
                check(seen.add(((TextMessage) message).getText()), "one message came twice");
                got++;
            }
            check(got > 0, "one consumer got all");
        }
        check(seen.size() == 100, seen.size() + " messages came");
    }

    private static void topic(Session session, Queue queue) throws Exception {
        Topic topic = session.createTopic(queue.getQueueName());
        MessageConsumer[] consumers = {session.createConsumer(topic), session.createConsumer(topic)};
        MessageProducer producer = session.createProducer(topic);
        for (int number = 0; number < 3; number++) {
            producer.send(session.createTextMessage(Integer.toString(number)));
        }
        for (MessageConsumer consumer : consumers) {
            for (int number = 0; number < 3; number++) {
                check(text(consumer).equals(Integer.toString(number)), "a subscriber got others");
            }
        }
    }

    private static void priority(Session session, Queue queue) throws Exception {
        MessageProducer producer = session.createProducer(queue);
        for (int priority : new int[] {1, 4, 9, 0, 9}) {
            Message message = session.createTextMessage(Integer.toString(priority));
            producer.send(message, DeliveryMode.NON_PERSISTENT, priority, Message.DEFAULT_TIME_TO_LIVE);
        }
        MessageConsumer consumer = session.createConsumer(queue);
        for (String want : new String[] {"9", "9", "4", "1", "0"}) {
            check(text(consumer).equals(want), "another priority in the place of " + want);
        }
    }

    /** A durable subscription keeps messages until it is unsubscribed, and is another one then. */
    private void unsubscribe(String name) throws Exception {
        try (Connection connection = connect(null, null, "?jms.clientID=" + name)) {
            Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
            Topic topic = session.createTopic(name);
            MessageProducer producer = session.createProducer(topic);
            session.createDurableConsumer(topic, "sub").close();
            producer.send(session.createTextMessage("kept"));
            MessageConsumer consumer = session.createDurableConsumer(topic, "sub");
            check(text(consumer).equals("kept"), "another message was kept");
            producer.send(session.createTextMessage("dropped"));
            consumer.close();
            session.unsubscribe("sub");
            consumer = session.createDurableConsumer(topic, "sub");
            producer.send(session.createTextMessage("new"));
            check(text(consumer).equals("new"), "a message of the subscription that ended came");
            consumer.close();
            session.unsubscribe("sub");
            try {
                session.unsubscribe("sub");
            } catch (InvalidDestinationException expected) {
                return;
            }
            throw new IllegalStateException("a subscription that there is not was ended");
        }
    }

    /** Whoever ends a shared subscription that others consume from is told, and whoever does not is not in the way. */
    private void sharedUnsubscribe(String name) throws Exception {
        try (Connection one = connect(null, null, ""); Connection other = connect(null, null, "")) {
            Session session = one.createSession(false, Session.AUTO_ACKNOWLEDGE);
            Session ending = other.createSession(false, Session.AUTO_ACKNOWLEDGE);
            Topic topic = session.createTopic(name);
            MessageConsumer consumer = session.createSharedDurableConsumer(topic, name);
            try {
                ending.unsubscribe(name);
                throw new IllegalStateException("a subscription that is consumed from was ended");
            } catch (JMSException expected) {
                session.createProducer(topic).send(session.createTextMessage("kept"));
                check(text(consumer).equals("kept"), "another message was kept");
            }
            consumer.close();
            ending.unsubscribe(name);
        }
    }

    /** One connection has a client id at a time, and leaves it to the next one when it is closed. */
    private void soleConnection(String name) throws Exception {
        String options = "?jms.clientID=" + name;
        for (int round = 0; round < 20; round++) {
            try (Connection first = connect(null, null, options)) {
                Session session = first.createSession(false, Session.AUTO_ACKNOWLEDGE);
                try {
                    connect(null, null, options).close();
                    throw new IllegalStateException("a client id was used twice");
                } catch (InvalidClientIDException expected) {
                    roundTrip(session, session.createQueue(name));
                }
            }
        }
    }

    private void wrongPassword() throws JMSException {
        connect("guest", "guest-password", "?amqp.saslMechanisms=PLAIN").close();
        try {
            connect("guest", "wrong", "?amqp.saslMechanisms=PLAIN").close();
        } catch (JMSSecurityException expected) {
            return;
        }
        throw new IllegalStateException("a wrong password was accepted");
    }

    private void unknownMechanism() throws JMSException {
        try {
            connect("guest", "guest-password", "?amqp.saslMechanisms=SCRAM-SHA-256").close();
        } catch (JMSSecurityException expected) {
            return;
        }
        throw new IllegalStateException("a mechanism that there is not was accepted");
    }

    private static void missingNode(Session session, Queue queue) throws Exception {
        try {
            session.createConsumer(session.createQueue("missing." + queue.getQueueName()));
        } catch (InvalidDestinationException expected) {
            roundTrip(session, queue);
            return;
        }
        throw new IllegalStateException("a node that is not there was attached");
    }

    private void run(String feature, String name) throws Exception {
        int auto = Session.AUTO_ACKNOWLEDGE;
        switch (feature) {
            case "unsettled" -> with("", auto, name, Client::roundTrip);
            case "presettled" -> with("?jms.presettlePolicy.presettleAll=true", auto, name, Client::roundTrip);
            case "second" -> throw new Unsupported("Qpid JMS always asks for receiver settle mode first");
            case "empty" -> with("", auto, name, bytes(0));
            case "kib" -> with("", auto, name, bytes(1024));
            case "big" -> with("", auto, name, bytes(50_000_000));
            case "ordered" -> with("", auto, name, Client::ordered);
            case "accept" -> with("", INDIVIDUAL_ACKNOWLEDGE, name, settled(0, "y", false));
            case "reject" -> with("", INDIVIDUAL_ACKNOWLEDGE, name, settled(REJECTED, "y", false));
            case "release" -> with("?jms.prefetchPolicy.all=1", INDIVIDUAL_ACKNOWLEDGE, name, settled(RELEASED, "x", false));
            case "modify" -> with("?jms.prefetchPolicy.all=1", INDIVIDUAL_ACKNOWLEDGE, name, settled(MODIFIED_FAILED, "x", true));
            case "browse" -> with("", auto, name, Client::browse);
            case "drain" -> with("?jms.prefetchPolicy.all=0", auto, name, Client::drain);
            case "dynamic" -> with("", auto, name, Client::dynamic);
            case "relay" -> with("", auto, name, Client::relay);
            case "compete" -> with("?jms.prefetchPolicy.all=10", auto, name, Client::compete);
            case "topic" -> with("", auto, name, Client::topic);
            case "priority" -> with("", auto, name, Client::priority);
            case "unsubscribe" -> unsubscribe(name);
            case "shared-unsubscribe" -> sharedUnsubscribe(name);
            case "sole-connection" -> soleConnection(name);
            case "wrong-password" -> wrongPassword();
            case "unknown-mechanism" -> unknownMechanism();
            case "missing-node" -> with("", auto, name, Client::missingNode);
            default -> throw new IllegalArgumentException("no such feature");
        }
    }

    public static void main(String[] arguments) {
        Client client = new Client(arguments[0]);
        for (int index = 2; index < arguments.length; index++) {
            String feature = arguments[index];
            try {
                client.run(feature, arguments[1] + "." + feature);
                System.out.println(feature + " ok");
            } catch (Unsupported unsupported) {
                System.out.println(feature + " unsupported: " + unsupported.getMessage());
            } catch (Exception error) {
                System.out.println(feature + " failed: " + String.valueOf(error).replace('\n', ' '));
            }
        }
        System.exit(0);
    }
}
