//! Congestion control as a setting. Whether the system has it is looked at where a configuration is resolved.

use engine_catalogue::setting::{Expected, Word};
use engine_rt::{CongestionControl, congestion_controls};

/// Which congestion control connections have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Congestion(pub CongestionControl);

impl Congestion {
    /// Why connections cannot have it, if they cannot.
    pub(super) fn wrong(&self) -> Option<String> {
        let error = self.0.probe().err()?;
        let (wanted, all) = (&self.0, congestion_controls());
        Some(format!(
            "congestion_control is \"{wanted}\", which the system does not give ({error}): choose auto, system, or one of {all} \
             (sysctl net.ipv4.tcp_allowed_congestion_control)"
        ))
    }
}

impl Word for Congestion {
    const EXPECTED: Expected =
        Expected::Described("\"auto\", \"system\", or a name of 1 to 15 letters, digits and signs of - _");

    fn from_word(text: &str) -> Result<Self, String> {
        CongestionControl::parse(text).map(Self).ok_or_else(String::new)
    }

    fn word(&self) -> String {
        self.0.to_string()
    }
}
