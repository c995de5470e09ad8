package heddle;

import jakarta.jms.Connection;
import jakarta.jms.IllegalStateException;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.Session;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** AUTO, DUPS_OK, CLIENT and Qpid JMS's INDIVIDUAL acknowledgement: what stays, what goes, and what comes back. */
final class Acknowledgement extends Group {
    private static final String ONE = "jms.prefetchPolicy.all=1";

    private void remains(String... texts) throws Exception {
        MessageConsumer consumer = session(Session.AUTO_ACKNOWLEDGE, "").createConsumer(queue());
        expect(consumer, texts);
        nothing(consumer);
    }

    /** Takes so many in a mode, without acknowledging, and closes the connection. */
    private void takeAndLeave(int mode, int count) throws Exception {
        Connection connection = connect("");
        Session session = connection.createSession(mode);
        MessageConsumer consumer = session.createConsumer(session.createQueue(name()));
        for (int number = 0; number < count; number++) {
            take(consumer);
        }
        connection.close();
    }

    @Shows("JMS 6.2.10")
    void autoTakesWhatWasReceived() throws Exception {
        send(queue(), "a", "b", "c");
        takeAndLeave(Session.AUTO_ACKNOWLEDGE, 2);
        remains("c");
    }

    @Shows("JMS 6.2.10")
    void autoTakesWhenAListenerReturns() throws Exception {
        send(queue(), "a");
        Connection connection = connect("");
        Session session = connection.createSession(Session.AUTO_ACKNOWLEDGE);
        CountDownLatch came = new CountDownLatch(1);
        session.createConsumer(session.createQueue(name())).setMessageListener(message -> came.countDown());
        check(came.await(SOON_MS, TimeUnit.MILLISECONDS), "nothing came");
        connection.close();
        remains();
    }

    @Shows("JMS 6.2.10")
    void autoGivesBackWhenAListenerThrows() throws Exception {
        send(queue(), "a");
        CountDownLatch again = new CountDownLatch(2);
        session().createConsumer(queue()).setMessageListener(message -> {
            again.countDown();
            if (again.getCount() > 0) {
                throw new RuntimeException("on purpose");
            }
        });
        check(again.await(SOON_MS, TimeUnit.MILLISECONDS), "it did not come again");
        connection().close();
    }

    @Shows("JMS 6.2.10")
    void dupsOkTakesByTheEndOfItsSession() throws Exception {
        send(queue(), "a", "b", "c");
        takeAndLeave(Session.DUPS_OK_ACKNOWLEDGE, 2);
        remains("c");
    }

    @Shows("JMS 6.2.10")
    void clientKeepsWhatWasNotAcknowledged() throws Exception {
        send(queue(), "a", "b", "c");
        takeAndLeave(Session.CLIENT_ACKNOWLEDGE, 2);
        remains("a", "b", "c");
    }

    @Shows("JMS 6.2.10")
    void clientAcknowledgesAllOfTheSession() throws Exception {
        send(queue(), "a", "b", "c");
        Connection connection = connect("");
        Session session = connection.createSession(Session.CLIENT_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(session.createQueue(name()));
        take(consumer);
        take(consumer).acknowledge();
        connection.close();
        remains("c");
    }

    @Shows("JMS 3.6")
    void clientAcknowledgesLaterOnesByAnEarlierOne() throws Exception {
        send(queue(), "a", "b", "c");
        Connection connection = connect("");
        Session session = connection.createSession(Session.CLIENT_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(session.createQueue(name()));
        Message first = take(consumer);
        take(consumer);
        first.acknowledge();
        connection.close();
        remains("c");
    }

    @Shows("JMS 6.2.10")
    void clientAcknowledgesOverAllConsumersOfItsSession() throws Exception {
        send(queue("one"), "a");
        send(queue("two"), "b");
        Connection connection = connect("");
        Session session = connection.createSession(Session.CLIENT_ACKNOWLEDGE);
        take(session.createConsumer(queue("one")));
        take(session.createConsumer(queue("two"))).acknowledge();
        connection.close();
        nothing(session().createConsumer(queue("one")));
        nothing(session().createConsumer(queue("two")));
    }

    @Shows("JMS 6.2.10")
    void clientOfOneSessionIsNotAnothers() throws Exception {
        send(queue("one"), "a");
        send(queue("two"), "b");
        Connection connection = connect("");
        take(connection.createSession(Session.CLIENT_ACKNOWLEDGE).createConsumer(queue("one")));
        take(connection.createSession(Session.CLIENT_ACKNOWLEDGE).createConsumer(queue("two"))).acknowledge();
        connection.close();
        expect(session().createConsumer(queue("one")), "a");
        nothing(session().createConsumer(queue("two")));
    }

    @Shows("JMS 6.2.10")
    void acknowledgingTwiceChangesNothing() throws Exception {
        send(queue(), "a", "b");
        Session session = session(Session.CLIENT_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(queue());
        Message first = take(consumer);
        first.acknowledge();
        first.acknowledge();
        session.close();
        remains("b");
    }

    @Shows("JMS 3.6")
    void acknowledgeMeansNothingInAuto() throws Exception {
        send(queue(), "a", "b");
        MessageConsumer consumer = session().createConsumer(queue());
        take(consumer).acknowledge();
        expect(consumer, "b");
    }

    @Shows("JMS 6.2.15")
    void acknowledgingInAClosedSessionIsRefused() throws Exception {
        send(queue(), "a");
        Session session = session(Session.CLIENT_ACKNOWLEDGE);
        Message message = take(session.createConsumer(queue()));
        session.close();
        raises(IllegalStateException.class, message::acknowledge);
        remains("a");
    }

    @Shows("JMS 6.2.10")
    void whatIsHeldIsNotGivenToOthers() throws Exception {
        send(queue(), "held", "free");
        take(session(Session.CLIENT_ACKNOWLEDGE, ONE).createConsumer(queue()));
        // One more was sent ahead to the first consumer, at most.
        MessageConsumer other = session().createConsumer(queue());
        send(queue(), "new");
        Message message = take(other);
        check(!text(message).equals("held"), "what another holds came");
    }

    @Shows("Artemis 2.9")
    void individualTakesOneOnly() throws Exception {
        send(queue(), "a", "b", "c");
        Connection connection = connect("");
        Session session = connection.createSession(INDIVIDUAL);
        MessageConsumer consumer = session.createConsumer(session.createQueue(name()));
        take(consumer);
        take(consumer).acknowledge();
        connection.close();
        remains("a", "c");
    }

    @Shows("Artemis 2.9")
    void individualOutOfOrder() throws Exception {
        send(queue(), "a", "b", "c", "d");
        Connection connection = connect("");
        Session session = connection.createSession(INDIVIDUAL);
        MessageConsumer consumer = session.createConsumer(session.createQueue(name()));
        Message[] messages = {take(consumer), take(consumer), take(consumer), take(consumer)};
        messages[3].acknowledge();
        messages[0].acknowledge();
        connection.close();
        remains("b", "c");
    }

    @Shows("Artemis 2.9")
    void rejectedDoesNotComeAgain() throws Exception {
        send(queue(), "a", "b");
        Connection connection = connect("");
        Message message = take(connection.createSession(INDIVIDUAL).createConsumer(queue()));
        message.setIntProperty(OUTCOME, REJECTED);
        message.acknowledge();
        connection.close();
        remains("b");
    }

    @Shows("Artemis 2.9")
    void releasedComesAgainAsIfNew() throws Exception {
        send(queue(), "a");
        MessageConsumer consumer = session(INDIVIDUAL, ONE).createConsumer(queue());
        Message message = take(consumer);
        message.setIntProperty(OUTCOME, RELEASED);
        message.acknowledge();
        Message again = take(consumer);
        same("a", text(again));
        check(!again.getJMSRedelivered(), "what was released is marked as redelivered");
        again.acknowledge();
    }

    @Shows("Artemis 2.9")
    void modifiedComesAgainAndIsCounted() throws Exception {
        send(queue(), "a");
        MessageConsumer consumer = session(INDIVIDUAL, ONE).createConsumer(queue());
        Message message = take(consumer);
        message.setIntProperty(OUTCOME, MODIFIED_FAILED);
        message.acknowledge();
        Message again = take(consumer);
        check(again.getJMSRedelivered(), "what failed is not marked as redelivered");
        same(2, again.getIntProperty("JMSXDeliveryCount"));
        again.acknowledge();
    }

    @Shows("Artemis 2.9")
    void undeliverableHereGoesToAnother() throws Exception {
        send(queue(), "a");
        MessageConsumer unable = session(INDIVIDUAL, ONE).createConsumer(queue());
        Message message = take(unable);
        message.setIntProperty(OUTCOME, MODIFIED_FAILED_UNDELIVERABLE);
        message.acknowledge();
        nothing(unable);
        expect(session().createConsumer(queue()), "a");
    }

    @Shows("Artemis D29")
    void presettledIsGoneWhenItWasSent() throws Exception {
        send(queue(), "a");
        Connection connection = connect("jms.presettlePolicy.presettleConsumers=true");
        take(connection.createSession(Session.CLIENT_ACKNOWLEDGE).createConsumer(queue()));
        connection.close();
        remains();
    }

    @Shows("Artemis D29")
    void presettledSendsArrive() throws Exception {
        Session session = session(Session.AUTO_ACKNOWLEDGE, "jms.presettlePolicy.presettleProducers=true");
        send(session, session.createQueue(name()), "a", "b");
        expect(session().createConsumer(queue()), "a", "b");
    }
}
