package heddle;

import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.Session;
import jakarta.jms.TemporaryQueue;

/** Addresses and the queues behind them, as far as a JMS client can name them. */
final class Addresses extends Group {
    @Shows("Artemis A9")
    void anAddressAndAQueueNameTheQueue() throws Exception {
        send(session().createQueue(name() + "::" + name()), "a");
        expect(session().createConsumer(queue()), "a");
    }

    @Shows("Artemis A9")
    void aQueueIsConsumedByItsFullName() throws Exception {
        send(queue(), "a");
        expect(session().createConsumer(session().createQueue(name() + "::" + name())), "a");
    }

    @Shows("Artemis A9")
    void aFullNameReachesThatQueueOnly() throws Exception {
        MessageConsumer one = session().createConsumer(session().createQueue(name() + "::" + name() + ".1"));
        MessageConsumer two = session().createConsumer(session().createQueue(name() + "::" + name() + ".2"));
        send(session().createQueue(name() + "::" + name() + ".1"), "a", "b");
        expect(one, "a", "b");
        nothing(two);
    }

    @Shows("Artemis A2")
    void queuesOfAnAddressShareItsMessages() throws Exception {
        MessageConsumer one = session().createConsumer(session().createQueue(name() + "::" + name() + ".1"));
        MessageConsumer two = session().createConsumer(session().createQueue(name() + "::" + name() + ".2"));
        for (int number = 0; number < 10; number++) {
            send(queue(), "m" + number);
        }
        for (MessageConsumer consumer : new MessageConsumer[] {one, two}) {
            for (int number = 0; number < 5; number++) {
                take(consumer);
            }
            nothing(consumer);
        }
    }

    @Shows("Artemis A3")
    void aTopicReachesEveryQueueOfItsAddress() throws Exception {
        MessageConsumer one = session().createConsumer(topic());
        MessageConsumer two = connect("").createSession().createConsumer(topic());
        send(topic(), "a");
        expect(one, "a");
        expect(two, "a");
    }

    @Shows("Artemis A9")
    void aDurableSubscriptionIsAQueueOfItsTopic() throws Exception {
        Session session = connectAs(name()).createSession();
        session.createDurableConsumer(topic(), "sub").close();
        send(topic(), "a");
        expect(session().createConsumer(session().createQueue(name() + "::" + name() + ".sub")), "a");
    }

    @Shows("Artemis A9")
    void theAnonymousRelayTakesFullNames() throws Exception {
        MessageConsumer one = session().createConsumer(session().createQueue(name() + "::" + name() + ".1"));
        MessageConsumer two = session().createConsumer(session().createQueue(name() + "::" + name() + ".2"));
        session().createProducer(null).send(session().createQueue(name() + "::" + name() + ".2"), session().createTextMessage("a"));
        expect(two, "a");
        nothing(one);
    }

    @Shows("Artemis A4")
    void theRelaySendsByTheKindOfDestination() throws Exception {
        MessageConsumer consumer = session().createConsumer(queue("queue"));
        MessageConsumer subscriber = session().createConsumer(topic("topic"));
        jakarta.jms.MessageProducer producer = session().createProducer(null);
        producer.send(queue("queue"), session().createTextMessage("to the queue"));
        producer.send(topic("topic"), session().createTextMessage("to the topic"));
        expect(consumer, "to the queue");
        expect(subscriber, "to the topic");
    }

    @Shows("Artemis 2.5")
    void aTemporaryQueueIsSentToByItsName() throws Exception {
        TemporaryQueue queue = session().createTemporaryQueue();
        Session other = connect("").createSession();
        send(other, other.createQueue(queue.getQueueName()), "a");
        expect(session().createConsumer(queue), "a");
    }

    @Shows("Artemis 2.2")
    void nameOfAnyLength() throws Exception {
        for (int length : new int[] {1, 100, 200}) {
            jakarta.jms.Queue queue = queue("x".repeat(length));
            send(queue, "m" + length);
            same("m" + length, text(takeFrom(queue)));
        }
    }

    @Shows("JMS 3.4.1")
    void whatIsSentToAFullNameSaysSo() throws Exception {
        jakarta.jms.Queue full = session().createQueue(name() + "::" + name());
        send(full, "a");
        Message message = takeFrom(queue());
        same(full, message.getJMSDestination());
    }
}
