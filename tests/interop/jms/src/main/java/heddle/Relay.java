package heddle;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.util.concurrent.ConcurrentLinkedQueue;

/** A way to the broker that can be cut, as a network is: connections break off without a word, and further ones may be made. */
final class Relay implements AutoCloseable {
    private final ConcurrentLinkedQueue<Socket> sockets = new ConcurrentLinkedQueue<>();
    private final ServerSocket server;
    private final URI broker;

    Relay(String url) throws IOException {
        broker = URI.create(url);
        server = new ServerSocket(0, 16, InetAddress.getLoopbackAddress());
        start(this::accept);
    }

    /** Where a client connects instead of the broker. */
    String url() {
        return "amqp://127.0.0.1:" + server.getLocalPort();
    }

    /** Ends all connections that there are. */
    void cut() throws IOException {
        for (Socket socket = sockets.poll(); socket != null; socket = sockets.poll()) {
            socket.close();
        }
    }

    @Override
    public void close() throws IOException {
        server.close();
        cut();
    }

    private interface Work {
        void run() throws IOException;
    }

    private static void start(Work work) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (IOException cut) {
                // That is what it is for.
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    private void accept() throws IOException {
        while (true) {
            Socket client = server.accept();
            Socket toBroker = new Socket(broker.getHost(), broker.getPort());
            client.setTcpNoDelay(true);
            toBroker.setTcpNoDelay(true);
            sockets.add(client);
            sockets.add(toBroker);
            start(() -> copy(client, toBroker));
            start(() -> copy(toBroker, client));
        }
    }

    private static void copy(Socket from, Socket to) throws IOException {
        try (InputStream input = from.getInputStream(); OutputStream output = to.getOutputStream()) {
            input.transferTo(output);
        }
    }
}
