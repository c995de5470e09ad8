//! How long messages live at an address, where its settings say so: they are held to that when they arrive, before they are stored.
//!
//! Guarantees: of a message whose time changed its properties no longer name another one (`absolute-expiry-time`), by which its consumer
//! would drop it, or believe that it lasts; a large message's are in its file, and stay.
//!
//! Not here: what becomes of messages whose time has come (`expiry`).

use std::num::NonZeroU64;

use bytes::Bytes;
use engine_catalogue::AddressSettings;
use engine_message::section;

use crate::message::{Content, Message};

/// What the settings of an address say of the time that its messages live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetimes {
    /// Nothing.
    AsSent,
    /// They never expire.
    Endless,
    /// Bounds, milliseconds from the arrival on.
    Bounded {
        /// Of a message that says nothing of it.
        unsaid: Option<u64>,
        /// Of one that does.
        min: u64,
        max: u64,
    },
}

impl Lifetimes {
    /// Those of an address. A lower bound above the upper one counts for nothing.
    pub fn new(settings: &AddressSettings) -> Self {
        let set = |ms: u64| (ms > 0).then_some(ms);
        let (delay, min, max) =
            (set(settings.expiry_delay_ms), set(settings.min_expiry_ms), set(settings.max_expiry_ms));
        let unsaid = delay.or(max).or(min);
        match (settings.no_expiry, unsaid) {
            (true, _) => Self::Endless,
            (false, None) => Self::AsSent,
            (false, Some(_)) => {
                let max = max.unwrap_or(u64::MAX);
                Self::Bounded { unsaid, min: min.unwrap_or(0).min(max), max }
            }
        }
    }

    /// From when on a message may be dropped that arrives now, and says `at` itself.
    fn expiry(self, at: Option<NonZeroU64>, wall_ms: u64) -> Option<NonZeroU64> {
        match (self, at) {
            (Self::AsSent, _) => at,
            (Self::Endless, _) => None,
            (Self::Bounded { unsaid, .. }, None) => NonZeroU64::new(wall_ms.saturating_add(unsaid?)),
            (Self::Bounded { min, max, .. }, Some(at)) => {
                let at = at.get().min(wall_ms.saturating_add(max));
                NonZeroU64::new(if min > 0 { at.max(wall_ms.saturating_add(min)) } else { at })
            }
        }
    }

    /// Holds a message to them that arrives now.
    #[cold]
    pub fn hold(self, message: &mut Message, wall_ms: u64) {
        let expires = self.expiry(message.expires_wall_ms, wall_ms);
        if expires == message.expires_wall_ms {
            return;
        }
        message.expires_wall_ms = expires;
        if message.content == Content::Here
            && let Some(body) = section::clear_expiry(&message.body)
        {
            message.body = Bytes::from(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000;

    fn lifetimes(no_expiry: bool, expiry_delay_ms: u64, min_expiry_ms: u64, max_expiry_ms: u64) -> Lifetimes {
        let defaults = AddressSettings::default();
        Lifetimes::new(&AddressSettings { no_expiry, expiry_delay_ms, min_expiry_ms, max_expiry_ms, ..defaults })
    }

    #[test]
    fn each_setting_says_what_it_says_of_messages_with_and_without_a_time() {
        // What is set, then what becomes of: none, one that is over, one of 50 ms, one of 5,000 ms.
        let cases = [
            ((false, 0, 0, 0), [None, Some(-1), Some(50), Some(5000)]),
            ((true, 7, 8, 9), [None, None, None, None]),
            ((false, 700, 0, 0), [Some(700), Some(-1), Some(50), Some(5000)]),
            ((false, 0, 100, 0), [Some(100), Some(100), Some(100), Some(5000)]),
            ((false, 0, 0, 1000), [Some(1000), Some(-1), Some(50), Some(1000)]),
            ((false, 0, 100, 1000), [Some(1000), Some(100), Some(100), Some(1000)]),
            ((false, 700, 100, 1000), [Some(700), Some(100), Some(100), Some(1000)]),
            ((false, 0, 1000, 100), [Some(100), Some(100), Some(100), Some(100)]),
        ];
        let at = |after: i64| NonZeroU64::new(NOW.saturating_add_signed(after)).expect("it is behind the epoch");
        for ((no_expiry, delay, min, max), wanted) in cases {
            let lifetimes = lifetimes(no_expiry, delay, min, max);
            let sent = [None, Some(-1), Some(50), Some(5000)].map(|after: Option<i64>| after.map(at));
            let (got, wanted) = (sent.map(|at| lifetimes.expiry(at, NOW)), wanted.map(|after| after.map(at)));
            assert_eq!(got, wanted, "{no_expiry} {delay} {min} {max}");
        }
    }

    #[test]
    fn a_time_that_is_near_the_end_of_all_times_stays_one() {
        let at = NonZeroU64::new(u64::MAX);
        assert_eq!(lifetimes(false, 1 << 40, 0, 0).expiry(None, u64::MAX), at);
        assert_eq!(lifetimes(false, 0, 1 << 40, 0).expiry(at, u64::MAX), at);
    }

    #[test]
    fn properties_name_no_other_time() {
        // Properties whose tenth field is a time; the sections behind them stay.
        let mut body = vec![0x00, 0x53, 0x73, 0xc0, 18, 9];
        body.extend([0x40; 8]);
        body.push(0x83);
        body.extend(5_000_i64.to_be_bytes());
        body.extend([0x00, 0x53, 0x75, 0xa0, 1, b'x']);
        let sent = Message { expires_wall_ms: NonZeroU64::new(NOW + 5000), ..Message::new(body.into()) };
        let mut kept = sent.clone();
        lifetimes(false, 0, 0, 9000).hold(&mut kept, NOW);
        assert_eq!(kept, sent, "what is within the bounds is not touched");
        lifetimes(true, 0, 0, 0).hold(&mut kept, NOW);
        assert_eq!((kept.expires_wall_ms, section::clear_expiry(&kept.body)), (None, None));
        assert!(kept.body.ends_with(&[0x00, 0x53, 0x75, 0xa0, 1, b'x']) && kept.body.len() < sent.body.len());
    }
}
