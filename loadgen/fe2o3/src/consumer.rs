//! A consumer: takes what comes, looks whether it is whole, accepts it.

use fe2o3_amqp::types::messaging::Body;
use fe2o3_amqp::types::primitives::Value;
use fe2o3_amqp::{Delivery, Receiver};
use load_model::latency::Metric;
use load_model::ledger::{Coming, Insert};
use load_model::scenario::Settle;
use load_model::stamp::Stamp;

use crate::board::{Board, Notes};

/// What the task of a link that receives works with.
pub(crate) struct Consumer {
    pub board: Board,
    pub group: u32,
    pub number: u32,
    /// Its place in the notes.
    pub place: usize,
    pub settle: Settle,
}

impl Consumer {
    /// Receives until the worker ends.
    pub async fn run(self, mut receiver: Receiver) {
        loop {
            let came: Delivery<Body<Value>> = match receiver.recv().await {
                Ok(came) => came,
                Err(error) => return self.fail(&error),
            };
            let now_ns = self.board.now_ns();
            self.note(came.body(), now_ns);
            if self.settle == Settle::Presettled {
                continue;
            }
            if let Err(error) = receiver.accept(&came).await {
                return self.fail(&error);
            }
        }
    }

    fn fail(&self, error: &dyn std::error::Error) {
        self.board.fail(format!("consumer {} of group {}: {error}", self.number, self.group));
    }

    fn note(&self, body: &Body<Value>, now_ns: u64) {
        let parts = match body {
            Body::Data(parts) => parts.iter().map(|part| part.0.as_slice()).collect::<Vec<&[u8]>>(),
            _ => Vec::new(),
        };
        // Ours have one part; others are none of ours, and need no care.
        let joined;
        let octets = match parts.as_slice() {
            [part] => part,
            _ => {
                joined = parts.concat();
                joined.as_slice()
            }
        };
        self.board.with(|notes| {
            notes.last_ns = now_ns;
            let stamp = Stamp::read(octets, notes.run);
            let Notes { places, budget, full, .. } = notes;
            let Some(place) = places.get_mut(self.place) else { return };
            let due_ns = match stamp {
                Ok(stamp) => {
                    *full |= place.receive(&stamp, Coming::first(self.number), budget) == Insert::Refused;
                    Some(stamp.due_ns)
                }
                Err(flaw) => {
                    place.receive_flawed(flaw, octets.len());
                    None
                }
            };
            let group = notes.group(self.group);
            group.counts.received += 1;
            group.counts.received_bytes += octets.len() as u64;
            if let Some(due_ns) = due_ns {
                notes.record(self.group, Metric::Receive, (due_ns, now_ns));
            }
        });
    }
}
