package heddle;

import jakarta.jms.Connection;
import jakarta.jms.DeliveryMode;
import jakarta.jms.Destination;
import jakarta.jms.IllegalStateException;
import jakarta.jms.InvalidClientIDException;
import jakarta.jms.InvalidDestinationException;
import jakarta.jms.JMSException;
import jakarta.jms.JMSSecurityException;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageFormatException;
import jakarta.jms.MessageProducer;
import jakarta.jms.Queue;
import jakarta.jms.Session;
import jakarta.jms.Topic;

/** What is refused, by which exception, and that the rest goes on. */
final class Misuse extends Group {
    private Queue missing() throws JMSException {
        return session().createQueue("jms.Missing." + name());
    }

    /** Shows that the common session is as good as before. */
    private void goesOn() throws Exception {
        send(queue(), "on");
        same("on", text(takeFrom(queue())));
    }

    @Shows("Artemis 2.4")
    void aConsumerOfAMissingQueue() throws Exception {
        raises(InvalidDestinationException.class, () -> session().createConsumer(missing()));
        goesOn();
    }

    @Shows("Artemis 2.3")
    void aProducerToAMissingQueue() throws Exception {
        raises(InvalidDestinationException.class, () -> session().createProducer(missing()));
        goesOn();
    }

    @Shows("Artemis 2.4")
    void aConsumerOfAMissingTopic() throws Exception {
        Topic topic = session().createTopic("jms.Missing." + name());
        raises(InvalidDestinationException.class, () -> session().createConsumer(topic));
        goesOn();
    }

    @Shows("Artemis 2.4")
    void aBrowserOfAMissingQueue() throws Exception {
        raises(JMSException.class, () -> session().createBrowser(missing()).getEnumeration());
        goesOn();
    }

    @Shows("Artemis 2.13")
    void theAnonymousRelayToAMissingQueue() throws Exception {
        MessageProducer producer = session().createProducer(null);
        raises(JMSException.class, () -> producer.send(missing(), session().createMessage()));
        producer.send(queue(), session().createTextMessage("on"));
        same("on", text(takeFrom(queue())));
    }

    @Shows("JMS 6.1.1")
    void aWrongPassword() throws Exception {
        raises(JMSSecurityException.class,
            () -> factory("amqp.saslMechanisms=PLAIN").createConnection("guest", "wrong").start());
        goesOn();
    }

    @Shows("JMS 6.1.1")
    void anUnknownUser() throws Exception {
        raises(JMSSecurityException.class,
            () -> factory("amqp.saslMechanisms=PLAIN").createConnection("nobody", "guest-password").start());
    }

    @Shows("JMS 6.1.1")
    void theRightPassword() throws Exception {
        Connection connection = track(factory("amqp.saslMechanisms=PLAIN").createConnection("guest", "guest-password"));
        connection.start();
        send(connection.createSession(), queue(), "a");
        same("a", text(takeFrom(queue())));
    }

    @Shows("JMS 6.1.2")
    void aClientIdentifierInUse() throws Exception {
        connectAs(name());
        raises(InvalidClientIDException.class, () -> connectAs(name()));
    }

    @Shows("JMS 6.1.2")
    void aClientIdentifierIsFreeAfterItsConnection() throws Exception {
        for (int round = 0; round < 5; round++) {
            connectAs(name()).close();
        }
    }

    @Shows("JMS 6.1.2")
    void aClientIdentifierIsSetFirstOrNot() throws Exception {
        Connection connection = track(factory("").createConnection());
        connection.setClientID(name());
        same(name(), connection.getClientID());
        raises(IllegalStateException.class, () -> connection.setClientID(name() + "2"));
        Connection used = track(factory("").createConnection());
        used.start();
        raises(IllegalStateException.class, () -> used.setClientID(name() + "3"));
    }

    @Shows("JMS 6.1.2")
    void aClientIdentifierThatIsEmpty() throws Exception {
        Connection connection = track(factory("").createConnection());
        raises(InvalidClientIDException.class, () -> connection.setClientID(""));
        raises(InvalidClientIDException.class, () -> connection.setClientID(null));
    }

    @Shows("JMS 7.1")
    void aMessageWithoutDestination() throws Exception {
        MessageProducer anonymous = session().createProducer(null);
        raises(UnsupportedOperationException.class, () -> anonymous.send(session().createMessage()));
        raises(InvalidDestinationException.class, () -> anonymous.send((Destination) null, session().createMessage()));
    }

    @Shows("JMS 7.1")
    void aDestinationForAProducerThatHasOne() throws Exception {
        MessageProducer producer = session().createProducer(queue());
        raises(UnsupportedOperationException.class, () -> producer.send(queue("other"), session().createMessage()));
    }

    @Shows("JMS 7.7")
    void aDeliveryModeThatThereIsNot() throws Exception {
        raises(JMSException.class, () -> session().createProducer(queue()).setDeliveryMode(3));
        raises(JMSException.class, () -> session().createProducer(queue()).send(session().createMessage(), 0, 4, 0));
    }

    @Shows("JMS 7.1")
    void aMessageThatIsNone() throws Exception {
        raises(MessageFormatException.class, () -> session().createProducer(queue()).send(null));
    }

    @Shows("JMS 8.2")
    void aDestinationThatIsNone() throws Exception {
        raises(InvalidDestinationException.class, () -> session().createConsumer(null));
        raises(InvalidDestinationException.class, () -> session().createBrowser(null));
    }

    @Shows("JMS 6.2.15")
    void aClosedSession() throws Exception {
        Session session = session(Session.AUTO_ACKNOWLEDGE);
        MessageProducer producer = session.createProducer(queue());
        MessageConsumer consumer = session.createConsumer(queue());
        session.close();
        raises(IllegalStateException.class, session::createMessage);
        raises(IllegalStateException.class, () -> session.createConsumer(queue()));
        raises(IllegalStateException.class, () -> producer.setPriority(1));
        raises(IllegalStateException.class, consumer::receiveNoWait);
        session.close();
    }

    @Shows("JMS 6.1.8")
    void aClosedConnection() throws Exception {
        Connection connection = connect("");
        Session session = connection.createSession();
        connection.close();
        raises(IllegalStateException.class, connection::createSession);
        raises(IllegalStateException.class, connection::start);
        raises(IllegalStateException.class, session::createMessage);
        connection.close();
    }

    @Shows("JMS 7.1")
    void aClosedProducer() throws Exception {
        MessageProducer producer = session().createProducer(queue());
        producer.close();
        raises(IllegalStateException.class, () -> producer.send(session().createMessage()));
        producer.close();
    }

    @Shows("JMS 8.8")
    void aClosedConsumer() throws Exception {
        MessageConsumer consumer = session().createConsumer(queue());
        consumer.close();
        raises(IllegalStateException.class, consumer::receive);
        raises(IllegalStateException.class, consumer::getMessageListener);
        consumer.close();
    }

    @Shows("JMS 8.7")
    void receivingBesideAListener() throws Exception {
        MessageConsumer consumer = session().createConsumer(queue());
        consumer.setMessageListener(message -> {});
        raises(IllegalStateException.class, consumer::receiveNoWait);
    }

    @Shows("JMS 6.2.7")
    void anAcknowledgeModeThatThereIsNot() throws Exception {
        raises(JMSException.class, () -> connection().createSession(false, 99));
    }

    @Shows("JMS 6.2.10")
    void recoverInAClosedSession() throws Exception {
        Session session = session(Session.CLIENT_ACKNOWLEDGE);
        session.close();
        raises(IllegalStateException.class, session::recover);
    }

    @Shows("JMS 7.7")
    void settingsOfAProducerAreKept() throws Exception {
        MessageProducer producer = session().createProducer(queue());
        producer.setDeliveryMode(DeliveryMode.NON_PERSISTENT);
        producer.setPriority(7);
        producer.setTimeToLive(1000);
        same(DeliveryMode.NON_PERSISTENT, producer.getDeliveryMode());
        same(7, producer.getPriority());
        same(1000L, producer.getTimeToLive());
        same(queue(), producer.getDestination());
    }
}
