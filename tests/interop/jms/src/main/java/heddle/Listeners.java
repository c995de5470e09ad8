package heddle;

import jakarta.jms.Connection;
import jakarta.jms.IllegalStateException;
import jakarta.jms.JMSException;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.Session;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/** Message listeners: what is given to them, by whom, and when it ends. */
final class Listeners extends Group {
    /** Collects what comes to a listener. */
    private static BlockingQueue<Message> listen(MessageConsumer consumer) throws JMSException {
        BlockingQueue<Message> messages = new ArrayBlockingQueue<>(1000);
        consumer.setMessageListener(messages::add);
        return messages;
    }

    private static void comes(BlockingQueue<Message> messages, String... texts) throws Exception {
        for (String wanted : texts) {
            Message message = messages.poll(SOON_MS, TimeUnit.MILLISECONDS);
            check(message != null, "nothing came");
            same(wanted, text(message));
        }
    }

    /** A session on the common connection, for a listener: no other thread may use that. */
    private MessageConsumer consumer() throws JMSException {
        return session(Session.AUTO_ACKNOWLEDGE).createConsumer(queue());
    }

    @Shows("JMS 8.7")
    void itGetsWhatWaits() throws Exception {
        send(queue(), "a", "b", "c");
        comes(listen(consumer()), "a", "b", "c");
    }

    @Shows("JMS 8.7")
    void itGetsWhatComes() throws Exception {
        BlockingQueue<Message> messages = listen(consumer());
        send(queue(), "a", "b", "c");
        comes(messages, "a", "b", "c");
    }

    @Shows("JMS 6.2.9.1")
    void itGetsThemInOrder() throws Exception {
        BlockingQueue<Message> messages = listen(consumer());
        for (int number = 0; number < 200; number++) {
            send(queue(), "m" + number);
        }
        for (int number = 0; number < 200; number++) {
            comes(messages, "m" + number);
        }
    }

    @Shows("JMS 6.2.13")
    void thoseOfOneSessionTakeTurns() throws Exception {
        Session session = session(Session.AUTO_ACKNOWLEDGE);
        AtomicInteger inside = new AtomicInteger();
        AtomicInteger together = new AtomicInteger();
        CountDownLatch left = new CountDownLatch(40);
        for (int number = 0; number < 2; number++) {
            session.createConsumer(queue("q" + number)).setMessageListener(message -> {
                together.accumulateAndGet(inside.incrementAndGet(), Math::max);
                Thread.yield();
                inside.decrementAndGet();
                left.countDown();
            });
        }
        for (int number = 0; number < 40; number++) {
            send(queue("q" + number % 2), "m" + number);
        }
        check(left.await(SOON_MS, TimeUnit.MILLISECONDS), "not all came");
        same(1, together.get());
    }

    @Shows("JMS 6.2.14")
    void thoseOfTwoSessionsRunBesideEachOther() throws Exception {
        CountDownLatch both = new CountDownLatch(2);
        AtomicInteger met = new AtomicInteger();
        for (int number = 0; number < 2; number++) {
            session(Session.AUTO_ACKNOWLEDGE).createConsumer(queue("q" + number)).setMessageListener(message -> {
                both.countDown();
                try {
                    if (both.await(SOON_MS, TimeUnit.MILLISECONDS)) {
                        met.incrementAndGet();
                    }
                } catch (InterruptedException stopped) {
                    Thread.currentThread().interrupt();
                }
            });
            send(queue("q" + number), "a");
        }
        until(() -> met.get() == 2, "one waits for the other");
    }

    @Shows("JMS 8.7")
    void itMayBeReplaced() throws Exception {
        MessageConsumer consumer = consumer();
        BlockingQueue<Message> first = listen(consumer);
        send(queue(), "a");
        comes(first, "a");
        BlockingQueue<Message> second = listen(consumer);
        send(queue(), "b");
        comes(second, "b");
        same(0, first.size());
    }

    @Shows("JMS 8.7")
    void withoutItReceiveWorksAgain() throws Exception {
        MessageConsumer consumer = consumer();
        comes(listenAndSend(consumer), "a");
        consumer.setMessageListener(null);
        send(queue(), "b");
        expect(consumer, "b");
    }

    private BlockingQueue<Message> listenAndSend(MessageConsumer consumer) throws JMSException {
        BlockingQueue<Message> messages = listen(consumer);
        send(queue(), "a");
        return messages;
    }

    @Shows("JMS 8.4")
    void itGetsNothingBeforeTheStart() throws Exception {
        send(queue(), "a");
        Connection connection = track(factory("").createConnection());
        BlockingQueue<Message> messages = listen(connection.createSession().createConsumer(queue()));
        same(0, messages.size());
        connection.start();
        comes(messages, "a");
    }

    @Shows("JMS 6.1.5")
    void itGetsNothingWhileStopped() throws Exception {
        Connection connection = connect("");
        BlockingQueue<Message> messages = listen(connection.createSession().createConsumer(queue()));
        send(queue(), "a");
        comes(messages, "a");
        connection.stop();
        send(queue(), "b");
        same(null, messages.poll(100, TimeUnit.MILLISECONDS));
        connection.start();
        comes(messages, "b");
    }

    @Shows("JMS 8.8")
    void closingWaitsForIt() throws Exception {
        MessageConsumer consumer = consumer();
        CountDownLatch inside = new CountDownLatch(1);
        AtomicInteger finished = new AtomicInteger();
        consumer.setMessageListener(message -> {
            inside.countDown();
            try {
                Thread.sleep(100);
            } catch (InterruptedException stopped) {
                Thread.currentThread().interrupt();
            }
            finished.incrementAndGet();
        });
        send(queue(), "a");
        check(inside.await(SOON_MS, TimeUnit.MILLISECONDS), "nothing came");
        consumer.close();
        same(1, finished.get());
    }

    @Shows("JMS 8.7")
    void itMaySendByItsSession() throws Exception {
        Session session = session(Session.AUTO_ACKNOWLEDGE);
        jakarta.jms.MessageProducer producer = session.createProducer(queue("out"));
        session.createConsumer(queue("in")).setMessageListener(message -> {
            try {
                producer.send(message);
            } catch (JMSException failed) {
                throw new java.lang.IllegalStateException(failed);
            }
        });
        send(queue("in"), "a", "b");
        expect(session().createConsumer(queue("out")), "a", "b");
    }

    @Shows("JMS 6.2.10")
    void itAcknowledgesInClientMode() throws Exception {
        send(queue(), "a", "b");
        Session client = session(Session.CLIENT_ACKNOWLEDGE);
        CountDownLatch left = new CountDownLatch(2);
        client.createConsumer(queue()).setMessageListener(message -> {
            try {
                message.acknowledge();
            } catch (JMSException failed) {
                throw new java.lang.IllegalStateException(failed);
            }
            left.countDown();
        });
        check(left.await(SOON_MS, TimeUnit.MILLISECONDS), "not all came");
        client.close();
        nothing(session().createConsumer(queue()));
    }

    @Shows("JMS 6.2.10")
    void itMayRecover() throws Exception {
        send(queue(), "a");
        Session client = session(Session.CLIENT_ACKNOWLEDGE);
        CountDownLatch left = new CountDownLatch(3);
        client.createConsumer(queue()).setMessageListener(message -> {
            try {
                left.countDown();
                if (left.getCount() == 0) {
                    message.acknowledge();
                } else {
                    client.recover();
                }
            } catch (JMSException failed) {
                throw new java.lang.IllegalStateException(failed);
            }
        });
        check(left.await(SOON_MS, TimeUnit.MILLISECONDS), "it came too seldom");
    }

    @Shows("JMS 6.1.8")
    void itMayNotCloseItsConnection() throws Exception {
        Connection connection = connect("");
        BlockingQueue<Object> results = new ArrayBlockingQueue<>(1);
        AtomicReference<Connection> own = new AtomicReference<>(connection);
        connection.createSession().createConsumer(queue()).setMessageListener(message -> {
            try {
                own.get().close();
                results.add("closed");
            } catch (JMSException refused) {
                results.add(refused);
            }
        });
        send(queue(), "a");
        Object result = results.poll(SOON_MS, TimeUnit.MILLISECONDS);
        check(result instanceof IllegalStateException, "it may: " + result);
    }

    @Shows("JMS 8.3.1")
    void itSubscribes() throws Exception {
        BlockingQueue<Message> one = listen(session(Session.AUTO_ACKNOWLEDGE).createConsumer(topic()));
        BlockingQueue<Message> two = listen(session(Session.AUTO_ACKNOWLEDGE).createConsumer(topic()));
        send(topic(), "a", "b");
        comes(one, "a", "b");
        comes(two, "a", "b");
    }
}
