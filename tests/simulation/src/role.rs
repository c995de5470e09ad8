//! What one link of a client is for, and what it knows of its messages.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use amqp_codec::performative::{
    Attach, Coordinator, DistributionMode, Durability, ExpiryPolicy, ReceiverSettleMode, Role as LinkRole,
    SenderSettleMode, Source, Target, Terminus,
};
use amqp_proto::LinkId;

use crate::enlisting::Room;
use crate::kind::Choice;
use crate::model::{Holder, Message, Number, Place};

/// The topic's address.
pub const TOPIC: &str = "news";

/// Queues of a run, at most.
pub const QUEUES_MAX: usize = 4;

/// Where messages go that are rejected or expire.
pub const DEAD_LETTERS: &str = "dead-letters";

/// The place that a queue of this name is.
pub fn place_of(queue: &str) -> Option<Place> {
    if let Some(number) = queue.strip_prefix("queue-") {
        return Some(Place::Queue(number.parse().ok()?));
    }
    let client = queue.strip_prefix("client-")?.strip_suffix(".subscription")?;
    Some(Place::Subscription(client.parse().ok()?))
}

/// The name of a queue's address.
pub fn queue_name(queue: usize) -> String {
    format!("queue-{queue}")
}

/// Where a producer's messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// To a queue.
    Queue(usize),
    /// To all subscriptions of the topic.
    Topic,
    /// Wherever each message says: one of so many queues.
    Anywhere(usize),
}

/// How a consumer settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settles {
    /// With its outcome.
    First,
    /// After the node did.
    Second,
    /// Not at all: what comes is settled.
    Never,
    /// It holds what it gets until its link ends.
    Hoards,
}

/// Sends messages.
#[derive(Debug)]
pub struct Producer {
    /// Where to.
    pub to: To,
    /// What is not answered yet.
    pub open: BTreeSet<Message>,
    /// The transaction that what was sent last belongs to.
    pub bond: Option<Number>,
}

/// Takes messages.
#[derive(Debug)]
pub struct Consumer {
    /// Where from.
    pub place: Place,
    /// How it settles.
    pub settles: Settles,
    /// What it chooses.
    pub choice: Choice,
    /// What it has: the delivery's number, and the message; oldest first.
    pub held: VecDeque<(u32, Message)>,
    /// What it waits to hear of, by the delivery's number.
    pub unconfirmed: BTreeMap<u32, Message>,
    /// What it may be sent still.
    pub credit: u32,
    /// Whether it asked to be sent what there is.
    pub draining: bool,
}

impl Consumer {
    /// What it is about.
    pub fn room(&self) -> Room {
        match self.place {
            Place::Queue(queue) => Room::Queue(queue),
            Place::Subscription(_) => Room::Topic,
        }
    }

    /// Whether it waits for what there is: a drain is over when all credit is used, too.
    pub fn is_draining(&self) -> bool {
        self.draining && self.credit > 0
    }
}

/// What a link is for.
#[derive(Debug)]
pub enum Work {
    /// To send.
    Producer(Producer),
    /// To receive.
    Consumer(Consumer),
    /// To look at a queue.
    Browser {
        /// Which one.
        queue: usize,
        /// What it chooses.
        choice: Choice,
        /// What it may be sent still.
        credit: u32,
    },
    /// To begin and end transactions.
    Coordinator,
    /// To take messages that were rejected or expired.
    Undertaker {
        /// Whether it waits for the end of a drain.
        draining: bool,
    },
    /// To take what nobody else will, whatever it is.
    Sweeper {
        /// From where.
        address: String,
        /// Whether it waits for the end of a drain.
        draining: bool,
    },
}

/// Where a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// There is none.
    None,
    /// It was asked for.
    Asked(LinkId),
    /// It stands.
    Attached(LinkId),
}

/// One link of a client, through all of its connections.
#[derive(Debug)]
pub struct Role {
    /// What it is for.
    pub work: Work,
    /// Where it is.
    pub stand: Stand,
    /// Whose it is now.
    pub holder: Holder,
}

impl Role {
    /// A producer.
    pub fn producer(to: To) -> Self {
        Self::new(Work::Producer(Producer { to, open: BTreeSet::new(), bond: None }))
    }

    /// A consumer.
    pub fn consumer(place: Place, settles: Settles, choice: Choice) -> Self {
        Self::new(Work::Consumer(Consumer {
            place,
            settles,
            choice,
            held: VecDeque::new(),
            unconfirmed: BTreeMap::new(),
            credit: 0,
            draining: false,
        }))
    }

    /// Somebody who looks.
    pub fn browser(queue: usize, choice: Choice) -> Self {
        Self::new(Work::Browser { queue, choice, credit: 0 })
    }

    /// Somebody who begins and ends transactions.
    pub fn coordinator() -> Self {
        Self::new(Work::Coordinator)
    }

    /// Somebody who takes what was rejected or expired.
    pub fn undertaker() -> Self {
        Self::new(Work::Undertaker { draining: false })
    }

    /// Somebody who takes what nobody else will.
    pub fn sweeper(address: String) -> Self {
        Self::new(Work::Sweeper { address, draining: false })
    }

    fn new(work: Work) -> Self {
        Self { work, stand: Stand::None, holder: Holder { client: 0, connection: 0, link: 0 } }
    }

    /// Its link, if it stands.
    pub fn attached(&self) -> Option<LinkId> {
        match self.stand {
            Stand::Attached(link) => Some(link),
            Stand::None | Stand::Asked(_) => None,
        }
    }

    /// Its link, if it was asked for.
    pub fn link(&self) -> Option<LinkId> {
        match self.stand {
            Stand::Attached(link) | Stand::Asked(link) => Some(link),
            Stand::None => None,
        }
    }

    /// The attach that asks for it.
    pub fn attach(&self) -> Attach {
        let Holder { link: number, .. } = self.holder;
        match &self.work {
            Work::Producer(producer) => {
                let (address, capability) = match producer.to {
                    To::Queue(queue) => (Some(queue_name(queue)), Some("queue")),
                    To::Topic => (Some(TOPIC.to_owned()), Some("topic")),
                    To::Anywhere(_) => (None, None),
                };
                let capabilities = capability.into_iter().map(Into::into).collect();
                let target = Terminus { address, capabilities, ..Terminus::default() };
                Attach {
                    source: Some(Source::default()),
                    target: Some(Target::Node(target)),
                    ..Attach::new(format!("producer-{number}"), 0, LinkRole::Sender)
                }
            }
            Work::Consumer(consumer) => {
                let (name, source) = match consumer.place {
                    Place::Queue(queue) => (format!("consumer-{number}"), queue_source(queue)),
                    Place::Subscription(_) => ("subscription".to_owned(), subscription_source()),
                };
                let (sender, receiver) = match consumer.settles {
                    Settles::Never => (SenderSettleMode::Settled, ReceiverSettleMode::First),
                    Settles::Second => (SenderSettleMode::Unsettled, ReceiverSettleMode::Second),
                    Settles::First | Settles::Hoards => (SenderSettleMode::Unsettled, ReceiverSettleMode::First),
                };
                Attach {
                    snd_settle_mode: sender,
                    rcv_settle_mode: receiver,
                    source: Some(Source { filter: consumer.choice.filter(), ..source }),
                    target: Some(Target::Node(Terminus::default())),
                    ..Attach::new(name, 0, LinkRole::Receiver)
                }
            }
            Work::Coordinator => Attach {
                source: Some(Source::default()),
                target: Some(Target::Coordinator(Coordinator::default())),
                ..Attach::new(format!("coordinator-{number}"), 0, LinkRole::Sender)
            },
            Work::Undertaker { .. } => Attach {
                source: Some(Terminus::at(DEAD_LETTERS).into()),
                target: Some(Target::Node(Terminus::default())),
                ..Attach::new(format!("undertaker-{number}"), 0, LinkRole::Receiver)
            },
            Work::Sweeper { address, .. } => Attach {
                source: Some(Terminus::at(address).into()),
                target: Some(Target::Node(Terminus::default())),
                ..Attach::new(format!("sweeper-{number}"), 0, LinkRole::Receiver)
            },
            Work::Browser { queue, choice, .. } => Attach {
                source: Some(Source {
                    distribution_mode: Some(DistributionMode::Copy),
                    filter: choice.filter(),
                    ..queue_source(*queue)
                }),
                target: Some(Target::Node(Terminus::default())),
                ..Attach::new(format!("browser-{number}"), 0, LinkRole::Receiver)
            },
        }
    }
}

fn queue_source(queue: usize) -> Source {
    Terminus { capabilities: vec!["queue".into()], ..Terminus::at(queue_name(queue)) }.into()
}

fn subscription_source() -> Source {
    Source::from(Terminus {
        capabilities: vec!["topic".into()],
        durable: Durability::UnsettledState,
        expiry_policy: ExpiryPolicy::Never,
        ..Terminus::at(TOPIC)
    })
}
