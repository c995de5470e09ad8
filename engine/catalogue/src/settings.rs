//! The settings of addresses and their queues: each stands here once, with its type, default, bounds, meaning, number in the log, and
//! what Artemis calls it.
//!
//! A *layer* sets some of them, for one address or for all that match; layers are laid over each other, the most specific last, and
//! what none sets has its default. A setting is here only if something honours it.

use crate::choice;
use crate::declare::Area;
use crate::destination::{self, leads_to};
use crate::setting::{Setting, Typed, Value};

/// Octets of a property's name: it is looked for in each message.
const PROPERTY_BYTES_MAX: usize = 255;

/// Declares the settings, and the layers that they are made of.
macro_rules! layered {
    ($( $(#[doc = $help:literal])+ $name:ident: $type:ty = $default:expr $(=> $rule:ident($($argument:expr),+))*; )+) => {
        /// What holds for an address and its queues. Sizes are in the units that their names end with.
        #[derive(Clone, Debug, PartialEq)]
        pub struct AddressSettings { $( $(#[doc = $help])+ pub $name: $type, )+ }

        impl Default for AddressSettings {
            fn default() -> Self {
                Self { $( $name: $default, )+ }
            }
        }

        impl AddressSettings {
            /// All values, in the order of `Layer::SETTINGS`.
            #[must_use]
            pub fn values(&self) -> Vec<Value> {
                vec![ $( self.$name.to_value() ),+ ]
            }
        }

        $crate::area! {
            /// What is set for an address, or for all that match.
            Layer = "address" {
                $( $(#[doc = $help])+ $name: Option<$type> = None $(=> $rule($($argument),+))*; )+
            }
        }

        impl Layer {
            /// Lays what is set here over `settings`.
            pub fn lay_over(&self, settings: &mut AddressSettings) {
                $( if let Some(value) = &self.$name { settings.$name = value.clone(); } )+
            }
        }
    };
}

choice! {
    /// How an address hands out messages.
    RoutingType {
        /// Each message goes to one queue.
        Anycast = "anycast",
        /// Each message goes to every queue.
        Multicast = "multicast",
    }
}

choice! {
    /// What becomes of producers when there is no room for what they send.
    WhenFull {
        /// They get no credit.
        Hold = "hold",
        /// They go on; what there is no room for is rejected with `amqp:resource-limit-exceeded`.
        Refuse = "refuse",
        /// They go on; what there is no room for is accepted and dropped.
        Drop = "drop",
    }
}

choice! {
    /// What becomes of a consumer that takes less than it is to.
    SlowPolicy {
        /// Its link is ended.
        Kill = "kill",
        /// It is told to whoever runs the node.
        Notify = "notify",
    }
}

layered! {
    /// how an address hands out messages, if the link that it is made for does not say: to one queue each, or to every queue
    routing: RoutingType = RoutingType::Anycast => kept(1) => artemis("default-address-routing-type");
    /// make addresses and queues when a link asks for them; dynamic nodes are made all the same
    auto_create: bool = true => kept(2) => artemis("auto-create-addresses, auto-create-queues");
    /// messages of one queue, on disk or not, beyond which `when_full` holds; 0: as many as there is room for
    max_messages: u64 = 0 => range(0, 1 << 48, "") => kept(3) => artemis("max-size-messages");
    /// size of one queue, on disk or not, beyond which `when_full` holds; 0: as much as there is room for
    max_mib: u64 = 0 => range(0, 1 << 40, "MiB") => kept(4) => artemis("max-size-bytes");
    /// messages that wait in one queue beyond which producers get no credit while consumers take: a deep queue only costs latency then;
    /// 0: any number
    soft_messages: u64 = 4000 => range(0, 1 << 48, "") => kept(5);
    /// the same by size; 0: any
    soft_kib: u64 = 512 => range(0, 1 << 40, "KiB") => kept(6);
    /// credit that a producer holds at most; less while much waits for the disk
    producer_window: u32 = 2000 => range(1, 65_535, "messages") => kept(7) => artemis("amqpCredits");
    /// what producers meet while a queue has reached its maximum, or the disk is full: `hold` gives them no credit (what they send on the
    /// rest of it is taken up to twice the maximum, and refused when there is no room at all), `refuse` rejects what there is no room for
    /// with `amqp:resource-limit-exceeded`, `drop` accepts it and drops it
    when_full: WhenFull = WhenFull::Hold => kept(8) => artemis("address-full-policy");
    /// ids of messages (the application property `_AMQ_DUPL_ID`) that an address knows, the last ones: a message with one of these is accepted and
    /// dropped, and a transaction with one is rolled back. Also over restarts, of messages that outlive them. 0: none is looked for
    duplicate_ids: u32 = 20_000 => range(0, 1_000_000, "") => kept(53) => artemis("id-cache-size");
    /// the address, or `address::queue`, that messages go to which a consumer rejected, or whose delivery failed too often
    /// (`max_delivery_attempts`); empty: those that are rejected are dropped. At that address itself they are dropped, too. `{address}` stands
    /// for the address that they leave: `DLQ::DLQ.{address}` gives each a queue of its own there
    dead_letter_address: String = String::new()
        => check("an address, an address::queue, or \"\" for none", destination::check) => kept(20)
        => artemis("dead-letter-address, auto-create-dead-letter-resources, dead-letter-queue-prefix, dead-letter-queue-suffix");
    /// what no queue of the address gets (there is none, or none chooses it by its selector) goes to the `dead_letter_address`, too, and is
    /// accepted when it is safe; else, and without that address, it is accepted and dropped
    dead_letter_no_route: bool = false => kept(26) => artemis("send-to-dla-on-no-route");
    /// failed deliveries of a message after which it goes to the `dead_letter_address`; without one it is delivered again and again. A delivery
    /// fails if its consumer says so (modified, delivery-failed), or loses its connection. 0: any number
    max_delivery_attempts: u32 = 10 => range(0, 1 << 31, "") => kept(40) => artemis("max-delivery-attempts");
    /// how long a message waits after its delivery failed before it is delivered again; others are not held up by it
    redelivery_delay_ms: u64 = 0 => range(0, 1 << 40, "ms") => kept(41) => artemis("redelivery-delay");
    /// after each further failure it waits so many percent of the time before: 200 doubles it
    redelivery_growth: u32 = 100 => range(100, 10_000, "%") => kept(42) => artemis("redelivery-delay-multiplier");
    /// so many percent more or less, at random, so that what failed together is not tried together
    redelivery_jitter: u32 = 0 => range(0, 100, "%") => kept(43) => artemis("redelivery-collision-avoidance-factor");
    /// the longest that a message waits, but for the jitter; 0: ten times `redelivery_delay_ms`
    max_redelivery_delay_ms: u64 = 0 => range(0, 1 << 40, "ms") => kept(44) => artemis("max-redelivery-delay");
    /// the address, or `address::queue`, that messages go to whose time to live ran out; empty: they are dropped. At that address itself
    /// they are dropped, too. `{address}` stands for the address that they leave
    expiry_address: String = String::new()
        => check("an address, an address::queue, or \"\" for none", destination::check) => kept(21)
        => artemis("expiry-address, auto-create-expiry-resources, expiry-queue-prefix, expiry-queue-suffix");
    /// messages never expire, whatever they say
    no_expiry: bool = false => kept(45) => artemis("no-expiry");
    /// how long a message lives that says nothing of it, from its arrival on; 0: for ever, unless `max_expiry_ms` or else `min_expiry_ms` says how
    /// long
    expiry_delay_ms: u64 = 0 => range(0, 1 << 40, "ms") => kept(46) => artemis("expiry-delay");
    /// a message that expires lives at least so long from its arrival on, whatever it says; 0: as it says
    min_expiry_ms: u64 = 0 => range(0, 1 << 40, "ms") => kept(47) => artemis("min-expiry-delay");
    /// a message lives no longer than this from its arrival on, whatever it says; a minimum above it does not count; 0: as it says
    max_expiry_ms: u64 = 0 => range(0, 1 << 40, "ms") => kept(48) => artemis("max-expiry-delay");
    /// each message says when it came to the address: the annotation `x-opt-ingress-time`, milliseconds since the epoch by the clock of the
    /// broker; what another broker or the sender said of that before is overwritten
    ingress_timestamp: bool = false => kept(27) => artemis("enable-ingress-timestamp");
    /// messages that wait in one queue at most: with each further one the oldest leaves, for good; those that consumers hold do not count, and
    /// producers do not wait for consumers; 0: any number
    ring_size: u64 = 0 => range(0, 1 << 48, "messages") => kept(60) => artemis("default-ring-size");
    /// a queue that no consumer is attached to is emptied, and what is sent to it then is accepted and dropped; browsers do not count
    purge_on_no_consumers: bool = false => kept(61) => artemis("default-purge-on-no-consumers");
    /// every link that receives only looks, as a browser does, and stays for what comes: nothing leaves by being accepted, but by expiring, or by
    /// `ring_size`; a change holds for links that come then
    non_destructive: bool = false => kept(62) => artemis("default-non-destructive");
    /// links that consume from one queue at most, subscriptions that are shared included; a further one is refused with
    /// `amqp:resource-limit-exceeded`. Browsers, and links of queues that are `non_destructive`, do not count. 0: any number, which is Artemis's -1;
    /// its 0, no consumer at all, is said by permissions. A smaller number ends no link that is there
    max_consumers: u32 = 0 => range(0, 1 << 31, "links") => kept(30) => artemis("default-max-consumers");
    /// one consumer of a queue gets all messages for as long as it is attached; then the next one does: that of the highest priority, and of those the one
    /// that came first. If it has no credit the others wait
    exclusive: bool = false => kept(31) => artemis("default-exclusive-queue");
    /// the application property that is a message's key: with each further message of a key the one before leaves that waits, for good; messages without it
    /// are ordinary; empty: all are. A change holds for what comes then
    last_value_key: String = String::new()
        => check("the name of a property, or \"\" for none", property) => kept(63) => artemis("default-last-value-key");
    /// messages that the address keeps for subscriptions that come later: each that a link makes begins with the last ones, in their order, those that are durable
    /// also over restarts; 16 MiB of them at most. 0: none
    retroactive_messages: u32 = 0 => range(0, 10_000, "messages") => kept(70) => artemis("retroactive-message-count");
    /// priorities hold over the whole backlog, also over what is on disk only: each message stays known by its name, some 135 octets of memory; without
    /// that they hold among what is in memory, and the rest follows in the order of its arrival. A change holds for what comes then
    priorities_on_disk: bool = false => kept(28);
    /// groups of messages have new consumers whenever a consumer comes, so that it gets its share; what those of before hold stays with them, so that a
    /// group may be with two consumers until it is settled. Without that a group stays with its consumer
    group_rebalance: bool = false => kept(34) => artemis("default-group-rebalance");
    /// the application property that says, as a boolean that is true, of a message that it is the first of its group that its consumer is given; empty: none
    /// does. A large message does not say it
    group_first_key: String = String::new()
        => check("the name of a property, or \"\" for none", property) => kept(35) => artemis("default-group-first-key");
    /// groups are spread over so many buckets, each of which has one consumer; 0: over 1,048,576, which is next to Artemis's -1, each group on its own
    group_buckets: u32 = 0 => range(0, 1 << 20, "buckets") => kept(36) => artemis("default-group-buckets");
    /// messages a second that a consumer settles at least, as long as there are enough for it: what it holds, and what waits while it gives no credit; else it
    /// is slow; 0: any number
    slow_consumer_threshold: u32 = 0 => range(0, 1 << 31, "messages/s") => kept(50) => artemis("slow-consumer-threshold");
    /// what becomes of a consumer that is slow: `kill` ends its link with `amqp:link:detach-forced`, and nothing else of its connection; `notify` writes
    /// a line to the log; both count it
    slow_consumer_policy: SlowPolicy = SlowPolicy::Notify => kept(51) => artemis("slow-consumer-policy");
    /// how often consumers are looked at for that
    slow_consumer_check_ms: u64 = 5000 => range(10, 1 << 40, "ms") => kept(52) => artemis("slow-consumer-check-period");
    /// a queue gives nothing before it has so many consumers; then it does until none is left. Browsers do not count, and see what is there. 0: it gives what it
    /// has to whoever comes
    consumers_before_dispatch: u32 = 0 => range(0, 1 << 31, "links") => kept(32) => artemis("default-consumers-before-dispatch");
    /// how long a queue waits for that at most, from the first consumer on; 0: as long as it takes, which is Artemis's -1
    delay_before_dispatch_ms: u64 = 0 => range(0, 1 << 40, "ms") => kept(33) => artemis("default-delay-before-dispatch");
    /// a queue that was made on demand goes with its last message and link; else it stays until the node ends, and for good if the journal ever had
    /// durable messages of it
    auto_delete: bool = true => kept(64) => artemis("auto-delete-queues");
    /// how long such a queue stays when it could go: a link or a message that comes meanwhile begins that anew
    auto_delete_delay_ms: u64 = 0 => range(0, 1 << 40, "ms") => kept(65) => artemis("auto-delete-queues-delay");
    /// such a queue goes with up to so many messages, for good, once a consumer took one of it
    auto_delete_messages: u64 = 0 => range(0, 1 << 48, "messages") => kept(66) => artemis("auto-delete-queues-message-count");
    /// the queues of the address take what is sent and give nothing to consumers; browsers see what is there, and what expires leaves.
    /// `heddle address pause` sets it for what stands in the configuration, too
    paused: bool = false => kept(54);
    /// names of queues of the address of which that holds
    paused_queues: Vec<String> = Vec::new() => kept(55);
    /// producers get no credit, and what is sent without a link of its own is refused with `amqp:resource-locked`, so that the address can
    /// be emptied; consumers get what there is, and what the broker itself sends there is taken
    blocked: bool = false => kept(56);
    /// a queue gets what is sent to its address; without that what is sent to it is accepted and dropped, and consumers get what it has
    enabled: bool = true => kept(67) => artemis("enabled");
}

/// The name of an application property, or none.
fn property(text: &str) -> Result<(), String> {
    if text.len() <= PROPERTY_BYTES_MAX { Ok(()) } else { Err(format!("has more than {PROPERTY_BYTES_MAX} octets")) }
}

impl Layer {
    /// Whether it means something for what has this name: messages that leave an address do not come back to it.
    pub(crate) fn check_for(&self, name: &str) -> Result<(), String> {
        let leads = [("dead_letter_address", &self.dead_letter_address), ("expiry_address", &self.expiry_address)];
        let itself = leads.into_iter().find(|(_, to)| to.as_deref().is_some_and(|to| leads_to(to, name)));
        itself.map_or(Ok(()), |(setting, _)| Err(format!("{setting}: it leads from {name} to itself")))
    }
}

impl AddressSettings {
    /// Octets of one queue at most.
    #[must_use]
    pub fn max_bytes(&self) -> u64 {
        or_unlimited(self.max_mib << 20)
    }

    /// Messages of one queue at most.
    #[must_use]
    pub fn max_messages(&self) -> u64 {
        or_unlimited(self.max_messages)
    }

    /// Messages that wait in one queue at most.
    #[must_use]
    pub fn ring_size(&self) -> u64 {
        or_unlimited(self.ring_size)
    }

    /// How long a queue waits for `consumers_before_dispatch`, nanoseconds; `None`: as long as it takes.
    #[must_use]
    pub fn dispatch_delay_ns(&self) -> Option<u64> {
        (self.delay_before_dispatch_ms > 0).then(|| self.delay_before_dispatch_ms.saturating_mul(1_000_000))
    }

    /// Buckets that groups are spread over, if they are to be fewer than a queue has.
    #[must_use]
    pub fn group_buckets(&self) -> Option<u32> {
        (self.group_buckets > 0).then_some(self.group_buckets)
    }

    /// Failed deliveries of a message after which it goes elsewhere.
    #[must_use]
    pub fn max_delivery_attempts(&self) -> u32 {
        if self.max_delivery_attempts == 0 { u32::MAX } else { self.max_delivery_attempts }
    }

    /// Waiting octets of one queue beyond which producers wait while consumers take.
    #[must_use]
    pub fn soft_bytes(&self) -> u64 {
        or_unlimited(self.soft_kib << 10)
    }

    /// Waiting messages of one queue beyond which producers wait while consumers take.
    #[must_use]
    pub fn soft_messages(&self) -> u64 {
        or_unlimited(self.soft_messages)
    }
}

/// A limit of which 0 means that there is none.
fn or_unlimited(limit: u64) -> u64 {
    if limit == 0 { u64::MAX } else { limit }
}

/// The setting of a name, and where it stands among all.
#[must_use]
pub fn setting_named(name: &str) -> Option<(usize, &'static Setting)> {
    Layer::SETTINGS.iter().enumerate().find(|(_, setting)| setting.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_layer_does_not_set_stays() {
        let mut settings = AddressSettings::default();
        let low = Layer { max_messages: Some(7), routing: Some(RoutingType::Multicast), ..Layer::default() };
        let high = Layer { max_messages: Some(0), ..Layer::default() };
        low.lay_over(&mut settings);
        high.lay_over(&mut settings);
        let wanted = AddressSettings { routing: RoutingType::Multicast, ..AddressSettings::default() };
        assert_eq!(settings, wanted, "0 is a value, too");
        assert_eq!(settings.max_messages(), u64::MAX);
    }

    #[test]
    fn every_setting_takes_its_default_and_has_a_number_of_its_own() {
        let mut numbers = Vec::new();
        for (setting, value) in Layer::SETTINGS.iter().zip(AddressSettings::default().values()) {
            assert_eq!(setting.admit(&value), Ok(()), "{}", setting.name);
            assert_eq!(Layer::default().put(setting.name, value), Ok(()));
            assert!(setting.number > 0 && !numbers.contains(&setting.number), "{}", setting.name);
            numbers.push(setting.number);
        }
        assert_eq!(Layer::SETTINGS.len(), AddressSettings::default().values().len());
    }
}
