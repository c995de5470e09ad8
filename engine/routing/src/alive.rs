//! Signs of life between routers at the edge and the interior: what is done because time passes.
//!
//! Guarantees: an edge says every `HEARTBEAT_NS` that it is there, as far as the interior takes it. One that has a link for that and is
//! silent for `HEARTBEAT_AGE_NS` loses its connection. A look at all of them is bounded work, twice a second.

use engine_core::event::{Event, KEY_NONE, Refusal};
use engine_message::Condition;
use engine_router::address::Mode;

use crate::edge_messages::beat;
use crate::limits::{EDGES_LOOK_NS, HEARTBEAT_AGE_NS, HEARTBEAT_NS};
use crate::router::Router;

impl Router {
    /// A turn begins.
    pub fn begin_turn(&mut self, now_ns: u64) {
        self.edges.now_ns = now_ns;
        if self.edges.due_ns.is_some_and(|due_ns| due_ns <= now_ns) {
            self.look_at_edges();
        }
    }

    /// When a turn is due even if nothing happens, nanoseconds.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.edges.due_ns
    }

    /// Says that this router is alive, and ends connections of those that do not.
    fn look_at_edges(&mut self) {
        let now_ns = self.edges.now_ns;
        let (mut silent, mut has_some) = (Vec::new(), false);
        for edge in self.edges.by_connection.values_mut() {
            let Some(heartbeat) = &mut edge.heartbeat else { continue };
            has_some = true;
            match self.own.mode {
                Mode::Interior if now_ns.saturating_sub(heartbeat.at_ns) > HEARTBEAT_AGE_NS => {
                    silent.push(heartbeat.place)
                }
                Mode::Interior => {}
                Mode::Edge => {
                    let is_due = heartbeat.said == 0 || now_ns.saturating_sub(heartbeat.at_ns) >= HEARTBEAT_NS;
                    if is_due && heartbeat.credit > 0 {
                        heartbeat.credit -= 1;
                        let message = beat(heartbeat.said);
                        (heartbeat.at_ns, heartbeat.said) = (now_ns, heartbeat.said.wrapping_add(1).max(1));
                        self.out.told.push((heartbeat.link, Event::Deliver { key: KEY_NONE, message }));
                    }
                }
            }
        }
        for place in silent {
            let text = "the router at the edge gave no sign of life for 8 s";
            self.close_edge(place, Refusal::new(Condition::ConnectionForced, text));
        }
        self.edges.due_ns = has_some.then(|| now_ns.saturating_add(EDGES_LOOK_NS));
    }
}
