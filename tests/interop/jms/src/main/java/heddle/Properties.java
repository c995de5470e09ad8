package heddle;

import jakarta.jms.JMSException;
import jakarta.jms.Message;
import jakarta.jms.MessageFormatException;
import jakarta.jms.MessageNotWriteableException;
import java.util.Enumeration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Properties of every type, their conversions, their names, and what JMS defines of them. */
final class Properties extends Group {
    /** Sends a message with one property and gives what came. */
    private Message with(Object value) throws Exception {
        Message message = session().createMessage();
        message.setObjectProperty("key", value);
        return through(message);
    }

    private Message through(Message message) throws Exception {
        session().createProducer(queue()).send(message);
        return takeFrom(queue());
    }

    private static Set<Object> names(Enumeration<?> names) {
        Set<Object> all = new HashSet<>();
        while (names.hasMoreElements()) {
            all.add(names.nextElement());
        }
        return all;
    }

    private void isKept(Object... values) throws Exception {
        for (Object value : values) {
            same(value, with(value).getObjectProperty("key"));
        }
    }

    @Shows("JMS 3.5.2")
    void booleans() throws Exception {
        isKept(true, false);
    }

    @Shows("JMS 3.5.2")
    void bytes() throws Exception {
        isKept(Byte.MIN_VALUE, (byte) 0, Byte.MAX_VALUE);
    }

    @Shows("JMS 3.5.2")
    void shorts() throws Exception {
        isKept(Short.MIN_VALUE, (short) 0, Short.MAX_VALUE);
    }

    @Shows("JMS 3.5.2")
    void ints() throws Exception {
        isKept(Integer.MIN_VALUE, -129, -128, 0, 127, 128, Integer.MAX_VALUE);
    }

    @Shows("JMS 3.5.2")
    void longs() throws Exception {
        isKept(Long.MIN_VALUE, -1L, 0L, 1L << 40, Long.MAX_VALUE);
    }

    @Shows("JMS 3.5.2")
    void floats() throws Exception {
        isKept(Float.MIN_VALUE, -0.0f, Float.MAX_VALUE, Float.POSITIVE_INFINITY, Float.NaN);
    }

    @Shows("JMS 3.5.2")
    void doubles() throws Exception {
        isKept(Double.MIN_VALUE, -0.0, Double.MAX_VALUE, Double.NEGATIVE_INFINITY, Double.NaN);
    }

    @Shows("JMS 3.5.2")
    void strings() throws Exception {
        isKept("", "text", "ü 日本 \uD83D\uDE00", "x".repeat(255), "x".repeat(256), "x".repeat(70_000));
    }

    @Shows("JMS 3.5.2")
    void nullIsKept() throws Exception {
        Message got = with(null);
        check(got.propertyExists("key"), "it is not there");
        same(null, got.getObjectProperty("key"));
    }

    @Shows("JMS 3.5.5")
    void otherObjectsAreRefused() throws Exception {
        raises(MessageFormatException.class, () -> session().createMessage().setObjectProperty("key", List.of()));
        raises(MessageFormatException.class, () -> session().createMessage().setObjectProperty("key", new byte[1]));
    }

    @Shows("JMS 3.5.4")
    void booleansConvertToStringOnly() throws Exception {
        Message got = with(true);
        same("true", got.getStringProperty("key"));
        raises(MessageFormatException.class, () -> got.getIntProperty("key"));
    }

    @Shows("JMS 3.5.4")
    void smallNumbersWiden() throws Exception {
        Message got = with((byte) -5);
        same((short) -5, got.getShortProperty("key"));
        same(-5, got.getIntProperty("key"));
        same(-5L, got.getLongProperty("key"));
        same("-5", got.getStringProperty("key"));
    }

    @Shows("JMS 3.5.4")
    void largeNumbersDoNotNarrow() throws Exception {
        Message got = with(5L);
        raises(MessageFormatException.class, () -> got.getIntProperty("key"));
        raises(MessageFormatException.class, () -> got.getByteProperty("key"));
        raises(MessageFormatException.class, () -> got.getDoubleProperty("key"));
    }

    @Shows("JMS 3.5.4")
    void floatsWidenToDouble() throws Exception {
        Message got = with(1.5f);
        same(1.5, got.getDoubleProperty("key"));
        raises(MessageFormatException.class, () -> got.getIntProperty("key"));
    }

    @Shows("JMS 3.5.4")
    void stringsAreParsed() throws Exception {
        same(17, with("17").getIntProperty("key"));
        same(1.25, with("1.25").getDoubleProperty("key"));
        check(with("TRUE").getBooleanProperty("key"), "TRUE is not true");
        Message got = with("no number");
        raises(NumberFormatException.class, () -> got.getLongProperty("key"));
    }

    @Shows("JMS 3.5.8")
    void whatIsNotThereIsNull() throws Exception {
        Message got = with("value");
        check(!got.propertyExists("other"), "it is there");
        same(null, got.getStringProperty("other"));
        check(!got.getBooleanProperty("other"), "null is true");
        raises(NumberFormatException.class, () -> got.getIntProperty("other"));
    }

    @Shows("JMS 3.5.6")
    void namesAreIterated() throws Exception {
        Message message = session().createMessage();
        message.setIntProperty("one", 1);
        message.setStringProperty("two", "2");
        Set<Object> names = names(through(message).getPropertyNames());
        check(names.containsAll(Set.of("one", "two")), "there are " + names);
        check(!names.contains("JMSPriority"), "header fields are among them");
    }

    @Shows("JMS 3.5.3")
    void receivedPropertiesAreReadOnlyUntilCleared() throws Exception {
        Message got = with("value");
        raises(MessageNotWriteableException.class, () -> got.setStringProperty("key", "other"));
        got.clearProperties();
        check(!got.propertyExists("key"), "it was not cleared");
        got.setStringProperty("key", "other");
        same("other", got.getStringProperty("key"));
    }

    @Shows("JMS 3.5.7")
    void clearingPropertiesLeavesTheBody() throws Exception {
        Message message = session().createTextMessage("body");
        message.setIntProperty("key", 1);
        Message got = through(message);
        got.clearProperties();
        same("body", text(got));
    }

    @Shows("JMS 3.5.1")
    void namesThatAreNoIdentifiersAreRefused() throws Exception {
        for (String name : new String[] {"", "1st", "a-b", "NULL", "TRUE", "NOT", "BETWEEN", "LIKE", "IS"}) {
            raises(Exception.class, () -> session().createMessage().setIntProperty(name, 1));
        }
        raises(IllegalArgumentException.class, () -> session().createMessage().setIntProperty(null, 1));
    }

    @Shows("JMS 3.5.1")
    void namesMayHaveAnyLetters() throws Exception {
        Message message = session().createMessage();
        for (String name : new String[] {"_under", "$dollar", "größe", "名前", "a1", "x".repeat(300)}) {
            message.setStringProperty(name, name);
        }
        Message got = through(message);
        for (String name : new String[] {"_under", "$dollar", "größe", "名前", "a1", "x".repeat(300)}) {
            same(name, got.getStringProperty(name));
        }
    }

    @Shows("JMS 3.5")
    void manyPropertiesAreKept() throws Exception {
        Message message = session().createMessage();
        for (int number = 0; number < 1000; number++) {
            message.setIntProperty("p" + number, number);
        }
        Message got = through(message);
        for (int number = 0; number < 1000; number++) {
            same(number, got.getIntProperty("p" + number));
        }
    }

    @Shows("JMS 3.5.9")
    void groupAndSequenceTravel() throws Exception {
        Message message = session().createMessage();
        message.setStringProperty("JMSXGroupID", "group");
        message.setIntProperty("JMSXGroupSeq", 7);
        Message got = through(message);
        same("group", got.getStringProperty("JMSXGroupID"));
        same(7, got.getIntProperty("JMSXGroupSeq"));
    }

    @Shows("JMS 3.5.9")
    void theUserIsWhoeverConnected() throws Exception {
        jakarta.jms.Connection connection =
            track(factory("jms.populateJMSXUserID=true&amqp.saslMechanisms=PLAIN").createConnection("guest", "guest-password"));
        jakarta.jms.Session session = connection.createSession();
        send(session, session.createQueue(name()), "a");
        same("guest", takeFrom(queue()).getStringProperty("JMSXUserID"));
    }

    @Shows("JMS 3.5.9")
    void whatTheClientDefinesIsListed() throws JMSException {
        Set<Object> names = names(connection().getMetaData().getJMSXPropertyNames());
        check(names.containsAll(List.of("JMSXGroupID", "JMSXGroupSeq", "JMSXDeliveryCount")), "there are " + names);
    }
}
