//! What the end of a message is: that decides which latency is *the* latency of a load, and which rate its rate.
//!
//! A request ends with its reply, a message with its consumer, and where nobody receives, with the server's acceptance.

use crate::estimate::trend::Slope;
use crate::interval::Counts;
use crate::latency::Metric;
use crate::result::RunResult;
use crate::scenario::{Arrivals, Group, Pattern, Scenario, Settle};

impl Group {
    /// The latency from due to the end.
    pub fn outcome(&self) -> Metric {
        match self.pattern {
            Pattern::RequestReply => Metric::Round,
            Pattern::Queue | Pattern::Topic if self.consumers > 0 => Metric::Receive,
            Pattern::Queue | Pattern::Topic => Metric::Accept,
        }
    }

    /// How many of the messages counted came to their end. A topic's message ends once for each consumer, so that its acceptance
    /// has to do; one that was sent settled has none, and is done with when it is sent.
    pub fn ended(&self, counts: &Counts) -> u64 {
        match self.pattern {
            Pattern::RequestReply => counts.replies,
            Pattern::Queue if self.consumers > 0 => counts.received,
            // A selector gives it to one consumer alone.
            Pattern::Topic if self.jms.is_dealt() => counts.received,
            Pattern::Queue | Pattern::Topic if self.settle == Settle::Presettled => counts.sent,
            Pattern::Queue | Pattern::Topic => counts.accepted + counts.refused,
        }
    }
}

impl Scenario {
    /// The latency that a bare `p99` means: from due to received if a group receives, else to the reply, else to accepted.
    pub fn outcome(&self) -> Metric {
        let of_groups = || self.groups.iter().map(Group::outcome);
        let first =
            [Metric::Receive, Metric::Round].into_iter().find(|metric| of_groups().any(|of_group| of_group == *metric));
        first.unwrap_or(Metric::Accept)
    }

    /// How many messages came to their end, by the counts of each group.
    pub fn ended<'a>(&self, counts: impl Iterator<Item = &'a Counts>) -> u64 {
        self.groups.iter().zip(counts).map(|(group, counts)| group.ended(counts)).sum()
    }
}

impl Scenario {
    /// The same of counts of all groups together: exact where the groups have one pattern, and else of what the server accepted.
    pub fn ended_of_all(&self, counts: &Counts) -> u64 {
        let like_first = |group: &Group| {
            self.groups
                .first()
                .is_some_and(|first| first.pattern == group.pattern && first.outcome() == group.outcome())
        };
        match self.groups.first() {
            Some(first) if self.groups.iter().all(like_first) => first.ended(counts),
            _ => counts.accepted.max(counts.received),
        }
    }
}

/// Share of what is offered that may not come to its end: edges of the measured time, a message more or less.
const BEHIND: f64 = 0.01;
/// Growth of the backlog for each second, beside what comes to its end in one, that is nothing.
pub const BACKLOG_TOLERANCE: f64 = 0.005;

impl RunResult {
    /// Whether fewer messages came to their end than were due. Without a warm-up those on the way at the end are set aside: by Little's
    /// law as many as are due in a mean latency. Behind a warm-up that is longer than that, as many were on the way at the
    /// beginning; to set some aside then would excuse a server whose latencies grow because it is behind.
    pub fn is_behind(&self) -> bool {
        let mean_s = self.total.latencies.get(self.scenario.outcome()).map_or(0.0, |histogram| histogram.mean() / 1e9);
        let on_the_way = if self.warm_up_s > mean_s { 0.0 } else { mean_s / self.measured_s.max(1.0) };
        self.rate() < self.offered() * (1.0 - BEHIND - on_the_way)
    }

    /// Whether messages gathered, second after second.
    pub fn has_growing_backlog(&self) -> bool {
        let mut backlog = 0.0;
        let measured = self.timeline.iter().filter(|second| second.measured);
        let backlogs: Vec<f64> = measured
            .map(|second| {
                backlog += second.counts.due as f64 - self.scenario.ended_of_all(&second.counts) as f64;
                backlog
            })
            .collect();
        Slope::of(&backlogs).is_some_and(|growth| growth.low > 0.0 && growth.slope > self.rate() * BACKLOG_TOLERANCE)
    }

    /// Messages that became due in each second of the measured time: what was asked for. Of a closed loop, what was sent.
    pub fn offered(&self) -> f64 {
        self.per_second(self.total.counts.due)
    }

    /// Messages that were sent in each second of the measured time.
    pub fn sent(&self) -> f64 {
        self.per_second(self.total.counts.sent)
    }

    /// Share of the measured time for which producers that have a schedule had something due and no credit or window for it, 0 to 1;
    /// nothing where all loops are closed.
    pub fn held_back(&self) -> f64 {
        let open = self.scenario.groups.iter().filter(|group| group.arrivals != Arrivals::Closed);
        let producers: u32 = open.map(|group| group.producers).sum();
        held_back(self.total.counts.blocked_ns, producers, self.measured_s)
    }

    /// The same of the group at a place of the scenario.
    pub fn held_back_of(&self, place: usize) -> f64 {
        let Some((group, figures)) = self.scenario.groups.get(place).zip(self.groups.get(place)) else { return 0.0 };
        held_back(figures.counts.blocked_ns, group.producers, self.measured_s)
    }

    /// Messages that came to their end in each second of the measured time: what the server did.
    pub fn rate(&self) -> f64 {
        self.per_second(self.scenario.ended(self.groups.iter().map(|group| &group.counts)))
    }

    fn per_second(&self, messages: u64) -> f64 {
        if self.measured_s > 0.0 { messages as f64 / self.measured_s } else { 0.0 }
    }
}

/// Share of the time of so many producers. What a worker counts to the end of a turn may be a little more than all of it.
fn held_back(blocked_ns: u64, producers: u32, measured_s: f64) -> f64 {
    let all_s = f64::from(producers) * measured_s;
    if all_s > 0.0 { (blocked_ns as f64 / 1e9 / all_s).min(1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Jms;

    #[test]
    fn a_message_ends_where_its_pattern_says() {
        let counts = Counts { sent: 10, accepted: 8, refused: 1, received: 6, replies: 4, ..Counts::default() };
        let queue = Group::default();
        let topic = Group { pattern: Pattern::Topic, consumers: 8, ..Group::default() };
        let unheard = Group { consumers: 0, ..Group::default() };
        let settled = Group { settle: Settle::Presettled, ..unheard.clone() };
        let requests = Group { pattern: Pattern::RequestReply, ..Group::default() };
        let jms = Jms { selector: "consumer = {}".to_owned(), ..Jms::default() };
        let dealt = Group { jms, ..topic.clone() };
        let cases = [
            (&queue, Metric::Receive, 6),
            (&topic, Metric::Receive, 9),
            (&unheard, Metric::Accept, 9),
            (&settled, Metric::Accept, 10),
            (&requests, Metric::Round, 4),
            (&dealt, Metric::Receive, 6),
        ];
        for (group, metric, ended) in cases {
            assert_eq!((group.outcome(), group.ended(&counts)), (metric, ended), "{group:?}");
        }
        let of = |groups: &[&Group]| Scenario {
            groups: groups.iter().map(|group| (*group).clone()).collect(),
            ..Scenario::default()
        };
        assert_eq!(of(&[&requests, &topic]).outcome(), Metric::Receive);
        assert_eq!(of(&[&unheard, &requests]).outcome(), Metric::Round);
        assert_eq!(of(&[&unheard]).outcome(), Metric::Accept);
        assert_eq!(of(&[&queue, &unheard]).ended([&counts, &counts].into_iter()), 15);
        assert_eq!(of(&[&requests, &requests]).ended_of_all(&counts), 4);
        assert_eq!(of(&[&queue, &topic]).ended_of_all(&counts), 8);
    }

    #[test]
    fn shares_of_the_time_are_never_more_than_all_of_it() {
        let closed = Group { arrivals: Arrivals::Closed, producers: 30, name: "closed".to_owned(), ..Group::default() };
        let open = Group { producers: 2, ..Group::default() };
        let scenario = Scenario { groups: vec![open, closed], ..Scenario::default() };
        let mut run = crate::collect::Collector::new(&scenario, 1).finish();
        assert_eq!(run.held_back(), 0.0);
        run.measured_s = 10.0;
        (run.total.counts.blocked_ns, run.groups[0].counts.blocked_ns) = (5_000_000_000, 5_000_000_000);
        assert_eq!((run.held_back(), run.held_back_of(0), run.held_back_of(1)), (0.25, 0.25, 0.0));
        run.total.counts.blocked_ns = 20_140_000_000;
        assert_eq!(run.held_back(), 1.0);
    }

    #[test]
    fn a_server_is_not_excused_by_latencies_that_grow_because_it_is_behind() {
        let scenario = Scenario { groups: vec![Group::default()], ..Scenario::default() };
        let mut run = crate::collect::Collector::new(&scenario, 1).finish();
        (run.measured_s, run.warm_up_s) = (2.0, 1.0);
        (run.total.counts.due, run.total.counts.sent) = (2000, 2000);
        run.groups[0].counts.received = 1800;
        run.total.latencies.record_n(Metric::Receive, 250_000_000, 1800);
        assert!(run.is_behind());
        run.warm_up_s = 0.0;
        assert!(!run.is_behind(), "a quarter of a second's messages were on the way, and none at the beginning");
        (run.warm_up_s, run.groups[0].counts.received) = (1.0, 1990);
        assert!(!run.is_behind());
    }
}
