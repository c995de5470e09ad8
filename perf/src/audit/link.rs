//! One link of the audit, on a connection of its own: what it is for, and what the broker says of its messages.
//!
//! Guarantees: whatever the broker said before it was gone is told; that it is gone is an end, and no error. Each acceptance is told by
//! the message's number, and once.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::Arc;

use amqp_codec::performative::{
    Attach, Durability, ExpiryPolicy, ReceiverSettleMode, SenderSettleMode, Source, Terminus,
};
use amqp_proto::{Config, Confirmation, DeliveryOutcome, Event, LinkId, Part, Payload, Send, Settled};
use bytes::Bytes;
use engine_rt::Readiness;

use crate::client::{Client, is_gone, receiver, sender};
use crate::message::{self, Kept};

/// Output beyond which nothing is sent before some of it left, octets.
const OUT_MAX: usize = 128 * 1024;
/// Credit of a consumer; given again when half of it is used.
const CREDIT: u32 = 100;

/// What a link is for.
#[derive(Clone, Copy, Debug)]
pub enum Role {
    /// It sends durable messages.
    Producer(Kind),
    /// It receives and accepts.
    Consumer(Kind, Acceptance),
}

/// What its address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Queue,
    /// A topic; a consumer has a durable subscription.
    Topic,
}

/// When an acceptance is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// When it was said.
    AtOnce,
    /// When the broker confirmed it (receiver settle mode second).
    Confirmed,
}

/// What the broker said.
pub enum Said<'a> {
    /// A producer's message is accepted.
    Accepted {
        /// The message's number.
        number: u64,
    },
    /// A producer's message is not.
    Refused {
        /// The message's number.
        number: u64,
        /// What the broker made of it.
        why: String,
    },
    /// A message for a consumer.
    Delivered {
        /// The broker's number of the delivery, to accept it by.
        delivery: u32,
        /// Its octets.
        body: &'a [u8],
    },
    /// A consumer's acceptance is known to the broker for good.
    Confirmed {
        /// The message's number.
        number: u64,
    },
}

/// A link, the connection that it has to itself, and what it waits for.
pub struct Link {
    client: Client,
    role: Role,
    address: String,
    /// Once the connection is open.
    id: Option<LinkId>,
    is_ended: bool,
    /// Whether the broker has answered its attach.
    is_attached: bool,
    /// Messages that a producer may still send.
    credit: u32,
    /// Messages that a consumer accepted since it gave credit.
    owed: u32,
    /// Accepted deliveries that wait for confirmation, and the numbers of their messages.
    waiting: HashMap<u32, u64>,
}

impl Link {
    /// Connects, and attaches once the broker has opened. Nothing is waited for.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(
        to: SocketAddr,
        config: &Arc<Config>,
        name: String,
        address: String,
        role: Role,
    ) -> io::Result<Self> {
        let client = Client::connect(to, config, name)?;
        let waiting = HashMap::new();
        Ok(Self { client, role, address, id: None, is_ended: false, is_attached: false, credit: 0, owed: 0, waiting })
    }

    /// Its descriptor.
    pub fn fd(&self) -> RawFd {
        self.client.fd()
    }

    /// Whether the broker is gone.
    pub fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Whether it consumes, and the broker has not answered its attach: what is sent to a topic before is not for it.
    pub fn is_awaited(&self) -> bool {
        matches!(self.role, Role::Consumer(..)) && !self.is_attached && !self.is_ended
    }

    /// Whether a message may be sent now.
    pub fn may_send(&self) -> bool {
        !self.is_ended && self.credit > 0 && self.client.out.len() < OUT_MAX
    }

    /// Sends message `number`.
    pub fn send(&mut self, number: u64, body: &[u8]) {
        let Some(id) = self.id else { return };
        let body = Bytes::from(message::with(body, Kept::Durable));
        let send = Send { key: number, settled: Settled::No, format: 0, prefix: &[], body: &body, part: Part::Whole };
        self.client.machine.send(id, send, &mut self.client.out);
        self.credit -= 1;
    }

    /// Accepts a delivery of message `number`.
    pub fn accept(&mut self, delivery: u32, number: u64) {
        let Some(id) = self.id else { return };
        if let Role::Consumer(_, Acceptance::Confirmed) = self.role {
            self.waiting.insert(delivery, number);
        }
        self.client.machine.settle(id, delivery, delivery, DeliveryOutcome::Accepted);
        self.owed += 1;
        if self.owed >= CREDIT / 2 {
            self.client.machine.grant(id, std::mem::take(&mut self.owed));
        }
    }

    /// Reads what there is; `scratch` is one of `client::scratch`.
    ///
    /// # Errors
    /// When the broker says what it must not. Its end is none.
    pub fn read(&mut self, scratch: &mut [u8], mut on_said: impl FnMut(Said<'_>)) -> io::Result<()> {
        let Self { client, role, address, id, is_attached, credit, waiting, .. } = self;
        let read = client.read(scratch, &mut |client, event| {
            match event {
                Event::Opened(_) => {
                    let link = client.attach(role.attach(address))?;
                    *id = Some(link);
                    if let Role::Consumer(..) = role {
                        client.machine.grant(link, CREDIT);
                    }
                }
                Event::Attached(..) => *is_attached = true,
                Event::Credit { credit: given, .. } => *credit = given,
                Event::Delivery { delivery, payload, .. } => {
                    let payload = match &payload {
                        Payload::Borrowed(octets) => octets,
                        Payload::Owned(octets) => octets.as_ref(),
                    };
                    on_said(Said::Delivered { delivery, body: message::body(payload)? });
                }
                Event::Settled(outcome) => {
                    while let Some(settling) = client.machine.next_settled() {
                        let number = settling.key;
                        on_said(match &outcome {
                            Some(DeliveryOutcome::Accepted) => Said::Accepted { number },
                            other => Said::Refused { number, why: format!("{other:?}") },
                        });
                    }
                }
                Event::Confirmed(Confirmation { deliveries, settled: Settled::Yes, .. }) => {
                    let numbers = (deliveries.first..=deliveries.last).filter_map(|one| waiting.remove(&one));
                    numbers.for_each(|number| on_said(Said::Confirmed { number }));
                }
                Event::Detached { error, .. } => {
                    let why = error.map_or_else(|| "without a reason".to_owned(), |error| error.to_string());
                    return Err(io::Error::other(format!("the broker ended the link to {address}: {why}")));
                }
                _ => {}
            }
            Ok(())
        });
        self.note_end(read)
    }

    /// Writes what there is, as far as the socket takes it.
    ///
    /// # Errors
    /// When the system refuses. The broker's end is none: what it said before is still to be read.
    pub fn flush(&mut self, readiness: &Readiness, token: u64) -> io::Result<()> {
        match self.client.flush(readiness, token) {
            Err(error) if is_gone(&error) => Ok(()),
            flushed => flushed,
        }
    }

    fn note_end(&mut self, read: io::Result<()>) -> io::Result<()> {
        match read {
            Err(error) if is_gone(&error) => {
                self.is_ended = true;
                Ok(())
            }
            read => read,
        }
    }
}

impl Role {
    /// What is asked for.
    fn attach(self, address: &str) -> Attach {
        let terminus = |kind| {
            let capability = if kind == Kind::Topic { "topic" } else { "queue" };
            Terminus { capabilities: vec![capability.into()], ..Terminus::at(address) }
        };
        let name = "audit".to_owned();
        match self {
            Self::Producer(kind) => {
                Attach { snd_settle_mode: SenderSettleMode::Unsettled, ..sender(name, terminus(kind)) }
            }
            Self::Consumer(kind, acceptance) => {
                let mut source = Source::from(terminus(kind));
                if kind == Kind::Topic {
                    (source.terminus.durable, source.terminus.expiry_policy) =
                        (Durability::UnsettledState, ExpiryPolicy::Never);
                }
                let rcv_settle_mode = match acceptance {
                    Acceptance::AtOnce => ReceiverSettleMode::First,
                    Acceptance::Confirmed => ReceiverSettleMode::Second,
                };
                Attach { snd_settle_mode: SenderSettleMode::Unsettled, rcv_settle_mode, ..receiver(name, source) }
            }
        }
    }
}
