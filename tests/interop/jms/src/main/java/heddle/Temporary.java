package heddle;

import jakarta.jms.Connection;
import jakarta.jms.Destination;
import jakarta.jms.InvalidDestinationException;
import jakarta.jms.JMSException;
import jakarta.jms.IllegalStateException;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Session;
import jakarta.jms.TemporaryQueue;
import jakarta.jms.TemporaryTopic;

/** Temporary queues and topics, and request and reply over them. */
final class Temporary extends Group {
    @Shows("JMS 4.1.5")
    void aTemporaryQueueCarriesMessages() throws Exception {
        TemporaryQueue queue = session().createTemporaryQueue();
        send(queue, "a");
        expect(session().createConsumer(queue), "a");
    }

    @Shows("JMS 4.2.7")
    void aTemporaryTopicCarriesMessages() throws Exception {
        TemporaryTopic topic = session().createTemporaryTopic();
        MessageConsumer one = session().createConsumer(topic);
        MessageConsumer two = session().createConsumer(topic);
        send(topic, "a");
        expect(one, "a");
        expect(two, "a");
    }

    @Shows("JMS 6.2.2")
    void namesDiffer() throws Exception {
        check(!session().createTemporaryQueue().getQueueName().equals(session().createTemporaryQueue().getQueueName()), "one name");
        check(!session().createTemporaryTopic().getTopicName().equals(session().createTemporaryTopic().getTopicName()), "one name");
    }

    @Shows("JMS 6.2.2")
    void anotherConnectionSendsToIt() throws Exception {
        TemporaryQueue queue = session().createTemporaryQueue();
        Session other = connect("").createSession();
        send(other, queue, "a");
        expect(session().createConsumer(queue), "a");
    }

    @Shows("JMS 6.2.2")
    void noOtherConnectionConsumesFromIt() throws Exception {
        TemporaryQueue queue = session().createTemporaryQueue();
        raises(JMSException.class, () -> connect("").createSession().createConsumer(queue));
        raises(JMSException.class, () -> connect("").createSession().createConsumer(session().createQueue(queue.getQueueName())));
    }

    @Shows("JMS 6.2.2")
    void allSessionsOfItsConnectionConsume() throws Exception {
        TemporaryQueue queue = session().createTemporaryQueue();
        send(queue, "a");
        expect(session(Session.AUTO_ACKNOWLEDGE).createConsumer(queue), "a");
    }

    @Shows("JMS 6.2.2")
    void itOutlivesItsSession() throws Exception {
        Session first = session(Session.AUTO_ACKNOWLEDGE);
        TemporaryQueue queue = first.createTemporaryQueue();
        first.close();
        send(queue, "a");
        expect(session().createConsumer(queue), "a");
    }

    @Shows("Artemis A27")
    void itEndsWithItsConnection() throws Exception {
        Connection owner = connect("");
        TemporaryQueue queue = owner.createSession().createTemporaryQueue();
        owner.close();
        raises(InvalidDestinationException.class, () -> send(session().createQueue(queue.getQueueName()), "late"));
    }

    @Shows("Artemis A27")
    void aTopicEndsWithItsConnection() throws Exception {
        Connection owner = connect("");
        TemporaryTopic topic = owner.createSession().createTemporaryTopic();
        owner.close();
        raises(JMSException.class, () -> session().createConsumer(session().createTopic(topic.getTopicName())));
    }

    @Shows("JMS 4.1.5")
    void deletedItTakesNothing() throws Exception {
        TemporaryQueue queue = session().createTemporaryQueue();
        queue.delete();
        raises(JMSException.class, () -> send(queue, "late"));
        Session other = connect("").createSession();
        raises(InvalidDestinationException.class, () -> send(other, other.createQueue(queue.getQueueName()), "late"));
    }

    @Shows("JMS 4.1.5")
    void itIsNotDeletedWhileItIsConsumed() throws Exception {
        TemporaryQueue queue = session().createTemporaryQueue();
        MessageConsumer consumer = session().createConsumer(queue);
        raises(IllegalStateException.class, queue::delete);
        consumer.close();
        queue.delete();
    }

    @Shows("JMS 4.2.7")
    void aTopicIsNotDeletedWhileItIsConsumed() throws Exception {
        TemporaryTopic topic = session().createTemporaryTopic();
        MessageConsumer consumer = session().createConsumer(topic);
        raises(IllegalStateException.class, topic::delete);
        consumer.close();
        topic.delete();
    }

    @Shows("Artemis A27")
    void aProducerOfAnotherLearnsOfItsEnd() throws Exception {
        Connection owner = connect("");
        TemporaryQueue queue = owner.createSession().createTemporaryQueue();
        MessageProducer producer = session().createProducer(queue);
        producer.send(session().createMessage());
        owner.close();
        until(() -> {
            try {
                producer.send(session().createMessage());
                return false;
            } catch (JMSException ended) {
                return true;
            }
        }, "sends go on into a queue that ended");
    }

    @Shows("JMS 8.3.3")
    void noDurableSubscriptionOfATemporaryTopic() throws Exception {
        Session session = connectAs(name()).createSession();
        TemporaryTopic topic = session.createTemporaryTopic();
        raises(JMSException.class, () -> session.createDurableConsumer(topic, "sub"));
    }

    @Shows("JMS 4.1.5")
    void manyAreMadeAndDeleted() throws Exception {
        for (int number = 0; number < 100; number++) {
            TemporaryQueue queue = session().createTemporaryQueue();
            send(queue, "m" + number);
            same("m" + number, text(takeFrom(queue)));
            queue.delete();
        }
    }

    /** Asks by a reply-to and gives what is answered there. */
    private void isAnswered(Destination replies, MessageConsumer answers) throws Exception {
        Message ask = session().createTextMessage("ask");
        ask.setJMSReplyTo(replies);
        ask.setJMSCorrelationID("17");
        session().createProducer(queue()).send(ask);
        Session server = connect("").createSession();
        Message asked = take(server.createConsumer(server.createQueue(name())));
        Message answer = server.createTextMessage("answer");
        answer.setJMSCorrelationID(asked.getJMSCorrelationID());
        server.createProducer(asked.getJMSReplyTo()).send(answer);
        Message got = take(answers);
        same("answer", text(got));
        same("17", got.getJMSCorrelationID());
    }

    @Shows("JMS 2.16")
    void aTemporaryQueueIsAnswered() throws Exception {
        TemporaryQueue replies = session().createTemporaryQueue();
        isAnswered(replies, session().createConsumer(replies));
    }

    @Shows("JMS 2.16")
    void aTemporaryTopicIsAnswered() throws Exception {
        TemporaryTopic replies = session().createTemporaryTopic();
        isAnswered(replies, session().createConsumer(replies));
    }

    @Shows("JMS 2.16")
    void aQueueIsAnswered() throws Exception {
        isAnswered(queue("replies"), session().createConsumer(queue("replies")));
    }

    @Shows("JMS 2.16")
    void anAnswerOverTheAnonymousRelay() throws Exception {
        TemporaryQueue replies = session().createTemporaryQueue();
        Session server = connect("").createSession();
        server.createProducer(null).send(replies, server.createTextMessage("answer"));
        expect(session().createConsumer(replies), "answer");
    }

    @Shows("JMS 2.16")
    void anAnswerToNobodyIsRefusedAndTheServerGoesOn() throws Exception {
        Connection asker = connect("");
        TemporaryQueue gone = asker.createSession().createTemporaryQueue();
        asker.close();
        MessageProducer server = session().createProducer(null);
        raises(JMSException.class, () -> server.send(session().createQueue(gone.getQueueName()), session().createMessage()));
        server.send(queue(), session().createTextMessage("next"));
        expect(session().createConsumer(queue()), "next");
    }

    @Shows("JMS 4.1.7")
    void theRequestorOfJms() throws Exception {
        MessageConsumer server = session(Session.AUTO_ACKNOWLEDGE, "").createConsumer(queue());
        Session answers = session(Session.AUTO_ACKNOWLEDGE, "");
        server.setMessageListener(asked -> {
            try {
                answers.createProducer(asked.getJMSReplyTo()).send(answers.createTextMessage("answer"));
            } catch (JMSException failed) {
                throw new java.lang.IllegalStateException(failed);
            }
        });
        jakarta.jms.QueueSession asking = ((jakarta.jms.QueueConnection) connection()).createQueueSession(false, 1);
        jakarta.jms.QueueRequestor requestor = new jakarta.jms.QueueRequestor(asking, queue());
        same("answer", text(requestor.request(asking.createTextMessage("ask"))));
        requestor.close();
    }
}
