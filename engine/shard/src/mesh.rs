//! The lanes of one shard to and from all others.
//!
//! Guarantees: what is sent arrives once and in order for each pair of shards; sending never waits: what a full lane
//! does not take waits on the sender's side, where the credit of links bounds it; a peer is woken once a turn.

use std::collections::VecDeque;

use engine_core::command::{ACCEPT_KEYS, Command};
use engine_core::event::Event;
use engine_core::key::{EndKey, LinkKey};
use engine_routing::Crossing;
use engine_rt::{LaneReceiver, LaneSender, Waker, lane};

use crate::census::Census;

/// Messages in one lane: about a turn's work, so that a sender seldom finds it full, and 100 KiB.
const LANE_CAPACITY: usize = 1024;
/// Messages that one turn takes out of one lane, so that no peer can keep a shard from its own sockets.
const BURST: u32 = 2048;

/// What shards tell each other.
#[derive(Debug)]
pub(crate) enum Parcel {
    /// From a link's home to the owner of its address.
    Command(Command),
    /// Back.
    Event(LinkKey, Event),
    /// From one router's part to another.
    Routed(Crossing),
}

struct Peer {
    sender: LaneSender<Parcel>,
    receiver: LaneReceiver<Parcel>,
    waiting: VecDeque<Parcel>,
    /// Octets of the routed messages among them.
    waiting_octets: u64,
    /// Acceptances that go with the next command or at the end of the turn.
    accepted: Accepted,
    waker: Waker,
    told: bool,
    budget: u32,
    sent: u64,
    overflowed: u64,
}

impl Parcel {
    /// Octets of a routed message.
    fn octets(&self) -> u64 {
        match self {
            Self::Routed(Crossing::Deliver { message, .. }) => message.size(),
            Self::Routed(Crossing::Bundle(bundle)) => bundle.size(),
            Self::Routed(Crossing::Begins(begins)) => begins.message.size(),
            Self::Routed(Crossing::Part { bytes, .. }) => bytes.len() as u64,
            Self::Routed(_) | Self::Command(_) | Self::Event(..) => 0,
        }
    }
}

/// What waits for room in a lane.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backlog {
    pub parcels: usize,
    /// Octets of the routed messages among them.
    pub octets: u64,
}

/// Deliveries that one consumer accepted.
#[derive(Clone, Copy, Debug, Default)]
struct Accepted {
    end: EndKey,
    count: u8,
    keys: [u64; ACCEPT_KEYS],
}

/// How a lane is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneView {
    /// The shard that it leads to.
    pub peer: u16,
    /// Messages in it.
    pub depth: usize,
    /// Messages that wait for room.
    pub waiting: usize,
    /// Messages sent so far.
    pub sent: u64,
    /// Of these those that had to wait.
    pub overflowed: u64,
}

/// One shard's lanes.
pub struct Mesh {
    shard: u16,
    peers: Vec<Option<Peer>>,
    next: usize,
    census: Census,
}

/// The meshes of shards that `wakers` wake, in their order.
pub fn mesh(wakers: &[Waker]) -> Vec<Mesh> {
    mesh_of(wakers, LANE_CAPACITY)
}

/// As `mesh`, with lanes for `capacity` messages: simulations fill small ones.
pub fn mesh_of(wakers: &[Waker], capacity: usize) -> Vec<Mesh> {
    let count = wakers.len();
    let mut senders: Vec<Vec<Option<LaneSender<Parcel>>>> = Vec::new();
    let mut receivers: Vec<Vec<Option<LaneReceiver<Parcel>>>> =
        (0..count).map(|_| (0..count).map(|_| None).collect()).collect();
    for from in 0..count {
        let to_all = receivers.iter_mut().enumerate().map(|(to, lanes)| {
            (from != to).then(|| {
                let (sender, receiver) = lane(capacity);
                lanes[from] = Some(receiver);
                sender
            })
        });
        senders.push(to_all.collect());
    }
    let census = Census::new(count);
    let shards = senders.into_iter().zip(receivers).enumerate();
    shards
        .map(|(shard, (senders, receivers))| {
            let lanes = senders.into_iter().zip(receivers).zip(wakers);
            let peers = lanes.map(|((sender, receiver), waker)| {
                let (waiting, waker) = (VecDeque::new(), waker.clone());
                let (sender, receiver) = sender.zip(receiver)?;
                let accepted = Accepted::default();
                let (told, budget, waiting_octets, sent, overflowed) = (true, 0, 0, 0, 0);
                Some(Peer {
                    sender,
                    receiver,
                    waiting,
                    waiting_octets,
                    accepted,
                    waker,
                    told,
                    budget,
                    sent,
                    overflowed,
                })
            });
            let shard = u16::try_from(shard).expect("shards are numbered by 16 bits");
            Mesh { shard, peers: peers.collect(), next: 0, census: census.clone() }
        })
        .collect()
}

impl Peer {
    #[inline]
    fn send(&mut self, parcel: Parcel) {
        self.told = false;
        self.sent += 1;
        let refused = if self.waiting.is_empty() { self.sender.try_send(parcel).err() } else { Some(parcel) };
        if let Some(parcel) = refused {
            self.overflowed += 1;
            self.waiting_octets += parcel.octets();
            self.waiting.push_back(parcel);
        }
    }

    #[inline]
    fn flush_accepted(&mut self) {
        let Accepted { end, count, keys } = self.accepted;
        if count > 0 {
            self.accepted.count = 0;
            self.send(Parcel::Command(Command::Accept { end, count, keys }));
        }
    }
}

impl Mesh {
    /// The shard's index.
    pub fn shard(&self) -> u16 {
        self.shard
    }

    /// This shard has so many links.
    pub(crate) fn note_links(&self, links: usize) {
        self.census.note(self.shard, links);
    }

    /// Whether a shard may get one of so many links of this one.
    pub(crate) fn has_room(&self, shard: u16, links: usize) -> bool {
        self.census.has_room(shard, links)
    }

    #[inline]
    pub(crate) fn send(&mut self, to: u16, parcel: Parcel) {
        let peer = self.peer(to);
        peer.flush_accepted();
        peer.send(parcel);
    }

    /// Sends `Outcome::Accepted` for one delivery, together with its neighbours.
    #[inline]
    pub(crate) fn accept(&mut self, to: u16, end: EndKey, key: u64) {
        let peer = self.peer(to);
        if peer.accepted.end != end || usize::from(peer.accepted.count) == ACCEPT_KEYS {
            peer.flush_accepted();
            peer.accepted.end = end;
        }
        if let Some(place) = peer.accepted.keys.get_mut(usize::from(peer.accepted.count)) {
            *place = key;
            peer.accepted.count += 1;
        }
    }

    /// What waits for room in the lane to a shard.
    pub(crate) fn backlog(&self, to: u16) -> Backlog {
        let peer = self.peers.get(usize::from(to)).and_then(Option::as_ref);
        peer.map(|peer| Backlog { parcels: peer.waiting.len(), octets: peer.waiting_octets }).unwrap_or_default()
    }

    #[inline]
    fn peer(&mut self, to: u16) -> &mut Peer {
        let Some(peer) = self.peers.get_mut(usize::from(to)).and_then(Option::as_mut) else {
            unreachable!("keys name living shards");
        };
        peer
    }

    pub(crate) fn begin_turn(&mut self) {
        self.peers.iter_mut().flatten().for_each(|peer| peer.budget = BURST);
    }

    /// The next message from any peer, within the turn's budget for each.
    #[inline]
    pub(crate) fn receive(&mut self) -> Option<(u16, Parcel)> {
        for _ in 0..self.peers.len() {
            if let Some(Some(peer)) = self.peers.get_mut(self.next)
                && peer.budget > 0
                && let Some(parcel) = peer.receiver.receive()
            {
                peer.budget -= 1;
                // There are as many lanes as shards, which 16 bits number.
                return Some((self.next as u16, parcel));
            }
            self.next = (self.next + 1) % self.peers.len();
        }
        None
    }

    /// Sends what waited, and wakes the peers that got something or wait for room that was made. What still waits is sent
    /// when the peer, having made room, wakes this shard.
    pub(crate) fn flush(&mut self) {
        for peer in self.peers.iter_mut().flatten() {
            peer.flush_accepted();
            while let Some(parcel) = peer.waiting.pop_front() {
                peer.told = false;
                peer.waiting_octets -= parcel.octets();
                if let Err(parcel) = peer.sender.try_send(parcel) {
                    peer.waiting_octets += parcel.octets();
                    peer.waiting.push_front(parcel);
                    if !peer.sender.starve() {
                        break;
                    }
                }
            }
            let made_room = peer.budget < BURST && peer.receiver.take_starved();
            if !std::mem::replace(&mut peer.told, true) || made_room {
                peer.waker.wake();
            }
        }
    }

    /// How the lanes are used.
    pub fn views(&self) -> impl Iterator<Item = LaneView> {
        self.peers.iter().enumerate().filter_map(|(index, peer)| {
            let peer = peer.as_ref()?;
            let (depth, waiting) = (peer.sender.len(), peer.waiting.len());
            let index = u16::try_from(index).ok()?;
            Some(LaneView { peer: index, depth, waiting, sent: peer.sent, overflowed: peer.overflowed })
        })
    }
}
