//! The thread of the router's registry: notes of all shards in, tables and answers out.
//!
//! Guarantee: what has come meanwhile makes one table. It ends when no shard is left that could tell it something.

use std::thread;
use std::time::Duration;

use engine_router::network::Notice;
use engine_router::uplink;
use engine_routing::{Answer, Note, Registry, Update};
use engine_rt::{InboxSender, monotonic_ns};
use flume::RecvTimeoutError;

use crate::post::Post;

/// Notes that one table is made of, at most: what comes in a millisecond at the highest rate of attaches.
const NOTES_MAX: usize = 4096;
/// How long a full inbox is given: it empties within a turn of its shard.
const PAUSE: Duration = Duration::from_millis(1);

/// Serves until nobody can tell it anything more; each table is shown to `look` before shards go by it, and the numbers of rules that all
/// shards go by are given to `ruled`.
pub fn serve(
    mut registry: Registry,
    notes: &flume::Receiver<Note>,
    shards: &[InboxSender<Post>],
    (mut look, mut ruled): (impl FnMut(&Update), impl FnMut(u64)),
) {
    loop {
        let until = registry.deadline().map(|deadline| Duration::from_nanos(deadline.saturating_sub(monotonic_ns())));
        let note = match until {
            Some(until) => notes.recv_timeout(until),
            None => notes.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let now_ns = monotonic_ns();
        match note {
            Ok(note) => registry.handle_note(note, now_ns),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        notes.try_iter().take(NOTES_MAX).for_each(|note| registry.handle_note(note, now_ns));
        // Behind what has come: whoever spoke while a long list was read is not silent.
        if registry.deadline().is_some_and(|deadline| deadline <= now_ns) {
            registry.handle_time(now_ns);
        }
        if let Some(update) = registry.poll_update() {
            look(&update);
            shards.iter().for_each(|shard| put(shard, notes, Post::Table(Box::new(update.clone()))));
        }
        while let Some(answer) = registry.poll_answer() {
            let (Answer::Stands(consumer) | Answer::Refused(consumer)) = answer;
            if let Some(shard) = shards.get(usize::from(consumer.shard())) {
                put(shard, notes, Post::Registered(answer));
            }
        }
        while let Some(number) = registry.poll_ruled() {
            ruled(number);
        }
        while let Some(order) = registry.poll_order() {
            if let Some(shard) = shards.get(usize::from(order.shard())) {
                put(shard, notes, Post::RouterOrder(Box::new(order)));
            }
        }
        while let Some(notice) = registry.poll_uplink_notice() {
            match notice {
                uplink::Notice::Active(_) => tracing::info!(target: "heddle::router", "{notice}"),
                _ => tracing::warn!(target: "heddle::router", "{notice}"),
            }
        }
        while let Some(notice) = registry.poll_notice() {
            match notice {
                Notice::NeighbourFound(_) => tracing::info!(target: "heddle::router", "{notice}"),
                _ => tracing::warn!(target: "heddle::router", "{notice}"),
            }
        }
    }
}

fn put(shard: &InboxSender<Post>, notes: &flume::Receiver<Note>, mut post: Post) {
    while let Err(back) = shard.send(post) {
        if notes.is_disconnected() {
            return;
        }
        post = back;
        thread::sleep(PAUSE);
    }
}
