// Qpid Proton C++ against the broker: `client URL ADDRESS FEATURE...`. See ../run.py for what it prints.
#include <proton/binary.hpp>
#include <proton/connection.hpp>
#include <proton/connection_options.hpp>
#include <proton/container.hpp>
#include <proton/delivery.hpp>
#include <proton/error_condition.hpp>
#include <proton/message.hpp>
#include <proton/messaging_handler.hpp>
#include <proton/reconnect_options.hpp>
#include <proton/receiver_options.hpp>
#include <proton/sender_options.hpp>
#include <proton/source_options.hpp>
#include <proton/symbol.hpp>
#include <proton/target_options.hpp>
#include <proton/tracker.hpp>
#include <proton/transport.hpp>
#include <proton/work_queue.hpp>

#include <unistd.h>

#include <functional>
#include <iostream>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

using namespace proton;

static std::string broker;

struct unsupported : std::runtime_error {
    using std::runtime_error::runtime_error;
};

static void check(bool condition, const std::string& text) {
    if (!condition) throw std::runtime_error(text);
}

// One connection that ends with `done` or `fail`; a feature that takes too long ends the program, see `main`.
struct test : messaging_handler {
    std::string address;
    std::string fault = "it ended before it was done";
    class connection connection;
    connection_options options = connection_options().sasl_allowed_mechs("ANONYMOUS");

    explicit test(const std::string& address) : address(address) {}

    void run() {
        class container container(*this);
        container.run();
        check(fault.empty(), fault);
    }

    void on_container_start(container& c) override {
        reconnect_options none;
        none.max_attempts(1);
        connection = c.connect(broker, options.reconnect(none));
    }

    void done() { end(""); }
    void fail(const std::string& why) { end(why); }
    void end(const std::string& why) {
        if (ended) return;
        ended = true;
        fault = why;
        connection.close();
        connection.container().stop();
    }

    void on_connection_open(class connection& c) override {
        if (!started) { started = true; start(c); }
    }
    virtual void start(class connection&) {}
    void on_transport_error(transport& t) override { fail(t.error().name() + ": " + t.error().description()); }
    void on_error(const error_condition& e) override { fail(e.name() + ": " + e.description()); }

    bool ended = false;
    bool started = false;
};

static source_options from(const std::string& address) { return source_options().address(address); }

// Sends bodies, and counts those that are accepted.
struct exchange : test {
    using test::test;
    std::vector<message> to_send;
    size_t sent = 0;
    size_t accepted = 0;
    sender_options sending;

    void open(class connection& c) { c.open_sender(address, sending); }
    void on_sendable(sender& s) override {
        while (s.credit() && sent < to_send.size()) s.send(to_send[sent++]);
    }
    void on_tracker_accept(tracker&) override { ++accepted; settled(); }
    virtual void settled() {}
};

static message text(const std::string& body) { return message(body); }

struct round_trip : exchange {
    message body;
    receiver_options receiving;
    round_trip(const std::string& a, const message& m) : exchange(a), body(m) { to_send = {m}; }
    void start(class connection& c) override {
        c.open_receiver(address, receiving);
        open(c);
    }
    void on_message(delivery&, message& m) override {
        if (m.body() == body.body()) done(); else fail("another body came back");
    }
};

struct ordered : exchange {
    int next = 0;
    explicit ordered(const std::string& a) : exchange(a) {
        for (int number = 0; number < 10000; ++number) to_send.push_back(message(number));
    }
    void start(class connection& c) override {
        c.open_receiver(address, receiver_options().credit_window(100));
        open(c);
    }
    void on_message(delivery&, message& m) override {
        int number = get<int>(m.body());
        if (number != next++) fail(std::to_string(number) + " is out of order");
        settled();
    }
    void settled() override { if (next == 10000 && accepted == 10000) done(); }
};

// x settled by `settle`, then y: the next message must be `want`.
struct outcome : exchange {
    std::function<void(delivery&)> settle;
    std::string want;
    uint32_t count;
    int got = 0;
    outcome(const std::string& a, std::function<void(delivery&)> settle, const std::string& want, uint32_t count)
        : exchange(a), settle(settle), want(want), count(count) { to_send = {text("x"), text("y")}; }
    void start(class connection& c) override { open(c); }
    void settled() override {
        if (accepted == 2) connection.open_receiver(address, receiver_options().credit_window(0).auto_accept(false));
    }
    void on_receiver_open(receiver& r) override { r.add_credit(1); }
    void on_message(delivery& d, message& m) override {
        if (got++ == 0) {
            settle(d);
            d.receiver().add_credit(1);
            return;
        }
        d.accept();
        std::string body = get<std::string>(m.body());
        if (body == want && m.delivery_count() == count) done();
        else fail(body + " came, delivery-count " + std::to_string(m.delivery_count()));
    }
};

struct browse : exchange {
    int round = 0;
    int got = 0;
    explicit browse(const std::string& a) : exchange(a) { for (int n = 0; n < 3; ++n) to_send.push_back(message(n)); }
    void start(class connection& c) override { open(c); }
    void settled() override { if (accepted == 3) next(); }
    void next() {
        source_options source = from(address);
        if (round < 2) source.distribution_mode(source::COPY);
        got = 0;
        connection.open_receiver(address, receiver_options().source(source).name("r" + std::to_string(round)));
    }
    void on_message(delivery& d, message& m) override {
        if (get<int>(m.body()) != got++) return fail("another message in round " + std::to_string(round));
        if (got < 3) return;
        if (++round == 3) return done();
        d.receiver().close();
        next();
    }
};

struct drain : exchange {
    int got = 0;
    explicit drain(const std::string& a) : exchange(a) { for (int n = 0; n < 3; ++n) to_send.push_back(message(n)); }
    void start(class connection& c) override { open(c); }
    void settled() override { if (accepted == 3) connection.open_receiver(address, receiver_options().credit_window(0)); }
    void on_receiver_open(receiver& r) override { r.add_credit(10); r.drain(); }
    void on_message(delivery&, message&) override { ++got; }
    void on_receiver_drain_finish(receiver&) override {
        if (got == 3) done(); else fail(std::to_string(got) + " came before the drain");
    }
};

struct dynamic : exchange {
    receiver replies;
    using exchange::exchange;
    void start(class connection& c) override {
        replies = c.open_receiver("", receiver_options().source(source_options().dynamic(true)));
    }
    void on_receiver_open(receiver& r) override {
        if (r != replies) return;
        if (r.source().address().empty()) return fail("the dynamic node has no address");
        message ask("ask");
        ask.reply_to(r.source().address());
        to_send = {ask};
        connection.open_receiver(address);
        open(connection);
    }
    void on_message(delivery& d, message& m) override {
        if (d.receiver() == replies) {
            if (get<std::string>(m.body()) == "answer") done(); else fail("another answer");
            return;
        }
        connection.open_sender(m.reply_to()).send(text("answer"));
    }
};

struct relay : exchange {
    explicit relay(const std::string& a) : exchange(a) {
        message m("relayed");
        m.to(a);
        to_send = {m};
    }
    void start(class connection& c) override {
        c.open_receiver(address);
        c.open_sender("", sender_options().target(target_options().anonymous(true)));
    }
    void on_message(delivery&, message& m) override {
        if (get<std::string>(m.body()) == "relayed") done(); else fail("another body");
    }
};

// Two receivers: competing ones share 100 messages, subscribers each get all three.
struct two : exchange {
    bool topic;
    int opened = 0;
    std::map<std::string, std::set<int>> got;
    two(const std::string& a, bool topic) : exchange(a), topic(topic) {
        for (int n = 0; n < (topic ? 3 : 100); ++n) to_send.push_back(message(n));
    }
    void start(class connection& c) override {
        source_options source = from(address);
        if (topic) source.capabilities({symbol("topic")});
        for (const char* name : {"a", "b"})
            c.open_receiver(address, receiver_options().source(source).name(name).credit_window(topic ? 10 : 5));
    }
    void on_receiver_open(receiver&) override {
        if (++opened < 2) return;
        target_options target = target_options().address(address);
        if (topic) target.capabilities({symbol("topic")});
        connection.open_sender(address, sender_options().target(target));
    }
    void on_message(delivery& d, message& m) override {
        if (!got[d.receiver().name()].insert(get<int>(m.body())).second) return fail("one message came twice");
        size_t all = got["a"].size() + got["b"].size();
        if (topic ? all == 6 : all == 100) {
            if (got["a"].empty() || got["b"].empty()) fail("one consumer got all"); else done();
        }
    }
};

struct missing : exchange {
    explicit missing(const std::string& a) : exchange(a) { to_send = {text("the connection lives")}; }
    void start(class connection& c) override { c.open_receiver("missing." + address); }
    void on_receiver_error(receiver& r) override {
        if (r.error().name() != "amqp:not-found") return fail(r.error().name());
        open(connection);
    }
    void settled() override { done(); }
};

struct refused : test {
    bool want;
    refused(const connection_options& o, bool want) : test(""), want(want) { options = o; }
    void start(class connection&) override { if (want) fail("it was accepted"); else done(); }
    void on_transport_error(transport& t) override {
        if (want && t.error().name() == "amqp:unauthorized-access") done(); else test::on_transport_error(t);
    }
};

static void trip(const std::string& a, const message& m, const sender_options& s = {}, const receiver_options& r = {}) {
    round_trip t(a, m);
    t.sending = s;
    t.receiving = r;
    t.run();
}

static message bytes(size_t size) { return message(binary(std::string(size, 'x'))); }

static connection_options plain(const std::string& password) {
    return connection_options().user("guest").password(password).sasl_allowed_mechs("PLAIN").sasl_allow_insecure_mechs(true);
}

static const std::map<std::string, std::function<void(const std::string&)>> features = {
    {"unsettled", [](auto& a) { trip(a, text("unsettled")); }},
    {"presettled", [](auto& a) {
        trip(a, text("presettled"), sender_options().delivery_mode(delivery_mode::AT_MOST_ONCE),
             receiver_options().delivery_mode(delivery_mode::AT_MOST_ONCE));
    }},
    {"second", [](auto&) { throw unsupported("Proton C++ has no option for the receiver settle mode"); }},
    {"empty", [](auto& a) { trip(a, bytes(0)); }},
    {"kib", [](auto& a) { trip(a, bytes(1024)); }},
    {"big", [](auto& a) { trip(a, bytes(50000000)); }},
    {"ordered", [](auto& a) { ordered(a).run(); }},
    {"accept", [](auto& a) { outcome(a, [](delivery& d) { d.accept(); }, "y", 0).run(); }},
    {"reject", [](auto& a) { outcome(a, [](delivery& d) { d.reject(); }, "y", 0).run(); }},
    {"release", [](auto& a) { outcome(a, [](delivery& d) { d.release(); }, "x", 0).run(); }},
    {"modify", [](auto&) { throw unsupported("Proton C++ 0.37 cannot set delivery-failed: its modify() sends it false"); }},
    {"browse", [](auto& a) { browse(a).run(); }},
    {"drain", [](auto& a) { drain(a).run(); }},
    {"dynamic", [](auto& a) { dynamic(a).run(); }},
    {"relay", [](auto& a) { relay(a).run(); }},
    {"compete", [](auto& a) { two(a, false).run(); }},
    {"topic", [](auto& a) { two(a, true).run(); }},
    {"wrong-password", [](auto&) { refused(plain("guest-password"), false).run(); refused(plain("wrong"), true).run(); }},
    {"unknown-mechanism", [](auto&) { refused(connection_options().sasl_allowed_mechs("EXTERNAL"), true).run(); }},
    {"missing-node", [](auto& a) { missing(a).run(); }},
};

int main(int argc, char** argv) {
    broker = argv[1];
    for (int index = 3; index < argc; ++index) {
        const std::string name = argv[index];
        alarm(30);
        try {
            features.at(name)(std::string(argv[2]) + "." + name);
            std::cout << name << " ok" << std::endl;
        } catch (const unsupported& cannot) {
            std::cout << name << " unsupported: " << cannot.what() << std::endl;
        } catch (const std::exception& error) {
            std::cout << name << " failed: " << error.what() << std::endl;
        }
    }
}
