//! What is known of a peer before it is let in, and what a step of the handshake leads to.

use amqp_codec::performative::Open;

use crate::event::{Credentials, Event};
use crate::sasl::RefusedLogin;

/// What is known of the peer before it is let in, and what it is told.
#[derive(Debug, Default)]
pub(crate) struct Login {
    /// SASL frames that came.
    pub frames: u8,
    /// The SASL mechanism that the peer chose, in its words.
    pub mechanism: Option<Box<str>>,
    pub refused: Option<RefusedLogin>,
    /// As a client: who we are.
    pub credentials: Option<Box<Credentials>>,
    /// As a client: our open, until it is sent.
    pub open: Option<Box<Open>>,
}

/// What came of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authenticated {
    /// They are right.
    Yes,
    /// They are wrong.
    No,
    /// They could not be verified now.
    Unknown,
}

/// What a step of the handshake leads to.
pub(crate) enum Handshake<'a> {
    Again,
    Event(Event<'a>),
    Stop,
}
