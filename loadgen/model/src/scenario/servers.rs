//! Which servers the links of a scenario are at: those of the scenario, unless a group says that its producers or its consumers are elsewhere.
//!
//! Guarantees: `Scenario::every_server` names each server that somebody connects to, once, and no other; what it says follows from the scenario
//! alone, so that all workers mean the same server by its place in it.

use super::{Group, Scenario};
use crate::server_url::ServerUrl;

impl Scenario {
    /// Whom the producers of a group connect to.
    pub fn servers_of_producers<'a>(&'a self, group: &'a Group) -> &'a [String] {
        if group.producers_at.is_empty() { &self.servers } else { &group.producers_at }
    }

    /// Whom its consumers connect to.
    pub fn servers_of_consumers<'a>(&'a self, group: &'a Group) -> &'a [String] {
        if group.consumers_at.is_empty() { &self.servers } else { &group.consumers_at }
    }

    /// All that somebody connects to: producers' first, group by group.
    pub fn every_server(&self) -> Vec<&str> {
        let sending = self.groups.iter().filter(|group| group.producers > 0);
        let receiving = self.groups.iter().filter(|group| group.consumers > 0);
        let lists = sending.map(|group| self.servers_of_producers(group));
        let lists = lists.chain(receiving.map(|group| self.servers_of_consumers(group)));
        let mut every: Vec<&str> = Vec::new();
        for server in lists.flatten() {
            if !every.contains(&server.as_str()) {
                every.push(server);
            }
        }
        every
    }

    /// The same without what nobody else is to know: users and passwords of URLs, and the password of all.
    pub fn without_credentials(&self) -> Self {
        let mut scenario = self.clone();
        scenario.connection.password = String::new();
        scenario.change_servers(|server| {
            let Some((scheme, rest)) = server.split_once("://") else { return };
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            // A password may contain an @ itself: what names the host is behind the last one.
            if let Some((_, host)) = authority.rsplit_once('@') {
                *server = format!("{scheme}://{host}{path}");
            }
        });
        scenario
    }

    /// Changes every URL of a server that it names.
    pub(crate) fn change_servers(&mut self, change: impl FnMut(&mut String)) {
        let groups =
            self.groups.iter_mut().flat_map(|group| group.producers_at.iter_mut().chain(&mut group.consumers_at));
        self.servers.iter_mut().chain(groups).for_each(change);
    }
}

/// Says which URL of a list is none, and what it has to be. It is told by its place: it may have a password in it.
pub(super) fn check(servers: &[String]) -> Result<(), (usize, String)> {
    let wrong = (1..).zip(servers).find_map(|(place, url)| Some((place, ServerUrl::parse(url).err()?)));
    wrong.map_or(Ok(()), |(place, error)| Err((place, error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_of_a_group_is_at_its_own_servers_or_at_those_of_all() {
        let at = |urls: &[&str]| urls.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>();
        let through = Group { consumers_at: at(&["amqp://b"]), ..Group::default() };
        let back = Group { producers_at: at(&["amqp://b", "amqp://c"]), consumers: 0, ..Group::default() };
        let mut scenario = Scenario { servers: at(&["amqp://a"]), groups: vec![through, back], ..Scenario::default() };
        let [through, back] = scenario.groups.as_slice() else { panic!("two groups") };
        assert_eq!(scenario.servers_of_producers(through), at(&["amqp://a"]));
        assert_eq!(scenario.servers_of_consumers(through), at(&["amqp://b"]));
        assert_eq!(scenario.servers_of_producers(back), at(&["amqp://b", "amqp://c"]));
        assert_eq!(scenario.every_server(), ["amqp://a", "amqp://b", "amqp://c"]);
        scenario.change_servers(|url| url.push_str(":7"));
        assert_eq!(scenario.every_server(), ["amqp://a:7", "amqp://b:7", "amqp://c:7"]);
        scenario.groups.remove(0);
        assert_eq!(scenario.every_server(), ["amqp://b:7", "amqp://c:7"], "nobody is at those of all");
    }

    #[test]
    fn a_group_s_server_that_is_none_is_told_by_its_key_and_place() {
        for (text, told) in [
            ("servers = [\"x://a\"]", "servers (--server), number 1: a server's URL is amqp://"),
            (
                "[[group]]\nconsumers_at = [\"amqp://b\", \"amqp://u:secret@b:port\"]",
                "group \"main\", consumers_at (--consumers-at), number 2: a server's URL is amqp://",
            ),
            (
                "[[group]]\nproducers_at = [\"http://b\"]",
                "group \"main\", producers_at (--producers-at), number 1: a server's URL is amqp://",
            ),
            ("[[group]]\nconsumers_at = \"amqp://b\"", "consumers_at = \"amqp://b\""),
        ] {
            let error = Scenario::parse(text).expect_err(text).to_string();
            assert!(error.contains(told) && !error.contains("secret"), "{text}: {error}");
        }
        let text = "[[group]]\nconsumers_at = [\"amqp://b\"]";
        let scenario = Scenario::parse(text).expect("it is one");
        let printed = toml::to_string(&scenario).expect("it prints");
        assert!(printed.contains("consumers_at = [\"amqp://b\"]") && !printed.contains("producers_at"), "{printed}");
        assert_eq!(Scenario::parse(&printed).expect("it is one"), scenario);
    }
}
