//! Containers that want to have one connection only, against a model.

use std::collections::BTreeMap;

use super::*;
use crate::command::{ClaimSpec, SolePolicy};

const NAMES: [&str; 3] = ["", "one", "two"];

#[derive(Clone, Debug)]
enum Step {
    Open(usize, Option<SolePolicy>),
    /// A connection, by its place among those that there are.
    Move(usize),
    Lose(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let sole =
        prop_oneof![Just(None), Just(Some(SolePolicy::RefuseConnection)), Just(Some(SolePolicy::CloseExisting)),];
    prop_oneof![
        4 => (0..NAMES.len(), sole).prop_map(|(name, sole)| Step::Open(name, sole)),
        1 => (0..8_usize).prop_map(Step::Move),
        2 => (0..8_usize).prop_map(Step::Lose),
    ]
}

/// A connection of the model.
#[derive(Clone, Debug)]
struct Connection {
    name: usize,
    sole: Option<SolePolicy>,
    claim: EndKey,
}

/// A node's connections: what the owner says of them has to be what follows from those that there are.
struct Model {
    core: Core,
    connections: BTreeMap<LinkKey, Connection>,
    /// Claims that were ended.
    ended: Vec<EndKey>,
    next: u32,
}

impl Model {
    fn command(&mut self, command: Command) -> Vec<(LinkKey, Event)> {
        self.core.handle_command(1, 1, command);
        self.core.check();
        std::iter::from_fn(|| self.core.poll_event()).collect()
    }

    fn link(&mut self) -> LinkKey {
        self.next += 1;
        LinkKey { shard: 0, generation: 0, slot: self.next }
    }

    fn open(&mut self, name: usize, sole: Option<SolePolicy>) {
        let link = self.link();
        let existing: Vec<LinkKey> =
            self.connections.iter().filter(|(_, of)| of.name == name).map(|(at, _)| *at).collect();
        let theirs = existing.iter().find_map(|at| self.connections[at].sole);
        let policy = if existing.is_empty() { None } else { sole.or(theirs) };
        let spec = Box::new(ClaimSpec { container: NAMES[name].to_owned(), sole, standing: None });
        let mut events = self.command(Command::Claim { link, spec });
        if let [(asked, Event::Moved(moved))] = events.as_slice() {
            assert!(existing.contains(asked), "who is in the way is asked");
            events = self.command((**moved).clone().again().1);
        }
        let (to, answer) = events.pop().expect("an answer");
        assert_eq!(to, link);
        if policy == Some(SolePolicy::RefuseConnection) {
            let Event::Refused { refusal } = answer else { panic!("it is refused: {answer:?}") };
            assert_eq!((refusal.condition, events.len()), (Condition::InvalidField.into(), 0));
            return;
        }
        let Event::Admitted { claim, .. } = answer else { panic!("it is admitted: {answer:?}") };
        let closed = if policy == Some(SolePolicy::CloseExisting) { existing } else { Vec::new() };
        let mut told: Vec<LinkKey> = events.iter().map(|(link, _)| *link).collect();
        told.sort();
        assert_eq!(told, closed);
        assert!(events.iter().all(|(_, event)| is_locked(event)), "{events:?}");
        self.ended.extend(closed.iter().filter_map(|at| self.connections.remove(at)).map(|gone| gone.claim));
        self.connections.insert(link, Connection { name, sole, claim });
    }

    fn at(&self, place: usize) -> Option<LinkKey> {
        self.connections.keys().nth(place).copied()
    }
}

fn is_locked(event: &Event) -> bool {
    matches!(event, Event::Detached { refusal } if refusal.condition == Condition::ResourceLocked)
}

proptest! {
    #[test]
    fn a_container_that_wants_one_connection_has_one(steps in proptest::collection::vec(step(), 1..60)) {
        let core = Core::new(CoreConfig::default());
        let mut model = Model { core, connections: BTreeMap::new(), ended: Vec::new(), next: 0 };
        for step in steps {
            match step {
                Step::Open(name, sole) => model.open(name, sole),
                Step::Move(place) => {
                    let to = model.link();
                    let Some(connection) = model.at(place).and_then(|at| model.connections.remove(&at)) else { continue };
                    prop_assert_eq!(model.command(Command::MoveClaim { claim: connection.claim, link: to }), []);
                    model.connections.insert(to, connection);
                }
                Step::Lose(place) => {
                    let Some(connection) = model.at(place).and_then(|at| model.connections.remove(&at)) else { continue };
                    prop_assert_eq!(model.command(Command::DropClaim { claim: connection.claim }), []);
                    model.ended.push(connection.claim);
                }
            }
            // Whoever has lost its claim on the way is told where it is now, and drops nobody else's.
            for claim in model.ended.clone() {
                let link = model.link();
                let told = model.command(Command::MoveClaim { claim, link });
                prop_assert!(matches!(told.as_slice(), [(to, event)] if *to == link && is_locked(event)), "{:?}", told);
                prop_assert_eq!(model.command(Command::DropClaim { claim }), []);
            }
        }
    }
}

#[test]
fn whoever_has_gone_before_is_in_nobody_s_way_whichever_lane_is_longer() {
    let mut model =
        Model { core: Core::new(CoreConfig::default()), connections: BTreeMap::new(), ended: Vec::new(), next: 0 };
    let (plain, sole) = (None, Some(SolePolicy::RefuseConnection));
    model.open(1, plain);
    model.open(1, plain);
    let mut gone: Vec<EndKey> = model.connections.values().map(|connection| connection.claim).collect();
    let link = model.link();
    let spec = Box::new(ClaimSpec { container: NAMES[1].to_owned(), sole, standing: None });
    let mut events = model.command(Command::Claim { link, spec });
    // Each of their shards has said that it is gone, before it asks again.
    while let [(asked, Event::Moved(moved))] = events.as_slice() {
        let again = (**moved).clone().again().1;
        let claim = model.connections[asked].claim;
        gone.retain(|other| *other != claim);
        assert_eq!(model.command(Command::DropClaim { claim }), []);
        events = model.command(again);
    }
    assert!(matches!(events.as_slice(), [(to, Event::Admitted { .. })] if *to == link), "{events:?}");
    assert_eq!(gone, [], "both were asked");
}
