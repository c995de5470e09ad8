//! One connection of the audit: one link, messages of any size, outcomes one by one.

use std::collections::HashMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};

use amqp_codec::frame::{self, ProtocolHeader, Split};
use amqp_codec::performative::{
    self, Attach, Begin, DeliveryState, Disposition, Durability, ExpiryPolicy, Flow, Open, Performative,
    ReceiverSettleMode, Role as LinkRole, SenderSettleMode, Source, Target, Terminus, encode_disposition, encode_flow,
    encode_frame,
};
use engine_message::Symbol;
use engine_rt::Socket;

use crate::peer::{Kept, Settle, append_transfer, message};

const OUT_MAX: usize = 128 * 1024;
const FRAME_MAX: u32 = 1 << 20;
const CREDIT: u32 = 100;

/// What a connection does.
#[derive(Clone, Copy, Debug)]
pub enum Role {
    /// Sends durable messages.
    Producer {
        /// To a topic.
        topic: bool,
    },
    /// Receives and accepts.
    Consumer {
        /// By a durable subscription to a topic.
        durable: bool,
        /// Waits until its acceptances are confirmed.
        confirmed: bool,
    },
}

/// What the broker said.
pub enum Said<'a> {
    /// Deliveries of a producer are accepted.
    Accepted {
        /// The first.
        first: u32,
        /// The last.
        last: u32,
    },
    /// A delivery of a producer is not.
    Refused {
        /// Which.
        delivery: u32,
        /// For people.
        why: String,
    },
    /// A message for a consumer.
    Delivered {
        /// Its delivery.
        delivery: u32,
        /// Its body.
        payload: &'a [u8],
    },
    /// A consumer's acceptance is known to the broker for good.
    Confirmed {
        /// The message's number.
        number: u64,
    },
}

/// One connection.
pub struct Client {
    socket: Socket,
    role: Role,
    out: Vec<u8>,
    written: usize,
    partial: Vec<u8>,
    scratch: Vec<u8>,
    header_read: bool,
    ended: bool,
    credit: u32,
    sent: u32,
    received: u32,
    granted: u32,
    /// A message that comes in several frames.
    assembling: Vec<u8>,
    delivery: u32,
    /// Accepted deliveries that wait for confirmation.
    waiting: HashMap<u32, u64>,
}

impl Client {
    /// Connects and attaches, without waiting for answers.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(to: SocketAddr, name: &str, address: &str, role: Role) -> io::Result<Self> {
        let socket = Socket::connect(to)?;
        let mut out = ProtocolHeader::Amqp.bytes().to_vec();
        let open = Open { container_id: name.to_owned(), max_frame_size: FRAME_MAX, ..Open::default() };
        encode_frame(&mut out, 0, &Performative::Open(Box::new(open)));
        let window = u32::MAX >> 1;
        let begin = Begin { incoming_window: window, outgoing_window: window, ..Begin::default() };
        encode_frame(&mut out, 0, &Performative::Begin(Box::new(begin)));
        let (sends, topic, confirmed) = match role {
            Role::Producer { topic } => (true, topic, false),
            Role::Consumer { durable, confirmed } => (false, durable, confirmed),
        };
        let capabilities = if topic { vec![Symbol::from("topic")] } else { vec![Symbol::from("queue")] };
        let mut source = Source::from(Terminus::at(address));
        let mut target = Terminus::at(address);
        if sends {
            target.capabilities = capabilities;
        } else {
            source.terminus.capabilities = capabilities;
            if topic {
                (source.terminus.durable, source.terminus.expiry_policy) =
                    (Durability::UnsettledState, ExpiryPolicy::Never);
            }
        }
        let attach = Attach {
            source: Some(source),
            target: Some(Target::Node(target)),
            snd_settle_mode: SenderSettleMode::Unsettled,
            rcv_settle_mode: if confirmed { ReceiverSettleMode::Second } else { ReceiverSettleMode::First },
            ..Attach::new("audit".to_owned(), 0, if sends { LinkRole::Sender } else { LinkRole::Receiver })
        };
        encode_frame(&mut out, 0, &Performative::Attach(Box::new(attach)));
        let mut client = Self {
            socket,
            role,
            out,
            written: 0,
            partial: Vec::new(),
            scratch: vec![0; 256 * 1024],
            header_read: false,
            ended: false,
            credit: 0,
            sent: 0,
            received: 0,
            granted: 0,
            assembling: Vec::new(),
            delivery: 0,
            waiting: HashMap::new(),
        };
        client.grant();
        client.flush()?;
        Ok(client)
    }

    /// Its descriptor.
    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Whether the broker is gone.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether output waits for room.
    pub fn is_blocked(&self) -> bool {
        !self.out.is_empty()
    }

    /// Whether output is to be written before there is more of it.
    pub fn is_full(&self) -> bool {
        self.out.len() >= OUT_MAX
    }

    /// How many messages may be sent now.
    pub fn sendable(&self) -> u32 {
        if self.ended { 0 } else { self.credit }
    }

    /// Sends a message; gives its delivery.
    pub fn send(&mut self, body: &[u8]) -> u32 {
        let mut payload = message(0, Kept::Durable);
        payload.truncate(7);
        payload.extend_from_slice(&[0x00, 0x53, 0x75]);
        engine_message::encode::binary(&mut payload, body);
        append_transfer(&mut self.out, self.sent, Settle::Unsettled, &payload);
        self.credit -= 1;
        self.sent += 1;
        self.sent - 1
    }

    /// Accepts a delivery of message `number`.
    pub fn accept(&mut self, delivery: u32, number: u64) {
        let settled = !matches!(self.role, Role::Consumer { confirmed: true, .. });
        if !settled {
            self.waiting.insert(delivery, number);
        }
        let disposition = Disposition {
            role: LinkRole::Receiver,
            first: delivery,
            last: None,
            settled,
            state: Some(DeliveryState::Accepted),
            batchable: false,
        };
        encode_disposition(&mut self.out, 0, &disposition);
        self.grant();
    }

    fn grant(&mut self) {
        if matches!(self.role, Role::Producer { .. }) || self.granted > self.received + CREDIT / 2 {
            return;
        }
        self.granted = self.received + CREDIT;
        let flow = Flow {
            next_incoming_id: Some(self.received),
            incoming_window: u32::MAX >> 1,
            outgoing_window: u32::MAX >> 1,
            handle: Some(0),
            delivery_count: Some(self.received),
            link_credit: Some(CREDIT),
            ..Flow::default()
        };
        encode_flow(&mut self.out, 0, &flow);
    }

    /// Reads what there is.
    ///
    /// # Errors
    /// When the broker says what it must not. Its end is none.
    pub fn read(&mut self, mut on_said: impl FnMut(Said<'_>)) -> io::Result<()> {
        let mut scratch = std::mem::take(&mut self.scratch);
        loop {
            match self.socket.read(&mut [IoSliceMut::new(&mut scratch)]) {
                Ok(None) => break,
                Ok(Some(0)) | Err(_) => {
                    self.ended = true;
                    break;
                }
                Ok(Some(count)) => self.partial.extend_from_slice(&scratch[..count]),
            }
        }
        self.scratch = scratch;
        let bytes = std::mem::take(&mut self.partial);
        let mut at = 0;
        if !self.header_read {
            if bytes.len() < 8 {
                self.partial = bytes;
                return Ok(());
            }
            self.header_read = true;
            at = 8;
        }
        while let Split::Frame { frame, bytes: length } =
            frame::split(&bytes[at..], FRAME_MAX).map_err(io::Error::other)?
        {
            at += length;
            if !frame.body.is_empty() {
                self.handle(frame.body, &mut on_said)?;
            }
        }
        self.partial = bytes[at..].to_vec();
        Ok(())
    }

    fn handle(&mut self, body: &[u8], on_said: &mut impl FnMut(Said<'_>)) -> io::Result<()> {
        let (performative, payload) = performative::decode(body).map_err(io::Error::other)?;
        match performative {
            Performative::Transfer(transfer) => {
                self.delivery = transfer.delivery_id.unwrap_or(self.delivery);
                self.assembling.extend_from_slice(payload);
                if !transfer.more {
                    self.received += 1;
                    let whole = std::mem::take(&mut self.assembling);
                    on_said(Said::Delivered { delivery: self.delivery, payload: data(&whole)? });
                }
            }
            Performative::Disposition(disposition) => {
                let (first, last) = (disposition.first, disposition.last.unwrap_or(disposition.first));
                if matches!(self.role, Role::Consumer { .. }) {
                    for delivery in (first..=last).filter(|_| disposition.settled) {
                        self.waiting
                            .remove(&delivery)
                            .into_iter()
                            .for_each(|number| on_said(Said::Confirmed { number }));
                    }
                } else if disposition.state == Some(DeliveryState::Accepted) {
                    on_said(Said::Accepted { first, last });
                } else {
                    let why = format!("{:?}", disposition.state);
                    (first..=last).for_each(|delivery| on_said(Said::Refused { delivery, why: why.clone() }));
                }
            }
            Performative::Flow(flow) => {
                if let (Some(count), Some(more), Role::Producer { .. }) =
                    (flow.delivery_count, flow.link_credit, self.role)
                {
                    self.credit = count.wrapping_add(more).wrapping_sub(self.sent);
                }
            }
            Performative::Detach(_) | Performative::End(_) | Performative::Close(_) => {
                return Err(io::Error::other(format!("the broker ended the link: {:?}", performative::decode(body))));
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes output as far as the socket takes it.
    ///
    /// # Errors
    /// None: a broker that is gone is an end.
    pub fn flush(&mut self) -> io::Result<()> {
        while self.written < self.out.len() {
            match self.socket.write(&[IoSlice::new(&self.out[self.written..])]) {
                Ok(Some(count)) => self.written += count,
                Ok(None) => return Ok(()),
                Err(_) => {
                    // What it said before it went is still to be read.
                    break;
                }
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }
}

/// The octets in the data section of a message.
fn data(message: &[u8]) -> io::Result<&[u8]> {
    let wrong =
        || io::Error::other(format!("not a message of one data section: {:?}", &message[..message.len().min(40)]));
    let start = message.windows(3).position(|part| part == [0x00, 0x53, 0x75]).ok_or_else(wrong)? + 3;
    match message.get(start) {
        Some(0xa0) => message.get(start + 2..).ok_or_else(wrong),
        Some(0xb0) => message.get(start + 5..).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}
