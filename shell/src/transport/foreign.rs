//! The first octets of a connection, when they are of another protocol than the listener speaks: an answer in that one.
//!
//! Guarantees: a browser or an HTTP client on any port reads a sentence; a TLS client on a port without TLS gets an alert. What is cut
//! off within its first few octets, or is of none of these protocols, is left to the layers, which refuse it in their own way.

use super::Layers;
use super::http::Answer;

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

/// Looks at the first octets of a connection; `None` when they may be those that the listener waits for.
pub(crate) fn recognise(layers: Layers, first: &[u8]) -> Option<Foreign> {
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
                let answer = recognise(layers, first).map(|foreign| foreign.answer).unwrap_or_default();
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
        assert_eq!(recognise(Layers::Plain, b"GE"), None);
    }
}
