//! How a command ends, for whoever started it: people read the sentence, programs the status.

use std::process::ExitCode;

use load_model::result::RunResult;
use load_model::verdict::Conclusion;

/// What the statuses mean, for help texts.
pub const HELP: &str = "Exit status:\n  2  options or scenario are wrong: nothing was done\n  5  messages were lost, corrupt, or came \
                        twice or out of order where they must not\n  1  it could not be run, or not to its end: the server could not be reached, or went \
                        away\n  4  not valid: the load was not the one asked for (the generator or the server was the limit), or too little was \
                        measured\n  3  a requirement does not hold\n  6  valid, but whether anything was lost is not known (--ignore-losses makes that \
                        0)\n  0  valid, and everything required holds\n  130  interrupted twice\nOf several the first.";

/// The end of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Fine,
    /// A requirement does not hold.
    Required,
    /// The figures are not those of the load that was asked for.
    Invalid,
    /// Messages were lost or came otherwise than they must.
    Faulty,
    /// It did not come to its end.
    CutOff,
    /// Whether anything was lost is not known.
    Unproven,
}

impl Exit {
    /// Of a run: what is worst counts. A server that loses messages is news even if the generator was slow, and a requirement means
    /// nothing in an invalid run.
    pub fn of(result: &RunResult) -> Self {
        match result.conclusion() {
            Conclusion::Faulty => Self::Faulty,
            Conclusion::CutOff => Self::CutOff,
            Conclusion::Invalid => Self::Invalid,
            Conclusion::NotHeld => Self::Required,
            Conclusion::Unproven => Self::Unproven,
            Conclusion::Held | Conclusion::Valid | Conclusion::Demonstration => Self::Fine,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::CutOff => 1,
            Exit::Required => 3,
            Exit::Invalid => 4,
            Exit::Faulty => 5,
            Exit::Unproven => 6,
        })
    }
}

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It was asked for something that there is not; status 2.
    #[error("{0}")]
    Usage(String),
    /// It could not; status 1.
    #[error("{0}")]
    Failed(String),
}

impl CommandError {
    /// Of an error in what was asked for.
    pub fn usage(error: impl std::fmt::Display) -> Self {
        Self::Usage(error.to_string())
    }

    /// Of an error in doing it.
    pub fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// The status of the process.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
        })
    }
}

#[cfg(test)]
mod tests {
    use load_model::collect::Collector;
    use load_model::result::{CutOff, Requirement, Side};
    use load_model::scenario::{Group, Scenario};

    use super::*;

    #[test]
    fn the_worst_of_a_run_is_its_end() {
        let scenario = Scenario { groups: vec![Group::default()], ..Scenario::default() };
        let mut result = Collector::new(&scenario, 1).finish();
        result.verdict.valid = true;
        assert_eq!(Exit::of(&result), Exit::Unproven, "no worker told what it received");
        result.scenario.ignore_losses = true;
        assert_eq!(Exit::of(&result), Exit::Fine);
        (result.scenario.ignore_losses, result.audit.incomplete) = (false, false);
        assert_eq!(Exit::of(&result), Exit::Fine);
        result.requirements = vec![Requirement { text: String::new(), found: String::new(), holds: false }];
        assert_eq!(Exit::of(&result), Exit::Required);
        result.verdict.valid = false;
        assert_eq!(Exit::of(&result), Exit::Invalid);
        result.cut_off = Some(CutOff { by: Side::Server, at_s: None, why: String::new() });
        assert_eq!(Exit::of(&result), Exit::CutOff);
        result.verdict.faults.push("3 messages are lost".to_owned());
        assert_eq!(Exit::of(&result), Exit::Faulty);
    }
}
