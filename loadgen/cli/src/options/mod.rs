//! Options of the command line that say what load to make; they come to a `Scenario`, with or without a file.

mod connection;
mod scenario;
mod traffic;
mod written;

pub use connection::secret;
pub use scenario::ScenarioOptions;
