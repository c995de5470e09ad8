//! The file of budgets, and what follows from it for what was measured.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

/// What something costs; of a message, unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cost {
    /// Instructions of the processor in user space.
    Instructions,
    /// Calls of the allocator.
    Allocations,
    /// Calls of `memcpy` and its like.
    Copies,
    /// Octets that those moved.
    CopiedBytes,
    /// System calls of the broker.
    Syscalls,
    /// Octets that the journal wrote, for each octet of body.
    WrittenPerByte,
    /// Private memory of a connection, octets.
    MemoryBytes,
}

impl Cost {
    fn name(self) -> &'static str {
        match self {
            Self::Instructions => "instructions",
            Self::Allocations => "allocations",
            Self::Copies => "copies",
            Self::CopiedBytes => "copied-bytes",
            Self::Syscalls => "syscalls",
            Self::WrittenPerByte => "written-per-byte",
            Self::MemoryBytes => "memory-bytes",
        }
    }
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    pub case: String,
    /// What is counted.
    pub cost: Cost,
    /// How much.
    pub value: f64,
}

/// The most that each case may cost.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Budgets(BTreeMap<String, BTreeMap<Cost, f64>>);

/// What a check found.
#[derive(Debug)]
pub struct Report {
    /// A line for each figure.
    pub text: String,
    /// What is exceeded or was not measured, a sentence each.
    pub faults: Vec<String>,
}

impl Budgets {
    /// Reads them; only cases whose name contains `only`.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn parse(text: &str, only: &str) -> Result<Self, String> {
        let mut budgets: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        budgets.0.retain(|case, _| case.contains(only));
        if budgets.0.is_empty() {
            return Err(format!("no case's name contains {only:?}"));
        }
        Ok(budgets)
    }

    /// Names of the cases.
    pub fn cases(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Holds figures against their budgets. A budget whose figure is missing is a fault, too: what is not measured is not kept.
    pub fn check(&self, measured: &[Measured]) -> Report {
        let mut report = Report { text: String::new(), faults: Vec::new() };
        let columns = format!("{:<34} {:<17} {:>12} {:>12}", "case", "cost", "measured", "budget");
        writeln!(report.text, "{columns}").expect("text grows");
        for (case, costs) in &self.0 {
            for (cost, budget) in costs {
                let found = measured.iter().find(|found| &found.case == case && found.cost == *cost);
                let name = cost.name();
                let Some(found) = found else {
                    writeln!(report.text, "{case:<34} {name:<17} {:>12} {budget:>12}", "missing").expect("text grows");
                    report.faults.push(format!("{case}: {name} could not be measured"));
                    continue;
                };
                let value = found.value;
                let over = value > *budget;
                let mark = if over { "  exceeded" } else { "" };
                writeln!(report.text, "{case:<34} {name:<17} {value:>12.3} {budget:>12}{mark}").expect("text grows");
                if over {
                    report.faults.push(format!("{case}: {name} is {value:.3}, and may be {budget}"));
                }
            }
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str =
        "[\"road, 100 B\"]\ninstructions = 1400\nallocations = 0\n[\"broker, idle\"]\nmemory-bytes = 8192\n";

    fn measured(case: &str, cost: Cost, value: f64) -> Measured {
        Measured { case: case.to_owned(), cost, value }
    }

    #[test]
    fn what_is_exceeded_or_missing_is_named() {
        let budgets = Budgets::parse(FILE, "").expect("budgets");
        let mut all = vec![
            measured("road, 100 B", Cost::Instructions, 1314.2),
            measured("road, 100 B", Cost::Allocations, 0.0),
            measured("broker, idle", Cost::MemoryBytes, 3891.0),
        ];
        assert_eq!(budgets.check(&all).faults, Vec::<String>::new());
        all[1].value = 0.001;
        all.pop();
        let faults = budgets.check(&all).faults;
        assert_eq!(
            faults,
            ["broker, idle: memory-bytes could not be measured", "road, 100 B: allocations is 0.001, and may be 0"]
        );
    }

    #[test]
    fn a_cost_that_there_is_not_is_refused_and_cases_can_be_chosen() {
        assert!(Budgets::parse("[a]\nspeed = 1", "").expect_err("refused").contains("speed"));
        let road = Budgets::parse(FILE, "road").expect("budgets");
        assert_eq!(road.cases().collect::<Vec<_>>(), ["road, 100 B"]);
        assert!(Budgets::parse(FILE, "nothing").is_err());
    }

    #[test]
    fn the_file_of_this_folder_is_read() {
        let text = std::fs::read_to_string("budgets.toml").expect("a file");
        let budgets = Budgets::parse(&text, "").expect("budgets");
        let known = |case: &str| case.starts_with("road, ") || super::super::broker::names().any(|name| name == case);
        assert!(budgets.cases().all(known), "a case that nobody measures");
    }
}
