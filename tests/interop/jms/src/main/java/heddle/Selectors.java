package heddle;

import jakarta.jms.DeliveryMode;
import jakarta.jms.InvalidSelectorException;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.QueueBrowser;
import jakarta.jms.Session;
import java.util.ArrayList;
import java.util.Enumeration;
import java.util.List;

/** Message selectors: what the grammar of JMS chooses, with its three values, and where a selector may stand. */
final class Selectors extends Group {
    /** Something that is set on a message before it is sent. */
    private interface Setting {
        void on(Message message) throws Exception;
    }

    private void sendWith(String text, Setting setting) throws Exception {
        Message message = session().createTextMessage(text);
        setting.on(message);
        session().createProducer(queue()).send(message);
    }

    /** The messages that selectors are asked about: 'n' is 0 to 4, 's' is s0 to s4, 'b' is true for even ones, 'only' has 3 alone. */
    private void fill() throws Exception {
        for (int number = 0; number < 5; number++) {
            int value = number;
            sendWith("m" + number, message -> {
                message.setIntProperty("n", value);
                message.setStringProperty("s", "s" + value);
                message.setBooleanProperty("b", value % 2 == 0);
                message.setDoubleProperty("d", value + 0.5);
                if (value == 3) {
                    message.setLongProperty("only", 3_000_000_000L);
                }
            });
        }
    }

    private List<String> browsed(String selector) throws Exception {
        List<String> texts = new ArrayList<>();
        try (QueueBrowser browser = session().createBrowser(queue(), selector)) {
            for (Enumeration<?> messages = browser.getEnumeration(); messages.hasMoreElements();) {
                texts.add(text((Message) messages.nextElement()));
            }
        }
        return texts;
    }

    /** Shows that a selector chooses these of the five, and of no others; a browser looks, so that nothing is taken. */
    private void chooses(String selector, String... texts) throws Exception {
        same(List.of(texts), browsed(selector));
    }

    @Shows("JMS 3.8.1.1")
    void comparesNumbers() throws Exception {
        fill();
        chooses("n = 2", "m2");
        chooses("n <> 2", "m0", "m1", "m3", "m4");
        chooses("n < 2", "m0", "m1");
        chooses("n <= 2", "m0", "m1", "m2");
        chooses("n > 2", "m3", "m4");
        chooses("n >= 2", "m2", "m3", "m4");
    }

    @Shows("JMS 3.8.1.1")
    void comparesDifferentKindsOfNumbers() throws Exception {
        fill();
        chooses("n = 2.0", "m2");
        chooses("d = 2.5", "m2");
        chooses("d > n", "m0", "m1", "m2", "m3", "m4");
        chooses("only = 3000000000", "m3");
        chooses("n < 1e0", "m0");
        chooses("d < .6", "m0");
    }

    @Shows("JMS 3.8.1.1")
    void comparesStrings() throws Exception {
        fill();
        chooses("s = 's2'", "m2");
        chooses("s <> 's2'", "m0", "m1", "m3", "m4");
        chooses("s = 'S2'");
    }

    @Shows("JMS 3.8.1.1")
    void comparesBooleans() throws Exception {
        fill();
        chooses("b = TRUE", "m0", "m2", "m4");
        chooses("b = false", "m1", "m3");
        chooses("b", "m0", "m2", "m4");
        chooses("NOT b", "m1", "m3");
    }

    @Shows("JMS 3.8.1.1")
    void joinsByAndOrNot() throws Exception {
        fill();
        chooses("n > 0 AND n < 3", "m1", "m2");
        chooses("n = 0 OR n = 4", "m0", "m4");
        chooses("NOT (n = 0)", "m1", "m2", "m3", "m4");
        chooses("not (n = 0 or n = 4) and b", "m2");
    }

    @Shows("JMS 3.8.1.1")
    void notBindsLessThanAComparison() throws Exception {
        fill();
        chooses("NOT n = 0", "m1", "m2", "m3", "m4");
        chooses("NOT s LIKE '%2' AND b", "m0", "m4");
    }

    @Shows("JMS 3.8.1.1")
    void andBindsMoreThanOr() throws Exception {
        fill();
        chooses("n = 0 OR n = 1 AND b", "m0");
        chooses("(n = 0 OR n = 1) AND NOT b", "m1");
    }

    @Shows("JMS 3.8.1.1")
    void reckons() throws Exception {
        fill();
        chooses("n + 1 = 3", "m2");
        chooses("n - 1 = 1", "m2");
        chooses("n * 2 = 4", "m2");
        chooses("n / 2 = 2", "m4");
        chooses("1 + n * 2 = 5", "m2");
        chooses("(1 + n) * 2 = 6", "m2");
        chooses("-n = -2", "m2");
        chooses("n - -1 = 3", "m2");
    }

    @Shows("JMS 3.8.1.1")
    void between() throws Exception {
        fill();
        chooses("n BETWEEN 1 AND 3", "m1", "m2", "m3");
        chooses("n NOT BETWEEN 1 AND 3", "m0", "m4");
        chooses("n between 3 and 1");
    }

    @Shows("JMS 3.8.1.1")
    void in() throws Exception {
        fill();
        chooses("s IN ('s1', 's3', 'other')", "m1", "m3");
        chooses("s NOT IN ('s1', 's3')", "m0", "m2", "m4");
        chooses("only IN ('x')");
    }

    @Shows("JMS 3.8.1.1")
    void like() throws Exception {
        fill();
        chooses("s LIKE 's%'", "m0", "m1", "m2", "m3", "m4");
        chooses("s LIKE '_2'", "m2");
        chooses("s LIKE '%'", "m0", "m1", "m2", "m3", "m4");
        chooses("s LIKE 's'");
        chooses("s NOT LIKE '%2'", "m0", "m1", "m3", "m4");
        chooses("s LIKE '.*'");
    }

    @Shows("JMS 3.8.1.1")
    void likeWithEscape() throws Exception {
        sendWith("a", message -> message.setStringProperty("s", "5%"));
        sendWith("b", message -> message.setStringProperty("s", "50"));
        sendWith("c", message -> message.setStringProperty("s", "a_b"));
        sendWith("d", message -> message.setStringProperty("s", "axb"));
        chooses("s LIKE '5\\%' ESCAPE '\\'", "a");
        chooses("s LIKE 'a!_b' ESCAPE '!'", "c");
        chooses("s LIKE 'a_b'", "c", "d");
    }

    @Shows("JMS 3.8.1.1")
    void isNull() throws Exception {
        fill();
        chooses("only IS NULL", "m0", "m1", "m2", "m4");
        chooses("only IS NOT NULL", "m3");
        chooses("never IS NULL", "m0", "m1", "m2", "m3", "m4");
    }

    @Shows("JMS 3.8.1.2")
    void whatIsUnknownChoosesNothing() throws Exception {
        fill();
        chooses("never = 1");
        chooses("never <> 1");
        chooses("NOT (never = 1)");
        chooses("never BETWEEN 1 AND 2");
        chooses("never LIKE '%'");
        chooses("never NOT IN ('a')");
        chooses("never + 1 = 1");
    }

    @Shows("JMS 3.8.1.2")
    void unknownWithAndOr() throws Exception {
        fill();
        chooses("never = 1 AND n = 1");
        chooses("never = 1 OR n = 1", "m1");
        chooses("NOT (never = 1 AND n = 1)", "m0", "m2", "m3", "m4");
        chooses("NOT (never = 1 OR n = 1)");
    }

    @Shows("JMS 3.8.1.1")
    void kindsThatDoNotMatchAreFalse() throws Exception {
        fill();
        chooses("s = 2");
        chooses("n = '2'");
        chooses("b = 'TRUE'");
    }

    @Shows("JMS 3.8.1.1")
    void quotesInStringsAreDoubled() throws Exception {
        sendWith("a", message -> message.setStringProperty("s", "it's"));
        chooses("s = 'it''s'", "a");
        chooses("s = 'its'");
    }

    @Shows("JMS 3.8.1.1")
    void namesDifferByCaseAndKeywordsDoNot() throws Exception {
        fill();
        chooses("N = 2");
        chooses("n = 2 aNd B = true");
        chooses("n Between 1 anD 1", "m1");
    }

    @Shows("JMS 3.8.1.1")
    void namesMayHaveSigns() throws Exception {
        sendWith("a", message -> message.setIntProperty("_size$1", 1));
        chooses("_size$1 = 1", "a");
    }

    @Shows("JMS 3.8.1.1")
    void byJmsType() throws Exception {
        sendWith("a", message -> message.setJMSType("order"));
        sendWith("b", message -> message.setJMSType("bill"));
        sendWith("c", message -> {});
        chooses("JMSType = 'order'", "a");
        chooses("JMSType IS NULL", "c");
    }

    @Shows("JMS 3.8.1.1")
    void byCorrelationId() throws Exception {
        sendWith("a", message -> message.setJMSCorrelationID("17"));
        sendWith("b", message -> message.setJMSCorrelationID("18"));
        chooses("JMSCorrelationID = '17'", "a");
    }

    @Shows("JMS 3.8.1.1")
    void byMessageId() throws Exception {
        Message one = session().createTextMessage("a");
        session().createProducer(queue()).send(one);
        send(queue(), "b");
        chooses("JMSMessageID = '" + one.getJMSMessageID() + "'", "a");
    }

    @Shows("JMS 3.8.1.1")
    void byPriority() throws Exception {
        for (int priority : new int[] {4, 9}) {
            session().createProducer(queue()).send(session().createTextMessage("p" + priority), DeliveryMode.PERSISTENT, priority, 0);
        }
        chooses("JMSPriority > 4", "p9");
        chooses("JMSPriority = 4", "p4");
    }

    @Shows("JMS 3.8.1.1")
    void byDeliveryMode() throws Exception {
        for (int mode : new int[] {DeliveryMode.PERSISTENT, DeliveryMode.NON_PERSISTENT}) {
            session().createProducer(queue()).send(session().createTextMessage("d" + mode), mode, 4, 0);
        }
        chooses("JMSDeliveryMode = 'PERSISTENT'", "d2");
        chooses("JMSDeliveryMode = 'NON_PERSISTENT'", "d1");
    }

    @Shows("JMS 3.8.1.1")
    void byTimestamp() throws Exception {
        Message one = session().createTextMessage("a");
        session().createProducer(queue()).send(one);
        chooses("JMSTimestamp = " + one.getJMSTimestamp(), "a");
        chooses("JMSTimestamp < " + one.getJMSTimestamp());
    }

    @Shows("JMS 3.8.1.1")
    void byGroup() throws Exception {
        sendWith("a", message -> message.setStringProperty("JMSXGroupID", "one"));
        sendWith("b", message -> message.setStringProperty("JMSXGroupID", "two"));
        chooses("JMSXGroupID = 'one'", "a");
    }

    @Shows("JMS 3.8.1")
    void anEmptyOneChoosesEverything() throws Exception {
        fill();
        chooses("", "m0", "m1", "m2", "m3", "m4");
        chooses(null, "m0", "m1", "m2", "m3", "m4");
    }

    @Shows("JMS 3.8.1")
    void aWrongOneIsRefused() throws Exception {
        for (String wrong : new String[] {"n =", "= 1", "n = 1 AND", "(n = 1", "s LIKE 1", "n IN ()", "s = 'open", "n BETWEEN 1"}) {
            raises(InvalidSelectorException.class, () -> session().createConsumer(queue(), wrong));
        }
        // The session goes on.
        send(queue(), "a");
        expect(session().createConsumer(queue()), "a");
    }

    @Shows("JMS 8.2")
    void aConsumerGetsWhatItChoseAndTheRestStays() throws Exception {
        fill();
        MessageConsumer consumer = session().createConsumer(queue(), "b = FALSE");
        expect(consumer, "m1", "m3");
        nothing(consumer);
        consumer.close();
        expect(session().createConsumer(queue()), "m0", "m2", "m4");
    }

    @Shows("JMS 8.2")
    void consumersDivideAQueueBySelectors() throws Exception {
        MessageConsumer even = session().createConsumer(queue(), "b = TRUE");
        MessageConsumer odd = session().createConsumer(queue(), "b = FALSE");
        fill();
        expect(odd, "m1", "m3");
        expect(even, "m0", "m2", "m4");
    }

    @Shows("JMS 8.3.1")
    void subscribersChooseForThemselves() throws Exception {
        MessageConsumer two = session().createConsumer(topic(), "n = 2");
        MessageConsumer all = session().createConsumer(topic());
        for (int number = 0; number < 4; number++) {
            Message message = session().createTextMessage("m" + number);
            message.setIntProperty("n", number);
            session().createProducer(topic()).send(message);
        }
        expect(two, "m2");
        nothing(two);
        expect(all, "m0", "m1", "m2", "m3");
    }

    @Shows("JMS 6.2.10")
    void whatComesBackIsChosenAgain() throws Exception {
        fill();
        Session client = session(Session.CLIENT_ACKNOWLEDGE);
        expect(client.createConsumer(queue(), "n = 3"), "m3");
        client.close();
        chooses("n = 3", "m3");
        expect(session().createConsumer(queue(), "n = 3"), "m3");
    }

    @Shows("Artemis D19")
    void aChoiceBehindALongBacklogIsFound() throws Exception {
        jakarta.jms.MessageProducer producer = session().createProducer(queue());
        producer.setDeliveryMode(DeliveryMode.NON_PERSISTENT);
        for (int number = 0; number < 2_000; number++) {
            Message message = session().createTextMessage("m" + number);
            message.setIntProperty("n", number);
            producer.send(message);
        }
        expect(session().createConsumer(queue(), "n = 1999"), "m1999");
    }
}
