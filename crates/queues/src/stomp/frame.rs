//! Frames of STOMP 1.2, read and written; no I/O.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;
use std::ops::Range;

/// Command and headers of a frame: ActiveMQ's own bounds are 8 KiB a line and a thousand headers.
const LARGEST_HEAD: usize = 1 << 20;

/// Headers of a message of ActiveMQ without properties, and the bytes of its head.
const USUAL_HEADERS: usize = 10;
const USUAL_HEAD: usize = 512;

/// What ActiveMQ sends at the most as it comes (`maxFrameSize`).
const LARGEST_BODY: usize = 100 << 20;

/// A frame: its command and headers, unescaped, are parts of one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    text: String,
    /// Where the command ends, which comes first.
    command: usize,
    /// In their order; of those that repeat the first counts.
    headers: Vec<Header>,
    pub(super) body: Bytes,
}

/// Where the name and the value of a header are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Header {
    name: Range<usize>,
    value: Range<usize>,
}

/// Why bytes are no frame; the connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("a frame's command and headers have more than {LARGEST_HEAD} bytes")]
    LargeHead,
    #[error("a frame's body has more than {LARGEST_BODY} bytes")]
    LargeBody,
    #[error("a frame's command or header is not UTF-8")]
    NotText,
    #[error("a header has no colon")]
    NoColon,
    #[error("a header has an escape that STOMP does not know")]
    Escape,
    #[error("content-length is no number")]
    Length,
    #[error("a body of the given length does not end with NUL")]
    NoEnd,
}

impl Frame {
    pub(super) fn new<'a>(
        command: &str,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut head = Head::new(command);
        for (name, value) in headers {
            let (name, value) = (head.add(name), head.add(value));
            head.headers.push(Header { name, value });
        }
        head.frame()
    }

    pub(super) fn command(&self) -> &str {
        self.part(0..self.command)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers();
        headers
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// Names and values.
    pub(super) fn headers(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        let headers = self.headers.iter();
        headers.map(|Header { name, value }| (self.part(name.clone()), self.part(value.clone())))
    }

    /// The bytes of all that stands before the body, about.
    pub(super) fn head_len(&self) -> usize {
        self.text.len()
    }

    /// Ranges are always of whole texts.
    fn part(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    /// The bytes of a frame without a body. Frames that sign in are not escaped, as the protocol asks.
    pub(super) fn encode(&self) -> Vec<u8> {
        let is_escaped = !matches!(self.command(), "CONNECT" | "CONNECTED");
        let mut text = format!("{}\n", self.command());
        for Header { name, value } in &self.headers {
            for (part, end) in [(name, ':'), (value, '\n')] {
                let part = self.part(part.clone());
                if is_escaped {
                    escape(part, &mut text);
                } else {
                    text.push_str(part);
                }
                text.push(end);
            }
        }
        text.push_str("\n\0");
        text.into_bytes()
    }
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            ':' => out.push_str("\\c"),
            c => out.push(c),
        }
    }
}

/// The head of a frame being put together.
struct Head {
    text: String,
    command: usize,
    headers: Vec<Header>,
}

impl Head {
    fn new(command: &str) -> Self {
        Head {
            text: command.to_owned(),
            command: command.len(),
            headers: Vec::new(),
        }
    }

    fn add(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    /// Takes a header as it came, with its colon there.
    fn read(&mut self, header: &str, colon: usize, is_escaped: bool) -> Result<(), FrameError> {
        let (name, value) = (&header[..colon], &header[colon + 1..]);
        let header = if is_escaped && memchr(b'\\', header.as_bytes()).is_some() {
            Header {
                name: self.unescape(name)?,
                value: self.unescape(value)?,
            }
        } else {
            Header {
                name: self.add(name),
                value: self.add(value),
            }
        };
        self.headers.push(header);
        Ok(())
    }

    fn unescape(&mut self, text: &str) -> Result<Range<usize>, FrameError> {
        let start = self.text.len();
        let mut rest = text;
        while let Some((plain, escaped)) = rest.split_once('\\') {
            self.text.push_str(plain);
            self.text.push(match escaped.as_bytes().first() {
                Some(b'\\') => '\\',
                Some(b'n') => '\n',
                Some(b'r') => '\r',
                Some(b'c') => ':',
                _ => return Err(FrameError::Escape),
            });
            rest = &escaped[1..];
        }
        self.text.push_str(rest);
        Ok(start..self.text.len())
    }

    fn frame(self) -> Frame {
        Frame {
            text: self.text,
            command: self.command,
            headers: self.headers,
            body: Bytes::new(),
        }
    }
}

/// Takes the next frame off the buffer if it is there as a whole. Line ends between frames, which are heartbeats, go.
pub(super) fn next(buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
    let beats = buffer
        .iter()
        .take_while(|byte| matches!(byte, b'\n' | b'\r'));
    buffer.advance(beats.count());
    let head = read_head(buffer)?;
    if head.as_ref().map_or(buffer.len(), |(_, length)| *length) > LARGEST_HEAD {
        return Err(FrameError::LargeHead);
    }
    let Some((mut frame, head)) = head else {
        return Ok(None);
    };
    let length = frame.header("content-length").map(str::parse::<usize>);
    let length = length.transpose().map_err(|_| FrameError::Length)?;
    let body = &buffer[head..];
    let length = match length {
        Some(length) if length > LARGEST_BODY => return Err(FrameError::LargeBody),
        Some(length) => match body.get(length) {
            None => return Ok(None),
            Some(0) => length,
            Some(_) => return Err(FrameError::NoEnd),
        },
        None => match memchr(0, body) {
            None if body.len() > LARGEST_BODY => return Err(FrameError::LargeBody),
            None => return Ok(None),
            Some(length) => length,
        },
    };
    buffer.advance(head);
    frame.body = buffer.split_to(length).freeze();
    buffer.advance(1);
    Ok(Some(frame))
}

/// The frame, without its body, and how many bytes come before that; `None` until they are all there.
fn read_head(bytes: &[u8]) -> Result<Option<(Frame, usize)>, FrameError> {
    let mut length = 0;
    let mut line = || {
        let rest = &bytes[length..];
        let line = &rest[..memchr(b'\n', rest)?];
        length += line.len() + 1;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    };
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| FrameError::NotText);
    let Some(command) = line() else {
        return Ok(None);
    };
    let mut head = Head::new(text(command)?);
    // The usual head at once.
    head.text.reserve(USUAL_HEAD);
    head.headers.reserve(USUAL_HEADERS);
    // Frames that sign in are not escaped.
    let is_escaped = head.text != "CONNECTED";
    loop {
        match line() {
            None => return Ok(None),
            Some(b"") => return Ok(Some((head.frame(), length))),
            Some(header) => {
                let colon = memchr(b':', header).ok_or(FrameError::NoColon)?;
                head.read(text(header)?, colon, is_escaped)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<Option<Frame>, FrameError> {
        next(&mut BytesMut::from(bytes))
    }

    #[test]
    fn reads_a_message_behind_heartbeats() {
        let bytes =
            b"\n\r\nMESSAGE\r\nmessage-id:ID\\ca\\\\1\nx:1\nx:2\ncontent-length:3\n\na\0b\0\nM";
        let mut buffer = BytesMut::from(&bytes[..]);
        let frame = next(&mut buffer).unwrap().unwrap();
        assert_eq!(frame.command(), "MESSAGE");
        assert_eq!(frame.header("message-id"), Some("ID:a\\1"));
        assert_eq!(frame.header("x"), Some("1"));
        assert_eq!(frame.body, Bytes::from_static(b"a\0b"));
        assert_eq!(next(&mut buffer), Ok(None));
        assert_eq!(&buffer[..], b"M");
    }

    #[test]
    fn without_a_length_the_body_ends_at_nul() {
        let frame = read(b"MESSAGE\n\nhello\0").unwrap().unwrap();
        assert_eq!(
            (frame.header("content-length"), &frame.body[..]),
            (None, &b"hello"[..])
        );
        assert_eq!(read(b"MESSAGE\n\nhell"), Ok(None));
        // Not escaped, as the protocol has it for who signs in.
        let frame = read(b"CONNECTED\nserver:a:b\\x\n\n\0").unwrap().unwrap();
        assert_eq!(frame.header("server"), Some("a:b\\x"));
    }

    #[test]
    fn escapes_names_and_values_alike() {
        let frame = Frame::new("ACK", [(":", "a:b\\")]);
        assert_eq!(frame.encode(), b"ACK\n\\c:a\\cb\\\\\n\n\0");
        let frame = Frame::new("CONNECT", [("passcode", "a:b")]);
        assert_eq!(frame.encode(), b"CONNECT\npasscode:a:b\n\n\0");
    }

    #[test]
    fn refuses_what_is_no_frame() {
        let cases: [(&[u8], FrameError); 6] = [
            (b"M\nno colon\n\n\0", FrameError::NoColon),
            (b"M\nx:\\q\n\n\0", FrameError::Escape),
            (b"M\nx:\\\n\n\0", FrameError::Escape),
            (b"M\ncontent-length:-1\n\n\0", FrameError::Length),
            (b"M\ncontent-length:1\n\nab\0", FrameError::NoEnd),
            (b"M\n\xFF:1\n\n\0", FrameError::NotText),
        ];
        for (bytes, error) in cases {
            assert_eq!(read(bytes), Err(error), "{bytes:?}");
        }
        let length = format!("M\ncontent-length:{}\n\n", LARGEST_BODY + 1);
        assert_eq!(read(length.as_bytes()), Err(FrameError::LargeBody));
        assert_eq!(
            read(&vec![b'x'; LARGEST_HEAD + 1]),
            Err(FrameError::LargeHead)
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            headers in proptest::collection::vec((".{0,8}", ".{0,8}"), 0..6),
            cut in 0usize..400,
        ) {
            prop_assume!(headers.iter().all(|(name, _)| name != "content-length"));
            let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let frame = Frame::new("ACK", pairs);
            let bytes = frame.encode();
            prop_assume!(!bytes[..bytes.len() - 1].contains(&0));
            let mut buffer = BytesMut::from(&bytes[..cut.min(bytes.len())]);
            if cut < bytes.len() {
                prop_assert_eq!(next(&mut buffer.clone()), Ok(None));
                buffer.extend_from_slice(&bytes[cut..]);
            }
            prop_assert_eq!(next(&mut buffer), Ok(Some(frame)));
            prop_assert!(buffer.is_empty());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(frame)) = next(&mut buffer) {
                prop_assert!(frame.body.len() <= bytes.len());
            }
        }
    }
}
