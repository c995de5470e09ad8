//! Options that say what a group sends and receives.

use clap::Args;
use load_model::scenario::{Arrivals, Fail, Group, Pattern, Priorities, Settle, Size};
use load_model::units::{Rate, Span};

use super::written;

/// What is sent and received; each option changes one value of a group.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "What is sent and received")]
pub struct TrafficOptions {
    /// The group of the scenario file that these options change, where it has several; it may be left out for --producers-at and
    /// --consumers-at.
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// Messages a second [default: 10k].
    #[arg(long, value_name = "RATE")]
    pub rate: Option<Rate>,
    /// When messages are due: constant, poisson, burst:50, ramp:1k (from that rate up to --rate), or closed: as fast as window and
    /// credit allow [default: constant].
    #[arg(long, value_name = "KIND", value_parser = written::arrivals)]
    arrivals: Option<Arrivals>,
    /// Octets of a body: 1KiB, uniform:100-1KiB, lognormal:200,4KiB,64KiB (median, p99, most), mix:100x9,1KiBx1 [default: 1KiB].
    #[arg(long, value_name = "SIZE", value_parser = written::size)]
    size: Option<Size>,
    /// Send durable messages.
    #[arg(long)]
    durable: bool,
    /// How deliveries are settled: by the sender, by the receiver, or by the receiver after the sender [default: unsettled].
    #[arg(long, value_name = "MODE", value_parser = written::settle())]
    settle: Option<Settle>,
    /// Producers, over all addresses [default: one for each address].
    #[arg(long, value_name = "N")]
    producers: Option<u32>,
    /// Consumers, over all addresses; 0 leaves messages where they are [default: one for each address].
    #[arg(long, value_name = "N")]
    consumers: Option<u32>,
    /// So many queues: a message goes to one consumer [default: 1].
    #[arg(long, value_name = "N", conflicts_with_all = ["topics", "request_reply"])]
    queues: Option<u32>,
    /// So many topics: a message goes to every consumer.
    #[arg(long, value_name = "N", conflicts_with = "request_reply")]
    topics: Option<u32>,
    /// Consumers answer each message; latency is that of the round.
    #[arg(long)]
    request_reply: bool,
    /// The address; {} stands for a number where there are several, which is put at the end otherwise [default: load].
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// Deliveries on the way of each producer, at most [default: 2000].
    #[arg(long, value_name = "N")]
    window: Option<u32>,
    /// Credit of each consumer [default: 2000].
    #[arg(long, value_name = "N")]
    credit: Option<u32>,
    /// Messages to a transaction; 0: none.
    #[arg(long, value_name = "N")]
    transaction: Option<u32>,
    /// How long a consumer holds each message [default: 0].
    #[arg(long, value_name = "TIME")]
    hold: Option<Span>,
    /// The condition that each consumer asks for; with {}, which stands for the consumer's number, messages are dealt out: each carries
    /// as its property `consumer` the number of the one that it is for ('consumer = {}').
    #[arg(long, value_name = "CONDITION")]
    selector: Option<String>,
    /// Priorities of messages, in turn: 0-9, or 4x8,9 for eight of 4 and one of 9.
    #[arg(long, value_name = "LIST")]
    priorities: Option<Priorities>,
    /// Message groups of each queue, in turn; 0: none.
    #[arg(long, value_name = "N")]
    message_groups: Option<u32>,
    /// Consumers give back so many of the messages as failed: 5%, or 5%x3 for three times each [default: 0%].
    #[arg(long, value_name = "SHARE")]
    fail: Option<Fail>,
}

impl TrafficOptions {
    /// Whether any option changes a group.
    pub fn is_given(&self) -> bool {
        let counts =
            [self.producers, self.consumers, self.queues, self.topics, self.window, self.credit, self.transaction];
        self.durable
            || self.request_reply
            || counts.iter().any(Option::is_some)
            || self.rate.is_some()
            || self.arrivals.is_some()
            || self.size.is_some()
            || self.settle.is_some()
            || self.address.is_some()
            || self.hold.is_some()
            || self.asks_for_jms()
    }

    fn asks_for_jms(&self) -> bool {
        self.selector.is_some() || self.priorities.is_some() || self.message_groups.is_some() || self.fail.is_some()
    }

    /// So many queues, if nothing else was asked for.
    pub fn or_queues(&mut self, queues: u32) {
        if self.queues.is_none() && self.topics.is_none() && !self.request_reply {
            self.queues = Some(queues);
        }
    }

    /// Changes a group.
    pub fn change(&self, group: &mut Group) {
        if let Some((pattern, addresses)) = self.pattern(group) {
            group.pattern = pattern;
            group.addresses = addresses;
            // An address that nobody sends to, or receives from, is never what several addresses are asked for.
            group.producers = group.producers.max(addresses);
            group.consumers = group.consumers.max(addresses);
        }
        set(&mut group.rate, self.rate);
        set(&mut group.arrivals, self.arrivals);
        set(&mut group.size, self.size.clone());
        group.durable |= self.durable;
        set(&mut group.settle, self.settle);
        set(&mut group.producers, self.producers);
        set(&mut group.consumers, self.consumers);
        set(&mut group.address, self.address.clone());
        set(&mut group.window, self.window);
        set(&mut group.credit, self.credit);
        set(&mut group.transaction, self.transaction);
        set(&mut group.hold, self.hold);
        set(&mut group.jms.selector, self.selector.clone());
        set(&mut group.jms.priorities, self.priorities.clone());
        set(&mut group.jms.message_groups, self.message_groups);
        set(&mut group.jms.fail, self.fail);
    }

    fn pattern(&self, group: &Group) -> Option<(Pattern, u32)> {
        if self.request_reply {
            return Some((Pattern::RequestReply, group.addresses));
        }
        let queues = self.queues.map(|queues| (Pattern::Queue, queues));
        queues.or_else(|| self.topics.map(|topics| (Pattern::Topic, topics)))
    }
}

/// Takes a value that was given.
pub fn set<T>(to: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *to = given;
    }
}
