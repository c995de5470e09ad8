//! The frames of the SASL layer (part 5.3.3).

use crate::frame;
use engine_message::encode::{self, Compound};
use engine_message::reader::Reader;
use engine_message::value::descriptor_code;
use engine_message::{DecodeError, ErrorKind, Fields, Symbol};

const MECHANISMS: u64 = 0x40;
const INIT: u64 = 0x41;
const CHALLENGE: u64 = 0x42;
const RESPONSE: u64 = 0x43;
const OUTCOME: u64 = 0x44;

const NAMES: [(u64, &str); 5] = [
    (MECHANISMS, "amqp:sasl-mechanisms:list"),
    (INIT, "amqp:sasl-init:list"),
    (CHALLENGE, "amqp:sasl-challenge:list"),
    (RESPONSE, "amqp:sasl-response:list"),
    (OUTCOME, "amqp:sasl-outcome:list"),
];

/// How authentication ended (part 5.3.3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeCode {
    /// It succeeded.
    Ok,
    /// Wrong credentials.
    Auth,
    /// A system error.
    Sys,
    /// A system error that will stay.
    SysPerm,
    /// A system error that may pass.
    SysTemp,
}

impl OutcomeCode {
    const ALL: [Self; 5] = [Self::Ok, Self::Auth, Self::Sys, Self::SysPerm, Self::SysTemp];
}

/// Any SASL frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaslFrame<'a> {
    /// What the server offers.
    Mechanisms(Vec<Symbol>),
    /// What the client chose.
    Init {
        /// One of those that were offered, by its registered name.
        mechanism: &'a str,
        /// Its first message.
        initial_response: Option<&'a [u8]>,
        /// The host that the client wants.
        hostname: Option<&'a str>,
    },
    /// The server's next message.
    Challenge(&'a [u8]),
    /// The client's next message.
    Response(&'a [u8]),
    /// How it ended.
    Outcome {
        /// Whether, and if not, whose fault that is.
        code: OutcomeCode,
        /// The server's last message.
        additional_data: Option<&'a [u8]>,
    },
}

impl<'a> SaslFrame<'a> {
    /// Decodes a SASL frame's body.
    ///
    /// # Errors
    /// When it is not well-formed.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let descriptor = reader.descriptor()?;
        let code = descriptor_code(descriptor, &NAMES);
        let mut fields = Fields::new(reader.list()?);
        let frame = match code {
            Some(MECHANISMS) => Self::Mechanisms(fields.symbols()?),
            Some(INIT) => Self::Init {
                mechanism: fields.required("mechanism", Reader::symbol)?,
                initial_response: fields.next(Reader::binary)?,
                hostname: fields.next(Reader::string)?,
            },
            Some(CHALLENGE) => Self::Challenge(fields.required("challenge", Reader::binary)?),
            Some(RESPONSE) => Self::Response(fields.required("response", Reader::binary)?),
            Some(OUTCOME) => {
                let code = usize::from(fields.required("code", Reader::ubyte)?);
                let code = OutcomeCode::ALL.get(code).ok_or_else(|| fields.error(ErrorKind::InvalidField("code")))?;
                Self::Outcome { code: *code, additional_data: fields.next(Reader::binary)? }
            }
            other => return Err(reader.error(ErrorKind::UnknownDescriptor(other))),
        };
        Ok(frame)
    }

    /// Appends the frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        frame::sasl(out, |out| {
            let low = |code: u64| code.to_be_bytes()[7];
            match self {
                Self::Mechanisms(mechanisms) => {
                    let mut list = Compound::described(out, low(MECHANISMS));
                    // Always an array: some clients cannot read the single symbol that is allowed too.
                    list.put(|out| encode::symbol_array(out, mechanisms.iter().map(Symbol::as_str)));
                    list.finish();
                }
                Self::Init { mechanism, initial_response, hostname } => {
                    let mut list = Compound::described(out, low(INIT));
                    list.put(|out| encode::symbol(out, mechanism))
                        .put_some(*initial_response, encode::binary)
                        .put_some(*hostname, encode::string);
                    list.finish();
                }
                Self::Challenge(bytes) | Self::Response(bytes) => {
                    let code = if matches!(self, Self::Challenge(_)) { CHALLENGE } else { RESPONSE };
                    let mut list = Compound::described(out, low(code));
                    list.put(|out| encode::binary(out, bytes));
                    list.finish();
                }
                Self::Outcome { code, additional_data } => {
                    let mut list = Compound::described(out, low(OUTCOME));
                    list.put(|out| encode::ubyte(out, *code as u8)).put_some(*additional_data, encode::binary);
                    list.finish();
                }
            }
        });
    }
}
