//! What sections mean together: names that have to be there, roles that a mode has, attributes that exclude each other.
//!
//! Guarantee: each rule is looked at by itself, so that what one finds keeps no other from being told. Sections that are wrong by themselves
//! are left out; their names count as there.

mod addresses;
mod connections;
mod router;
mod security;

use crate::fault::Findings;
use crate::whole::Whole;

/// Tells everything that is wrong or doubtful.
pub(crate) fn check(whole: &Whole, findings: &mut Findings) {
    router::check(whole, findings);
    connections::check(whole, findings);
    addresses::check(whole, findings);
    security::check(whole, findings);
}
