//! Where ordinary threads and other shards put rare things for a shard: connections that move, questions of operators.

use crate::waker::Waker;

/// The sending side; one for each thread.
pub struct InboxSender<T> {
    sender: flume::Sender<T>,
    waker: Waker,
}

/// The shard's side.
pub struct Inbox<T> {
    receiver: flume::Receiver<T>,
}

/// An inbox for `capacity` things, which wakes its shard.
pub fn inbox<T>(capacity: usize, waker: Waker) -> (InboxSender<T>, Inbox<T>) {
    let (sender, receiver) = flume::bounded(capacity);
    (InboxSender { sender, waker }, Inbox { receiver })
}

impl<T> Clone for InboxSender<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), waker: self.waker.clone() }
    }
}

impl<T> InboxSender<T> {
    /// Puts something in, without waiting.
    ///
    /// # Errors
    /// Gives it back when the inbox is full or its shard is gone.
    pub fn send(&self, value: T) -> Result<(), T> {
        self.sender.try_send(value).map_err(flume::TrySendError::into_inner)?;
        self.waker.wake();
        Ok(())
    }
}

impl<T> Inbox<T> {
    /// Takes the next thing out.
    #[inline]
    pub fn receive(&self) -> Option<T> {
        self.receiver.try_recv().ok()
    }
}
