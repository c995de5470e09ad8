package heddle;

import jakarta.jms.Connection;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.Session;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/** Message groups: those of one JMSXGroupID go to one consumer, in order, as long as it is there. */
final class MessageGroups extends Group {
    private void sendOf(String group, int sequence, String text) throws Exception {
        Message message = session().createTextMessage(text);
        message.setStringProperty("JMSXGroupID", group);
        message.setIntProperty("JMSXGroupSeq", sequence);
        session().createProducer(queue()).send(message);
    }

    /** Takes all that is there for a consumer. */
    private static java.util.List<Message> drain(MessageConsumer consumer) throws Exception {
        java.util.List<Message> messages = new java.util.ArrayList<>();
        for (Message message = consumer.receiveNoWait(); message != null; message = consumer.receiveNoWait()) {
            messages.add(message);
        }
        return messages;
    }

    @Shows("Artemis D15")
    void oneGroupGoesToOneConsumer() throws Exception {
        MessageConsumer one = session().createConsumer(queue());
        MessageConsumer two = session().createConsumer(queue());
        for (int number = 1; number <= 10; number++) {
            sendOf("g", number, "m" + number);
        }
        int first = drain(one).size();
        int second = drain(two).size();
        same(10, first + second);
        check(first == 0 || second == 0, "they were divided: " + first + " and " + second);
    }

    @Shows("Artemis D15")
    void eachGroupHasOneConsumer() throws Exception {
        MessageConsumer[] consumers = {session().createConsumer(queue()), session().createConsumer(queue())};
        for (int number = 1; number <= 30; number++) {
            sendOf("g" + number % 5, number, "m" + number);
        }
        Map<String, Integer> owners = new HashMap<>();
        for (int index = 0; index < consumers.length; index++) {
            for (Message message : drain(consumers[index])) {
                Integer owner = owners.put(message.getStringProperty("JMSXGroupID"), index);
                check(owner == null || owner == index, "a group has two consumers");
            }
        }
        same(5, owners.size());
    }

    @Shows("Artemis D15")
    void groupsAreSpreadOverConsumers() throws Exception {
        MessageConsumer one = session().createConsumer(queue());
        MessageConsumer two = session().createConsumer(queue());
        for (int number = 1; number <= 40; number++) {
            sendOf("g" + number, 1, "m" + number);
        }
        check(!drain(one).isEmpty() && !drain(two).isEmpty(), "one consumer has all groups");
    }

    @Shows("Artemis D17")
    void theFirstOfAGroupSaysSo() throws Exception {
        MessageConsumer consumer = session().createConsumer(queue());
        for (int number = 1; number <= 6; number++) {
            sendOf("g" + number % 2, number, "m" + number);
        }
        for (int number = 1; number <= 6; number++) {
            Message message = take(consumer);
            same("m" + number, text(message));
            same(number <= 2, message.propertyExists("first") && message.getBooleanProperty("first"));
        }
    }

    @Shows("Artemis D15")
    void aGroupIsInOrder() throws Exception {
        MessageConsumer consumer = session().createConsumer(queue());
        for (int number = 1; number <= 20; number++) {
            sendOf("g" + number % 2, number, "m" + number);
        }
        for (int number = 1; number <= 20; number++) {
            expect(consumer, "m" + number);
        }
    }

    @Shows("Artemis D15")
    void anotherConsumerTakesOver() throws Exception {
        Connection leaving = connect("");
        MessageConsumer one = leaving.createSession(Session.AUTO_ACKNOWLEDGE).createConsumer(queue());
        sendOf("g", 1, "a");
        expect(one, "a");
        MessageConsumer two = session().createConsumer(queue());
        for (int number = 2; number <= 5; number++) {
            sendOf("g", number, "m" + number);
            expect(one, "m" + number);
        }
        leaving.close();
        sendOf("g", 6, "last");
        expect(two, "last");
    }

    @Shows("Artemis D15")
    void aLateConsumerGetsNewGroupsOnly() throws Exception {
        MessageConsumer one = session().createConsumer(queue());
        sendOf("old", 1, "a");
        expect(one, "a");
        MessageConsumer two = session().createConsumer(queue());
        for (int number = 2; number <= 10; number++) {
            sendOf("old", number, "m" + number);
        }
        same(0, drain(two).size());
        same(9, drain(one).size());
    }

    @Shows("Artemis D15")
    void messagesWithoutGroupTakeTurns() throws Exception {
        MessageConsumer one = session().createConsumer(queue());
        MessageConsumer two = session().createConsumer(queue());
        sendOf("g", 1, "grouped");
        send(queue(), "1", "2", "3", "4", "5", "6");
        Set<String> seen = new HashSet<>();
        int first = 0;
        for (Message message : drain(one)) {
            seen.add(text(message));
            first++;
        }
        for (Message message : drain(two)) {
            seen.add(text(message));
        }
        same(7, seen.size());
        check(first > 0 && first < 7, "one consumer has all");
    }

    @Shows("Artemis D15")
    void theSequenceMinusOneEndsAGroup() throws Exception {
        MessageConsumer one = session().createConsumer(queue());
        sendOf("g", 1, "a");
        expect(one, "a");
        sendOf("g", -1, "last");
        expect(one, "last");
        MessageConsumer two = session().createConsumer(queue());
        // The group is free: among several new beginnings of it, both consumers get some.
        for (int round = 0; round < 6; round++) {
            sendOf("g", 1, "first" + round);
            sendOf("g", -1, "last" + round);
        }
        int first = drain(one).size();
        int second = drain(two).size();
        same(12, first + second);
        check(first > 0 && second > 0, "the group stayed with one consumer");
    }
}
