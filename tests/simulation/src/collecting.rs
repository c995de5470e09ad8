//! The end of a run: faults have stopped, everything that is owed comes, and when all is consumed nothing is left.

use amqp_proto::Closing;

use crate::client::Client;
use crate::kind::Choice;
use crate::model::Place;
use crate::node::SEGMENT;
use crate::role::{DEAD_LETTERS, Role, Settles, Work};
use crate::world::{MS, Mood, PEACE_NS, World};

/// Longer than a message may come behind its time, nanoseconds.
const PAUSE_NS: u64 = 5_000 * MS;
/// Credit that a collector gives at once.
const CREDIT: u32 = 200;

/// Length of a journal in which nothing lives, octets, at most: what is written, made ready and kept to serve again.
const SPACE: u64 = 9 * SEGMENT as u64;

/// Takes everything that is left, and asserts that it was all.
pub fn collect(world: &mut World) {
    answer_all(world);
    part(world);
    // Whatever has a time to live is long over.
    let end = world.schedule.now_ns() + PAUSE_NS;
    world.run_until(end, |_| false);
    if world.is_in_memory() {
        world.model.expect_priorities();
    }
    let collectors = seat_collectors(world);
    take_all(world, &collectors);
    let owed = world.model.owed(world.wall_ms());
    let told: Vec<_> = owed.iter().take(5).map(|&(message, _)| world.model.tell(message)).collect();
    assert!(owed.is_empty(), "{} messages never came: {told:#?}, {}", owed.len(), left(world));
    unsubscribe(world, &collectors);
    // Message groups that collectors have are nobody else's.
    part(world);
    sweep(world);
    part(world);
    world.declare_nothing();
    let end = world.schedule.now_ns() + PEACE_NS;
    let is_empty = world.run_until(end, |world| is_empty(world));
    assert!(is_empty, "something is left: {}", left(world));
}

/// Nobody sends any more; everybody who sent is answered, and everybody who waits for a settlement.
fn answer_all(world: &mut World) {
    world.mood = Mood::Tame;
    let end = world.schedule.now_ns() + PEACE_NS;
    let answered = world.run_until(end, |world| world.seats.iter().all(|seat| !seat.client.is_waiting()));
    let open = world.model.open();
    assert!(answered, "something is never answered, {open} messages among it: {}", left(world));
}

/// Everybody leaves in the proper way.
fn part(world: &mut World) {
    world.mood = Mood::Still;
    for seat in 0..world.seats.len() {
        if world.is_connected(seat) {
            world.close(seat);
        }
    }
    let end = world.schedule.now_ns() + PEACE_NS;
    let parted = world.run_until(end, |world| (0..world.seats.len()).all(|seat| !world.is_connected(seat)));
    assert!(parted, "a close is answered");
}

/// Consumers of everything; subscriptions are taken up by those whose they are.
fn seat_collectors(world: &mut World) -> Vec<usize> {
    let queues =
        (0..world.queues).map(|queue| Role::consumer(Place::Queue(queue), Settles::First, Choice::All)).collect();
    let mut clients = vec![Client::new(1000, queues, 4096), Client::new(1001, vec![Role::undertaker()], 4096)];
    for (number, subscription) in world.subscriptions.iter().enumerate() {
        let role = Role::consumer(Place::Subscription(number), Settles::Second, subscription.choice);
        clients.push(Client::new(number, vec![role], 4096));
    }
    join(world, clients)
}

/// Clients connect and attach their links.
fn join(world: &mut World, clients: Vec<Client>) -> Vec<usize> {
    let seats: Vec<usize> = clients.into_iter().map(|client| world.seat(client)).collect();
    seats.iter().for_each(|&seat| world.connect(seat));
    let end = world.schedule.now_ns() + PEACE_NS;
    let opened = world.run_until(end, |world| {
        seats.iter().all(|&seat| world.seats[seat].client.live.as_ref().is_some_and(|live| live.session.is_some()))
    });
    assert!(opened, "connections are opened");
    for &seat in &seats {
        for index in 0..world.seats[seat].client.roles.len() {
            let (client, mut scene) = world.scene(seat);
            client.attach(index, &mut scene);
        }
        world.speak(seat);
    }
    let end = world.schedule.now_ns() + PEACE_NS;
    let attached = world.run_until(end, |world| {
        let mut roles = seats.iter().flat_map(|&seat| &world.seats[seat].client.roles);
        roles.all(|role| role.attached().is_some())
    });
    assert!(attached, "links are attached");
    seats
}

/// Takes until a drain says that there is no more.
fn take_all(world: &mut World, seats: &[usize]) {
    loop {
        for &seat in seats {
            world.seats[seat].client.ask_for_all(CREDIT);
            world.speak(seat);
        }
        let counts = world.model.counts();
        let before = (counts.came, counts.buried);
        let end = world.schedule.now_ns() + PEACE_NS;
        let drained = world.run_until(end, |world| seats.iter().all(|&seat| !world.seats[seat].client.is_draining()));
        assert!(drained, "a drain is answered: {}", left(world));
        for &seat in seats {
            let (client, mut scene) = world.scene(seat);
            client.accept_all(&mut scene);
            world.speak(seat);
        }
        let counts = world.model.counts();
        if (counts.came, counts.buried) == before && !is_forwarding(world) {
            return;
        }
    }
}

/// Whether something is on its way to where dead letters go. What was refused there is tried again after a while.
fn is_forwarding(world: &mut World) -> bool {
    let forwards =
        |world: &World| world.node.views().iter().flat_map(|view| &view.queues).any(|queue| queue.forwarding > 0);
    let was = forwards(world);
    let end = world.schedule.now_ns() + PEACE_NS;
    let buried = |world: &World| {
        world
            .node
            .views()
            .iter()
            .flat_map(|view| &view.queues)
            .any(|queue| queue.address == DEAD_LETTERS && queue.messages > 0)
    };
    assert!(world.run_until(end, |world| !forwards(world) || buried(world)), "it comes there: {}", left(world));
    was
}

/// Subscriptions end with everything in them.
fn unsubscribe(world: &mut World, seats: &[usize]) {
    for &seat in seats {
        let client = &world.seats[seat].client;
        let is_subscription = |role: &Role| matches!(&role.work, Work::Consumer(consumer) if matches!(consumer.place, Place::Subscription(_)));
        if client.roles.iter().all(is_subscription) {
            let (client, mut scene) = world.scene(seat);
            client.detach(0, Closing::Closed, &mut scene);
            world.speak(seat);
        }
    }
    let end = world.schedule.now_ns() + 100 * MS;
    world.run_until(end, |_| false);
}

/// Takes what those left who mean harm, wherever it is.
fn sweep(world: &mut World) {
    let is_due =
        |world: &mut World| world.node.views().iter().flat_map(|view| &view.queues).all(|queue| queue.delayed == 0);
    let end = world.schedule.now_ns() + PAUSE_NS;
    assert!(world.run_until(end, is_due), "what is to come later comes: {}", left(world));
    let views = world.node.views();
    let queues = views.iter().flat_map(|view| &view.queues).filter(|queue| queue.messages > 0);
    let roles: Vec<Role> = queues.map(|queue| Role::sweeper(queue.address.clone())).collect();
    if roles.is_empty() {
        return;
    }
    let seats = join(world, vec![Client::new(2000, roles, 4096)]);
    for &seat in &seats {
        world.seats[seat].client.ask_for_all(1 << 20);
        world.speak(seat);
    }
    let end = world.schedule.now_ns() + PEACE_NS;
    let drained = world.run_until(end, |world| seats.iter().all(|&seat| !world.seats[seat].client.is_draining()));
    assert!(drained, "a drain is answered: {}", left(world));
}

/// Whether the node has nothing left.
fn is_empty(world: &World) -> bool {
    world.node.views().iter().all(|view| {
        view.memory_bytes == 0
            && view.connections == 0
            && view.links == 0
            && view.queues.iter().all(|queue| queue.messages == 0)
            && view.lanes.iter().all(|lane| lane.depth == 0 && lane.waiting == 0)
            && view.kept.is_empty()
            && view.committing == 0
            && view.journal.is_none_or(|journal| journal.journal_bytes <= SPACE)
    })
}

/// What is left, for whoever reads of a failure.
fn left(world: &World) -> String {
    let views = world.node.views().into_iter().map(|mut view| {
        view.queues.retain(|queue| queue.messages > 0);
        format!("{view:?}")
    });
    let consumers = world.seats.iter().flat_map(|seat| &seat.client.roles).filter_map(|role| match &role.work {
        Work::Consumer(consumer) if role.attached().is_some() => Some(format!(
            "{:?}: {} held, credit {}, draining {}",
            consumer.place,
            consumer.held.len(),
            consumer.credit,
            consumer.draining
        )),
        _ => None,
    });
    views.chain(consumers).collect::<Vec<_>>().join("\n")
}
