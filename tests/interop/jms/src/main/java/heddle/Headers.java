package heddle;

import jakarta.jms.DeliveryMode;
import jakarta.jms.Message;
import jakarta.jms.MessageProducer;
import jakarta.jms.Queue;
import jakarta.jms.Topic;
import java.util.HashSet;
import java.util.Set;

/** Header fields: what a send sets, what travels, and what comes out. */
final class Headers extends Group {
    private Message through(Message message) throws Exception {
        session().createProducer(queue()).send(message);
        return takeFrom(queue());
    }

    private Message message() throws Exception {
        return session().createTextMessage("body");
    }

    @Shows("JMS 3.4.1")
    void destinationIsTheQueue() throws Exception {
        same(queue(), through(message()).getJMSDestination());
    }

    @Shows("JMS 3.4.1")
    void destinationIsTheTopic() throws Exception {
        jakarta.jms.MessageConsumer consumer = session().createConsumer(topic());
        send(topic(), "a");
        jakarta.jms.Destination got = take(consumer).getJMSDestination();
        check(got instanceof Topic, "it is no topic");
        same(topic(), got);
    }

    @Shows("JMS 3.4.2")
    void persistentIsTheDefault() throws Exception {
        same(DeliveryMode.PERSISTENT, through(message()).getJMSDeliveryMode());
    }

    @Shows("JMS 3.4.2")
    void nonPersistentTravels() throws Exception {
        MessageProducer producer = session().createProducer(queue());
        producer.setDeliveryMode(DeliveryMode.NON_PERSISTENT);
        producer.send(message());
        same(DeliveryMode.NON_PERSISTENT, takeFrom(queue()).getJMSDeliveryMode());
    }

    @Shows("JMS 3.4.3")
    void theIdIsTheSendersAndBeginsWithId() throws Exception {
        Message sent = message();
        Message got = through(sent);
        check(got.getJMSMessageID().startsWith("ID:"), "it is " + got.getJMSMessageID());
        same(sent.getJMSMessageID(), got.getJMSMessageID());
    }

    @Shows("JMS 3.4.3")
    void idsDiffer() throws Exception {
        Set<String> seen = new HashSet<>();
        for (int number = 0; number < 100; number++) {
            Message sent = message();
            session().createProducer(queue()).send(sent);
            check(seen.add(sent.getJMSMessageID()), "one id twice");
        }
    }

    @Shows("JMS 3.4.3")
    void idsMayBeSwitchedOff() throws Exception {
        MessageProducer producer = session().createProducer(queue());
        producer.setDisableMessageID(true);
        producer.send(message());
        same(null, takeFrom(queue()).getJMSMessageID());
    }

    @Shows("JMS 3.4.4")
    void timestampIsTheTimeOfSending() throws Exception {
        long before = System.currentTimeMillis();
        Message sent = message();
        Message got = through(sent);
        check(got.getJMSTimestamp() >= before && got.getJMSTimestamp() <= System.currentTimeMillis(), "another time");
        same(sent.getJMSTimestamp(), got.getJMSTimestamp());
    }

    @Shows("JMS 3.4.4")
    void timestampsMayBeSwitchedOff() throws Exception {
        MessageProducer producer = session().createProducer(queue());
        producer.setDisableMessageTimestamp(true);
        producer.send(message());
        same(0L, takeFrom(queue()).getJMSTimestamp());
    }

    @Shows("JMS 3.4.5")
    void correlationIdOfAnApplication() throws Exception {
        for (String id : new String[] {"order 17", "", "ID:of-a-message", "ID:AMQP_UUID:de9a0e5c-58b1-4b25-9b34-8f5a2fe4a8a4"}) {
            Message message = message();
            message.setJMSCorrelationID(id);
            same(id, through(message).getJMSCorrelationID());
        }
    }

    @Shows("JMS 3.4.5")
    void correlationIdOfBytes() throws Exception {
        Message message = message();
        message.setJMSCorrelationIDAsBytes(new byte[] {1, 2, 0, -1});
        check(java.util.Arrays.equals(new byte[] {1, 2, 0, -1}, through(message).getJMSCorrelationIDAsBytes()), "other bytes came");
    }

    @Shows("JMS 3.4.5")
    void noCorrelationIdIsNull() throws Exception {
        same(null, through(message()).getJMSCorrelationID());
    }

    @Shows("JMS 3.4.6")
    void replyToAQueue() throws Exception {
        Message message = message();
        message.setJMSReplyTo(queue("replies"));
        jakarta.jms.Destination got = through(message).getJMSReplyTo();
        check(got instanceof Queue, "it is no queue");
        same(queue("replies"), got);
    }

    @Shows("JMS 3.4.6")
    void replyToATopic() throws Exception {
        Message message = message();
        message.setJMSReplyTo(topic("replies"));
        jakarta.jms.Destination got = through(message).getJMSReplyTo();
        check(got instanceof Topic, "it is no topic");
        same(topic("replies"), got);
    }

    @Shows("JMS 3.4.8")
    void typeTravels() throws Exception {
        Message message = message();
        message.setJMSType("a type of message");
        same("a type of message", through(message).getJMSType());
    }

    @Shows("JMS 3.4.9")
    void expirationIsTheTimeOfSendingAndTheTimeToLive() throws Exception {
        Message sent = message();
        session().createProducer(queue()).send(sent, DeliveryMode.PERSISTENT, 4, 3_600_000);
        Message got = takeFrom(queue());
        same(sent.getJMSExpiration(), got.getJMSExpiration());
        same(got.getJMSTimestamp() + 3_600_000, got.getJMSExpiration());
    }

    @Shows("JMS 3.4.9")
    void noTimeToLiveIsNoExpiration() throws Exception {
        same(0L, through(message()).getJMSExpiration());
    }

    @Shows("JMS 3.4.10")
    void everyPriorityTravels() throws Exception {
        MessageProducer producer = session().createProducer(queue());
        for (int priority = 0; priority <= 9; priority++) {
            producer.send(message(), DeliveryMode.NON_PERSISTENT, priority, 0);
            same(priority, takeFrom(queue()).getJMSPriority());
        }
    }

    @Shows("JMS 3.4.10")
    void priorityFourIsTheDefault() throws Exception {
        same(4, through(message()).getJMSPriority());
    }

    @Shows("JMS 3.4.11")
    void aSendOverwritesWhatTheApplicationSet() throws Exception {
        Message message = message();
        message.setJMSPriority(9);
        message.setJMSDeliveryMode(DeliveryMode.NON_PERSISTENT);
        message.setJMSExpiration(1);
        message.setJMSTimestamp(1);
        message.setJMSDestination(queue("other"));
        Message got = through(message);
        same(4, got.getJMSPriority());
        same(DeliveryMode.PERSISTENT, got.getJMSDeliveryMode());
        same(0L, got.getJMSExpiration());
        same(queue(), got.getJMSDestination());
        check(got.getJMSTimestamp() > 1, "the timestamp was not set");
    }

    @Shows("JMS 3.4.13")
    void deliveryTimeWithoutDelayIsThatOfSending() throws Exception {
        Message got = through(message());
        same(got.getJMSTimestamp(), got.getJMSDeliveryTime());
    }
}
