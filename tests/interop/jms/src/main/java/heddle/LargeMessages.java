package heddle;

import jakarta.jms.BytesMessage;
import jakarta.jms.DeliveryMode;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.QueueBrowser;
import jakarta.jms.Session;
import java.util.Arrays;

/** Messages of many frames and of more than a megabyte, whole and in every way that small ones go. */
final class LargeMessages extends Group {
    private static final String ONE = "jms.prefetchPolicy.all=1";

    private static byte[] octets(int size) {
        byte[] octets = new byte[size];
        for (int index = 0; index < size; index++) {
            octets[index] = (byte) (index * 31 + index / 251);
        }
        return octets;
    }

    private BytesMessage large(int size) throws Exception {
        BytesMessage message = session().createBytesMessage();
        message.writeBytes(octets(size));
        return message;
    }

    private static void isLarge(Message message, int size) throws Exception {
        BytesMessage got = (BytesMessage) message;
        same((long) size, got.getBodyLength());
        byte[] read = new byte[size];
        got.readBytes(read);
        check(Arrays.equals(octets(size), read), "other octets came");
    }

    @Shows("Artemis Annex B")
    void aroundTheFrameSize() throws Exception {
        for (int size : new int[] {65_000, 65_536, 131_000, 131_072, 131_073, 262_144}) {
            session().createProducer(queue()).send(large(size));
            isLarge(takeFrom(queue()), size);
        }
    }

    @Shows("Artemis Annex B")
    void aroundAMegabyte() throws Exception {
        for (int size : new int[] {1_048_000, 1_048_576, 1_048_577, 1_100_000}) {
            session().createProducer(queue()).send(large(size));
            isLarge(takeFrom(queue()), size);
        }
    }

    @Shows("Artemis Annex B")
    void ofTenMegabytes() throws Exception {
        session().createProducer(queue()).send(large(10_000_000));
        isLarge(takeFrom(queue()), 10_000_000);
    }

    @Shows("Artemis Annex B")
    void nonPersistent() throws Exception {
        session().createProducer(queue()).send(large(3_000_000), DeliveryMode.NON_PERSISTENT, 4, 0);
        isLarge(takeFrom(queue()), 3_000_000);
    }

    @Shows("Artemis Annex B")
    void toSeveralSubscribers() throws Exception {
        MessageConsumer one = session().createConsumer(topic());
        MessageConsumer two = session().createConsumer(topic());
        session().createProducer(topic()).send(large(2_000_000));
        isLarge(take(one), 2_000_000);
        isLarge(take(two), 2_000_000);
    }

    @Shows("Artemis Annex B")
    void redelivered() throws Exception {
        session().createProducer(queue()).send(large(2_000_000));
        MessageConsumer consumer = session(INDIVIDUAL, ONE).createConsumer(queue());
        for (int count = 1; count <= 3; count++) {
            Message message = take(consumer);
            isLarge(message, 2_000_000);
            same(count, message.getIntProperty("JMSXDeliveryCount"));
            message.setIntProperty(OUTCOME, MODIFIED_FAILED);
            message.acknowledge();
        }
    }

    @Shows("Artemis Annex B")
    void rejected() throws Exception {
        session().createProducer(queue()).send(large(2_000_000));
        send(queue(), "next");
        MessageConsumer consumer = session(INDIVIDUAL, ONE).createConsumer(queue());
        Message message = take(consumer);
        message.setIntProperty(OUTCOME, REJECTED);
        message.acknowledge();
        expect(consumer, "next");
    }

    @Shows("Artemis Annex B")
    void browsed() throws Exception {
        session().createProducer(queue()).send(large(2_000_000));
        try (QueueBrowser browser = session().createBrowser(queue())) {
            isLarge((Message) browser.getEnumeration().nextElement(), 2_000_000);
        }
        isLarge(takeFrom(queue()), 2_000_000);
    }

    @Shows("Artemis Annex B")
    void amongSmallOnesInOrder() throws Exception {
        MessageConsumer consumer = session().createConsumer(queue());
        for (int number = 0; number < 5; number++) {
            send(queue(), "small" + number);
            session().createProducer(queue()).send(large(1_500_000 + number));
        }
        for (int number = 0; number < 5; number++) {
            expect(consumer, "small" + number);
            isLarge(take(consumer), 1_500_000 + number);
        }
    }

    @Shows("Artemis Annex B")
    void overTheAnonymousRelay() throws Exception {
        session().createProducer(null).send(queue(), large(2_000_000));
        isLarge(takeFrom(queue()), 2_000_000);
    }

    @Shows("Artemis Annex B")
    void toATemporaryQueue() throws Exception {
        jakarta.jms.TemporaryQueue temporary = session().createTemporaryQueue();
        session().createProducer(temporary).send(large(2_000_000));
        isLarge(takeFrom(temporary), 2_000_000);
    }

    @Shows("Artemis Annex B")
    void ofADurableSubscription() throws Exception {
        Session session = connectAs(name()).createSession();
        session.createDurableConsumer(topic(), "sub").close();
        session().createProducer(topic()).send(large(2_000_000));
        isLarge(take(session.createDurableConsumer(topic(), "sub")), 2_000_000);
    }

    @Shows("Artemis Annex B")
    void largeProperties() throws Exception {
        Message message = session().createMessage();
        message.setStringProperty("large", "x".repeat(500_000));
        session().createProducer(queue()).send(message);
        same(500_000, takeFrom(queue()).getStringProperty("large").length());
    }

    @Shows("Artemis Annex B")
    void chosenBySelector() throws Exception {
        for (int number = 0; number < 3; number++) {
            BytesMessage message = large(1_200_000 + number);
            message.setIntProperty("n", number);
            session().createProducer(queue()).send(message);
        }
        isLarge(take(session().createConsumer(queue(), "n = 1")), 1_200_001);
    }
}
