//! A producer: sends what is due when it is due, and notes what becomes of it.

use std::rc::Rc;
use std::sync::Arc;

use fe2o3_amqp::Sender;
use fe2o3_amqp::link::SendError;
use fe2o3_amqp::link::delivery::Sendable;
use fe2o3_amqp::types::messaging::{Data, Header, Message, Outcome};
use fe2o3_amqp::types::primitives::Binary;
use load_model::arrivals::Schedule;
use load_model::latency::Metric;
use load_model::scenario::Settle;
use load_model::sizes::Sizes;
use load_model::stamp::{FillerSums, Kind, STAMP_BYTES, Stamp};
use tokio::sync::Semaphore;

use crate::board::{Board, Notes};
use crate::pace::{self, Waited};

/// A message that waited longer than this for credit or window was held up by the server, nanoseconds.
const HELD_UP_NS: u64 = 1_000_000;

/// How late what is due at the end of the run, and was not held up, may leave, nanoseconds: longer than a busy machine lets a thread wait.
const LATE_NS: u64 = 200_000_000;

/// What bodies of a group are filled with.
#[derive(Debug)]
pub(crate) struct Filler {
    pub octets: Vec<u8>,
    pub sums: FillerSums,
}

/// What the task of a link that sends works with.
pub(crate) struct Producer {
    pub board: Board,
    /// Its place in the notes.
    pub index: usize,
    pub group: u32,
    pub number: u32,
    pub schedule: Option<Schedule>,
    pub sizes: Sizes,
    pub filler: Rc<Filler>,
    pub quota: u64,
    pub durable: bool,
    pub settle: Settle,
    pub window: Arc<Semaphore>,
}

/// A message that was sent, until its outcome is known.
struct Sent {
    sequence: u64,
    due_ns: u64,
    sent_ns: u64,
}

impl Producer {
    /// Sends until the run stops, and keeps the link until the worker ends: dropping it would detach it, and outcomes
    /// that are under way would find nobody.
    pub async fn run(mut self, mut sender: Sender) {
        if let Err(error) = self.send_all(&mut sender).await {
            self.board.fail(format!("producer {} of group {}: {error}", self.number, self.group));
        }
        self.board.with(|notes| notes.producer(self.index).is_done = true);
        std::future::pending::<()>().await;
    }

    async fn send_all(&mut self, sender: &mut Sender) -> Result<(), SendError> {
        // Until when the server held up what is due.
        let mut held_until_ns = 0;
        for sequence in 0..self.quota {
            let due_ns = self.schedule.as_ref().map(Schedule::due_ns);
            if pace::until(&self.board, due_ns.unwrap_or_else(|| self.board.now_ns())).await == Waited::Stopped {
                return Ok(());
            }
            let from_ns = self.board.now_ns();
            // Nobody closes the window.
            let Ok(permit) = Arc::clone(&self.window).acquire_owned().await else { return Ok(()) };
            let sent_ns = self.board.now_ns();
            // In a closed loop a message is due when it can be sent.
            let sent = Sent { sequence, due_ns: due_ns.unwrap_or(sent_ns), sent_ns };
            let stop_ns = self.board.with(|notes| notes.stop_ns);
            // What could not be sent until the time was over is not sent any more: what the server held up, or what this client is behind with.
            let is_held = sent_ns - from_ns > HELD_UP_NS || sent.due_ns < held_until_ns;
            let last_ns = if is_held { stop_ns } else { stop_ns.saturating_add(LATE_NS) };
            if sent.due_ns >= stop_ns || sent_ns >= last_ns {
                return Ok(());
            }
            if sent_ns - from_ns > HELD_UP_NS {
                held_until_ns = sent_ns;
            }
            let message = self.message(&sent);
            let bytes = message.message.body.0.len() as u64;
            let delivery = sender.send_batchable(message).await?;
            let done_ns = self.board.now_ns();
            self.note_sent(&sent, bytes, held_until_ns);
            if done_ns - sent_ns > HELD_UP_NS {
                held_until_ns = done_ns;
            }
            let blocked_ns = held_until_ns.saturating_sub(from_ns);
            self.board.with(|notes| notes.group(self.group).counts.blocked_ns += blocked_ns);
            if let Some(schedule) = &mut self.schedule {
                schedule.advance();
            }
            if self.settle == Settle::Presettled {
                self.board.with(|notes| notes.settled(self.index, sequence));
                continue;
            }
            let (board, index, group) = (self.board.clone(), self.index, self.group);
            tokio::task::spawn_local(async move {
                let outcome = delivery.await;
                note_outcome(&board, (index, group), &sent, outcome);
                drop(permit);
            });
        }
        Ok(())
    }

    fn message(&mut self, sent: &Sent) -> Sendable<Data> {
        let bytes = self.sizes.next_bytes();
        let filler = self.filler.octets.get(..bytes.saturating_sub(STAMP_BYTES)).unwrap_or_default();
        let stamp = Stamp {
            run: self.board.with(|notes| notes.run),
            group: u16::try_from(self.group).unwrap_or(u16::MAX),
            kind: Kind::Message,
            producer: self.number,
            sequence: sent.sequence,
            due_ns: sent.due_ns,
        };
        let mut body = Vec::with_capacity(bytes);
        body.extend_from_slice(&stamp.seal(bytes, self.filler.sums.sum(filler)));
        body.extend_from_slice(filler);
        let header = Header { durable: self.durable, ..Header::default() };
        let message = Message::builder().header(header).data(Binary::from(body)).build();
        Sendable::builder().message(message).build()
    }

    fn note_sent(&self, sent: &Sent, bytes: u64, held_until_ns: u64) {
        let closed = self.schedule.is_none();
        self.board.with(|notes| {
            notes.producer(self.index).sent += 1;
            let counts = &mut notes.group(self.group).counts;
            counts.sent += 1;
            counts.sent_bytes += bytes;
            if closed {
                counts.due += 1;
            } else if sent.due_ns >= held_until_ns {
                notes.record(self.group, Metric::Lag, (sent.due_ns, sent.sent_ns));
            }
        });
    }
}

impl Notes {
    /// Notes that a message has an outcome, or needs none.
    fn settled(&mut self, producer: usize, sequence: u64) {
        let Self { producers, budget, full, .. } = self;
        if let Some(producer) = producers.get_mut(producer) {
            *full |= producer.settled.insert(sequence, budget) == load_model::ledger::Insert::Refused;
        }
    }
}

fn note_outcome(board: &Board, (index, group): (usize, u32), sent: &Sent, outcome: Result<Outcome, SendError>) {
    let now_ns = board.now_ns();
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => return board.fail(format!("a message of group {group} got no outcome: {error}")),
    };
    board.with(|notes| {
        notes.last_ns = now_ns;
        notes.settled(index, sent.sequence);
        if let Outcome::Accepted(_) = outcome {
            notes.group(group).counts.accepted += 1;
            notes.record(group, Metric::Accept, (sent.due_ns, now_ns));
            notes.record(group, Metric::Service, (sent.sent_ns, now_ns));
        } else {
            let counts = &mut notes.group(group).counts;
            counts.refused += 1;
            match outcome {
                Outcome::Rejected(_) => counts.returned.rejected += 1,
                Outcome::Released(_) => counts.returned.released += 1,
                Outcome::Modified(_) => counts.returned.modified += 1,
                // Its links are in no transaction: nothing else comes.
                _ => {}
            }
            let Notes { producers, budget, .. } = notes;
            if let Some(producer) = producers.get_mut(index) {
                producer.refused.insert(sent.sequence, budget);
            }
        }
    });
}
