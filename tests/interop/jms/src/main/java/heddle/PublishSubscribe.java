package heddle;

import jakarta.jms.Connection;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Session;
import jakarta.jms.Topic;

/** Topics and their non-durable subscriptions: everybody who is there gets everything from then on. */
final class PublishSubscribe extends Group {
    @Shows("JMS 4.2.2")
    void everySubscriberGetsEveryMessage() throws Exception {
        MessageConsumer one = session().createConsumer(topic());
        MessageConsumer two = session().createConsumer(topic());
        send(topic(), "a", "b");
        expect(one, "a", "b");
        expect(two, "a", "b");
    }

    @Shows("JMS 8.3.1")
    void whatWasBeforeASubscriptionDoesNotCome() throws Exception {
        MessageConsumer early = session().createConsumer(topic());
        send(topic(), "before");
        MessageConsumer late = session().createConsumer(topic());
        send(topic(), "after");
        expect(early, "before", "after");
        expect(late, "after");
    }

    @Shows("JMS 8.3.1")
    void aSubscriptionEndsWithItsConsumer() throws Exception {
        session().createConsumer(topic()).close();
        send(topic(), "missed");
        MessageConsumer consumer = session().createConsumer(topic());
        nothing(consumer);
    }

    @Shows("Artemis A29")
    void aMessageWithoutSubscribersIsAcceptedAndDropped() throws Exception {
        send(topic(), "nobody");
        MessageConsumer consumer = session().createConsumer(topic());
        nothing(consumer);
        send(topic(), "somebody");
        expect(consumer, "somebody");
    }

    @Shows("JMS 6.2.9.1")
    void orderIsKeptForEachSubscriber() throws Exception {
        MessageConsumer[] consumers = {session().createConsumer(topic()), session().createConsumer(topic())};
        MessageProducer producer = session().createProducer(topic());
        producer.setDeliveryMode(jakarta.jms.DeliveryMode.NON_PERSISTENT);
        for (int number = 0; number < 200; number++) {
            producer.send(session().createTextMessage("m" + number));
        }
        for (MessageConsumer consumer : consumers) {
            for (int number = 0; number < 200; number++) {
                expect(consumer, "m" + number);
            }
        }
    }

    @Shows("JMS 4.2.6")
    void topicsDoNotMix() throws Exception {
        MessageConsumer one = session().createConsumer(topic("one"));
        send(topic("two"), "elsewhere");
        send(topic("one"), "here");
        expect(one, "here");
        nothing(one);
    }

    @Shows("JMS 4.2.2")
    void subscribersOfOtherConnectionsGetThem() throws Exception {
        Session other = connect("").createSession(Session.AUTO_ACKNOWLEDGE);
        MessageConsumer consumer = other.createConsumer(other.createTopic(name()));
        send(topic(), "across");
        expect(consumer, "across");
    }

    @Shows("JMS 4.2.2")
    void aSlowSubscriberDoesNotHoldUpOthers() throws Exception {
        MessageConsumer slow = session(INDIVIDUAL, "jms.prefetchPolicy.all=1").createConsumer(topic());
        MessageConsumer fast = session().createConsumer(topic());
        for (int number = 0; number < 50; number++) {
            send(topic(), "m" + number);
            expect(fast, "m" + number);
        }
        expect(slow, "m0");
    }

    @Shows("JMS 8.3.1")
    void noLocalLeavesOutOnesOwn() throws Exception {
        Connection connection = connectAs(name());
        Session mine = connection.createSession(Session.AUTO_ACKNOWLEDGE);
        MessageConsumer consumer = mine.createConsumer(mine.createTopic(name()), null, true);
        send(mine, mine.createTopic(name()), "mine");
        send(topic(), "another's");
        expect(consumer, "another's");
        nothing(consumer);
    }

    @Shows("JMS 8.3.1")
    void withoutNoLocalOnesOwnComes() throws Exception {
        MessageConsumer consumer = session().createConsumer(topic(), null, false);
        send(topic(), "mine");
        expect(consumer, "mine");
    }

    @Shows("JMS 7.1")
    void aProducerWithoutDestinationPublishes() throws Exception {
        MessageConsumer one = session().createConsumer(topic("one"));
        MessageConsumer two = session().createConsumer(topic("two"));
        MessageProducer producer = session().createProducer(null);
        producer.send(topic("one"), session().createTextMessage("1"));
        producer.send(topic("two"), session().createTextMessage("2"));
        expect(one, "1");
        expect(two, "2");
    }

    @Shows("Artemis A4")
    void aTopicAndAQueueOfOneNameAreApart() throws Exception {
        MessageConsumer subscriber = session().createConsumer(topic());
        MessageConsumer consumer = session().createConsumer(queue());
        send(topic(), "published");
        send(queue(), "queued");
        expect(subscriber, "published");
        expect(consumer, "queued");
        nothing(subscriber);
        nothing(consumer);
    }

    @Shows("JMS 6.2.10")
    void oneSubscribersAcknowledgementIsNoOthers() throws Exception {
        Session client = session(Session.CLIENT_ACKNOWLEDGE);
        MessageConsumer holder = client.createConsumer(topic());
        MessageConsumer taker = session().createConsumer(topic());
        send(topic(), "both");
        expect(taker, "both");
        Message held = take(holder);
        client.recover();
        Message again = take(holder);
        same(text(held), text(again));
        again.acknowledge();
    }

    @Shows("JMS 4.2.2")
    void manySubscribersGetAll() throws Exception {
        MessageConsumer[] consumers = new MessageConsumer[50];
        Topic topic = topic();
        for (int number = 0; number < consumers.length; number++) {
            consumers[number] = session().createConsumer(topic);
        }
        send(topic, "a", "b", "c");
        for (MessageConsumer consumer : consumers) {
            expect(consumer, "a", "b", "c");
            nothing(consumer);
        }
    }

    @Shows("Artemis A11")
    void hashStandsForAnyWords() throws Exception {
        MessageConsumer consumer = session().createConsumer(topic("a.#"));
        send(topic("a"), "a");
        send(topic("a.b"), "a.b");
        send(topic("a.b.c"), "a.b.c");
        send(topic("b.a"), "b.a");
        expect(consumer, "a", "a.b", "a.b.c");
        nothing(consumer);
    }

    @Shows("Artemis A11")
    void starStandsForOneWord() throws Exception {
        MessageConsumer consumer = session().createConsumer(topic("*.b"));
        send(topic("b"), "b");
        send(topic("a.b"), "a.b");
        send(topic("a.c.b"), "a.c.b");
        send(topic("c.b"), "c.b");
        expect(consumer, "a.b", "c.b");
        nothing(consumer);
    }
}
