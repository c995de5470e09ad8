//! How many connections a vhost, a user of it and a host at it have.
//!
//! A count is the number of handles of an entry that are out: a connection holds one of each of its three, and whoever drops the connection,
//! on whichever shard, gives them back by that. So a count may fall at any time, and only whoever holds this makes it rise: a bound is never
//! passed, and at worst somebody is denied whose place was given back a moment later.
//!
//! Guarantee: there are at most as many entries as twice what connections hold and `COUNTS_MIN`. Entries of nobody are given up when
//! the table is full, which costs a few steps for each connection.

use core::net::IpAddr;
use std::collections::HashMap;
use std::sync::Arc;

use crate::limits::COUNTS_MIN;

/// Whose connections are counted, at a vhost by its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Whose {
    Vhost(usize),
    User(usize, Box<str>),
    Host(usize, IpAddr),
}

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Most {
    pub vhost: u32,
    pub user: u32,
    pub host: u32,
}

/// Which of the bounds is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    Vhost,
    User,
    Host,
}

/// A connection's handles. It counts until they are dropped.
#[derive(Debug)]
pub(crate) struct Seats {
    _held: [Arc<()>; 3],
}

/// All counts.
#[derive(Debug)]
pub(crate) struct Counts {
    entries: HashMap<Whose, Arc<()>>,
    /// With so many entries those of nobody are given up.
    full_at: usize,
}

impl Default for Counts {
    fn default() -> Self {
        Self { entries: HashMap::new(), full_at: COUNTS_MIN }
    }
}

impl Counts {
    /// Seats a connection, if none of the bounds is reached.
    pub fn seat(&mut self, vhost: usize, user: &str, host: IpAddr, most: Most) -> Result<Seats, Full> {
        let whose = [Whose::Vhost(vhost), Whose::User(vhost, user.into()), Whose::Host(vhost, host.to_canonical())];
        for ((whose, most), full) in
            whose.iter().zip([most.vhost, most.user, most.host]).zip([Full::Vhost, Full::User, Full::Host])
        {
            if self.count(whose) >= u64::from(most) {
                return Err(full);
            }
        }
        if self.entries.len() + whose.len() > self.full_at {
            self.entries.retain(|_, entry| Arc::strong_count(entry) > 1);
            self.full_at = COUNTS_MIN.max(2 * self.entries.len());
        }
        Ok(Seats { _held: whose.map(|whose| Arc::clone(self.entries.entry(whose).or_default())) })
    }

    fn count(&self, whose: &Whose) -> u64 {
        // One handle is the table's own.
        self.entries.get(whose).map_or(0, |entry| Arc::strong_count(entry) as u64 - 1)
    }

    /// Connections of a vhost.
    pub fn of_vhost(&self, vhost: usize) -> u64 {
        self.count(&Whose::Vhost(vhost))
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn host(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    #[test]
    fn entries_of_nobody_are_given_up() {
        let mut counts = Counts::default();
        let most = Most { vhost: 9, user: 1, host: 9 };
        let stays = counts.seat(0, "stays", host(1), most);
        for n in 0..100_000 {
            assert!(counts.seat(0, &n.to_string(), host(1), most).is_ok());
            assert!(counts.len() <= COUNTS_MIN.max(2 * 3) + 3);
        }
        assert_eq!(counts.seat(0, "stays", host(2), most).err(), Some(Full::User));
        drop(stays);
        assert!(counts.seat(0, "stays", host(2), most).is_ok());
        assert_eq!(counts.of_vhost(0), 0);
    }

    proptest! {
        #[test]
        fn counts_are_those_of_a_list(
            steps in proptest::collection::vec((0..3usize, 0..3u8, 0..3u8, any::<bool>()), 0..200), most in 0..4u32,
        ) {
            let mut counts = Counts::default();
            let bounds = Most { vhost: 2 * most, user: most, host: most };
            let mut seated: BTreeMap<usize, ((usize, u8, u8), Seats)> = BTreeMap::new();
            for (number, (vhost, user, at, leaves)) in steps.into_iter().enumerate() {
                if leaves {
                    seated.pop_first();
                    continue;
                }
                let with = |has: &dyn Fn(&(usize, u8, u8)) -> bool| {
                    seated.values().filter(|(who, _)| who.0 == vhost && has(who)).count() as u32
                };
                let is_free = with(&|_| true) < bounds.vhost
                    && with(&|who| who.1 == user) < bounds.user
                    && with(&|who| who.2 == at) < bounds.host;
                let got = counts.seat(vhost, &user.to_string(), host(at), bounds);
                prop_assert_eq!(got.is_ok(), is_free);
                if let Ok(seats) = got {
                    seated.insert(number, ((vhost, user, at), seats));
                }
            }
        }
    }
}
