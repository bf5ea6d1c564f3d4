//! Frames of STOMP 1.2, read and written; no I/O.

use bytes::{Buf, Bytes, BytesMut};
use std::ops::Range;

/// Command and headers of a frame: ActiveMQ's own bounds are 8 KiB a line and a thousand headers.
const LARGEST_HEAD: usize = 1 << 20;

/// Headers of a message of ActiveMQ without properties.
const USUAL_HEADERS: usize = 10;

/// What ActiveMQ sends at the most as it comes (`maxFrameSize`).
const LARGEST_BODY: usize = 100 << 20;

/// A frame: its command and headers, unescaped, are parts of one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// UTF-8, and cut only between characters.
    text: Bytes,
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
        self.value(name).map(|value| self.part(value))
    }

    /// The value of a header, sharing the frame's memory.
    pub(super) fn shared(&self, name: &str) -> Option<Bytes> {
        self.value(name).map(|value| self.text.slice(value))
    }

    /// Names and values; the values share the frame's memory.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&str, Bytes)> {
        let headers = self.headers.iter();
        headers
            .map(|Header { name, value }| (self.part(name.clone()), self.text.slice(value.clone())))
    }

    fn value(&self, name: &str) -> Option<Range<usize>> {
        let mut headers = self.headers.iter();
        let found = headers.find(|header| self.text[header.name.clone()] == *name.as_bytes());
        found.map(|header| header.value.clone())
    }

    fn part(&self, range: Range<usize>) -> &str {
        std::str::from_utf8(&self.text[range]).unwrap_or_default()
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
            text: Bytes::from(self.text),
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
    let Some(head) = head_length(buffer) else {
        return if buffer.len() > LARGEST_HEAD {
            Err(FrameError::LargeHead)
        } else {
            Ok(None)
        };
    };
    if head > LARGEST_HEAD {
        return Err(FrameError::LargeHead);
    }
    let mut frame = parse_head(&buffer[..head])?;
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
        None => match body.iter().position(|byte| *byte == 0) {
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

/// How many bytes there are up to the body: through the first empty line.
fn head_length(buffer: &[u8]) -> Option<usize> {
    let mut start = 0;
    loop {
        let line = buffer[start..].iter().position(|byte| *byte == b'\n')?;
        let is_empty = matches!(&buffer[start..start + line], b"" | b"\r");
        start += line + 1;
        if is_empty {
            return Some(start);
        }
    }
}

fn parse_head(bytes: &[u8]) -> Result<Frame, FrameError> {
    let text = std::str::from_utf8(bytes).map_err(|_| FrameError::NotText)?;
    let mut lines = text.split('\n');
    let mut line = || {
        lines
            .next()
            .map(|line| line.strip_suffix('\r').unwrap_or(line))
    };
    let mut head = Head::new(line().unwrap_or_default());
    head.text.reserve(text.len());
    head.headers.reserve(USUAL_HEADERS);
    // Frames that sign in are not escaped, and few headers of others are.
    let is_escaped = head.text != "CONNECTED" && text.contains('\\');
    while let Some(header) = line().filter(|line| !line.is_empty()) {
        let (name, value) = header.split_once(':').ok_or(FrameError::NoColon)?;
        let header = if is_escaped {
            Header {
                name: head.unescape(name)?,
                value: head.unescape(value)?,
            }
        } else {
            Header {
                name: head.add(name),
                value: head.add(value),
            }
        };
        head.headers.push(header);
    }
    Ok(head.frame())
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
