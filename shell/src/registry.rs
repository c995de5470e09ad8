//! The thread of the router's registry: notes of all shards in, tables and answers out.
//!
//! Guarantee: what has come meanwhile makes one table. It ends when no shard is left that could tell it something.

use std::thread;
use std::time::Duration;

use engine_routing::{Answer, Note, Registry, Update};
use engine_rt::InboxSender;

use crate::post::Post;

/// Notes that one table is made of, at most: what comes in a millisecond at the highest rate of attaches.
const NOTES_MAX: usize = 4096;
/// How long a full inbox is given: it empties within a turn of its shard.
const PAUSE: Duration = Duration::from_millis(1);

/// Serves until all shards are gone; each table is shown to `look` before shards go by it.
pub fn serve(
    mut registry: Registry,
    notes: &flume::Receiver<Note>,
    shards: &[InboxSender<Post>],
    mut look: impl FnMut(&Update),
) {
    while let Ok(note) = notes.recv() {
        registry.handle_note(note);
        notes.try_iter().take(NOTES_MAX).for_each(|note| registry.handle_note(note));
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
