package heddle;

import jakarta.jms.Connection;
import jakarta.jms.InvalidDestinationException;
import jakarta.jms.JMSException;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.Session;
import java.util.HashSet;
import java.util.Set;

/** Shared subscriptions, durable and not: several consumers divide one subscription's messages. */
final class Shared extends Group {
    /** Takes everything that is there for these consumers, and shows that nothing came twice. */
    private static Set<String> drained(MessageConsumer... consumers) throws Exception {
        Set<String> seen = new HashSet<>();
        for (MessageConsumer consumer : consumers) {
            for (Message message = consumer.receiveNoWait(); message != null; message = consumer.receiveNoWait()) {
                check(seen.add(text(message)), "one message came twice");
            }
        }
        return seen;
    }

    private Session other() throws JMSException {
        return connect("").createSession(Session.AUTO_ACKNOWLEDGE);
    }

    @Shows("JMS 8.3.2")
    void consumersDivideTheMessages() throws Exception {
        MessageConsumer one = session().createSharedConsumer(topic(), name());
        MessageConsumer two = session().createSharedConsumer(topic(), name());
        send(topic(), "a", "b", "c", "d");
        same(Set.of("a", "b", "c", "d"), drained(one, two));
    }

    @Shows("JMS 8.3.2")
    void eachOfThemGetsSome() throws Exception {
        MessageConsumer one = session().createSharedConsumer(topic(), name());
        MessageConsumer two = session().createSharedConsumer(topic(), name());
        send(topic(), "a", "b", "c", "d");
        take(one);
        take(two);
    }

    @Shows("JMS 8.3.2")
    void connectionsShareOneWithoutAClientIdentifier() throws Exception {
        MessageConsumer one = other().createSharedConsumer(topic(), name());
        MessageConsumer two = other().createSharedConsumer(topic(), name());
        send(topic(), "a", "b", "c", "d");
        same(Set.of("a", "b", "c", "d"), drained(one, two));
    }

    @Shows("JMS 8.3.2")
    void aClientIdentifierMakesItTheClientsOwn() throws Exception {
        MessageConsumer one = connectAs(name() + "-1").createSession().createSharedConsumer(topic(), "sub");
        MessageConsumer two = connectAs(name() + "-2").createSession().createSharedConsumer(topic(), "sub");
        send(topic(), "a");
        expect(one, "a");
        expect(two, "a");
    }

    @Shows("JMS 8.3.2")
    void namesAreSubscriptionsOfTheirOwn() throws Exception {
        MessageConsumer one = session().createSharedConsumer(topic(), name() + "1");
        MessageConsumer two = session().createSharedConsumer(topic(), name() + "2");
        send(topic(), "a");
        expect(one, "a");
        expect(two, "a");
    }

    @Shows("JMS 8.3.2")
    void itStaysWhileOneConsumerIsThere() throws Exception {
        MessageConsumer one = session().createSharedConsumer(topic(), name());
        MessageConsumer two = session().createSharedConsumer(topic(), name());
        one.close();
        send(topic(), "a", "b");
        expect(two, "a", "b");
    }

    @Shows("JMS 8.3.2")
    void itEndsWithItsLastConsumer() throws Exception {
        session().createSharedConsumer(topic(), name()).close();
        send(topic(), "missed");
        MessageConsumer consumer = session().createSharedConsumer(topic(), name());
        nothing(consumer);
        send(topic(), "new");
        expect(consumer, "new");
    }

    @Shows("JMS 8.3.2")
    void whatOneLeavesGoesToAnother() throws Exception {
        Connection leaving = connect("");
        MessageConsumer one = leaving.createSession(Session.CLIENT_ACKNOWLEDGE).createSharedConsumer(topic(), name());
        send(topic(), "a");
        take(one);
        MessageConsumer two = session().createSharedConsumer(topic(), name());
        leaving.close();
        expect(two, "a");
    }

    @Shows("JMS 8.3.2")
    void aSubscriberBesideItGetsAll() throws Exception {
        MessageConsumer shared = session().createSharedConsumer(topic(), name());
        MessageConsumer own = session().createConsumer(topic());
        send(topic(), "a", "b");
        expect(shared, "a", "b");
        expect(own, "a", "b");
    }

    @Shows("JMS 8.3.2")
    void aSelectorChoosesForAllOfThem() throws Exception {
        MessageConsumer consumer = session().createSharedConsumer(topic(), name(), "JMSType = 'yes'");
        for (String type : new String[] {"no", "yes"}) {
            Message message = session().createTextMessage(type);
            message.setJMSType(type);
            session().createProducer(topic()).send(message);
        }
        expect(consumer, "yes");
        nothing(consumer);
    }

    @Shows("JMS 8.3.4")
    void aDurableOneKeepsWhatComesMeanwhile() throws Exception {
        session().createSharedDurableConsumer(topic(), name()).close();
        send(topic(), "a", "b");
        expect(session().createSharedDurableConsumer(topic(), name()), "a", "b");
        connection().close();
    }

    @Shows("JMS 8.3.4")
    void consumersDivideADurableOne() throws Exception {
        MessageConsumer one = other().createSharedDurableConsumer(topic(), name());
        MessageConsumer two = other().createSharedDurableConsumer(topic(), name());
        send(topic(), "a", "b", "c", "d");
        same(Set.of("a", "b", "c", "d"), drained(one, two));
    }

    @Shows("JMS 8.3.4")
    void aDurableOneOutlivesItsConnections() throws Exception {
        Connection first = connect("");
        first.createSession().createSharedDurableConsumer(topic(), name());
        first.close();
        send(topic(), "a");
        expect(session().createSharedDurableConsumer(topic(), name()), "a");
    }

    @Shows("JMS 8.3.4")
    void aDurableOneEndsByUnsubscribing() throws Exception {
        session().createSharedDurableConsumer(topic(), name()).close();
        send(topic(), "dropped");
        session().unsubscribe(name());
        MessageConsumer consumer = session().createSharedDurableConsumer(topic(), name());
        nothing(consumer);
        raises(JMSException.class, () -> session().unsubscribe(name()));
    }

    @Shows("JMS 8.3.4")
    void unsubscribingAnUnknownOneIsRefused() throws Exception {
        raises(InvalidDestinationException.class, () -> session().unsubscribe(name() + "never"));
    }

    @Shows("JMS 8.3.4")
    void aDurableOneOfAClient() throws Exception {
        Connection client = connectAs(name());
        client.createSession().createSharedDurableConsumer(topic(), "sub").close();
        send(topic(), "a");
        Session session = client.createSession();
        MessageConsumer one = session.createSharedDurableConsumer(topic(), "sub");
        MessageConsumer two = session.createSharedDurableConsumer(topic(), "sub");
        same(Set.of("a"), drained(one, two));
        one.close();
        two.close();
        session.unsubscribe("sub");
    }

    @Shows("JMS 8.3.4")
    void durableAndNonDurableOnesOfOneNameAreApart() throws Exception {
        MessageConsumer durable = session().createSharedDurableConsumer(topic(), name());
        MessageConsumer volatileOne = session().createSharedConsumer(topic(), name());
        send(topic(), "a");
        expect(durable, "a");
        expect(volatileOne, "a");
    }

    @Shows("JMS 8.3.4")
    void sharedAndUnsharedOnesOfOneNameDoNotMix() throws Exception {
        Session session = connectAs(name()).createSession();
        session.createSharedDurableConsumer(topic(), "sub");
        raises(JMSException.class, () -> session.createDurableConsumer(topic(), "sub"));
    }

    @Shows("JMS 8.3.4")
    void anotherTopicWhileItIsConsumedIsRefused() throws Exception {
        session().createSharedDurableConsumer(topic("one"), name());
        raises(JMSException.class, () -> other().createSharedDurableConsumer(topic("two"), name()));
    }
}
