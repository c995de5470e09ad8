//! `heddle-load`: the load generator on its own, against any AMQP 1.0 peer.

fn main() {}
