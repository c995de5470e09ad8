//! The tables of `docs/monitoring.md` are made of the tables of figures: a test compares the two, and says what they should be.

use engine_core::QueueView;
use engine_figures::{Column, Figures, Kind, Unit};
use engine_shard::{JOURNAL_FIGURES, LANE_FIGURES, ROUTER_FIGURES};
use node_shell::{CONNECTOR_FIGURES, ConnectionView, LinkView};

use crate::figures;
use crate::node::{Listed, SHARD};

const BEGIN: &str = "<!-- figures: made from their tables -->\n";
const END: &str = "<!-- end of figures -->";

/// The rows of one table: `at` is where its objects are in the state.
fn rows<T>(figures: &Figures<T>, at: &str) -> String {
    let code = |text: Option<&str>| text.map_or_else(|| "–".to_owned(), |text| format!("`{text}`"));
    let row = |figure: &engine_figures::Figure<T>| {
        let column = match figure.column {
            Column::None => "–",
            Column::Value(title) | Column::Rate(title) => title,
        };
        let unit = match figure.unit {
            _ if figure.kind == Kind::Distribution => "µs; metric: histogram, seconds",
            Unit::Count => "–",
            Unit::Bytes => "octets",
            Unit::Seconds => "seconds",
            Unit::Milliseconds => "ms; metric: seconds",
            Unit::Flag => "true, false; metric: 1, 0",
        };
        let (metric, artemis) = (code(figure.metric), code(figure.artemis));
        format!("| {metric} | `{at}{}` | {column} | {artemis} | {unit} | {} |\n", figure.name, figure.help)
    };
    figures.figures.iter().map(row).collect()
}

#[test]
fn the_table_of_figures_is_documented() {
    let head =
        "| metric | in `/state` | in `status` | Artemis' attribute | unit | meaning |\n|---|---|---|---|---|---|\n";
    let made = [
        head.to_owned(),
        rows(QueueView::FIGURES, "queues[]."),
        rows(ConnectionView::FIGURES, "connections[]."),
        rows(LinkView::FIGURES, "links[]."),
        rows(SHARD, "shards[]."),
        rows(&JOURNAL_FIGURES, "shards[].journal."),
        rows(&ROUTER_FIGURES, "shards[].router."),
        rows(&LANE_FIGURES, "shards[].lanes[]."),
        rows(&CONNECTOR_FIGURES, "connectors[]."),
        rows(&figures::NODE, ""),
        rows(&figures::DISK, "disk."),
        rows(&figures::LOGINS, "logins_refused[]."),
        rows(&figures::PROCESS, "process."),
    ]
    .concat();
    let document = include_str!("../../docs/monitoring.md");
    let table = document.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map(|(table, _)| table);
    assert_eq!(table, Some(made.as_str()), "the table of docs/monitoring.md should be:\n{made}");
}
