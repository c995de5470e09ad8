//! The head of a request, read within bounds of size and time; what follows it is nobody's concern here.

use std::io::{self, Read};

/// Largest head, bytes: those of Prometheus, probes and browsers have some hundred. Larger ones are answered with 431.
pub const HEAD_MAX: usize = 8 * 1024;
/// Header fields at most; more are answered with 431.
const FIELDS_MAX: usize = 64;

#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// What follows the path behind a question mark.
    pub query: String,
    /// The host that it names.
    pub host: Option<String>,
    /// Its credentials.
    pub authorization: Option<String>,
}

/// Why there is no request.
#[derive(Debug, PartialEq, Eq)]
pub enum NoRequest {
    /// The peer is gone, or said nothing.
    Gone,
    /// It took too long.
    Late,
    /// Its head is too large.
    Large,
    /// This is no HTTP.
    Foreign,
}

/// Reads a request.
pub fn read(stream: &mut impl Read) -> Result<Request, NoRequest> {
    let mut head = Vec::new();
    loop {
        let mut part = [0; 1024];
        match stream.read(&mut part) {
            Ok(0) => return Err(NoRequest::Gone),
            Ok(count) => head.extend_from_slice(part.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => {
                return Err(NoRequest::Late);
            }
            Err(_) => return Err(NoRequest::Gone),
        }
        if let Some(request) = parse(&head)? {
            return Ok(request);
        }
        if head.len() >= HEAD_MAX {
            return Err(NoRequest::Large);
        }
    }
}

/// The request, when its head is whole.
fn parse(head: &[u8]) -> Result<Option<Request>, NoRequest> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(NoRequest::Large),
        Err(_) => return Err(NoRequest::Foreign),
    }
    let field = |name: &str| {
        let found = parsed.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
        found.map(|field| String::from_utf8_lossy(field.value).into_owned())
    };
    let target = parsed.path.unwrap_or_default();
    // A client that takes us for a proxy names the whole address.
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| rest.get(at..).unwrap_or_default()),
        None => target,
    };
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    Ok(Some(Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        host: field("host"),
        authorization: field("authorization"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives what it has in small parts.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            let (now, later) = self.0.split_at(count);
            buffer[..count].copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    #[test]
    fn heads_are_read_however_they_are_cut() {
        let text = b"GET /state?x=1 HTTP/1.1\r\nhost: a:1\r\nAUTHORIZATION: Bearer t\r\n\r\nbody";
        for size in 1..text.len() {
            let request = read(&mut Slow(text, size)).unwrap();
            assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/state"));
            assert_eq!(request.query, "x=1");
            assert_eq!((request.host.as_deref(), request.authorization.as_deref()), (Some("a:1"), Some("Bearer t")));
        }
        assert_eq!(read(&mut &b"GET http://a:1/livez HTTP/1.0\r\n\r\n"[..]).unwrap().path, "/livez");
        for length in 0..text.len() - 5 {
            assert_eq!(read(&mut &text[..length]), Err(NoRequest::Gone), "{length}");
        }
    }

    #[test]
    fn what_is_none_ends() {
        assert_eq!(read(&mut &b"AMQP\x00\x01\x00\x00"[..]), Err(NoRequest::Foreign));
        assert_eq!(read(&mut io::repeat(b'a')), Err(NoRequest::Large));
        let fields = format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(FIELDS_MAX + 1));
        assert_eq!(read(&mut fields.as_bytes()), Err(NoRequest::Large));
    }
}
