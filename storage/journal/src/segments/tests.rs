//! Segments that are emptied, freed and looked up, by hand and under steady traffic.

use super::*;

const SEGMENT: u64 = 1000;
const EVERYTHING: Reach = Reach { shared: u64::MAX, local: u64::MAX };

fn shared(shared: u64) -> Reach {
    Reach { shared, ..Reach::START }
}

#[test]
fn a_full_disk_is_emptied_as_long_as_something_left() {
    let mut journal = Segments::new(SEGMENT, 3 * SEGMENT);
    // A declaration that stays, and one large message: on average half of the segment lives when that has left.
    journal.handle_begun(1, shared(1));
    journal.handle_stored(1, 1, 20);
    journal.handle_stored(2, 1, 960);
    journal.handle_begun(2, shared(3));
    journal.handle_stored(3, 9, 900);
    assert_eq!(journal.rewrite_when_full(), None, "everything lives");
    journal.handle_released(2);
    assert_eq!(journal.rewrite(), None, "with room on the disk there is no hurry");
    assert_eq!(journal.rewrite_when_full(), Some(1));
    assert!(journal.front_fits(SEGMENT / 2 + MOVED_BYTES));
    // It is written again in the newest segment.
    journal.handle_stored(12, 1, 36);
    journal.handle_released(1);
    assert_eq!((journal.rewrite_when_full(), journal.poll_free(shared(13))), (None, Some(1)));
    assert_eq!(journal.rewrite_when_full(), None, "a journal of one segment has nothing to give");
}

#[test]
fn what_lives_among_large_messages_that_left_needs_no_more_than_its_batches() {
    let block = BLOCK as u64;
    let front = |sealed: &[(u64, u32, u32)]| {
        let mut journal = Segments::new(100 * block, 0);
        journal.handle_begun(1, shared(1));
        journal.handle_stored(1, 1, 200);
        journal.handle_stored(2, 1, 90 * BLOCK);
        sealed.iter().for_each(|&(first, at, blocks)| journal.handle_sealed(shared(first), at, blocks));
        journal.handle_begun(2, shared(3));
        journal.handle_released(2);
        journal
    };
    let apart = front(&[(1, 1, 1), (2, 2, 90)]);
    assert!(apart.front_fits(block + MOVED_BYTES) && !apart.front_fits(block));
    // In one batch with it: as much as both of them on average.
    let together = front(&[(1, 1, 91)]);
    assert!(together.front_fits(46 * block) && !together.front_fits(45 * block));
}

/// A journal of messages of 100 octets, of which some are kept for ever, under steady traffic.
#[test]
fn space_follows_what_lives() {
    let mut journal = Segments::new(SEGMENT, 3 * SEGMENT);
    let (mut segment, mut used, mut next) = (1, 0, 1);
    journal.handle_begun(segment, shared(next));
    let mut kept: VecDeque<u64> = VecDeque::new();
    let mut passing: VecDeque<u64> = VecDeque::new();
    let mut rewritten = 0;
    let mut write = |journal: &mut Segments| {
        if used == SEGMENT {
            segment += 1;
            used = 0;
            journal.handle_begun(segment, shared(next));
        }
        used += 100;
        journal.handle_stored(next, 1, 100);
        next += 1;
        next - 1
    };
    for round in 0..20_000 {
        let message = write(&mut journal);
        if round % 10 == 0 && kept.len() < 200 {
            kept.push_back(message);
        } else {
            passing.push_back(message);
        }
        if passing.len() > 50 {
            journal.handle_released(passing.pop_front().expect("there are 50"));
        }
        while journal.poll_free(EVERYTHING).is_some() {}
        while let Some(front) = journal.rewrite() {
            let end = journal.segments[1].shared.first;
            for queue in [&mut kept, &mut passing] {
                for _ in 0..queue.iter().filter(|&&message| message < end).count() {
                    let message = queue.pop_front().expect("counted");
                    assert!(journal.is_live(message));
                    let again = write(&mut journal);
                    journal.handle_released(message);
                    queue.push_back(again);
                    rewritten += 1;
                }
            }
            passing.make_contiguous().sort_unstable();
            kept.make_contiguous().sort_unstable();
            assert_eq!(journal.poll_free(EVERYTHING), Some(front));
        }
        journal.check();
        assert!(journal.bytes() <= 2 * journal.live_bytes() + 5 * SEGMENT, "round {round}: {}", journal.bytes());
    }
    assert!(rewritten < 20_000, "{rewritten} written again for 20,000 written");
}

#[test]
fn many_are_stored_at_once_as_they_are_one_by_one() {
    for (first, count) in [(0, 1), (0, 64), (5, 59), (5, 60), (63, 2), (64, 200), (3, 0), (1, 300)] {
        let (mut once, mut each) = (Segments::new(SEGMENT, 0), Segments::new(SEGMENT, 0));
        once.handle_begun(1, shared(100));
        each.handle_begun(1, shared(100));
        once.handle_stored(100 + first, count, count as usize);
        (0..u64::from(count)).for_each(|number| each.handle_stored(100 + first + number, 1, 1));
        assert!((90..700).all(|number| once.is_live(number) == each.is_live(number)), "{count} from {first}");
        assert_eq!((once.live_messages(), once.live_bytes()), (each.live_messages(), each.live_bytes()));
        once.check();
    }
}

#[test]
fn a_segment_that_is_read_or_not_yet_on_disk_stays() {
    let mut journal = Segments::new(SEGMENT, SEGMENT);
    journal.handle_begun(7, shared(1));
    journal.handle_stored(1, 2, 500);
    journal.handle_begun(8, shared(3));
    journal.handle_read(7);
    journal.handle_released(1);
    journal.handle_released(1);
    assert!(journal.is_live(2) && !journal.is_live(1));
    journal.handle_released(2);
    assert_eq!(journal.poll_free(shared(6)), None);
    journal.handle_read_done(7);
    assert_eq!(journal.poll_free(shared(2)), None, "sequence number 2 is not durable");
    assert_eq!(journal.poll_free(shared(3)), Some(7));
    assert_eq!(journal.poll_free(shared(10)), None, "the one that is written stays");
    assert!(!journal.holds(2) && journal.holds(3));
}

#[test]
fn living_batches_are_found() {
    let mut journal = Segments::new(100 * BLOCK as u64, 0);
    journal.handle_begun(1, shared(1));
    // Ten batches of ten messages, two blocks each, the sixth one with two that are local.
    for batch in 0..10 {
        journal.handle_stored(1 + batch * 10, 10, 1000);
        let local = LOCAL | (1 + 2 * u64::from(batch > 5));
        if batch == 5 {
            journal.handle_stored(local, 2, 100);
        }
        journal.handle_sealed(Reach { shared: 1 + batch * 10, local }, 1 + batch as u32 * 2, 2);
    }
    journal.handle_begun(2, Reach { shared: 101, local: LOCAL | 3 });
    (1..=100)
        .filter(|number| ![15, 16, 25, 77].contains(number))
        .chain([LOCAL | 1])
        .for_each(|number| journal.handle_released(number));
    let area = |block, blocks, next| Some(Living { segment: 1, block, blocks, next });
    assert_eq!(journal.living(0, 1 << 20), area(3, 4, 3), "neighbours are read at once");
    assert_eq!(journal.living(0, BLOCK), area(3, 2, 2), "unless that is too much");
    assert_eq!(journal.living(3, 1 << 20), area(11, 2, 6), "for the sake of a local one");
    assert_eq!(journal.living(6, 1 << 20), area(15, 2, 8));
    assert_eq!(journal.living(8, 1 << 20), None);
    let place = |block, end| Some(BatchPlace { segment: 1, block, blocks: 2, end });
    assert_eq!(journal.place_of(LOCAL | 2), place(11, LOCAL | 3));
    assert_eq!((journal.place_of(60), journal.place_of(61)), (place(11, 61), place(13, 71)));
    assert_eq!(journal.place_of(100), place(19, 101));
    assert!(journal.is_live(LOCAL | 2) && !journal.is_live(LOCAL | 1) && !journal.is_live(2));
    assert_eq!(journal.poll_free(EVERYTHING), None);
    [15, 16, 25, 77, LOCAL | 2].into_iter().for_each(|number| journal.handle_released(number));
    assert_eq!(journal.poll_free(Reach { local: LOCAL | 2, ..EVERYTHING }), None, "a local number is not durable");
    assert_eq!(journal.poll_free(Reach { shared: 101, local: LOCAL | 3 }), Some(1));
}
