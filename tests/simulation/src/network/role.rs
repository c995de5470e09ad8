//! What one link of a client is for, and what it knows of its messages.

use std::collections::{BTreeSet, VecDeque};

use amqp_codec::performative::{
    Attach, ReceiverSettleMode, Role as LinkRole, SenderSettleMode, Source, Target, Terminus,
};
use amqp_proto::LinkId;
use bytes::Bytes;

use super::fates::LinkNumber;
use super::letter::Number;

/// How a receiver settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settles {
    /// With its outcome.
    First,
    /// After the node did.
    Second,
    /// Not at all: what comes is settled.
    Never,
}

/// A message that is sent in parts.
#[derive(Debug)]
pub struct Stream {
    /// Which one.
    pub number: Number,
    /// What was not sent.
    pub rest: Bytes,
    /// Whether something was.
    pub has_begun: bool,
    /// Whether it is sent settled.
    pub settled: amqp_proto::Settled,
}

/// Sends messages.
#[derive(Debug, Default)]
pub struct Sender {
    /// Where to; `None`: wherever each message says.
    pub address: Option<usize>,
    /// Whether its link is one on which nothing is sent settled.
    pub is_unsettled: bool,
    /// What is not answered.
    pub open: BTreeSet<Number>,
    /// What was sent settled.
    pub settled: Vec<Number>,
    /// What is under way in parts.
    pub stream: Option<Stream>,
}

/// A message of which a part came.
#[derive(Debug)]
pub struct Coming {
    /// Its delivery.
    pub delivery: u32,
    /// Whether it is settled.
    pub settled: bool,
    /// What came.
    pub octets: Vec<u8>,
    /// Which one, once that is known.
    pub number: Option<Number>,
    /// Whether the receiver has decided.
    pub is_decided: bool,
}

/// Takes messages.
#[derive(Debug)]
pub struct Receiver {
    /// Where from.
    pub address: usize,
    /// How it settles.
    pub settles: Settles,
    /// What it has, oldest first.
    pub held: VecDeque<(u32, Number)>,
    /// What comes in parts.
    pub coming: Option<Coming>,
    /// What it may be sent still.
    pub credit: u32,
    /// Whether it asked to be sent what there is.
    pub draining: bool,
}

impl Receiver {
    /// One of an address.
    pub fn new(address: usize, settles: Settles) -> Self {
        Self { address, settles, held: VecDeque::new(), coming: None, credit: 0, draining: false }
    }
}

/// What a link is for.
#[derive(Debug)]
pub enum Work {
    /// To send.
    Send(Sender),
    /// To receive.
    Receive(Receiver),
}

/// Where a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// There is none.
    None,
    /// It was asked for.
    Asked(LinkId),
    /// The peer refuses it, and will end it.
    Refused(LinkId),
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
    /// Which one it is now, of all that there were.
    pub number: LinkNumber,
}

impl Role {
    /// One that has no link.
    pub fn new(work: Work) -> Self {
        Self { work, stand: Stand::None, number: 0 }
    }

    /// Its link, if it stands.
    pub fn attached(&self) -> Option<LinkId> {
        match self.stand {
            Stand::Attached(link) => Some(link),
            Stand::None | Stand::Asked(_) | Stand::Refused(_) => None,
        }
    }

    /// Its link, if it was asked for.
    pub fn link(&self) -> Option<LinkId> {
        match self.stand {
            Stand::Attached(link) | Stand::Asked(link) | Stand::Refused(link) => Some(link),
            Stand::None => None,
        }
    }

    /// The attach that asks for it.
    pub fn attach(&self, addresses: &[super::shape::AddressShape]) -> Attach {
        let number = self.number;
        match &self.work {
            Work::Send(sender) => {
                let address = sender.address.map(|address| addresses[address].name.clone());
                Attach {
                    source: Some(Source::default()),
                    target: Some(Target::Node(Terminus { address, ..Terminus::default() })),
                    ..Attach::new(format!("sender-{number}"), 0, LinkRole::Sender)
                }
            }
            Work::Receive(receiver) => {
                let (snd_settle_mode, rcv_settle_mode) = match receiver.settles {
                    Settles::Never => (SenderSettleMode::Settled, ReceiverSettleMode::First),
                    Settles::Second => (SenderSettleMode::Unsettled, ReceiverSettleMode::Second),
                    Settles::First => (SenderSettleMode::Unsettled, ReceiverSettleMode::First),
                };
                Attach {
                    snd_settle_mode,
                    rcv_settle_mode,
                    source: Some(Terminus::at(&addresses[receiver.address].name).into()),
                    target: Some(Target::Node(Terminus::default())),
                    ..Attach::new(format!("receiver-{number}"), 0, LinkRole::Receiver)
                }
            }
        }
    }
}
