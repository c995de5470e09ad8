package heddle;

import jakarta.jms.DeliveryMode;
import jakarta.jms.IllegalStateRuntimeException;
import jakarta.jms.InvalidClientIDRuntimeException;
import jakarta.jms.InvalidDestinationRuntimeException;
import jakarta.jms.JMSConsumer;
import jakarta.jms.JMSContext;
import jakarta.jms.JMSProducer;
import jakarta.jms.JMSRuntimeException;
import jakarta.jms.JMSSecurityRuntimeException;
import jakarta.jms.Message;
import jakarta.jms.MessageFormatRuntimeException;
import jakarta.jms.Queue;
import jakarta.jms.QueueBrowser;
import jakarta.jms.TemporaryQueue;
import jakarta.jms.Topic;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** The simplified API of JMS 2.0: one context instead of connection and session. */
final class Contexts extends Group {
    private interface Use {
        void with(JMSContext context, Queue queue) throws Exception;
    }

    private void in(int mode, Use use) throws Exception {
        try (JMSContext context = factory("").createContext(mode)) {
            use.with(context, context.createQueue(name()));
        }
    }

    private void in(Use use) throws Exception {
        in(JMSContext.AUTO_ACKNOWLEDGE, use);
    }

    private static void takes(JMSConsumer consumer, String... bodies) {
        for (String body : bodies) {
            same(body, consumer.receiveBody(String.class, SOON_MS));
        }
    }

    @Shows("JMS 2.8.2")
    void itSendsAndReceives() throws Exception {
        in((context, queue) -> {
            context.createProducer().send(queue, "a");
            takes(context.createConsumer(queue), "a");
        });
    }

    @Shows("JMS 7.10")
    void producersAreChained() throws Exception {
        in((context, queue) -> {
            context.createProducer().setPriority(7).setTimeToLive(3_600_000).setDeliveryMode(DeliveryMode.NON_PERSISTENT)
                .setProperty("n", 5).setProperty("s", "text").setJMSType("type").setJMSCorrelationID("17").send(queue, "a");
            Message message = context.createConsumer(queue).receive(SOON_MS);
            same(7, message.getJMSPriority());
            same(DeliveryMode.NON_PERSISTENT, message.getJMSDeliveryMode());
            same(5, message.getIntProperty("n"));
            same("text", message.getStringProperty("s"));
            same("type", message.getJMSType());
            same("17", message.getJMSCorrelationID());
            check(message.getJMSExpiration() > 0, "no expiration");
        });
    }

    @Shows("JMS 7.1")
    void itSendsEveryKindOfBody() throws Exception {
        in((context, queue) -> {
            JMSProducer producer = context.createProducer();
            producer.send(queue, "text").send(queue, new byte[] {1, 2}).send(queue, Map.of("key", "value"))
                .send(queue, (java.io.Serializable) Integer.valueOf(7)).send(queue, context.createMessage());
            JMSConsumer consumer = context.createConsumer(queue);
            takes(consumer, "text");
            check(Arrays.equals(new byte[] {1, 2}, consumer.receiveBody(byte[].class, SOON_MS)), "other octets");
            same("value", consumer.receiveBody(Map.class, SOON_MS).get("key"));
            same(7, consumer.receiveBody(Integer.class, SOON_MS));
            check(consumer.receive(SOON_MS) != null, "nothing came");
        });
    }

    @Shows("JMS 8.6")
    void aBodyOfAnotherTypeIsRefusedAndStays() throws Exception {
        in((context, queue) -> {
            context.createProducer().send(queue, "text");
            JMSConsumer consumer = context.createConsumer(queue);
            raises(MessageFormatRuntimeException.class, () -> consumer.receiveBody(byte[].class, SOON_MS));
            takes(consumer, "text");
        });
    }

    @Shows("JMS 8.6")
    void nothingIsNull() throws Exception {
        in((context, queue) -> {
            same(null, context.createConsumer(queue).receiveBodyNoWait(String.class));
            same(null, context.createConsumer(queue).receiveNoWait());
        });
    }

    @Shows("JMS 8.4")
    void itStartsByItself() throws Exception {
        in((context, queue) -> {
            check(context.getAutoStart(), "it does not");
            context.createProducer().send(queue, "a");
            takes(context.createConsumer(queue), "a");
        });
    }

    @Shows("JMS 8.4")
    void itStartsWhenItIsTold() throws Exception {
        in((context, queue) -> {
            context.createProducer().send(queue, "a");
            try (JMSContext other = factory("").createContext()) {
                other.setAutoStart(false);
                JMSConsumer consumer = other.createConsumer(queue);
                same(null, consumer.receiveNoWait());
                other.start();
                takes(consumer, "a");
            }
        });
    }

    @Shows("JMS 6.2.10")
    void clientAcknowledges() throws Exception {
        in(JMSContext.CLIENT_ACKNOWLEDGE, (context, queue) -> {
            context.createProducer().send(queue, "a").send(queue, "b");
            JMSConsumer consumer = context.createConsumer(queue);
            takes(consumer, "a");
            context.acknowledge();
            takes(consumer, "b");
            context.recover();
            takes(consumer, "b");
        });
        in((context, queue) -> takes(context.createConsumer(queue), "b"));
    }

    @Shows("JMS 6.2.10")
    void acknowledgeMeansNothingInAuto() throws Exception {
        in((context, queue) -> {
            context.createProducer().send(queue, "a");
            JMSConsumer consumer = context.createConsumer(queue);
            takes(consumer, "a");
            context.acknowledge();
        });
    }

    @Shows("JMS 6.2.7")
    void itCommitsAndRollsBack() throws Exception {
        in(JMSContext.SESSION_TRANSACTED, (context, queue) -> {
            check(context.getTransacted(), "it is not transacted");
            context.createProducer().send(queue, "a");
            context.rollback();
            context.createProducer().send(queue, "b");
            context.commit();
            takes(context.createConsumer(queue), "b");
            context.commit();
        });
    }

    @Shows("JMS 6.2.7")
    void commitElsewhereIsRefused() throws Exception {
        in((context, queue) -> raises(IllegalStateRuntimeException.class, context::commit));
    }

    @Shows("JMS 2.8.2")
    void contextsShareAConnection() throws Exception {
        in((context, queue) -> {
            try (JMSContext second = context.createContext(JMSContext.AUTO_ACKNOWLEDGE)) {
                context.createProducer().send(queue, "a");
                takes(second.createConsumer(queue), "a");
            }
            // The first one goes on when the second is closed.
            context.createProducer().send(queue, "b");
            takes(context.createConsumer(queue), "b");
        });
    }

    @Shows("JMS 4.2.2")
    void itPublishes() throws Exception {
        in((context, queue) -> {
            Topic topic = context.createTopic(name());
            JMSConsumer one = context.createConsumer(topic);
            JMSConsumer two = context.createConsumer(topic);
            context.createProducer().send(topic, "a");
            takes(one, "a");
            takes(two, "a");
        });
    }

    @Shows("JMS 8.3.3")
    void itSubscribesDurably() throws Exception {
        try (JMSContext context = factory("jms.clientID=" + name()).createContext()) {
            Topic topic = context.createTopic(name());
            context.createDurableConsumer(topic, "sub").close();
            context.createProducer().send(topic, "a");
            JMSConsumer consumer = context.createDurableConsumer(topic, "sub");
            takes(consumer, "a");
            consumer.close();
            context.unsubscribe("sub");
            raises(InvalidDestinationRuntimeException.class, () -> context.unsubscribe("sub"));
        }
    }

    @Shows("JMS 8.3.2")
    void itSharesSubscriptions() throws Exception {
        in((context, queue) -> {
            Topic topic = context.createTopic(name());
            JMSConsumer one = context.createSharedConsumer(topic, name());
            JMSConsumer two = context.createSharedConsumer(topic, name());
            context.createProducer().send(topic, "a").send(topic, "b");
            check(one.receive(SOON_MS) != null && two.receive(SOON_MS) != null, "one of them got nothing");
        });
    }

    @Shows("JMS 8.3.4")
    void itSharesDurableSubscriptions() throws Exception {
        in((context, queue) -> {
            Topic topic = context.createTopic(name());
            context.createSharedDurableConsumer(topic, name()).close();
            context.createProducer().send(topic, "a");
            JMSConsumer consumer = context.createSharedDurableConsumer(topic, name());
            takes(consumer, "a");
            consumer.close();
            context.unsubscribe(name());
        });
    }

    @Shows("JMS 4.1.5")
    void itMakesTemporaryQueues() throws Exception {
        in((context, queue) -> {
            TemporaryQueue temporary = context.createTemporaryQueue();
            context.createProducer().setJMSReplyTo(temporary).send(queue, "ask");
            Message asked = context.createConsumer(queue).receive(SOON_MS);
            context.createProducer().send(asked.getJMSReplyTo(), "answer");
            JMSConsumer consumer = context.createConsumer(temporary);
            takes(consumer, "answer");
            consumer.close();
            temporary.delete();
        });
    }

    @Shows("JMS 4.1.6")
    void itBrowses() throws Exception {
        in((context, queue) -> {
            context.createProducer().send(queue, "a");
            try (QueueBrowser browser = context.createBrowser(queue)) {
                same("a", ((Message) browser.getEnumeration().nextElement()).getBody(String.class));
            }
            takes(context.createConsumer(queue), "a");
        });
    }

    @Shows("JMS 8.7")
    void itListens() throws Exception {
        in((context, queue) -> {
            CountDownLatch came = new CountDownLatch(3);
            context.createConsumer(queue).setMessageListener(message -> came.countDown());
            try (JMSContext other = context.createContext(JMSContext.AUTO_ACKNOWLEDGE)) {
                other.createProducer().send(queue, "a").send(queue, "b").send(queue, "c");
            }
            check(came.await(SOON_MS, TimeUnit.MILLISECONDS), "not all came");
        });
    }

    @Shows("JMS 6.1.2")
    void aClientIdentifierInUseIsRefused() throws Exception {
        connectAs(name());
        raises(InvalidClientIDRuntimeException.class, () -> {
            try (JMSContext context = factory("").createContext()) {
                context.setClientID(name());
                context.start();
            }
        });
    }

    @Shows("JMS 6.1.1")
    void aWrongPasswordIsRefused() throws Exception {
        raises(JMSSecurityRuntimeException.class,
            () -> factory("amqp.saslMechanisms=PLAIN").createContext("guest", "wrong").start());
    }

    @Shows("JMS 8.2")
    void aMissingQueueIsRefused() throws Exception {
        in((context, queue) -> {
            Queue missing = context.createQueue("jms.Missing." + name());
            raises(InvalidDestinationRuntimeException.class, () -> context.createConsumer(missing));
            raises(JMSRuntimeException.class, () -> context.createProducer().send(missing, "a"));
        });
    }

    @Shows("JMS 6.1.8")
    void aClosedOneIsRefused() throws Exception {
        JMSContext context = factory("").createContext();
        context.close();
        raises(IllegalStateRuntimeException.class, context::createMessage);
        context.close();
    }
}
