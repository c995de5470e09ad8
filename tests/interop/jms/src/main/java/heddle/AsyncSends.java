package heddle;

import jakarta.jms.CompletionListener;
import jakarta.jms.Connection;
import jakarta.jms.IllegalStateException;
import jakarta.jms.JMSException;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Session;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/** Sends that are completed by a CompletionListener, and those that wait for nothing. */
final class AsyncSends extends Group {
    /** What was completed, in its order, and what failed. */
    private static final class Completions implements CompletionListener {
        final List<String> texts = Collections.synchronizedList(new ArrayList<>());
        final AtomicReference<Exception> failure = new AtomicReference<>();
        final CountDownLatch left;

        Completions(int count) {
            left = new CountDownLatch(count);
        }

        @Override
        public void onCompletion(Message message) {
            try {
                texts.add(text(message));
            } catch (JMSException unreadable) {
                failure.set(unreadable);
            }
            left.countDown();
        }

        @Override
        public void onException(Message message, Exception exception) {
            failure.set(exception);
            left.countDown();
        }

        void await() throws InterruptedException {
            check(left.await(SOON_MS, TimeUnit.MILLISECONDS), left.getCount() + " were not completed");
        }

        /** Shows that all of them were completed and none failed. The client may tell so shortly behind a close. */
        void areAll(int count) throws InterruptedException {
            await();
            same(null, failure.get());
            same(count, texts.size());
        }
    }

    private Completions sendAll(MessageProducer producer, int count) throws Exception {
        Completions completions = new Completions(count);
        for (int number = 0; number < count; number++) {
            producer.send(session().createTextMessage("m" + number), completions);
        }
        completions.await();
        return completions;
    }

    @Shows("JMS 7.3")
    void theyAreCompleted() throws Exception {
        Completions completions = sendAll(session().createProducer(queue()), 1);
        same(null, completions.failure.get());
        expect(session().createConsumer(queue()), "m0");
    }

    @Shows("JMS 7.3.3")
    void theyAreCompletedInOrder() throws Exception {
        Completions completions = sendAll(session().createProducer(queue()), 300);
        for (int number = 0; number < 300; number++) {
            same("m" + number, completions.texts.get(number));
        }
    }

    @Shows("JMS 7.3.3")
    void theyArriveInOrder() throws Exception {
        sendAll(session().createProducer(queue()), 300);
        MessageConsumer consumer = session().createConsumer(queue());
        for (int number = 0; number < 300; number++) {
            expect(consumer, "m" + number);
        }
        nothing(consumer);
    }

    @Shows("JMS 7.3.1")
    void nonPersistentOnesAreCompleted() throws Exception {
        MessageProducer producer = session().createProducer(queue());
        producer.setDeliveryMode(jakarta.jms.DeliveryMode.NON_PERSISTENT);
        same(null, sendAll(producer, 100).failure.get());
    }

    @Shows("JMS 7.3")
    void overTheAnonymousRelay() throws Exception {
        Completions completions = new Completions(2);
        MessageProducer producer = session().createProducer(null);
        producer.send(queue("one"), session().createTextMessage("1"), completions);
        producer.send(queue("two"), session().createTextMessage("2"), completions);
        completions.await();
        expect(session().createConsumer(queue("one")), "1");
        expect(session().createConsumer(queue("two")), "2");
    }

    @Shows("JMS 7.3.2")
    void whatIsRefusedIsTold() throws Exception {
        Completions completions = new Completions(1);
        try {
            jakarta.jms.Queue missing = session().createQueue("jms.Missing." + name());
            session().createProducer(null).send(missing, session().createTextMessage("a"), completions);
        } catch (JMSException refusedAtOnce) {
            return;
        }
        completions.await();
        check(completions.failure.get() instanceof JMSException, "it was completed: " + completions.texts);
    }

    @Shows("JMS 7.3.4")
    void closingTheProducerLosesNone() throws Exception {
        MessageProducer producer = session(Session.AUTO_ACKNOWLEDGE).createProducer(queue());
        Completions completions = new Completions(50);
        for (int number = 0; number < 50; number++) {
            producer.send(session().createTextMessage("m" + number), completions);
        }
        producer.close();
        completions.areAll(50);
    }

    @Shows("JMS 7.3.4")
    void closingTheSessionLosesNone() throws Exception {
        Session session = session(Session.AUTO_ACKNOWLEDGE);
        MessageProducer producer = session.createProducer(queue());
        Completions completions = new Completions(50);
        for (int number = 0; number < 50; number++) {
            producer.send(session.createTextMessage("m" + number), completions);
        }
        session.close();
        completions.areAll(50);
    }

    @Shows("JMS 7.3.4")
    void closingTheConnectionLosesNone() throws Exception {
        Connection connection = connect("");
        Session session = connection.createSession();
        MessageProducer producer = session.createProducer(queue());
        Completions completions = new Completions(50);
        for (int number = 0; number < 50; number++) {
            producer.send(session.createTextMessage("m" + number), completions);
        }
        connection.close();
        completions.areAll(50);
    }

    @Shows("JMS 7.3.8")
    void aListenerMayNotCloseItsProducer() throws Exception {
        Session session = session(Session.AUTO_ACKNOWLEDGE);
        MessageProducer producer = session.createProducer(queue());
        AtomicReference<Throwable> thrown = new AtomicReference<>();
        CountDownLatch done = new CountDownLatch(1);
        producer.send(session.createTextMessage("a"), new CompletionListener() {
            @Override
            public void onCompletion(Message message) {
                try {
                    producer.close();
                } catch (JMSException refused) {
                    thrown.set(refused);
                }
                done.countDown();
            }

            @Override
            public void onException(Message message, Exception exception) {
                done.countDown();
            }
        });
        check(done.await(SOON_MS, TimeUnit.MILLISECONDS), "it was not completed");
        check(thrown.get() instanceof IllegalStateException, "it may: " + thrown.get());
    }

    @Shows("JMS 7.3")
    void ofTheSimplifiedApi() throws Exception {
        try (jakarta.jms.JMSContext context = factory("").createContext()) {
            Completions completions = new Completions(3);
            jakarta.jms.JMSProducer producer = context.createProducer().setAsync(completions);
            producer.send(context.createQueue(name()), "a").send(context.createQueue(name()), "b").send(context.createQueue(name()), "c");
            completions.await();
            same(List.of("a", "b", "c"), completions.texts);
        }
    }

    @Shows("JMS 7.3")
    void theyAreCompletedInATransaction() throws Exception {
        Session session = session(Session.SESSION_TRANSACTED);
        MessageProducer producer = session.createProducer(queue());
        Completions completions = new Completions(10);
        for (int number = 0; number < 10; number++) {
            producer.send(session.createTextMessage("m" + number), completions);
        }
        session.commit();
        // Their outcomes came before the commit's; Qpid JMS tells of them on another thread, which its commit does not wait for.
        completions.await();
        MessageConsumer consumer = session().createConsumer(queue());
        for (int number = 0; number < 10; number++) {
            expect(consumer, "m" + number);
        }
    }

    @Shows("JMS 7.2")
    void forcedAsyncSendsArriveInOrder() throws Exception {
        Session session = session(Session.AUTO_ACKNOWLEDGE, "jms.forceAsyncSend=true");
        MessageProducer producer = session.createProducer(queue());
        for (int number = 0; number < 300; number++) {
            producer.send(session.createTextMessage("m" + number));
        }
        session.close();
        MessageConsumer consumer = session().createConsumer(queue());
        for (int number = 0; number < 300; number++) {
            expect(consumer, "m" + number);
        }
    }

    @Shows("JMS 7.2")
    void forcedSyncSendsOfNonPersistentMessages() throws Exception {
        Session session = session(Session.AUTO_ACKNOWLEDGE, "jms.forceSyncSend=true");
        MessageProducer producer = session.createProducer(queue());
        producer.setDeliveryMode(jakarta.jms.DeliveryMode.NON_PERSISTENT);
        producer.send(session.createTextMessage("a"));
        MessageConsumer consumer = session().createConsumer(queue());
        check(consumer.receiveNoWait() != null, "what was accepted is not there");
    }
}
