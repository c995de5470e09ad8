package heddle;

import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.QueueBrowser;
import jakarta.jms.Session;
import java.util.ArrayList;
import java.util.Enumeration;
import java.util.List;
import java.util.NoSuchElementException;

/** Queue browsers: they see what waits, in its order, and change nothing. */
final class Browsers extends Group {
    private List<String> browse(QueueBrowser browser) throws Exception {
        List<String> texts = new ArrayList<>();
        for (Enumeration<?> messages = browser.getEnumeration(); messages.hasMoreElements();) {
            texts.add(text((Message) messages.nextElement()));
        }
        return texts;
    }

    private List<String> browse() throws Exception {
        try (QueueBrowser browser = session().createBrowser(queue())) {
            return browse(browser);
        }
    }

    @Shows("JMS 4.1.6")
    void itSeesWhatWaitsInOrder() throws Exception {
        send(queue(), "a", "b", "c");
        same(List.of("a", "b", "c"), browse());
    }

    @Shows("JMS 4.1.6")
    void itTakesNothing() throws Exception {
        send(queue(), "a", "b");
        browse();
        browse();
        MessageConsumer consumer = session().createConsumer(queue());
        expect(consumer, "a", "b");
        nothing(consumer);
    }

    @Shows("JMS 4.1.6")
    void itMarksNothing() throws Exception {
        send(queue(), "a");
        browse();
        Message message = takeFrom(queue());
        check(!message.getJMSRedelivered(), "a browsed message is marked as redelivered");
        same(1, message.getIntProperty("JMSXDeliveryCount"));
    }

    @Shows("JMS 4.1.6")
    void anEmptyQueueHasNothingToSee() throws Exception {
        same(List.of(), browse());
    }

    @Shows("JMS 4.1.6")
    void aQueueThatIsNotThereIsEmpty() throws Exception {
        QueueBrowser browser = session().createBrowser(queue("never"));
        check(!browser.getEnumeration().hasMoreElements(), "something is there");
    }

    @Shows("JMS 4.1.6")
    void beyondTheLastIsNoElement() throws Exception {
        send(queue(), "a");
        Enumeration<?> messages = session().createBrowser(queue()).getEnumeration();
        check(messages.hasMoreElements(), "nothing is there");
        messages.nextElement();
        check(!messages.hasMoreElements(), "more is there");
        raises(NoSuchElementException.class, messages::nextElement);
    }

    @Shows("JMS 4.1.6")
    void aSecondEnumerationBeginsAnew() throws Exception {
        QueueBrowser browser = session().createBrowser(queue());
        send(queue(), "a");
        same(List.of("a"), browse(browser));
        send(queue(), "b");
        same(List.of("a", "b"), browse(browser));
    }

    @Shows("JMS 4.1.6")
    void twoBrowseBesideEachOther() throws Exception {
        send(queue(), "a", "b");
        Enumeration<?> one = session().createBrowser(queue()).getEnumeration();
        Enumeration<?> two = connect("").createSession().createBrowser(queue()).getEnumeration();
        for (String text : new String[] {"a", "b"}) {
            check(one.hasMoreElements() && two.hasMoreElements(), "one browser sees less");
            same(text, text((Message) one.nextElement()));
            same(text, text((Message) two.nextElement()));
        }
    }

    @Shows("JMS 4.1.6")
    void itDoesNotHoldUpConsumers() throws Exception {
        send(queue(), "a", "b");
        Enumeration<?> messages = session().createBrowser(queue()).getEnumeration();
        check(messages.hasMoreElements(), "nothing is there");
        expect(session().createConsumer(queue()), "a", "b");
    }

    @Shows("JMS 4.1.6")
    void whatWasTakenIsNotSeen() throws Exception {
        send(queue(), "a", "b");
        try (MessageConsumer consumer = session(Session.AUTO_ACKNOWLEDGE, "jms.prefetchPolicy.all=0").createConsumer(queue())) {
            expect(consumer, "a");
            // An acknowledgement has no answer: it is awaited by what it does.
            until(() -> browse().equals(List.of("b")), "what was acknowledged is still seen");
        }
    }

    @Shows("JMS 4.1.6")
    void propertiesAndHeadersAreSeen() throws Exception {
        Message message = session().createTextMessage("a");
        message.setIntProperty("n", 7);
        message.setJMSType("type");
        session().createProducer(queue()).send(message);
        Message seen = (Message) session().createBrowser(queue()).getEnumeration().nextElement();
        same(7, seen.getIntProperty("n"));
        same("type", seen.getJMSType());
        same(message.getJMSMessageID(), seen.getJMSMessageID());
    }

    @Shows("JMS 4.1.6")
    void itSaysWhatItBrowses() throws Exception {
        QueueBrowser browser = session().createBrowser(queue());
        same(queue(), browser.getQueue());
        same(null, browser.getMessageSelector());
    }

    @Shows("JMS 4.1.6")
    void aClosedOneSeesNothing() throws Exception {
        QueueBrowser browser = session().createBrowser(queue());
        browser.close();
        raises(jakarta.jms.IllegalStateException.class, browser::getEnumeration);
    }

    @Shows("JMS 4.1.6")
    void aLongQueueIsSeenToItsEnd() throws Exception {
        jakarta.jms.MessageProducer producer = session().createProducer(queue());
        producer.setDeliveryMode(jakarta.jms.DeliveryMode.NON_PERSISTENT);
        List<String> sent = new ArrayList<>();
        for (int number = 0; number < 3_000; number++) {
            producer.send(session().createTextMessage("m" + number));
            sent.add("m" + number);
        }
        same(sent, browse());
    }

    @Shows("Artemis D4")
    void withoutPrefetchItSeesTheSame() throws Exception {
        send(queue(), "a", "b", "c");
        same(List.of("a", "b", "c"), browse(session(Session.AUTO_ACKNOWLEDGE, "jms.prefetchPolicy.all=0").createBrowser(queue())));
    }

    @Shows("JMS 4.1.6")
    void itMayChooseBySelector() throws Exception {
        for (String type : new String[] {"no", "yes", "no"}) {
            Message message = session().createTextMessage(type);
            message.setJMSType(type);
            session().createProducer(queue()).send(message);
        }
        same(List.of("yes"), browse(session().createBrowser(queue(), "JMSType = 'yes'")));
    }
}
