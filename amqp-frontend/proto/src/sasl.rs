//! The SASL layer of a server: what is offered, and what a client's first message means.
//!
//! ANONYMOUS (RFC 4505) and PLAIN (RFC 4616) both need one message of the client's. A mechanism with challenges gets a
//! file of its own and a variant of [`Step`].

use std::fmt;

use engine_message::Symbol;

use crate::event::Credentials;
use crate::limits::Mechanism;

impl Mechanism {
    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "ANONYMOUS",
            Self::Plain => "PLAIN",
        }
    }
}

/// The offered mechanisms as symbols.
pub(crate) fn offered(mechanisms: &[Mechanism]) -> Vec<Symbol> {
    mechanisms.iter().map(|mechanism| mechanism.name().into()).collect()
}

/// Why a peer was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedLogin {
    /// Its name or its password is wrong.
    Credentials,
    /// The exchange failed before there were credentials: the mechanism is not offered, or a message is none.
    Exchange,
    /// Credentials could not be verified now.
    Busy,
}

/// What a client's message leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The host has to verify these.
    Verify(Credentials),
    /// The client named the mechanism alone: an empty challenge asks for its message.
    Challenge,
    /// Not offered, or not understood.
    Fail(SaslFault),
}

/// Why a SASL exchange failed before credentials were verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SaslFault {
    /// The mechanism is none of those that are offered.
    NotOffered,
    /// PLAIN's message is not what RFC 4616 says, or asks to act for another user.
    Message,
    /// More frames than an exchange has.
    TooManyFrames,
    /// A frame that is no part of an exchange.
    NoSasl,
}

impl fmt::Display for SaslFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOffered => "the listener does not offer this SASL mechanism",
            Self::Message => "the SASL message is none of this mechanism, or asks to act for another user",
            Self::TooManyFrames => "the SASL exchange has too many frames",
            Self::NoSasl => "a frame of the SASL exchange cannot be understood",
        })
    }
}

/// Takes the client's choice and its first message.
pub(crate) fn begin(mechanisms: &[Mechanism], name: &str, response: Option<&[u8]>) -> Step {
    match (mechanisms.iter().find(|mechanism| mechanism.name() == name), response) {
        (Some(Mechanism::Anonymous), _) => Step::Verify(Credentials::Anonymous),
        (Some(Mechanism::Plain), Some(response)) => plain(response),
        (Some(Mechanism::Plain), None) => Step::Challenge,
        (None, _) => Step::Fail(SaslFault::NotOffered),
    }
}

/// Takes PLAIN's message: `[authzid] NUL authcid NUL password`.
pub(crate) fn plain(response: &[u8]) -> Step {
    let mut parts = response.split(|&octet| octet == 0).map(std::str::from_utf8);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(Ok(on_behalf)), Some(Ok(user)), Some(Ok(password)), None)
            if !user.is_empty() && (on_behalf.is_empty() || on_behalf == user) =>
        {
            Step::Verify(Credentials::Plain { user: user.to_owned(), password: password.to_owned() })
        }
        _ => Step::Fail(SaslFault::Message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_messages() {
        let verify = |user: &str, password: &str| {
            Step::Verify(Credentials::Plain { user: user.into(), password: password.into() })
        };
        assert_eq!(plain(b"\0guest\0secret"), verify("guest", "secret"));
        assert_eq!(plain(b"guest\0guest\0"), verify("guest", ""));
        for wrong in [&b""[..], b"\0", b"\0\0x", b"guest", b"\0a\0b\0c", b"\0\xff\0b", b"other\0guest\0x"] {
            assert_eq!(plain(wrong), Step::Fail(SaslFault::Message), "{wrong:?}");
        }
        let other = begin(&[Mechanism::Anonymous], "PLAIN", Some(b"\0a\0b"));
        assert_eq!(other, Step::Fail(SaslFault::NotOffered));
    }
}
