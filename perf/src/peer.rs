//! One connection of the load: enough AMQP to send or receive on one link, and nothing that costs time.
//!
//! Its frames are its own, and not those of the machine in `client`: the load has one core beside a broker's one, and has to cost less
//! than what it measures, or the figures are its own. So it trusts the broker, settles in ranges, gives credit by halves, knows no
//! message of several frames, and asks nothing that it does not need. Whatever has no rate to keep stands on `client`.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};

use amqp_codec::frame::{self, ProtocolHeader, Split};
use amqp_codec::performative::{
    self, Attach, Begin, DeliveryState, Disposition, Flow, Open, Performative, Role, SenderSettleMode, Source, Target,
    Terminus, Transfer, encode_disposition, encode_flow, encode_frame, encode_transfer,
};
use engine_rt::Socket;

use crate::wire;

/// Largest output that is built before it is written, octets.
const OUT_MAX: usize = 128 * 1024;
/// Frames larger than this are not sent by any broker under test, octets.
const FRAME_MAX: u32 = 1 << 20;
/// Handle of the link that only says where a connection is to live.
const HOME_HANDLE: u32 = 7;

/// Whether deliveries are sent settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settle {
    /// Each is accepted.
    Unsettled,
    /// None is.
    Presettled,
    /// None is, and their receiver settles none either.
    Held,
}

/// What a connection of the load does.
#[derive(Debug)]
pub enum Work {
    /// Sends.
    Producer {
        /// Deliveries that may still be sent for credit.
        credit: u32,
        /// Deliveries sent.
        sent: u32,
        /// Deliveries settled by the broker.
        settled: u32,
        /// Largest number of deliveries on the way.
        window: u32,
    },
    /// Receives.
    Consumer {
        /// Deliveries received.
        received: u32,
        /// Credit left.
        credit: u32,
        /// Credit given at a time.
        window: u32,
        /// Deliveries not accepted yet.
        open: Option<(u32, u32)>,
    },
}

/// One connection.
pub struct Peer {
    socket: Socket,
    out: Vec<u8>,
    written: usize,
    partial: Vec<u8>,
    header_read: bool,
    settle: Settle,
    /// Transfers of the session that the broker takes, from the first one on.
    transfers_max: u32,
    /// What it does.
    pub work: Work,
}

impl Peer {
    /// Connects and writes everything up to the attach, without waiting for answers. A first link to `home` puts the
    /// connection where that address lives.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(to: SocketAddr, home: Option<&str>, address: &str, settle: Settle, work: Work) -> io::Result<Self> {
        let socket = wire::connect(to)?;
        let mut out = ProtocolHeader::Amqp.bytes().to_vec();
        let open =
            Open { container_id: format!("perf-{}", socket.as_raw_fd()), max_frame_size: FRAME_MAX, ..Open::default() };
        encode_frame(&mut out, 0, &Performative::Open(Box::new(open)));
        let window = u32::MAX >> 1;
        let begin = Begin { incoming_window: window, outgoing_window: window, ..Begin::default() };
        encode_frame(&mut out, 0, &Performative::Begin(Box::new(begin)));
        if let Some(home) = home {
            append_receiver(&mut out, HOME_HANDLE, home);
        }
        let role = if matches!(work, Work::Producer { .. }) { Role::Sender } else { Role::Receiver };
        let node = Terminus::at(address);
        let attach = Attach {
            source: Some(Source::from(Terminus::at(address))),
            target: Some(Target::Node(node)),
            snd_settle_mode: if settle == Settle::Presettled {
                SenderSettleMode::Settled
            } else {
                SenderSettleMode::Unsettled
            },
            ..Attach::new(format!("link-{address}"), 0, role)
        };
        encode_frame(&mut out, 0, &Performative::Attach(Box::new(attach)));
        let (partial, transfers_max) = (Vec::new(), 0);
        let mut peer = Self { socket, out, written: 0, partial, header_read: false, settle, transfers_max, work };
        peer.replenish();
        peer.flush()?;
        Ok(peer)
    }

    /// Attaches a second link, which receives and has no credit.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn attach_receiver(&mut self, address: &str) -> io::Result<()> {
        append_receiver(&mut self.out, 1, address);
        self.flush()
    }

    /// Its descriptor.
    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Whether output waits for room.
    pub fn is_blocked(&self) -> bool {
        !self.out.is_empty()
    }

    /// Reads what there is; gives every payload to `on_message`.
    ///
    /// # Errors
    /// When the broker closes, or sends what it must not.
    pub fn read(&mut self, scratch: &mut [u8], mut on_message: impl FnMut(&[u8])) -> io::Result<()> {
        let start = self.partial.len();
        scratch[..start].copy_from_slice(&self.partial);
        let count = match self.socket.read(&mut [IoSliceMut::new(&mut scratch[start..])])? {
            None => return Ok(()),
            Some(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Some(count) => start + count,
        };
        let mut at = 0;
        if !self.header_read {
            if count < 8 {
                self.partial = scratch[..count].to_vec();
                return Ok(());
            }
            self.header_read = true;
            at = 8;
        }
        while let Split::Frame { frame, bytes } =
            frame::split(&scratch[at..count], FRAME_MAX).map_err(io::Error::other)?
        {
            at += bytes;
            if !frame.body.is_empty() {
                self.handle(frame.body, &mut on_message)?;
            }
        }
        self.partial.clear();
        self.partial.extend_from_slice(&scratch[at..count]);
        self.settle_open();
        self.replenish();
        Ok(())
    }

    fn handle(&mut self, body: &[u8], on_message: &mut impl FnMut(&[u8])) -> io::Result<()> {
        let (performative, payload) = performative::decode(body).map_err(io::Error::other)?;
        match &performative {
            Performative::Begin(begin) => self.transfers_max = begin.incoming_window,
            Performative::Flow(flow) => {
                // Before it has heard of our begin it does not say what it has seen: nothing.
                self.transfers_max = flow.next_incoming_id.unwrap_or_default().wrapping_add(flow.incoming_window);
            }
            _ => {}
        }
        match (performative, &mut self.work) {
            (Performative::Transfer(transfer), Work::Consumer { received, credit, open, .. }) => {
                *received = received.wrapping_add(1);
                *credit -= 1;
                if let Some(id) = transfer.delivery_id.filter(|_| self.settle == Settle::Unsettled) {
                    *open = Some(open.map_or((id, id), |(first, _)| (first, id)));
                }
                on_message(payload);
            }
            (Performative::Disposition(disposition), Work::Producer { settled, .. }) => {
                let last = disposition.last.unwrap_or(disposition.first);
                *settled = settled.wrapping_add(last.wrapping_sub(disposition.first) + 1);
                if disposition.state != Some(DeliveryState::Accepted) {
                    return Err(io::Error::other(format!("not accepted: {disposition:?}")));
                }
            }
            (Performative::Flow(flow), Work::Producer { credit, sent, .. }) => {
                if let (Some(count), Some(more)) = (flow.delivery_count, flow.link_credit) {
                    *credit = count.wrapping_add(more).wrapping_sub(*sent);
                }
            }
            (Performative::Detach(_) | Performative::End(_) | Performative::Close(_), _) => {
                return Err(io::Error::other(format!("the broker ended the link: {:?}", performative::decode(body))));
            }
            _ => {}
        }
        Ok(())
    }

    /// Accepts what was received since the last time, as one range.
    fn settle_open(&mut self) {
        if let Work::Consumer { open, .. } = &mut self.work
            && let Some((first, last)) = open.take()
        {
            let disposition = Disposition {
                role: Role::Receiver,
                first,
                last: Some(last),
                settled: true,
                state: Some(DeliveryState::Accepted),
                batchable: false,
            };
            encode_disposition(&mut self.out, 0, &disposition);
        }
    }

    /// Gives credit when half of it is used.
    fn replenish(&mut self) {
        if let Work::Consumer { received, credit, window, .. } = &mut self.work
            && *credit <= *window / 2
        {
            *credit = *window;
            let flow = Flow {
                next_incoming_id: Some(*received),
                incoming_window: u32::MAX >> 1,
                outgoing_window: u32::MAX >> 1,
                handle: Some(0),
                delivery_count: Some(*received),
                link_credit: Some(*window),
                ..Flow::default()
            };
            encode_flow(&mut self.out, 0, &flow);
        }
    }

    /// How many messages may be sent now.
    pub fn sendable(&self) -> u32 {
        match &self.work {
            Work::Producer { credit, sent, settled, window } => {
                let room = match self.settle {
                    Settle::Unsettled | Settle::Held => window.saturating_sub(sent.wrapping_sub(*settled)),
                    Settle::Presettled => u32::MAX,
                };
                // What is on its way may be more than a window that was made smaller leaves.
                let window = self.transfers_max.wrapping_sub(*sent).cast_signed().max(0).cast_unsigned();
                room.min(*credit).min(window)
            }
            Work::Consumer { .. } => 0,
        }
    }

    /// Whether output is to be written before there is more of it.
    pub fn is_full(&self) -> bool {
        self.out.len() >= OUT_MAX
    }

    /// Appends one message.
    pub fn send(&mut self, payload: &[u8]) {
        if let Work::Producer { credit, sent, .. } = &mut self.work {
            append_transfer(&mut self.out, *sent, self.settle, payload);
            *sent = sent.wrapping_add(1);
            *credit -= 1;
        }
    }

    /// Fills the output with messages as far as window and credit allow, and writes it.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn pump(&mut self, payload: &[u8]) -> io::Result<()> {
        loop {
            let mut room = self.sendable();
            while room > 0 && self.out.len() < OUT_MAX {
                self.send(payload);
                room -= 1;
            }
            self.flush()?;
            if self.is_blocked() || self.sendable() == 0 {
                return Ok(());
            }
        }
    }

    /// Writes output as far as the socket takes it.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn flush(&mut self) -> io::Result<()> {
        while self.written < self.out.len() {
            match self.socket.write(&[IoSlice::new(&self.out[self.written..])])? {
                Some(count) => self.written += count,
                None => return Ok(()),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }
}

/// Appends the attach of a link that receives and has no credit.
fn append_receiver(out: &mut Vec<u8>, handle: u32, address: &str) {
    let attach = Attach {
        source: Some(Source::from(Terminus::at(address))),
        target: Some(Target::Node(Terminus::default())),
        ..Attach::new(format!("receiver-{handle}-{address}"), handle, Role::Receiver)
    };
    encode_frame(out, 0, &Performative::Attach(Box::new(attach)));
}

/// Appends the frame that carries one message.
pub fn append_transfer(out: &mut Vec<u8>, id: u32, settle: Settle, payload: &[u8]) {
    let tag = id.to_be_bytes();
    let transfer = Transfer {
        handle: 0,
        delivery_id: Some(id),
        delivery_tag: Some(&tag),
        message_format: Some(0),
        settled: Some(settle == Settle::Presettled),
        ..Transfer::default()
    };
    encode_transfer(out, 0, &transfer, payload.len());
    out.extend_from_slice(payload);
}
