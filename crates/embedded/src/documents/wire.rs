//! The wire protocol's frames: OP_MSG with body and document sequences, and OP_QUERY, which old drivers
//! send as their first handshake. No compression, as `hello` offers none.

use super::command::Command;
use bson::{Document, RawDocument, RawDocumentBuf};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// MongoDB's own bound on a message.
pub(super) const MAX_MESSAGE: usize = 48_000_000;

/// Nested deeper, a document would cost more stack than a thread has. MongoDB stops at about 200 too.
const MAX_DEPTH: usize = 220;

const HEADER: usize = 16;
const OP_REPLY: i32 = 1;
const OP_QUERY: i32 = 2004;
const OP_MSG: i32 = 2013;
const CHECKSUM_PRESENT: u32 = 1;
const MORE_TO_COME: u32 = 1 << 1;

/// How the request came, which is how the answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Msg { more_to_come: bool },
    Query,
}

impl Form {
    pub(super) fn wants_answer(self) -> bool {
        self != Form::Msg { more_to_come: true }
    }
}

pub(super) struct Message {
    pub(super) request_id: i32,
    pub(super) form: Form,
    pub(super) command: Command,
}

/// Reads a whole message, header included. `false`: the client closed the connection between two messages.
pub(super) async fn read_message<R: AsyncRead + Unpin>(
    from: &mut R,
    buffer: &mut Vec<u8>,
) -> io::Result<bool> {
    let mut header = [0; HEADER];
    match from.read_exact(&mut header).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        Err(error) => return Err(error),
    }
    let length = usize::try_from(i32_at(&header, 0)?).unwrap_or(0);
    if !(HEADER..=MAX_MESSAGE).contains(&length) {
        return Err(malformed("message length out of bounds"));
    }
    buffer.clear();
    buffer.extend_from_slice(&header);
    let read = from
        .take((length - HEADER) as u64)
        .read_to_end(buffer)
        .await?;
    if read == length - HEADER {
        Ok(true)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Writes an answer in the form the request came in.
pub(super) async fn write_answer<W: AsyncWrite + Unpin>(
    to: &mut W,
    request_id: i32,
    form: Form,
    document: &[u8],
) -> io::Result<()> {
    let mut out = Vec::with_capacity(HEADER + 24 + document.len());
    let code = match form {
        Form::Msg { .. } => OP_MSG,
        Form::Query => OP_REPLY,
    };
    for field in [0, 0, request_id, code] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    match form {
        // No flags; one section of kind 0.
        Form::Msg { .. } => out.extend_from_slice(&[0, 0, 0, 0, 0]),
        // Flags, cursor 0, first document, one document.
        Form::Query => {
            out.extend_from_slice(&[0; 16]);
            out.extend_from_slice(&1i32.to_le_bytes());
        }
    }
    out.extend_from_slice(document);
    let length = out.len() as i32;
    out[..4].copy_from_slice(&length.to_le_bytes());
    to.write_all(&out).await
}

impl Message {
    pub(super) fn parse(bytes: &[u8]) -> io::Result<Message> {
        let request_id = i32_at(bytes, 4)?;
        match i32_at(bytes, 12)? {
            OP_MSG => Message::parse_msg(request_id, bytes),
            OP_QUERY => Message::parse_query(request_id, bytes),
            _ => Err(malformed("unknown operation code")),
        }
    }

    fn parse_msg(request_id: i32, bytes: &[u8]) -> io::Result<Message> {
        let flags = i32_at(bytes, HEADER)? as u32;
        let mut rest = &bytes[HEADER + 4..];
        if flags & CHECKSUM_PRESENT != 0 {
            rest = rest
                .get(..rest.len().wrapping_sub(4))
                .ok_or_else(|| malformed("message without its checksum"))?;
        }
        let mut body = None;
        let mut sequences = Vec::new();
        while let Some((&kind, section)) = rest.split_first() {
            match kind {
                0 if body.is_none() => {
                    let (document, after) = split_document(section)?;
                    body = Some(document);
                    rest = after;
                }
                1 => {
                    let size = usize::try_from(i32_at(section, 0)?).unwrap_or(0);
                    let content = section
                        .get(4..size)
                        .ok_or_else(|| malformed("sequence out of bounds"))?;
                    sequences.push(split_sequence(content)?);
                    rest = &section[size..];
                }
                _ => return Err(malformed("unknown section kind")),
            }
        }
        Ok(Message {
            request_id,
            form: Form::Msg {
                more_to_come: flags & MORE_TO_COME != 0,
            },
            command: Command::new(
                body.ok_or_else(|| malformed("message without a body"))?,
                sequences,
            )?,
        })
    }

    fn parse_query(request_id: i32, bytes: &[u8]) -> io::Result<Message> {
        let name = bytes
            .get(HEADER + 4..)
            .ok_or_else(|| malformed("query cut short"))?;
        let end = name
            .iter()
            .position(|&byte| byte == 0)
            .ok_or_else(|| malformed("query without a namespace"))?;
        let db = std::str::from_utf8(&name[..end])
            .ok()
            .and_then(|namespace| namespace.strip_suffix(".$cmd"))
            .ok_or_else(|| malformed("only commands come as queries"))?;
        let rest = name
            .get(end + 9..)
            .ok_or_else(|| malformed("query cut short"))?;
        let (raw, _) = split_document(rest)?;
        let mut body = Document::try_from(raw.as_ref()).map_err(io::Error::other)?;
        body.insert("$db", db);
        let body = RawDocumentBuf::try_from(&body).map_err(io::Error::other)?;
        Ok(Message {
            request_id,
            form: Form::Query,
            command: Command::new(body, Vec::new())?,
        })
    }
}

type Sequence = (String, Vec<RawDocumentBuf>);

fn split_sequence(content: &[u8]) -> io::Result<Sequence> {
    let end = content
        .iter()
        .position(|&byte| byte == 0)
        .ok_or_else(|| malformed("sequence without a name"))?;
    let name = std::str::from_utf8(&content[..end]).map_err(io::Error::other)?;
    let mut rest = &content[end + 1..];
    let mut documents = Vec::new();
    while !rest.is_empty() {
        let (document, after) = split_document(rest)?;
        documents.push(document);
        rest = after;
    }
    Ok((name.to_owned(), documents))
}

/// Takes one document off the front; it is checked through, so that later readers meet no surprise.
fn split_document(bytes: &[u8]) -> io::Result<(RawDocumentBuf, &[u8])> {
    let length = usize::try_from(i32_at(bytes, 0)?).unwrap_or(0);
    let (document, rest) = bytes
        .split_at_checked(length)
        .ok_or_else(|| malformed("document out of bounds"))?;
    let document = RawDocumentBuf::from_bytes(document.to_vec()).map_err(io::Error::other)?;
    check(&document, 0)?;
    Ok((document, rest))
}

fn check(document: &RawDocument, depth: usize) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(malformed("document nested too deep"));
    }
    for element in document {
        let (_, value) = element.map_err(io::Error::other)?;
        if let Some(inner) = value.as_document() {
            check(inner, depth + 1)?;
        } else if let Some(array) = value.as_array() {
            let inner = RawDocument::from_bytes(array.as_bytes()).map_err(io::Error::other)?;
            check(inner, depth + 1)?;
        }
    }
    Ok(())
}

fn i32_at(bytes: &[u8], at: usize) -> io::Result<i32> {
    let field = bytes
        .get(at..at + 4)
        .and_then(|field| field.try_into().ok())
        .ok_or_else(|| malformed("message cut short"))?;
    Ok(i32::from_le_bytes(field))
}

fn malformed(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn bytes_of_any_kind_do_no_harm(mut bytes in prop::collection::vec(any::<u8>(), 0..120), query: bool) {
            if bytes.len() >= 16 {
                let code = if query { OP_QUERY } else { OP_MSG };
                bytes[12..16].copy_from_slice(&code.to_le_bytes());
            }
            let _ = Message::parse(&bytes);
        }
    }

    #[test]
    fn a_message_of_a_bare_header_is_refused() {
        for code in [OP_MSG, OP_QUERY] {
            let mut bytes = [0; HEADER];
            bytes[12..].copy_from_slice(&code.to_le_bytes());
            assert!(Message::parse(&bytes).is_err());
        }
    }

    #[test]
    fn a_document_nested_too_deep_is_refused() {
        let mut inner = vec![5, 0, 0, 0, 0];
        for _ in 0..MAX_DEPTH + 5 {
            let mut outer = (inner.len() as i32 + 8).to_le_bytes().to_vec();
            outer.extend_from_slice(b"\x03a\0");
            outer.extend_from_slice(&inner);
            outer.push(0);
            inner = outer;
        }
        assert!(split_document(&inner).is_err());
    }
}
