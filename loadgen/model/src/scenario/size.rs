//! What sizes of bodies there may be: within the limits of a scenario, and in the order that their names say.

use super::{BODY_MAX, BODY_MIN, Size};
use crate::units::Bytes;

impl Size {
    pub(super) fn check(&self) -> Result<(), String> {
        let within = |bytes: Bytes| {
            if (BODY_MIN..=BODY_MAX).contains(&bytes.0) {
                Ok(())
            } else {
                Err(format!(
                    "{bytes} is not within {BODY_MIN} and {BODY_MAX} octets: every message carries {BODY_MIN} to be known again"
                ))
            }
        };
        match self {
            Self::Fixed(bytes) => within(*bytes),
            Self::Uniform { min, max } => {
                within(*min)?;
                within(*max)?;
                if min.0 <= max.0 { Ok(()) } else { Err("min is above max".to_owned()) }
            }
            Self::LogNormal { median, p99, max } => {
                within(*median)?;
                within(*max)?;
                let ordered = median.0 < p99.0 && p99.0 <= max.0;
                if ordered { Ok(()) } else { Err("median, p99 and max grow".to_owned()) }
            }
            Self::Mix(sizes) => {
                if sizes.is_empty()
                    || sizes.len() > 64
                    || sizes.iter().any(|one| !(one.weight > 0.0 && one.weight < 1e9))
                {
                    return Err("1 to 64 sizes, each with a weight above 0".to_owned());
                }
                sizes.iter().try_for_each(|one| within(one.size))
            }
        }
    }
}
