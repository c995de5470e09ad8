package heddle;

import jakarta.jms.BytesMessage;
import jakarta.jms.MapMessage;
import jakarta.jms.Message;
import jakarta.jms.MessageEOFException;
import jakarta.jms.MessageFormatException;
import jakarta.jms.MessageNotReadableException;
import jakarta.jms.MessageNotWriteableException;
import jakarta.jms.ObjectMessage;
import jakarta.jms.StreamMessage;
import jakarta.jms.TextMessage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Enumeration;
import java.util.List;

/** Bodies of every type of message, as they were sent and nothing else. */
final class Bodies extends Group {
    /** Sends a message and gives what came of it. */
    private Message through(Message message) throws Exception {
        session().createProducer(queue()).send(message);
        return takeFrom(queue());
    }

    private void textIsKept(String text) throws Exception {
        same(text, ((TextMessage) through(session().createTextMessage(text))).getText());
    }

    @Shows("JMS 3.11")
    void text() throws Exception {
        textIsKept("a text");
    }

    @Shows("JMS 3.11")
    void emptyText() throws Exception {
        textIsKept("");
    }

    @Shows("JMS 3.11")
    void nullText() throws Exception {
        textIsKept(null);
    }

    @Shows("JMS 3.11")
    void textOfAllPlanes() throws Exception {
        textIsKept("ä 日本 \uD83D\uDE00 \u0000 \u200f \r\n\t");
    }

    @Shows("JMS 3.11")
    void textOf255And256() throws Exception {
        for (int length : new int[] {255, 256, 65_535, 65_536}) {
            Message message = through(session().createTextMessage("x".repeat(length)));
            same(length, ((TextMessage) message).getText().length());
        }
    }

    @Shows("JMS 3.3")
    void aMessageWithoutBody() throws Exception {
        Message message = session().createMessage();
        message.setStringProperty("only", "property");
        Message got = through(message);
        check(!(got instanceof TextMessage) && !(got instanceof BytesMessage), "it became " + got.getClass());
        same("property", got.getStringProperty("only"));
    }

    @Shows("JMS 3.11")
    void bytes() throws Exception {
        byte[] octets = new byte[256];
        for (int index = 0; index < octets.length; index++) {
            octets[index] = (byte) index;
        }
        BytesMessage message = session().createBytesMessage();
        message.writeBytes(octets);
        BytesMessage got = (BytesMessage) through(message);
        byte[] read = new byte[(int) got.getBodyLength()];
        same(256, got.readBytes(read));
        check(Arrays.equals(octets, read), "other octets came");
    }

    @Shows("JMS 3.11")
    void emptyBytes() throws Exception {
        BytesMessage got = (BytesMessage) through(session().createBytesMessage());
        same(0L, got.getBodyLength());
        same(-1, got.readBytes(new byte[1]));
    }

    @Shows("JMS 3.11")
    void bytesOfEveryPrimitive() throws Exception {
        BytesMessage message = session().createBytesMessage();
        message.writeBoolean(true);
        message.writeByte((byte) -1);
        message.writeShort(Short.MIN_VALUE);
        message.writeChar('\u20ac');
        message.writeInt(Integer.MIN_VALUE);
        message.writeLong(Long.MIN_VALUE);
        message.writeFloat(Float.MIN_VALUE);
        message.writeDouble(Double.MAX_VALUE);
        message.writeUTF("utf \u20ac");
        BytesMessage got = (BytesMessage) through(message);
        List<Object> read = List.of(got.readBoolean(), got.readByte(), got.readShort(), got.readChar(), got.readInt(), got.readLong(),
            got.readFloat(), got.readDouble(), got.readUTF());
        same(List.of(true, (byte) -1, Short.MIN_VALUE, '\u20ac', Integer.MIN_VALUE, Long.MIN_VALUE, Float.MIN_VALUE, Double.MAX_VALUE,
            "utf \u20ac"), read);
        raises(MessageEOFException.class, got::readByte);
    }

    @Shows("JMS 3.11")
    void bytesAreReadUnsigned() throws Exception {
        BytesMessage message = session().createBytesMessage();
        message.writeByte((byte) 0xff);
        message.writeShort((short) 0xfffe);
        BytesMessage got = (BytesMessage) through(message);
        same(255, got.readUnsignedByte());
        same(65_534, got.readUnsignedShort());
    }

    @Shows("JMS 3.11")
    void bytesAreReadAgainAfterReset() throws Exception {
        BytesMessage message = session().createBytesMessage();
        message.writeInt(7);
        BytesMessage got = (BytesMessage) through(message);
        same(7, got.readInt());
        got.reset();
        same(7, got.readInt());
    }

    @Shows("JMS 3.11")
    void mapOfEveryType() throws Exception {
        MapMessage message = session().createMapMessage();
        message.setBoolean("boolean", true);
        message.setByte("byte", (byte) -8);
        message.setShort("short", (short) -16);
        message.setChar("char", '\u20ac');
        message.setInt("int", -32);
        message.setLong("long", -64L);
        message.setFloat("float", 1.5f);
        message.setDouble("double", -2.5);
        message.setString("string", "text");
        message.setBytes("bytes", new byte[] {1, 2, 3});
        MapMessage got = (MapMessage) through(message);
        same(List.of(true, (byte) -8, (short) -16, '\u20ac', -32, -64L, 1.5f, -2.5, "text"), List.of(got.getBoolean("boolean"),
            got.getByte("byte"), got.getShort("short"), got.getChar("char"), got.getInt("int"), got.getLong("long"),
            got.getFloat("float"), got.getDouble("double"), got.getString("string")));
        check(Arrays.equals(new byte[] {1, 2, 3}, got.getBytes("bytes")), "other octets came");
        for (Enumeration<?> names = got.getMapNames(); names.hasMoreElements();) {
            check(got.itemExists((String) names.nextElement()), "a name without an item");
        }
    }

    @Shows("JMS 3.11")
    void mapKeepsNullAndKnowsWhatIsNotThere() throws Exception {
        MapMessage message = session().createMapMessage();
        message.setString("null", null);
        MapMessage got = (MapMessage) through(message);
        check(got.itemExists("null") && got.getObject("null") == null, "null was not kept");
        check(!got.itemExists("missing") && got.getString("missing") == null, "what was not set is there");
    }

    @Shows("JMS 3.11")
    void emptyMap() throws Exception {
        check(!((MapMessage) through(session().createMapMessage())).getMapNames().hasMoreElements(), "something is in it");
    }

    @Shows("JMS 3.11.3")
    void mapConvertsAndRefuses() throws Exception {
        MapMessage message = session().createMapMessage();
        message.setInt("int", 5);
        message.setString("number", "6");
        message.setBoolean("boolean", true);
        MapMessage got = (MapMessage) through(message);
        same(5L, got.getLong("int"));
        same("5", got.getString("int"));
        same(6, got.getInt("number"));
        raises(MessageFormatException.class, () -> got.getInt("boolean"));
        raises(MessageFormatException.class, () -> got.getShort("int"));
    }

    @Shows("JMS 3.11")
    void streamOfEveryType() throws Exception {
        List<Object> items = List.of(true, (byte) 1, (short) 2, 'c', 3, 4L, 5.5f, 6.5, "seven");
        StreamMessage message = session().createStreamMessage();
        for (Object item : items) {
            message.writeObject(item);
        }
        message.writeBytes(new byte[] {8, 9});
        StreamMessage got = (StreamMessage) through(message);
        List<Object> read = new ArrayList<>();
        for (int index = 0; index < items.size(); index++) {
            read.add(got.readObject());
        }
        same(items, read);
        byte[] octets = new byte[2];
        same(2, got.readBytes(octets));
        check(Arrays.equals(new byte[] {8, 9}, octets), "other octets came");
        same(-1, got.readBytes(octets));
        raises(MessageEOFException.class, got::readObject);
    }

    @Shows("JMS 3.11")
    void streamKeepsNull() throws Exception {
        StreamMessage message = session().createStreamMessage();
        message.writeString(null);
        message.writeInt(1);
        StreamMessage got = (StreamMessage) through(message);
        same(null, got.readString());
        same(1, got.readInt());
    }

    @Shows("JMS 3.11.3")
    void streamStaysWhereAConversionFails() throws Exception {
        StreamMessage message = session().createStreamMessage();
        message.writeString("no number");
        StreamMessage got = (StreamMessage) through(message);
        raises(NumberFormatException.class, got::readInt);
        same("no number", got.readString());
    }

    @Shows("JMS 3.11")
    void objectOfJava() throws Exception {
        ArrayList<Object> object = new ArrayList<>(List.of("a", 1, 2L));
        ObjectMessage got = (ObjectMessage) through(session().createObjectMessage(object));
        same(object, got.getObject());
    }

    @Shows("JMS 3.11")
    void nullObject() throws Exception {
        same(null, ((ObjectMessage) through(session().createObjectMessage())).getObject());
    }

    @Shows("JMS 3.11.2")
    void aReceivedBodyIsReadOnly() throws Exception {
        TextMessage text = (TextMessage) through(session().createTextMessage("a"));
        raises(MessageNotWriteableException.class, () -> text.setText("b"));
        BytesMessage bytes = (BytesMessage) through(session().createBytesMessage());
        raises(MessageNotWriteableException.class, () -> bytes.writeInt(1));
    }

    @Shows("JMS 3.11.1")
    void aClearedBodyIsWritable() throws Exception {
        TextMessage text = (TextMessage) through(session().createTextMessage("a"));
        text.clearBody();
        text.setText("b");
        same("b", ((TextMessage) through(text)).getText());
    }

    @Shows("JMS 3.11.2")
    void aNewBytesMessageIsWriteOnly() throws Exception {
        raises(MessageNotReadableException.class, () -> session().createBytesMessage().readInt());
    }

    @Shows("JMS 3.9")
    void aSentMessageMayBeSentAgain() throws Exception {
        TextMessage message = session().createTextMessage("first");
        send(queue());
        session().createProducer(queue()).send(message);
        message.setText("second");
        session().createProducer(queue()).send(message);
        expect(session().createConsumer(queue()), "first", "second");
    }

    @Shows("JMS 3.10")
    void aReceivedMessageMayBeSentOn() throws Exception {
        TextMessage message = session().createTextMessage("on");
        message.setStringProperty("kept", "yes");
        Message got = through(message);
        session().createProducer(queue("next")).send(got);
        Message last = takeFrom(queue("next"));
        same("on", text(last));
        same("yes", last.getStringProperty("kept"));
    }

    @Shows("JMS 3.11")
    void bodiesAreReadAsAType() throws Exception {
        Message text = through(session().createTextMessage("a"));
        check(text.isBodyAssignableTo(String.class) && !text.isBodyAssignableTo(byte[].class), "not assignable as it should");
        same("a", text.getBody(String.class));
        raises(MessageFormatException.class, () -> text.getBody(byte[].class));
    }
}
