//! The first octets of a connection, when they are of another protocol than is spoken there: an answer in that one, or
//! to who connected what to do about it.
//!
//! Guarantees: a browser or an HTTP client on any port reads a sentence; a TLS client on a port without TLS gets an alert. What is cut
//! off within its first few octets, or is of none of these protocols, is left to the layers, which refuse it in their own way.

use super::http::Answer;
use super::{End, Layers};

/// A fatal alert, unexpected_message (RFC 8446, 6.2), as a record of its own.
const ALERT: [u8; 7] = [0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x0a];
/// How an HTTP request begins; the last one is that of HTTP/2.
const METHODS: [&[u8]; 10] =
    [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT ", b"TRACE ", b"PRI * "];

/// What is answered to a peer of another protocol, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Foreign {
    /// To be sent as it is, beside all layers.
    pub answer: Vec<u8>,
    /// For the log.
    pub why: &'static str,
}

/// Looks at the first octets of a connection; `None` when they may be those that are waited for.
pub(crate) fn recognise(end: End, first: &[u8]) -> Option<Foreign> {
    match end {
        End::Accepting(layers) => of_client(layers, first),
        // What a server says is not answered.
        End::Connecting(layers) => of_server(layers, first).map(|why| Foreign { answer: Vec::new(), why }),
    }
}

/// The first octets of a server.
fn of_server(layers: Layers, first: &[u8]) -> Option<&'static str> {
    let is_http = first.starts_with(b"HTTP/");
    // An alert, or a record of another kind.
    let is_tls = matches!(first, [0x14..=0x17, 0x03, ..]);
    let is_amqp = first.starts_with(b"AMQP");
    match layers {
        Layers::Plain if is_tls => Some("the peer speaks TLS: set transport to \"tls\" (or \"wss\")"),
        Layers::WebSocket if is_tls => Some("the peer speaks TLS: set transport to \"wss\" (or \"tls\")"),
        Layers::Plain if is_http => {
            Some("the peer speaks HTTP and not AMQP: take its port of AMQP, or set transport to \"ws\"")
        }
        Layers::Plain if is_amqp && first.len() >= 8 && !matches!(first, [_, _, _, _, 0 | 2 | 3, 1, 0, 0, ..]) => {
            Some("the peer speaks another version of AMQP than 1.0")
        }
        Layers::Tls | Layers::WebSocketOverTls if is_amqp => {
            Some("the peer speaks AMQP without TLS: take its port of TLS, or set transport to \"tcp\"")
        }
        Layers::Tls | Layers::WebSocketOverTls if is_http => {
            Some("the peer speaks HTTP without TLS: take its port of TLS")
        }
        Layers::WebSocket if is_amqp => Some("the peer speaks AMQP without WebSocket: set transport to \"tcp\""),
        _ => None,
    }
}

/// The first octets of a client.
fn of_client(layers: Layers, first: &[u8]) -> Option<Foreign> {
    let is_http = METHODS.iter().any(|method| first.starts_with(method));
    let is_tls = first.starts_with(&[0x16, 0x03]);
    let is_amqp = first.starts_with(b"AMQP");
    let in_http = |text: &str, why| {
        let mut answer = Vec::new();
        Answer::new("400 Bad Request", text).write(&mut answer);
        Some(Foreign { answer, why })
    };
    match layers {
        Layers::Plain if is_http => in_http(
            "This is a Heddle broker. This port speaks AMQP 1.0 and not HTTP: point an AMQP client at it, with amqp:// and this host and \
             port. /livez, /readyz, /state and /metrics are on the HTTP listener of the broker (http.address, 127.0.0.1:8161 by \
             default).",
            "an HTTP request on a port of AMQP",
        ),
        Layers::Tls if is_http => in_http(
            "This is a Heddle broker. This port speaks AMQP 1.0 inside TLS and not HTTP: point an AMQP client at it, with amqps:// and \
             this host and port.",
            "an HTTP request without TLS on a port of AMQP inside TLS",
        ),
        Layers::WebSocketOverTls if is_http => in_http(
            "This is a Heddle broker. This port speaks AMQP 1.0 over WebSocket inside TLS: point an AMQP client at it, with wss:// (and a \
             browser with https://) and this host and port.",
            "an HTTP request without TLS on a port of WebSocket inside TLS",
        ),
        Layers::WebSocket if is_amqp => in_http(
            "This is a Heddle broker. This port speaks AMQP 1.0 over WebSocket: point an AMQP client at it, with ws:// and this host and \
             port, or use a port of AMQP without WebSocket.",
            "AMQP without WebSocket on a port of WebSocket",
        ),
        Layers::Plain | Layers::WebSocket if is_tls => {
            Some(Foreign { answer: ALERT.to_vec(), why: "a TLS handshake on a port without TLS" })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_is_answered_in_its_own() {
        let hello = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01];
        let first: [&[u8]; 4] = [b"GET / HTTP/1.1\r\n", &hello, b"AMQP\x00\x01\x00\x00", b"rubbish"];
        for (layers, answers) in [
            (Layers::Plain, ["HTTP", "alert", "", ""]),
            (Layers::Tls, ["HTTP", "", "", ""]),
            (Layers::WebSocket, ["", "alert", "HTTP", ""]),
            (Layers::WebSocketOverTls, ["HTTP", "", "", ""]),
        ] {
            for (first, expected) in first.iter().zip(answers) {
                let answer = recognise(End::Accepting(layers), first).map(|foreign| foreign.answer).unwrap_or_default();
                match expected {
                    "alert" => assert_eq!(answer, ALERT),
                    _ => assert_eq!(
                        String::from_utf8_lossy(&answer).get(..4).unwrap_or_default(),
                        expected,
                        "{layers:?}"
                    ),
                }
            }
        }
        assert_eq!(recognise(End::Accepting(Layers::Plain), b"GE"), None);
    }

    #[test]
    fn what_a_server_speaks_says_what_to_set() {
        let alert: &[u8] = &ALERT;
        let (http, amqp): (&[u8], &[u8]) = (b"HTTP/1.1 400 Bad Request\r\n", b"AMQP\x00\x01\x00\x00");
        let (sasl, old): (&[u8], &[u8]) = (b"AMQP\x03\x01\x00\x00", b"AMQP\x00\x00\x09\x01");
        for (layers, first, said) in [
            (Layers::Plain, alert, Some("tls")),
            (Layers::Plain, http, Some("HTTP")),
            (Layers::Plain, old, Some("version")),
            (Layers::Plain, amqp, None),
            (Layers::Plain, sasl, None),
            (Layers::Plain, b"AMQ", None),
            (Layers::Plain, b"220 mail", None),
            (Layers::Tls, alert, None),
            (Layers::Tls, amqp, Some("tcp")),
            (Layers::Tls, http, Some("without TLS")),
            (Layers::WebSocketOverTls, sasl, Some("tcp")),
            (Layers::WebSocket, http, None),
            (Layers::WebSocket, amqp, Some("tcp")),
            (Layers::WebSocket, alert, Some("wss")),
        ] {
            let found = recognise(End::Connecting(layers), first);
            assert!(found.as_ref().is_none_or(|foreign| foreign.answer.is_empty()), "a server gets no answer");
            match (found, said) {
                (Some(Foreign { why, .. }), Some(said)) => assert!(why.contains(said), "{layers:?}: {why}"),
                (found, said) => assert!(found.is_none() && said.is_none(), "{layers:?} {first:?}: {found:?}"),
            }
        }
    }
}
