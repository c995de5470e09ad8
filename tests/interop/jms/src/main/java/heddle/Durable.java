package heddle;

import jakarta.jms.Connection;
import jakarta.jms.IllegalStateException;
import jakarta.jms.InvalidDestinationException;
import jakarta.jms.JMSException;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.Session;
import java.util.Set;
import java.util.TreeSet;

/** Unshared durable subscriptions: what comes while nobody is there, and how they end. */
final class Durable extends Group {
    private Connection client;

    /** The session of a client of the test's name; a second call takes the place of the first. */
    private Session client() throws JMSException {
        if (client != null) {
            client.close();
        }
        client = connectAs(name());
        return client.createSession(Session.AUTO_ACKNOWLEDGE);
    }

    @Shows("JMS 8.3.3")
    void itKeepsWhatComesMeanwhile() throws Exception {
        client().createDurableConsumer(topic(), "sub").close();
        send(topic(), "a", "b");
        expect(client().createDurableConsumer(topic(), "sub"), "a", "b");
    }

    @Shows("Artemis: wildcard addresses")
    void ofAPatternKeepsWhatComesMeanwhile() throws Exception {
        client().createDurableConsumer(topic("#"), "pattern").close();
        send(topic("a"), "a");
        send(topic("b.c"), "b.c");
        MessageConsumer consumer = client().createDurableConsumer(topic("#"), "pattern");
        send(topic("d"), "d");
        Set<String> got = new TreeSet<>();
        for (int i = 0; i < 3; i++) {
            got.add(text(take(consumer)));
        }
        same(Set.of("a", "b.c", "d"), got);
        nothing(consumer);
        consumer.close();
        client.createSession(Session.AUTO_ACKNOWLEDGE).unsubscribe("pattern");
    }

    @Shows("JMS 8.3.3")
    void nothingOfBeforeItComes() throws Exception {
        send(topic(), "before");
        MessageConsumer consumer = client().createDurableConsumer(topic(), "sub");
        send(topic(), "after");
        expect(consumer, "after");
    }

    @Shows("JMS 8.3.3")
    void itOutlivesItsConnection() throws Exception {
        client().createDurableConsumer(topic(), "sub");
        client.close();
        send(topic(), "a");
        expect(client().createDurableConsumer(topic(), "sub"), "a");
    }

    @Shows("JMS 8.3.3")
    void whatWasTakenDoesNotComeAgain() throws Exception {
        Session session = client();
        MessageConsumer consumer = session.createDurableConsumer(topic(), "sub");
        send(topic(), "a", "b");
        expect(consumer, "a");
        consumer.close();
        consumer = session.createDurableConsumer(topic(), "sub");
        expect(consumer, "b");
        nothing(consumer);
    }

    @Shows("JMS 8.3.3")
    void createDurableSubscriberDoesTheSame() throws Exception {
        client().createDurableSubscriber(topic(), "sub").close();
        send(topic(), "a");
        expect(client().createDurableSubscriber(topic(), "sub"), "a");
    }

    @Shows("JMS 8.3.3")
    void nonPersistentMessagesAreKeptWhileTheNodeRuns() throws Exception {
        client().createDurableConsumer(topic(), "sub").close();
        session().createProducer(topic()).send(session().createTextMessage("a"), 1, 4, 0);
        expect(client().createDurableConsumer(topic(), "sub"), "a");
    }

    @Shows("JMS 8.3.3")
    void oneConsumerAtATime() throws Exception {
        Session session = client();
        session.createDurableConsumer(topic(), "sub");
        raises(JMSException.class, () -> session.createDurableConsumer(topic(), "sub"));
        raises(JMSException.class, () -> client.createSession().createDurableConsumer(topic(), "sub"));
    }

    @Shows("JMS 8.3.3")
    void namesAreSubscriptionsOfTheirOwn() throws Exception {
        Session session = client();
        MessageConsumer one = session.createDurableConsumer(topic(), "one");
        MessageConsumer two = session.createDurableConsumer(topic(), "two");
        send(topic(), "a");
        expect(one, "a");
        expect(two, "a");
    }

    @Shows("JMS 8.3.3")
    void clientsHaveSubscriptionsOfOneName() throws Exception {
        MessageConsumer one = connectAs(name() + "-1").createSession().createDurableConsumer(topic(), "sub");
        MessageConsumer two = connectAs(name() + "-2").createSession().createDurableConsumer(topic(), "sub");
        send(topic(), "a");
        expect(one, "a");
        expect(two, "a");
    }

    @Shows("JMS 8.3.3")
    void withoutAClientIdentifierItIsRefused() throws Exception {
        raises(IllegalStateException.class, () -> session().createDurableConsumer(topic(), "sub"));
    }

    @Shows("JMS 4.2.4")
    void namesMayHaveManyCharacters() throws Exception {
        Session session = client();
        for (String name : new String[] {"a.b", "a-b", "a_b", "x".repeat(128), "a::b", "ü"}) {
            session.createDurableConsumer(topic(), name).close();
            send(topic(), name);
            MessageConsumer consumer = session.createDurableConsumer(topic(), name);
            expect(consumer, name);
            consumer.close();
            session.unsubscribe(name);
        }
    }

    @Shows("JMS 8.3.3")
    void anotherTopicMakesANewOne() throws Exception {
        Session session = client();
        session.createDurableConsumer(topic("one"), "sub").close();
        send(topic("one"), "old");
        MessageConsumer consumer = session.createDurableConsumer(topic("two"), "sub");
        send(topic("two"), "new");
        send(topic("one"), "old, too");
        expect(consumer, "new");
        nothing(consumer);
    }

    @Shows("JMS 8.3.3")
    void unsubscribingEndsIt() throws Exception {
        Session session = client();
        session.createDurableConsumer(topic(), "sub").close();
        send(topic(), "dropped");
        session.unsubscribe("sub");
        MessageConsumer consumer = session.createDurableConsumer(topic(), "sub");
        nothing(consumer);
        send(topic(), "new");
        expect(consumer, "new");
    }

    @Shows("JMS 8.3.3")
    void unsubscribingTwiceIsRefused() throws Exception {
        Session session = client();
        session.createDurableConsumer(topic(), "sub").close();
        session.unsubscribe("sub");
        raises(InvalidDestinationException.class, () -> session.unsubscribe("sub"));
    }

    @Shows("JMS 8.3.3")
    void unsubscribingAnUnknownOneIsRefused() throws Exception {
        Session session = client();
        raises(InvalidDestinationException.class, () -> session.unsubscribe("never"));
        // The session goes on.
        session.createDurableConsumer(topic(), "sub").close();
    }

    @Shows("JMS 8.3.3")
    void unsubscribingWhileItIsConsumedIsRefused() throws Exception {
        Session session = client();
        MessageConsumer consumer = session.createDurableConsumer(topic(), "sub");
        raises(JMSException.class, () -> session.unsubscribe("sub"));
        send(topic(), "still");
        expect(consumer, "still");
    }

    @Shows("JMS 8.3.3")
    void unsubscribingWorksFromAnotherConnection() throws Exception {
        client().createDurableConsumer(topic(), "sub").close();
        client().unsubscribe("sub");
        Session session = client();
        raises(InvalidDestinationException.class, () -> session.unsubscribe("sub"));
    }

    @Shows("JMS 8.3.3")
    void noOtherClientUnsubscribesIt() throws Exception {
        Session session = client();
        session.createDurableConsumer(topic(), "sub").close();
        send(topic(), "kept");
        raises(InvalidDestinationException.class, () -> connectAs(name() + "-2").createSession().unsubscribe("sub"));
        expect(session.createDurableConsumer(topic(), "sub"), "kept");
    }

    @Shows("JMS 6.2.10")
    void whatWasNotAcknowledgedIsKept() throws Exception {
        client();
        Session session = client.createSession(Session.CLIENT_ACKNOWLEDGE);
        MessageConsumer consumer = session.createDurableConsumer(topic(), "sub");
        send(topic(), "a", "b");
        take(consumer).acknowledge();
        take(consumer);
        consumer.close();
        session.close();
        Message again = take(client().createDurableConsumer(topic(), "sub"));
        same("b", text(again));
        check(again.getJMSRedelivered(), "not marked as redelivered");
    }

    @Shows("JMS 8.3.3")
    void noLocalHoldsForADurableOne() throws Exception {
        Session session = client();
        MessageConsumer consumer = session.createDurableConsumer(topic(), "sub", null, true);
        send(session, topic(), "mine");
        send(topic(), "another's");
        expect(consumer, "another's");
        nothing(consumer);
    }

    @Shows("JMS 8.3.3")
    void aSelectorHoldsWhileNobodyIsThere() throws Exception {
        client().createDurableConsumer(topic(), "sub", "JMSType = 'yes'", false).close();
        for (String type : new String[] {"no", "yes"}) {
            Message message = session().createTextMessage(type);
            message.setJMSType(type);
            session().createProducer(topic()).send(message);
        }
        MessageConsumer consumer = client().createDurableConsumer(topic(), "sub", "JMSType = 'yes'", false);
        expect(consumer, "yes");
        nothing(consumer);
    }

    @Shows("JMS 8.3.3")
    void anotherSelectorMakesANewOne() throws Exception {
        Session session = client();
        session.createDurableConsumer(topic(), "sub", "JMSType = 'one'", false).close();
        Message message = session().createTextMessage("old");
        message.setJMSType("one");
        session().createProducer(topic()).send(message);
        MessageConsumer consumer = session.createDurableConsumer(topic(), "sub", "JMSType = 'two'", false);
        nothing(consumer);
        message = session().createTextMessage("new");
        message.setJMSType("two");
        session().createProducer(topic()).send(message);
        expect(consumer, "new");
    }
}
