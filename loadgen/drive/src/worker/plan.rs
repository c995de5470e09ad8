//! Which links a worker has, and on which connections.
//!
//! Guarantees: it follows from the scenario and the worker's share alone; producers and consumers of a group are never on one connection;
//! each has at most as many producers or consumers as `connection.links` says.

use load_model::scenario::Scenario;
use load_model::worker::Share;

/// Which end of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Those that send.
    Producers,
    /// Those that receive.
    Consumers,
}

/// One connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    /// The group's place in the scenario.
    pub group: u32,
    /// Which end of it.
    pub side: Side,
    /// Their numbers in the group.
    pub numbers: Vec<u32>,
    /// Which server, by its place in `Scenario::every_server`.
    pub server: usize,
}

/// The connections of a worker: consumers first, so that nothing is sent to an address that nobody has made.
pub(crate) fn plan(scenario: &Scenario, share: Share) -> Vec<Planned> {
    let links = scenario.connection.links.max(1) as usize;
    let every = scenario.every_server();
    let mut planned = Vec::new();
    for side in [Side::Consumers, Side::Producers] {
        for (group, spec) in (0..).zip(&scenario.groups) {
            let (count, first_unit, servers) = match side {
                Side::Producers => (spec.producers, 0, scenario.servers_of_producers(spec)),
                Side::Consumers => (spec.consumers, spec.producers, scenario.servers_of_consumers(spec)),
            };
            let ours: Vec<u32> = (0..count).filter(|number| share.has(first_unit + number)).collect();
            for numbers in ours.chunks(links) {
                let turn = numbers.first().map_or(0, |&number| number as usize / links % servers.len().max(1));
                let url = servers.get(turn);
                let server = every.iter().position(|other| url.is_some_and(|url| url == other)).unwrap_or_default();
                planned.push(Planned { group, side, numbers: numbers.to_vec(), server });
            }
        }
    }
    planned
}

#[cfg(test)]
mod tests {
    use super::*;
    use load_model::scenario::{ConnectionSpec, Group};

    #[test]
    fn every_link_is_one_workers_and_connections_are_bounded() {
        let groups = vec![
            Group { producers: 7, consumers: 5, ..Group::default() },
            Group { producers: 1, consumers: 1, ..Group::default() },
        ];
        let connection = ConnectionSpec { links: 2, ..ConnectionSpec::default() };
        let scenario = Scenario { groups, connection, ..Scenario::default() };
        for workers in 1..4 {
            let all: Vec<Planned> =
                (0..workers).flat_map(|worker| plan(&scenario, Share { worker, workers })).collect();
            assert!(all.iter().all(|planned| (1..=2).contains(&planned.numbers.len())));
            for (group, side, count) in
                [(0, Side::Producers, 7), (0, Side::Consumers, 5), (1, Side::Producers, 1), (1, Side::Consumers, 1)]
            {
                let ours = all.iter().filter(|planned| (planned.group, planned.side) == (group, side));
                let mut numbers: Vec<u32> = ours.flat_map(|planned| planned.numbers.clone()).collect();
                numbers.sort_unstable();
                assert!(numbers.iter().copied().eq(0..count), "{group} {side:?} {numbers:?}");
            }
        }
    }

    #[test]
    fn producers_and_consumers_of_a_group_connect_to_their_own_servers() {
        let at = |urls: &[&str]| urls.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>();
        let through =
            Group { producers: 2, consumers: 3, consumers_at: at(&["amqp://b", "amqp://c"]), ..Group::default() };
        let scenario = Scenario { servers: at(&["amqp://a"]), groups: vec![through], ..Scenario::default() };
        let planned = plan(&scenario, Share { worker: 0, workers: 1 });
        let every = scenario.every_server();
        let servers: Vec<(Side, &str)> = planned.iter().map(|planned| (planned.side, every[planned.server])).collect();
        let (consumers, producers) = servers.split_at(3);
        let consumer = |url| (Side::Consumers, url);
        assert_eq!(consumers, [consumer("amqp://b"), consumer("amqp://c"), consumer("amqp://b")]);
        assert_eq!(producers, [(Side::Producers, "amqp://a"); 2]);
    }
}
