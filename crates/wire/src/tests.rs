//! The shapes against the decoder itself: messages generated from a shape must be read to their last byte, and what is
//! bent may be refused but never believed.

#![allow(clippy::unwrap_used)]

use crate::shape::{Field, Kind};
use crate::{Malformed, Shape, Shaped, decode};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::Message;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

pub(crate) trait Visitor {
    fn visit<M: Shaped + Message>(&mut self, name: &str);
}

/// Writes random messages of a shape.
struct Writer {
    out: BytesMut,
    version: i16,
    is_flexible: bool,
    random: StdRng,
}

impl Writer {
    fn message(shape: &Shape, version: i16, seed: u64) -> Bytes {
        let mut writer = Writer {
            out: BytesMut::new(),
            version,
            is_flexible: shape.is_flexible(version),
            random: StdRng::seed_from_u64(seed),
        };
        writer.fields(&shape.fields);
        writer.out.freeze()
    }

    fn fields(&mut self, fields: &[Field]) {
        for field in fields {
            if field.tag.is_none() && field.is_in(self.version) {
                self.value(&field.kind);
            }
        }
        if !self.is_flexible {
            return;
        }
        let tagged = fields.iter().filter(|field| field.is_in(self.version));
        let tagged: Vec<(u32, &Kind)> = tagged
            .filter_map(|field| Some((field.tag?, &field.kind)))
            .collect();
        self.varint(tagged.len() as u32 + 1);
        for (tag, kind) in tagged {
            let outside = std::mem::take(&mut self.out);
            self.value(kind);
            let inside = std::mem::replace(&mut self.out, outside);
            self.varint(tag);
            self.varint(inside.len() as u32);
            self.out.extend_from_slice(&inside);
        }
        // A field of a later version, which is passed over.
        self.varint(1000);
        self.varint(3);
        self.out.put_slice(b"new");
    }

    fn value(&mut self, kind: &Kind) {
        match kind {
            // A truth value or a small number.
            Kind::Fixed(1) => self.out.put_u8(1),
            Kind::Fixed(size) => {
                for _ in 0..*size {
                    let byte = self.random.random();
                    self.out.put_u8(byte);
                }
            }
            Kind::Struct(fields) => self.fields(fields),
            Kind::Optional(fields) => {
                let is_there = self.random.random();
                self.out.put_u8(if is_there { 1 } else { 0xFF });
                if is_there {
                    self.fields(fields);
                }
            }
            Kind::Text | Kind::Bytes => {
                let length = self.random.random_range(0..9);
                match kind {
                    _ if self.is_flexible => self.varint(length + 1),
                    Kind::Text => self.out.put_i16(length as i16),
                    _ => self.out.put_i32(length as i32),
                }
                for _ in 0..length {
                    let letter = self.random.random_range(b'a'..=b'z');
                    self.out.put_u8(letter);
                }
            }
            Kind::List(each) => {
                let count = self.random.random_range(0..4);
                if self.is_flexible {
                    self.varint(count + 1);
                } else {
                    self.out.put_i32(count as i32);
                }
                for _ in 0..count {
                    self.value(each);
                }
            }
        }
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.out.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.put_u8(value as u8);
    }
}

#[test]
fn the_decoder_reads_every_message_of_every_shape() {
    struct ReadsAll(usize);
    impl Visitor for ReadsAll {
        fn visit<M: Shaped + Message>(&mut self, name: &str) {
            for version in M::VERSIONS.min..=M::VERSIONS.max {
                for seed in 0..20 {
                    let mut bytes = Writer::message(M::shape(), version, seed);
                    let whole = bytes.clone();
                    if let Err(error) = decode::<M>(&mut bytes, version) {
                        panic!("{name} version {version} seed {seed}: {error} ({whole:?})");
                    }
                    assert!(bytes.is_empty(), "{name} version {version} seed {seed}");
                    self.0 += 1;
                }
            }
        }
    }
    let mut visitor = ReadsAll(0);
    crate::shapes::visit(&mut visitor);
    assert!(visitor.0 > 2000);
}

impl<V: Visitor> Visitor for &mut V {
    fn visit<M: Shaped + Message>(&mut self, name: &str) {
        (*self).visit::<M>(name);
    }
}

/// Were a count believed, the process would end here: entries of a hundred bytes by the billion.
#[test]
fn report_f1_bent_messages_are_refused_or_read() {
    struct Bends(StdRng, usize);
    impl Visitor for Bends {
        fn visit<M: Shaped + Message>(&mut self, _: &str) {
            for version in M::VERSIONS.min..=M::VERSIONS.max {
                for seed in 0..20 {
                    let whole = Writer::message(M::shape(), version, seed);
                    for _ in 0..20 {
                        let mut bent = whole.to_vec();
                        let at = self.0.random_range(0..=bent.len());
                        let with: &[u8] = match self.0.random_range(0..4) {
                            0 => &[0x7F, 0xFF, 0xFF, 0xFF],
                            1 => &[0xFF, 0xFF, 0xFF, 0xFF, 0x07],
                            2 => &[0x80],
                            _ => &[],
                        };
                        if self.0.random_bool(0.5) {
                            bent.splice(at..bent.len().min(at + with.len()), with.iter().copied());
                        } else {
                            bent.truncate(at);
                            bent.extend_from_slice(with);
                        }
                        if decode::<M>(&mut Bytes::from(bent), version).is_err() {
                            self.1 += 1;
                        }
                    }
                }
            }
        }
    }
    let mut visitor = Bends(StdRng::seed_from_u64(1), 0);
    crate::shapes::visit(&mut visitor);
    assert!(visitor.1 > 10_000, "{} refused", visitor.1);
}

#[test]
fn report_f1_a_count_says_what_it_claims() {
    use kafka_protocol::messages::{ConsumerProtocolSubscription, MetadataResponse};
    // The subscription of the report: 2^31 − 1 topics, and the end.
    let mut bytes = Bytes::from_static(&[0x7F, 0xFF, 0xFF, 0xFF]);
    let error = decode::<ConsumerProtocolSubscription>(&mut bytes, 1).unwrap_err();
    assert!(
        matches!(
            error,
            Malformed::Count {
                count: 2147483647,
                left: 0
            }
        ),
        "{error}"
    );
    // A list with lengths of variable size; here of brokers.
    let mut bytes = Bytes::from_static(&[0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F]);
    let error = decode::<MetadataResponse>(&mut bytes, 12).unwrap_err();
    assert_eq!(
        error.to_string(),
        "it claims 4294967294 entries where 0 bytes are left"
    );
    let mut bytes = Bytes::from_static(&[0xFF, 0xFF, 0xFF, 0xFE]);
    assert!(decode::<ConsumerProtocolSubscription>(&mut bytes, 1).is_err());
}
