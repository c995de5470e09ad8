//! Tables of the figures of lanes, journals and routers.

use engine_figures::{Figure, Figures, Label, Unit, Value};
use engine_routing::RouterTotals;

use crate::mesh::LaneView;
use crate::store::StoreTotals;

type LaneLabel = Label<LaneView>;
type LaneFigure = Figure<LaneView>;

/// What is told of a lane.
pub const LANE_FIGURES: Figures<LaneView> = Figures {
    thing: "lane",
    labels: &[LaneLabel::new("peer", |lane| Value::Count(lane.peer.into())).labelled("to")],
    figures: &[
        LaneFigure::gauge("depth", "Messages in a lane.", Unit::Count, |lane| Value::Count(lane.depth as u64))
            .metric("heddle_lane_depth"),
        LaneFigure::gauge("waiting", "Messages waiting for room in a lane.", Unit::Count, |lane| {
            Value::Count(lane.waiting as u64)
        })
        .metric("heddle_lane_waiting"),
        LaneFigure::counter("sent", "Messages sent through a lane.", Unit::Count, |lane| Value::Count(lane.sent))
            .metric("heddle_lane_sent_total"),
        LaneFigure::counter("overflowed", "Messages that found a lane full.", Unit::Count, |lane| {
            Value::Count(lane.overflowed)
        })
        .metric("heddle_lane_overflowed_total"),
    ],
};

type JournalFigure = Figure<StoreTotals>;

/// What is told of a shard's journal.
pub const JOURNAL_FIGURES: Figures<StoreTotals> = Figures {
    thing: "journal",
    labels: &[],
    figures: &[
        JournalFigure::gauge("segments", "Segments of a journal that are on disk.", Unit::Count, |j| {
            Value::Count(j.segments)
        })
        .metric("heddle_journal_segments")
        .column("segments"),
        JournalFigure::gauge("journal_bytes", "Length of all segments of a journal.", Unit::Bytes, |j| {
            Value::Count(j.journal_bytes)
        })
        .metric("heddle_journal_bytes")
        .column("length"),
        JournalFigure::gauge("live_bytes", "Size of the messages in a journal that are needed.", Unit::Bytes, |j| {
            Value::Count(j.live_bytes)
        })
        .metric("heddle_journal_live_bytes")
        .column("needed"),
        JournalFigure::gauge("pending_bytes", "Octets that wait to be written.", Unit::Bytes, |j| {
            Value::Count(j.pending_bytes)
        })
        .metric("heddle_journal_pending_bytes")
        .column("waiting"),
        JournalFigure::gauge(
            "ready_bytes",
            "Octets that can be written to segments that are made.",
            Unit::Bytes,
            |j| Value::Count(j.disk.ready_bytes),
        )
        .metric("heddle_journal_ready_bytes"),
        JournalFigure::gauge("written", "Number of the last fact that is on this node's disk.", Unit::Count, |j| {
            Value::Count(j.written)
        })
        .metric("heddle_journal_written_number"),
        JournalFigure::gauge("durable", "Number of the last fact that acknowledgements rely on.", Unit::Count, |j| {
            Value::Count(j.durable)
        })
        .metric("heddle_journal_durable_number"),
        JournalFigure::counter("written_bytes", "Octets written.", Unit::Bytes, |j| Value::Count(j.written_bytes))
            .metric("heddle_journal_written_bytes_total"),
        JournalFigure::counter("body_bytes", "Octets of message bodies written.", Unit::Bytes, |j| {
            Value::Count(j.body_bytes)
        })
        .metric("heddle_journal_body_bytes_total"),
        JournalFigure::counter("read_bytes", "Octets read back.", Unit::Bytes, |j| Value::Count(j.read_bytes))
            .metric("heddle_journal_read_bytes_total"),
        JournalFigure::counter("syncs", "Batches written and synced.", Unit::Count, |j| Value::Count(j.batches))
            .metric("heddle_journal_syncs_total"),
        JournalFigure::counter("checkpoints", "Checkpoints written.", Unit::Count, |j| Value::Count(j.checkpoints))
            .metric("heddle_journal_checkpoints_total"),
        JournalFigure::counter("rewritten", "Messages written again to make room.", Unit::Count, |j| {
            Value::Count(j.rewritten)
        })
        .metric("heddle_journal_rewritten_total"),
        JournalFigure::counter("recalled", "Messages read again that came back from consumers.", Unit::Count, |j| {
            Value::Count(j.recalled)
        })
        .metric("heddle_journal_recalled_total"),
        JournalFigure::gauge("full", "Whether the disk is full.", Unit::Flag, |j| Value::Flag(j.disk.full))
            .metric("heddle_journal_disk_full")
            .column("disk full"),
        JournalFigure::counter("full_times", "Times that the disk became full.", Unit::Count, |j| {
            Value::Count(j.disk.full_times)
        })
        .metric("heddle_journal_disk_full_total")
        .column("times full"),
    ],
};

type RouterFigure = Figure<RouterTotals>;

/// What is told of a shard's part of the router. What goes to another shard counts on both.
pub const ROUTER_FIGURES: Figures<RouterTotals> = Figures {
    thing: "router",
    labels: &[],
    figures: &[
        RouterFigure::gauge("senders", "Routed links whose peers send.", Unit::Count, |r| {
            Value::Count(r.senders as u64)
        })
        .metric("heddle_router_senders")
        .column("senders"),
        RouterFigure::gauge("receivers", "Routed links whose peers receive.", Unit::Count, |r| {
            Value::Count(r.receivers as u64)
        })
        .metric("heddle_router_receivers")
        .column("receivers"),
        RouterFigure::gauge("under_way", "Deliveries that wait for credit or for their outcome.", Unit::Count, |r| {
            Value::Count(r.under_way as u64)
        })
        .metric("heddle_router_deliveries_under_way")
        .column("under way"),
        RouterFigure::gauge("bytes", "Memory of the deliveries that are under way.", Unit::Bytes, |r| {
            Value::Count(r.octets)
        })
        .metric("heddle_router_under_way_bytes")
        .column("memory"),
        RouterFigure::counter("accepted", "Deliveries whose receivers accepted.", Unit::Count, |r| {
            Value::Count(r.deliveries.accepted)
        })
        .metric("heddle_router_accepted_total")
        .column("accepted"),
        RouterFigure::counter("rejected", "Deliveries that a receiver rejected.", Unit::Count, |r| {
            Value::Count(r.deliveries.rejected)
        })
        .metric("heddle_router_rejected_total")
        .column("rejected"),
        RouterFigure::counter("released", "Deliveries that nobody took.", Unit::Count, |r| {
            Value::Count(r.deliveries.released)
        })
        .metric("heddle_router_released_total")
        .column("released"),
        RouterFigure::counter(
            "modified",
            "Deliveries that a receiver gave back, or that were with one that was lost.",
            Unit::Count,
            |r| Value::Count(r.deliveries.modified),
        )
        .metric("heddle_router_modified_total")
        .column("modified"),
        RouterFigure::counter("aborted", "Messages that their senders gave up, or lost, half-way.", Unit::Count, |r| {
            Value::Count(r.deliveries.aborted)
        })
        .metric("heddle_router_aborted_total")
        .column("aborted"),
        RouterFigure::counter("dropped", "Settled messages that nobody could be sent.", Unit::Count, |r| {
            Value::Count(r.deliveries.dropped)
        })
        .metric("heddle_router_dropped_total")
        .column("dropped"),
        RouterFigure::counter(
            "dropped_late",
            "Copies, settled or of senders that are gone, that a receiver or another core did not keep up with.",
            Unit::Count,
            |r| Value::Count(r.deliveries.dropped_late),
        )
        .metric("heddle_router_dropped_late_total")
        .column("dropped late"),
        RouterFigure::counter(
            "refused",
            "Copies that were released since they would have had to wait, and messages in parts that were given up, as memory was used up.",
            Unit::Count,
            |r| Value::Count(r.deliveries.refused),
        )
        .metric("heddle_router_refused_total")
        .column("no memory"),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_lanes_journals_and_routers_keep_the_rules() {
        LANE_FIGURES.check();
        JOURNAL_FIGURES.check();
        ROUTER_FIGURES.check();
    }
}
