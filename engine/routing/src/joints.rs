//! What a shard keeps of its connections to other routers (`neighbours`).

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::BytesMut;
use engine_core::command::Between;
use engine_core::key::LinkKey;
use engine_core::message::{Message, PRIORITIES};
use engine_core::slab::Key as Place;
use engine_router::RouterId;
use engine_router::network::LinkId;
use engine_router::table::ConsumerId;

use crate::limits::UNHEARD_OCTETS_MAX;

/// Bits of a consumer's number that say the priority of a link to a neighbour.
const PRIORITY_BITS: u32 = 4;
/// The bit of a consumer's number that says that it is a neighbour's.
const IS_NEIGHBOURS: u64 = 1 << 47;

/// A connection to another router.
#[derive(Debug)]
pub(crate) struct Neighbour {
    /// What the registry calls it.
    pub link: LinkId,
    pub id: RouterId,
    pub cost: u32,
    /// Links for control: what comes, what goes.
    pub control_in: Option<Place>,
    pub control_out: Option<Place>,
    /// Links for messages to it, by priority.
    pub out: [Option<Place>; PRIORITIES],
    /// Links for messages in parts to it, how many there may be, and those that were asked for and are not there.
    pub apart: Vec<Place>,
    pub apart_max: u16,
    pub asked: usize,
    /// Links of any kind that are there.
    pub links: u32,
    /// Whether the registry knows it.
    pub is_told: bool,
    /// Messages that the neighbour takes still, and what waits for that.
    pub credit: u32,
    pub waiting: VecDeque<Message>,
    /// Octets of what it said and the registry has not heard yet.
    pub unheard_octets: usize,
}

impl Neighbour {
    /// It said a message of so many octets; gives whether that is not more than may wait to be heard.
    pub fn note_said(&mut self, octets: usize) -> bool {
        self.unheard_octets += octets;
        self.unheard_octets <= UNHEARD_OCTETS_MAX
    }

    /// One of them of so many octets was heard.
    pub fn note_heard(&mut self, octets: usize) {
        self.unheard_octets -= octets;
    }
}

/// Connections to other routers.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    pub by_connection: BTreeMap<u64, Neighbour>,
    pub by_link: BTreeMap<LinkId, u64>,
    /// What is said in parts, as far as it came, by the link's place.
    pub said: HashMap<Place, BytesMut>,
    /// Another number whenever messages to other routers may go otherwise than before.
    pub ways: u64,
    numbered: u64,
}

/// A link of a connection to another router, other than those that messages go out over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Joint {
    pub link: LinkKey,
    pub connection: u64,
    pub kind: JointKind,
}

/// What such a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JointKind {
    ControlIn,
    ControlOut,
    MessagesIn,
}

impl Neighbours {
    /// The connection of a number, which is made if it is new.
    pub fn get(&mut self, shard: u16, between: Between, id: RouterId) -> &mut Neighbour {
        let (numbered, by_link) = (&mut self.numbered, &mut self.by_link);
        self.by_connection.entry(between.connection).or_insert_with(|| {
            let link = LinkId(ConsumerId::at(shard, IS_NEIGHBOURS | *numbered << PRIORITY_BITS).0);
            *numbered += 1;
            by_link.insert(link, between.connection);
            Neighbour {
                link,
                id,
                cost: between.cost,
                control_in: None,
                control_out: None,
                out: [None; PRIORITIES],
                apart: Vec::new(),
                apart_max: between.apart,
                asked: 0,
                links: 0,
                is_told: false,
                credit: 0,
                waiting: VecDeque::new(),
                unheard_octets: 0,
            }
        })
    }

    /// The connection of a number, if it is there.
    pub fn of_connection(&mut self, connection: u64) -> Option<&mut Neighbour> {
        self.by_connection.get_mut(&connection)
    }

    /// The receiver that messages of a priority go to over a link.
    pub fn receiver(&self, link: LinkId, priority: u8) -> Option<Place> {
        let neighbour = self.by_connection.get(self.by_link.get(&link)?)?;
        let lane = usize::from(priority).min(PRIORITIES - 1);
        let (lower, higher) = neighbour.out.split_at(lane + 1);
        lower.iter().rev().chain(higher).find_map(|place| *place)
    }

    /// How many links there are that are neither senders nor receivers.
    pub fn joints(&self) -> usize {
        let receivers = |known: &Neighbour| known.out.iter().flatten().count() + known.apart.len();
        self.by_connection.values().map(|known| known.links as usize - receivers(known)).sum()
    }

    /// How many links there are for messages in parts: receivers that nobody is sent to by a number.
    pub fn apart(&self) -> usize {
        self.by_connection.values().map(|neighbour| neighbour.apart.len()).sum()
    }

    /// How many receivers of priorities there are.
    pub fn receivers(&self) -> usize {
        self.by_connection.values().map(|neighbour| neighbour.out.iter().flatten().count()).sum()
    }
}

/// The consumer that messages of a priority over a link are for.
pub(crate) fn consumer(LinkId(link): LinkId, priority: u8) -> ConsumerId {
    ConsumerId(link | u64::from(priority.min(PRIORITIES as u8 - 1)))
}

/// What links for messages in parts over a link have for one, which is nobody's.
pub(crate) fn apart(LinkId(link): LinkId) -> ConsumerId {
    ConsumerId(link | ((1 << PRIORITY_BITS) - 1))
}

/// The link and the priority of a consumer that is a neighbour.
pub(crate) fn neighbour(ConsumerId(number): ConsumerId) -> Option<(LinkId, u8)> {
    let priority = number & ((1 << PRIORITY_BITS) - 1);
    (number & IS_NEIGHBOURS != 0).then_some((LinkId(number & !priority), priority as u8))
}
