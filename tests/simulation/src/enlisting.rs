//! The transactions of a client's connection: a coordinator's link that declares and discharges them, and what belongs to which.
//!
//! A connection has up to two that are open. Most of them are about one address, as a node of several shards wants it; others are about
//! whatever there is, and the node may refuse their commits. Not here: what is asserted of them (`model/transactions`).

use std::collections::BTreeSet;

use amqp_proto::{DeliveryOutcome, LinkId, Part, Send, Settled};
use bytes::Bytes;
use engine_message::encode;

use crate::client::{Live, Scene};
use crate::model::{Model, Number, Verdict};

/// Messages and outcomes of a transaction: what it does is in one batch, and that fits into one of the short segments of a run.
const ACTS_MAX: u32 = 12;
/// Transactions of a connection that are open at once.
const OPEN_MAX: usize = 2;
/// Key of a declaration; that of a discharge is its transaction's number.
const DECLARATION: u64 = u64::MAX;

/// What messages of a transaction are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// A queue.
    Queue(usize),
    /// The topic with its subscriptions.
    Topic,
}

/// What a transaction is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// Anything.
    Any,
    /// One address, which what comes first decides.
    First,
    /// This one.
    Only(Room),
}

/// A transaction that is open.
#[derive(Clone, Debug)]
pub struct Filling {
    /// The coordinator's name for it.
    pub id: Bytes,
    /// The model's.
    pub number: Number,
    scope: Scope,
    /// How much more may belong to it.
    left: u32,
}

/// The transactions of a connection.
#[derive(Debug, Default)]
pub struct Enlisting {
    /// Whether one was asked for.
    asked: bool,
    open: Vec<Filling>,
    /// Those whose commit was asked for.
    deciding: BTreeSet<Number>,
}

impl Enlisting {
    /// Whether it waits for what became of a commit.
    pub fn is_waiting(&self) -> bool {
        !self.deciding.is_empty()
    }

    /// The transaction that something about this address belongs to, if the seed says that it belongs to one.
    pub fn pick(&mut self, room: Room, scene: &mut Scene<'_>) -> Option<Filling> {
        if self.open.is_empty() || scene.chance.one_in(3) {
            return None;
        }
        let at = scene.chance.below(self.open.len());
        let filling = self.open.get_mut(at).filter(|filling| filling.left > 0)?;
        match filling.scope {
            Scope::Any => {}
            Scope::First => filling.scope = Scope::Only(room),
            Scope::Only(only) if only == room => {}
            Scope::Only(_) => return None,
        }
        filling.left -= 1;
        Some(filling.clone())
    }

    /// The connection is closed: what is open is rolled back.
    pub fn close(&mut self, model: &mut Model) {
        self.open.drain(..).for_each(|filling| model.rolled_back(filling.number));
    }

    /// The connection is gone.
    pub fn lose(&mut self, model: &mut Model) {
        let open = self.open.drain(..).map(|filling| filling.number);
        open.chain(std::mem::take(&mut self.deciding)).for_each(|number| model.lost(number));
    }

    /// The coordinator answered.
    pub fn answered(&mut self, key: u64, outcome: Option<&DeliveryOutcome>, scene: &mut Scene<'_>) {
        match (key, outcome) {
            (DECLARATION, Some(DeliveryOutcome::Declared(id))) => {
                self.asked = false;
                let scope = if scene.chance.one_in(5) { Scope::Any } else { Scope::First };
                self.open.push(Filling { id: id.clone(), number: scene.model.declared(), scope, left: ACTS_MAX });
            }
            (DECLARATION, other) => panic!("a declaration is answered with {other:?}"),
            (key, outcome) => {
                let number = key as Number;
                if !self.deciding.remove(&number) {
                    // It was rolled back as it was asked for.
                    return assert_eq!(outcome, Some(&DeliveryOutcome::Accepted), "it can be rolled back");
                }
                let verdict = match outcome {
                    Some(DeliveryOutcome::Accepted) => Verdict::Committed,
                    Some(DeliveryOutcome::Rejected(Some(error))) if error.to_string().contains("rolled back") => {
                        Verdict::RolledBack
                    }
                    other => panic!("a commit is answered with {other:?}"),
                };
                scene.model.decided(number, verdict);
            }
        }
    }
}

/// Declares a transaction, or ends one.
pub fn coordinate(link: LinkId, producers: &[LinkId], live: &mut Live, scene: &mut Scene<'_>) {
    if live.machine.credit_free(link) == 0 {
        return;
    }
    let Enlisting { asked, open, .. } = &mut live.enlisting;
    if !*asked && open.len() < OPEN_MAX && scene.chance.one_in(2) {
        *asked = true;
        let mut message = vec![0x00, 0x53, 0x77];
        encode::Compound::described(&mut message, 0x31).finish_empty();
        return put(link, DECLARATION, message, live);
    }
    // What belongs to a transaction leaves before its end does.
    let is_behind = producers.iter().any(|&link| live.machine.waiting(link) > 0);
    if open.is_empty() || is_behind || scene.chance.one_in(2) {
        return;
    }
    let filling = open.swap_remove(scene.chance.below(open.len()));
    let fails = scene.chance.one_in(4);
    if fails {
        scene.model.rolled_back(filling.number);
    } else {
        scene.model.commit_asked(filling.number);
        live.enlisting.deciding.insert(filling.number);
    }
    live.machine.poll_output(scene.now_ns, &mut live.out);
    let mut message = vec![0x00, 0x53, 0x77];
    let mut discharge = encode::Compound::described(&mut message, 0x32);
    discharge.put(|out| encode::binary(out, &filling.id)).put(|out| encode::boolean(out, fails));
    discharge.finish();
    put(link, filling.number as u64, message, live);
}

fn put(link: LinkId, key: u64, message: Vec<u8>, live: &mut Live) {
    let send = Send { key, settled: Settled::No, format: 0, prefix: &[], body: &message.into(), part: Part::Whole };
    live.machine.send(link, send, &mut live.out);
}
