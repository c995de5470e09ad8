//! The program that commands belong to: which clients it has, and what starts their threads.
//!
//! Guarantees: a scenario whose client the program has not is refused with the program that has it, before anything is loaded.
//! It parses nothing and prints nothing; commands are given it, and the load asks it.

use load_drive::RunError;
use load_drive::remote::Start;
use load_model::scenario::{Client, Scenario};

/// The program that a command is given to.
#[derive(Clone, Copy, Debug)]
pub enum Program {
    /// One that only loads, with what starts threads of each client that it has.
    Generator(Start),
    /// One that is a broker, too: `PROGRAM run` starts it. It has our own client only.
    Broker,
}

impl Program {
    /// What starts the threads of a load.
    pub fn start(self) -> Start {
        match self {
            Self::Generator(start) => start,
            Self::Broker => |scenario, shares, cores| {
                Self::Broker.check(scenario)?;
                load_drive::start_local(scenario, shares, cores)
            },
        }
    }

    /// Whether it has the client of a scenario.
    ///
    /// # Errors
    /// When it has not: with the program that does.
    pub fn check(self, scenario: &Scenario) -> Result<(), RunError> {
        match (self, scenario.client) {
            (Self::Generator(_), _) | (Self::Broker, Client::Heddle) => Ok(()),
            (Self::Broker, Client::Fe2o3) => Err(RunError::Scenario(ELSEWHERE.to_owned())),
        }
    }
}

/// Where the second client is.
const ELSEWHERE: &str = "client = \"fe2o3\" (--client): the generator's own program has this client, beside the same commands: heddle-load run \u{2026} in \
                         the place of heddle load run \u{2026}; cargo install --path loadgen/program builds it";
