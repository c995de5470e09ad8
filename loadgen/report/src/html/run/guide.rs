//! How to read a report, for those who see one for the first time.

/// Terms and what they mean.
pub(super) const TERMS: [(&str, &str); 7] = [
    (
        "Due",
        "The schedule says when each message is due, whatever the server does. All latencies begin there, so that a message which had to wait before it could be sent counts with its wait.",
    ),
    (
        "Why not from when it was sent",
        "A loop that sends the next message when the last was answered sends nothing while the server stalls, and measures one slow message where users would have seen thousands. The line “service” shows what such a loop would have reported.",
    ),
    (
        "Percentiles",
        "p99.9 is the latency that 999 of 1,000 messages stayed within. They are read from one histogram of all messages, exact to three digits; percentiles of seconds or workers are never averaged.",
    ),
    (
        "Floor",
        "The octets of the load's messages, echoed over the loopback within the generator: what the generator, the kernel and the processor cost by themselves on this machine. It is not AMQP, has no queue, distributes nothing and stores nothing. Latencies near the floor say little about the server.",
    ),
    (
        "Valid",
        "A run is not valid when the generator was late by itself, when its own processor was the limit, or when too little was measured. A server that cannot take the rate leaves a run valid: that is a finding.",
    ),
    ("Warm-up", "What happens before rates and latencies are steady is drawn, and not counted."),
    (
        "Lost, in doubt",
        "Every message carries its producer, its number and a checksum. Lost is one that the server accepted and nobody had in the end; in doubt is one whose connection broke before its sender was told.",
    ),
];
