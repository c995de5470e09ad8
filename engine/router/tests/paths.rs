//! Paths over any topology: against naive costs, and by following them through a whole network.

use std::collections::BTreeMap;

use engine_router::RouterId;
use engine_router::limits::ROUTERS_MAX;
use engine_router::paths::{Node, Paths};
use engine_router::set::RouterIndex;
use proptest::prelude::*;

type Links = Vec<Vec<(RouterId, u32)>>;

fn id(router: usize) -> RouterId {
    // The order of ids is not that of the numbers.
    RouterId::new(&format!("r{:03}", (router * 37) % ROUTERS_MAX)).expect("an id")
}

/// The number that a router has in the tables of another one: whose own is 0.
fn index(router: usize, at: usize) -> RouterIndex {
    let number = if router == at { 0 } else { router + usize::from(router < at) };
    RouterIndex::new(number).expect("it is below the limit")
}

fn links(count: usize, edges: &[(usize, usize, u32)]) -> Links {
    let mut costs = vec![BTreeMap::new(); count];
    for &(one, other, cost) in edges {
        let (one, other) = (one % count, other % count);
        if one != other {
            costs[one].insert(id(other), cost);
            costs[other].insert(id(one), cost);
        }
    }
    costs.into_iter().map(|costs| costs.into_iter().collect()).collect()
}

fn paths(links: &Links, at: usize) -> Paths {
    let ids: Vec<RouterId> = (0..links.len()).map(id).collect();
    let node = |(router, peers)| Node { index: index(router, at), id: &ids[router], peers };
    Paths::compute(&links.iter().map(Vec::as_slice).enumerate().map(node).collect::<Vec<_>>())
}

fn number(router: &RouterId, count: usize) -> usize {
    (0..count).find(|number| id(*number) == *router).expect("it is one")
}

/// Least costs, by trying all routers as stops.
fn costs(links: &Links) -> Vec<Vec<Option<u64>>> {
    let count = links.len();
    let mut costs = vec![vec![None; count]; count];
    for (one, peers) in links.iter().enumerate() {
        costs[one][one] = Some(0);
        peers.iter().for_each(|(peer, cost)| costs[one][number(peer, count)] = Some(u64::from(*cost)));
    }
    for stop in 0..count {
        for from in 0..count {
            for to in 0..count {
                if let (Some(one), Some(other)) = (costs[from][stop], costs[stop][to]) {
                    costs[from][to] = Some(costs[from][to].map_or(one + other, |known: u64| known.min(one + other)));
                }
            }
        }
    }
    costs
}

fn router_of(number: RouterIndex, at: usize, count: usize) -> usize {
    (0..count).find(|router| index(*router, at) == number).expect("it is one")
}

/// How often each router gets a message that one sends to all.
fn copies(all: &[Paths], origin: usize) -> Vec<usize> {
    let count = all.len();
    let mut got = vec![0; count];
    let mut open = vec![origin];
    while let Some(at) = open.pop() {
        got[at] += 1;
        assert!(got.iter().sum::<usize>() <= 2 * count, "a message goes round");
        let valid = |to: usize| {
            let path = all[at].to(index(to, at))?;
            let passes = at == origin || path.valid_origins.contains(index(origin, at));
            passes.then(|| router_of(path.next_hop, at, count))
        };
        let mut hops: Vec<usize> = (0..count).filter_map(valid).collect();
        hops.sort_unstable();
        hops.dedup();
        open.extend(hops);
    }
    got
}

fn edges() -> impl Strategy<Value = (usize, Vec<(usize, usize, u32)>)> {
    // Few costs, so that many paths are equally long.
    (2..14_usize)
        .prop_flat_map(|count| (Just(count), proptest::collection::vec((0..count, 0..count, 1..4_u32), 0..3 * count)))
}

proptest! {
    #[test]
    fn costs_are_the_least_and_paths_lead_there((count, edges) in edges()) {
        let links = links(count, &edges);
        let costs = costs(&links);
        let all: Vec<Paths> = (0..count).map(|at| paths(&links, at)).collect();
        for from in 0..count {
            for to in (0..count).filter(|to| *to != from) {
                let found = all[from].to(index(to, from));
                prop_assert_eq!(found.map(|path| path.cost), costs[from][to]);
                let (mut at, mut hops) = (from, 0);
                while let Some(path) = all[at].to(index(to, at)) {
                    at = router_of(path.next_hop, at, count);
                    hops += 1;
                    prop_assert!(hops <= count, "it goes round");
                }
                prop_assert_eq!(at == to, found.is_some());
                prop_assert!(found.is_none_or(|path| path.hops <= all[from].radius()));
            }
        }
    }

    #[test]
    fn a_copied_message_reaches_each_router_once((count, edges) in edges()) {
        let links = links(count, &edges);
        let costs = costs(&links);
        let all: Vec<Paths> = (0..count).map(|at| paths(&links, at)).collect();
        for (origin, costs) in costs.iter().enumerate() {
            let wanted: Vec<usize> = costs.iter().map(|cost| usize::from(cost.is_some())).collect();
            prop_assert_eq!(copies(&all, origin), wanted);
        }
    }
}

#[test]
fn of_equal_paths_the_one_over_the_lesser_id_is_taken() {
    // A square: 0 to 3 over 1 or 2.
    let links = links(4, &[(0, 1, 1), (0, 2, 1), (1, 3, 1), (2, 3, 1)]);
    let lesser = if id(1) < id(2) { 1 } else { 2 };
    let path = *paths(&links, 0).to(index(3, 0)).expect("it is reached");
    assert_eq!((router_of(path.next_hop, 0, 4), path.cost, path.hops), (lesser, 2, 2));
    let through = *paths(&links, lesser).to(index(3, lesser)).expect("it is reached");
    assert!(through.valid_origins.contains(index(0, lesser)));
    let beside = *paths(&links, 3 - lesser).to(index(3, 3 - lesser)).expect("it is reached");
    assert!(beside.valid_origins.is_empty());
}

#[test]
fn who_tells_nothing_of_itself_is_reached_and_not_passed_through() {
    // 0 - 1 - 2, and 1 has told nothing yet.
    let mut links = links(3, &[(0, 1, 5), (1, 2, 1)]);
    links[1].clear();
    let found = paths(&links, 0);
    assert_eq!(found.to(index(1, 0)).map(|path| path.cost), Some(5));
    assert_eq!((found.to(index(2, 0)), found.radius()), (None, 1));
    // Its messages to what is behind 0 pass there: 0 - 3 is added.
    let more = self::links(4, &[(0, 1, 5), (0, 3, 1)]);
    let mut more = more;
    more[1].clear();
    assert!(paths(&more, 0).to(index(3, 0)).expect("it is reached").valid_origins.contains(index(1, 0)));
}

#[test]
fn a_full_network_is_computed() {
    let edges: Vec<_> = (0..ROUTERS_MAX).flat_map(|one| [(one, one + 1, 1), (one, one + 7, 3)]).collect();
    let found = paths(&links(ROUTERS_MAX, &edges), 0);
    assert_eq!(found.reached().count() as usize, ROUTERS_MAX - 1);
}
