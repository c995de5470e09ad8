package heddle;

import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.Session;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/** Credit as Qpid JMS gives it: none until a receive, one, or a thousand. */
final class Prefetch extends Group {
    private Session with(int prefetch) throws Exception {
        return session(Session.AUTO_ACKNOWLEDGE, "jms.prefetchPolicy.all=" + prefetch);
    }

    private void allCome(int prefetch) throws Exception {
        for (int number = 0; number < 25; number++) {
            send(queue(), "m" + number);
        }
        MessageConsumer consumer = with(prefetch).createConsumer(queue());
        for (int number = 0; number < 25; number++) {
            expect(consumer, "m" + number);
        }
        nothing(consumer);
    }

    @Shows("Artemis 2.8")
    void withNoneAllCome() throws Exception {
        allCome(0);
    }

    @Shows("Artemis 2.8")
    void withOneAllCome() throws Exception {
        allCome(1);
    }

    @Shows("Artemis 2.8")
    void withTenAllCome() throws Exception {
        allCome(10);
    }

    @Shows("Artemis 2.8")
    void withAThousandAllCome() throws Exception {
        allCome(1000);
    }

    @Shows("Artemis 2.8")
    void withNoneNothingIsTakenFromOthers() throws Exception {
        MessageConsumer idle = with(0).createConsumer(queue());
        send(queue(), "a", "b", "c");
        MessageConsumer other = session().createConsumer(queue());
        expect(other, "a", "b", "c");
        nothing(idle);
    }

    @Shows("Artemis 2.8")
    void withNoneOneReceiveTakesOne() throws Exception {
        send(queue(), "a", "b");
        MessageConsumer one = with(0).createConsumer(queue());
        expect(one, "a");
        expect(session().createConsumer(queue()), "b");
    }

    @Shows("Artemis 2.8")
    void aReceiveThatWaitedInVainLeavesNoCredit() throws Exception {
        MessageConsumer waiting = with(0).createConsumer(queue());
        check(waiting.receive(50) == null, "something came");
        send(queue(), "a");
        expect(session().createConsumer(queue()), "a");
        nothing(waiting);
    }

    @Shows("Artemis 2.8")
    void withNoneAWaitingReceiveGetsWhatComes() throws Exception {
        MessageConsumer consumer = with(0).createConsumer(queue());
        AtomicReference<Message> got = new AtomicReference<>();
        CountDownLatch began = new CountDownLatch(1);
        Thread waiter = new Thread(() -> {
            began.countDown();
            try {
                got.set(consumer.receive(SOON_MS));
            } catch (jakarta.jms.JMSException failed) {
                throw new IllegalStateException(failed);
            }
        });
        waiter.start();
        check(began.await(SOON_MS, TimeUnit.MILLISECONDS), "it did not begin");
        send(queue(), "a");
        waiter.join(SOON_MS);
        check(got.get() != null, "nothing came");
    }

    @Shows("Artemis 2.8")
    void withNoneAListenerGetsThem() throws Exception {
        CountDownLatch left = new CountDownLatch(10);
        with(0).createConsumer(queue()).setMessageListener(message -> left.countDown());
        for (int number = 0; number < 10; number++) {
            send(queue(), "m" + number);
        }
        check(left.await(SOON_MS, TimeUnit.MILLISECONDS), left.getCount() + " did not come");
    }

    @Shows("Artemis 2.8")
    void ofTopics() throws Exception {
        for (int prefetch : new int[] {0, 1, 100}) {
            MessageConsumer consumer = with(prefetch).createConsumer(topic("p" + prefetch));
            send(topic("p" + prefetch), "a", "b", "c");
            expect(consumer, "a", "b", "c");
            nothing(consumer);
        }
    }

    @Shows("Artemis 2.8")
    void anUnackedWindowStopsDelivery() throws Exception {
        for (int number = 0; number < 10; number++) {
            send(queue(), "m" + number);
        }
        Session holder = session(INDIVIDUAL, "jms.prefetchPolicy.all=4");
        MessageConsumer consumer = holder.createConsumer(queue());
        take(consumer);
        // It holds one and has four more sent ahead at most: others get the rest.
        MessageConsumer other = session().createConsumer(queue());
        for (int number = 0; number < 5; number++) {
            take(other);
        }
    }

    @Shows("Artemis 2.8")
    void drainingManyTimesLosesNothing() throws Exception {
        MessageConsumer consumer = with(0).createConsumer(queue());
        for (int number = 0; number < 100; number++) {
            nothing(consumer);
            send(queue(), "m" + number);
            Message message = consumer.receiveNoWait();
            check(message != null, "what is there was not drained");
            same("m" + number, text(message));
        }
    }
}
