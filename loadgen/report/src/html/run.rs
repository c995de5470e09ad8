//! The page of one run: whether to believe it, its figures, its charts, its tables, and how to read them.

use load_model::result::RunResult;

use super::markup::Markup;
use super::page::{self, Card, Mood};
use load_model::verdict::Conclusion;

use crate::explain;
use crate::number;

mod charts;
mod guide;
mod tables;

/// The page.
pub fn run(result: &RunResult) -> String {
    let scenario = &result.scenario;
    let started =
        format!("{}, on {}, with heddle load {}", number::date(result.started_ms), result.machine.host, result.version);
    let head = page::head(
        "Load run",
        &scenario.name,
        &[&scenario.description, &format!("{}.", explain::run(result))],
        &[&explain::server(result), &started],
    );
    let groups: Vec<String> = match scenario.groups.as_slice() {
        [_] => Vec::new(),
        groups => groups.iter().map(|group| format!("{}: {}", group.name, explain::group(group))).collect(),
    };
    let content = [
        head,
        page::list(&groups),
        verdict(result),
        page::cards(&cards(result)),
        look(result),
        page::section("Latency", [charts::percentiles(result), charts::groups(result), charts::distribution(result)]),
        page::section("Over time", charts::over_time(result)),
        page::section("All figures", tables::figures(result)),
        page::section("Whether all messages came", tables::audit(result)),
        tables::outages(result),
        page::section("What was required", tables::requirements(result)),
        page::section("What it took", tables::cost(result)),
        page::section("Where and with what", tables::setting(result)),
        page::section("How to read this", [page::terms(&guide::TERMS)]),
        Markup::element(
            "footer",
            &[],
            Markup::text(
                "Latencies are counted from the moment a message was due, but for “service” and “settle”, whose names say from when. Percentiles come from histograms of all values; none is an average.",
            ),
        ),
    ];
    page::page(&format!("{} – load run", scenario.name), Markup::all(content))
}

fn verdict(result: &RunResult) -> Markup {
    let mood = match result.conclusion() {
        Conclusion::Valid | Conclusion::Held => Mood::Good,
        Conclusion::NotHeld | Conclusion::Unproven | Conclusion::Demonstration => Mood::Note,
        Conclusion::Invalid | Conclusion::CutOff | Conclusion::Faulty => Mood::Bad,
    };
    page::verdict(mood, &result.headline(), &explain::findings(result))
}

fn look(result: &RunResult) -> Markup {
    let insights = explain::insights(result);
    if insights.is_empty() {
        return Markup::default();
    }
    let content = [Markup::holding("h3", "What to look at"), page::list(&insights)];
    Markup::element("section", &[("class", "look")], Markup::all(content))
}

fn cards(result: &RunResult) -> Vec<Card> {
    let card =
        |what: &str, figure: String, beside: String| Card { what: what.to_owned(), figure, beside, mood: Mood::Good };
    let mut cards = Vec::new();
    if let Some((metric, measured)) =
        explain::primary(result).and_then(|metric| Some((metric, result.total.of(metric)?)))
    {
        let floor = explain::floor_of(result, metric);
        let beside = |us: Option<f64>| us.map(|us| format!("floor {}", number::latency(us))).unwrap_or_default();
        cards.push(card(
            &format!("{} p50", metric.name()),
            number::latency(measured.p50),
            beside(floor.map(|floor| floor.p50)),
        ));
        cards.push(card(
            &format!("{} p99", metric.name()),
            number::latency(measured.p99),
            beside(floor.map(|floor| floor.p99)),
        ));
        cards.push(card(
            &format!("{} p99.9", metric.name()),
            number::latency(measured.p99_9),
            beside(floor.map(|floor| floor.p99_9)),
        ));
    }
    let counts = &result.total.counts;
    // Without a measured time it is a quotient of nothing, and prints as not known.
    let rate = |count: u64| number::per_second(count as f64 / result.measured_s);
    let (what, came) = match (counts.received, counts.accepted) {
        (0, 0) => ("sent", counts.sent),
        (0, accepted) => ("accepted", accepted),
        (received, _) => ("received", received),
    };
    cards.push(card(&format!("Messages {what}"), rate(came), format!("{} due", rate(counts.due))));
    if let Some([cores, each]) = result.server.usage.as_ref().and_then(explain::cpu) {
        cards.push(card("Server per message", each, format!("{cores} in all")));
    }
    cards.push(audit_card(result));
    cards
}

fn audit_card(result: &RunResult) -> Card {
    let (figure, beside) = explain::lost(result);
    let mood = if explain::is_faulty(result) { Mood::Bad } else { Mood::Good };
    Card { what: "Messages lost".to_owned(), figure, beside, mood }
}
