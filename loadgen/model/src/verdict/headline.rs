//! What a run comes to, in a word for programs and in a line for people.
//!
//! Guarantee: the line says which statement the figures are, so that nobody takes them for another; a line that begins with `Valid` is
//! that of a valid run, one with `Not valid` or `Failed` never.

use super::words::rate;
use crate::result::{RunResult, Side, Standing};
use crate::scenario::Arrivals;

/// What a run comes to: the gravest that applies, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// Messages were lost, or not what or where they must be.
    Faulty,
    /// It is to show something, and not to measure it.
    Demonstration,
    /// The server was not to be reached or went away, or the generator could not go on.
    CutOff,
    /// Its figures are not those of the load that was asked for.
    Invalid,
    /// Something that was required does not hold.
    NotHeld,
    /// It is valid, and whether anything was lost is not known.
    Unproven,
    /// It is valid, and all that was required holds.
    Held,
    /// It is valid, and nothing was required.
    Valid,
}

/// What a line begins with when messages were.
const FAILED: &str = "Failed: not every message came, once, in order, whole";

impl RunResult {
    /// What it comes to, once it is judged.
    pub fn conclusion(&self) -> Conclusion {
        if !self.verdict.faults.is_empty() {
            Conclusion::Faulty
        } else if !self.demonstration.is_empty() {
            Conclusion::Demonstration
        } else if self.cut_off.is_some() {
            Conclusion::CutOff
        } else if !self.verdict.valid {
            Conclusion::Invalid
        } else if self.requirements.iter().any(|requirement| !requirement.holds) {
            Conclusion::NotHeld
        } else if self.audit.incomplete && !self.scenario.ignore_losses {
            Conclusion::Unproven
        } else if self.requirements.is_empty() {
            Conclusion::Valid
        } else {
            Conclusion::Held
        }
    }

    /// The same in a line, with what the figures say and what they do not.
    pub fn headline(&self) -> String {
        match self.conclusion() {
            Conclusion::Demonstration => self.demonstration.clone(),
            Conclusion::Faulty if self.verdict.valid || !self.demonstration.is_empty() => FAILED.to_owned(),
            Conclusion::Faulty => {
                format!("{FAILED}. {}", self.statement())
            }
            Conclusion::CutOff | Conclusion::Invalid => self.statement(),
            Conclusion::NotHeld => format!("{}, but not all that was required holds", self.statement()),
            Conclusion::Unproven => format!("{}, but whether anything was lost is not known", self.statement()),
            Conclusion::Held => format!("{}, and all that was required holds", self.statement()),
            Conclusion::Valid if !self.audit.not_checked.is_empty() => {
                format!("{}; losses were not looked for", self.statement())
            }
            Conclusion::Valid => self.statement(),
        }
    }

    /// Which statement the figures are.
    fn statement(&self) -> String {
        let (done, sent, asked) = (rate(self.rate()), rate(self.sent()), rate(self.offered()));
        match self.verdict.standing {
            // A result of a version that knew no standing.
            standing if standing.is_valid() != self.verdict.valid => {
                "Not valid: these figures say nothing about the server".to_owned()
            }
            Standing::Load => "Valid".to_owned(),
            Standing::Stretch => {
                format!("Valid for these {:.0} s as a whole, not as a steady state", self.measured_s)
            }
            Standing::Closed => "Valid as a rate, with latencies of a closed loop".to_owned(),
            Standing::Backlog => {
                format!("Valid as a rate, not as latencies: the server did {done} of {asked}, and the rest gathered")
            }
            Standing::Taken => format!(
                "Not valid at {asked}: the server held all but {sent} back; what holds is that it does {done} of this load"
            ),
            Standing::Late => {
                "Not valid as latencies: the generator was late by itself; what holds are the rates, and latencies as upper bounds".to_owned()
            }
            Standing::AtLeast if self.is_closed() => {
                format!("Not valid as the server's limit: it was the generator's; what holds is that the server does at least {done}")
            }
            Standing::AtLeast => format!(
                "Not valid at {asked}: the generator was the limit, and sent {sent}; what holds is that the server does at least {done}"
            ),
            Standing::CutOff => self.where_cut_off(),
            Standing::Unproven => "Not valid: there is no proof that nothing was lost".to_owned(),
            Standing::NoCredit => "Not valid: nothing was sent, the server gave no credit".to_owned(),
            Standing::Nothing => "Not valid: too little was measured".to_owned(),
        }
    }

    fn where_cut_off(&self) -> String {
        let found = self.cut_off.as_ref().map(|cut_off| (cut_off.by, cut_off.at_s));
        match found {
            Some((Side::Server, Some(at_s))) => {
                format!(
                    "Not valid: the server went away {at_s:.1} s into the run; what holds is what was seen until then"
                )
            }
            Some((Side::Server, None)) => "Not valid: the server could not be reached".to_owned(),
            Some((Side::Generator, Some(at_s))) => {
                format!("Not valid: the generator could not go on {at_s:.1} s into the run")
            }
            Some((Side::Generator, None)) | None => "Not valid: the generator could not begin".to_owned(),
        }
    }

    /// Whether nobody sends by a schedule.
    fn is_closed(&self) -> bool {
        let sending = self.scenario.groups.iter().filter(|group| group.producers > 0);
        sending.clone().count() > 0 && sending.clone().all(|group| group.arrivals == Arrivals::Closed)
    }
}
