//! A session's two windows: how many transfers may still come, and leave (part 2.5.6).
//!
//! Guarantees: both count frames in serial numbers; a limit of the peer's that lies just behind what was sent means no window, and not a
//! huge one. What was announced as window stays, also where the window is made smaller: it gets so as frames come. A window is larger while
//! the frames that come are small, as its peer sees nothing but frames, and memory is octets.

use amqp_codec::AmqpError;
use amqp_codec::performative::Flow;
use engine_message::Condition;

use crate::limits::Config;

/// Transfers that come, in serial numbers.
#[derive(Debug)]
pub(crate) struct IncomingWindow {
    pub next_id: u32,
    /// Transfers that the peer may still send, frames.
    pub left: u32,
    /// What it may send after a flow, frames.
    pub size: u32,
    /// That while frames may be of any size, and while they are small.
    least: u32,
    most: u32,
    /// Octets of a frame that is small, at most.
    small_max: usize,
    /// Small frames since the last one that was not.
    small: u32,
}

impl IncomingWindow {
    /// All of it is left, and it is as large whatever comes.
    pub fn fixed(size: u32) -> Self {
        Self { next_id: 0, left: size, size, least: size, most: size, small_max: usize::MAX, small: 0 }
    }

    /// The one of a connection's sessions: small frames are as many more as they are smaller than the largest ones.
    pub fn of(config: &Config) -> Self {
        let (least, most) = (config.incoming_window, config.small_frames_window.max(config.incoming_window));
        let octets = u64::from(least) * u64::from(config.max_frame_size);
        Self { most, small_max: (octets / u64::from(most.max(1))) as usize, ..Self::fixed(least) }
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

    /// Counts a transfer with so many octets for which there is window; gives whether a flow is due, as half of it is used.
    #[inline]
    pub fn take(&mut self, octets: usize) -> bool {
        self.small = if octets <= self.small_max { self.small.saturating_add(1) } else { 0 };
        self.left -= 1;
        self.next_id = self.next_id.wrapping_add(1);
        self.left <= self.size / 2
    }

    /// Has it be so many frames from now on, none to let nothing more come; gives whether a flow is due.
    pub fn resize(&mut self, size: u32) -> bool {
        (self.size, self.least, self.most) = (size, size, size);
        self.left <= size / 2 && self.left < size
    }

    /// What the next flow says of it. It is large when half a window has had small frames alone.
    pub fn offered(&self) -> u32 {
        self.left.max(self.next_size())
    }

    /// A flow said so.
    pub fn told(&mut self) {
        self.left = self.offered();
        self.size = self.next_size();
    }

    fn next_size(&self) -> u32 {
        if self.small >= self.least / 2 { self.most } else { self.least }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of so many octets come until a flow is due; gives how many.
    fn until_due(window: &mut IncomingWindow, octets: usize) -> u32 {
        let mut came = 1;
        while !window.take(octets) {
            came += 1;
        }
        window.told();
        came
    }

    #[test]
    fn a_window_is_as_large_as_frames_are_small() {
        let config =
            Config { incoming_window: 512, small_frames_window: 2048, max_frame_size: 1 << 17, ..Config::default() };
        let mut window = IncomingWindow::of(&config);
        assert_eq!((window.left, window.size), (512, 512), "nothing is known of its frames");
        assert_eq!(until_due(&mut window, 1 << 15), 256);
        assert_eq!((window.left, window.size), (2048, 2048));
        assert_eq!(until_due(&mut window, 100), 1024);
        assert_eq!(window.left, 2048);
        // What was announced stays.
        assert_eq!(until_due(&mut window, (1 << 15) + 1), 1024);
        assert_eq!((window.left, window.size), (1024, 512));
        assert_eq!(until_due(&mut window, 1 << 17), 768);
        assert_eq!((window.left, window.size), (512, 512));
        // One large frame among small ones is as good as many.
        window.take(1 << 17);
        assert_eq!(until_due(&mut window, 1), 255);
        assert_eq!(window.left, 512);
        assert_eq!(until_due(&mut window, 1), 256);
        assert_eq!(window.left, 2048);
    }

    #[test]
    fn a_window_that_is_set_is_as_large_whatever_comes() {
        let plain = Config { small_frames_window: 0, incoming_window: 8, ..Config::default() };
        for mut window in [IncomingWindow::fixed(8), IncomingWindow::of(&plain)] {
            for octets in [1, 1 << 20, 1, 1] {
                assert_eq!(until_due(&mut window, octets), 4);
                assert_eq!((window.left, window.size), (8, 8));
            }
            assert!(!window.resize(6));
            assert_eq!(until_due(&mut window, 1), 5, "what was announced stays");
            assert_eq!((window.left, window.size), (6, 6));
        }
    }
}
