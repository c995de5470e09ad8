package heddle;

import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Session;

/** Delivery delay: a message is there for its consumers when its delivery time has come, and not before. */
final class DeliveryDelay extends Group {
    private static final long DELAY_MS = 400;

    private Message sendDelayed(jakarta.jms.Destination to, String text, long delayMs) throws Exception {
        Message message = session().createTextMessage(text);
        MessageProducer producer = session().createProducer(to);
        producer.setDeliveryDelay(delayMs);
        producer.send(message);
        producer.close();
        return message;
    }

    /** Takes a message, which must not come before its time. */
    private static void takeInTime(MessageConsumer consumer, Message sent) throws Exception {
        Message got = take(consumer);
        same(text(sent), text(got));
        long early = sent.getJMSDeliveryTime() - System.currentTimeMillis();
        check(early <= 0, "it came " + early + " ms too early");
    }

    @Shows("JMS 7.9")
    void itComesWhenItsTimeHasCome() throws Exception {
        MessageConsumer consumer = session().createConsumer(queue());
        takeInTime(consumer, sendDelayed(queue(), "later", DELAY_MS));
    }

    @Shows("JMS 7.9")
    void itIsNotThereBefore() throws Exception {
        sendDelayed(queue(), "much later", 3_600_000);
        nothing(session().createConsumer(queue()));
    }

    @Shows("JMS 7.9")
    void othersPassIt() throws Exception {
        Message late = sendDelayed(queue(), "later", DELAY_MS);
        send(queue(), "now");
        MessageConsumer consumer = session().createConsumer(queue());
        expect(consumer, "now");
        takeInTime(consumer, late);
    }

    @Shows("JMS 7.9")
    void theyComeInTheOrderOfTheirTimes() throws Exception {
        Message third = sendDelayed(queue(), "3", 3 * DELAY_MS);
        Message first = sendDelayed(queue(), "1", DELAY_MS);
        Message second = sendDelayed(queue(), "2", 2 * DELAY_MS);
        MessageConsumer consumer = session().createConsumer(queue());
        takeInTime(consumer, first);
        takeInTime(consumer, second);
        takeInTime(consumer, third);
    }

    @Shows("JMS 7.9")
    void ofATopic() throws Exception {
        MessageConsumer one = session().createConsumer(topic());
        MessageConsumer two = session().createConsumer(topic());
        Message late = sendDelayed(topic(), "later", DELAY_MS);
        takeInTime(one, late);
        takeInTime(two, late);
    }

    @Shows("JMS 7.9")
    void ofADurableSubscription() throws Exception {
        Session session = connectAs(name()).createSession();
        session.createDurableConsumer(topic(), "sub").close();
        Message late = sendDelayed(topic(), "later", DELAY_MS);
        takeInTime(session.createDurableConsumer(topic(), "sub"), late);
    }

    @Shows("JMS 3.4.13")
    void theDeliveryTimeIsThatOfSendingAndTheDelay() throws Exception {
        Message sent = sendDelayed(queue(), "later", DELAY_MS);
        same(sent.getJMSTimestamp() + DELAY_MS, sent.getJMSDeliveryTime());
        same(sent.getJMSDeliveryTime(), takeFrom(queue()).getJMSDeliveryTime());
    }

    @Shows("JMS 7.9")
    void aDelayBeyondTheTimeToLiveNeverComes() throws Exception {
        MessageProducer producer = session().createProducer(queue());
        producer.setDeliveryDelay(DELAY_MS);
        producer.setTimeToLive(DELAY_MS / 4);
        Message message = session().createTextMessage("never");
        try {
            producer.send(message);
        } catch (jakarta.jms.JMSException refused) {
            check(!String.valueOf(refused.getMessage()).contains("does not support"), "delays are refused: " + refused.getMessage());
            return;
        }
        until(() -> System.currentTimeMillis() > message.getJMSDeliveryTime() + 50, "the clock stands");
        nothing(session().createConsumer(queue()));
    }

    @Shows("JMS 7.9")
    void itStaysWhenItsProducerHasGone() throws Exception {
        jakarta.jms.Connection connection = connect("");
        Session session = connection.createSession();
        MessageProducer producer = session.createProducer(session.createQueue(name()));
        producer.setDeliveryDelay(DELAY_MS);
        Message message = session.createTextMessage("later");
        producer.send(message);
        connection.close();
        takeInTime(session().createConsumer(queue()), message);
    }

    @Shows("JMS 7.9")
    void noDelayIsNow() throws Exception {
        sendDelayed(queue(), "now", 0);
        MessageConsumer consumer = session().createConsumer(queue());
        Message message = consumer.receiveNoWait();
        check(message != null, "it is not there");
    }
}
