//! Records as tables of markdown: maxima with ratios, what a message costs, latencies at shares of each one's maximum.
//!
//! Figures are medians over rounds with the least and the most; ratios are those of the rounds in which both were measured. What is
//! no honest figure (a run that was the generator's limit, a rate that was not held, messages that were lost) is marked, and its
//! reason is told below.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use load_model::number;

use super::figures::{median, rate, ratio, spread, time};
use super::record::{Figures, Outcome, Record, Records};
use super::visit::Load;

/// Share of the asked rate below which a run did not hold it: Poisson arrivals of a few seconds differ by less.
const HELD: f64 = 0.97;

/// Where a scenario stands in tables: non-durable ones first, small ones first, few queues first.
pub fn order(name: &str) -> (bool, u64, bool, String) {
    let size = name.split('-').find_map(|part| part.parse::<load_model::units::Bytes>().ok());
    (name.starts_with("durable"), size.map_or(u64::MAX, |size| size.0), name.ends_with("-16q"), name.to_owned())
}

/// What is in the records, as seen by the tables.
struct View<'a> {
    records: &'a Records,
    subjects: Vec<&'a str>,
    scenarios: Vec<&'a str>,
}

impl<'a> View<'a> {
    fn new(records: &'a Records, order_of_subjects: &[String]) -> Self {
        let found: BTreeSet<&str> = records.iter().map(|record| record.key.subject.as_str()).collect();
        let place = |subject: &&str| order_of_subjects.iter().position(|name| name == subject).unwrap_or(usize::MAX);
        let mut subjects: Vec<&str> = found.into_iter().collect();
        subjects.sort_by_key(place);
        let found: BTreeSet<&str> = records.iter().map(|record| record.key.scenario.as_str()).collect();
        let mut scenarios: Vec<&str> = found.into_iter().collect();
        scenarios.sort_by_key(|name| order(name));
        Self { records, subjects, scenarios }
    }

    fn runs(&self, scenario: &'a str, load: Load, subject: &'a str) -> impl Iterator<Item = &'a Record> {
        let is_meant = move |record: &&Record| {
            record.key.scenario == scenario && record.key.load == load && record.key.subject == subject
        };
        self.records.iter().filter(is_meant)
    }

    fn figures(&self, scenario: &'a str, load: Load, subject: &'a str) -> Vec<(u32, &'a Figures)> {
        let runs = self.runs(scenario, load, subject);
        runs.filter_map(|record| Some((record.key.round, record.figures()?))).collect()
    }

    /// `!` for messages that were lost or changed, `*` for what else makes a figure doubtful.
    fn mark(&self, scenario: &'a str, load: Load, subject: &'a str) -> &'static str {
        let runs = self.figures(scenario, load, subject);
        if runs.iter().any(|(_, figures)| !figures.verdict.faults.is_empty()) {
            " !"
        } else if runs.iter().any(|(_, figures)| !doubts(figures).is_empty()) {
            " *"
        } else {
            ""
        }
    }

    /// A row of the header and the line below it.
    fn header(&self, first: &str, more: &[String]) -> String {
        let mut cells = vec![first.to_owned()];
        cells.extend(self.subjects.iter().map(|subject| (*subject).to_owned()));
        cells.extend_from_slice(more);
        format!("{}{}", row(&cells), row(&vec!["---".to_owned(); cells.len()]))
    }
}

fn row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// Why a run's figures are not what they seem.
fn doubts(figures: &Figures) -> Vec<String> {
    let mut doubts = figures.verdict.faults.clone();
    if let Some(asked) = figures.asked.filter(|asked| figures.rate < asked * HELD) {
        doubts.push(format!("{}/s of the {}/s that were asked for.", rate(figures.rate), rate(asked)));
    }
    if !figures.verdict.valid {
        doubts.extend(figures.verdict.reasons.iter().cloned());
    }
    doubts
}

/// All tables.
pub fn render(records: &Records, order_of_subjects: &[String]) -> String {
    let view = View::new(records, order_of_subjects);
    if view.subjects.is_empty() {
        return "No records.\n".to_owned();
    }
    let mut text = facts(&view);
    maxima(&view, &mut text);
    costs(&view, &mut text);
    for (durable, metric, title) in [
        (false, "receive", "Latency of non-durable messages, from when each was due to when it was received"),
        (true, "accept", "Latency of durable messages, from when each was due to when it was accepted"),
    ] {
        latencies(&view, durable, metric, title, &mut text);
    }
    remarks(&view, &mut text);
    text
}

/// Who was measured, when, and where.
fn facts(view: &View<'_>) -> String {
    let figures: Vec<&Figures> = view.records.iter().filter_map(Record::figures).collect();
    let mut text = String::new();
    let days: BTreeSet<String> = figures.iter().map(|figures| number::day(figures.started_ms)).collect();
    let rounds: BTreeSet<u32> = view.records.iter().map(|record| record.key.round).collect();
    let seconds: BTreeSet<String> = figures.iter().map(|figures| format!("{:.0}", figures.measured_s)).collect();
    let list = |values: BTreeSet<String>| values.into_iter().collect::<Vec<_>>().join(", ");
    writeln!(text, "{}; {} rounds, runs of {} s.", list(days), rounds.len(), list(seconds)).expect("text grows");
    let machines = figures.iter().map(|figures| {
        let machine = &figures.machine;
        let memory = machine.memory_bytes >> 30;
        let mut facts = vec![
            format!("{} cores of {}", machine.cores_online, machine.processor),
            format!("{memory} GiB"),
            machine.kernel.clone(),
            machine.congestion_control.clone(),
            machine.virtualization.clone(),
            figures.device.clone(),
        ];
        facts.retain(|fact| !fact.trim().is_empty());
        facts.join("; ")
    });
    // The device is known of some subjects only: the longest line says most.
    let machine = machines.max_by_key(String::len).unwrap_or_default();
    writeln!(text, "{machine}.\n").expect("text grows");
    for subject in &view.subjects {
        let record = view.records.iter().find(|record| record.key.subject == *subject);
        let (version, configuration) = record.map_or(("", ""), |record| (&record.version, &record.configuration));
        writeln!(text, "- {subject} {version}: {configuration}").expect("text grows");
    }
    text
}

fn maxima(view: &View<'_>, text: &mut String) {
    let Some((first, others)) = view.subjects.split_first() else { return };
    let ratios: Vec<String> = others.iter().map(|other| format!("{first} / {other}")).collect();
    write!(text, "\n### Maximum, messages a second\n\n{}", view.header("scenario", &ratios)).expect("text grows");
    for scenario in &view.scenarios {
        let mut cells = vec![(*scenario).to_owned()];
        for subject in &view.subjects {
            let rates = view.figures(scenario, Load::Maximum, subject).into_iter().map(|(_, figures)| figures.rate);
            let mark = view.mark(scenario, Load::Maximum, subject);
            cells.push(spread(rates.collect(), rate).map_or("-".to_owned(), |rates| format!("{rates}{mark}")));
        }
        let ours = view.figures(scenario, Load::Maximum, first);
        for other in others {
            let theirs = view.figures(scenario, Load::Maximum, other);
            let of_round = |round: u32| theirs.iter().find(|(theirs, run)| *theirs == round && run.rate > 0.0);
            let pairs = ours.iter().filter_map(|(round, ours)| Some(ours.rate / of_round(*round)?.1.rate));
            cells.push(spread(pairs.collect(), ratio).unwrap_or_else(|| "-".to_owned()));
        }
        text.push_str(&row(&cells));
    }
}

fn costs(view: &View<'_>, text: &mut String) {
    let title = "Processor time a message at the maximum, and octets written for each octet of body";
    write!(text, "\n### {title}\n\n{}", view.header("scenario", &[])).expect("text grows");
    for scenario in &view.scenarios {
        let mut cells = vec![(*scenario).to_owned()];
        for subject in &view.subjects {
            let runs = view.figures(scenario, Load::Maximum, subject);
            let usages: Vec<_> = runs.iter().filter_map(|(_, figures)| figures.usage.as_ref()).collect();
            let cpu = median(usages.iter().map(|usage| usage.cpu_us_per_message).collect()).map(time);
            let written = median(usages.iter().filter_map(|usage| usage.written_per_byte).collect());
            let written = written.filter(|_| scenario.starts_with("durable")).map(|written| format!("{written:.2}"));
            let both: Vec<String> = [cpu, written].into_iter().flatten().collect();
            cells.push(if both.is_empty() { "-".to_owned() } else { both.join("; ") });
        }
        text.push_str(&row(&cells));
    }
}

fn latencies(view: &View<'_>, durable: bool, metric: &str, title: &str, text: &mut String) {
    let is_meant = |record: &&Record| record.durable == durable && record.key.load != Load::Maximum;
    let rows: BTreeSet<_> = view
        .records
        .iter()
        .filter(is_meant)
        .map(|record| (order(&record.key.scenario), record.key.load, record.key.scenario.as_str()))
        .collect();
    if rows.is_empty() {
        return;
    }
    let header = view.header("scenario, share of its maximum", &[]);
    write!(text, "\n### {title}: rate; p50 / p99 / p99.9\n\n{header}").expect("text grows");
    for (_, load, scenario) in rows {
        let mut cells = vec![format!("{scenario}, {load}")];
        for subject in &view.subjects {
            let runs = view.figures(scenario, load, subject);
            let at = |of: fn(&load_model::result::Percentiles) -> f64| {
                median(runs.iter().filter_map(|(_, figures)| figures.latency(metric)).map(of).collect()).map(time)
            };
            let rates = median(runs.iter().map(|(_, figures)| figures.rate).collect());
            cells.push(match (rates, at(|at| at.p50), at(|at| at.p99), at(|at| at.p99_9)) {
                (Some(rates), Some(p50), Some(p99), Some(p99_9)) => {
                    format!("{}/s; {p50} / {p99} / {p99_9}{}", rate(rates), view.mark(scenario, load, subject))
                }
                _ => "-".to_owned(),
            });
        }
        text.push_str(&row(&cells));
    }
}

/// What is missing or doubtful, and why: for each cell the reasons of its first doubtful round.
fn remarks(view: &View<'_>, text: &mut String) {
    let mut cells: BTreeMap<(&str, &str, Load), Vec<String>> = BTreeMap::new();
    for record in view.records.iter() {
        let key = &record.key;
        let why = match &record.outcome {
            Outcome::Measured(figures) => doubts(figures).join(" "),
            Outcome::Failed(why) => format!("failed: {why}"),
        };
        cells.entry((&key.subject, &key.scenario, key.load)).or_default().push(why);
    }
    let mut remarks = BTreeSet::new();
    for ((subject, scenario, load), whys) in cells {
        let doubtful = whys.iter().filter(|why| !why.is_empty()).count();
        if let Some(first) = whys.iter().find(|why| !why.is_empty()) {
            let rounds = whys.len();
            remarks.insert(format!("- {subject}, {scenario}, {load}, {doubtful} of {rounds} rounds: {first}\n"));
        }
    }
    for subject in &view.subjects {
        let is_theirs = |record: &&Record| record.key.subject == *subject;
        let all_volatile = view.records.iter().filter(is_theirs).all(|record| !record.durable);
        if all_volatile && view.scenarios.iter().any(|scenario| scenario.starts_with("durable")) {
            remarks.insert(format!("- {subject}: keeps nothing; durable messages were not measured.\n"));
        }
    }
    if !remarks.is_empty() {
        text.push_str(
            "\n### What to know of them\n\n`!`: messages were lost, changed or came twice. `*`: see here.\n\n",
        );
        text.extend(remarks);
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::measured;
    use super::*;
    use load_model::result::{Percentiles, Usage};

    fn with(record: Record, change: impl FnOnce(&mut Figures)) -> Record {
        let Outcome::Measured(mut figures) = record.outcome else { panic!("it was measured") };
        change(&mut figures);
        Record { outcome: Outcome::Measured(figures), ..record }
    }

    fn at_half(subject: &str, held: f64) -> Record {
        with(measured("durable-1KiB", Load::Share(50), subject, 1, 1000.0), |figures| {
            figures.rate = 1000.0 * held;
            let (metric, count) = ("accept".to_owned(), 1);
            let (p50, p90, p99, p99_9, p99_99) = (210.0, 300.0, 1173.0, 2_100_000.0, 3e6);
            figures.percentiles =
                vec![Percentiles { metric, count, mean: 0.0, min: 0.0, p50, p90, p99, p99_9, p99_99, max: 0.0 }];
        })
    }

    #[test]
    fn tables_have_medians_ratios_of_rounds_and_reasons() {
        let folder = std::env::temp_dir().join(format!("heddle-perf-table-{}", std::process::id()));
        let mut records = Records::open(&folder).expect("an empty one");
        let rounds = [(1, 800.0, 100.0), (2, 900.0, 90.0), (3, 840.0, 105.0)];
        for (round, ours, theirs) in rounds {
            let ours = measured("volatile-100B", Load::Maximum, "heddle", round, ours * 1e3);
            let usage = Usage { cpu_us_per_message: 0.13, ..Usage::default() };
            records.add(with(ours, |figures| figures.usage = Some(usage))).expect("written");
            let theirs = measured("volatile-100B", Load::Maximum, "artemis", round, theirs * 1e3);
            let faults = if round == 2 { vec!["1 message is lost.".to_owned()] } else { Vec::new() };
            records.add(with(theirs, |figures| figures.verdict.faults = faults)).expect("written");
        }
        records.add(at_half("heddle", 1.0)).expect("written");
        records.add(at_half("artemis", 0.5)).expect("written");
        records.add(measured("volatile-100B", Load::Maximum, "router", 1, 50e3)).expect("written");
        let failed = Outcome::Failed("it ended".to_owned());
        let failed = Record { outcome: failed, ..measured("volatile-1KiB", Load::Maximum, "heddle", 1, 0.0) };
        records.add(failed).expect("written");
        let names = ["heddle", "artemis", "router"].map(str::to_owned);
        let text = render(&records, &names);
        for line in [
            "| scenario | heddle | artemis | router | heddle / artemis | heddle / router |",
            "| volatile-100B | 840 k (800 k to 900 k) | 100 k (90 k to 105 k) ! | 50 k | 8 (8 to 10) | 16 |",
            "| volatile-100B | 0.13 µs | - | - |",
            "| durable-1KiB, 50% | 1 k/s; 210 µs / 1.17 ms / 2.10 s | 500/s; 210 µs / 1.17 ms / 2.10 s * | - |",
            "- artemis, durable-1KiB, 50%, 1 of 1 rounds: 500/s of the 1 k/s that were asked for.",
            "- artemis, volatile-100B, max, 1 of 3 rounds: 1 message is lost.",
            "- heddle, volatile-1KiB, max, 1 of 1 rounds: failed: it ended",
            "- router: keeps nothing; durable messages were not measured.",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n---\n{text}");
        }
        assert!(text.starts_with("2026-11-26; 3 rounds, runs of 5 s.\n"), "{text}");
        std::fs::remove_dir_all(folder).expect("it is ours");
    }

    #[test]
    fn scenarios_stand_in_the_order_of_what_they_cost() {
        let mut names = ["durable-100B", "volatile-64KiB", "volatile-100B-16q", "volatile-1KiB", "volatile-100B"];
        names.sort_by_key(|name| order(name));
        assert_eq!(names, ["volatile-100B", "volatile-100B-16q", "volatile-1KiB", "volatile-64KiB", "durable-100B"]);
    }
}
