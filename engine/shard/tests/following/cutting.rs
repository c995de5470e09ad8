//! The end of a log is taken back: a node's to an earlier number, with what it freed since, and a follower's that has what nobody else has.

use storage_journal::{CutSearch, CutStep, Keep, Manifest, ManifestFound, ManifestTail, NoCut, Owner, Replay};

use super::*;

/// Cuts segments behind a number.
fn cut_off(segments: &mut BTreeMap<u64, Vec<u8>>, found: &ManifestFound, number: u64) -> Result<(), NoCut> {
    let mut search = CutSearch::new(found.owner, Keep::Through(number));
    segments.iter().for_each(|(&number, bytes)| search.handle_part(&SegmentPart::whole(number, bytes)));
    for step in search.finish()?.steps(found)? {
        match step {
            CutStep::Erase(from) => {
                segments.get_mut(&from.segment).expect("it stays")[from.offset as usize..].fill(0);
            }
            CutStep::RemoveSegments { last } => segments.retain(|&number, _| number <= last),
            CutStep::RemoveCheckpoints { .. } | CutStep::Decide(..) | CutStep::Settle(..) => {}
        }
    }
    Ok(())
}

/// What a node was when it rested, and the last shared number that it had used.
struct Then {
    number: u64,
    says: Says,
    held: Held,
}

fn state(directory: [u8; 16], segments: &BTreeMap<u64, Vec<u8>>) -> (Says, Held) {
    (says(recover(directory, segments).store.ledger()), held(directory, segments))
}

/// The segments that its manifest says are needed.
fn needed(node: &Node) -> BTreeMap<u64, Vec<u8>> {
    node.disk.segments().range(node.disk.manifest().first..).map(|(&number, bytes)| (number, bytes.clone())).collect()
}

#[test]
fn a_node_that_is_cut_is_what_it_was_or_is_not_cut() {
    let (mut cut, mut refused, mut wrong) = (0, 0, 0);
    for seed in 0..seeds() {
        let mut chance = Chance::new(seed);
        let mut leader = Leader::new();
        let mut past = Vec::new();
        for round in 0..40 {
            if round == 20 {
                leader.restart();
            }
            (0..30).for_each(|_| leader.act(&mut chance));
            leader.node.rest();
            let (says, held) = state(LEADER, &needed(&leader.node));
            past.push(Then { number: leader.node.store.durable().shared - 1, says, held });
        }
        let (now, found) = (needed(&leader.node), leader.node.disk.manifest_found());
        let last = past.last().map_or(0, |then| then.number);
        for Then { number, says: says_then, held: held_then } in past.iter().filter(|then| then.number < last) {
            let mut segments = now.clone();
            match cut_off(&mut segments, &found, *number) {
                Ok(()) => {
                    cut += 1;
                    let (says, held) = state(LEADER, &segments);
                    assert_eq!((&says, &held), (says_then, held_then), "seed {seed}, number {number}");
                    let Recovered { last, .. } = recover(LEADER, &segments);
                    assert_eq!(last.fact, *number, "the numbers behind it are free again");
                }
                Err(NoCut::Firm { .. }) => {
                    refused += 1;
                    let reckless = ManifestFound { tail: ManifestTail { firm: 0, ..found.tail }, ..found };
                    let mut segments = now.clone();
                    if cut_off(&mut segments, &reckless, *number).is_ok() {
                        wrong += u64::from(state(LEADER, &segments).1 != *held_then);
                    }
                }
                // It is before all that is there.
                Err(NoCut::Before { .. } | NoCut::Damaged { .. }) => refused += 1,
                Err(other) => panic!("seed {seed}, number {number}: {other:?}"),
            }
        }
    }
    assert!(cut > 10 && refused > 10 && wrong > 0, "{cut} cut, {refused} refused, {wrong} of them for a reason");
}

impl Follower {
    /// One that starts again.
    fn recovered(mut segments: BTreeMap<u64, Vec<u8>>) -> Self {
        let (mut index, mut ledger) = (Segments::new(SEGMENT as u64, 0), Ledger::new());
        let mut replay = Replay::new(0, FOLLOWER);
        for (&number, bytes) in &segments {
            let mut last = None;
            let taken = replay.handle_part(&SegmentPart::whole(number, bytes), |batch, record| {
                if last.is_none() {
                    index.handle_begun(number, batch.first);
                }
                if last.replace(batch.place) != Some(batch.place) {
                    let (block, blocks) = (batch.place.offset as usize / BLOCK, batch.bytes / BLOCK);
                    index.handle_sealed(batch.first, block as u32, blocks as u32);
                }
                ledger.apply_record(&mut index, &record).expect("it is known");
            });
            taken.expect("nothing is damaged");
            ledger.settle(&mut index);
        }
        let position = replay.position();
        begin(&mut segments, position.segment);
        index.handle_begun(position.segment, position.reach);
        let writer = Writer::new(FOLLOWER, SEGMENT, position);
        Self { writer, index, ledger, segments, own: 0 }
    }

    /// It writes for itself, as a leader does.
    fn write(&mut self, meaning: &Meaning<'_>) {
        if self.writer.room() < 2 * BLOCK {
            self.roll();
        }
        let number = self.writer.next().shared;
        let bytes = meaning.encode(Part::Shared, |header, payload| {
            self.writer.append(header, payload).expect("there is room");
            RecordHeader::bytes(payload)
        });
        self.ledger.apply(&mut self.index, number, meaning, bytes).expect("what is written can be read");
        self.ledger.settle(&mut self.index);
        self.seal();
    }

    /// Takes what another one has, from where it is on.
    fn follow(&mut self, other: &Self, chance: &mut Chance) {
        let end = other.writer.next().shared;
        while self.writer.next().shared < end {
            let next = self.writer.next().shared;
            let entries = other.index.entries(next..end, 3 * BLOCK).expect("nothing was freed").expect("it is there");
            let at = entries.place.offset as usize;
            let area = &other.segments[&entries.place.segment][at..at + entries.bytes];
            entries.parts(FOLLOWER, area, |_, part| self.take(&part, chance)).expect("it is whole");
        }
    }
}

#[test]
fn a_follower_cuts_what_its_new_leader_does_not_have() {
    let mut cut = 0;
    for seed in 0..seeds() {
        let mut chance = Chance::new(seed);
        let mut leader = Leader::new();
        let (mut ahead, mut behind) = (Follower::new(), Follower::new());
        for act in 0..500 {
            leader.act(&mut chance);
            leader.tell(&mut chance, &mut ahead);
            if act < 300 {
                behind.follow(&ahead, &mut chance);
            }
        }
        let common = behind.writer.next().shared - 1;
        let lost = ahead.writer.next().shared - 1;
        if common == lost {
            continue;
        }
        cut += 1;
        // The leader is lost, and the one behind is the new one.
        behind.writer.begin_term(1);
        let queue = behind.ledger.last_queue() + 1;
        let declared = Declared { queue, name: "elsewhere".into(), address: "elsewhere".into(), ..declared() };
        let attributes = encode_declaration(&declared);
        behind.write(&Meaning::Declared { queue, attributes: Attributes(&attributes) });
        let (numbers, properties) = (queue.to_le_bytes(), properties());
        for body in [&b"one"[..], b"two", b"three"] {
            let (queues, attributes) = (Numbers(&numbers), Attributes::default());
            behind.write(&Meaning::Message { properties, queues, attributes, body });
        }
        // The other one has other parts with these numbers, and refuses the new leader's.
        let entries = behind.index.entries(common + 1..u64::MAX, SEGMENT).expect("it is there").expect("it is there");
        let at = entries.place.offset as usize;
        let area = &behind.segments[&entries.place.segment][at..at + entries.bytes];
        let mut refused = Vec::new();
        entries.parts(FOLLOWER, area, |_, part| refused.push(ahead.writer.take_part(&part))).expect("it is whole");
        assert!(refused.iter().all(|taken| *taken == Err(NotTaken::NotDue)), "seed {seed}: {refused:?}");

        let owner = Owner { shard: 0, directory: FOLLOWER, segment_bytes: SEGMENT as u64 };
        let last = *ahead.segments.keys().next_back().expect("one was begun");
        let manifest = Manifest { first: 1, last, batch: ahead.writer.last_batch() };
        let found = ManifestFound { owner, manifest, tail: ManifestTail::default(), generation: 1, damage: None };
        let mut segments = ahead.segments;
        cut_off(&mut segments, &found, common).expect("it freed nothing");
        let mut cut = Follower::recovered(segments);
        assert_eq!(cut.writer.next().shared, common + 1, "seed {seed}: names of the tail are free again");
        cut.follow(&behind, &mut chance);
        assert_eq!(says(&cut.ledger), says(&behind.ledger), "seed {seed}");
        assert_eq!(held(FOLLOWER, &cut.segments), held(FOLLOWER, &behind.segments), "seed {seed}");
    }
    assert!(cut > 5, "{cut} had a tail");
}
