//! HTTP, as far as a WebSocket port needs it: the head of a request, and answers to what does not become a WebSocket.
//!
//! Guarantees: whoever speaks HTTP gets an answer with a status and a sentence, be it a browser, a health check or a client whose
//! WebSocket is not ours; no more than `HEAD_BYTES_MAX` octets are waited for; nothing of a request comes back in an answer.

/// Octets of a request's head at most; longer: it is answered with 431. Browsers send cookies of a few KiB.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// What ends a head.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// An answer, after which the connection ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Code and reason.
    pub status: &'static str,
    /// Header fields besides those that every answer has; each with its line end.
    pub fields: &'static str,
    /// What a person reads.
    pub text: String,
}

impl Answer {
    /// An answer without fields of its own.
    pub fn new(status: &'static str, text: impl Into<String>) -> Self {
        Self { status, fields: "", text: text.into() }
    }

    /// Appends it to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.write_head(out);
        out.extend_from_slice(self.text.as_bytes());
        out.push(b'\n');
    }

    fn write_head(&self, out: &mut Vec<u8>) {
        let Self { status, fields, text } = self;
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n{fields}Connection: close\r\n\r\n",
            text.len() + 1
        );
        out.extend_from_slice(head.as_bytes());
    }
}

/// What a head asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// More of it has to come.
    Partial,
    /// A WebSocket for AMQP; the head ends here.
    Upgrade(usize),
    /// Whether the node lives: it does.
    Health(Vec<u8>),
    /// Something else: the answer, and why.
    Other(Vec<u8>, &'static str),
}

/// Reads the start of a connection, of which the first `seen` octets were read before and found to be no whole head: a peer that sends
/// single octets has each looked at once.
pub(super) fn read(bytes: &[u8], seen: usize) -> Asked {
    let other = |answer: Answer, why| {
        let mut out = Vec::new();
        answer.write(&mut out);
        Asked::Other(out, why)
    };
    let from = seen.saturating_sub(HEAD_END.len() - 1);
    let new = bytes.get(from..).unwrap_or_default();
    let Some(end) = new.windows(HEAD_END.len()).position(|octets| octets == HEAD_END).map(|at| from + at) else {
        if bytes.len() > HEAD_BYTES_MAX {
            let answer = Answer::new("431 Request Header Fields Too Large", "the head of the request is too long");
            return other(answer, "the head of the HTTP request is too long");
        }
        return Asked::Partial;
    };
    let Some(request) = bytes.get(..end).and_then(Request::parse) else {
        let text = "this is no HTTP request; the port speaks AMQP 1.0 over WebSocket";
        return other(Answer::new("400 Bad Request", text), "the HTTP request cannot be read");
    };
    match request.judge() {
        Ok(Verdict::Upgrade) => Asked::Upgrade(end + HEAD_END.len()),
        Ok(Verdict::Health(text)) => {
            let (mut out, answer) = (Vec::new(), Answer::new("200 OK", text));
            if request.method == "HEAD" {
                answer.write_head(&mut out)
            } else {
                answer.write(&mut out)
            }
            Asked::Health(out)
        }
        Err((answer, why)) if request.method == "HEAD" => {
            let mut out = Vec::new();
            answer.write_head(&mut out);
            Asked::Other(out, why)
        }
        Err((answer, why)) => other(answer, why),
    }
}

/// What becomes of a request that is answered with a success.
enum Verdict {
    Upgrade,
    Health(&'static str),
}

/// A request's head.
struct Request<'a> {
    method: &'a str,
    path: &'a str,
    version: &'a str,
    fields: Vec<(&'a str, &'a str)>,
}

impl<'a> Request<'a> {
    fn parse(head: &'a [u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, path, version) = (first.next()?, first.next()?, first.next()?);
        let fields = lines.map(|line| line.split_once(':').map(|(name, value)| (name, value.trim()))).collect();
        let is_http = !method.is_empty() && version.starts_with("HTTP/") && first.next().is_none();
        Some(Self { method, path, version, fields: Option::filter(fields, |_| is_http)? })
    }

    /// Whether one of the values of a field, which may be a list, is this one.
    fn says(&self, name: &str, value: &str) -> bool {
        let of_name = self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        of_name.flat_map(|(_, list)| list.split(',')).any(|item| item.trim().eq_ignore_ascii_case(value))
    }

    fn judge(&self) -> Result<Verdict, (Answer, &'static str)> {
        if !matches!(self.method, "GET" | "HEAD") {
            let answer =
                Answer::new("405 Method Not Allowed", "this port speaks AMQP 1.0 over WebSocket, and only answers GET");
            return Err((Answer { fields: "Allow: GET\r\n", ..answer }, "an HTTP request that is no GET"));
        }
        if !self.says("Upgrade", "websocket") {
            return self.judge_plain();
        }
        if self.method != "GET" || self.version != "HTTP/1.1" {
            let text = "a WebSocket begins with a GET of HTTP/1.1";
            return Err((Answer::new("400 Bad Request", text), "a WebSocket upgrade that is no GET of HTTP/1.1"));
        }
        if !self.says("Sec-WebSocket-Version", "13") {
            let answer = Answer::new("426 Upgrade Required", "this port speaks version 13 of WebSocket (RFC 6455)");
            let why = "a WebSocket upgrade to another version than 13";
            return Err((Answer { fields: "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n", ..answer }, why));
        }
        if !self.says("Sec-WebSocket-Protocol", "amqp") {
            let text = "this port speaks the WebSocket subprotocol amqp: name it in Sec-WebSocket-Protocol";
            return Err((Answer::new("400 Bad Request", text), "a WebSocket upgrade without the subprotocol amqp"));
        }
        Ok(Verdict::Upgrade)
    }

    /// A request of a browser, of a health check, or of somebody who looks around.
    fn judge_plain(&self) -> Result<Verdict, (Answer, &'static str)> {
        match self.path.split('?').next().unwrap_or_default() {
            "/livez" => Ok(Verdict::Health("alive")),
            // Whoever asks was accepted, and a node that stops accepts nobody.
            "/readyz" => Ok(Verdict::Health("ready")),
            _ => {
                let text = "This is a Heddle broker. This port speaks AMQP 1.0 over WebSocket (subprotocol amqp) and has no pages: point \
                            an AMQP client at it, with ws:// or wss:// and this host and port. For health checks there are /livez and \
                            /readyz here; /state and /metrics are on the HTTP listener of the broker (http.address, 127.0.0.1:8161 by \
                            default).";
                let fields = "Upgrade: websocket\r\nSec-WebSocket-Protocol: amqp\r\nSec-WebSocket-Version: 13\r\n";
                let answer = Answer { fields, ..Answer::new("426 Upgrade Required", text) };
                Err((answer, "an HTTP request that asks for no WebSocket"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(asked: Asked) -> String {
        match asked {
            Asked::Health(bytes) | Asked::Other(bytes, _) => String::from_utf8(bytes).unwrap(),
            other => panic!("{other:?} is no answer"),
        }
    }

    #[test]
    fn what_is_no_upgrade_gets_a_sentence() {
        let upgrade = "Host: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n";
        for (request, status, word) in [
            ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", "426 Upgrade Required", "AMQP client"),
            ("GET /favicon.ico HTTP/1.0\r\n\r\n", "426", "WebSocket"),
            ("GET /readyz?x=1 HTTP/1.1\r\n\r\n", "200 OK", "ready"),
            ("GET /livez HTTP/1.1\r\n\r\n", "200 OK", "alive"),
            ("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "405", "Allow: GET"),
            ("AMQP rubbish\r\n\r\n", "400", "no HTTP request"),
            ("GET / HTTP/1.1\r\nno field\r\n\r\n", "400", "no HTTP request"),
            ("\u{202e}\r\n\r\n", "400", "no HTTP request"),
            (&format!("GET / HTTP/1.1\r\n{upgrade}\r\n"), "426", "Sec-WebSocket-Version: 13"),
            (&format!("GET / HTTP/1.1\r\n{upgrade}Sec-WebSocket-Version: 13\r\n\r\n"), "400", "subprotocol amqp"),
            (&format!("GET / HTTP/1.0\r\n{upgrade}\r\n"), "400", "HTTP/1.1"),
        ] {
            let answer = said(read(request.as_bytes(), 0));
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(word), "{request}: {answer}");
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("Content-Length: {}", body.len())), "{answer}");
        }
        assert!(said(read(b"HEAD / HTTP/1.1\r\n\r\n", 0)).ends_with("\r\n\r\n"), "an answer to HEAD has no body");
        assert!(said(read(&[b'a'; HEAD_BYTES_MAX + 1], 0)).contains(" 431 "));
        let right =
            format!("GET / HTTP/1.1\r\n{upgrade}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: x, amqp\r\n\r\n");
        for seen in 0..right.len() {
            assert_eq!(read(right.as_bytes(), seen), Asked::Upgrade(right.len()), "{seen} octets came before");
        }
        assert_eq!(read(&right.as_bytes()[..right.len() - 1], 0), Asked::Partial);
    }

    proptest! {
        #[test]
        fn any_octets_are_judged(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            text in "(GET|PUT|X)? ?[ -~]{0,20}( HTTP/1.[01])?(\r\n[ -~]{0,20}){0,4}\r\n\r\n",
        ) {
            read(&bytes, 0);
            prop_assert!(read(text.as_bytes(), 0) != Asked::Partial);
        }
    }
}
