//! Kafka's framing with blocking sockets, for the few requests that the bench needs, each in one fixed version that every
//! broker from 2.2 on still speaks.

use crate::Failure;
use std::io::{Read, Write};
use std::net::TcpStream;

pub(crate) const PRODUCE: (i16, i16) = (0, 7);
pub(crate) const FETCH: (i16, i16) = (1, 10);
pub(crate) const CREATE_TOPICS: (i16, i16) = (19, 3);

/// The longest answer that the bench accepts: three partitions of a fetch with room to spare.
const MAX_ANSWER: usize = 256 << 20;

pub(crate) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(bootstrap: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(bootstrap)
            .map_err(|e| format!("cannot reach the broker at {bootstrap}: {e}"))?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            answer: Vec::new(),
        })
    }

    /// One request and its answer, without the answer's header; the buffer serves the next call again.
    pub(crate) fn call(&mut self, api: (i16, i16), body: &[u8]) -> Result<Reader<'_>, Failure> {
        let mut request = Vec::with_capacity(body.len() + 32);
        let client = b"bench";
        let length = 2 + 2 + 4 + 2 + client.len() + body.len();
        request.extend((length as i32).to_be_bytes());
        request.extend(api.0.to_be_bytes());
        request.extend(api.1.to_be_bytes());
        request.extend(1i32.to_be_bytes());
        request.put_string("bench");
        request.extend(body);
        self.stream.write_all(&request)?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if length > MAX_ANSWER {
            return Err(format!("the broker announces an answer of {length} bytes").into());
        }
        self.answer.resize(length, 0);
        self.stream.read_exact(&mut self.answer)?;
        let mut reader = Reader(&self.answer);
        reader.i32()?;
        Ok(reader)
    }
}

pub(crate) trait Put {
    fn put_string(&mut self, text: &str);
}

impl Put for Vec<u8> {
    fn put_string(&mut self, text: &str) {
        self.extend((text.len() as i16).to_be_bytes());
        self.extend(text.as_bytes());
    }
}

/// What is left of an answer.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8], Failure> {
        let (head, rest) = self.0.split_at_checked(length).ok_or("a short answer")?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        let (head, rest) = self.0.split_first_chunk().ok_or("a short answer")?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, Failure> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Failure> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Failure> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    pub(crate) fn string(&mut self) -> Result<&'a [u8], Failure> {
        let length = self.i16()?.max(0) as usize;
        self.bytes(length)
    }

    /// A zigzag varint.
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<i64, Failure> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or("a short record")?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err("a varint of more than ten bytes".into())
    }
}

/// A zigzag varint, as `Reader::varint` reads it.
pub(crate) fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut rest = (value << 1 ^ value >> 63) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
