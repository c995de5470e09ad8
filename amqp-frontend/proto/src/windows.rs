//! A session's two windows: how many transfers may still come, and leave (part 2.5.6).
//!
//! Guarantees: both count frames in serial numbers; a limit of the peer's that lies just behind what was sent means no window, and not a
//! huge one. What was announced as window stays, also where the window is made smaller: it gets so as frames come.

use amqp_codec::AmqpError;
use amqp_codec::performative::Flow;
use engine_message::Condition;

/// Transfers that come, in serial numbers.
#[derive(Debug)]
pub(crate) struct IncomingWindow {
    pub next_id: u32,
    /// Transfers that the peer may still send, frames.
    pub left: u32,
    /// What it may send after a flow, frames.
    pub size: u32,
}

impl IncomingWindow {
    /// All of it is left.
    pub fn new(size: u32) -> Self {
        Self { next_id: 0, left: size, size }
    }

    /// Whether a transfer may come.
    ///
    /// # Errors
    /// When it may not.
    #[inline]
    pub fn expect(&self) -> Result<(), Box<AmqpError>> {
        if self.left == 0 {
            let text = "a transfer came although the session's incoming window is used up";
            return Err(Box::new(AmqpError::new(Condition::WindowViolation, text)));
        }
        Ok(())
    }

    /// Counts a transfer for which there is window; gives whether a flow is due, as half of it is used.
    #[inline]
    pub fn take(&mut self) -> bool {
        self.left -= 1;
        self.next_id = self.next_id.wrapping_add(1);
        self.left <= self.size / 2
    }

    /// Has it be so many frames from now on, none to let nothing more come; gives whether a flow is due.
    pub fn resize(&mut self, size: u32) -> bool {
        self.size = size;
        self.left <= size / 2 && self.left < size
    }

    /// What a flow says of it.
    pub fn offered(&self) -> u32 {
        self.left.max(self.size)
    }
}

/// Transfers that are sent, in serial numbers.
#[derive(Debug, Default)]
pub(crate) struct OutgoingWindow {
    pub next_id: u32,
    /// Transfers that the peer still takes, frames.
    pub left: u32,
}

impl OutgoingWindow {
    /// Counts a transfer that was sent.
    #[inline]
    pub fn count(&mut self) {
        self.left -= 1;
        self.next_id = self.next_id.wrapping_add(1);
    }

    /// Takes what a flow from the peer says; a limit up to `behind_max` behind what was sent is none.
    pub fn take_flow(&mut self, flow: &Flow<'_>, behind_max: u32) {
        // Without next-incoming-id the peer has not seen our begin, so that it counts from our first transfer, 0.
        let limit = flow.next_incoming_id.unwrap_or(0).wrapping_add(flow.incoming_window);
        let left = limit.wrapping_sub(self.next_id);
        // A large window may lie more than half the number space ahead: only a limit just behind us means none.
        let behind = self.next_id.wrapping_sub(limit);
        self.left = if behind != 0 && behind <= behind_max { 0 } else { left };
    }
}
