package heddle;

import jakarta.jms.DeliveryMode;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Session;

/** Ten priorities: higher ones first, and order within one. */
final class Priorities extends Group {
    private void sendBy(MessageProducer producer, String text, int priority) throws Exception {
        producer.send(session().createTextMessage(text), DeliveryMode.PERSISTENT, priority, 0);
    }

    @Shows("Artemis D1")
    void higherOnesComeFirst() throws Exception {
        MessageProducer producer = session().createProducer(queue());
        for (int priority : new int[] {4, 9, 0, 5, 1, 8}) {
            sendBy(producer, "p" + priority, priority);
        }
        expect(session().createConsumer(queue()), "p9", "p8", "p5", "p4", "p1", "p0");
    }

    @Shows("Artemis D1")
    void allTen() throws Exception {
        MessageProducer producer = session().createProducer(queue());
        for (int priority = 0; priority <= 9; priority++) {
            sendBy(producer, "p" + priority, priority);
        }
        expect(session().createConsumer(queue()), "p9", "p8", "p7", "p6", "p5", "p4", "p3", "p2", "p1", "p0");
    }

    @Shows("Artemis D1")
    void oneIsInOrder() throws Exception {
        MessageProducer producer = session().createProducer(queue());
        for (int number = 0; number < 30; number++) {
            sendBy(producer, "m" + number, number % 3);
        }
        MessageConsumer consumer = session().createConsumer(queue());
        for (int priority = 2; priority >= 0; priority--) {
            for (int number = priority; number < 30; number += 3) {
                expect(consumer, "m" + number);
            }
        }
    }

    @Shows("Artemis D1")
    void ofTheProducer() throws Exception {
        MessageProducer high = session().createProducer(queue());
        high.setPriority(7);
        MessageProducer low = session().createProducer(queue());
        low.setPriority(2);
        low.send(session().createTextMessage("low"));
        high.send(session().createTextMessage("high"));
        expect(session().createConsumer(queue()), "high", "low");
    }

    @Shows("Artemis D1")
    void ofSubscriptions() throws Exception {
        Session session = connectAs(name()).createSession();
        session.createDurableConsumer(topic(), "sub").close();
        MessageProducer producer = session().createProducer(topic());
        sendBy(producer, "low", 1);
        sendBy(producer, "high", 9);
        expect(session.createDurableConsumer(topic(), "sub"), "high", "low");
    }

    @Shows("Artemis D5")
    void whatComesBackKeepsItsPriority() throws Exception {
        MessageProducer producer = session().createProducer(queue());
        sendBy(producer, "low", 1);
        Session client = session(Session.CLIENT_ACKNOWLEDGE);
        expect(client.createConsumer(queue()), "low");
        sendBy(producer, "high", 9);
        client.close();
        expect(session().createConsumer(queue()), "high", "low");
    }

    @Shows("JMS 7.4")
    void othersThanTenAreRefused() throws Exception {
        MessageProducer producer = session().createProducer(queue());
        raises(jakarta.jms.JMSException.class, () -> producer.setPriority(10));
        raises(jakarta.jms.JMSException.class, () -> producer.setPriority(-1));
    }
}
