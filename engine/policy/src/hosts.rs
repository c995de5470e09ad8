//! Hosts that users of a group may connect from (`remoteHosts`): addresses, ranges with a hyphen, names of hosts, and a star for all.
//!
//! Guarantee: an address of the one family never fits a range of the other; one of IPv4 that a socket shows as one of IPv6 is of IPv4.
//!
//! An address is a value: `core::net` has no sockets. Names are looked up by whoever reads the configuration.

use core::net::IpAddr;

use crate::limits::{ENTRIES_MAX, TEXT_OCTETS_MAX};

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// All of them.
    Any,
    /// From the first one to the last one; both are of one family.
    Range(IpAddr, IpAddr),
    /// A name that is to be looked up.
    Named(Box<str>),
}

impl Host {
    /// Reads an entry.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn new(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Some(one) = address(text) {
            return Ok(Self::Range(one, one));
        }
        // Names have hyphens, too: a range is what has an address at least at one end.
        if let Some((first, last)) = text.split_once('-') {
            match (address(first), address(last)) {
                (Some(first), Some(last)) => return range(first, last),
                (None, None) => {}
                _ => return Err("a range has an address at both ends: write `first-last`".to_owned()),
            }
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        match text.is_empty() || text.len() > TEXT_OCTETS_MAX || !text.chars().all(is_name) {
            true => Err("it is no address, no range of them and no name of a host".to_owned()),
            false => Ok(Self::Named(text.into())),
        }
    }
}

fn address(text: &str) -> Option<IpAddr> {
    text.trim().parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

fn range(first: IpAddr, last: IpAddr) -> Result<Host, String> {
    if first.is_ipv4() != last.is_ipv4() {
        return Err("a range is of one family: write one for IPv4 and one for IPv6".to_owned());
    }
    if first > last {
        return Err("the first address of a range is the smaller one: write them the other way round".to_owned());
    }
    Ok(Host::Range(first, last))
}

/// Hosts that are allowed; none at first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    ranges: Vec<(IpAddr, IpAddr)>,
    reach: Reach,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reach {
    All,
    #[default]
    Ranges,
}

impl Hosts {
    /// Adds an entry; `lookup` gives the addresses of a name.
    ///
    /// # Errors
    /// When a name has no address, or there are too many entries.
    pub fn add(&mut self, host: Host, lookup: impl FnOnce(&str) -> Vec<IpAddr>) -> Result<(), String> {
        match host {
            Host::Any => self.reach = Reach::All,
            Host::Range(first, last) => self.ranges.push((first, last)),
            Host::Named(name) => {
                let found = lookup(&name);
                if found.is_empty() {
                    return Err(format!("the host {name:?} has no address: mend the name, or write its address"));
                }
                self.ranges.extend(found.into_iter().map(|one| (one.to_canonical(), one.to_canonical())));
            }
        }
        match self.ranges.len() > ENTRIES_MAX {
            true => Err(format!("there are more than {ENTRIES_MAX} hosts: write ranges")),
            false => Ok(()),
        }
    }

    /// Whether they allow a host.
    #[must_use]
    pub fn allow(&self, host: IpAddr) -> bool {
        let host = host.to_canonical();
        let is_in =
            |&(first, last): &(IpAddr, IpAddr)| host.is_ipv4() == first.is_ipv4() && first <= host && host <= last;
        self.reach == Reach::All || self.ranges.iter().any(is_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(texts: &[&str]) -> Hosts {
        let mut hosts = Hosts::default();
        for text in texts {
            let lookup = |name: &str| if name == "a-b.example" { vec![ip("10.9.9.9"), ip("::9")] } else { vec![] };
            hosts.add(Host::new(text).expect(text), lookup).expect(text);
        }
        hosts
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn addresses_ranges_names_and_the_star() {
        for (texts, allowed, denied) in [
            (&["*"][..], &["1.2.3.4", "::1"][..], &[][..]),
            (&[], &[], &["127.0.0.1", "::1"]),
            (&["127.0.0.1"], &["127.0.0.1", "::ffff:127.0.0.1"], &["127.0.0.2", "::1"]),
            (&["10.0.0.5-10.0.1.2"], &["10.0.0.5", "10.0.0.255", "10.0.1.2"], &["10.0.0.4", "10.0.1.3", "::ffff"]),
            (&["::1-::ff", "10.1.1.1"], &["::1", "::f0", "10.1.1.1"], &["::100", "10.1.1.2"]),
            (&["a-b.example"], &["10.9.9.9", "::9"], &["10.9.9.8"]),
        ] {
            let hosts = hosts(texts);
            allowed.iter().for_each(|host| assert!(hosts.allow(ip(host)), "{texts:?} {host}"));
            denied.iter().for_each(|host| assert!(!hosts.allow(ip(host)), "{texts:?} {host}"));
        }
    }

    #[test]
    fn what_is_no_host_is_told() {
        for (text, told) in [
            ("10.0.0.9-10.0.0.1", "the other way round"),
            ("10.0.0.1-::1", "one family"),
            ("10.0.0.1-", "at both ends"),
            ("a b", "no name of a host"),
            ("", "no name of a host"),
        ] {
            assert!(Host::new(text).expect_err(text).contains(told), "{text}");
        }
        let none = Hosts::default().add(Host::Named("gone".into()), |_| Vec::new());
        assert!(none.expect_err("it has none").contains("has no address"));
    }
}
